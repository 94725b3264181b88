"""The command line. Exit codes: 0 done and certified; 2 bad input; 3 done, but a certificate did not pass; 130 interrupted."""

import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Entry point of ``measureformer`` and ``python -m measureformer``."""
    # Matrices are small: a second BLAS thread gains nothing, and on a busy machine the two wait for each other (measured: 20 times slower).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from .app import app
        from .console import USAGE_ERROR, show_usage_error

        try:
            code = app(prog_name="measureformer", standalone_mode=False)
        except USAGE_ERROR as error:
            code = show_usage_error(error)
        if code != INTERRUPTED:
            sys.exit(code)
    except KeyboardInterrupt:
        pass
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
    # JAX may be compiling in other threads, and then crashes while the interpreter is taken down: leave without that.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
