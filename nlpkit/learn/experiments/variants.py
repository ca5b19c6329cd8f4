"""The experiments: what each asks, and the variants that answer it. Imports no torch: a list of topics needs none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Setting:
    """A model of bytes and how it is trained.

    Attributes:
        kind: what reads the bytes.
        width: of the states; the feed-forward network is 4 times as wide.
        layers: of a Transformer or a recurrent network.
        heads: of a layer's attention.
        positions: how a Transformer knows them.
        norm: what it normalises by.
        norm_first: before attention and feed-forward (pre-norm), or behind the sum (post-norm).
        activation: of the feed-forward network.
        rate: the highest learning rate.
        warmup: share of the steps in which the rate rises.
        batch: windows of a step.
        precision: of products; None: that of the device.
    """

    kind: Literal["transformer", "lstm", "gru"] = "transformer"
    width: int = 64
    layers: int = 2
    heads: int = 4
    positions: Literal["none", "sinusoidal", "learned", "rotary", "relative"] = "rotary"
    norm: Literal["layer", "batch"] = "layer"
    norm_first: bool = True
    activation: Literal["relu", "gelu", "leaky_relu"] = "gelu"
    rate: float = 1e-2
    warmup: float = 0.1
    batch: int = 8
    precision: Literal["fp32", "bf16", "fp16"] | None = None


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        name: for people, of a few words.
        setting: what is trained.
        against: name of the variant that it is compared with; None: it is one that others are compared with.
    """

    name: str
    setting: Setting
    against: str | None


@dataclass(frozen=True)
class Experiment:
    """A question and the variants whose losses answer it.

    Attributes:
        name: as it is typed.
        title: of the table, and in the list of topics.
        variants: those that others are compared with before these.
        steps: of each training, where nothing else is asked for.
        length: bytes of a window in training.
        times: the parts of a window of held-out text that are judged apart end at these multiples of the length.
        needs_gpu: whether there is nothing to see without one.
        note: what the figures must be read with; empty: nothing.
    """

    name: str
    title: str
    variants: Sequence[Variant]
    steps: int = 300
    length: int = 64
    times: Sequence[int] = (1,)
    needs_gpu: bool = False
    note: str = ""


BASE = Setting()
DEEP = replace(BASE, layers=6, width=32)
LARGE = Setting(width=512, layers=6, heads=8, rate=1e-3, batch=64)  # what keeps a GPU busy


def _against_first(settings: dict[str, Setting]) -> list[Variant]:
    first = next(iter(settings))
    return [Variant(name, setting, None if name == first else first) for name, setting in settings.items()]


def _in_pairs(pairs: Sequence[tuple[tuple[str, Setting], tuple[str, Setting]]]) -> list[Variant]:
    return [
        variant
        for (name, setting), (other, changed) in pairs
        for variant in (Variant(name, setting, None), Variant(other, changed, name))
    ]


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "compare-heads",
            "1 to 8 heads at equal width",
            _against_first(
                {
                    "1 head": replace(BASE, heads=1),
                    "2 heads": replace(BASE, heads=2),
                    "4 heads": replace(BASE, heads=4),
                    "8 heads": replace(BASE, heads=8),
                }
            ),
        ),
        Experiment(
            "compare-positions",
            "positions: sinusoidal, learned, rotary, relative, none, also beyond the trained length",
            _against_first(
                {
                    "sinusoidal": replace(BASE, positions="sinusoidal"),
                    "learned": replace(BASE, positions="learned"),
                    "rotary": BASE,
                    "relative": replace(BASE, positions="relative"),
                    "none": replace(BASE, positions="none"),
                }
            ),
            times=(1, 2, 4),
            note="Learned positions beyond the trained length are as they were drawn: no step has changed them.",
        ),
        Experiment(
            "compare-norms",
            "layer norm against batch norm",
            _in_pairs(
                [
                    (("layer norm", BASE), ("batch norm", replace(BASE, norm="batch"))),
                    (
                        ("layer norm, 2 windows a step", replace(BASE, batch=2)),
                        ("batch norm, 2 windows a step", replace(BASE, batch=2, norm="batch")),
                    ),
                ]
            ),
            note="Batch norm takes means over all windows and places of a step in training, and running ones of them "
            "when it is judged.",
        ),
        Experiment(
            "compare-activations",
            "ReLU, GELU and leaky ReLU",
            _against_first(
                {
                    "ReLU": replace(BASE, activation="relu"),
                    "GELU": BASE,
                    "leaky ReLU": replace(BASE, activation="leaky_relu"),
                }
            ),
        ),
        Experiment(
            "compare-warm-up",
            "with and without warm-up, post-norm at two learning rates, and pre-norm",
            _in_pairs(
                [
                    (
                        (f"{place}-norm, {rate:g}, warm-up", replace(DEEP, norm_first=first, rate=rate)),
                        (f"{place}-norm, {rate:g}, none", replace(DEEP, norm_first=first, rate=rate, warmup=0.0)),
                    )
                    for place, first, rate in (("post", False, 1e-2), ("post", False, 2e-2), ("pre", True, 2e-2))
                ]
            ),
            steps=150,
        ),
        Experiment(
            "compare-norm-places",
            "post-norm against pre-norm by depth",
            _in_pairs(
                [
                    (
                        (f"pre-norm, {layers} layers", replace(BASE, layers=layers, width=32)),
                        (f"post-norm, {layers} layers", replace(BASE, layers=layers, width=32, norm_first=False)),
                    )
                    for layers in (2, 6, 12)
                ]
            ),
            steps=150,
        ),
        Experiment(
            "compare-rnn",
            "LSTM and GRU against a Transformer of as many parameters",
            _against_first(
                {"Transformer": BASE, "LSTM": replace(BASE, kind="lstm", rate=3e-2), "GRU": replace(BASE, kind="gru")}
            ),
            note="Each has the better learning rate of 0.01 and 0.03 (two plays, one seed): 0.03 for the LSTM.",
        ),
        Experiment(
            "compare-precisions",
            "mixed precision: float32, bfloat16, float16",
            _against_first(
                {
                    "float32": replace(LARGE, precision="fp32"),
                    "bfloat16": replace(LARGE, precision="bf16"),
                    "float16": replace(LARGE, precision="fp16"),
                }
            ),
            length=256,
            needs_gpu=True,
        ),
    )
}
