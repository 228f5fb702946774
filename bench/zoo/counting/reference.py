"""What the zoo's figures are for, and a model is built for where no data set says otherwise: CIFAR-100's images."""

from bench.data.datasets import DATASETS

IMAGE = DATASETS["cifar100"].image
NUM_CLASSES = DATASETS["cifar100"].classes
