"""Which checkpoint a run goes on from: the newest that is whole, and holds numbers and nothing that could run.

What torch saved of optimizer, schedule and random numbers is opened as tensors only (`weights_only`), by Trainer as by
us: of a checkpoint that somebody else has touched, nothing is run.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from nlpkit import process, reporting
from nlpkit.errors import UserError
from nlpkit.runs import records
from nlpkit.runs.folder import write_json

POSITION = "nlpkit_position.json"  # in each checkpoint, see `ResumableTrainer.position`
STATE = "trainer_state.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
NAME = re.compile(r"checkpoint-(\d+)")
ASIDE = "damaged-"  # before the name of a checkpoint that is passed over: the run will write another of that name


class _Kept(records.Part):
    """What a callback keeps."""

    args: dict[str, Any] | None = None
    attributes: dict[str, Any] | None = None


class _State(records.Part):
    """What Trainer reads of its state when it goes on."""

    global_step: Annotated[int, Field(gt=0)]
    epoch: float | None = None
    max_steps: records.Count
    best_metric: float | None = None
    best_global_step: records.Count | None = None
    best_model_checkpoint: str | None = None
    log_history: list[dict[str, Any]] | None = None
    stateful_callbacks: dict[str, _Kept | list[_Kept]] | None = None
    train_batch_size: records.Count | None = None


class _Unlogged(records.Part):
    loss: float
    from_step: Annotated[int, Field(alias="from", ge=0)]


class _Position(records.Part):
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    unlogged: _Unlogged | None = None
    rows_a_step: Annotated[int, Field(gt=0)] | None = None  # None: by an nlpkit that did not keep it
    processes: Annotated[int, Field(gt=0)] | None = None


def position_in(checkpoint: Path) -> dict[str, Any]:
    """What `ResumableTrainer.position` gave when this checkpoint was saved."""
    return records.document_of(checkpoint / POSITION) or {}


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole; damaged ones are named, passed over, and put aside.

    Raises:
        UserError: there are checkpoints, and all are damaged.
    """
    checkpoints = sorted(
        (path for path in folder.glob("checkpoint-*") if NAME.fullmatch(path.name)), key=_step, reverse=True
    )
    # Trainer writes trainer_state.json last, at once: a run killed while it saved leaves a checkpoint without it, or an
    # empty one
    finished = [path for path in checkpoints if (path / STATE).exists() and (path / STATE).stat().st_size > 0]
    passed_over: list[Path] = []
    for path in finished:
        problem = damage(path) or _damage_of_best(path)
        if problem is None:
            for damaged in passed_over if process.is_main_process() else ():
                damaged.rename(damaged.with_name(f"{ASIDE}{damaged.name}"))
            _relocate(path, folder)
            return path
        reporting.current().warn(f"{path.name} is damaged ({problem}); trying an earlier one")
        passed_over.append(path)
    if finished:
        raise UserError(f"every checkpoint in {folder} is damaged", "Start over with --overwrite.")
    return None


def _step(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def _damage_of_best(checkpoint: Path) -> str | None:
    """What is wrong with the checkpoint that this one records as the best so far: the run ends by loading it."""
    best = json.loads((checkpoint / STATE).read_text(encoding="utf-8")).get("best_model_checkpoint")
    if best is None or Path(best).name == checkpoint.name:
        return None
    name = Path(best).name
    problem = damage(checkpoint.with_name(name)) if NAME.fullmatch(name) else "it is no checkpoint of this run"
    return problem and f"in the best, {name}: {problem}"


def damage(checkpoint: Path) -> str | None:
    """What is wrong with the files of a checkpoint; None when all of them open."""
    try:
        state = _checked(_State, checkpoint / STATE)
        _checked(_Position, checkpoint / POSITION, optional=True)
    except UserError as error:
        return error.message.removeprefix(f"{checkpoint}/")
    if state["global_step"] != _step(checkpoint):
        return f"{STATE}: global_step {state['global_step']}: the folder says {_step(checkpoint)}"
    if not _opens_as_state(checkpoint / STATE):
        return f"{STATE} is not of this transformers"
    return _damage_of_weights(checkpoint) or _damage_of_states(checkpoint)


def _checked(schema: type[records.Part], path: Path, *, optional: bool = False) -> dict[str, Any]:
    document = records.document_of(path)
    if not document:
        if document is None and optional:
            return {}
        raise UserError(f"{path} is {'empty' if document == {} else 'missing or cut'}")
    return records.checked(schema, document, path)


def _opens_as_state(path: Path) -> bool:
    from transformers import TrainerControl, TrainerState

    try:
        state = TrainerState.load_from_json(str(path))
        TrainerControl(**(state.stateful_callbacks or {}).get("TrainerControl", {}).get("args", {}))
    except (TypeError, AttributeError, ValueError, KeyError):
        return False
    return True


def _damage_of_weights(checkpoint: Path) -> str | None:
    from safetensors import SafetensorError, safe_open
    from transformers import PreTrainedConfig

    weights = list(checkpoint.glob("*.safetensors"))
    # else Trainer takes what is there as pickle
    if not weights or not any((checkpoint / name).exists() for name in WEIGHTS):
        return "no weights"
    for file in weights:
        try:
            with safe_open(file, framework="pt") as opened:
                opened.keys()
        except (SafetensorError, OSError):
            return f"{file.name} cannot be read"
    if (config := checkpoint / "config.json").exists():
        try:
            PreTrainedConfig.from_json_file(config)
        except Exception as error:  # each config has checks of its own
            return f"config.json cannot be read: {type(error).__name__}"
    return None


def _damage_of_states(checkpoint: Path) -> str | None:
    """What torch saved beside the weights: whole, and tensors only."""
    import torch
    from transformers.trainer_pt_utils import safe_globals

    if not (checkpoint / "optimizer.pt").exists():
        return "it has no optimizer.pt: a copy in part, or of a run under DeepSpeed, which keeps none"
    states = [checkpoint / "optimizer.pt", checkpoint / "scheduler.pt", *checkpoint.glob("rng_state*.pth")]
    for file in (*states, *checkpoint.glob("scaler.pt")):
        try:
            with zipfile.ZipFile(file) as packed:  # torch files are zip archives
                if packed.testzip() is not None:
                    return f"{file.name} is damaged within"
            with safe_globals():
                torch.load(file, map_location="cpu", mmap=True, weights_only=True)
        except (OSError, zipfile.BadZipFile):  # the directory of a zip stands at the end: a cut file has none
            return f"{file.name} cannot be read"
        except Exception:
            return f"{file.name} holds something else than tensors and numbers: it could run code, and is not opened"
    return None


def _relocate(checkpoint: Path, folder: Path) -> None:
    """Let the recorded best checkpoint be found after the run folder was moved."""
    path = checkpoint / STATE
    state = json.loads(path.read_text(encoding="utf-8"))
    best = state.get("best_model_checkpoint")
    if best and Path(best).parent != folder:
        state["best_model_checkpoint"] = str(folder / Path(best).name)
        write_json(path, state)
