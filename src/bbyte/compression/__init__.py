"""Lossless compression with byte models: .bbz archives that decode to the same bytes on any machine."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bbyte.compression.coder import Make


def compress(data: bytes, model: "Path | str | Make | None" = None, *, threads: int = 0) -> bytes:
    """The bytes as an archive, what `bbyte compress` writes to a file.

    model: a checkpoint, what makes a coder, or None for no model. Raises BbyteError for a checkpoint that
    is damaged or that the engine does not compute. Without the native core numpy computes the same bytes,
    about a hundred a second.
    """
    import io

    from bbyte.compression.coder import coding_of
    from bbyte.compression.writer import write_archive

    coder = None
    if model is not None and not isinstance(model, str | Path):
        coder = coding_of(model()), model
    elif model is not None:
        from bbyte.checkpoint.find import find
        from bbyte.compression.models import at_hand, coder_of

        coder = coder_of(find(Path(model)), by=at_hand())
    target = io.BytesIO()
    write_archive(io.BytesIO(data), target.write, coder, size=len(data), threads=threads)
    return target.getvalue()


def decompress(archive: bytes, model: "Path | str | Make | None" = None, *, threads: int = 0) -> bytes:
    """The bytes that an archive was made of.

    model: the one it was compressed with; None is enough where no chunk was coded by one. Raises DataError
    for a damaged archive or another model.
    """
    import io

    from bbyte.compression.coder import Coding, shown
    from bbyte.compression.expansion import read_archive
    from bbyte.errors import DataError

    def open_(coding: Coding) -> "Make":
        if model is None:
            raise DataError(f"the archive was compressed with the model {shown(coding.identity)}: give it")
        if not isinstance(model, str | Path):
            return model
        from bbyte.checkpoint.find import find
        from bbyte.compression.models import at_hand, opener_of

        return opener_of(find(Path(model)), at_hand())(coding)

    target = io.BytesIO()
    read_archive(io.BytesIO(archive), target.write, open_, threads=threads)
    return target.getvalue()
