"""The one document of a benchmark, made of what was measured: nlpkit.json and `--json` hold it.

Its values are those of JSON; units are in the names; what is unknown is null. An interval is [low, high] of 95 % over
launches, null with a single launch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from nlpkit.measurement import choice, statistics
from nlpkit.measurement.spec import MODES, Measurement, Mode, Opened, Point, Subject
from nlpkit.measurement.statistics import Estimate

Document = Mapping[str, Any]
Entry = dict[str, Any]
Found = Mapping[tuple[Point, str], Mapping[int, Measurement]]

PERCENTILES = ("p50", "p90", "p95", "p99")
# what a subject that has no figure at a point has none of
FIGURES = (
    *(f"{name}_ms" for name in (*PERCENTILES, "mean", "std", "min", "max")),
    *("outliers", "largest_outlier_ms", "ms_a_pass", "ms_interval", "ms_a_call"),
    *("samples_per_second", "samples_per_second_interval", "tokens_per_second", "peak_bytes", "working_bytes"),
    *("flops_per_sample", "share_of_peak", "joules_per_sample", "warm_up_seconds", "stable"),
    *("speed", "speed_interval", "verdict", "gpu"),
)


def document(
    subjects: Sequence[Subject],
    opened: Mapping[str, Sequence[Opened]],
    scores: Mapping[str, Mapping[str, Any] | None],
    measurements: Sequence[Measurement],
    planned: int | None = None,
) -> dict[str, Any]:
    """Figures, their growth with the length, and the choice between the models.

    Args:
        subjects: the reference first.
        opened: of each subject, in each launch.
        scores: of each subject that was judged: `metrics` (None without labels), `split`, `rows`.
        measurements: in any order; a launch that was interrupted may lack some.
        planned: launches that were asked for, where their spread may have made more follow.

    Returns:
        main_metric, higher_is_better, rows: what the models were judged on; None where they were not.
        split: of the rows; None where there were none.
        peak_flops: FLOP/s of dense matrix products, the largest rate that was seen.
        subjects: name, backend, size, metrics, ... of each.
        points: of each size, the `results` of the subjects that were measured at it.
        growth: exponents of time and working memory over length.
        crossings: from which length one model is faster than another that is faster before.
        front, picks, recommendation: see `nlpkit.measurement.choice`.
    """
    launches_of = statistics.by_launch(measurements)
    with_metrics = next((score for subject in subjects if (score := _judged(scores, subject))), None)
    first = next((known[0] for subject in subjects if (known := opened.get(subject.name)) and known[0].task), None)
    peak = max((m.peak_flops for m in measurements if m.peak_flops), default=None)
    points = sorted(
        {point for point, _ in launches_of},
        key=lambda p: (MODES.index(p.mode), p.length is not None, p.batch_size, p.length),
    )
    made: dict[str, Any] = {
        "main_metric": first.main_metric if with_metrics and first else None,
        "higher_is_better": first.higher_is_better if with_metrics and first else None,
        "split": next((score["split"] for score in scores.values() if score), None),
        "rows": with_metrics["rows"] if with_metrics else None,
        "peak_flops": peak,
        "subjects": [],
        "points": [_point(point, subjects, launches_of, peak, planned) for point in points],
    }
    reference = _metric(scores, subjects[0], made["main_metric"])
    for subject in subjects:
        kept = None
        own = _metric(scores, subject, made["main_metric"])
        if own is not None and reference is not None and reference > 0 and made["higher_is_better"]:
            kept = own / reference
        made["subjects"].append({**_subject(subject, opened.get(subject.name, ())), **_metrics(scores, subject, kept)})
    made["growth"] = list(_growth(made))
    made["crossings"] = list(_crossings(made, subjects, launches_of))
    made["front"] = choice.front(made)
    made["picks"] = choice.picks(made, launches_of)
    made["recommendation"] = choice.recommendation(made)
    return made


# --- models ---


def _subject(subject: Subject, launches: Sequence[Opened]) -> Entry:
    known = launches[0] if launches else None
    return {
        "name": subject.name,
        "model": subject.model,
        "backend": subject.backend,
        "overrides": dict(subject.overrides),
        "device": known.device if known else None,
        "architecture": known.architecture if known else None,
        "parameters": known.parameters if known else None,
        "bytes": known.bytes if known else None,
        "load_seconds": median(one.load_seconds for one in launches) if launches else None,
        "idle_bytes": int(median(one.idle_bytes for one in launches)) if launches else None,
        "memory_method": known.memory_method if known else None,
        "energy_method": known.energy_method or None if known else None,
        "remarks": list(dict.fromkeys(remark for one in launches for remark in one.remarks)),
    }


def _judged(scores: Mapping[str, Mapping[str, Any] | None], subject: Subject) -> Mapping[str, Any] | None:
    score = scores.get(subject.name)
    return score if score and score["metrics"] else None


def _metric(scores: Mapping[str, Mapping[str, Any] | None], subject: Subject, name: str | None) -> float | None:
    score = _judged(scores, subject)
    return _finite(score["metrics"].get(name)) if score else None


def _metrics(scores: Mapping[str, Mapping[str, Any] | None], subject: Subject, kept: float | None) -> Entry:
    score = _judged(scores, subject)
    metrics = {name: _finite(value) for name, value in score["metrics"].items()} if score else None
    return {"metrics": metrics, "kept": kept}


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


# --- sizes ---


def _point(
    point: Point, subjects: Sequence[Subject], launches_of: Found, peak: float | None, planned: int | None
) -> Entry:
    reference = launches_of.get((point, subjects[0].name), {})
    results = [
        _result(subject, launches, reference, peak, planned)
        for subject in subjects
        if (launches := launches_of.get((point, subject.name)))
    ]
    return {"mode": point.mode, "batch_size": point.batch_size, "length": point.length, "results": results}


def _result(
    subject: Subject,
    launches: Mapping[int, Measurement],
    reference: Mapping[int, Measurement],
    peak: float | None,
    planned: int | None,
) -> Entry:
    ok = [launches[launch] for launch in sorted(launches) if launches[launch].status == "ok"]
    failed = [launches[launch] for launch in sorted(launches) if launches[launch].status != "ok"]
    remarked = failed or [m for m in ok if m.message]
    message = remarked[0].message if remarked else None
    if remarked and len(remarked) < len(launches):
        why = ": ".join(filter(None, (remarked[0].status if failed else None, message)))
        message = f"{len(remarked)} of {len(launches)} launches: {why}"
    entry: Entry = {
        "subject": subject.name,
        "status": "ok" if ok else failed[0].status,
        "message": message,
        "launches": len(ok),
        "calls": sum(len(turn) for m in ok for turn in m.turns),
        "calls_a_pass": ok[0].calls if ok else None,
        "samples": ok[0].samples if ok else None,
        "tokens": ok[0].tokens if ok else None,
        **dict.fromkeys(FIGURES),
        "by_launch": [_launch(m) for m in ok],
    }
    if ok:
        entry |= _times(ok) | _costs(ok, entry["by_launch"], peak)
    logs = statistics.log_speeds(reference, launches)
    if logs:
        speed = statistics.over_launches(logs, planned)
        entry["speed"] = speed.value
        if launches is not reference:
            entry |= {"speed_interval": _interval(speed), "verdict": statistics.verdict(speed)}
    return entry


def _launch(measurement: Measurement) -> Entry:
    """The figures of a launch that other benchmarks, and other models, are compared with."""
    spread = statistics.spread(_calls([measurement]))
    return {
        "launch": measurement.launch,
        "ms_a_pass": 1e3 * statistics.pass_seconds(measurement.turns, measurement.calls),
        **{f"{name}_ms": 1e3 * getattr(spread, name) for name in PERCENTILES},
        "peak_bytes": measurement.peak_bytes,
    }


def _calls(measurements: Iterable[Measurement]) -> list[float]:
    return [seconds for m in measurements for turn in m.turns for seconds in turn]


def _times(ok: Sequence[Measurement]) -> Entry:
    one, spread = ok[0], statistics.spread(_calls(ok))
    outliers = [seconds for m in ok for seconds in statistics.far_out(m.turns, m.calls)]
    seconds = statistics.over_launches([math.log(statistics.pass_seconds(m.turns, m.calls)) for m in ok])
    rate = seconds.inverse()
    return {
        **{f"{name}_ms": 1e3 * value for name, value in vars(spread).items()},
        "outliers": len(outliers),
        "largest_outlier_ms": 1e3 * max(outliers) if outliers else None,
        "ms_a_pass": 1e3 * seconds.value,
        "ms_interval": _interval(seconds.times(1e3)),
        "ms_a_call": 1e3 * seconds.value / one.calls,
        "samples_per_second": one.samples * rate.value,
        "samples_per_second_interval": _interval(rate.times(one.samples)),
        "tokens_per_second": one.tokens * rate.value,
    }


def _costs(ok: Sequence[Measurement], launches: Sequence[Entry], peak: float | None) -> Entry:
    one = ok[0]
    seconds = statistics.over_launches([math.log(launch["ms_a_pass"] / 1e3) for launch in launches]).value
    peaks = [m.peak_bytes for m in ok if m.peak_bytes is not None]
    working = [m.peak_bytes - m.before_bytes for m in ok if m.peak_bytes is not None and m.before_bytes is not None]
    told = [m for m in ok if m.joules is not None]
    samples = sum(m.samples * len(turn) / m.calls for m in told for turn in m.turns)
    return {
        "peak_bytes": int(median(peaks)) if peaks else None,
        "working_bytes": int(median(working)) if working else None,
        "flops_per_sample": one.flops / one.samples if one.flops else None,
        "share_of_peak": one.flops / seconds / peak if one.flops and peak else None,
        # counters of energy tick coarsely: the sum over all turns is worth more than a turn
        "joules_per_sample": sum(sum(m.joules or ()) for m in told) / samples if told else None,
        "warm_up_seconds": median(m.warm_up_seconds for m in ok),
        "gpu": _gpu([m.gpu for m in ok if m.gpu]),
        "stable": all(m.stable for m in ok),
    }


def _gpu(launches: Sequence[Mapping[str, Any]]) -> Entry | None:
    """How the GPU was in all launches: from the first state to the last, its turns added."""
    if not launches:
        return None
    slowed: Counter[str] = Counter()
    for launch in launches:
        slowed.update(launch["slowed"])
    return {
        **{name: [launches[0][name][0], launches[-1][name][1]] for name in ("mhz", "celsius", "watts")},
        **{name: sum(launch[name] for launch in launches) for name in ("turns", "shared")},
        "slowed": dict(slowed),
    }


def _interval(estimate: Estimate) -> list[float] | None:
    return list(estimate.interval) if estimate.interval else None


# --- over lengths ---


def series(made: Document, figure: str, mode: str, batch_size: int, subject: str) -> tuple[list[int], list[float]]:
    """Lengths, ascending, at which a subject has a positive figure, and these figures."""
    pairs = [
        (point["length"], result[figure])
        for point in made["points"]
        if point["mode"] == mode and point["batch_size"] == batch_size and point["length"] is not None
        for result in point["results"]
        if result["subject"] == subject and result[figure] is not None and result[figure] > 0
    ]
    return [length for length, _ in pairs], [value for _, value in pairs]


def sizes(made: Document) -> list[tuple[Mode, int]]:
    """Each mode and batch size at which exact lengths were measured."""
    return list(dict.fromkeys((p["mode"], p["batch_size"]) for p in made["points"] if p["length"] is not None))


def _growth(made: Document) -> Iterable[Entry]:
    for mode, batch_size in sizes(made):
        for subject in made["subjects"]:
            time = statistics.growth(*series(made, "ms_a_pass", mode, batch_size, subject["name"]))
            memory = statistics.growth(*series(made, "working_bytes", mode, batch_size, subject["name"]))
            if time is not None:
                yield {
                    "subject": subject["name"],
                    "mode": mode,
                    "batch_size": batch_size,
                    "time_exponent": time.exponent,
                    "time_exponent_error": time.error,
                    "memory_exponent": memory.exponent if memory else None,
                    "memory_exponent_error": memory.error if memory else None,
                }


def _crossings(made: Document, subjects: Sequence[Subject], launches_of: Found) -> Iterable[Entry]:
    """Only where each of the two was measurably the faster one: at the longest length, and at one before."""
    names = [subject.name for subject in subjects]
    for mode, batch_size in sizes(made):
        times = {name: dict(zip(*series(made, "ms_a_pass", mode, batch_size, name), strict=True)) for name in names}
        for name in names:
            for other in names:
                lengths = sorted(times[name].keys() & times[other].keys())
                length = statistics.crossing(
                    lengths, [times[name][n] for n in lengths], [times[other][n] for n in lengths]
                )
                if length is None:
                    continue
                leads = [_leads(launches_of, Point(mode, batch_size, n), name, other) for n in lengths]
                if leads[-1] == "faster" and "slower" in leads:
                    yield {"mode": mode, "batch_size": batch_size, "faster": name, "slower": other, "length": length}


def _leads(launches_of: Found, point: Point, name: str, other: str) -> str | None:
    """The verdict of one subject against another; by the estimate alone where there is one launch."""
    logs = statistics.log_speeds(launches_of[point, other], launches_of[point, name])
    if not logs:
        return None
    speed = statistics.over_launches(logs)
    return statistics.verdict(speed) or ("faster" if speed.value > 1 else "slower")
