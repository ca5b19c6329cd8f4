"""The course of a search, over chains that only say what they would have made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nlpkit.compression.chain import Effort, GivenUp, Made
from nlpkit.compression.search import JOURNAL, Budget, Candidate, Search
from nlpkit.compression.shapes import WHOLE, Shape, Table
from nlpkit.compression.wishes import Figures, Wishes

BEFORE = 0.90
LAYERS = 4


class Costs:
    """Four layers; time and size are the layers, and what of them, that are left."""

    layers, parts, shares = LAYERS, ["ffn"], [step / 64 for step in range(64, 0, -1)]

    def expected(self, shape: Shape) -> Figures:
        share = shape.layers * shape.share / LAYERS
        return Figures(int(1000 * share), share, 1 / share)


class Chain:
    """Makes nothing, and notes what it was asked for.

    Args:
        accuracy: of a shape after a training of so much effort.
    """

    to, model = "onnx-int8", "run"

    def __init__(self, folder: Path, accuracy: Callable[[Shape, str], float]) -> None:
        self.folder, self.accuracy = folder, accuracy
        self.asked: list[str] = []
        self.shapes: dict[str, tuple[Shape, float]] = {}

    def named(self, shape: Shape) -> str:
        return f"{shape.layers}x{shape.share}"

    def untrained(self, table: Table) -> Made:
        return self._made("whole", Shape(LAYERS, table=table), BEFORE)

    def run(self, shape: Shape, effort: Effort, goes_on: Callable[[Mapping[str, float]], bool] | None = None) -> Made:
        name = f"{self.named(shape)}-{effort.name}"
        made = self._made(name, shape, self.accuracy(shape, effort.name))
        if goes_on is not None and not goes_on(made.record["metrics"]["validation"]):
            raise GivenUp(made)
        return made

    def _made(self, name: str, shape: Shape, accuracy: float) -> Made:
        self.asked.append(name)
        self.shapes[name] = (shape, accuracy)
        return Made(
            name, self.folder / name, {"metrics": {"validation": {"accuracy": accuracy}}}, [self.folder / name], 1.0
        )


def search(tmp_path: Path, wishes: Wishes, accuracy: Callable[[Shape, str], float], **given: Any) -> Search:
    chain: Any = Chain(tmp_path, accuracy)

    def judge(folder: Path) -> tuple[Figures, float]:
        shape, found = chain.shapes[folder.name]
        expected = Costs().expected(shape)
        return Figures(expected.size, expected.seconds, expected.speedup, 100 * (BEFORE - found)), found

    made: dict[str, Any] = {"tables": [WHOLE], "branches": 4, "budget": Budget(None), **given}
    return Search(
        wishes=wishes,
        costs=Costs(),
        chain=chain,
        judge=judge,
        metric="accuracy",
        lost=lambda metrics: 100 * (BEFORE - metrics["accuracy"]),
        epochs=6,
        folder=tmp_path,
        train_rows=100,
        **made,
    )


def by_depth(**accuracies: float) -> Callable[[Shape, str], float]:
    return lambda shape, effort: accuracies[f"_{shape.layers}"] - (0.1 if effort == "short" else 0.0)


def test_where_the_format_alone_is_enough_nothing_is_trained(tmp_path: Path) -> None:
    found = search(tmp_path, Wishes(size=1000, drop=1), by_depth())
    assert found.run().name == "whole"
    assert found.chain.asked == ["whole"]  # type: ignore[attr-defined]


def test_short_trials_choose_which_branch_is_trained_whole(tmp_path: Path) -> None:
    found = search(tmp_path, Wishes(speedup=4), by_depth(_1=0.7, _2=0.88, _3=0.86, _4=0.8))
    chosen = found.run()
    assert chosen.shape.layers == 2 and chosen.effort == "trained"
    asked = found.chain.asked  # type: ignore[attr-defined]
    assert sum(name.endswith("short") for name in asked) == 4 and sum(name.endswith("trained") for name in asked) == 1
    assert chosen.figures.speedup >= 4


def test_a_branch_that_has_lost_more_than_another_at_its_end_is_given_up(tmp_path: Path) -> None:
    found = search(tmp_path, Wishes(speedup=4), by_depth(_1=0.6, _2=0.7, _3=0.8, _4=0.88))
    found.run()
    stopped = {item.shape.layers for item in found.candidates if item.stopped}
    assert stopped == {1, 2, 3} and len(found.stops) == 3


def test_where_the_first_loses_too_much_the_next_is_trained(tmp_path: Path) -> None:
    def accuracy(shape: Shape, effort: str) -> float:
        if effort == "short":
            return 0.7 + 0.01 * shape.layers  # the deepest looks best
        return {4: 0.8, 3: 0.89}.get(shape.layers, 0.5)

    found = search(tmp_path, Wishes(speedup=4, drop=2), accuracy)
    assert found.run().shape.layers == 3
    whole_runs = [item.shape.layers for item in found.candidates if item.effort == "trained"]
    assert whole_runs == [4, 3]


def test_with_nothing_but_a_loss_it_goes_as_far_as_that_allows(tmp_path: Path) -> None:
    # 1.5, 2.5 and 4 times as fast lose less than a point, 6.5 and 10 lose more
    def accuracy(shape: Shape, _: str) -> float:
        return BEFORE - 0.0015 / (shape.layers * shape.share / LAYERS)

    found = search(tmp_path, Wishes(drop=1), accuracy)
    chosen = found.run()
    assert 4 <= chosen.figures.speedup < 6.5 and chosen.figures.drop is not None and chosen.figures.drop <= 1


def test_trained_models_take_the_smallest_table_that_loses_nothing(tmp_path: Path) -> None:
    tables = [WHOLE, Table(bits=4), Table(1.0, 4), Table(5.0, 4)]
    found = search(tmp_path, Wishes(size=10, drop=2), by_depth(), tables=tables)
    lost = {WHOLE: 0.1, Table(bits=4): 0.2, Table(1.0, 4): 0.5, Table(5.0, 4): 0.7}
    for table, drop in lost.items():
        shape = Shape(LAYERS, table=table)
        found.candidates.append(Candidate(str(table), ["x"], shape, "none", Figures(1, 1.0, 1.0, drop), 0.9))
    assert found._preferred() == [Table(1.0, 4), Table(5.0, 4)]


def test_it_goes_on_from_what_it_knew(tmp_path: Path) -> None:
    accuracy = by_depth(_1=0.7, _2=0.88, _3=0.86, _4=0.8)
    first = search(tmp_path, Wishes(speedup=4), accuracy)
    chosen = first.run()
    again = search(tmp_path, Wishes(speedup=4), accuracy)
    again.recall(json.loads((tmp_path / JOURNAL).read_text()))
    assert again.run() == chosen and not again.chain.asked  # type: ignore[attr-defined]


def test_a_search_without_time_says_what_it_left_out(tmp_path: Path) -> None:
    budget = Budget(1.0, used=57.0)  # a trial takes a second, a whole training four and more
    found = search(tmp_path, Wishes(speedup=4, drop=0), by_depth(_1=0.7, _2=0.88, _3=0.86, _4=0.8), budget=budget)
    chosen = found.run()
    assert chosen.effort == "trained"
    assert any("does not suffice to try 3 more branches" in reason for reason in found.stops)


def test_where_trials_would_take_all_the_time_one_branch_is_trained(tmp_path: Path) -> None:
    accuracy = by_depth(_1=0.7, _2=0.88, _3=0.86, _4=0.8)
    # a minute: a trial of two layers takes 20 s by the guess, a whole training of six epochs two minutes
    found = search(tmp_path, Wishes(speedup=4), accuracy, budget=Budget(1.0), guess=0.1)
    chosen = found.run()
    assert chosen.shape.layers == 2 and chosen.effort == "trained"  # the middle of 4, 3, 2, 1
    assert found.chain.asked == ["whole", "2x0.484375-trained"]  # type: ignore[attr-defined]
    assert found.stops[0].startswith("the time does not suffice for short trials (about 20.0 s each)")


def test_the_nearest_is_least_beyond_the_limits(tmp_path: Path) -> None:
    found = search(tmp_path, Wishes(size=100, speedup=10), by_depth())
    tried = {
        "small": Figures(90, 1.0, 3.0, 0.0),  # 3.3 times too slow
        "large": Figures(200, 1.0, 3.1, 0.0),  # 3.2 times too slow, twice too large
        "both by a hair": Figures(101, 1.0, 9.4, 0.0),
    }
    for name, figures in tried.items():
        found.candidates.append(Candidate(name, ["x"], Shape(2), "trained", figures, 0.9))
    assert found._nearest().name == "both by a hair"
    found.candidates.pop()
    assert found._nearest().name == "small"


def test_what_was_tried_needs_no_time_when_it_goes_on(tmp_path: Path) -> None:
    accuracy = by_depth(_1=0.7, _2=0.86, _3=0.88, _4=0.8)
    first = search(tmp_path, Wishes(speedup=4), accuracy)
    chosen = first.run()
    document = json.loads((tmp_path / JOURNAL).read_text())
    document["candidates"].pop()  # it was interrupted within its training
    document["spent"] = 595.0
    again = search(tmp_path, Wishes(speedup=4), accuracy, budget=Budget(10.0))
    again.recall(document)
    assert again.run().name == chosen.name and again.chain.asked == [chosen.name]  # type: ignore[attr-defined]
    assert not again.stops or not any("time" in reason for reason in again.stops)
