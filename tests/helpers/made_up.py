"""Measurements whose figures can be checked by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit.measurement.results import document
from nlpkit.measurement.spec import Measurement, Mode, Opened, Point, Subject

TURNS = 4
# of the machine in each launch: all models of a launch are slower or faster together
DRIFT = (1.0, 1.1, 0.95, 1.05, 0.9)
# of a process, apart from that: what makes two launches of one model differ
WOBBLE = (0.99, 1.01, 1.0, 1.02, 0.98)


def measurement(
    subject: str,
    seconds: float | Sequence[float],
    *,
    launch: int = 0,
    mode: Mode = "inference",
    batch_size: int = 1,
    length: int | None = None,
    **fields: Any,
) -> Measurement:
    """Turns of ten calls that take `seconds` each; several seconds: of the calls of a pass over rows."""
    each = [seconds] if isinstance(seconds, float) else list(seconds)
    given = {
        "turns": [each * (10 // len(each))] * TURNS,
        "calls": len(each),
        "samples": batch_size * len(each),
        "tokens": batch_size * (length or 20) * len(each),
        "warm_up_calls": 3,
        "warm_up_seconds": 0.5,
        "peak_bytes": 500_000_000,
        "before_bytes": 400_000_000,
        **fields,
    }
    return Measurement(launch, Point(mode, batch_size, length), subject, **given)


def launches(
    subject: str, seconds: float | Sequence[float], wobble: Sequence[float], **fields: Any
) -> list[Measurement]:
    """A launch for each of `wobble`, with what the machine does in that launch."""
    return [
        measurement(
            subject,
            seconds * drift * own if isinstance(seconds, float) else [one * drift * own for one in seconds],
            launch=launch,
            **fields,
        )
        for launch, (drift, own) in enumerate(zip(DRIFT, wobble, strict=False))
    ]


def opened(name: str, parameters: int, size: int | None, *, metric: str | None = "accuracy") -> list[Opened]:
    """Of three launches, whose load times have the median 1.5."""
    task = "text-classification" if metric else None
    return [
        Opened("cpu (2 threads), fp32", "BertModel", parameters, size, seconds, 512, 300_000_000, task, metric)
        for seconds in (1.0, 1.5, 4.0)
    ]


BIG, SMALL, TINY = Subject("big", "runs/big"), Subject("small", "runs/small"), Subject("tiny", "runs/tiny")
OPENED = {
    "big": opened("big", 110_000_000, 440_000_000),
    "small": opened("small", 66_000_000, 264_000_000),
    "tiny": opened("tiny", 11_000_000, 44_000_000),
}
SCORES: Mapping[str, Mapping[str, Any]] = {
    "big": {"metrics": {"accuracy": 0.95, "f1": 0.94}, "split": "validation", "rows": 500},
    "small": {"metrics": {"accuracy": 0.94, "f1": 0.93}, "split": "validation", "rows": 500},
    "tiny": {"metrics": {"accuracy": 0.76, "f1": 0.7}, "split": "validation", "rows": 500},
}


def rows_sweep(*, slower: float = 1.0) -> list[Measurement]:
    """Rows, one by one and in batches of 32: small is twice as fast as big, tiny five times.

    Args:
        slower: factor on the times of small.
    """
    still = (1.0,) * len(DRIFT)
    found = []
    for batch_size, seconds in ((1, 0.020), (32, 0.320)):
        for name, times, wobble in (("big", 1.0, still), ("small", 0.5 * slower, WOBBLE), ("tiny", 0.2, WOBBLE[::-1])):
            found += launches(name, seconds * times, wobble, batch_size=batch_size)
    return found


def lengths_sweep() -> list[Measurement]:
    """Full attention, 1 ms at 128 tokens, grows with the square; sparse attention, 4 ms, with the length: they meet at
    512. At 4,096 tokens full attention is out of memory."""
    found = []
    for length in (128, 256, 512, 1024, 2048, 4096):
        factor = length / 128
        memory = {"before_bytes": 400_000_000, "length": length, "flops": 1e6 * factor, "peak_flops": 1e10}
        if length < 4096:
            full = {**memory, "peak_bytes": 400_000_000 + int(1e6 * factor**2)}
            found += launches("full", 0.001 * factor**2, WOBBLE, **full)
        else:
            found += [
                Measurement(i, Point("inference", 1, length), "full", "out of memory", "64.0 GB are needed")
                for i in range(len(DRIFT))
            ]
        found += launches("sparse", 0.004 * factor, WOBBLE[::-1], **memory, peak_bytes=400_000_000 + int(4e6 * factor))
    return found


def rows_document(**said: Any) -> dict[str, Any]:
    return document([BIG, SMALL, TINY], OPENED, SCORES, rows_sweep(**said))


def lengths_document() -> dict[str, Any]:
    subjects = [Subject("full", "bigbird", {"attention_type": "original_full"}), Subject("sparse", "bigbird")]
    known = {name: opened(name, 127_000_000, None, metric=None) for name in ("full", "sparse")}
    return document(subjects, known, {}, lengths_sweep())
