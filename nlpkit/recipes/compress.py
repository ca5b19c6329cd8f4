"""Find the smallest or fastest model within your limits: distilled, pruned, quantized.
Writes a run folder: the chosen model, the front of all that were made, what each step cost.

Sizes and speeds of all shapes are expected by a few that are timed on this machine. Where a format alone, or a smaller
table of embeddings, is enough, nothing is trained. Else each number of layers is a branch with as much of each layer as
fits; short trials tell the branches apart, and the best is trained whole. Validation chooses; what the result costs is
told by rows that chose nothing. With --max-drop alone faster and faster models are made until one loses more.

Examples: nlpkit compress runs/reviews --min-speedup 15 --max-drop 2
nlpkit compress runs/reviews --max-size 10MB --max-latency 2 --max-minutes 60
"""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from nlpkit import process, reporting
from nlpkit.compression import report as told
from nlpkit.compression.wishes import Figures, Wishes, bytes_of
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle, resume
from nlpkit.experiment.inherited_data import ComparedDataOptions, inherit_data, open_splits
from nlpkit.inference.predictor import Predictor, TrainedModelOptions, open_predictor, open_trained
from nlpkit.measurement import before_after
from nlpkit.models import files, opening
from nlpkit.options import (
    CardOptions,
    DeviceOptions,
    FolderOptions,
    GivenModelOptions,
    OutputOptions,
    SeedOptions,
    Strings,
    flag_of,
    option,
    option_like,
)
from nlpkit.reporting import Report
from nlpkit.runs import files as run_files
from nlpkit.runs.folder import RunFolder
from nlpkit.runs.standing import Standing
from nlpkit.tasks import registry
from nlpkit.tasks.options import TaskChoiceOptions
from nlpkit.tasks.roles import Teachable

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.compression.chain import Chain
    from nlpkit.compression.costs import Kept, ListedCosts
    from nlpkit.compression.search import Candidate, Search
    from nlpkit.compression.shapes import Table
    from nlpkit.hardware.devices import Device
    from nlpkit.inference.predictor import Trained
    from nlpkit.metrics.evidence import Judgement

COMMAND = "compress"
ESSENTIAL: tuple[str, ...] = (
    "model",
    "max_size",
    "max_latency",
    "min_speedup",
    "max_drop",
    "max_minutes",
    "latency_batch",
    "output",
    "resume",
    "dry_run",
)
STEPS = "steps"  # folder of the runs that it is made of
NOT_COPIED = ("nlpkit.json", "README.md", ".lock", "metrics.jsonl")  # of the chosen model's folder
WIDE = 512  # hidden size from which on models take the lower rate
RATES = (2e-4, 1e-4)  # of narrow and of wide students: measured on MiniLM, see docs/measured.md
TIMED = 2.0  # times as long as one model all shapes together are timed
# percent by which unread text may have more tokens: the default of prune, and what classifiers take
GROWTHS = (1.0, 5.0)
LEAST_SAVED = 0.05  # of the pieces: with fewer to leave out a vocabulary is not worth its tokens
WISHES = ("max_size", "max_latency", "min_speedup", "max_drop")


NEEDS = Teachable  # of the task of the model


