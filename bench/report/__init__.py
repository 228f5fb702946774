"""Reports that people open: one page of HTML that needs nothing else (`python -m bench.report html`)."""
