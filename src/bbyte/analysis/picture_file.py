"""Where a picture or a page is written: never over what is there, unless that is asked for."""

from pathlib import Path

from bbyte import durable
from bbyte.analysis import raster, themed_svg
from bbyte.analysis.drawing import Drawing
from bbyte.errors import UsageError

PLOTS = Path("artifacts/plots")
DRAWN = (".svg", ".png")


def check(path: Path, endings: tuple[str, ...], *, force: bool) -> None:
    """Raise UsageError unless `path` has one of the endings and is free, or may be replaced by `force`."""
    if path.suffix.lower() not in endings:
        raise UsageError(
            f"{path} does not end in {' or '.join(endings)}", f"--out {path.with_suffix(endings[0])}"
        )
    if path.is_dir() or (not force and (path.exists() or path.is_symlink())):
        raise UsageError(f"{path} is there already", "--force replaces it, --out names another file")
    if path.suffix.lower() == ".png":
        raster.check()


def write(drawing: Drawing, path: Path, *, force: bool) -> None:
    """Write the drawing as .svg or .png. Raises what `check` raises, and OSError where it cannot."""
    check(path, DRAWN, force=force)
    if path.suffix.lower() == ".svg":
        write_text(themed_svg.document(drawing), path, force=force)
        return
    data = raster.png(drawing)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb" if force else "xb") as file:
        file.write(data)


def write_text(text: str, path: Path, *, force: bool) -> None:
    """Write a page or a picture that is text. Raises OSError where it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (durable.replace_text if force else durable.write_text)(path, text)
