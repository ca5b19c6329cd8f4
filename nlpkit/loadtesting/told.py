"""A load test for people: its table and the lines below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nlpkit.loadtesting.figures import Figures, late_limit_ms
from nlpkit.loadtesting.knee import Search
from nlpkit.loadtesting.load import Alone
from nlpkit.reporting import Cell, Estimate, Table, counted

MOST_NAMED = 3  # rates in a sentence
FEW = 368  # answers below which the 99th percentile has no upper end


def table(steps: Sequence[Figures], p99_ms: float, marks: Mapping[int, str] | None = None) -> Table:
    """A row a window.

    Args:
        steps: in the order of the rows.
        p99_ms: the bound.
        marks: what the last column says of some rows, by their place, in place of the verdict.
    """
    waited = any(step.waited for step in steps)
    header = ["offered", "answered/s", f"in {p99_ms:g} ms/s", "p50 ms", "p99 ms", "refused", "failed", "client late ms"]
    header += [*(["waited"] if waited else []), ""]
    rows: list[Sequence[Cell]] = []
    for place, step in enumerate(steps):
        failed = sum(step.errors.values())
        rows.append(
            [
                step.name,
                _number(step.answered),
                _number(step.goodput),
                _number(step.p50_ms),
                tail(step),
                _share(step.refused, step.refused_rate),
                _share(failed, step.error_rate),
                f"{step.late_p99_ms:.1f}",
                *([f"{step.waited:,}"] if waited else []),
                (marks or {}).get(place) or verdict(step, p99_ms),
            ]
        )
    return Table("load: latency from when a request was due; of p99 with its 95 % interval", header, rows)


def verdict(step: Figures, p99_ms: float) -> str:
    """Whether a rate was held, in a word or two."""
    return {
        "held": "held",
        "slow": f"p99 > {p99_ms:g} ms",
        "refused": "refused",
        "errors": "failed",
        "client": "client late",
        "nothing": "",
    }[step.verdict]


def tail(step: Figures) -> Estimate | str | None:
    """The 99th percentile, with its interval where both ends are known."""
    if step.p99_ms is None:
        return None
    if step.p99_low_ms is None or step.p99_high_ms is None or step.p99_low_ms == step.p99_high_ms:
        return _number(step.p99_ms)
    return Estimate(step.p99_ms, step.p99_low_ms, step.p99_high_ms)


def of_search(found: Search, beyond: Figures | None, alone: Alone, p99_ms: float) -> list[str]:
    """What the search for the knee came to."""
    first = f"one request after the other: p50 {alone.p50_ms:,.2f} ms, p99 {alone.p99_ms:,.2f} ms"
    lines = [f"{first} ({counted(alone.requests, 'request', 'requests')})"]
    if found.knee is None:
        lowest = min(found.steps, key=lambda step: step.rate)
        if found.bound_by == "client":
            late = f"this client is {lowest.late_p99_ms:.1f} ms late (p99) even at {lowest.name}"
            return [*lines, f"no knee: {late}; this machine does too much else for a load test"]
        return [*lines, f"no knee: not even {lowest.name} is held"]
    knee, missed = found.knee, found.missed
    lines.append(f"knee: {knee.name}, p99 {knee.p99_ms:,.1f} ms, every request answered; {_above(found, p99_ms)}")
    if beyond is not None:
        lines += of_beyond(knee, beyond)
    if found.bound_by == "client" and missed is not None:
        lines.append(
            f"bound by this client: at {missed.name} it began requests {missed.late_p99_ms:.1f} ms late (p99); the "
            "service may hold more, as a client on another machine would show"
        )
    return lines


def of_beyond(knee: Figures, beyond: Figures) -> list[str]:
    """What the service does beyond its knee."""
    share = beyond.goodput / knee.goodput if knee.goodput else 0.0
    lines = [
        f"at {beyond.rate / knee.rate:.3g} times the knee ({beyond.name}): {_number(beyond.goodput)}/s are answered in "
        f"time, {share:.1%} of those at the knee"
    ]
    if beyond.refused:
        lines[0] += (
            f"; {beyond.refused_rate:.1%} are refused, in {_number(beyond.refusal_p50_ms)} ms (p50), "
            f"{_number(beyond.refusal_p99_ms)} ms (p99)"
        )
    else:
        lines[0] += "; nothing is refused"
    if beyond.verdict == "client":
        lines[0] += f"; this client began requests {beyond.late_p99_ms:.1f} ms late there (p99)"
    if beyond.errors:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in beyond.errors.items())
        lines.append(f"of {beyond.requests:,} requests there {beyond.error_rate:.1%} failed: {kinds}")
    return lines


def doubts(steps: Sequence[Figures], p99_ms: float, connections: int) -> list[str]:
    """What a figure does not say by itself."""
    lines = []
    limit = late_limit_ms(p99_ms)
    late = [step.name for step in steps if step.late_p99_ms > limit]
    if late:
        lines.append(
            f"this client was late by more than {limit:g} ms (p99) at {_named(late, steps)}: latencies there are bound "
            "by the client, and those of the service are lower"
        )
    waiting = sum(step.waited for step in steps)
    if waiting:
        lines.append(
            f"{counted(waiting, 'request', 'requests')} waited for one of {connections:,} connections (--connections), "
            "and count from when they were due"
        )
    few = [step.name for step in steps if 0 < step.answered * step.seconds < FEW]
    if few:
        lines.append(
            f"fewer than {FEW} answers at {_named(few, steps)}: their 99th percentile has no upper end; --seconds "
            "gives more"
        )
    return lines


def _named(some: Sequence[str], steps: Sequence[Figures]) -> str:
    """The rates that something is said of: by name, or how many of all."""
    return ", ".join(some) if len(some) <= MOST_NAMED else f"{len(some)} of {len(steps)} rates"


def _above(found: Search, p99_ms: float) -> str:
    missed = found.missed
    if missed is None:
        return "nothing higher was tried (--max-rate)"
    why = {
        "slow": f"has p99 {_number(missed.p99_ms)} ms",
        "refused": f"is refused {missed.refused_rate:.1%} of the requests",
        "errors": f"fails {missed.error_rate:.1%} of the requests",
        "client": "is more than this client sends in time",
    }.get(missed.verdict, "is not held")
    return f"{missed.name} {why}"


def _number(value: float | None) -> str | None:
    """Three figures, all of a number above 100."""
    if value is None:
        return None
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _share(count: int, share: float) -> str:
    return f"{count:,} ({share:.1%})" if count else "0"
