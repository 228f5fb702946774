"""Tables of run records: every cell is a small object that knows the runs it came from (`python -m bench.tables`)."""
