"""Tests of evaluating trained networks."""
