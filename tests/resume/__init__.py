"""Runs that are interrupted, and what goes wrong around them."""
