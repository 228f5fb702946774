"""Counting a network: parameters, MACs, activations, fingerprint, and their pinned values."""
