"""The corruptions of CIFAR-C, drawn by code on whole batches (`bench.evaluate.corrupt.kinds`)."""
