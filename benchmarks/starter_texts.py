"""The texts the starter model was trained on, made from the collections that docs/starter.md lists.

    python benchmarks/starter_texts.py COLLECTIONS OUT

writes OUT/train and OUT/held, to be packed by `bbyte pack`. Lines of a paragraph become one line, as in
TinyStories; Gutenberg's headers and licences are left out. The end of each text is held out. Stories come
several times, so that they are a good part of what is read.
"""

import argparse
import bz2
import re
from pathlib import Path

TEXTS = {
    "tinystories/stories_a.txt": 6,
    "grimm/2591.txt": 3,
    "canterbury/alice29.txt": 3,
    "silesia/dickens.bz2": 1,
}
"""Each text, and how often it stands in the training part."""
HELD_OUT = 0.04
LICENCES = re.compile(
    r"[^\n]*Project Gutenberg Etext of.*?\*END\*THE SMALL PRINT![^\n]*\n"
    r"|End of [^\n]*Project Gutenberg[^\n]*\n",
    re.DOTALL,
)
"""Those between the books of one file."""


def read(path: Path) -> str:
    """The text of a file, in Unicode."""
    raw = bz2.decompress(path.read_bytes()) if path.suffix == ".bz2" else path.read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    start, end = text.find("*** START"), text.find("*** END")
    return text[text.find("\n", start) : end] if 0 <= start < end else text


def paragraphs(text: str) -> str:
    """The text with a line a paragraph and an empty line between two."""
    text = LICENCES.sub("\n\n", text.replace("\r\n", "\n"))
    found = (" ".join(block.split()) for block in re.split(r"\n\s*\n", text))
    return "\n\n".join(block for block in found if block)


def main() -> None:
    """Write the texts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collections", type=Path)
    parser.add_argument("out", type=Path)
    words = parser.parse_args()
    for part in ("train", "held"):
        (words.out / part).mkdir(parents=True)
    for name, times in TEXTS.items():
        text = read(words.collections / name)
        if not name.startswith("tinystories"):  # these are that way already
            text = paragraphs(text)
        cut = text.rfind("\n\n", 0, int(len(text) * (1 - HELD_OUT)))
        plain = name.replace("/", "-").partition(".")[0] + ".txt"
        for number in range(times):
            (words.out / "train" / f"{number}-{plain}").write_text(text[:cut], "utf-8")
        (words.out / "held" / plain).write_text(text[cut:].lstrip(), "utf-8")


if __name__ == "__main__":
    main()
