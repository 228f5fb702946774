"""Train on the nodes of a Ray cluster, which share no disk with the sweep or each other. Only functions import ray."""
