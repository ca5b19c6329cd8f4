"""`learn compare-*`: variants that are alike but for what is compared, and words that say what the seeds support."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pretended
import pytest
import torch
import yaml
from torch import nn

from nlpkit.errors import UserError
from nlpkit.learn.experiments import comparing, models, run, text, told, training, variants
from nlpkit.learn.experiments.comparing import Result, Trained
from nlpkit.learn.experiments.text import Text
from nlpkit.learn.experiments.variants import EXPERIMENTS, Experiment, Setting, Variant
from nlpkit.options import shipped
from nlpkit.options.problems import OptionError
from nlpkit.recipes import learn
from nlpkit.reporting import Estimate

TINY = Setting(width=8, layers=1, heads=2, batch=2)
CPU: dict[str, Any] = {"device": "cpu", "threads": 1}


def bytes_of(written: bytes) -> Text:
    read = torch.frombuffer(bytearray(written), dtype=torch.uint8)
    return Text(read[: len(read) // 2], read[len(read) // 2 :], {})


def result(name: str, losses: list[float], against: str | None = None, diverged: tuple[int, ...] = ()) -> Result:
    each = [Trained(seed, [loss], [(1, loss)], 1.0, seed in diverged) for seed, loss in enumerate(losses)]
    return Result(name, against, 10, each)


# --- what the seeds say ---


def test_intervals_are_those_of_students_t_and_all_differences_hold_together() -> None:
    first = result("a", [1.0, 2.0, 3.0])
    mean = first.loss(0)
    assert isinstance(mean, Estimate)
    # t(0.975, 2 degrees) is 4.302653, the standard error 1 / sqrt(3)
    assert (mean.value, mean.high) == (2.0, pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-6))
    # by seed -1, -1.2, -0.8: t(1 - 0.05 / 2 / 2, 2 degrees) is 6.205347 for two comparisons, the standard deviation 0.2
    lower, same = comparing.differences(
        [first, result("b", [0.0, 0.8, 2.2], "a"), result("c", [1.1, 1.9, 3.0], "a")], 1
    )
    assert isinstance(lower.estimate, Estimate)
    assert lower.estimate.high == pytest.approx(-1 + 6.205347 * 0.2 / math.sqrt(3), abs=1e-6)
    assert comparing.sentence(lower, "") == "b against a: lower loss, -1.000 (-1.717 to -0.283), 3 seeds"
    assert comparing.sentence(same, "bytes 1 to 8").startswith(
        "c against a, bytes 1 to 8: no difference seen, +0.000 ("
    )


def test_trainings_that_diverged_are_counted_and_leave_their_seed_without_a_pair() -> None:
    lost, other = result("a", [math.nan, 2.0, 3.0], diverged=(0,)), result("b", [1.0, 5.0, 2.0], "a", diverged=(1,))
    assert (lost.diverged, lost.loss(0).value) == (1, 2.5)  # type: ignore[union-attr]
    (difference,) = comparing.differences([lost, other], 1)
    assert (difference.pairs, difference.seen) == (1, False)
    assert comparing.sentence(difference, "") == (
        "b against a: -1.000 with the one seed that both have, which tells nothing of others"
    )
    table = told.table(EXPERIMENTS["compare-heads"], [lost, other])
    assert [row[-1] for row in table.rows] == ["1 of 3", "1 of 3"]
    assert comparing.record(lost, 1)["each"][0]["losses"] == [None]  # JSON has no nan


def test_what_learned_nothing_is_told() -> None:
    said = told.lines(EXPERIMENTS["compare-heads"], [result("a", [3.1, 2.0])], [], unigram=3.0)
    assert "a: 1 of 2 trainings ended no better than counting bytes" in said


# --- the text ---


def test_windows_are_those_of_the_seed_and_what_comes_next_is_the_next_byte() -> None:
    read = bytes_of(bytes(range(200)) * 2)
    inputs, targets = next(read.batches(length=10, size=3, seed=7))
    assert torch.equal(inputs, next(read.batches(10, 3, 7))[0]) and not torch.equal(
        inputs, next(read.batches(10, 3, 8))[0]
    )
    assert torch.equal(inputs[:, 1:], targets[:, :-1]) and torch.equal(targets[:, 0], inputs[:, 0] + 1)
    judged, coming = read.judged(50)
    assert judged.shape == (3, 50) and judged[0, 0] == 0 and coming[-1, -1] == 199


def test_counting_bytes_gives_the_loss_of_their_shares() -> None:
    read = bytes_of(b"ab" * 50 + b"b" * 100)
    # of 100 bytes 50 are b, and each of 256 is counted once more
    assert read.unigram_loss(10) == pytest.approx(-math.log(51 / 356))


def test_a_text_that_is_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("To be, or not to be.")
    config = learn.Config(topic="compare-heads", data=[str(tmp_path / "short.txt")], **CPU)
    with pytest.raises(UserError, match=r"short.txt: 20 bytes of text are too few to compare"):
        run.show(config)


# --- the models ---


@pytest.mark.parametrize(
    "changed",
    [
        {"positions": "rotary"},
        {"positions": "relative"},
        {"positions": "learned"},
        {"positions": "none", "norm": "batch"},
        {"norm_first": False, "activation": "leaky_relu"},
        {"kind": "lstm"},
        {"kind": "gru"},
    ],
)
def test_no_byte_is_told_by_those_behind_it(changed: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = models.build(replace(TINY, **changed), trained=4, longest=8).eval()
    ids = torch.arange(8)[None]
    other = ids.clone()
    other[0, 5] = 99
    with torch.no_grad():
        one, two = model(ids), model(other)
    assert torch.equal(one[:, :5], two[:, :5]) and not torch.allclose(one[:, 5:], two[:, 5:])


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_recurrent_network_has_as_many_parameters_as_fit_below_those_of_the_transformer(kind: Any) -> None:
    setting = replace(variants.BASE, kind=kind)
    transformer = models.parameters(models.build(variants.BASE, 64, 64))
    model = models.build(setting, 64, 64)
    assert isinstance(model, models.RecurrentOfBytes)
    larger = models.RecurrentOfBytes(setting, model.layers.hidden_size + 1)
    assert models.parameters(model) <= transformer < models.parameters(larger)


def test_variants_differ_in_what_is_compared_alone_and_in_the_best_rate() -> None:
    heads = EXPERIMENTS["compare-heads"].variants
    assert len({models.parameters(models.build(one.setting, 64, 64)) for one in heads}) == 1
    for experiment in EXPERIMENTS.values():
        by_name = {variant.name: variant for variant in experiment.variants}
        assert len(by_name) == len(experiment.variants)
        for variant in by_name.values():
            if variant.against is not None:
                pair = (vars(variant.setting), vars(by_name[variant.against].setting))
                other = [name for name in pair[0] if pair[0][name] != pair[1][name] and name != "rate"]
                assert len(other) == 1, variant.name


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "relative"])
def test_a_model_on_a_gpu_needs_nothing_from_the_cpu(positions: Any) -> None:
    model = models.build(replace(TINY, positions=positions), 8, 8)
    with pretended.cuda(), pretended.tensors():
        model.to("cuda")
        with training.autocast("cuda", "bf16"):
            logits = model(torch.zeros(2, 8, dtype=torch.long, device="cuda"))
        logits.float().sum().backward()


# --- training and judging ---


class Known(nn.Module):
    """Says of each place of a window that byte 0 comes next, the surer the later."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(*ids.shape, 256)
        logits[..., 0] = torch.arange(ids.shape[1]).float()
        return logits * self.factor


