"""What an archive says of itself, read from its two ends: nothing is decoded."""

import os
from typing import BinaryIO

from bbyte.compression.layout import DIGEST, FRAME_BYTES, HEADER_BYTES, TAIL_BYTES, Footer, Header, length_in
from bbyte.compression.reader import Archive
from bbyte.compression.writer import Summary, read_fully, summary


def list_archive(file: BinaryIO, name: str) -> Summary:
    """The summary of the archive in a seekable file.

    Raises DataError, about `name`, where its ends do not fit each other and its length; that the chunks
    between are undamaged only decoding tells.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    raw = read_fully(file, HEADER_BYTES)
    header, footer = Header.unpack(raw, name), None
    if length >= HEADER_BYTES + TAIL_BYTES:
        file.seek(length - TAIL_BYTES)
        begin = length - length_in(read_fully(file, TAIL_BYTES))
        if begin >= HEADER_BYTES:
            file.seek(begin)
            footer = Footer.unpack(read_fully(file, length - begin), raw[-DIGEST:])
    if footer is not None:
        whole = begin == HEADER_BYTES + sum(FRAME_BYTES + size for _, size in footer.index)
        if whole and header.size in (None, footer.size):
            return summary(header, length, footer.size, footer.whole.hex(), footer.index)
    return _walked(file, name)


def _walked(file: BinaryIO, name: str) -> Summary:
    """From one end to the other, which tells where the damage is; there may be some that no one sees here."""
    file.seek(0)
    archive = Archive(file, name)
    for _ in archive:
        pass
    footer = archive.footer
    return summary(archive.header, archive.coded_bytes, footer.size, footer.whole.hex(), footer.index)
