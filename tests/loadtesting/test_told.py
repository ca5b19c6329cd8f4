from __future__ import annotations

from dataclasses import replace

import numpy as np

from nlpkit.loadtesting import figures, told
from nlpkit.loadtesting.arrivals import Window
from nlpkit.loadtesting.client import ANSWERED, REFUSED, Requests
from nlpkit.loadtesting.knee import Search
from nlpkit.loadtesting.load import Alone
from nlpkit.reporting import plain_lines

COUNT = 1000
REQUESTS = Requests(
    due=np.arange(COUNT) / COUNT,
    late_ms=np.zeros(COUNT),
    queued_ms=np.zeros(COUNT),
    latency_ms=np.arange(COUNT) / 100 + 10.0,
    status=np.full(COUNT, 200, np.int16),
    kind=np.zeros(COUNT, np.int16),
    kinds=(ANSWERED, REFUSED),
    waited=np.zeros(COUNT, bool),
    cpu=0.1,
)
HELD = figures.of([(REQUESTS, Window("1,000/s", 1000, 0, 1))], 50)
MISSED = replace(HELD, name="1,100/s", rate=1100, p99_ms=61.0, verdict="slow")
BEYOND = replace(
    HELD, name="3,000/s", rate=3000, goodput=950.0, refused=2000, refused_rate=2 / 3, refusal_p50_ms=0.8,
    refusal_p99_ms=2.5, errors={"timeout": 3}, error_rate=0.001, verdict="errors",
)  # fmt: skip
ALONE = Alone(100, 2.0, 3.5)


def test_a_search_is_told_in_sentences() -> None:
    found = Search([HELD, MISSED], HELD, MISSED)
    assert told.of_search(found, BEYOND, ALONE, 50) == [
        "one request after the other: p50 2.00 ms, p99 3.50 ms (100 requests)",
        "knee: 1,000/s, p99 19.9 ms, every request answered; 1,100/s has p99 61 ms",
        "at 3 times the knee (3,000/s): 950/s are answered in time, 95.0% of those at the knee; 66.7% are refused, in "
        "0.8 ms (p50), 2.5 ms (p99)",
        "of 1,000 requests there 0.1% failed: 3 timeout",
    ]
    late = replace(MISSED, verdict="client", late_p99_ms=80.0)
    assert "bound by this client: at 1,100/s it began requests 80.0 ms late" in "\n".join(
        told.of_search(Search([HELD, late], HELD, late), None, ALONE, 50)
    )
    assert told.of_search(Search([MISSED]), None, ALONE, 50)[1] == "no knee: not even 1,100/s is held"
    busy = told.of_search(Search([late], None, late), None, ALONE, 50)[1]
    assert busy.startswith(
        "no knee: this client is 80.0 ms late (p99) even at 1,100/s; this machine does too much else"
    )
    assert "nothing higher was tried (--max-rate)" in told.of_search(Search([HELD], HELD), None, ALONE, 50)[1]


def test_the_table_has_intervals_refusals_and_a_mark_at_the_knee() -> None:
    lines = plain_lines(told.table([HELD, replace(BEYOND, waited=7)], 50, {0: "knee"}))
    assert lines[1].split("  ")[-1] == "waited" and lines[2].endswith("knee")
    assert "19.89 (19.82 to 19.96)" in lines[2]
    assert "2,000 (66.7%)" in lines[3] and "3 (0.1%)" in lines[3] and lines[3].endswith("7  failed")


def test_what_a_figure_does_not_say_by_itself_is_said_once() -> None:
    few = replace(HELD, name="5/s", answered=5.0, late_p99_ms=9.0)
    assert told.doubts([HELD], 50, 512) == []
    doubts = told.doubts([few, replace(HELD, waited=2)], 50, 512)
    assert [line.split(":")[0] for line in doubts] == [
        "this client was late by more than 5 ms (p99) at 5/s",
        "2 requests waited for one of 512 connections (--connections), and count from when they were due",
        "fewer than 368 answers at 5/s",
    ]
    assert "at 4 of 5 rates" in told.doubts([few] * 4 + [HELD], 50, 512)[0]
