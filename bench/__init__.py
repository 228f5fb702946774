"""Efficient-training benchmark suite: declared runs, real records, tables one can trace."""
