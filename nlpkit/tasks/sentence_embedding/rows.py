"""The rows of a split, as examples: cells are read, and what cannot be used is left out and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlpkit.data import checks
from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.data.labels import as_target, is_missing
from nlpkit.data.spelling import folded
from nlpkit.reporting import counted
from nlpkit.tasks.sentence_embedding import filling, inference
from nlpkit.tasks.sentence_embedding.layout import Layout
from nlpkit.tasks.sentence_embedding.recognition import TRUTH
from nlpkit.tasks.sentence_embedding.shapes import LIKENESS

if TYPE_CHECKING:
    from datasets import Dataset

REASONS = {
    "empty-text": "have an empty text",
    "unreadable-text": "have a text that cannot be read",
    "missing-label": "have no label",
    "false-negative": "have for a negative their own text, or the one that belongs to it,",
    "no-negative": "have no negative, nor could be given one of another row",
    "unreadable-label": "have a label that cannot be read",
    "unreadable-vector": "have no vector of the width of the others",
}


class _LeftOut(Exception):
    """A row cannot be used: the check that it fails, and a line that says where."""


class Rows:
    """Makes examples of the rows of a split, and counts what cannot be used."""

    def __init__(self, layout: Layout, split: str, total: int) -> None:
        self.layout, self.split, self.total = layout, split, total
        self.left_out: dict[str, list[str]] = {}
        self.false_negatives: list[str] = []
        self.notes: list[Finding] = []

    def read(self, rows: Dataset, places: Sequence[str]) -> Dataset:
        """Examples with `where`."""
        from datasets import Dataset as ArrowDataset
        from datasets import Features, List, Value

        layout = self.layout
        cells = {name: rows[name][:] for name in layout.columns}
        kept: dict[str, list[Any]] = {"text": []}
        read: dict[str, Callable[[Any], Any]] = {}
        types: dict[str, Any] = {"text": Value("string"), "where": Value("string")}
        if layout.pair:
            kept["text_pair"], types["text_pair"] = [], Value("string")
        if layout.shape in ("pairs", "triplets") and layout.negatives:
            kept["negatives"] = []
            types["negatives"] = List(Value("string"), length=1 if layout.shape == "triplets" else -1)
        if layout.label:
            kept["label"], read["label"] = [], self._label_reader(cells[layout.label])
            types["label"] = LIKENESS.column_type() if layout.shape == "scored-pairs" else Value("int64")
        if layout.vector:
            kept["vector"], types["vector"] = [], List(Value("float32"))
        where: list[str] = []
        for i, place in enumerate(places):
            try:
                row = self._row({name: column[i] for name, column in cells.items()}, place, read.get("label"))
            except _LeftOut as reason:
                self._leave_out(*reason.args)
                continue
            where.append(place)
            for name, values in kept.items():
                values.append(row[name])
        kept["where"] = where
        if layout.shape == "nli":
            kept, note = inference.ranked(kept, self.split)
            self.notes.append(note)
            del types["label"]
            if "negatives" in kept:
                types["negatives"] = List(Value("string"), length=1)
        if layout.shape == "translations":
            kept["translated"], types["translated"] = [True] * len(where), Value("bool")
        if "negatives" in kept and layout.shape == "pairs" and self.split == "train":
            self._fill_up(kept)
        if "vector" in kept:
            self._of_one_width(kept)
        return ArrowDataset.from_dict(kept, features=Features({name: types[name] for name in kept}))

    def _row(self, cells: Mapping[str, Any], place: str, label: Callable[[Any], Any] | None) -> dict[str, Any]:
        """The parts of an example.

        Raises:
            _LeftOut: the row cannot be used.
        """
        layout, row = self.layout, dict[str, Any]()
        for part, name in (("text", layout.text), ("text_pair", layout.pair)):
            if name is None:
                continue
            if is_missing(cells[name]):
                raise _LeftOut("empty-text", f"{place}: column '{name}' is empty")
            try:
                row[part] = column_names.as_text(cells[name], name)
            except ValueError as error:
                raise _LeftOut("unreadable-text", f"{place}: {error}") from None
        if layout.negatives:
            row["negatives"] = [text for name in layout.negatives for text in _listed(cells[name])]
            if layout.shape == "triplets" and len(row["negatives"]) != 1:
                raise _LeftOut("empty-text", f"{place}: column '{layout.negatives[0]}' is empty")
            row["negatives"] = self._wrong(row, place)
        if layout.label and label is not None:
            cell = cells[layout.label]
            if is_missing(cell):
                raise _LeftOut("missing-label", f"{place}: column '{layout.label}' is empty")
            row["label"] = label(cell)
            if row["label"] is None:
                raise _LeftOut("unreadable-label", f"{place}: {cell!r}")
        if layout.vector:
            vector = cells[layout.vector]
            if not isinstance(vector, list) or not vector or any(as_target(number) is None for number in vector):
                raise _LeftOut("unreadable-vector", f"{place}: column '{layout.vector}'")
            row["vector"] = vector
        return row

    def _wrong(self, row: Mapping[str, Any], place: str) -> list[str]:
        """The negatives of a row but for those that are right: its own text, and what belongs to it.

        Raises:
            _LeftOut: it is a triplet, and has no other.
        """
        right = {folded(row["text"]), folded(row.get("text_pair", ""))}
        wrong = [text for text in row["negatives"] if folded(text) not in right]
        if len(wrong) == len(row["negatives"]):
            return wrong
        line = f"{place}: {next(text for text in row['negatives'] if folded(text) in right)!r}"
        if self.layout.shape == "triplets":
            raise _LeftOut("false-negative", line)
        self.false_negatives.append(line)
        return wrong

    def _leave_out(self, check: str, line: str) -> None:
        self.left_out.setdefault(check, []).append(line)

    def _label_reader(self, cells: Sequence[Any]) -> Callable[[Any], Any]:
        """What gives the label of a cell as the task needs it; None of one that says none."""
        layout = self.layout
        if layout.shape == "scored-pairs":
            return as_target
        if layout.shape == "labelled-pairs":
            return _truth
        if layout.shape == "nli":
            return lambda cell: inference.label(cell, layout.names)
        classes = {name: i for i, name in enumerate(layout.names or sorted({str(cell) for cell in cells}))}
        named = layout.names

        def number(cell: Any) -> int | None:
            if named and isinstance(cell, int):
                return cell if 0 <= cell < len(named) else None
            return classes.get(str(cell))

        return number

    def _fill_up(self, kept: dict[str, list[Any]]) -> None:
        """Give each row of train as many negatives as the one with most, and leave out one that gets none."""
        kept["negatives"], short = filling.filled(kept)
        if not short:
            return
        rows, most = counted(len(short), "row has", "rows have"), max(map(len, kept["negatives"]))
        message = (
            f"{self.split}: {rows} fewer than {most} negatives and are given some of other rows, or their own again"
        )
        self.notes.append(Finding("note", "negatives", message, len(short)))
        bare = {i for i in short if not kept["negatives"][i]}
        for i in sorted(bare):
            self._leave_out("no-negative", f"{kept['where'][i]}: {kept['text'][i]!r}")
        for name, values in kept.items():
            kept[name] = [value for i, value in enumerate(values) if i not in bare]

    def _of_one_width(self, kept: dict[str, list[Any]]) -> None:
        widths = Counter(map(len, kept["vector"]))
        width = widths.most_common(1)[0][0] if widths else 0
        good = [i for i, vector in enumerate(kept["vector"]) if len(vector) == width]
        for i in set(range(len(kept["vector"]))) - set(good):
            self._leave_out("unreadable-vector", f"{kept['where'][i]}: {len(kept['vector'][i])} numbers, not {width}")
        for name, values in kept.items():
            kept[name] = [values[i] for i in good]

    def findings(self, left: int) -> list[Finding]:
        """What was left out, and why.

        Args:
            left: examples that were made.
        """
        found = [
            Finding(
                "warning",
                check,
                f"{self.split}: {len(lines):,} of {self.total:,} rows {REASONS[check]} and are left out",
                len(lines),
                lines,
            )
            for check, lines in self.left_out.items()
        ]
        if self.false_negatives:
            rows = counted(len(self.false_negatives), "row has", "rows have")
            message = f"{self.split}: {rows} among its negatives its own text, or what belongs to it: left out"
            found.append(Finding("warning", "false-negative", message, len(self.false_negatives), self.false_negatives))
        found += self.notes
        if self.total and not left and self.split in ("train", "validation"):
            found.append(checks.no_rows(self.split, self.total, found))
        return found


def _listed(cell: Any) -> Iterator[str]:
    """The texts of a cell of negatives: one, or a list; those that are empty are none."""
    for text in cell if isinstance(cell, list) else [cell]:
        if not is_missing(text):
            yield str(text)


def _truth(cell: Any) -> int | None:
    """1 where a cell says that two texts are alike, 0 where it says that they are not."""
    number = as_target(cell)
    if number is not None:
        return int(number) if number in (0.0, 1.0) else None
    return TRUTH.get(folded(str(cell)))
