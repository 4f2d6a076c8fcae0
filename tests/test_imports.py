"""What must not load torch (or numpy), shown in fresh interpreters; and who may know a family's name.

Modules that do not exist yet are taken in when they appear.
"""

import ast
import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import bbyte
import bbyte.models

SOURCE = Path(bbyte.__file__).parent

WITHOUT_TORCH = (
    "cli", "__main__", "commands", "terminal", "config", "errors", "data", "engine", "generation",
    "compression", "evaluation", "anchors", "starter", "models", "models.contract", "models.families",
    "checkpoint.meta", "checkpoint.find", "checkpoint.contents", "checkpoint.matrices", "checkpoint.listing",
    "checkpoint.differences", "checkpoint.tagging", "checkpoint.legacy.answer", "checkpoint.legacy.archive",
    "checkpoint.legacy.opcodes", "checkpoint.legacy.extract", "checkpoint.legacy.recognise", "verification",
    "folders", "manifest", "quantization.packing", "diagnosis",
    "training.config", "training.events", "runs", "report", "tracking", "analysis", "sanitize", "figures",
    "serving", "opening", "api.model", "api.once", "api.earlier", "api.building", "probabilities",
)  # fmt: skip
WITHOUT_NUMPY = (
    "cli",
    "__main__",
    "commands",
    "terminal",
    "config",
    "errors",
    "training.events",
    "models.contract",
)


def modules(names):
    """The full names of what exists, packages with everything in them."""
    families = [
        f"models.{info.name}.config" for info in pkgutil.iter_modules(bbyte.models.__path__) if info.ispkg
    ]
    for name in (*names, *families):
        full = f"bbyte.{name}"
        try:
            found = importlib.util.find_spec(full)
        except ModuleNotFoundError:
            continue
        if found is None:
            continue
        yield full
        if found.submodule_search_locations and name != "models":
            yield from (
                info.name
                for info in pkgutil.walk_packages(found.submodule_search_locations, f"{full}.")
                if not info.name.endswith("._core")  # a library for ctypes, no module to import
            )


def loaded_by(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stderr.split()}


def offenders(names: list[str], unwanted: str) -> list[str]:
    """One interpreter for all; only if it loads what it should not, one for each to name the guilty."""
    if unwanted not in loaded_by("\n".join(f"import {name}" for name in names)):
        return []
    return [name for name in names if unwanted in loaded_by(f"import {name}")]


def test_without_torch():
    assert not offenders(sorted(set(modules(WITHOUT_TORCH))), "torch")


def test_without_numpy():
    assert not offenders(sorted(set(modules(WITHOUT_NUMPY))), "numpy")


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["train", "--help"], ["generate", "--help"], ["generat"]]
)
def test_the_command_line_answers_without_them(words):
    loaded = loaded_by(f"from bbyte.cli import main; main({words!r})")
    assert not loaded & {"torch", "numpy", "safetensors", "psutil", "transformers"}


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


FAMILIES = [info.name for info in pkgutil.iter_modules(bbyte.models.__path__) if info.ispkg]


@pytest.mark.parametrize("family", FAMILIES)
def test_nobody_else_knows_a_family(family):
    home = SOURCE / "models" / family
    tour = SOURCE / "quickstart.py"  # it shows one family, and has to say which
    legacy = SOURCE / "checkpoint" / "legacy" / "recognise.py"  # it says which of them an old file's is
    strangers = [
        path for path in SOURCE.rglob("*.py") if home not in path.parents and path not in (tour, legacy)
    ]
    inside = f"bbyte.models.{family}"
    assert not [
        path for path in strangers if any(f"{name}.".startswith(f"{inside}.") for name in imports(path))
    ]
    for path in strangers:
        literals = {
            node.value
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Constant)
        }
        assert family not in literals, f"{path.relative_to(SOURCE)} names the family {family}"


def test_no_module_has_a_name_without_a_noun():
    banned = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}
    assert not [path for path in SOURCE.rglob("*.py") if path.stem in banned]


def test_files_stay_readable():
    assert not [path for path in SOURCE.rglob("*.py") if len(path.read_text("utf-8").splitlines()) > 300]
