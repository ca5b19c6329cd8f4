"""What `nlpkit loadtest` is asked: which service, which requests, how they arrive, what is written."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from nlpkit.options import (
    AtCommas,
    Config,
    FolderOptions,
    NotWith,
    Pairs,
    ReadingOptions,
    SeedOptions,
    TextColumnOptions,
    option,
    option_like,
)

MOST_RATE = 100_000.0  # requests a second: more than one process sends, by far
MOST_SECONDS = 3_600.0  # of a step: what is recorded of each request is kept in memory

Rates = Annotated[list[Annotated[float, Field(gt=0, le=MOST_RATE)]], AtCommas]

WRITES_A_FILE = NotWith(("locust",), why=": --locust writes a file and sends nothing", shown="not with --locust")
SEARCHES = NotWith(
    ("rate", "ramp", "burst"), why=": a fixed schedule looks for no knee", shown="not with --rate, --ramp, --burst"
)


class TargetOptions(Config):
    """Which service is asked, and by whom."""

    url: str = option(
        ...,
        "Address of the service, with a path where that is asked.",
        panel="Input",
        metavar="URL",
        positional=True,
    )
    model: str | None = option(None, "Name of the model, where the service has several.", panel="Input", metavar="NAME")
    body: str | None = option(
        None,
        'JSON of a request, or a file: {"inputs": "{{ text }}"}, with a column.',
        panel="Input",
        metavar="TEMPLATE",
        shown_default="as nlpkit serves",
    )
    api_key_file: Path | None = option(
        None, "File with the key of the service.", panel="Input", metavar="FILE", shown_default="NLPKIT_API_KEY"
    )
    i_own_this_host: bool = option(
        False, "Load a host other than this machine: it is yours, or you may.", panel="Input"
    )


class RequestOptions(TextColumnOptions, SeedOptions, ReadingOptions):
    """Which texts are sent, and in which order."""

    input: str | None = option(
        None, "File with texts, or - for a pipe (txt without --format).", panel="Input", metavar="FILE|-"
    )
    text_pair_column: str | None = option_like(
        TextColumnOptions, "text_pair_column", help="Column of the second text, where the service takes pairs."
    )
    order: Literal["shuffled", "file"] = option(
        "shuffled", "How rows follow: each once a round in an order drawn anew, or as in the file.", panel="Data"
    )
    seed: int = option_like(SeedOptions, "seed", help="Seed of arrivals and of the order of rows.", panel="Load")


class ScheduleOptions(Config):
    """When requests are sent, and until when an answer counts."""

    rate: Rates = option(
        [],
        "Requests a second, instead of looking for the most.",
        panel="Load",
        metavar="N,N,...",
        only_with=(WRITES_A_FILE, NotWith(("ramp", "burst"), why=": there is another schedule", hint="Give one.")),
    )
    ramp: str | None = option(
        None,
        "Rise evenly from A to B requests a second within --seconds.",
        panel="Load",
        metavar="A:B",
        only_with=(WRITES_A_FILE, NotWith(("rate", "burst"), why=": there is another schedule", hint="Give one.")),
    )
    burst: str | None = option(
        None,
        "A requests a second, in the middle fifth of --seconds B.",
        panel="Load",
        metavar="A:B",
        only_with=(WRITES_A_FILE, NotWith(("rate", "ramp"), why=": there is another schedule", hint="Give one.")),
    )
    p99_ms: float = option(
        50,
        "Time in which 99 of 100 are to be answered.",
        panel="Load",
        gt=0,
        only_with=WRITES_A_FILE,
    )
    seconds: float = option(
        10,
        "Seconds at each rate, or of the whole ramp or burst.",
        panel="Load",
        ge=0.1,
        le=MOST_SECONDS,
        only_with=WRITES_A_FILE,
    )
    warmup_seconds: float = option(
        1, "Seconds before, which do not count.", panel="Load", ge=0, le=MOST_SECONDS, only_with=WRITES_A_FILE
    )
    beyond: float = option(
        3,
        "After the search load it with so many times the knee; 0: not.",
        panel="Load",
        metavar="TIMES",
        ge=0,
        le=100,
        only_with=(WRITES_A_FILE, SEARCHES),
    )
    start_rate: float | None = option(
        None,
        "Rate at which the search begins.",
        panel="Load",
        gt=0,
        le=MOST_RATE,
        shown_default="half of what one request after the other gives",
        only_with=(WRITES_A_FILE, SEARCHES),
    )
    max_rate: float = option(
        10_000, "Rate beyond which nothing is tried.", panel="Load", gt=0, le=MOST_RATE,
        only_with=(WRITES_A_FILE, SEARCHES),
    )  # fmt: skip
    arrivals: Literal["poisson", "even"] = option(
        "poisson",
        "Requests come by chance, as those of many people do, or at equal distances.",
        panel="Load",
        only_with=WRITES_A_FILE,
    )
    connections: int = option(
        512,
        "Connections at once, at most; a request that waits for one counts from when it was due.",
        panel="Load",
        ge=1,
        le=60_000,
        only_with=WRITES_A_FILE,
    )
    timeout_seconds: float = option(
        10, "A request without an answer after so long has failed.", panel="Load", gt=0, le=600, only_with=WRITES_A_FILE
    )
    in_process: str | None = option(
        None,
        "Run folder of the service's model: tell what HTTP costs over asking it in this process.",
        panel="Load",
        metavar="MODEL",
        only_with=WRITES_A_FILE,
    )
    wait_seconds: float = option(
        30, "Wait so long for a service that is not ready yet.", panel="Load", ge=0, le=MOST_SECONDS
    )

    @field_validator("ramp", "burst")
    @classmethod
    def _two_rates(cls, value: str | None) -> str | None:
        if value is not None:
            rates_of(value)
        return value

    @field_validator("beyond")
    @classmethod
    def _more_than_the_knee(cls, value: float) -> float:
        if 0 < value <= 1:
            raise ValueError("give a number above 1, or 0")
        return value


class WrittenOptions(Config):
    """What is written, and when the command fails."""

    output: Path | None = option_like(
        FolderOptions,
        "output",
        help="Folder for figures and plots.",
        shown_default="print",
        only_with=WRITES_A_FILE,
    )
    overwrite: bool = option_like(FolderOptions, "overwrite", help="Replace what an earlier load test left there.")
    locust: Path | None = option(
        None, "Write a Locust file that sends these requests, and end.", panel="Output", metavar="FILE.py"
    )
    fail_over: Pairs = option(
        {},
        "Exit with 1 if it is higher: p99_ms=50, error_rate=0.",
        panel="Gate",
        metavar="FIGURE=X",
        only_with=WRITES_A_FILE,
    )
    fail_under: Pairs = option(
        {},
        "Exit with 1 if it is lower: knee=100, goodput=90.",
        panel="Gate",
        metavar="FIGURE=X",
        only_with=WRITES_A_FILE,
    )


class LoadOptions(WrittenOptions, ScheduleOptions, RequestOptions, TargetOptions):
    """All options of `nlpkit loadtest`."""


def rates_of(text: str) -> tuple[float, float]:
    """The two rates of `--ramp A:B` and `--burst A:B`, in requests a second.

    Raises:
        ValueError: it is not of that form, or a rate is not above 0 and at most `MOST_RATE`.
    """
    try:
        first, second = (float(part) for part in text.split(":"))
    except ValueError:
        raise ValueError("give two rates with a colon between them: 10:500") from None
    if not all(math.isfinite(rate) and 0 < rate <= MOST_RATE for rate in (first, second)):
        raise ValueError(f"give rates above 0, up to {MOST_RATE:,.0f}")
    return first, second
