"""Tests of the sweep's backends."""
