"""Every layer probed for every property, beside a control task, an untrained model and the words alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nlpkit import machine, reporting
from nlpkit.errors import UserError
from nlpkit.probing import mixing, opened, probes, states
from nlpkit.probing.material import Material, Part
from nlpkit.probing.mixing import Mix
from nlpkit.probing.opened import Opened
from nlpkit.probing.options import ProbeOptions
from nlpkit.probing.probes import Figures, Fitted, Task
from nlpkit.probing.states import States
from nlpkit.runs.folder import human_bytes

SPARE = 1.3  # times the states: what probes, the model and the libraries take besides


@dataclass
class OfLayer:
    """What was found in a layer.

    Attributes:
        layer: 0 for the embeddings.
        probe: of the model.
        control: the same for random labels that hang on the word alone; None of sentences, which stand once each.
        untrained: of a model of the same shape with random weights; None where that is not asked for.
    """

    layer: int
    probe: Fitted
    control: Fitted | None
    untrained: Fitted | None = None

    @property
    def selectivity(self) -> float | None:
        """By how much the property is found better than random labels; None where there is no control task."""
        return None if self.control is None else self.probe.figures.accuracy - self.control.figures.accuracy


@dataclass
class Found:
    """What was found of a property.

    Attributes:
        task: the property as numbers.
        about: for people.
        majority: the most frequent class for all.
        alone: what the word says without a model, of sentences a bag of words.
        known: share of validation whose word stands in train; None of sentences.
        layers: by layer.
        mix: of all layers; None where one alone is probed.
    """

    task: Task
    about: str
    majority: Figures
    alone: Figures
    known: float | None
    layers: list[OfLayer] = field(default_factory=list)
    mix: Mix | None = None

    @property
    def best(self) -> OfLayer:
        """The layer with the highest accuracy, the lowest of equals."""
        return max(self.layers, key=lambda one: (one.probe.figures.accuracy, -one.layer))

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "about": self.about,
            "of": self.task.of,
            "classes": self.task.classes,
            "train": len(self.task.gold[0]),
            "validation": len(self.task.gold[1]),
            "left_out": {
                split: dict(counts) for split, counts in zip(("train", "validation"), self.task.left_out, strict=True)
            },
            "labels_unknown_to_train": self.task.unknown,
            "words_known_from_train": None if self.known is None else round(self.known, 5),
            "majority": self.majority.record(),
            "word_alone": self.alone.record(),
            "layers": [_of_layer(one) for one in self.layers],
            "best_layer": self.best.layer,
            "mix": None if self.mix is None else self.mix.record(),
        }


def _of_layer(one: OfLayer) -> dict[str, Any]:
    untrained = one.untrained.figures.record() if one.untrained else None
    control = one.control.figures.record() if one.control else None
    selectivity = None if one.selectivity is None else round(one.selectivity, 5)
    steps = {"steps": one.probe.steps, "settled": one.probe.settled}
    return {
        "layer": one.layer,
        **one.probe.figures.record(),
        "control": control,
        "selectivity": selectivity,
        "untrained": untrained,
        **steps,
    }


def chosen(asked: str | None, model: Opened) -> list[int]:
    """The layers that are asked for, ascending; all where nothing is said.

    Raises:
        UserError: there is no such layer.
    """
    if asked is None:
        return list(range(model.layers + 1))
    found: set[int] = set()
    for part in asked.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        bounds = int(first), int(last or first)
        if bounds[0] > bounds[1]:
            raise UserError(f"--layers {part} ends before it begins", f"--layers {bounds[1]}-{bounds[0]}")
        if bounds[1] > model.layers:
            raise UserError(
                f"--layers {part}: {model.name} has the layers 1 to {model.layers}, and 0 for the embeddings",
                f"--layers 0-{model.layers}",
            )
        found.update(range(bounds[0], bounds[1] + 1))
    return sorted(found)


def bytes_needed(model: Opened, material: Material, layers: Sequence[int]) -> int:
    """What the states of both splits take in memory."""
    rows = sum(_rows(material, part) for part in (material.train, material.validation))
    return states.bytes_of(len(layers), rows, model.width)


def _rows(material: Material, part: Part) -> int:
    of = {one.of for one in material.properties}
    return (len(part.forms) if of & {"words", "pairs"} else 0) + (len(part.sentences) if "sentences" in of else 0)


def require_memory(needed: int) -> None:
    """Raises UserError: the states of all layers would take more memory than is free."""
    free = machine.memory()["available_bytes"]
    if needed * SPARE > free:
        raise UserError(
            f"the states of these words in these layers take {human_bytes(needed)}, and {human_bytes(free)} are free",
            "Take fewer words or layers: --max-words, --layers.",
        )


def probed(model: Opened, material: Material, layers: Sequence[int], config: ProbeOptions) -> list[Found]:
    """Probe the layers of a model for all properties, and then those of an untrained one of its shape."""
    found = _of_model(model, material, layers, config)  # whose states are gone when those of the other are made
    if config.untrained:
        _add_untrained(found, opened.untrained(model, config.seed), material, layers, config)
    _tell_unsettled(found)
    return found


def _of_model(model: Opened, material: Material, layers: Sequence[int], config: ProbeOptions) -> list[Found]:
    parts = (material.train, material.validation)
    given = _states(model, material, layers, config, "states")
    tell_of_cuts(model, material, given)
    tasks = [probes.task_of(one, parts, given) for one in material.properties]
    found = []
    fits = sum(len(layers) * (1 if task.of == "sentences" else 2) + 1 for task in tasks)
    with reporting.current().progress("probes", fits, "probes") as bar:
        for one, task in zip(material.properties, tasks, strict=True):
            by_sentence = task.of == "sentences"
            alone = probes.by_bag(task, parts) if by_sentence else probes.by_word(task)
            known = None if by_sentence else probes.known_share(task)
            result = Found(task, one.about, probes.majority(task), alone, known)
            labels = None if by_sentence else probes.control(task, config.seed)
            for position, layer in enumerate(layers):
                features = _features(task, given, position)
                probe = probes.fit(features, task.gold, task.units[1])
                control = None if labels is None else probes.fit(features, labels, task.units[1])
                result.layers.append(OfLayer(layer, probe, control))
                bar.advance(1 if control is None else 2)
            result.mix = mixing.mixed(task, given, config.seed) if len(layers) > 1 else None
            bar.advance()
            found.append(result)
    return found


def _add_untrained(
    found: Sequence[Found], model: Opened, material: Material, layers: Sequence[int], config: ProbeOptions
) -> None:
    given = _states(model, material, layers, config, "untrained states")
    with reporting.current().progress("untrained probes", len(found) * len(layers), "probes") as bar:
        for one in found:
            for position, at in enumerate(one.layers):
                at.untrained = probes.fit(_features(one.task, given, position), one.task.gold, one.task.units[1])
                bar.advance()


def _features(task: Task, given: tuple[States, States], position: int) -> list[np.ndarray]:
    train, validation = (task.features(one, position, side) for side, one in enumerate(given))
    return probes.standardised(train, [validation])


def _states(
    model: Opened, material: Material, layers: Sequence[int], config: ProbeOptions, told: str
) -> tuple[States, States]:
    of = {one.of for one in material.properties}
    both = (material.train, material.validation)
    with reporting.current().progress(told, sum(len(part.sentences) for part in both), "sentences") as bar:
        train, validation = (
            states.states(
                model,
                part.sentences,
                layers=layers,
                word=config.word if of & {"words", "pairs"} else None,
                pooling=config.pooling if "sentences" in of else None,
                bar=bar,
            )
            for part in both
        )
    return train, validation


def tell_of_cuts(model: Opened, material: Material, given: tuple[States, States]) -> None:
    """Say how many sentences are not read to their end, where a label is of the whole sentence."""
    if not any(one.of == "sentences" for one in material.properties):
        return
    for split, one in zip(("train", "validation"), given, strict=True):
        if cut := int(one.cut_sentences.sum()):
            reporting.current().warn(
                f"{split}: {cut:,} of {len(one.cut_sentences):,} sentences are longer than {model.limit} tokens: "
                "their labels are probed in the states of their beginnings"
            )


def _tell_unsettled(found: Sequence[Found]) -> None:
    fits = [fit for one in found for at in one.layers for fit in (at.probe, at.control, at.untrained) if fit]
    if open_ones := sum(not fit.settled for fit in fits):
        reporting.current().note(
            f"{open_ones} of {len(fits)} probes were stopped after {probes.MOST_STEPS} steps, before they had settled "
            "(probes.json: settled)"
        )
