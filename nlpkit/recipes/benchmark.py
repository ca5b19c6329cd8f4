"""Measure models side by side: speed, memory, quality. Writes figures and plots.

Each model runs in a process of its own, started anew in every launch; models take turns, so that what else the machine
does hits all alike. With data (--data, else those of the first run folder) rows are measured at their own lengths, and
the task's metric beside the speed; with --sequence-lengths random inputs of exact lengths, which show how
models grow. Ratios are against the first model, with 95 % intervals over the launches.

Examples: nlpkit benchmark runs/teacher runs/student runs/student-int8
nlpkit benchmark --config-only bert longformer --sequence-lengths 64,256
nlpkit benchmark model=runs/new --compare runs/old --fail-if 'p95>20ms'
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nlpkit import reporting
from nlpkit.data import pipes
from nlpkit.errors import UserError
from nlpkit.experiment import inherited_data, resume
from nlpkit.measurement import comparison, environment, export_cache, gates, results, tables
from nlpkit.measurement.options import BenchmarkOptions
from nlpkit.measurement.recorded import Benchmark
from nlpkit.measurement.spec import WRITING, Backend, Point, Subject, parse_model
from nlpkit.measurement.sweep import Journal, Method, Sweep
from nlpkit.models import files, opening
from nlpkit.options import flag_of
from nlpkit.reporting import Report
from nlpkit.runs import lock, records, standing
from nlpkit.runs.few import few_rows
from nlpkit.runs.folder import JOURNAL, RunFolder, read_record
from nlpkit.tasks import registry

COMMAND = "benchmark"
ESSENTIAL: tuple[str, ...] = ("models", "data", "sequence_lengths", "batch_sizes", "fail_if", "output")
LENGTHS = (32, 64, 128, 256, 512)
MODES: Mapping[str, Sequence[Any]] = {"both": ("inference", "training"), "writing": WRITING}
BATCH_SIZES = {"rows": (1, 32), "random": (1, 8)}
# what may be said anew with --resume; all else decides what the figures that are there are of
ANEW = {
    "sequence_lengths", "batch_sizes", "mode", "launches", "seconds", "interval", "max_minutes", "compare", "fail_if",
}  # fmt: skip


class Config(BenchmarkOptions):
    """Options of `nlpkit benchmark`."""


@lock.given_back()
def run(config: Config) -> Report:
    """Measure, and write the folder; returns tables, the method, a recommendation, and which conditions failed."""
    from nlpkit.hardware import devices

    started = time.monotonic()
    config, finished = resume.resume_or_start(config, COMMAND)
    if not config.models:
        raise UserError("MODEL is required", "Name run folders, model folders or hub names, the reference first.")
    if config.data:
        config = config.changed(data=pipes.lasting(config.data))  # the processes that measure have no pipes of ours
    conditions = [gates.parse(text) for text in config.fail_if]
    old = comparison.read(config.compare) if config.compare else None
    if finished and not finished[0].get("stopped"):
        records.checked(Benchmark, finished[0], finished[1] / records.RECORD)
        return _report(config, *finished, old, conditions)
    subjects = find_subjects(config)
    if config.mode == "writing":
        _require_writers(config, subjects)
    config, held_out = _inherited(config, subjects)
    points = find_points(config)
    evaluates = any(point.length is None for point in points)
    config.refuse_unread()
    gates.require_judgeable(conditions, None if evaluates else (), models=len(subjects), compared=old is not None)
    if old is not None:
        comparison.require_common(old, subjects, points)
    folder = RunFolder(config.output or _default_path(subjects))
    folder.require_usable(resume=config.resume, overwrite=config.overwrite)
    before = read_record(folder.path) if config.resume else None
    if before:  # its config names the data, wherever they came from; at first a hold-out was drawn of any
        held_out = before.get("held_out", True)
    if not held_out:
        inherited_data.refuse_hold_out(config)
    _require_same(config, (before or {}).get("config", {}))
    devices.require(config)
    here = environment.describe(torch=False)
    reporting.current().plan("plan", _plan(config, subjects, points, here, folder))
    if config.dry_run:
        return Report({"subjects": [subject.to_json() for subject in subjects], "points": [str(p) for p in points]})
    for difference in environment.differences((before or {}).get("environment") or here, here):
        reporting.current().warn(f"the machine is not as it was when this benchmark began: {difference}")
    head = {"command": COMMAND, "config": config.record(), "held_out": held_out, "environment": here}
    journal = Journal(folder.path / JOURNAL, fresh=not config.resume)
    method = Method(config.launches, config.seconds, config.interval, config.max_minutes)
    with contextlib.ExitStack() as begun:

        @functools.cache
        def prepare_runs() -> None:
            """Make the folder, now that all models could be opened: until then an older benchmark in it stays."""
            if evaluates:
                metrics = {name for score in journal.scores.values() for name in score["metrics"] or ()}
                gates.require_judgeable(conditions, metrics, models=len(subjects), compared=old is not None)
            folder.start(head, overwrite=config.overwrite, resume=config.resume)
            begun.enter_context(resume.telling_how_to_resume(COMMAND, folder.path))

        settings = {"config": config.record(), "held_out": held_out}
        sweep = Sweep(subjects, points, method, journal, settings, evaluates=evaluates, ready=prepare_runs)
        with export_cache.room_for(subjects):
            done = sweep.run()
        stopped = None if done else _stopped(config, points, journal)
        document = results.document(
            subjects, journal.opened, journal.scores, journal.measurements, planned=config.launches
        )
        record = {**head, **document, "stopped": stopped, "wall_seconds": round(time.monotonic() - started, 2)}
        with folder.staging() as staged:
            tables.write(record, staged)
            folder.finish(record, staged, keep_checkpoints=False)
    return _report(config, record, folder.path, old, conditions)


def find_subjects(config: Config) -> list[Subject]:
    """Every model on every backend that it is asked to run on, the reference first.

    Raises:
        UserError: a model is exported and runs on none of the backends, or two have the same name.
    """
    parsed = [parse_model(text) for text in config.models]
    if len({label for label, _, _ in parsed}) < len(parsed):  # runs/a/int8 runs/b/int8
        parsed = [
            (label if text.startswith(f"{label}=") else text, name, overrides)
            for text, (label, name, overrides) in zip(config.models, parsed, strict=True)
        ]
    subjects = []
    for label, name, overrides in parsed:
        place = name if config.config_only else opening.resolve(name, "MODEL")
        exported = not config.config_only and files.exported_file(place) is not None
        backends: Sequence[Backend] = list(dict.fromkeys(config.backends or ["torch"]))
        if exported:
            if config.backends and not {"onnx", "onnx-int8"} & set(config.backends):
                raise UserError(f"{name} is exported: it runs in ONNX Runtime only", "Add onnx to --backends.")
            backends = ["onnx"]
        for backend in backends:
            shown = f"{label} ({backend})" if len(config.backends or ()) > 1 else label
            subjects.append(Subject(shown, name, overrides, backend))
    names = [subject.name for subject in subjects]
    if double := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"there are two models called {double}", "Label one of them: LABEL=NAME.")
    if config.mode == "training" and (exported_one := next((s for s in subjects if s.exported), None)):
        raise UserError(f"{exported_one.name} runs in ONNX Runtime, which does not train", "Use --mode inference.")
    return subjects


def _require_writers(config: Config, subjects: Sequence[Subject]) -> None:
    """Raises UserError: a model does not write, or is to be opened in a way in which it does not."""
    if named := next((name for name in inherited_data.NAMES_DATA if getattr(config, name)), None):
        raise UserError(
            f"--mode writing reads prompts of exact lengths, not {flag_of(named)}", "Give --sequence-lengths instead."
        )
    if config.config_only:
        raise UserError("--mode writing: random weights of a model type have no task", "Name a model folder.")
    for subject in subjects:
        if subject.backend == "torch-compile":
            raise UserError(
                "--mode writing: torch-compile would compile anew for each length of the cache",
                "Leave it out of --backends.",
            )
        place = opening.resolve(subject.model, "MODEL")
        record = (read_record(place) or {}).get("task")
        config_of = opening.load_config(
            place, revision=config.model_revision, trust_remote_code=config.trust_remote_code
        )
        task = registry.known_task(config_of, record, place, named=config.task)
        if task is None or not task.writes:
            raise UserError(
                f"--mode writing: {subject.name} is for {task.name if task else 'no task'}: it does not write",
                "Name a model that goes on with texts, or turns one into another.",
            )


def _inherited(config: Config, subjects: Sequence[Subject]) -> tuple[Config, bool]:
    """The config with the data of the first model that tells its own, or has kept some of them apart, where rows are
    wanted and none are named; and whether these are such, of which a part was held out."""
    named = any(getattr(config, name) for name in inherited_data.NAMES_DATA)
    if config.config_only and named:
        raise UserError("--config-only: random weights have no tokenizer for rows", "Leave the data out.")
    if named or config.config_only or config.sequence_lengths or config.mode == "writing":
        return config, False
    known = {subject.name: read_record(opening.resolve(subject.model, "MODEL")) or {} for subject in subjects}
    telling = {
        name: record
        for name, record in known.items()
        if any(record.get("config", {}).get(data) for data in inherited_data.NAMES_DATA)
    }
    if not telling:
        return config, False
    name = standing.fairest(telling)
    return inherited_data.inherit_data(config, telling[name], name), True


def _stopped(config: Config, points: Sequence[Point], journal: Journal) -> str:
    """What --max-minutes left."""
    done = {(measurement.launch, measurement.point) for measurement in journal.measurements}
    reached, launches = len({point for _, point in done}), len({launch for launch, _ in done})
    return (
        f"--max-minutes {config.max_minutes:g} are over: {reached} of {len(points)} sizes are measured, in "
        f"{launches} of {config.launches} launches; --resume goes on"
    )


def _require_same(config: Config, before: Mapping[str, Any]) -> None:
    """Raises UserError: figures of other models, rows or settings would be mixed with those that are there."""
    for name, value in config.record().items():
        # an option that came with a later version is in no record; those of tasks are where they were given
        known = name in before or (before and name in config.task_values)
        if name not in ANEW and known and before.get(name) != value:
            flag = "MODEL" if name == "models" else flag_of(name)
            sides = (before.get(name), value)
            was, now = (" ".join(map(str, side)) if isinstance(side, list) else side for side in sides)
            raise UserError(
                f"--resume: this benchmark began with {flag} {was}, not {now}",
                f"Leave {flag} out, or give another --output.",
            )


def find_points(config: Config) -> list[Point]:
    """The sizes to measure, small ones first: what is too large fails late, and raises the memory of none before it."""
    rows = any(getattr(config, name) for name in inherited_data.NAMES_DATA)
    lengths = config.sequence_lengths or (() if rows else LENGTHS)
    modes = MODES.get(config.mode, (config.mode,))
    kinds: list[tuple[int | None, Sequence[int]]] = [(length, BATCH_SIZES["random"]) for length in lengths]
    if rows:
        kinds.append((None, BATCH_SIZES["rows"]))
    points = {Point(mode, size, n) for mode in modes for n, usual in kinds for size in config.batch_sizes or usual}
    return sorted(points, key=lambda point: (modes.index(point.mode), point.weight, point.batch_size))


def _default_path(subjects: Sequence[Subject]) -> Path:
    names = dict.fromkeys(opening.display_name(subject.model) for subject in subjects)
    return RunFolder.default_path(COMMAND, "-".join(list(names)[:3]))


def _plan(
    config: Config, subjects: Sequence[Subject], points: Sequence[Point], here: dict[str, Any], folder: RunFolder
) -> list[tuple[str, str]]:
    least = config.launches * config.seconds * len(points) * len(subjects)
    return [
        ("models", ", ".join(subject.name for subject in subjects)),
        ("sizes", "; ".join(map(str, points)) if len(points) < 5 else f"{len(points)}: {points[0]} to {points[-1]}"),
        ("launches", f"{config.launches}, {config.seconds:g} s for a model at a size in each: {least:.0f} s or more"),
        *environment.summary(here),
        ("output", str(folder.path)),
    ]


def _report(
    config: Config,
    record: dict[str, Any],
    folder: Path,
    old: dict[str, Any] | None,
    conditions: Sequence[gates.Condition],
) -> Report:
    """What is said of a finished benchmark, compared with an older one where there is one."""
    shown = tables.tables(record)
    if old:
        change = comparison.compare(old, record)
        shown += change.tables
        for warning in change.warnings:
            reporting.current().warn(warning)
        record = {**record, "change": change.record}
    judgement = gates.judge(conditions, record, old)
    for doubt in judgement.doubts:
        reporting.current().warn(doubt)
    lines_of_record = [*tables.sentences(record), *tables.doubts(record), record["recommendation"]]
    if record["main_metric"]:
        lines_of_record = [*few_rows({record["split"]: record["rows"]}), *lines_of_record]
    if record.get("stopped"):
        lines_of_record.insert(0, record["stopped"])
    lines = [*lines_of_record, f"written to {folder}; how it was measured: {folder / tables.PAGE}", *judgement.failures]
    record = {**record, "output": str(folder), "failures": judgement.failures}
    failure = "; ".join(judgement.failures)
    return Report(record, shown, lines, exit_code=1 if judgement.failures else 0, failure=failure)
