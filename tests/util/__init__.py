"""Tests of the helpers that every part uses."""
