"""Tests of the augmentation."""
