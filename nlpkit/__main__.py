"""`python -m nlpkit` and `accelerate launch -m nlpkit`."""

import signal
import sys
from typing import Any

from nlpkit.cli import app


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """The installed program: SIGTERM, as schedulers send it, ends it in the same orderly way as Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    return app.main()


if __name__ == "__main__":
    sys.exit(main())
