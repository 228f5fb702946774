"""Measurements of speed, always as ratios within one process, the sides taking turns."""
