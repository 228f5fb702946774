"""Data sets as resident uint8 arrays, keyed randomness, batched augmentation."""
