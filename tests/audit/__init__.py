"""Tests of the audit of the deck's claims and of the health bands."""
