"""`bbyte plot next`: which bytes a model expects after a prompt."""

from typing import Annotated

import typer

from bbyte.terminal.loading import Engine, chosen, predictor
from bbyte.terminal.plotting import Ckpt, Force, Out, bar, name_of, place, prompt_bytes
from bbyte.terminal.screen import Screen

EXAMPLES = (
    'bbyte plot next --prompt "Once upon a tim"',
    'bbyte plot next --prompt "def " --top 40 --out next.png',
)
_WIDTH = 24


def plot_next(
    screen: Screen,
    prompt: Annotated[str, typer.Option(help="Text before the byte; - reads it from stdin.")] = "",
    ckpt: Ckpt = None,
    top: Annotated[int, typer.Option(min=1, max=256, help="How many of the likeliest bytes.")] = 20,
    out: Out = None,
    force: Force = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    engine: Annotated[
        Engine, typer.Option(help="What computes: auto takes native for packed checkpoints on a CPU.")
    ] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 takes what pays.")] = 0,
) -> None:
    """Show what the model expects next: the likeliest bytes after a prompt, as a table and a picture."""
    from bbyte.analysis import likeliest, picture_file
    from bbyte.analysis.byte_kinds import kind, shown
    from bbyte.analysis.drawing import clipped
    from bbyte.probabilities import log_probabilities
    from bbyte.sanitize import sanitize_bytes

    text = prompt_bytes(prompt)
    found = chosen(screen, ckpt)
    path = place(
        screen,
        out,
        (name_of(found), "next", text.decode("utf-8", "replace")),
        picture_file.DRAWN,
        force=force,
    )
    model = predictor(screen, found, device, engine, threads)
    model.reset()
    model.prime(text)
    expected = likeliest.expected(log_probabilities(model.logits()[0]))
    if path is not None:
        after = clipped(sanitize_bytes(text[-120:]).replace("\n", "↵"), 70) or "the beginning of a document"
        picture = likeliest.drawing(expected, top, f"{name_of(found)}, after: {after}")
        picture_file.write(picture, path, force=force)
    likely = expected.candidates[:top]
    if screen.json:
        rows = [{**vars(one), "shown": shown(one.byte), "kind": kind(one.byte)} for one in likely]
        about = {"checkpoint": found.path, "prompt": text.decode("utf-8", "replace")}
        screen.emit_json({**about, "entropy": expected.entropy, "bytes": rows, "file": path})
        return
    widest = likely[0].probability or 1.0
    screen.table(
        f"the next byte: {expected.entropy:.2f} bits of entropy",
        ("byte", "shown", "probability", "bits", ""),
        [
            (
                f"0x{one.byte:02X}", shown(one.byte), f"{one.probability:.2%}", f"{one.bits:.2f}",
                bar(one.probability / widest, _WIDTH),
            )
            for one in likely
        ],
    )  # fmt: skip
    rest = sum(one.probability for one in expected.candidates[top:])
    if top < len(expected.candidates):
        screen.print(f"the other {len(expected.candidates) - top} bytes: {rest:.2%}")
    screen.say(f"drawn {path}")
