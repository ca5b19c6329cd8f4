"""--lr-finder: the learning rates that a search tries are those around what a range test suggests (Smith 2017).

The test is the one of the command itself: 100 steps of the model and the rows of the defaults, after which nothing is
kept but its picture. What it suggests is no best rate; it says where to look for one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from nlpkit import reporting
from nlpkit.errors import RunError, UserError
from nlpkit.options import Config, read_config_file
from nlpkit.trials import running
from nlpkit.tuning.options import TuneOptions
from nlpkit.tuning.space import Space

RATE, FINDER = "learning_rate", "lr_finder"
RECORDED = "range_test"  # in the record of a search
LOWEST, HIGHEST = "1e-6", "0.1"  # the rates that the test tries, of which it finds a part
AROUND = 4.0  # from a quarter of what is suggested to four times as much: a tenth of the smallest loss's rate is a rule
UNREAD = ("baseline", "cv", "seeds")  # what a run does besides, and the test has no use for
PICTURE = "rates.png"

T = TypeVar("T", bound=TuneOptions)


def widest(config: TuneOptions, kind: type[Config]) -> Mapping[str, str]:
    """The rate as it is searched until the test has found a range.

    Args:
        kind: options of the command that is tuned.

    Raises:
        UserError: the command has no range test, the rate is given, or the search has no one range.
    """
    if FINDER not in kind.known_fields():
        raise UserError(f"--lr-finder: {config.target} has no range test", "Give --learning-rate A..B:log.")
    _require_no_rate(config, kind)
    if config.sampler == "grid":
        raise UserError("--lr-finder finds a range, and --sampler grid needs single values", "Leave one of them out.")
    if config.storage is not None:
        raise UserError(
            "--lr-finder: machines that share a search (--storage) would each find a range of their own",
            f"Run `nlpkit {config.target} --lr-finder {PICTURE}` once, and give all of them --learning-rate A..B:log.",
        )
    return {RATE: f"{LOWEST}..{HIGHEST}:log"}


def _require_no_rate(config: TuneOptions, kind: type[Config]) -> None:
    file = read_config_file(config.space, config.target, kind.known_fields()) if config.space is not None else {}
    given = kind.with_new_names({name.replace("-", "_"): value for name, value in config.options.items()})
    if RATE in {**given, **file}:
        raise UserError("--lr-finder finds the range of --learning-rate, which is given", "Leave one of them out.")


def require_one_model(space: Space) -> None:
    """Raises UserError: models are searched, which differ in their rates."""
    if "model" in space.searched:
        raise UserError("--lr-finder tests one model, and --model is searched", "Search the options of each by itself.")


def known(config: T, kind: type[Config], record: Mapping[str, Any], folder: Path) -> T:
    """The options of a command line with --lr-finder, given again for a search that has its range.

    Args:
        record: of the search.
        folder: of the search.

    Raises:
        UserError: it was begun without a range test, or the rate is given.
    """
    _require_no_rate(config, kind)
    tested = record.get(RECORDED)
    searched = tested.get("searched") if isinstance(tested, dict) else None
    if not isinstance(searched, str):
        raise UserError(f"--lr-finder: the search in {folder} was begun without a range test", "Leave it out.")
    more = {"options": {**config.options, RATE: searched}} if config.options else {}
    return config.changed(lr_finder=False, **more)


def planned() -> str:
    """What the plan says of the rate."""
    return f"by a range test of the defaults first; from a quarter of what it suggests to {AROUND:g} times as much"


def find(command: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Try rates in a process of its own.

    Args:
        options: that all runs of the search have, so that the rows are theirs.

    Returns:
        For the record what was found, `searched` in it the range as an option of `tune` gives it; and the picture.

    Raises:
        UserError: something is wrong with data, model or options; or no rate was found.
        RunError: it failed.
    """
    reporting.current().note(f"range test of {command}: rates from {LOWEST} to {HIGHEST}")
    with tempfile.TemporaryDirectory() as place:
        picture = Path(place) / PICTURE
        asked = {name: value for name, value in options.items() if name not in UNREAD}
        try:
            said = running.answer(command, {**asked, FINDER: str(picture)}, Path(place) / FINDER)
        except RunError as error:  # its log goes with the folder
            hint = f"`nlpkit {command} --lr-finder {PICTURE}` with the same options says more."
            raise RunError(f"the range test of {command} failed: {error.message}", hint) from None
        drawn = picture.read_bytes()
    found = said[FINDER]
    suggested, smallest = found[RATE], found["smallest_loss_at"]
    searched = f"{suggested / AROUND:.2g}..{suggested * AROUND:.2g}:log"
    reporting.current().note(f"range test: {suggested:g} is suggested, {searched} is searched")
    if smallest == found["steps"][-1]["rate"]:
        reporting.current().warn(
            f"range test: the loss still fell at the highest rate that was tried, {smallest:.1e}: the range is a guess"
        )
    return {"searched": searched, "suggested": suggested, "smallest_loss_at": smallest}, drawn
