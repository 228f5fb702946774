"""What runs cost in time: probes, throughput of this machine, estimates, calibration."""
