"""What of the runs of a search stays on the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nlpkit.measurement.before_after import WEIGHT_FILES
from nlpkit.runs import lock
from nlpkit.runs.folder import CHECKPOINTS

EXPORTED = ("*.onnx", "*.onnx_data", "*.onnx.data")


def drop(folder: Path) -> None:
    """Delete the weights and checkpoints of a run; its record, metrics, card and plots stay."""
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    for pattern in (*WEIGHT_FILES, *EXPORTED):
        for file in folder.rglob(pattern):
            file.unlink(missing_ok=True)


def keep(run: Path, best: Path) -> None:
    """Make a folder a copy of a run; its weights take no more room where the file system has links.

    What was there is replaced.
    """
    beside = best.with_name(f".{best.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    left_out = shutil.ignore_patterns(CHECKPOINTS, lock.LOCK, ".*.partial")
    shutil.copytree(run, beside, ignore=left_out, copy_function=_linked_weights)
    shutil.rmtree(best, ignore_errors=True)
    beside.replace(best)


def _linked_weights(source: str, target: str) -> str:
    """Copy a file of a run; one of weights, which nothing changes in place, is linked."""
    if any(Path(source).match(pattern) for pattern in (*WEIGHT_FILES, *EXPORTED)):
        try:
            os.link(source, target)
            return target
        except OSError:  # of a file system without links, or across two
            pass
    return str(shutil.copy2(source, target))
