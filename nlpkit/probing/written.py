"""What `probe` writes: the figures of all layers, pictures, and a card that says what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit.markdown import code, text
from nlpkit.probing import drawing, told
from nlpkit.reporting import Table, cell
from nlpkit.runs import plots
from nlpkit.runs.files import ornament, write_json

if TYPE_CHECKING:
    from nlpkit.probing.layers import Found

PROBES = "probes.json"
CARD = "README.md"
SEEN = {
    "layers": "Accuracy by layer and property. A colour compares the layers of a property, not properties.",
    "profiles": "The model beside the control task, an untrained model of its shape, and the words without a model.",
    "weights": "Where a probe may read all layers: the weight of each, and the mean of the layers by these weights.",
}
MEANT = """A layer that lets a linear probe tell a property apart holds it in a form that later layers can use; whether
the model uses it is not shown. *Control* is the same probe on random labels that hang on the word alone (Hewitt and
Liang 2019), *selectivity* how much better the property is found than those. *Untrained* is a model of the same shape
with random weights: what it scores comes from the shape and the words. *Word alone* answers the most frequent label of
each word, *bag of words* is a classifier of the words of a text without their order."""


def write(folder: Path, found: Sequence[Found], head: Mapping[str, Any], title: str) -> None:
    """The files of a run in a folder.

    Args:
        head: what probes.json begins with: model, layers, how states were made.
        title: heading of the card and of the heat map.
    """
    write_json(folder / PROBES, {**head, "properties": {one.task.name: one.record() for one in found}})
    drawings = {"layers": drawing.heat_map(found, title), "profiles": drawing.profiles(found)}
    if all(one.mix is not None for one in found):
        drawings["weights"] = drawing.weights(found)
    drawn = plots.draw(drawings, folder / "plots")
    with ornament(f"the card {CARD}"):
        (folder / CARD).write_text(_card(found, head, title, drawn), encoding="utf-8")


def _card(found: Sequence[Found], head: Mapping[str, Any], title: str, drawn: Sequence[str]) -> str:
    parts = [f"# {text(title)}", f"{text(head['model'])}: {text(head['described'])}. Data: {code(head['data'])}."]
    parts.append("\n".join(f"- {text(told.summary(one))}" for one in found))
    parts += [f"![{name}](plots/{name}.png)\n\n{SEEN[name]}" for name in drawn]
    parts += [as_markdown(told.table(one)) for one in found]
    said = [line for one in found for line in told.left_out(one)]
    parts += ["## What is not used", "\n".join(f"- {text(line)}" for line in said)] if said else []
    return "\n\n".join([*parts, "## What the columns mean", MEANT]) + "\n"


def as_markdown(table: Table) -> str:
    """A table with its title as heading."""
    lines = [f"| {' | '.join(table.header)} |", "|" + "---|" * len(table.header)]
    lines += [f"| {' | '.join(text(cell(value)) for value in row)} |" for row in table.rows]
    return f"## {text(table.title)}\n\n" + "\n".join(lines)
