"""Two tests run at a time (see the Makefile), so each process keeps to one thread."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch when it is imported
