"""Data sets on the Hugging Face hub: how one is named, and what goes wrong there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nlpkit import nearby
from nlpkit.errors import UserError

NAME = re.compile(r"(?P<name>[\w.-]+(/[\w.-]+)?)(:(?P<config>[^@]+))?(@(?P<revision>.+))?")


def explained(name: str, config: str | None, revision: str | None, error: Exception) -> UserError:
    """What went wrong on the hub, in one message."""
    import datasets

    message = str(error).strip()
    lead = f"{name!r} is no file or folder here, and"
    if (near := nearby.nearest_path(Path(name))) is not None:
        lead = f"{name!r} is no file or folder here (did you mean {near}?), and"
    if isinstance(error, ConnectionError):
        offline = datasets.config.HF_HUB_OFFLINE or os.environ.get("HF_DATASETS_OFFLINE", "0") not in ("", "0")
        why = "offline mode is on (HF_HUB_OFFLINE)" if offline else "there is no connection"
        return UserError(
            f"{lead} the Hugging Face hub cannot be reached: {why}",
            "Pass local files, for example --data train.csv, or a folder with train.csv and validation.csv.",
        )
    if isinstance(error, datasets.exceptions.DatasetNotFoundError):
        if "gated" in message or "authenticated" in message:
            return UserError(
                f"{lead} the data set on the hub is gated: {message}", "Accept its terms and set HF_TOKEN."
            )
        if "Revision" in message:
            return UserError(f"The data set {name!r} on the hub has no revision {revision!r}", "Leave out @REVISION.")
        return UserError(f"{lead} the hub has no such data set (or it is private)", "Check the name: owner/name.")
    if isinstance(error, ValueError) and (
        listed := re.search(r"[Aa]vailable(?: configs)?: \[(.*?)\]", message, re.DOTALL)
    ):
        what = f"no configuration {config!r}" if config else "several configurations"
        names = listed[1].replace("'", "")
        return UserError(f"The data set {name!r} has {what}", f"Pass --data {name}:CONFIG with one of: {names}")
    if "scripts are no longer supported" in message:
        return UserError(
            f"The data set {name!r} is a script, which `datasets` no longer runs",
            f"Most have a converted copy: --data {name}@refs/convert/parquet",
        )
    return UserError(f"The data set {name!r} cannot be loaded from the hub: {type(error).__name__}: {message}")


@contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars and retry messages of the libraries."""
    import datasets
    import huggingface_hub.utils as client

    shown = not datasets.utils.are_progress_bars_disabled(), not client.are_progress_bars_disabled()
    verbosity = client.logging.get_verbosity()
    datasets.utils.disable_progress_bars()
    client.disable_progress_bars()
    client.logging.set_verbosity_error()
    try:
        yield
    finally:
        if shown[0]:
            datasets.utils.enable_progress_bars()
        if shown[1]:
            client.enable_progress_bars()
        client.logging.set_verbosity(verbosity)
