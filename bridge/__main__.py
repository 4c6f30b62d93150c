"""``bridge``, and ``python -m bridge``."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Load the command line, which takes a moment, and run it; a signal in that moment does no harm."""
    if sys.argv[1:2] in (["serve"], ["web"], ["worker"]):
        # It tells them to look at the mapping files again; until they can, it must not end them.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        from bridge import cli  # noqa: PLC0415 - loading is what may be interrupted
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
