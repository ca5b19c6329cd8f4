"""The folder of a load test: its figures as a table, every request, and the pictures."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nlpkit.loadtesting.arrivals import Window
from nlpkit.loadtesting.client import Requests
from nlpkit.loadtesting.figures import Figures
from nlpkit.runs import plots

FIGURES, REQUESTS = "figures.csv", "requests.parquet"
NESTED = ("errors", "statuses")


def write_figures(steps: Sequence[Figures], folder: Path) -> None:
    """Write the figures of each window, those by kind as `429:12 200:388`."""
    records = [step.record() for step in steps]
    with (folder / FIGURES).open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(records[0]))
        out.writeheader()
        for record in records:
            counts = {name: " ".join(f"{kind}:{count}" for kind, count in record[name].items()) for name in NESTED}
            out.writerow({**record, **counts})


def write_requests(sent: Sequence[tuple[Requests, Sequence[Window]]], folder: Path) -> None:
    """Write a row for each request of each schedule, the warm-up included, in the order in which they were due."""
    import pyarrow as pa
    from pyarrow import parquet

    tables = []
    for number, (requests, windows) in enumerate(sent):
        names = np.array(requests.kinds)
        counted = np.zeros(len(requests.due), bool)
        for window in windows:
            counted |= (requests.due >= window.start) & (requests.due < window.end)
        tables.append(
            pa.table(
                {
                    "schedule": pa.array(np.full(len(requests.due), number, np.int32)),
                    "rate": pa.array([_named(windows)] * len(requests.due), pa.string()),
                    "counted": pa.array(counted),
                    "due_seconds": pa.array(requests.due),
                    "late_ms": pa.array(requests.late_ms.astype(np.float32)),
                    "connected_ms": pa.array(requests.queued_ms.astype(np.float32)),
                    "latency_ms": pa.array(requests.latency_ms.astype(np.float32)),
                    "status": pa.array(requests.status),
                    "outcome": pa.array(names[requests.kind].tolist(), pa.string()),
                }
            )
        )
    parquet.write_table(pa.concat_tables(tables), folder / REQUESTS, compression="zstd")


def draw(drawings: Mapping[str, plots.Plot], folder: Path) -> None:
    """Draw what there is to see into `plots`."""
    plots.draw(drawings, folder / "plots")


def _named(windows: Sequence[Window]) -> str:
    """What a schedule is called: by its only window, or from the first to the last."""
    return windows[0].name if len(windows) == 1 else f"{windows[0].name} ... {windows[-1].name}"