def test_the_loss_of_each_part_is_that_of_its_bytes() -> None:
    zeros = torch.zeros(70, 3, dtype=torch.long)
    each = [math.log(255 + math.exp(place)) - place for place in range(3)]
    losses = training.judge(Known(), (zeros, zeros), ends=(1, 3))
    assert losses == pytest.approx([each[0], (each[1] + each[2]) / 2], abs=1e-6)


def test_a_rate_that_is_far_too_high_diverges_and_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "JUDGED", 32)
    read = bytes_of(bytes(range(100)) * 10)
    model = models.build(replace(TINY, norm_first=False), 8, 8)
    schedule = training.Schedule(steps=24, rate=1e30, warmup=0.0, precision="fp32")
    course = training.train(model, read.batches(8, 2, 0), schedule, read.judged(8), [8])
    assert not course.losses[0] <= course.curve[0][1] and len(course.curve) < training.POINTS


# --- the command ---


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment of two parts that takes no time, in place of that on positions."""
    monkeypatch.setattr(text, "JUDGED", 64)
    experiment = Experiment(
        "compare-positions",
        "positions",
        [Variant("waves", replace(TINY, positions="sinusoidal"), None), Variant("turned", TINY, "waves")],
        steps=4,
        length=8,
        times=(1, 2),
        note="A note.",
    )
    monkeypatch.setitem(EXPERIMENTS, "compare-positions", experiment)


def test_an_experiment_gives_a_table_a_picture_and_the_same_figures_again(
    tiny: None, tmp_path: Path, drawing: Any
) -> None:
    def report(name: str) -> Any:
        return learn.run(
            learn.Config(topic="compare-positions", seeds=[1, 2], output=tmp_path / name, precision="fp32", **CPU)
        )

    with drawing():
        first = report("one")
    assert (tmp_path / "one" / "plots" / "curves.png").stat().st_size > 5_000
    (table,) = first.tables
    assert list(table.header) == [
        *("variant", "parameters", "loss, bytes 1 to 8", "loss, bytes 9 to 16", "seconds", "diverged")
    ]
    assert [row[0] for row in table.rows] == ["waves", "turned"] and table.rows[0][1] == table.rows[1][1]
    assert (
        sum(line.startswith("turned against waves, bytes ") for line in first.lines) == 2 and "A note." in first.lines
    )
    kept = json.loads((tmp_path / "one" / "nlpkit.json").read_text())["shown"]
    losses = [each["losses"] for variant in kept["variants"] for each in variant["each"]]
    again = [each["losses"] for variant in report("two").record["variants"] for each in variant["each"]]
    assert losses == again and len({tuple(each) for each in losses}) == 4
    assert kept["variants"][0]["loss"][0]["mean"] == pytest.approx((losses[0][0] + losses[1][0]) / 2)


def test_max_minutes_takes_fewer_steps_or_says_what_is_needed(tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.Lab, "_timed", lambda self, variant: (0.1, 1.0))
    lab = run.Lab(EXPERIMENTS["compare-positions"], bytes_of(b"abc" * 500), None)  # type: ignore[arg-type]
    # two variants and two seeds: 0.2 s a step and 2 s of judging for each seed
    assert lab.steps(400, 1.0, 2) == int((30 - 2) / 0.2)
    assert lab.steps(None, 1.0, 2) == 4
    with pytest.raises(UserError, match=r"--max-minutes 0.1 has no room for 50 steps of 4 trainings") as raised:
        lab.steps(400, 0.1, 2)
    assert raised.value.hint == "They take about 24.0 s; with fewer --seeds less."


def test_what_needs_a_gpu_or_another_topic_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="compare-precisions needs an NVIDIA GPU, and this is cpu"):
        learn.run(learn.Config(topic="compare-precisions", output=tmp_path / "out", **CPU))
    with pytest.raises(OptionError, match="--precision is read by the topics compare-heads"):
        learn.run(learn.Config(topic="compare-precisions", precision="bf16"))
    with pytest.raises(OptionError, match="--seeds is read by the experiments, compare-"):
        learn.run(learn.Config(topic="attention", seeds=[1, 2]))
    with pytest.raises(OptionError, match="name one or more, and each once"):
        learn.Config(topic="compare-heads", seeds=[1, 1])
    assert not (tmp_path / "out").exists()


def test_each_experiment_has_a_recipe_and_a_section_of_its_page() -> None:
    root = Path(__file__).parents[2]
    recipes = [yaml.safe_load(path.read_text()) for path in shipped.folder().glob("learn-*.yaml")]
    assert {recipe["topic"] for recipe in recipes if recipe["command"] == "learn"} == set(EXPERIMENTS)
    page = (root / "docs" / "learn" / "experiments.md").read_text(encoding="utf-8")
    assert set(re.findall(r"nlpkit learn (compare-[\w-]+)", page)) == set(EXPERIMENTS)
