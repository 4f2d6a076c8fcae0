"""What may be typed in a session: text to go on from, and commands, which begin with a slash.

Imports neither torch nor numpy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbyte.config import suggest
from bbyte.errors import UsageError
from bbyte.generation.dump import escaped, hex_dump

if TYPE_CHECKING:
    from bbyte.generation.session import Session

MOST_ROWS = 256
SETTINGS: dict[str, tuple[str, type, str]] = {
    "temp": ("temperature", float, "below 1 is surer, above 1 wilder, 0 takes the likeliest"),
    "topk": ("top_k", int, "keep the N likeliest bytes; 0 keeps all"),
    "topp": ("top_p", float, "keep the likeliest bytes of this probability together; 1 all"),
    "minp": ("min_p", float, "keep bytes so likely beside the likeliest; 0 keeps all"),
    "penalty": ("repetition_penalty", float, "above 1 makes bytes that came lately less likely"),
    "length": ("length", int, "how many bytes are written at a time"),
    "seed": ("seed", int, "the same seed gives the same text"),
}
KEYS = """Text is added to what stands so far, and the model goes on from all of it.
An empty line goes on as it is. A text that begins with a slash begins with //.
After a line that ends with \\, or after Alt-Enter (Esc, Enter), comes another one.
Ctrl-C stops the text, Ctrl-D leaves, up and down bring back what was typed, and
Tab completes commands and the names of files."""


@dataclass(frozen=True)
class Reply:
    """What a command answers: `shown` is what was asked for, any bytes, `said` is about what was done."""

    shown: bytes = b""
    said: str = ""


@dataclass(frozen=True)
class Command:
    """A command: what it takes, in capitals, what it does in a few words, and a file name or not."""

    takes: str
    help: str
    answer: "Callable[[Session, str], Reply]"
    takes_path: bool = False


def is_command(line: str) -> bool:
    """Whether a line is a command and no text; two slashes begin a text with one."""
    return line.startswith("/") and not line.startswith("//")


def text_of(line: str) -> bytes:
    """The bytes a line of text stands for, as they were typed, valid UTF-8 or not."""
    return line.removeprefix("/" if line.startswith("//") else "").encode("utf-8", "surrogateescape")


def joined(line: str) -> tuple[str, bool]:
    r"""The line without the \ at its end, and whether another one belongs to it; `\\` ends it with one \."""
    if line.endswith("\\\\"):
        return line[:-1], False
    if line.endswith("\\"):
        return line[:-1] + "\n", True
    return line, False


def answer(session: "Session", line: str) -> Reply:
    """Do what a command says. Raises BbyteError and OSError."""
    word, _, rest = line[1:].partition(" ")
    word = word.strip()
    if word not in COMMANDS:
        near = suggest(word, COMMANDS).replace("mean ", "mean /")
        raise UsageError(f"there is no command /{word}", near or "/help lists the commands")
    command = COMMANDS[word]
    if rest.strip() and not command.takes:
        raise UsageError(f"/{word} takes nothing after it")
    return command.answer(session, rest)


def bar(session: "Session") -> tuple[str, str]:
    """What stands below a line that is typed: the model, the text and the speed, and the settings."""
    state = f"{session.model.name} ({session.model.family})  {len(session.text):,} bytes"
    if session.speed:
        state += f"  {session.speed:,.0f} bytes/s"
    return state, "  ".join(
        f"{word} {getattr(session.settings, SETTINGS[word][0]):.12g}" for word in SETTINGS
    )


def _help(session: "Session", rest: str) -> Reply:
    rows = [(f"/{word} {command.takes}".strip(), command.help) for word, command in COMMANDS.items()]
    width = max(len(left) for left, _ in rows)
    lines = [f"{left.ljust(width)}  {right}" for left, right in rows]
    return Reply("\n".join([KEYS, "", *lines]).encode())


def _config(session: "Session", rest: str) -> Reply:
    model, settings = session.model, session.settings
    rows = {
        "checkpoint": f"{model.name} ({model.family}, context {model.context} bytes)",
        "text": f"{len(session.text):,} bytes",
        **{name: getattr(settings, name) for name in type(settings).__dataclass_fields__},
    }
    width = max(map(len, rows))
    lines = [f"{name.ljust(width)}  {value}" for name, value in rows.items()]
    return Reply("\n".join(lines).encode("utf-8", "surrogateescape"))


def _set(word: str, session: "Session", rest: str) -> Reply:
    name, kind, _ = SETTINGS[word]
    if rest.strip():
        session.set(name, _number(word, rest.strip(), kind))
    return Reply(said=f"{name} {getattr(session.settings, name)}")


def _number(word: str, written: str, kind: type) -> Any:
    try:
        return kind(written)
    except ValueError:
        expected = "a number" if kind is float else "a whole number"
        raise UsageError(f"/{word} takes {expected}, not {written}") from None


def _model(session: "Session", rest: str) -> Reply:
    if rest.strip():
        session.take(Path(rest.strip()).expanduser())
    model = session.model
    return Reply(said=f"{model.name}, {model.family}, context {model.context} bytes")


def _reset(session: "Session", rest: str) -> Reply:
    session.reset()
    return Reply(said="a new document")


def _bytes(session: "Session", rest: str) -> Reply:
    return Reply(escaped(_last(session)).encode())


def _hex(session: "Session", rest: str) -> Reply:
    return Reply(hex_dump(_last(session)).encode())


def _entropy(session: "Session", rest: str) -> Reply:
    found = session.surprises(_given(session, rest, "entropy"))
    lines = [f"the last {MOST_ROWS} of {len(found):,} bytes:"] if len(found) > MOST_ROWS else []
    lines.append("byte       surprisal  entropy  likeliest")
    lines += [
        f"{one.byte:02x}  {_named(one.byte):5}  {one.bits:9.2f}  {one.entropy:7.2f}  "
        f"{_named(one.likeliest)} {one.probability:.0%}"
        for one in found[-MOST_ROWS:]
    ]
    surprisal, entropy = (
        sum(values) / len(found) for values in zip(*((one.bits, one.entropy) for one in found), strict=True)
    )
    lines.append(f"mean, in bits: surprisal {surprisal:.3f}, entropy {entropy:.3f}")
    return Reply("\n".join(lines).encode())


def _bpb(session: "Session", rest: str) -> Reply:
    found = session.surprises(_given(session, rest, "bpb"))
    bits = sum(one.bits for one in found)
    return Reply(
        f"{bits / len(found):.4f} bits per byte: {len(found):,} bytes cost {bits:,.1f} bits".encode()
    )


def _infill(session: "Session", rest: str) -> Reply:
    return Reply(session.infill(text_of(rest)))


def _save(session: "Session", rest: str) -> Reply:
    path = _path(rest, "save")
    if not session.save(path):
        return Reply(said=f"{path} is left as it was")
    return Reply(said=f"{len(session.text):,} bytes saved in {path}")


def _load(session: "Session", rest: str) -> Reply:
    path = _path(rest, "load")
    session.load(path)
    return Reply(said=f"{len(session.text):,} bytes of {path}; an empty line goes on from there")


def _quit(session: "Session", rest: str) -> Reply:
    session.is_over = True
    return Reply()


def _last(session: "Session") -> bytes:
    if not session.last:
        raise UsageError("nothing was written yet", "type some text first, or an empty line")
    return session.last


def _given(session: "Session", rest: str, word: str) -> bytes:
    text = text_of(rest) or session.text
    if not text:
        raise UsageError(
            "there is no text", f"/{word} Once upon a time; with nothing it takes the text so far"
        )
    return text


def _path(rest: str, word: str) -> Path:
    if not rest.strip():
        raise UsageError(f"/{word} takes the name of a file", f"/{word} story.txt")
    return Path(rest.strip())


def _named(byte: int) -> str:
    return "space" if byte == 0x20 else escaped(bytes([byte]))


COMMANDS = {
    "help": Command("", "this list", _help),
    "config": Command("", "every setting, the checkpoint, the size of the text", _config),
    **{
        word: Command("NUMBER" if kind is float else "N", help, partial(_set, word))
        for word, (_, kind, help) in SETTINGS.items()
    },
    "model": Command("PATH", "go on with another checkpoint; the text stays", _model, takes_path=True),
    "reset": Command("", "begin a new document", _reset),
    "bytes": Command("", "what was written last, with escapes", _bytes),
    "hex": Command("", "the same as a hex dump", _hex),
    "entropy": Command("TEXT", "what each byte costs, in bits, and what was expected", _entropy),
    "bpb": Command("TEXT", "bits per byte of a text; with nothing, of the text so far", _bpb),
    "infill": Command("TEXT", "fill the holes: [MASK] hides a byte, [MASK*12] twelve", _infill),
    "save": Command("FILE", "write the text so far to a file", _save, takes_path=True),
    "load": Command("FILE", "begin a new document with a file's bytes", _load, takes_path=True),
    "quit": Command("", "leave", _quit),
}
