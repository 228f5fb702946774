"""Composer callbacks: what a training run measures, records and saves."""
