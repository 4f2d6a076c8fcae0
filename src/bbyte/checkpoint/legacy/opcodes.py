"""What a pickle would make, worked out without making it: what torch.save writes for plain weights may pass.

A small machine steps through the opcodes with stand-ins on its stack: no class is looked up, nothing is
called, what goes into lists and dicts is dropped. It refuses every opcode, every name and every call outside
of short lists, and every tensor whose numbers do not fit the storage it names.
"""

import math
import pickletools
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, NoReturn

from bbyte.errors import DataError

MOST_OPCODES = 1 << 21
MOST_DIMENSIONS = 8
STORAGES = {
    "torch.DoubleStorage": 8, "torch.FloatStorage": 4, "torch.HalfStorage": 2, "torch.BFloat16Storage": 2,
    "torch.LongStorage": 8, "torch.IntStorage": 4, "torch.ShortStorage": 2, "torch.CharStorage": 1,
    "torch.ByteStorage": 1, "torch.BoolStorage": 1,
}  # fmt: skip
"""The dense storages, with the bytes of an element."""
TENSOR, PARAMETER = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
ORDERED = "collections.OrderedDict"
UNTRUSTED = "bbyte reads plain weights only: get the file from its maker in that form"
_CONFIG = re.compile(r"([A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)* [A-Za-z_]\w*Config", re.ASCII)
_NO_CONFIG_OF = {"torch", "numpy", "bbyte", "__builtin__", "copy_reg", *sys.stdlib_module_names}
_SCALARS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "NONE", "NEWTRUE", "NEWFALSE",
}  # fmt: skip


def check(pickle: bytes, storages: Mapping[str, int], path: Path) -> str | None:
    """Check the pickle of a file that is called `path` in errors and holds these `storages` (key → bytes).

    Returns the full name of the one config class it names, if any. Raises DataError for anything that
    torch.save does not write for dense tensors, plain values, lists and dicts.
    """
    machine = _Machine(storages)
    try:
        machine.run(pickle)
    except _OddError as odd:
        raise DataError(f"{path} {odd}", UNTRUSTED) from None
    except (
        Exception
    ) as error:  # pickletools raises whatever it stumbles over, and so does a stack that lacks things
        raise DataError(f"{path} holds a damaged pickle ({type(error).__name__})", UNTRUSTED) from error
    return machine.config_class


class _OddError(Exception):
    """Says of the file what torch.save would not have written, or what is not safe to read."""


class _Thing(Enum):
    """What stands on the stack for an object whose content does not matter."""

    DICT = auto()
    ORDERED = auto()
    LIST = auto()
    TENSOR = auto()
    CONFIG = auto()


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass(frozen=True)
class _Storage:
    kind: str
    elements: int


