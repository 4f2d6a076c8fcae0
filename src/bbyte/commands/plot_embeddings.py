"""`bbyte plot embeddings`: the 256 bytes as the model sees them, in two dimensions."""

from typing import Annotated

import typer

from bbyte.terminal.loading import chosen
from bbyte.terminal.plotting import Ckpt, Force, Out, name_of, place
from bbyte.terminal.screen import Screen

EXAMPLES = (
    "bbyte plot embeddings",
    "bbyte plot embeddings --ckpt artifacts/checkpoints/tales --across 2 --up 3 --out bytes.svg",
)


def plot_embeddings(
    screen: Screen,
    ckpt: Ckpt = None,
    across: Annotated[int, typer.Option(min=1, help="The component that goes to the right.")] = 1,
    up: Annotated[int, typer.Option(min=1, help="The component that goes upwards.")] = 2,
    out: Out = None,
    force: Force = False,
) -> None:
    """Draw the embeddings of the 256 bytes in two dimensions, by principal components, coloured by kind."""
    from bbyte.analysis import embeddings, picture_file, stored_weights
    from bbyte.analysis.byte_kinds import kind, shown

    found = chosen(screen, ckpt)
    which = [] if (across, up) == (1, 2) else [f"{across}-{up}"]
    path = place(screen, out, (name_of(found), "embeddings", *which), picture_file.DRAWN, force=force)
    plane = embeddings.principal(stored_weights.embedding(found), (across, up))
    if path is not None:
        picture_file.write(embeddings.drawing(plane, name_of(found)), path, force=force)
    if screen.json:
        rows = [
            {"byte": byte, "shown": shown(byte), "kind": kind(byte), "x": float(x), "y": float(y)}
            for byte, (x, y) in enumerate(plane.points)
        ]
        about = {"checkpoint": found.path, "components": plane.components, "shares": plane.shares}
        screen.emit_json({**about, "bytes": rows, "file": path})
        return
    first, second = plane.shares
    screen.print(f"components {across} and {up} hold {first:.1%} and {second:.1%} of the variance")
    screen.say(f"drawn {path}")
