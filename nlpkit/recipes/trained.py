"""Working on a model whose task is settled: what distill, prune and quantize share before they begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from nlpkit import reporting
from nlpkit.data import splits
from nlpkit.errors import UserError
from nlpkit.options import DataOptions, flag_of
from nlpkit.recipes.experiment import settle_findings, stop_on_errors
from nlpkit.tasks import registry

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.base import Finding, Task

TaskOptions: Any = registry.options_of_tasks("column_options")
NAMES_DATA = ("data", "train_file", "validation_file", "test_file")


class TrainedDataOptions(TaskOptions, DataOptions):
    """The rows that a trained model is worked on with; by default those that it was trained on."""


C = TypeVar("C", bound=TrainedDataOptions)


def inherit_data(config: C, record: Mapping[str, Any] | None, name: str) -> C:
    """A config that names no data, with the data, columns and hold-out of the run that made the model.

    Args:
        config: as the user gave it; what it sets stays.
        record: nlpkit.json of the model, None where it has none.
        name: of the model, for messages.

    Raises:
        UserError: neither the user nor the record names data.
    """
    if any(getattr(config, option) for option in NAMES_DATA):
        return config
    known = dict((record or {}).get("config", {}))
    if isinstance(known.get("data"), list):  # a corpus
        known["train_file"] = known.pop("data")
    if not any(known.get(option) for option in NAMES_DATA):
        raise UserError(f"{name} does not tell what it was trained on", "Name the data: --data PATH|NAME.")
    # the rows that were held out are drawn again: none of them was trained on
    known["shuffle_seed"] = known.get("shuffle_seed") if known.get("shuffle_seed") is not None else known.get("seed")
    fields = set(TrainedDataOptions.model_fields) & known.keys() - config.given
    data = ", ".join(str(known[option]) for option in NAMES_DATA if known.get(option))
    reporting.current().note(f"data: {data}, as {name} was trained (--data)")
    return config.changed(**{field: known[field] for field in fields})


def refuse_hold_out(config: TrainedDataOptions) -> None:
    """Stop at options of a hold-out, where rows are only judged.

    Raises:
        UserError: naming one.
    """
    for name in ("validation_share", "hold_out", "shuffle_seed", "max_train_samples"):
        if getattr(config, name) != type(config).model_fields[name].default:
            raise UserError(
                f"{flag_of(name)}: nothing is trained here, so nothing is held out",
                "Leave it out; --max-eval-samples N judges on fewer rows.",
            )


def open_splits(
    config: TrainedDataOptions,
    task: Task,
    *,
    seed: int,
    needs: Sequence[str] = ("train", "validation"),
    training: bool = True,
) -> tuple[LoadedData, dict[str, Dataset], list[Finding]]:
    """Checked examples of each split, with the labels that the model has.

    Args:
        config: which data; the columns of training are taken where it names none.
        task: as its model restored it.
        seed: of the hold-out and the samples, unless the config has a --shuffle-seed.
        needs: splits that must not be empty.
        training: see `splits.prepare`.

    Raises:
        UserError: a split is missing, no row can be used, or the labels are not those of the model.
    """
    registry.refuse_foreign_options(config, type(task), "column_options")
    task.configure(config)
    loaded = splits.load(config, type(task))
    first = next(iter(loaded.splits.values()))
    with registry.pointing_elsewhere(type(task), first, registry.OTHER_MODEL):
        task.bind([name for name in first.column_names if not name.startswith("__")], config, labelled=True)
    splits.prepare(loaded, task, config, seed, training=training)
    findings: list[Finding] = []
    with registry.pointing_elsewhere(type(task), first, registry.OTHER_MODEL):
        examples = splits.examples(loaded, task, findings)
    stop_on_errors(findings)
    for split in needs:
        if not len(examples.get(split, ())):
            raise UserError(f"there is no row for {split}", f"Name some: --data PATH|NAME or --{split}-file FILE.")
    settle_findings(findings)
    return loaded, {split: rows for split, rows in examples.items() if len(rows)}, findings
