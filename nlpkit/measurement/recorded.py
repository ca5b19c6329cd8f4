"""What the nlpkit.json of a finished benchmark holds, as `results.document` makes it and readers count on it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from nlpkit.measurement.spec import Mode
from nlpkit.runs.records import Count, Figure, Figures, Part

Interval = Annotated[list[float], Field(min_length=2, max_length=2)] | None
Size = Annotated[int, Field(ge=1, le=2**63 - 1)]


class _Subject(Part):
    """A model, and what is known of it at any size."""

    name: str
    model: str
    backend: str
    device: str | None
    architecture: str | None
    parameters: Count | None
    bytes: Count | None
    load_seconds: Figure
    idle_bytes: Count | None
    memory_method: str | None
    energy_method: str | None = None
    remarks: list[str] = Field(default_factory=list)
    metrics: Figures | None
    kept: Figure


class _Launch(Part):
    launch: Count
    ms_a_pass: Figure
    p50_ms: Figure
    p90_ms: Figure
    p95_ms: Figure
    p99_ms: Figure
    peak_bytes: Count | None


class _State(Part):
    """Of the GPU while a model was measured."""

    mhz: list[float | None]
    celsius: list[float | None]
    watts: list[float | None]
    turns: Count
    shared: Count
    slowed: dict[str, Count]


class _Result(Part):
    """A model at a size."""

    subject: str
    status: str
    message: str | None
    launches: Count
    calls: Count
    p50_ms: Figure
    p90_ms: Figure
    p95_ms: Figure
    p99_ms: Figure
    outliers: Count | None
    largest_outlier_ms: Figure
    ms_a_pass: Figure
    ms_interval: Interval
    ms_a_call: Figure
    samples_per_second: Figure
    samples_per_second_interval: Interval
    tokens_per_second: Figure
    peak_bytes: Count | None
    working_bytes: Count | None
    flops_per_sample: Figure
    share_of_peak: Figure
    joules_per_sample: Figure
    warm_up_seconds: Figure
    stable: bool | None
    speed: Figure
    speed_interval: Interval
    verdict: str | None
    gpu: _State | None = None
    by_launch: list[_Launch]


class _Point(Part):
    mode: Mode
    batch_size: Size
    length: Size | None
    results: list[_Result]


class _Growth(Part):
    subject: str
    mode: Mode
    batch_size: Size
    time_exponent: float
    time_exponent_error: float
    memory_exponent: Figure
    memory_exponent_error: Figure


class _Crossing(Part):
    mode: Mode
    batch_size: Size
    faster: str
    slower: str
    length: float


class _Processor(Part):
    model: str | None
    usable_cores: int | None
    logical_cores: int | None
    physical_cores: int | None
    features: list[str]
    governor: str | None
    virtual: bool | None


class _Limits(Part):
    cpus: float | None
    memory_bytes: Count | None


class _Gpu(Part):
    name: str | None


class _Environment(Part):
    """Of the machine, what is compared with another."""

    cpu: _Processor
    limits: _Limits
    gpus: list[_Gpu]
    torch: dict[str, Any] | None
    versions: dict[str, str]
    variables: dict[str, str]


class Benchmark(Part):
    """The document."""

    environment: _Environment
    main_metric: str | None
    higher_is_better: bool | None
    split: str | None
    rows: Count | None
    peak_flops: Figure
    subjects: Annotated[list[_Subject], Field(min_length=1)]
    points: list[_Point]
    growth: list[_Growth]
    crossings: list[_Crossing]
    recommendation: str
    stopped: str | None = None