class Config(
    before_after.ComparisonOptions,
    ComparedDataOptions,
    CardOptions,
    FolderOptions,
    DeviceOptions,
    TaskChoiceOptions,
    GivenModelOptions,
):
    """Options of `nlpkit compress`."""

    measure_seconds: float = option_like(
        before_after.ComparisonOptions,
        "measure_seconds",
        help="Seconds of measuring the speed of each model.",
        ge=None,
        gt=0,
    )
    max_size: str | None = option(
        None, "Most bytes of weights and graph: 10MB, 800kB, 12MiB.", panel="Limits", metavar="SIZE"
    )
    max_latency: float | None = option(
        None, "Most milliseconds of a call, with --latency-batch rows.", panel="Limits", gt=0, metavar="MS"
    )
    min_speedup: float | None = option(
        None, "At least N times as fast as MODEL in torch, in such calls.", panel="Limits", gt=1, metavar="N"
    )
    max_drop: float | None = option(
        None, "At most N points of the main metric lost, on validation.", panel="Limits", ge=0, metavar="N"
    )
    max_minutes: float | None = option(None, "Minutes that the search may take.", panel="Limits", gt=0)
    latency_batch: int = option(1, "Rows of a call whose latency counts.", panel="Limits", ge=1, le=4096)
    latency_length: int | None = option(
        None,
        "Tokens of each row of such a call.",
        panel="Limits",
        ge=4,
        shown_default="as the rows of the data",
    )
    to: Literal["onnx-int8", "onnx-fp16", "onnx-fp32", "none"] | None = option(
        None,
        "Format of the result; none: weights for torch.",
        panel="Search",
        shown_default="onnx-int8; onnx-fp16 on a GPU",
    )
    embeddings: Literal["auto", "whole"] = option(
        "auto", "Whether the table of embeddings may have fewer pieces and fewer bits.", panel="Search"
    )
    branches: int = option(4, "Shapes that get a short trial, at most.", panel="Search", ge=1)
    epochs: float = option(
        6.0, "Epochs of a whole training; recovery after pruning gets half of them.", panel="Training", gt=0
    )
    learning_rate: float | None = option(
        None,
        "Peak learning rate.",
        panel="Training",
        gt=0,
        shown_default=f"{RATES[0]:g}; {RATES[1]:g} of encoders wider than {WIDE}",
    )
    unlabelled: Strings = option(
        [], "File of rows without labels to learn from besides (repeatable).", panel="Data", metavar="FILE"
    )
    seed: int = option_like(SeedOptions, "seed", help="Seed of the hold-out and of all trainings.", panel="Data")
    output: Path | None = option_like(FolderOptions, "output", shown_default="runs/<model>-compressed")
    resume: bool = option_like(OutputOptions, "resume")
    dry_run: bool = option_like(OutputOptions, "dry_run", help="Time some shapes, show the plan, stop.")

    @field_validator("max_size")
    @classmethod
    def _is_size(cls, value: str | None) -> str | None:
        if value is not None:
            bytes_of(value)
        return value

    @property
    def wishes(self) -> Wishes:
        """The limits.

        Raises:
            UserError: there is none.
        """
        if not any(getattr(self, name) is not None for name in WISHES):
            named = ", ".join(flag_of(name) for name in WISHES)
            raise UserError("compress was given no limit", f"Give at least one of {named}.")
        return Wishes(
            bytes_of(self.max_size) if self.max_size is not None else None,
            self.max_latency / 1e3 if self.max_latency is not None else None,
            self.min_speedup,
            self.max_drop,
            self.latency_batch,
            self.latency_length,
        )


@dataclass
class _Begun:
    """The model that is begun with, open, and what it is judged on.

    Attributes:
        before: its judgements, by split.
        named: the options that the user gave.
    """

    config: Config
    trained: Trained[Teachable]
    device: Device
    predictor: Predictor[Teachable]
    examples: dict[str, Dataset]
    data: dict[str, Any]
    before: dict[str, Judgement]
    named: dict[str, Any]

    @property
    def told(self) -> str:
        """The split of the price."""
        return "test" if "test" in self.examples else "validation"

    @property
    def size(self) -> int | None:
        """Bytes of its weights on disk, where they are there."""
        place = Path(self.trained.place)
        return before_after.weight_bytes(place) if place.is_dir() else None


def run(config: Config) -> Report:
    """Search, compare, and write the run folder; returns the front and what stopped it from going further.

    What is looked for stands in `nlpkit.compression.wishes`, the branches in `shapes`, the course of the search in
    `search`, the steps of each chain in `chain`.
    """
    process.require_one(COMMAND)

    def finished(record: Mapping[str, Any], folder: Path) -> Report:
        _require_same_limits(config, record, folder)
        return _told(record, folder)

    return lifecycle.unless_complete(config, COMMAND, finished, _searched)  # type: ignore[type-var]


