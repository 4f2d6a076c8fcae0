"""`bbyte plot embeddings`: the 256 bytes as the model sees them, in two dimensions."""

from bbyte.terminal.loading import chosen
from bbyte.terminal.plotting import Ckpt, Force, Out, name_of, place
from bbyte.terminal.screen import Screen

EXAMPLES = (
    "bbyte plot embeddings",
    "bbyte plot embeddings --ckpt artifacts/checkpoints/tales --out bytes.svg",
)


def plot_embeddings(screen: Screen, ckpt: Ckpt = None, out: Out = None, force: Force = False) -> None:
    """Draw the embeddings of the 256 bytes in two dimensions, by principal components, coloured by kind."""
    from bbyte.analysis import embeddings, picture_file, stored_weights
    from bbyte.analysis.byte_kinds import kind, shown

    found = chosen(screen, ckpt)
    path = place(screen, out, (name_of(found), "embeddings"), picture_file.DRAWN, force=force)
    plane = embeddings.principal(stored_weights.embedding(found))
    if path is not None:
        picture_file.write(embeddings.drawing(plane, name_of(found)), path, force=force)
    if screen.json:
        rows = [
            {"byte": byte, "shown": shown(byte), "kind": kind(byte), "x": float(x), "y": float(y)}
            for byte, (x, y) in enumerate(plane.points)
        ]
        screen.emit_json({"checkpoint": found.path, "shares": plane.shares, "bytes": rows, "file": path})
        return
    first, second = plane.shares
    screen.print(f"two directions hold {first:.1%} and {second:.1%} of the variance of the 256 embeddings")
    screen.say(f"drawn {path}")
