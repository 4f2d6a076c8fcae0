"""Small packed checkpoints for what is drawn of models."""

import pytest
from engine_models import SHAPES, packed


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folders of a ternary transformer, one in full precision and a Mamba, each beside its run (NAME-run)."""
    root = tmp_path_factory.mktemp("drawn")
    names = {"ternary": "grouped", "full": "full", "mamba": "mamba2_full"}
    return {name: packed(root / name, SHAPES[shape]) for name, shape in names.items()}
