"""The account of a search: a study of Optuna in a journal or a database, which outlives each process and is shared.

Optuna is told values of which the larger is the better: of a metric of which the smaller is better its negative.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.errors import UserError, first_line
from nlpkit.tuning.options import SearchOptions, without_password
from nlpkit.tuning.space import Space

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.storages.journal import JournalFileSymlinkLock
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

NAME = "nlpkit"  # of the study in its storage
JOURNAL = "journal.log"
IDENTITY = "search"  # attribute of the study: what is searched
DEFAULTS = "defaults"  # attribute of the run of the defaults
OWN = "own"  # attribute of it: what its command took for the searched options
REPEATS = "repeats"  # attribute of a trial that was not run: the number of the one with the same values
CHANCE_FIRST = 10  # trials that are drawn at random before TPE learns from them (Optuna's default)
HALVING = 3  # of successive halving: one in so many goes on (Li et al. 2020: 4; Hyperband: 3)


def require() -> None:
    """Raises UserError: Optuna is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise UserError("tune needs optuna, which is not installed", "pip install 'nlpkit[tune]'")


def opened(place: str | Path) -> BaseStorage:
    """The storage at a path, of a journal, or behind the address of a database.

    Raises:
        UserError: it cannot be opened.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    if "://" in str(place):
        try:
            return optuna.storages.get_storage(str(place))
        except Exception as error:  # of SQLAlchemy, of a driver, or of Optuna
            shown = without_password(str(place))
            reason = first_line(error).replace(str(place), str(shown))
            hint = "An address is sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME or mysql://..., with its driver."
            raise UserError(f"--storage {shown} cannot be opened: {type(error).__name__}: {reason}", hint) from None
    path = Path(place)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = JournalFileSymlinkLock(str(path))
        _mend(path, lock)
        return optuna.storages.JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except OSError as error:
        raise UserError(f"--storage {path} cannot be opened: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"--storage {path} is damaged, or is no journal of a search",
            "Name another file, or begin again: --overwrite.",
        ) from None


def _mend(path: Path, lock: JournalFileSymlinkLock) -> None:
    """Cut off the half of a last line that a full disk has left: what is written behind it could not be read.

    Raises:
        ValueError: a whole line is no JSON.
    """
    if not path.exists():
        return
    lock.acquire()
    try:
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)
        for line in content.split(b"\n")[:-1]:  # Optuna would read on until something is written behind it
            json.loads(line)
    finally:
        lock.release()


def identity(target: str, space: Space, objective: Sequence[str], data: Mapping[str, str], seed: int) -> dict[str, Any]:
    """What makes a search this one; another one's trials are not counted in it.

    Args:
        target: the command.
        seed: of all runs, which also draws the rows that they hold out.
        objective: as it was given.
        data: checksums of the files that the options name, see `fingerprint`.
    """
    elsewhere = ("device", "threads")  # each machine has its own
    return {
        "command": target,
        "options": {name: value for name, value in sorted(space.fixed.items()) if name not in elsewhere},
        "space": {name: str(values) for name, values in space.searched.items()},
        "objective": list(objective),
        "data": dict(data),
        "seed": seed,
    }


def begun(storage: BaseStorage, place: str, known: Mapping[str, Any], space: Space, options: SearchOptions) -> Study:
    """The study of a search: the one that is there, or a new one, whose first trial is the defaults.

    Args:
        place: of the storage, for messages.
        known: see `identity`.

    Raises:
        UserError: the study that is there is of another search.
    """
    import optuna

    count = max(len(options.objective), 1)
    with quiet():
        try:
            study = optuna.create_study(
                storage=storage, study_name=NAME, directions=["maximize"] * count, pruner=_pruner(options)
            )
        except optuna.exceptions.DuplicatedStudyError:
            study = optuna.load_study(storage=storage, study_name=NAME, pruner=_pruner(options))
            _require_same(study.user_attrs.get(IDENTITY), known, place)
            return study
    study.set_user_attr(IDENTITY, json.loads(json.dumps(known)))
    study.enqueue_trial(space.default_values(), user_attrs={DEFAULTS: True})
    if options.sampler == "grid":
        for cell in space.grid():
            study.enqueue_trial(cell)
    return study


def _require_same(there: Mapping[str, Any] | None, known: Mapping[str, Any], place: str) -> None:
    hint = "Name another --storage or --output, or give what the search was begun with."
    if there is None:
        raise UserError(f"--storage {without_password(place)} is of no search of nlpkit", hint)
    wanted = json.loads(json.dumps(known))
    if there == wanted:
        return
    differing = []
    for part, value in wanted.items():
        before = there.get(part)
        if before == value:
            continue
        if isinstance(value, dict) and isinstance(before, dict):
            names = [name for name in {**before, **value} if before.get(name) != value.get(name)]
            differing += [f"{part} {name} was {before.get(name)}, here {value.get(name)}" for name in names]
        else:
            differing.append(f"{part} was {before}, here {value}")
    raise UserError(f"{without_password(place)} is of another search: {'; '.join(differing)}", hint)


def _pruner(options: SearchOptions) -> BasePruner:
    import optuna

    if options.pruner == "median":
        return optuna.pruners.MedianPruner()
    if options.pruner == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=HALVING)
    return optuna.pruners.NopPruner()


def _sampler(options: SearchOptions, seed: int) -> BaseSampler:
    """What draws the values of one trial.

    A seed for each trial: what a search draws after it was killed and gone on with is what it would have drawn.
    """
    import optuna

    if options.sampler == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed, population_size=CHANCE_FIRST)
    if options.sampler == "tpe":
        # by groups: the defaults may lie outside the space, and then lack some of its options
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, n_startup_trials=CHANCE_FIRST)
    return optuna.samplers.RandomSampler(seed=seed)


def asked(study: Study, space: Space, options: SearchOptions, seed: int) -> tuple[Trial, dict[str, Any]]:
    """The next trial and its values; of the defaults only those that are in the space.

    Args:
        seed: of the search.
    """
    with quiet():
        study.sampler = _sampler(options, (seed + 7_919 * len(study.get_trials(deepcopy=False))) % 2**32)
        trial = study.ask()
    return trial, values_of(trial, space)


def values_of(trial: Trial, space: Space) -> dict[str, Any]:
    """The values of a trial; one that was killed before it had all of them is given the rest."""
    inside = space.default_values() if trial.user_attrs.get(DEFAULTS) else space.searched
    with quiet():
        return {name: space.searched[name].drawn(name, trial) for name in inside}


def continued(study: Study, frozen: FrozenTrial) -> Trial:
    """A trial that was under way when its process ended, to be gone on with."""
    from optuna.trial import Trial

    return Trial(study, frozen._trial_id)


class quiet(warnings.catch_warnings):
    """Without what Optuna says of parts that it may change."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
