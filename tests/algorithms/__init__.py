"""Tests of what plugs into Composer."""
