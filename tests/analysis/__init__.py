"""Tests of what is made from run records: statistics, tables, figures."""
