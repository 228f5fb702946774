"""Engines that execute a run: the same spec in, the same records out."""
