"""What a finished run's network is worth beyond its headline; results are kept beside the run."""
