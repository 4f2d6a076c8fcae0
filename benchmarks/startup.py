"""How long `bbyte --help` takes above `python -c "import typer, rich"`: the best of several runs of each.

    python benchmarks/startup.py

The aim is at most 0.25 s above. Both are run in turns, so that both see the same machine.
"""

import subprocess
import sys
import time

ROUNDS = 10
AIM = 0.25


def seconds(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> int:
    imports = ("-c", "import typer, rich")
    program = ("-m", "bbyte", "--help")
    rounds = [(seconds(*imports), seconds(*program)) for _ in range(ROUNDS)]
    bare = min(first for first, _ in rounds)
    ours = min(second for _, second in rounds)
    print(f"import typer, rich   {bare:.3f} s")
    print(f"bbyte --help         {ours:.3f} s   {ours - bare:+.3f} s (aim: at most +{AIM} s)")
    return int(ours - bare > AIM)


if __name__ == "__main__":
    sys.exit(main())
