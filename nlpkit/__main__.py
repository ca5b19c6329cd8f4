"""`python -m nlpkit` and `accelerate launch -m nlpkit`."""

import sys

from nlpkit.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
