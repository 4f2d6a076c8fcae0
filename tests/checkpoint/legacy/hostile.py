"""Files that look like checkpoints and are not, and proper ones with another pickle or other bytes inside."""

import os
import random
import zipfile
from pathlib import Path

import pytest
import torch

from bbyte.checkpoint.legacy import archive, opcodes
from bbyte.checkpoint.legacy.extract import extract
from bbyte.errors import DataError

STORAGE = b"((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuK\4tQ"
HOOKS = b"\x89ccollections\nOrderedDict\n)RtRs"
REBUILD = b"}X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\n"


class Calls:
    """Pickled, it asks whoever reads it to call `function`."""

    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.parts


def runs_a_command(canary):
    return Calls(os.system, f"touch {canary}")


def contents(path):
    """The files of a checkpoint by name, without their folder."""
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def packed(path, files, folder="archive"):
    """A file as torch.save writes it, with these files inside."""
    path = Path(path)
    writer = torch._C.PyTorchFileWriter(str(path.with_name(f"{folder}.pt")))
    for name, content in files.items():
        if name not in ("version", "byteorder", ".data/serialization_id", ".format_version"):
            writer.write_record(name, content, len(content))
    writer.write_record("byteorder", b"little", 6)
    writer.write_end_of_file()
    path.with_name(f"{folder}.pt").replace(path)
    return path


def tensor(*, offset=b"K\0", shape=b"K\4\x85", stride=b"K\1\x85"):
    """The steps that make a dict with a tensor `a` of four numbers, of the storage 0."""
    return REBUILD + STORAGE + offset + shape + stride + HOOKS


def gates(path):
    """What this process checks by itself, without torch."""
    with path.open("rb") as file:
        held = archive.read(file, path)
        archive.check_data(file, held, path)
        opcodes.check(held.pickle, {key: entry.size for key, entry in held.storages.items()}, path)


def refused(path, match=None):
    with pytest.raises(DataError, match=match) as caught:
        extract(path, path.parent)
    assert "\n" not in caught.value.message and caught.value.hint and str(path) in caught.value.message
    assert not (path.parent / "tensors.safetensors").exists()


def changed(raw, position, new):
    return raw[:position] + new + raw[position + len(new) :]


def mutants(raw, count, seed):
    chance = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(raw)
        for _ in range(chance.choice((1, 1, 2, 8))):
            place = chance.randrange(len(mutant))
            match chance.randrange(4):
                case 0:
                    mutant[place] ^= 1 << chance.randrange(8)
                case 1:
                    mutant[place] = chance.choice((0, 255, chance.randrange(256)))
                case 2:
                    del mutant[place : place + chance.randrange(1, 40)]
                case _:
                    mutant[place:place] = mutant[chance.randrange(len(mutant)) :][: chance.randrange(1, 40)]
        yield bytes(mutant)  # fmt: skip
