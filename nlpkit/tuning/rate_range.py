"""--lr-finder: the learning rates that a search tries are those around what a range test suggests (Smith 2017).

The test is the one of the command itself: 100 steps of the model and the rows of the defaults, after which nothing is
kept but its picture. What it suggests is no best rate; it says where to look for one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlpkit import reporting
from nlpkit.errors import RunError, UserError
from nlpkit.options import Config, read_config_file
from nlpkit.trials import running
from nlpkit.tuning.options import TuneOptions

RATE, FINDER = "learning_rate", "lr_finder"
WIDEST = "1e-6..0.1:log"  # the rates that the test tries, of which it finds a part
AROUND = 4.0  # from a quarter of what is suggested to four times as much: a tenth of the smallest loss's rate is a rule
PICTURE = "rates.png"


def require(config: TuneOptions, kind: type[Config]) -> None:
    """Refuse what a range test does not go with.

    Args:
        kind: options of the command that is tuned.

    Raises:
        UserError: the command has no range test, the rate is given, or the search has no one range.
    """
    if FINDER not in kind.known_fields():
        raise UserError(f"--lr-finder: {config.target} has no range test", "Give --learning-rate A..B:log.")
    file = read_config_file(config.space, config.target, kind.known_fields()) if config.space is not None else {}
    if RATE in {**config.options, **file}:
        raise UserError("--lr-finder finds the range of --learning-rate, which is given", "Leave one of them out.")
    if config.sampler == "grid":
        raise UserError("--lr-finder finds a range, and --sampler grid needs single values", "Leave one of them out.")
    if config.storage is not None:
        raise UserError(
            "--lr-finder: machines that share a search (--storage) would each find a range of their own",
            f"Run `nlpkit {config.target} --lr-finder rates.png` once, and give all of them --learning-rate A..B:log.",
        )


def planned() -> str:
    """What the plan says of the rate."""
    return f"by a range test first; from a quarter of what it suggests to {AROUND:g} times as much"


def find(command: str, options: Mapping[str, Any]) -> tuple[str, bytes]:
    """Try rates in a process of its own.

    Args:
        options: that all runs of the search have, so that the rows are theirs.

    Returns:
        The range to search, as an option of `tune` gives it, and the picture of the test.

    Raises:
        UserError: something is wrong with data, model or options; or no rate was found.
        RunError: it failed.
    """
    reporting.current().note(f"range test of {command}: rates from {WIDEST.removesuffix(':log')}")
    with tempfile.TemporaryDirectory() as place:
        picture = Path(place) / PICTURE
        said = running.answer(command, {**options, FINDER: str(picture)}, Path(place) / FINDER)
        drawn = picture.read_bytes()
    try:
        suggested = float(said[FINDER][RATE])
    except (KeyError, TypeError, ValueError):
        raise RunError(f"the range test of {command} has not told a rate") from None
    searched = f"{suggested / AROUND:.2g}..{suggested * AROUND:.2g}:log"
    reporting.current().note(f"range test: {suggested:g} is suggested, {searched} is searched")
    return searched, drawn
