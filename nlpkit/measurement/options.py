"""What is measured, at which sizes, and how: the options of `nlpkit benchmark`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from nlpkit.experiment import inherited_data
from nlpkit.measurement.spec import Backend, SubjectOptions, parse_model
from nlpkit.options import (
    AtCommas,
    DeviceOptions,
    OnlyWith,
    OutputOptions,
    Strings,
    TrainingOptions,
    option,
    option_like,
)

if TYPE_CHECKING:
    from nlpkit.tasks.contract import Task

Lengths = Annotated[list[Annotated[int, Field(ge=1)]], AtCommas]


Backends = Annotated[list[Backend], AtCommas]


# without rows, inputs are drawn at random; the data of a run folder stand in these options by then
HAS_ROWS = OnlyWith(inherited_data.NAMES_DATA, why=" says nothing to random inputs", shown="only for rows of data")


class BenchmarkOptions(inherited_data.TrainedDataOptions, SubjectOptions, DeviceOptions):
    """What `nlpkit benchmark` is asked; a process that measures is given the same."""

    opened: ClassVar[str] = "models"

    models: Strings = option(
        [],
        "[LABEL=]NAME[:KEY=VALUE,...]: runs, folders, hub names, the reference first; KEY of the config.",
        panel="Input",
        metavar="MODEL",
        positional=True,
    )
    split: str | None = option(
        None,
        "Rows of the data to measure on.",
        panel="Data",
        shown_default="validation, else test, else all; of a run folder those that it was validated on",
        only_with=HAS_ROWS,
    )
    sample_rows: int = option(
        128,
        "Rows whose time is measured; the metrics are of all rows.",
        panel="Data",
        ge=1,
        only_with=HAS_ROWS,
    )
    sequence_lengths: Lengths | None = option(
        None,
        "Exact lengths of random inputs, in tokens.",
        panel="Sizes",
        metavar="N,N,...",
        shown_default="rows of the data; without data 32,64,128,256,512",
    )
    batch_sizes: Lengths | None = option(
        None, "Inputs per call.", panel="Sizes", metavar="N,N,...", shown_default="1,32 for rows; 1,8 for random inputs"
    )
    mode: Literal["inference", "training", "both", "writing"] = option(
        "inference",
        "training: forward, backward and an AdamW step; writing: prompts read, and tokens written, apart.",
        panel="Sizes",
    )
    new_tokens: int = option(
        32,
        "Tokens that are written behind each prompt, wherever a text would end.",
        panel="Sizes",
        ge=1,
        only_with={"mode": ("writing",)},
    )
    backends: Backends | None = option(
        None,
        "torch, torch-compile, onnx, onnx-int8; exported on the fly.",
        panel="Sizes",
        metavar="NAME,...",
        shown_default="what the model was saved for",
    )
    launches: int = option(5, "Fresh starts per model; intervals are over these.", panel="Method", ge=1)
    seconds: float = option(1.0, "Seconds of measuring per model, size and launch.", panel="Method", gt=0)
    interval: float = option(
        5.0,
        "Add launches, up to three times as many, until ratios are known to within N per cent; needs three or more.",
        panel="Method",
        gt=0,
    )
    max_minutes: float | None = option_like(
        TrainingOptions, "max_minutes", help="Stop after N minutes with what there is.", panel="Method"
    )
    memory_limit: float | None = option(
        None,
        "GB of memory that a model may take (Linux, CPU); one that needs more counts as out of memory.",
        panel="Device",
        gt=0,
    )
    compare: Path | None = option(
        None,
        "Show the change since this earlier benchmark; models are matched by name.",
        panel="Gate",
        metavar="DIR|FILE",
    )
    fail_if: Strings = option(
        [],
        "Exit with 1, e.g. 'p95>20ms', 'throughput<0.95x' (of --compare, else the first model) (repeatable).",
        panel="Gate",
        metavar="CONDITION",
    )
    output: Path | None = option_like(
        OutputOptions, "output", help="Folder to write.", shown_default="runs/benchmark-<models>"
    )
    overwrite: bool = option_like(OutputOptions, "overwrite", help="Replace an earlier benchmark in --output.")
    resume: bool = option_like(OutputOptions, "resume", help="Complete the interrupted benchmark in --output.")
    dry_run: bool = option_like(OutputOptions, "dry_run", help="Show what would be measured, stop.")

    @classmethod
    def task_of(cls, values: Mapping[str, Any]) -> type[Task] | None:
        """As for other commands, of the first model."""
        models = values.get("models") or []
        return super().task_of({**values, "models": parse_model(models[0])[1] if models else None})
