"""What people are told of probes: a table for each property, what is left out, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nlpkit.probing.layers import Found
from nlpkit.probing.material import Material, Part
from nlpkit.probing.probes import Figures
from nlpkit.reporting import Estimate, Table, counted

HEADER = ("layer", "accuracy", "macro-F1", "control", "selectivity", "untrained")
FEW_KNOWN = 0.5  # share of words known from train, below which a control task tells little
SHOWN = 3  # places that a message names


def unread_lines(split: str, unread: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Which rows of a split cannot be used.

    Args:
        unread: why, with where they stand.
    """
    for why, places in unread.items():
        where = "; ".join(places[:SHOWN]) + (", ..." if len(places) > SHOWN else "")
        yield f"{split}: {counted(len(places), 'row is', 'rows are')} left out: {why} ({where})"


def rows_read(split: str, part: Part, max_words: int) -> Iterator[tuple[str, bool]]:
    """What became of the rows of a split, each with whether it is worth a warning."""
    yield from ((line, True) for line in unread_lines(split, part.unread))
    readable = part.rows - sum(map(len, part.unread.values()))
    if part.drawn < readable:
        yield (
            (
                f"{split}: {part.drawn:,} of {readable:,} rows drawn"
                f"{f', with {len(part.forms):,} words' if part.forms else ''} (--max-words {max_words:,})"
            ),
            False,
        )


def left_out(found: Found) -> Iterator[str]:
    """Why labels of a property are not used, by split."""
    for split, counts, used in zip(("train", "validation"), found.task.left_out, found.task.gold, strict=True):
        if counts:
            whys = ", ".join(f"{count:,} {why}" for why, count in counts.most_common())
            yield f"{found.task.name}: {split}: {len(used):,} {found.task.of} are used; left out: {whys}"
    if found.task.unknown:
        those = counted(found.task.unknown, "label of validation is", "labels of validation are")
        yield f"{found.task.name}: {those} unknown to train, and wrong whatever is answered"
    if found.known is not None and found.known < FEW_KNOWN:
        yield (
            f"{found.task.name}: the control task tells little: of {found.known:.0%} of the validation "
            f"{found.task.of} the word stands in train"
        )


def table(found: Found) -> Table:
    """The layers of a model, below what is known without it."""
    task = found.task
    title = (
        f"{task.name} ({found.about}): {len(task.classes)} classes, "
        f"{len(task.gold[0]):,} {task.of} to learn from, {len(task.gold[1]):,} to judge by"
    )
    alone = "bag of words" if task.of == "sentences" else "word alone"
    rows: list[list[Any]] = [_row("most frequent", found.majority), _row(alone, found.alone)]
    for one in found.layers:
        control = None if one.control is None else one.control.figures.accuracy
        untrained = None if one.untrained is None else one.untrained.figures.accuracy
        name = "0, embeddings" if one.layer == 0 else str(one.layer)
        rows.append([*_row(name, one.probe.figures)[:3], control, one.selectivity, untrained])
    if found.mix is not None:
        rows.append(_row("all, mixed", found.mix.figures))
    return Table(title, HEADER, rows)


def _row(name: str, figures: Figures) -> list[Any]:
    ends = figures.intervals.get("accuracy")
    accuracy = figures.accuracy if ends is None else Estimate(figures.accuracy, *ends)
    return [name, accuracy, figures.f1_macro, None, None, None]


def summary(found: Found) -> str:
    """What is found of a property, in a line."""
    best, task = found.best, found.task
    accuracy = best.probe.figures.accuracy
    layer = "the embeddings" if best.layer == 0 else f"layer {best.layer}"
    parts = [f"{task.name}: best in {layer}, {accuracy:.4f}"]
    alone = "a bag of words" if task.of == "sentences" else "the word alone"
    parts.append(f"{100 * (accuracy - found.alone.accuracy):+.1f} points on {alone}")
    if best.untrained is not None:
        untrained = max(one.untrained.figures.accuracy for one in found.layers if one.untrained)
        parts.append(f"{100 * (accuracy - untrained):+.1f} on the best layer of an untrained model")
    if found.mix is not None:
        parts.append(f"center of gravity {found.mix.center:.2f}")
    return ", ".join(parts)


def metrics(found: Sequence[Found]) -> dict[str, float]:
    """The accuracy of the best layer by property, and the center of gravity."""
    values = {}
    for one in found:
        values[f"{one.task.name}_accuracy"] = round(one.best.probe.figures.accuracy, 5)
        if one.mix is not None:
            values[f"{one.task.name}_center"] = round(one.mix.center, 4)
    return values


def lines(found: Sequence[Found], output: Path) -> list[str]:
    """What it comes to, and where it stands."""
    return [*(summary(one) for one in found), f"probes.json, plots/layers.png, README.md in {output}"]


def about(material: Material, model: str) -> str:
    """What is probed, in a few words."""
    return f"{model} probed for {', '.join(one.name for one in material.properties)}"
