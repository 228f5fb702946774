"""Where runs are executed: cores and GPUs of this host, their locks, a run's processes."""
