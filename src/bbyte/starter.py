"""What to take before anything was packed or trained: a corpus and a model.

The corpus is Python's own documentation, found on every machine that runs bbyte. It is collected from the
source files of the interpreter at hand: the topics that `help()` shows and the docstrings of the standard
library, about 2 MB of English. Files are parsed, no module is imported. The model comes with bbyte;
docs/starter.md says how it was trained.
"""

import ast
import platform
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3
from filelock import FileLock

from bbyte.checkpoint import find
from bbyte.checkpoint.meta import FILE as CHECKPOINT
from bbyte.data import meta
from bbyte.data.corpus import ByteCorpus, newest_corpus
from bbyte.data.corpus_writer import CorpusWriter
from bbyte.errors import BbyteError, DataError

DATASETS = Path("artifacts/datasets")
NAME = f"python-docs-{sys.version_info.major}.{sys.version_info.minor}"
VAL_FRACTION = 0.1
MODEL = Path(__file__).with_name("starter_model")
"""The starter model's folder, a packed checkpoint."""

_TOPICS = Path("pydoc_data", "topics.py")
_SKIPPED = {
    "test", "tests", "idle_test", "turtledemo", "_bundled", "__pycache__", "site-packages", "dist-packages",
}  # fmt: skip


def documentation() -> Iterator[tuple[str, bytes]]:
    """Every help topic and docstring, as (where it stands, UTF-8 text), each text once, in keyed order.

    The order is that of the texts' digests: it mixes topics and modules, and is the same on every machine
    with the same Python. Raises BbyteError when this Python came without the source files of its library.
    """
    found: dict[bytes, tuple[str, bytes]] = {}
    for name, text in _collect(Path(sysconfig.get_path("stdlib"))):
        document = text.encode("utf-8", "backslashreplace")
        found.setdefault(blake3(document).digest(), (name, document))
    if not found:
        raise BbyteError(
            f"this Python ({sys.executable}) came without the sources of its library, so there is no "
            "documentation to collect",
            "give your own text with --data, or use a Python from python.org, uv, conda or your system",
        )
    yield from (found[digest] for digest in sorted(found))


def pack_documentation(out_dir: Path) -> ByteCorpus:
    """The documentation as a corpus in the folder `out_dir`, a tenth of it held out for validation.

    A corpus that is there already and not damaged is taken as it is. Safe to call from several processes.
    Raises BbyteError as `documentation` does.
    """
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(out_dir.with_name(f".{out_dir.name}.lock")):
        damaged = False
        if (out_dir / meta.FILE).exists():
            try:
                corpus = ByteCorpus.open(out_dir)
                corpus.verify()
            except DataError:
                damaged = True
            else:
                return corpus
        with CorpusWriter(out_dir, val_fraction=VAL_FRACTION, replace=damaged) as writer:
            total = 0
            for _name, document in documentation():
                writer.add(document)
                total += len(document)
            writer.add_source(meta.Source(f"documentation of Python {platform.python_version()}", total))
    return ByteCorpus.open(out_dir)


def default_corpus(root: Path = DATASETS) -> tuple[Path, str]:
    """The corpus to take when none was named, and one sentence that says which.

    It is the one packed last under `root`, else Python's documentation, packed on the spot. Raises BbyteError
    as `documentation` does.
    """
    newest = newest_corpus(root)
    if newest is not None:
        return newest, f"taking the newest corpus, {newest}"
    corpus = pack_documentation(root / NAME)
    return (
        corpus.path,
        f"no corpus under {root}, so taking Python's own documentation, packed to {corpus.path}",
    )


def default_checkpoint(root: Path = find.ROOT) -> Path:
    """The checkpoint to take when none was named: the run with the newest one, else the starter model.

    Raises BbyteError, saying what makes one, where bbyte was installed without the starter model.
    """
    if not find.runs(root) and (MODEL / CHECKPOINT).exists():
        return MODEL
    return find.newest(root)


def _collect(library: Path) -> Iterator[tuple[str, str]]:
    """Texts and where they stand, in an order that does not depend on the file system."""
    for file in sorted(library.rglob("*.py")):
        place = file.relative_to(library)
        if place == _TOPICS:
            yield from _topics(file)
        elif _SKIPPED.isdisjoint(place.parts):
            yield from _docstrings(file, ".".join(place.with_suffix("").parts).removesuffix(".__init__"))


def _topics(file: Path) -> Iterator[tuple[str, str]]:
    """The strings of the one dictionary that pydoc_data/topics.py consists of."""
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                    yield f"help({key.value!r})", str(value.value)


def _docstrings(file: Path, module: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield f"{module}:{getattr(node, 'name', '')}".rstrip(":"), text


def _parsed(file: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):  # a template, or a file for another Python: no documentation in it
            return ast.Module(body=[], type_ignores=[])
