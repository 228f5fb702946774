"""Kill training runs at every kind of moment, resume them, and compare them bit for bit with uninterrupted ones."""

import os

# Set before any library is imported: a process with threads must not fork, and the machine is shared.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