def _require_same_limits(config: Config, record: Mapping[str, Any], folder: Path) -> None:
    """Refuse --resume of a finished search with other limits, which its model was not chosen by.

    Raises:
        UserError: naming one.
    """
    for name in sorted(config.given & {*WISHES, "latency_batch", "latency_length"}):
        before, now = record["config"].get(name), getattr(config, name)
        if before != now:
            was = "was not given" if before is None else f"was {before}"
            raise UserError(
                f"--resume: {folder} is complete, and {flag_of(name)} {was}, now {now}",
                "Search again: give another --output, or --overwrite.",
            )


def _searched(config: Config) -> Report:
    started = time.monotonic()
    wishes = config.wishes
    name = opening.display_name(config.model)
    folder = RunFolder(config.output or RunFolder.default_path(name, "compressed"))
    folder.require_usable(resume=config.resume, overwrite=config.overwrite)
    begun = _open(config)
    with resume.telling_how_to_resume(f"{COMMAND} {config.model}", folder.path), ExitStack() as stack:
        if config.dry_run:
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            place = folder.path
            folder.start(_head(begun), overwrite=config.overwrite, resume=config.resume)
        search = _prepared(begun, wishes, place)
        reporting.current().plan("plan", told.plan(begun.config, wishes, search, begun.device.described, folder.path))
        reporting.current().table(told.branches(search))
        if config.dry_run:
            return lifecycle.dry_run(begun.config)
        with lifecycle.noting_failure(folder):
            chosen = search.run()
            record = _record(begun, wishes, search, chosen)
            record["wall_seconds"] = round(search.budget.used + time.monotonic() - started, 2)
            _write(begun, record, chosen, folder)
    return _told(record, folder.path)


# --- before the search ---


def _open(config: Config) -> _Begun:
    """The model and its rows; whatever is wrong with either is said here.

    Raises:
        UserError: the model cannot be compressed, or there are no rows for it.
    """
    from nlpkit.hardware import devices
    from nlpkit.measurement import export_cache
    from nlpkit.models import stacks
    from nlpkit.models.anatomy import anatomy

    named = config.given_values()
    device = devices.choose(config)
    to = config.to or ("onnx-int8" if device.name == "cpu" else "onnx-fp16")
    if to.startswith("onnx"):
        export_cache.require_packages(f"--to {to}")
    trained = open_trained(
        config.model, config, NEEDS, COMMAND, revision=config.model_revision, exported=False, task_name=config.task
    )
    kind = trained.config.model_type
    if kind == files.STATIC or stacks.writes(trained.config):
        what = "a table of token vectors" if kind == files.STATIC else f"{kind}, which writes"
        raise UserError(
            f"{config.model} is {what}: compress brings encoders to other shapes",
            "`nlpkit distill`, `prune --what layers,vocabulary` and `quantize` take it step by step.",
        )
    anatomy(trained.model)  # which refuses an architecture whose parts are not known, by its name
    config = inherit_data(config.for_task(type(trained.task)), trained.record, config.model)
    config = config.changed(to=to, learning_rate=config.learning_rate or RATES[trained.config.hidden_size > WIDE])
    reader, loaded, examples, _ = open_splits(config, trained.task, seed=config.seed)
    trained.task = registry.require(reader.task, NEEDS, COMMAND).taught()
    judged = {split: rows for split, rows in examples.items() if split != "train"}

    def answers(rows: Dataset) -> Any:
        return Predictor(trained.task, trained.model, trained.tokenizer, device, lent=False).outputs(rows[:])

    trained.task, judged = trained.task.against(judged, answers)
    predictor = Predictor(trained.task, trained.model, trained.tokenizer, device, lent=False, record=trained.record)
    begun = _Begun(config, trained, device, predictor, {**examples, **judged}, loaded.source.to_record(), {}, named)
    for split in judged:
        begun.before[split] = before_after.judgement(before_after.Side("", predictor), begun.examples[split])
    return begun


