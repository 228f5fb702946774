"""Suites: many runs, declared in one file and trained as one job that can be stopped and resumed."""
