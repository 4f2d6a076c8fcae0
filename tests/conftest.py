"""One thread for the small products of tests, and no time limits: other programs may be busy beside them."""

import os

from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
