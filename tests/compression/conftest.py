"""The mutants of tests/faults are taken here as well."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "faults"))
