"""Holding out, reading and interrupting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from nlpkit.data.corpus import Corpus
from nlpkit.errors import UserError
from nlpkit.options import CorpusOptions
from nlpkit.tokenization import training
from nlpkit.tokenization.pipelines import Pipeline, PipelineOptions
from nlpkit.tokenization.training import HoldOut, Reading

NUMBERS = [str(n) for n in range(20_000)]


def pass_through(share: float, seed: int = 42, batch: int = 1_000) -> tuple[list[str], list[str]]:
    held = HoldOut(share, seed)
    rest = [text for i in range(0, len(NUMBERS), batch) for text in held.rest(NUMBERS[i : i + batch])]
    return rest, held.texts


@pytest.mark.parametrize("share", [0.01, 0.5, 0.0])
def test_each_text_is_trained_on_or_held_out(share: float) -> None:
    rest, held = pass_through(share)
    assert Counter(rest + held) == Counter(NUMBERS)
    assert len(held) == pytest.approx(share * len(NUMBERS), rel=0.2)
    assert pass_through(share) == (rest, held)
    if share:
        assert pass_through(share, seed=1)[1] != held


def test_the_limit_holds_and_the_end_of_the_corpus_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "HELD_OUT_TEXTS", 200)
    rest, held = pass_through(0.5)
    assert len(held) == 200
    assert Counter(rest + held) == Counter(NUMBERS)
    assert sum(int(text) >= 10_000 for text in held) == pytest.approx(100, abs=35)
    monkeypatch.setattr(training, "HELD_OUT_CHARACTERS", 300)
    assert sum(map(len, pass_through(0.5)[1])) < 500


def test_a_small_corpus_has_a_held_out_text() -> None:
    held = HoldOut(0.01, 42)
    assert Counter([*held.rest(["a", "b"]), *held.texts]) == Counter(["a", "b"])
    assert len(held.texts) == 1
    alone = HoldOut(0.01, 42)
    assert alone.rest(["a"]) == ["a"]


def test_errors_of_the_corpus_come_through_the_library(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"good\n" * 5_000 + b"b\xff\n")
    pipeline = Pipeline.of(PipelineOptions(vocab_size=50))
    reading = Reading(Corpus(CorpusOptions(data=[str(tmp_path / "a.txt")])), HoldOut(0.0, 0), "then")
    with pytest.raises(UserError, match="line 5001: byte 0xff"):
        training.train(pipeline.untrained(), pipeline.trainer(), reading)


def test_interruptible() -> None:
    stop = threading.Event()
    assert training.interruptible(lambda: 7, stop) == 7
    with pytest.raises(ZeroDivisionError):
        training.interruptible(lambda: 1 // 0, stop)
    assert not stop.is_set()


def test_interruption_is_heard_while_the_work_goes_on() -> None:
    stop, ended = threading.Event(), threading.Event()

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(10)
        ended.set()

    with pytest.raises(KeyboardInterrupt):
        training.interruptible(work, stop)
    assert ended.is_set()


DEAF = """
import os, signal, threading, time
from nlpkit.tokenization.training import interruptible
def work():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
try:
    interruptible(work, threading.Event())
except KeyboardInterrupt:
    print("left")
"""


def test_work_that_does_not_listen_ends_with_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", DEAF], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (130, "left\n", "")
