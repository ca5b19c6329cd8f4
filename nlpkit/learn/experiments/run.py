"""One experiment from its text to its table; `show` is what the topics of `nlpkit learn` call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.hardware import devices
from nlpkit.learn.experiments import comparing, models, told
from nlpkit.learn.experiments.comparing import Result, Trained
from nlpkit.learn.experiments.text import Text
from nlpkit.learn.experiments.training import POINTS, Course, Schedule, train
from nlpkit.learn.experiments.variants import EXPERIMENTS, Experiment, Variant
from nlpkit.learn.shown import Shown
from nlpkit.reporting import counted, duration

if TYPE_CHECKING:
    from nlpkit.hardware.devices import Device
    from nlpkit.learn.options import LearnOptions

TIMED = 4  # steps of each variant, by which --max-minutes is divided
LEAST = 50  # steps: of fewer no curve tells anything


def show(options: LearnOptions) -> Shown:
    """Train every variant with every seed, and compare.

    Raises:
        UserError: the text is too short, there is no GPU where one is needed, or --max-minutes are too few.
    """
    experiment = EXPERIMENTS[str(options.topic)]
    device = devices.choose(options)
    if experiment.needs_gpu and device.name != "cuda":
        raise UserError(
            f"{experiment.name} needs an NVIDIA GPU, and this is {device.name}",
            "Elsewhere there is nothing that computes faster in half precision.",
        )
    text = Text.read(options)
    lab = Lab(experiment, text, device)
    steps = lab.steps(options.max_steps, options.max_minutes, len(options.seeds))
    reporting.current().plan(experiment.title, lab.plan(steps, options.seeds))
    results = lab.run(options.seeds, steps)
    found = comparing.differences(results, len(experiment.times))
    record = {
        "experiment": experiment.name,
        "data": text.source,
        "device": device.described,
        "seeds": list(options.seeds),
        "steps": steps,
        "length": experiment.length,
        "ends": lab.ends,
        "unigram_loss": lab.unigram,
        "variants": [comparing.record(result, len(lab.ends)) for result in results],
        "differences": [comparing.record_of_difference(one) for one in found],
    }
    return Shown(
        record,
        [told.table(experiment, results)],
        told.lines(experiment, results, found, lab.unigram),
        told.plots(experiment, results, lab.unigram),
    )


class Lab:
    """An experiment with its text and its device.

    Attributes:
        ends: where the parts of a judged window end, in bytes.
        unigram: the loss of counting bytes, on those windows.

    Raises:
        UserError: the text is too short for such windows.
    """

    def __init__(self, experiment: Experiment, text: Text, device: Device) -> None:
        self.experiment, self.text, self.device = experiment, text, device
        self.ends = [times * experiment.length for times in experiment.times]
        held_out, longest = len(text.held_out), self.ends[-1]
        if held_out <= 8 * longest:
            raise UserError(
                f"{counted(held_out, 'byte', 'bytes')} of held-out text are too few for windows of {longest}",
                "Give more: --data FILE, which may be repeated.",
            )
        self.unigram = text.unigram_loss(longest)

    def steps(self, asked: int | None, minutes: float | None, seeds: int) -> int:
        """The steps of each training: what is asked for, or the experiment has, if --max-minutes has room for them.

        Raises:
            UserError: it has room for a few at most.
        """
        steps = asked or self.experiment.steps
        if minutes is None:
            return steps
        timed = [self._timed(variant) for variant in self.experiment.variants]
        step, rest = (sum(each) for each in zip(*timed, strict=True))
        fitting = int((60 * minutes / seeds - rest) / step)
        if fitting >= steps:
            return steps
        if fitting < LEAST:
            needed = duration((LEAST * step + rest) * seeds)
            raise UserError(
                f"--max-minutes {minutes:g} has no room for {LEAST} steps of {len(timed) * seeds} trainings, and "
                "of fewer no curve tells anything",
                f"They take about {needed}; with fewer --seeds less.",
            )
        reporting.current().note(f"--max-minutes {minutes:g} has room for {fitting} of {steps} steps of each training")
        return fitting

    def _timed(self, variant: Variant) -> tuple[float, float]:
        """Seconds of a step of a variant, and of judging it all along a training."""
        self._train(variant, 0, 1)  # first calls take longer
        course = self._train(variant, 0, TIMED)
        return course.seconds / TIMED, course.seconds_judged * POINTS

    def plan(self, steps: int, seeds: list[int]) -> list[tuple[str, str]]:
        """What is about to be done, for people."""
        text, variants = self.text, self.experiment.variants
        sizes = sorted({variant.setting.batch for variant in variants}, reverse=True)
        rates = sorted({variant.setting.rate for variant in variants})
        return [
            ("text", f"{len(text.train):,} bytes to train on, the last {len(text.held_out):,} held out"),
            ("trainings", f"{len(variants)} variants x {counted(len(seeds), 'seed', 'seeds')}, {steps:,} steps each"),
            ("windows", f"of {self.experiment.length} bytes, {' or '.join(map(str, sizes))} a step"),
            ("learning rate", f"at most {' or '.join(f'{rate:g}' for rate in rates)}"),
            ("device", self.device.described),
        ]

    def run(self, seeds: list[int], steps: int) -> list[Result]:
        """Train all; the variants of a seed one after the other, so that a busy machine slows all."""
        trained: dict[str, list[Trained]] = {variant.name: [] for variant in self.experiment.variants}
        rounds = [(seed, variant) for seed in seeds for variant in self.experiment.variants]
        with reporting.current().progress("train", len(rounds), "trainings") as bar:
            for seed, variant in rounds:
                course = self._train(variant, seed, steps)
                diverged = not course.losses[0] <= course.curve[0][1]  # also where it is no number
                trained[variant.name].append(Trained(seed, course.losses, course.curve, course.seconds, diverged))
                bar.advance(loss=f"{course.losses[0]:.3f}")
        return [
            Result(variant.name, variant.against, self._parameters(variant), trained[variant.name])
            for variant in self.experiment.variants
        ]

    def _train(self, variant: Variant, seed: int, steps: int) -> Course:
        setting, length = variant.setting, self.experiment.length
        torch.manual_seed(seed)
        model = models.build(setting, length, self.ends[-1]).to(self.device.name)
        schedule = Schedule(steps, setting.rate, setting.warmup, setting.precision or self.device.precision)
        batches = self.text.batches(length, setting.batch, seed)
        return train(model, batches, schedule, self.text.judged(self.ends[-1]), self.ends)

    def _parameters(self, variant: Variant) -> int:
        with torch.device("meta"):
            return models.parameters(models.build(variant.setting, self.experiment.length, self.ends[-1]))
