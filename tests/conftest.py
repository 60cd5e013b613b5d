"""Two tests run at a time (see the Makefile), so each process keeps to one thread; and none is judged by the clock."""

import os

import hypothesis

import moray.ethereum  # noqa: F401 - before a test imports what it guards against

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch when it is imported

hypothesis.settings.register_profile("moray", deadline=None)
hypothesis.settings.load_profile("moray")
