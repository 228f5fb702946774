"""Suites: many runs declared in one file, executed as one job that can be stopped and continued."""
