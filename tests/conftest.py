"""One thread for the small products of tests: on busy machines more of them wait for each other."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
