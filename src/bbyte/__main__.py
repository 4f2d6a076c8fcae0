"""`python -m bbyte` is `bbyte`."""

import sys

from bbyte import cli


def main() -> None:
    """Run bbyte and leave with its exit code."""
    sys.exit(cli.main())


if __name__ == "__main__":
    main()