class _Machine:
    def __init__(self, storages: Mapping[str, int]) -> None:
        self.config_class: str | None = None
        self._sizes = storages
        self._storages: dict[str, _Storage] = {}
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: list[Any] = []

    def run(self, pickle: bytes) -> None:
        for count, (opcode, argument, position) in enumerate(pickletools.genops(pickle)):
            if (count == 0) != (opcode.name == "PROTO") or (count == 0 and argument != 2):
                _refuse("holds a pickle of another protocol than torch.save writes")
            if count >= MOST_OPCODES:
                _refuse(f"holds a pickle of more than {MOST_OPCODES} steps")
            if opcode.name == "STOP":
                if position != len(pickle) - 1 or len(self._stack) != 1 or self._below:
                    _refuse("holds a pickle that does not end where it should")
                if self._stack[0] not in (_Thing.DICT, _Thing.ORDERED):
                    _refuse("holds something else than a dict")
            elif opcode.name != "PROTO":
                self._step(opcode.name, argument)
        if self._storages.keys() != self._sizes.keys():
            _refuse("holds data that no tensor uses")

    def _step(self, opcode: str, argument: Any) -> None:
        stack = self._stack
        if opcode in _SCALARS:
            stack.append(
                argument if argument is not None else {"NEWTRUE": True, "NEWFALSE": False}.get(opcode)
            )
        elif opcode in _STEPS:
            _STEPS[opcode](self)
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            if argument != len(self._memo):
                _refuse("holds a pickle that numbers its objects oddly")
            self._memo.append(stack[-1])
        elif opcode in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif opcode == "GLOBAL":
            stack.append(_Global(self._allowed(argument)))
        else:
            _refuse(f"holds a pickle with the step {opcode}, which torch.save never writes")

    def _allowed(self, argument: str) -> str:
        """The full name of a global, if it is one of those that may be named."""
        name = argument.replace(" ", ".", 1)
        if name in STORAGES or name in (TENSOR, PARAMETER, ORDERED):
            return name
        found = _CONFIG.fullmatch(argument)
        if not found or found[1] in _NO_CONFIG_OF:
            _refuse(f"names {name[:200]!r}, which no plain checkpoint needs")
        if self.config_class not in (None, name):
            _refuse(f"names two classes, {self.config_class} and {name[:200]}")
        self.config_class = name
        return name

    def mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def since_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def tuple_(self) -> None:
        items = tuple(self.since_mark())
        self._stack.append(items)

    def tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            _refuse("holds a damaged pickle")
        self._stack[-count:] = [tuple(self._stack[-count:])]

    def append(self, _: list[Any]) -> None:
        if self._stack[-1] is not _Thing.LIST:
            _refuse("holds a pickle that adds to what is no list")

    def set_items(self, items: list[Any]) -> None:
        if self._stack[-1] not in (_Thing.DICT, _Thing.ORDERED) or len(items) % 2:
            _refuse("holds a pickle that adds to what is no dict")
        if not all(isinstance(key, str | int | float | None) for key in items[::2]):
            _refuse("holds a dict whose keys are neither text nor numbers")

    def pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            _refuse("holds a damaged pickle")
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    def storage(self) -> None:
        match self._stack.pop():
            case ("storage", _Global(kind), str(key), str(), int(elements)) if kind in STORAGES:
                storage = _Storage(kind, elements)
                if self._sizes.get(key) != elements * STORAGES[kind]:
                    _refuse(f"holds a storage {key[:20]!r} whose size is not that of its data")
                if self._storages.setdefault(key, storage) != storage:
                    _refuse(f"holds a storage {key!r} of two types")
                self._stack.append(storage)
            case _:
                _refuse("refers to something that is no storage of a dense tensor")

    def call(self) -> None:
        function, arguments = self.pop(2)
        match function, arguments:
            case _Global(name), () if name == ORDERED:
                self._stack.append(_Thing.ORDERED)
            case _Global(name), (_Thing.TENSOR, bool(), _Thing.ORDERED) if name == PARAMETER:
                self._stack.append(_Thing.TENSOR)
            case _Global(name), (
                _Storage() as storage, int(offset), tuple(shape), tuple(stride), bool(), _Thing.ORDERED,
            ) if name == TENSOR:  # fmt: skip
                _check_tensor(storage, offset, shape, stride)
                self._stack.append(_Thing.TENSOR)
            case _Global(name), _:
                _refuse(f"calls {name} with something that torch.save does not give it")
            case _:
                _refuse("calls something that is no function")

    def new(self) -> None:
        cls, arguments = self.pop(2)
        if not isinstance(cls, _Global) or cls.name != self.config_class or arguments != ():
            _refuse("makes an object of another class than its config")
        self._stack.append(_Thing.CONFIG)

    def build(self) -> None:
        target, state = self.pop(2)
        if target not in (_Thing.ORDERED, _Thing.CONFIG) or state is not _Thing.DICT:
            _refuse("sets the inner state of an object that has none")
        self._stack.append(target)

    def push(self, value: Any) -> None:
        self._stack.append(value)


_STEPS = {
    "MARK": _Machine.mark,
    "TUPLE": _Machine.tuple_,
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
    "EMPTY_TUPLE": lambda machine: machine.push(()),
    "EMPTY_LIST": lambda machine: machine.push(_Thing.LIST),
    "EMPTY_DICT": lambda machine: machine.push(_Thing.DICT),
    "APPEND": lambda machine: machine.append(machine.pop(1)),
    "APPENDS": lambda machine: machine.append(machine.since_mark()),
    "SETITEM": lambda machine: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine: machine.set_items(machine.since_mark()),
    "BINPERSID": _Machine.storage,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.new,
    "BUILD": _Machine.build,
}


def _check_tensor(storage: _Storage, offset: int, shape: tuple[Any, ...], stride: tuple[Any, ...]) -> None:
    numbers = (offset, *shape, *stride)
    if len(shape) != len(stride) or len(shape) > MOST_DIMENSIONS:
        _refuse("holds a tensor of impossible shape")
    if not all(type(number) is int and 0 <= number < 1 << 48 for number in numbers):
        _refuse("holds a tensor of impossible shape")
    if math.prod(shape) > storage.elements:
        _refuse("holds a tensor that claims more numbers than its storage has (an expanded view)")
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if math.prod(shape) and last >= storage.elements:
        _refuse("holds a tensor that reaches beyond its storage")


def _refuse(problem: str) -> NoReturn:
    raise _OddError(problem)
