"""`augment --measure`: the trainings of all sizes and seeds, and the folder that says what copies gain."""

from __future__ import annotations

import csv
import hashlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nlpkit import reporting
from nlpkit.augmentation import measured, written
from nlpkit.augmentation.measured import SIDES, Cell, Comparing, Gain, Material, Side
from nlpkit.augmentation.options import CommandOptions
from nlpkit.data import splits
from nlpkit.errors import UserError
from nlpkit.options import DataOptions, DeviceOptions
from nlpkit.reporting import Report, Table, counted
from nlpkit.runs import lock, plots
from nlpkit.runs.folder import RunFolder, versions
from nlpkit.runs.plots import Line

if TYPE_CHECKING:
    from nlpkit.data.findings import Finding
    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.reading import Reader

TABLE, PLOT = "measured.csv", "gain"
RUNS = "measured"  # among the checkpoints, while the trainings go on
HELD_OUT_SEED = 42  # of rows that judge, where no split does: the same for all seeds

Write = Callable[[int | None, int, Path], Material]
"""Writes the rows of a size (None: all) and a seed into a folder, alone and with their copies."""
Read = Callable[[str, Path], Mapping[str, Any]]
"""Reads options of a command from a file, as that command takes them."""
Size = int | Literal["all"]


@dataclass(frozen=True)
class Found:
    """What one number of rows came to.

    Attributes:
        rows, copies: of the first seed; other seeds may have some copies more or less.
        cells: one for each seed.
        gains: over the rows trained for as many steps, and over the rows trained alone.
    """

    rows: int
    copies: int
    cells: Sequence[Cell]
    gains: Mapping[Side, Gain]

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> Found:
        """The gains of some cells with the same number of rows."""
        gains: dict[Side, Gain] = {side: measured.gain(cells, side) for side in SIDES if side != "with"}
        return cls(cells[0].rows, cells[0].copies, cells, gains)

    def mean(self, side: Side) -> float:
        """The metric over the seeds."""
        return statistics.fmean(cell.sides[side].value for cell in self.cells)

    def deviation(self, side: Side) -> float | None:
        """Its standard deviation over the seeds; None of one."""
        values = [cell.sides[side].value for cell in self.cells]
        return statistics.stdev(values) if len(values) > 1 else None


@lock.given_back()
def run(
    config: CommandOptions,
    command: str,
    loaded: LoadedData,
    reader: Reader[Any],
    own: Mapping[str, Any],
    write: Write,
    read: Read,
) -> Report:
    """Train with copies and without, for each number of rows and each seed; returns what the copies gain.

    Args:
        config: of the command.
        command: its name.
        loaded: the data; rows are held out of train where no split can judge.
        reader: of its rows.
        own: options of the data that training reads too: columns.
        write: makes the files to train on.
        read: of --training.

    Raises:
        UserError: the task is not trained, a size is larger than train, or --training says what is settled here.
        RunError: a training failed.
    """
    started = time.monotonic()
    trained_by = reader.task.trained_by
    if not trained_by:
        raise UserError(f"--measure: no command trains for {reader.task.name}", "Leave --measure out.")
    training = measured.read_training(config.training, lambda path: read(trained_by, path))
    split = _judging(loaded, reader)
    sizes = _sizes(config.rows, len(loaded.splits["train"]))
    folder = RunFolder(config.output or RunFolder.default_path(splits.short_name(config), f"{command}-gain"))
    folder.require_usable(resume=config.resume, overwrite=config.overwrite)
    judges = len(loaded.splits[split])
    reporting.current().plan(command, _plan(config, trained_by, sizes, split, judges, folder))
    if config.dry_run:
        return Report({"dry_run": True, "trainings": len(SIDES) * len(sizes) * len(config.seeds)}, [], [DRY])
    head = {"command": command, "config": config.record(), "parents": {"data": loaded.source.to_record()}}
    folder.start(head, overwrite=config.overwrite, resume=config.resume)
    place = folder.checkpoints / RUNS
    place.mkdir(parents=True, exist_ok=True)
    judging = place / f"judged.{measured.FORMAT}"
    findings: list[Finding] = []
    rows = reader.rewordable(loaded.splits[split], split, loaded, findings).rows
    written.write(judging, measured.FORMAT, rows, None, overwrite=True)
    device = {name: getattr(config, name) for name in DeviceOptions.model_fields}
    comparing = Comparing(trained_by, {**_given(config), **own, **training}, judging, DeviceOptions(**device))
    found: list[Found] = []
    with reporting.current().progress("measure", len(sizes) * len(config.seeds), "comparisons") as bar:
        for size in sizes:
            cells = []
            for seed in config.seeds:
                cells.append(_cell(comparing, write, size, seed, place))
                bar.advance()
            found.append(Found.of(cells))
            reporting.current().note(_said(found[-1], split))
    record = {
        **head,
        "measured": {
            "by": config.by,
            "trained_by": trained_by,
            "training": training,
            "judged": {"split": split, "rows": judges},
            "seeds": config.seeds,
            "metric": found[0].cells[0].sides["with"].metric,
            "sizes": [_record(one) for one in found],
        },
        "device": device["device"],
        "versions": versions(),
        "wall_seconds": round(time.monotonic() - started, 2),
    }
    with folder.staging() as staged:
        _write_table(staged / TABLE, found)
        plots.draw({PLOT: _drawn(found)} if len(found) > 1 else {}, staged / "plots")
        folder.finish(record, staged, keep_checkpoints=False)
    table = _table(found, split)
    return Report({**record, "output": str(folder.path)}, [table], [*(_said(one, split) for one in found), NOTE])


