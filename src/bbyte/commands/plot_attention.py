"""`bbyte plot attention`: where the heads of a transformer look."""

from typing import TYPE_CHECKING, Annotated

import typer

from bbyte.terminal.loading import chosen, load_found
from bbyte.terminal.plotting import Ckpt, Force, Out, name_of, place, prompt_bytes
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.analysis.attention import Gaze

EXAMPLES = (
    'bbyte plot attention --prompt "The cat sat on the mat. The cat"',
    'bbyte plot attention --prompt "def add(a, b):" --layer 1 --head 0 --out head.svg',
)


def plot_attention(
    screen: Screen,
    prompt: Annotated[str, typer.Option(help="The text that is read; - takes it from stdin.")],
    layer: Annotated[int | None, typer.Option(min=0, help="Only this layer, from 0.")] = None,
    head: Annotated[int | None, typer.Option(min=0, help="Only this head, from 0.")] = None,
    ckpt: Ckpt = None,
    out: Out = None,
    force: Force = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
) -> None:
    """Draw where each head of a transformer looks while it reads a text; computed by torch."""
    from bbyte.analysis import attention, attention_picture, picture_file
    from bbyte.analysis.drawing import clipped
    from bbyte.sanitize import sanitize_bytes

    text = prompt_bytes(prompt)
    found = chosen(screen, ckpt)
    which = [f"{name}{number}" for name, number in (("layer", layer), ("head", head)) if number is not None]
    words = (name_of(found), "attention", *which, text.decode("utf-8", "replace"))
    path = place(screen, out, words, picture_file.DRAWN, force=force)
    maps = attention.attention(load_found(screen, found, device), text)
    about = f"{name_of(found)}, reading: {clipped(sanitize_bytes(text).replace(chr(10), '↵'), 60)}"
    picture = attention_picture.drawing(maps, text, about, layer=layer, head=head)
    if path is not None:
        picture_file.write(picture, path, force=force)
    gazes = [one for one in attention.gazes(maps) if layer in (None, one.layer) and head in (None, one.head)]
    if screen.json:
        rows = [vars(one) for one in gazes]
        document = {"checkpoint": found.path, "prompt": text.decode("utf-8", "replace"), "heads": rows}
        if layer is not None and head is not None:
            document["map"] = [[round(float(share), 6) for share in row] for row in maps[layer][head]]
        screen.emit_json({**document, "file": path})
        return
    _show(screen, gazes)
    screen.say(f"drawn {path}")


def _show(screen: Screen, gazes: "list[Gaze]") -> None:
    columns = ("layer", "head", "first 0x00", "byte before", "itself", "bytes back", "entropy")
    rows = [
        (
            one.layer, one.head, f"{one.start:.1%}", f"{one.previous:.1%}", f"{one.own:.1%}",
            f"{one.distance:.1f}", f"{one.entropy:.2f}",
        )
        for one in gazes
    ]  # fmt: skip
    screen.table("where the heads look, on average", columns, rows)
