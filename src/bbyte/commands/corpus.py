"""`bbyte corpus`: what a corpus is like."""

from pathlib import Path
from typing import Annotated

import typer

from bbyte.terminal.flags import new_group, register
from bbyte.terminal.screen import Screen

EXAMPLES = ("bbyte corpus show", "bbyte corpus show artifacts/datasets/tales --json")


def group() -> typer.Typer:
    """The `corpus` word and the commands under it."""
    words = new_group("Look at corpora.", EXAMPLES)
    register(words, "show", show, panel="Data", examples=EXAMPLES)
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
