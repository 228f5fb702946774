"""A finished run's network in formats that load without this package."""