def _prepared(begun: _Begun, wishes: Wishes, place: Path) -> Search:
    """The search before its first training: shapes are timed, unless that was done before."""
    from nlpkit.compression import shapes
    from nlpkit.compression.search import JOURNAL, Budget, Search

    config, task = begun.config, begun.predictor.task
    journal = place / JOURNAL
    known = _known(journal) if config.resume and journal.is_file() else None
    chain = _chain(begun, place / STEPS)
    costs, tables = _costs(begun, wishes, chain, known)
    metrics = begun.before["validation"].metrics
    search = Search(
        wishes=wishes,
        costs=costs,
        chain=chain,
        judge=_judge(begun),
        metric=task.main_metric,
        lost=lambda after: task.points_lost(metrics, after),
        tables=tables,
        epochs=config.epochs,
        branches=config.branches,
        budget=Budget(config.max_minutes),
        folder=place,
        train_rows=len(begun.examples["train"]),
        guess=_guess(begun.trained.record or {}, begun.trained.config.num_hidden_layers),
        plan={"costs": costs.record(), "tables": [list(table) for table in tables]},
    )
    if known is not None:
        search.recall(known)
    search.write()
    shapes.require_some(wishes, costs, tables)
    return search


def _chain(begun: _Begun, steps: Path) -> Chain:
    from nlpkit.compression.chain import Chain

    config = begun.config
    # what the user named; the rest each step finds in the record of its model, as this command did
    fields = (
        ComparedDataOptions.known_fields().keys() | {"task", "threads", "device", "precision"}
    ) & begun.named.keys()
    shared = {name: begun.named[name] for name in sorted(fields)}
    assert config.learning_rate is not None
    return Chain(
        model=config.model,
        layers=begun.trained.config.num_hidden_layers,
        parts=_parts(begun),
        folder=steps,
        to=None if config.to == "none" else config.to,
        learning_rate=config.learning_rate,
        learns_labels=begun.predictor.task.learns_labels,
        shared={**json.loads(json.dumps(shared, default=str)), "seed": config.seed},
        unlabelled=list(config.unlabelled),
    )


def _guess(record: Mapping[str, Any], layers: int) -> float | None:
    """Seconds that a chain trains for each row and layer, by what the training of the model took: its teacher's answers
    and the recovery after pruning make it about twice as long."""
    rate = record.get("train_samples_per_second")
    return 2.0 / (rate * layers) if rate else None


def _parts(begun: _Begun) -> list[str]:
    """What of a layer may go: heads only from a graph, as no class of Transformers runs with fewer."""
    from nlpkit.models.anatomy import anatomy

    cuts_heads = begun.config.to != "none" and anatomy(begun.trained.model).family.cuts_heads
    return ["heads", "ffn"] if cuts_heads else ["ffn"]


def _known(journal: Path) -> dict[str, Any]:
    """What a search that is gone on with has kept.

    Raises:
        UserError: the file is damaged.
    """
    try:
        known = json.loads(journal.read_text(encoding="utf-8"))
        if {"candidates", "seconds", "granted", "stops", "spent", "costs", "tables"} <= known.keys():
            _costs_of(known)
            return dict(known)
    except (ValueError, AttributeError, KeyError, TypeError):
        pass
    raise UserError(
        f"--resume: {journal} is damaged, or was written by another version", "Begin again: --overwrite in its place."
    )


def _costs_of(known: Mapping[str, Any]) -> ListedCosts:
    from nlpkit.compression.costs import ListedCosts

    return ListedCosts.from_record(known["costs"])


