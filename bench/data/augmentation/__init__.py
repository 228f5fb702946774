"""Keyed, batched augmentation, bit-equal to torchvision's operations."""
