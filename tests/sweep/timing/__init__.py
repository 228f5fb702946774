"""Tests of the sweep's estimates."""