def _costs(
    begun: _Begun, wishes: Wishes, chain: Chain, known: Mapping[str, Any] | None
) -> tuple[ListedCosts, list[Table]]:
    """What shapes cost, and the tables of embeddings that may be taken, the largest first."""
    from nlpkit.compression import costs, meter
    from nlpkit.compression.shapes import Table

    if known is not None:
        return _costs_of(known), [Table(*table) for table in known["tables"]]
    config, trained = begun.config, begun.trained
    counts = wishes.size is not None or not wishes.of_shape  # else no byte is worth a loss
    tables = _tables(chain, trained) if counts and config.embeddings == "auto" else {}
    tables = tables or {Table(): costs.Kept(trained.model.get_input_embeddings().num_embeddings)}
    rows = begun.examples["validation"][:]
    batches = meter.planned(begun.predictor, rows, config.latency_batch, config.latency_length)
    precision: Literal["fp32", "int8"] = "int8" if config.to == "onnx-int8" else "fp32"
    made = costs.measured(
        trained.model,
        begun.predictor.task,
        batches,
        precision,
        tables,
        begun.device.name,
        begun.size,
        TIMED * config.measure_seconds,
        parts=_parts(begun),
        split=_split(begun),
    )
    return made, list(tables)


def _split(begun: _Begun) -> Callable[[float], tuple[int, int]]:
    """How many heads and FFN neurons stay of a layer of which a share stays: as pruning weighs them."""
    from nlpkit.pruning import prepare

    config, trained = begun.config, begun.trained
    made = prepare.PrunedModel(begun.predictor.task, copy.deepcopy(trained.model), trained.tokenizer)
    rows = prepare.CuttingOptions.model_fields["calibration_rows"].default
    parts = _parts(begun)
    kinds = {kind for kind in prepare.STRUCTURES if kind in parts}
    planner = prepare.planner_of(made, begun.examples["train"], begun.device, kinds=kinds, rows=rows, seed=config.seed)

    def split(share: float) -> tuple[int, int]:
        first = planner.plan(sparsity=1 - share).layers[0]  # all are alike
        return len(first.heads), len(first.neurons)

    return split


def _tables(chain: Chain, trained: Trained[Teachable]) -> dict[Table, Kept]:
    """Tables of embeddings, the largest first, and what each keeps: its pieces counted, its bytes measured."""
    from nlpkit.compression.chain import INT8
    from nlpkit.compression.costs import Kept
    from nlpkit.compression.shapes import Table

    total = trained.model.get_input_embeddings().num_embeddings
    found = {Table(): Kept(total)}
    for growth in GROWTHS:
        said = chain.tabled(Table(growth)).record["pruning"]["vocabulary"]
        kept = Kept(said["kept"], max(said.get("growth") or 1.0, 1.0))
        if kept.pieces < (1 - LEAST_SAVED) * min(other.pieces for other in found.values()):
            found[Table(growth)] = kept
    if chain.to == INT8:
        sizes = [before_after.weight_bytes(chain.untrained(Table(bits=bits)).folder) for bits in (8, 4)]
        a_piece = (sizes[0] - sizes[1]) / total
        for table, kept in list(found.items()):
            found[table._replace(bits=4)] = kept._replace(saved=int(a_piece * kept.pieces))
    return dict(sorted(found.items(), key=lambda item: -item[0].bits * item[1].pieces))


def _judge(begun: _Begun) -> Any:
    """What gives size, speed, loss and main metric of the model in a folder."""
    from nlpkit.compression.meter import Meter

    config, rows = begun.config, begun.examples["validation"]
    meter = Meter(
        begun.predictor,
        rows[:],
        rows=config.latency_batch,
        length=config.latency_length,
        seconds=config.measure_seconds,
    )

    def judge(folder: Path) -> tuple[Figures, float]:
        predictor = _opened(begun, folder)
        figures = meter.figures(predictor, folder)
        metrics = before_after.judgement(before_after.Side("", predictor), rows).metrics
        task = begun.predictor.task
        drop = task.points_lost(begun.before["validation"].metrics, metrics)
        return Figures(figures.size, figures.seconds, figures.speedup, drop), metrics[task.main_metric]

    return judge


def _opened(begun: _Begun, folder: Path) -> Predictor[Teachable]:
    config = begun.config
    options = TrainedModelOptions(model=str(folder), threads=config.threads, device=config.device, task=config.task)
    predictor = open_predictor(options, NEEDS, COMMAND)
    if not predictor.task.main_metric:  # it is judged by what the model before has said
        return predictor.asking(begun.predictor.task.attached(predictor.tokenizer))
    return predictor


