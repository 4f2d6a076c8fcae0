"""`bbyte corpus`: what a corpus is like, and slices of one made into one."""

from pathlib import Path
from typing import Annotated

import typer

from bbyte.terminal.flags import new_group, register
from bbyte.terminal.screen import Screen

EXAMPLES = (
    "bbyte corpus show",
    "bbyte corpus show artifacts/datasets/tales --json",
    "bbyte corpus merge artifacts/datasets/crawl slices/*",
)


def group() -> typer.Typer:
    """The `corpus` word and the commands under it."""
    words = new_group("Look at corpora, and merge slices of one.", EXAMPLES)
    register(words, "show", show, panel="Data", examples=EXAMPLES[:2])
    register(words, "merge", merge, panel="Data", examples=EXAMPLES[2:])
    return words


def show(
    screen: Screen,
    path: Annotated[
        Path | None,
        typer.Argument(metavar="PATH", help="A corpus, as --data takes it (default: the newest)."),
    ] = None,
) -> None:
    """Show what a corpus is like: documents, bytes, entropy, duplicates, what is not UTF-8.

    All of it is read once. Entropy is in bits per byte given the 0, 1, 2 and 3 bytes before, of corpora
    beyond 8 MiB from a sample. Digests are not checked (`bbyte verify` does).
    """
    from bbyte.data.corpus import ByteCorpus
    from bbyte.data.statistics import statistics
    from bbyte.starter import default_corpus
    from bbyte.terminal import corpora as shown

    if path is None:
        path, sentence = default_corpus()
        screen.say(sentence)
    corpus = ByteCorpus.open(path)
    with screen.progress("reading", corpus.size) as bar:
        done = 0

        def update(count: int) -> None:
            nonlocal done
            done += count
            bar.update(done)

        found = statistics(corpus, update)
    if screen.json:
        screen.emit_json(shown.document(corpus, found))
    else:
        shown.show(screen, corpus, found)


def merge(
    screen: Screen,
    out_dir: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the new corpus.")],
    slices: Annotated[
        list[Path], typer.Argument(metavar="SLICE", help="Folders of all slices of one pack, in any order.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace the corpus that is in the folder.")] = False,
) -> None:
    """Make one corpus of the slices that pack --num-slices made: what a single pack makes, byte for byte.

    All slices must be there, of the same inputs and settings. Everything is copied and every digest compared;
    the slices stay where they are.
    """
    from bbyte.commands.pack import show_corpus
    from bbyte.data.merge import merge as merge_into

    with screen.progress("merging", None) as bar:
        done = 0

        def update(count: int) -> None:
            nonlocal done
            done += count
            bar.update(done)

        merged = merge_into(slices, out_dir, force=force, on_bytes=update)
    show_corpus(screen, merged.target, merged.meta, merged.val_meta, {"slices": len(slices)})
