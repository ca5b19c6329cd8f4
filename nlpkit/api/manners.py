"""Guests in a caller's process: libraries are quiet while a function of nlpkit works, and as they were afterwards."""

from __future__ import annotations

import logging
import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nlpkit import process

# what is set for libraries that read it while they work; RAYON_NUM_THREADS and the like are read once, and stay
_SPEECH = ("TRANSFORMERS_VERBOSITY", "TRANSFORMERS_NO_ADVISORY_WARNINGS", "DATASETS_VERBOSITY", "HF_HUB_VERBOSITY",
           "HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS", "ACCELERATE_LOG_LEVEL",
           "TORCH_CPP_LOG_LEVEL")  # fmt: skip
_BARS = ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS")
_LOUD = ("transformers", "datasets", "huggingface_hub", "accelerate")  # libraries that hold a level of their own


@contextmanager
def quiet(*, verbose: bool, keep_threads: bool = False) -> Iterator[None]:
    """Have the libraries say nothing while the block runs; then give back what the caller had set: levels of loggers,
    warnings, progress bars, variables, random numbers, threads of torch.

    Args:
        verbose: let them say what they say unasked.
        keep_threads: leave the number of threads of torch as the block has set it.
    """
    variables = {name: os.environ.get(name) for name in _SPEECH}
    levels = {name: logging.getLogger(name).level for name in ("", *_LOUD, *process.TALKATIVE)}
    bars, drawn = _bars(), _backend()
    with warnings.catch_warnings(), _own_random_numbers(), _own_threads(keep=keep_threads):
        try:
            process.prepare()
            if not verbose:
                process.hush()
                for name in _BARS:  # a library that is imported with them shows no bar for good
                    if variables[name] is None:
                        os.environ.pop(name)
                _hide_bars()
                for name in _LOUD:
                    logging.getLogger(name).setLevel(logging.ERROR)
            yield
        finally:
            for name, value in variables.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
            _loud_again(levels)
            _show_bars(bars)
            _draw_on(drawn)


def _loud_again(levels: dict[str, int]) -> None:
    """The levels of loggers as they were; of a library that was imported meanwhile the one that it has by default."""
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level or (logging.WARNING if name in _LOUD else logging.NOTSET))


def _bars() -> dict[str, bool]:
    """Whether libraries that are imported show bars."""
    shown: dict[str, bool] = {}
    if (datasets := sys.modules.get("datasets.utils")) is not None:
        shown["datasets"] = not datasets.are_progress_bars_disabled()
    if (client := sys.modules.get("huggingface_hub.utils")) is not None:
        shown["huggingface_hub"] = not client.are_progress_bars_disabled()
    if (transformers := sys.modules.get("transformers.utils.logging")) is not None:
        shown["transformers"] = bool(transformers.is_progress_bar_enabled())
    return shown


def _hide_bars() -> None:
    """Have the libraries show no bars, those that are imported already too."""
    import datasets.utils
    import huggingface_hub.utils

    datasets.utils.disable_progress_bars()
    huggingface_hub.utils.disable_progress_bars()
    if (transformers := sys.modules.get("transformers.utils.logging")) is not None:
        transformers.disable_progress_bar()


def _show_bars(shown: dict[str, bool]) -> None:
    """Let libraries show bars again: those that did, and those that were not there."""
    modules = {"datasets": "datasets.utils", "huggingface_hub": "huggingface_hub.utils"}
    for name, place in modules.items():
        if (module := sys.modules.get(place)) is not None and shown.get(name, True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # where the variable was set when the library was imported
                module.enable_progress_bars()
    if (transformers := sys.modules.get("transformers.utils.logging")) is not None and shown.get("transformers", True):
        transformers.enable_progress_bar()


def _backend() -> Any:
    """What matplotlib draws on, where it has been imported."""
    matplotlib = sys.modules.get("matplotlib")
    # `rcParams["backend"]` would choose one
    return dict.__getitem__(matplotlib.rcParams, "backend") if matplotlib is not None else None


def _draw_on(before: Any) -> None:
    """Give the caller's plots back where they were drawn: those of a run are drawn without a screen."""
    matplotlib = sys.modules.get("matplotlib")
    wanted = before if before is not None else os.environ.get("MPLBACKEND")
    if matplotlib is not None and isinstance(wanted, str) and matplotlib.get_backend() != wanted:
        matplotlib.use(wanted)


@contextmanager
def _own_random_numbers() -> Iterator[None]:
    """Leave the caller's random numbers as they were: a run sets the seeds of them all."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    python_state = random.getstate()
    numpy_state = numpy.random.get_state() if numpy is not None else None
    torch_state = torch.get_rng_state() if torch is not None else None
    try:
        yield
    finally:
        random.setstate(python_state)
        if numpy is not None and numpy_state is not None:
            numpy.random.set_state(numpy_state)
        if torch is not None and torch_state is not None:
            torch.set_rng_state(torch_state)


@contextmanager
def _own_threads(*, keep: bool) -> Iterator[None]:
    """Leave torch the number of threads that the caller has given it, unless the block's is kept."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else None
    try:
        yield
    finally:
        if torch is not None and before is not None and not keep:
            torch.set_num_threads(before)
