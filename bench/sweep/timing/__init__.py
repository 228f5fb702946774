"""The time that runs take: measured speed of this machine, estimates, calibration."""
