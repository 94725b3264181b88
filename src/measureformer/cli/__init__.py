"""The command line. Exit codes: 0 done and certified; 2 bad input; 3 done, but a certificate did not pass; 130 interrupted."""

import sys


def main() -> None:
    """Entry point of ``measureformer`` and ``python -m measureformer``."""
    try:
        from .app import app

        app(prog_name="measureformer")
    except KeyboardInterrupt:
        sys.exit(130)
