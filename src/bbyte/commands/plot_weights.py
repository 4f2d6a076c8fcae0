"""`bbyte plot weights`: shares of trits and scales by layer, or histograms of values."""

from typing import TYPE_CHECKING, Any

from bbyte.errors import UsageError
from bbyte.terminal.loading import chosen
from bbyte.terminal.plotting import Ckpt, Force, Out, name_of, place
from bbyte.terminal.screen import Screen

if TYPE_CHECKING:
    from bbyte.analysis.weights import Trits, Values

EXAMPLES = (
    "bbyte plot weights",
    "bbyte plot weights --ckpt artifacts/checkpoints/tales --out weights.svg",
)


def plot_weights(screen: Screen, ckpt: Ckpt = None, out: Out = None, force: Force = False) -> None:
    """Draw the weights of each layer: shares of -1, 0 and +1 with scales, or histograms in full precision."""
    from bbyte.analysis import picture_file, stored_weights, weights, weights_picture

    found = chosen(screen, ckpt)
    path = place(screen, out, (name_of(found), "weights"), picture_file.DRAWN, force=force)
    matrices = stored_weights.layer_matrices(found)
    trits, values = weights.trits(matrices), weights.values(matrices)
    if not matrices:
        raise UsageError(f"{found.path} has no matrices in layers")
    if path is not None:
        about = f"{name_of(found)}: {sum(one.size for one in trits or values):,} weights in layers"
        of = weights_picture.of_trits(trits, about) if trits else weights_picture.of_values(values, about)
        picture_file.write(of, path, force=force)
    if screen.json:
        rows = [{**vars(one), "size": one.size} for one in trits]
        screen.emit_json(
            {
                "checkpoint": found.path,
                "ternary": rows,
                "values": [_plain(one) for one in values],
                "file": path,
            }
        )
        return
    if trits:
        screen.table("ternary weights by layer", *_of_trits(trits))
    if values:
        screen.table("weights in full precision by layer", *_of_values(values))
    screen.say(f"drawn {path}")


Table = tuple[tuple[str, ...], list[tuple[object, ...]]]


def _of_trits(found: "list[Trits]") -> Table:
    from bbyte.analysis.weights import by_layer

    rows: list[tuple[object, ...]] = []
    for name, members in by_layer(found).items():
        size, scales = sum(one.size for one in members), [one.scale for one in members]
        shares = (sum(getattr(one, part) for one in members) / size for part in ("minus", "zero", "plus"))
        extremes = (f"{min(scales):.4f}", f"{max(scales):.4f}")
        rows.append((name, f"{size:,}", *(f"{share:.1%}" for share in shares), *extremes))
    return ("layer", "weights", "-1", "0", "+1", "least scale", "largest"), rows


def _of_values(found: "list[Values]") -> Table:
    from bbyte.analysis.weights import by_layer

    rows: list[tuple[object, ...]] = []
    for name, members in by_layer(found).items():
        size = sum(one.size for one in members)
        square = sum(one.size * (one.deviation**2 + one.mean**2) for one in members) / size
        rows.append((name, f"{size:,}", f"{square**0.5:.4f}", f"{max(one.largest for one in members):.3f}"))
    return ("layer", "weights", "root mean square", "largest"), rows


def _plain(one: "Values") -> dict[str, Any]:
    return {**vars(one), "counts": one.counts.tolist(), "edges": [float(edge) for edge in one.edges]}
