"""The search: budget, what is drawn, kills, failures, whose weights stay. The runs are pretended."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nlpkit.errors import RunError, UserError
from nlpkit.recipes import finetune_cls
from nlpkit.trials.running import Outcome
from nlpkit.tuning import study as account
from nlpkit.tuning.options import SearchOptions
from nlpkit.tuning.search import Search
from nlpkit.tuning.space import Space, read

Score = Callable[[Mapping[str, Any]], float]
RATES = {"learning_rate": "1e-5..1e-3:log", "batch_size": "16,32"}
SETTLED = {"learning_rate": 5e-5, "batch_size": 32}  # what a command takes that is given neither, as its record tells


def best_at_3e_4(values: Mapping[str, Any]) -> float:
    """Highest at a rate of 3e-4 in batches of 16."""
    took = SETTLED | values
    return 0.9 - abs(math.log10(took["learning_rate"] / 3e-4)) / 10 - 0.01 * (took["batch_size"] == 32)


class Runs:
    """Pretended runs, which write a file of weights.

    Attributes:
        begun: the number of each, in order.
    """

    def __init__(self, folder: Path, score: Score = best_at_3e_4, metric: str = "accuracy") -> None:
        self.folder, self.score, self.metric = folder, score, metric
        self.begun: list[int] = []

    def __call__(self, number: int, values: Mapping[str, Any], watch: Callable[[Any], bool]) -> Outcome:
        self.begun.append(number)
        run = self.folder / f"{number:03}"
        (run / "checkpoints").mkdir(parents=True, exist_ok=True)
        (run / "model.safetensors").touch()
        value = self.score(values)
        if watch([{f"eval_{self.metric}": value / 2}, {f"eval_{self.metric}": value}]):
            return Outcome(None, seconds=1, ended_early=True)
        metrics = {"validation": {self.metric: value}}
        record = {"metrics": metrics, "main_metric": self.metric, "task": {"name": "fill-mask"}}
        return Outcome({**record, "config": SETTLED | values}, seconds=60)

    def with_weights(self) -> list[int]:
        return sorted(int(file.parent.name) for file in self.folder.rglob("model.safetensors"))


def searched(**given: str) -> Space:
    return read(finetune_cls.Config, {"data": "sample:feedback", **given}, None, "finetune-cls")


def begun(
    folder: Path, runs: Runs, space: Space | None = None, place: str | None = None, seed: int = 42, **options: Any
) -> Search:
    space = space or searched(**RATES)
    given = SearchOptions(**options)
    where = place or str(folder / "journal.log")
    known = account.identity("finetune-cls", space, given.objective, {"data.csv": "abc"}, seed)
    study = account.begun(account.opened(where), where, known, space, given)
    return Search(study, space, given, seed, runs.folder, runs, lambda run: 5.0 + int(run.name))


def drawn(search: Search) -> list[Mapping[str, Any]]:
    return [trial.values for trial in search.trials()]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_the_first_trial_is_the_defaults_and_the_best_is_the_best_of_all(tmp_path: Path, sampler: str) -> None:
    runs = Runs(tmp_path)
    search = begun(tmp_path, runs, trials=14, sampler=sampler)
    search.work()
    trials = search.trials()
    assert runs.begun == [*range(14)]
    assert trials[0].is_default and trials[0].values == {}  # the command takes what it takes without a search
    assert {name: trials[0].value(name, search.space) for name in RATES} == SETTLED
    (best,) = search.best()
    assert best.figures["accuracy"] == max(trial.figures["accuracy"] for trial in trials)
    assert best.figures["accuracy"] == best_at_3e_4(best.values)
    assert runs.with_weights() == sorted({0, best.number})
    assert all(1e-5 <= trial.values["learning_rate"] <= 1e-3 for trial in trials[1:])


def test_the_smaller_value_of_a_loss_is_the_better(tmp_path: Path) -> None:
    search = begun(tmp_path, Runs(tmp_path, metric="perplexity"), trials=5, sampler="random")
    search.work()
    assert search.best()[0].figures["perplexity"] == min(map(best_at_3e_4, drawn(search)))


def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = begun(tmp_path / "whole", Runs(tmp_path / "whole"), trials=6, sampler="random")
    whole.work()

    def killed(values: Mapping[str, Any]) -> float:
        if len(runs.begun) == 4:
            raise KeyboardInterrupt
        return best_at_3e_4(values)

    runs = Runs(tmp_path / "a", killed)
    with pytest.raises(KeyboardInterrupt):
        begun(tmp_path / "a", runs, trials=6, sampler="random").work()
    again = Runs(tmp_path / "a")
    search = begun(tmp_path / "a", again, trials=6, sampler="random")
    search.work()
    assert again.begun == [3, 4, 5]  # the one that was under way in its own folder
    assert [trial.state for trial in search.trials()] == ["complete"] * 6
    assert drawn(search) == drawn(whole)
    more = Runs(tmp_path / "a")
    begun(tmp_path / "a", more, trials=8, sampler="random").work()
    assert more.begun == [6, 7]


def test_a_journal_whose_last_line_was_cut_short_is_read(tmp_path: Path) -> None:
    begun(tmp_path, Runs(tmp_path), trials=2, sampler="random").work()
    with (tmp_path / "journal.log").open("a") as file:
        file.write('{"op_code": 4, "wor')
    search = begun(tmp_path, Runs(tmp_path), trials=3, sampler="random")
    search.work()
    assert len(begun(tmp_path, Runs(tmp_path), trials=3).trials()) == 3
    with (tmp_path / "journal.log").open("a") as file:
        file.write("damaged\n")
    with pytest.raises(UserError, match="is damaged, or is no journal of a search"):
        begun(tmp_path, Runs(tmp_path))


def test_a_grid_is_tried_once_and_its_defaults_are_not_run_twice(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    space = searched(learning_rate="5e-5,3e-5", batch_size="16,32")
    search = begun(tmp_path, runs, space, sampler="grid")
    search.work()
    assert len(search.trials()) == 5
    assert len(runs.begun) == 4
    assert [trial.repeats for trial in search.trials() if trial.repeats is not None] == [0]
    part = begun(tmp_path / "b", Runs(tmp_path / "b"), space, sampler="grid", trials=3)
    part.work()
    assert len(part.trials()) == 3


def test_draws_end_when_all_combinations_were_tried(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    begun(tmp_path, runs, searched(batch_size="16,32"), trials=20, sampler="random").work()
    assert len(runs.begun) == 2


def test_defaults_outside_the_space_are_run_all_the_same(tmp_path: Path) -> None:
    search = begun(tmp_path, Runs(tmp_path), searched(learning_rate="1e-4..1e-3:log", warmup="0.06,0.1"), trials=13)
    search.work()
    assert search.trials()[0].values == {"warmup": 0.06}
    assert all("learning_rate" in values for values in drawn(search)[1:])


def test_failures_do_not_end_a_search_unless_all_fail(tmp_path: Path) -> None:
    class Failing(Runs):
        def __call__(self, number: int, *given: Any) -> Outcome:
            done = super().__call__(number, *given)
            return Outcome(None, "out of memory", seconds=1) if number % 2 else done

    search = begun(tmp_path, Failing(tmp_path), trials=4, sampler="random")
    search.work()
    search.require_any()
    assert [trial.state for trial in search.trials()] == ["complete", "failed"] * 2
    assert search.trials()[1].error == "out of memory"
    none = begun(tmp_path / "b", Runs(tmp_path / "b", lambda _: math.nan), trials=2, sampler="random")
    none.work()
    with pytest.raises(RunError, match=r"2 trials have failed.*accuracy of validation is not a number"):
        none.require_any()


def test_runs_below_the_median_are_ended(tmp_path: Path) -> None:
    search = begun(tmp_path, Runs(tmp_path), trials=14, sampler="random", pruner="median")
    search.work()
    states = [trial.state for trial in search.trials()]
    assert states[:5] == ["complete"] * 5  # until there is a median to speak of
    assert "ended early" in states
    values = [best_at_3e_4(trial.values) for trial in search.trials()]
    assert min(values) not in [each.figures.get("accuracy") for each in search.trials()[5:]]


def test_two_objectives_have_a_front(tmp_path: Path) -> None:
    search = begun(tmp_path, Runs(tmp_path), trials=6, objective="accuracy,latency", sampler="nsga2")
    search.work()
    front = search.best()
    assert search.names == ["accuracy", "latency"]
    assert 0 in [trial.number for trial in front]  # the fastest here
    for one in front:
        assert not [
            trial
            for trial in search.trials()
            if trial.figures["accuracy"] > one.figures["accuracy"] and trial.figures["latency"] < one.figures["latency"]
        ]


def test_several_at_a_time_are_as_many_as_asked_for(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    begun(tmp_path, runs, trials=7, sampler="random", jobs=3).work()
    assert sorted(runs.begun) == [*range(7)]


def test_two_commands_share_an_account_which_knows_its_search(tmp_path: Path) -> None:
    place = str(tmp_path / "shared.log")
    one, two = Runs(tmp_path / "a"), Runs(tmp_path / "b")
    begun(tmp_path / "a", one, place=place, trials=3, sampler="random").work()
    begun(tmp_path / "b", two, place=place, trials=5, sampler="random").work()
    assert (one.begun, two.begun) == ([0, 1, 2], [3, 4])
    other = searched(learning_rate="1e-5..1e-4", batch_size="16,32")
    with pytest.raises(UserError) as error:
        begun(tmp_path, Runs(tmp_path), other, place=place)
    told = "another search: space learning_rate was 1e-05..0.001:log, here 1e-05..0.0001"
    assert told in error.value.message
    with pytest.raises(UserError, match="seed was 42, here 7"):  # which holds other rows out
        begun(tmp_path, Runs(tmp_path), place=place, seed=7)


@pytest.mark.slow
def test_trials_may_stand_in_a_database_whose_password_is_told_to_nobody(tmp_path: Path) -> None:
    search = begun(tmp_path, Runs(tmp_path), place=f"sqlite:///{tmp_path / 'x.db'}", trials=2, sampler="random")
    search.work()
    assert len(search.trials()) == 2
    with pytest.raises(UserError, match="--storage postgresql://me:\\*\\*\\*@nowhere/x cannot be opened") as error:
        account.opened("postgresql://me:secret@nowhere/x")
    assert "secret" not in str(error.value)


def test_what_no_trial_can_begin_with_ends_the_search_at_the_second(tmp_path: Path) -> None:
    def refused(number: int, *_: Any) -> Outcome:
        asked.append(number)
        return Outcome(None, "there is no such.csv", "Check the path.", refused=True)

    asked: list[int] = []
    runs: Any = refused
    runs.folder = tmp_path
    search = begun(tmp_path, runs, trials=10)
    with pytest.raises(UserError, match=r"no trial can be begun: there is no such.csv"):
        search.work()
    assert asked == [0, 1]
