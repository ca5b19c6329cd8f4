"""`python -m nlpkit` and `accelerate launch -m nlpkit`."""

import contextlib
import os
import sys

from nlpkit import interrupts


def main() -> int:
    """The installed program: SIGTERM, as schedulers send it, ends it in the same orderly way as Ctrl-C."""
    interrupts.install()
    if shell := os.environ.pop("NLPKIT_COMPLETE", None):  # a shell asks what Tab offers
        from nlpkit.cli import completion

        sys.stdout.write("".join(f"{line}\n" for line in completion.reply(shell, sys.argv[1:])))
        return 0
    try:
        from nlpkit.cli import app, streams

        streams.open_all()
        code = app.main()
    except KeyboardInterrupt:  # while that was imported, or again
        if sys.stderr is not None:
            with contextlib.suppress(OSError):
                sys.stderr.write("nlpkit: interrupted\n")
        code = interrupts.EXIT_CODE
    interrupts.leave(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