# --- after it ---


def _head(begun: _Begun) -> dict[str, Any]:
    config, trained = begun.config, begun.trained
    return lifecycle.record_head(
        config,
        COMMAND,
        begun.device,
        seed=config.seed,
        task=begun.predictor.task.record(),
        parents={
            "model": lifecycle.parent(config.model, config.model_revision, trained.config),
            "data": begun.data,
        },
        rows={split: len(rows) for split, rows in begun.examples.items()},
        findings=[],
    )


def _record(begun: _Begun, wishes: Wishes, search: Search, chosen: Candidate) -> dict[str, Any]:
    """The record of the chosen model, with the front and its price on rows that chose nothing."""
    from nlpkit.compression.search import SLACK
    from nlpkit.metrics import intervals
    from nlpkit.runs.folder import read_record

    config, split = begun.config, begun.told
    finished = [item for item in search.candidates if item.stopped is None and item.effort != "short"]
    sides = [before_after.Side(opening.display_name(config.model), begun.predictor, begun.size, begun.before[split])]
    for item in (other for other in finished if other is not chosen):
        sides.append(before_after.Side(item.name, _opened(begun, item.folder), before_after.weight_bytes(item.folder)))
    predictor = _opened(begun, chosen.folder)
    judged = {
        name: before_after.judgement(before_after.Side("", predictor), rows)
        for name, rows in begun.examples.items()
        if name != "train"
    }
    size = before_after.weight_bytes(chosen.folder)
    sides.append(before_after.Side(chosen.name, predictor, size, judged[split]))
    standing = Standing.of(split, begun.data, begun.trained.record, chose=True)
    front = before_after.measure(sides, begun.examples[split], split, seconds=config.measure_seconds, standing=standing)
    price = {
        **front,
        "device": [front["device"][0], front["device"][-1]],
        "sides": [front["sides"][0], front["sides"][-1]],
    }
    own = dict(read_record(chosen.folder) or {})
    for name in ("failure", "started", "finished", "status", "schema_version"):
        own.pop(name, None)
    metrics = {name: dict(found.metrics) for name, found in judged.items()}
    missed = wishes.missed(chosen.figures, SLACK)
    return {
        **own,
        **_head(begun),
        "task": own["task"],
        "steps": 0,  # those of its own runs are told in their folders
        "metrics": metrics,
        **intervals.record({name: found.evidence for name, found in judged.items()}, metrics),
        "judged": {name: len(begun.examples[name]) for name in metrics},
        "price": price,
        "lineage": before_after.lineage(begun.trained.record, price, COMMAND),
        "compression": {
            "wishes": wishes.record(),
            "chosen": chosen.name,
            "missed": missed,
            "stops": search.stops,
            "candidates": [item.record() for item in search.candidates],
            "front": front,
            "lower_is_better": not begun.predictor.task.higher_is_better(begun.predictor.task.main_metric),
        },
    }


def _write(begun: _Begun, record: dict[str, Any], chosen: Candidate, folder: RunFolder) -> None:
    from nlpkit.experiment import card

    with folder.staging() as staged:
        for item in chosen.folder.iterdir():
            if item.name in NOT_COPIED or item.name.startswith("."):
                continue
            copy = shutil.copytree if item.is_dir() else shutil.copy2
            copy(item, staged / item.name)
        shutil.rmtree(staged / "plots", ignore_errors=True)
        told.write(record["compression"], staged)
        lifecycle.write_results(staged, record["metrics"], 0.0)
        with run_files.ornament("the card README.md"):
            names = [item.stem for item in (staged / "plots").glob("*.png")]
            card.write(staged / "README.md", record, names)
        folder.finish(record, staged, keep_checkpoints=False)


def _told(record: Mapping[str, Any], folder: Path) -> Report:
    """What people and machines are told of a finished run."""
    task = registry.task_of_model(opening.load_config(str(folder)), record["task"], str(folder))
    return told.report(record, folder, registry.require(task, NEEDS, COMMAND))