DRY = "dry run: nothing was trained"
NOTE = (
    "the intervals are of 95 %, over seeds and judged rows; all trainings were judged after their last step, so that "
    "these rows have chosen nothing"
)


def _cell(comparing: Comparing, write: Write, size: Size, seed: int, place: Path) -> Cell:
    drawn = place / f"{size}-{seed}"
    drawn.mkdir(exist_ok=True)
    with reporting.silent():
        material = write(None if size == "all" else size, seed, drawn)
    # what was trained on other rows, or is judged by others, is not gone on with
    content = b"".join(file.read_bytes() for file in (material.plain, material.augmented, comparing.judged))
    return comparing.cell(material, drawn / hashlib.sha256(content).hexdigest()[:12], seed)


def _judging(loaded: LoadedData, reader: Reader[Any]) -> str:
    """The split that judges: test where it has labels, else validation, which is held out of train where there is
    none."""
    if "test" in loaded.splits and splits.judges(loaded.splits["test"], reader):
        return "test"
    if "validation" not in loaded.splits:
        splits.prepare(loaded, reader, DataOptions(), HELD_OUT_SEED)
    return "validation"


def _sizes(wanted: Sequence[Size], rows: int) -> list[Size]:
    if large := [size for size in wanted if size != "all" and size > rows]:
        raise UserError(f"--rows {large[0]}: train has {counted(rows, 'row', 'rows')}", "Ask for fewer, or for all.")
    return list(wanted)


def _given(config: CommandOptions) -> dict[str, Any]:
    """Where trainings run, as the options say."""
    return {name: getattr(config, name) for name in DeviceOptions.model_fields if name in config.given}


# --- what is said ---


def _plan(
    config: CommandOptions, trained_by: str, sizes: Sequence[Size], split: str, judges: int, folder: RunFolder
) -> list[tuple[str, str]]:
    trainings = len(SIDES) * len(sizes) * len(config.seeds)
    return [
        (
            "rows",
            f"{', '.join(map(str, sizes))} of train, drawn anew for each seed ({', '.join(map(str, config.seeds))})",
        ),
        ("copies by", ", ".join(config.by)),
        ("trainings", f"{trainings} of {trained_by}: {'; '.join(SIDES.values())}"),
        ("judged on", f"{split}, {counted(judges, 'row', 'rows')}, after the last step"),
        ("output", str(folder.path)),
    ]


def _said(found: Found, split: str) -> str:
    """What the copies of one number of rows gain, in a line."""
    first = found.cells[0].sides["with"]
    gain = found.gains["without"]
    return (
        f"{found.rows:,} rows: {gain.verdict}: {split} {first.metric} {found.mean('with'):.4f} with {found.copies:,} "
        f"copies, {found.mean('without'):.4f} without, gained {_gained(gain)}"
    )


def _gained(gain: Gain) -> str:
    between = "" if gain.interval is None else f" ({gain.interval[0]:+.4f} to {gain.interval[1]:+.4f})"
    return f"{gain.value:+.4f}{between}"


def _table(found: Sequence[Found], split: str) -> Table:
    metric = found[0].cells[0].sides["with"].metric
    header = ["rows", "copies", *SIDES.values(), "gained at equal steps", "gained over rows alone"]
    body = []
    for one in found:
        cells: list[Any] = [one.rows, one.copies]
        for side in SIDES:
            deviation = one.deviation(side)
            cells.append(f"{one.mean(side):.4f}" + ("" if deviation is None else f" ± {deviation:.4f}"))
        body.append([*cells, *(f"{gain.verdict}: {_gained(gain)}" for gain in one.gains.values())])
    return Table(f"{split} {metric}, {counted(len(found[0].cells), 'seed', 'seeds')}", header, body)


def _record(found: Found) -> dict[str, Any]:
    return {
        "rows": found.rows,
        "copies": found.copies,
        "mean": {side: found.mean(side) for side in SIDES},
        "sd": {side: found.deviation(side) for side in SIDES},
        "gains": {
            side: {"value": gain.value, "interval": gain.interval and list(gain.interval), "verdict": gain.verdict}
            for side, gain in found.gains.items()
        },
        "each": [
            {
                "seed": cell.seed,
                "copies": cell.copies,
                **{
                    side: {
                        "value": of.value,
                        "steps": of.steps,
                        "epochs": of.epochs,
                        "batch_size": of.batch_size,
                    }
                    for side, of in cell.sides.items()
                },
            }
            for cell in found.cells
        ],
    }


def _write_table(path: Path, found: Sequence[Found]) -> None:
    """A line for each training."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["rows", "copies", "seed", "trained_on", "metric", "value", "steps", "epochs", "batch_size"])
        for one in found:
            for cell in one.cells:
                for side, of in cell.sides.items():
                    copies = cell.copies if side == "with" else 0
                    done = (of.steps, of.epochs, of.batch_size)
                    out.writerow([cell.rows, copies, cell.seed, SIDES[side], of.metric, of.value, *done])


def _drawn(found: Sequence[Found]) -> plots.Plot:
    """The metric over the number of rows, with one standard deviation over the seeds."""
    lines = []
    for style, (side, name) in enumerate(SIDES.items()):
        means = [one.mean(side) for one in found]
        spreads = [one.deviation(side) or 0.0 for one in found]
        bars = [(mean - sd, mean + sd) for mean, sd in zip(means, spreads, strict=True)]
        lines.append(Line(name, [one.rows for one in found], means, bars, style))
    return plots.sweep({"": lines}, "rows", found[0].cells[0].sides["with"].metric)
