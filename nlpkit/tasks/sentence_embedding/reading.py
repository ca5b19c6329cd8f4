"""Rows of texts, and of what is known of them, for sentence embedding."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nlpkit import reporting
from nlpkit.data import checks, collections
from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.data.labels import as_target, is_missing
from nlpkit.data.places import user_columns
from nlpkit.data.spelling import folded
from nlpkit.errors import UserError
from nlpkit.options import Config, TextColumnOptions
from nlpkit.reporting import counted
from nlpkit.tasks.reading import Reader, asked
from nlpkit.tasks.sentence_embedding import layout as layouts
from nlpkit.tasks.sentence_embedding.layout import Layout
from nlpkit.tasks.sentence_embedding.options import ShapeOptions
from nlpkit.tasks.sentence_embedding.shapes import LIKENESS
from nlpkit.tasks.sentence_embedding.task import SEARCHED, SentenceEmbedding

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.options import TypedOptions

REASONS = {
    "empty-text": "have an empty text",
    "unreadable-text": "have a text that cannot be read",
    "missing-label": "have no label",
    "no-negative": "have no negative, nor could be given one of another row",
    "unreadable-label": "have a label that cannot be read",
    "unreadable-vector": "have no vector of the width of the others",
}


@dataclass(frozen=True, eq=False)
class EmbeddingReader(Reader[SentenceEmbedding]):
    """Reads single texts to embed, and rows that are trained on or judged.

    Args:
        layout: of the rows; None until their cells are seen, see `settled`.
        named: the columns that were named, and the shape.
    """

    layout: Layout | None = None
    named: ShapeOptions = field(default_factory=ShapeOptions)

    @classmethod
    def of(
        cls, task: SentenceEmbedding, columns: Sequence[str] | None, options: Config | None, *, labelled: bool
    ) -> Self:
        named = asked(ShapeOptions, options) if isinstance(options, ShapeOptions) else ShapeOptions()
        if columns is None:
            return cls(task, task.layout, named)
        if labelled and layouts.is_collection(columns):
            queries = Layout("retrieval", collections.QUERY)
            return cls(task.with_(judged=queries), queries, named)
        if labelled:
            known = task.judged or task.layout
            there = known is not None and set(known.columns) <= set(columns)
            return cls(task, known if there and not _names_columns(named) else None, named)
        text = asked(TextColumnOptions, options).text_column
        if text is None:
            text = task.text if task.text in columns else column_names.guess(columns, layouts.ANCHORS)
            if text is not None and text != task.text:
                reporting.current().note(f"text: column '{text}' (guessed; --text-column)")
        if text is None:
            raise UserError(
                f"no column looks like text; the columns are {', '.join(columns)}", "Name it with --text-column."
            )
        alone = Layout("texts", column_names.require(text, columns, "text"))
        return cls(task, alone, named)

    @property
    def input_columns(self) -> list[str]:
        if self.layout is None:
            return [self.task.text]
        return [self.layout.text, self.layout.pair] if self.layout.pair else [self.layout.text]

    @property
    def balance_column(self) -> str | None:
        labelled = self.layout is not None and self.layout.shape in ("labelled-texts", "labelled-pairs")
        return self.layout.label if labelled and self.layout else None

    @property
    def group_column(self) -> str | None:
        """Of inference pairs the premise: what becomes one example of several rows may not be parted."""
        return self.layout.text if self.layout is not None and self.layout.shape == "nli" else None

    def labelled(self, columns: Sequence[str]) -> bool:
        if self.layout is None:
            return True
        return self.layout.shape != "texts" and set(self.layout.columns) <= set(columns)

    def settled(self, rows: Dataset, split: str, origin: LoadedData) -> Self:
        """With the layout of the rows, of which their cells tell."""
        if self.layout is not None:
            return self
        found = layouts.told(rows, split, self.named)
        task = self.task.with_(layout=self.task.layout or found, judged=found)
        return replace(self, layout=found, task=task)

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        assert self.layout is not None
        return {"text": column_names.cell(row, self.layout.text, layouts.ANCHORS)}

    def typed(self, options: TypedOptions) -> tuple[list[dict[str, Any]], Self]:
        """Each text by itself, also where rows that are judged are pairs."""
        return [{"text": text} for text in options.texts], replace(self, layout=Layout("texts", "text"))

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        findings = findings if findings is not None else []
        layout = self._of_split(rows, split)
        if layout.shape == "retrieval":
            return self._queries(rows, split, origin, findings)
        made = _Rows(layout, split, len(rows))
        examples = made.read(rows, origin.places(rows, split))
        findings += made.findings(len(examples))
        if not layout.searches or not self.task.has_sides:
            return examples
        query, document = (self.task.vectors.prompt_of(part) for part in ("query", "document"))
        reporting.current().note(
            f"{split}: texts of '{layout.text}' begin with {query!r}, of '{layout.pair}' with {document!r}"
        )
        return examples.add_column(SEARCHED, [True] * len(examples))

    def _queries(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding]) -> Dataset:
        """Queries that can be judged. The documents are dealt out over them, so that all texts that are to be embedded
        stand in examples: each has a share, in the order of the corpus."""
        from datasets import Dataset as ArrowDataset
        from datasets import Features, List, Value

        corpus = origin.corpus
        assert corpus is not None  # rows with these columns come with it
        kept: list[int] = []
        empty: list[str] = []
        hopeless: list[str] = []
        places = origin.places(rows, split)
        for i, (query, judged) in enumerate(zip(rows[collections.QUERY][:], rows[collections.JUDGED][:], strict=True)):
            if is_missing(query):
                empty.append(f"{places[i]}: the query is empty")
            elif not any(each["grade"] > 0 for each in judged):
                hopeless.append(f"{places[i]}: no document is relevant")
            else:
                kept.append(i)
        for check, examples, what in (
            ("empty-text", empty, "without a text"),
            ("no-relevant-document", hopeless, "for which no document was judged relevant"),
        ):
            if examples:
                left = counted(len(examples), f"query {what} was left out", f"queries {what} were left out")
                findings.append(Finding("warning", check, f"{split}: {left}", len(examples), examples))
        vectors = self.task.vectors
        query, document = (vectors.prompt_of(part) for part in ("query", "document"))
        if query or document:
            reporting.current().note(f"{split}: queries begin with {query!r}, documents with {document!r}")
        bounds = np.linspace(0, len(corpus.ids), len(kept) + 1).astype(int).tolist() if kept else []
        shares = [slice(start, end) for start, end in itertools.pairwise(bounds)]
        grade = {"id": Value("string"), "grade": Value("float64")}
        types = {
            "text": Value("string"),
            "documents": List(Value("string")),
            "document_ids": List(Value("string")),
            "judged": List(grade),
            "corpus": Value("int64"),
            "where": Value("string"),
        }
        made = {
            "text": [rows[collections.QUERY][i] for i in kept],
            "documents": [list(corpus.texts[share]) for share in shares],
            "document_ids": [list(corpus.ids[share]) for share in shares],
            "judged": [rows[collections.JUDGED][i] for i in kept],
            "corpus": [len(corpus.ids)] * len(kept),
            "where": [places[i] for i in kept],
        }
        return ArrowDataset.from_dict(made, features=Features(types))

    def _of_split(self, rows: Dataset, split: str) -> Layout:
        """The layout of a split, which may be another than that of train."""
        columns = user_columns(rows.column_names)
        if layouts.is_collection(columns):
            return Layout("retrieval", collections.QUERY)
        for known in (self.task.judged if split != "train" else None, self.layout):
            if known is not None and set(known.columns) <= set(columns):
                return known
        return layouts.told(rows, split, self.named)


def _names_columns(named: ShapeOptions) -> bool:
    """Whether one is named; a command that takes the data of a model's run has its options too, named or not."""
    return any(getattr(named, name) for name in ShapeOptions.model_fields)


class _LeftOut(Exception):
    """A row cannot be used: the check that it fails, and a line that says where."""


class _Rows:
    """Makes examples of the rows of a split, and counts what cannot be used."""

    def __init__(self, layout: Layout, split: str, total: int) -> None:
        self.layout, self.split, self.total = layout, split, total
        self.left_out: dict[str, list[str]] = {}
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
            kept = self._of_inference(kept)
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
            return lambda cell: _inference(cell, layout.names)
        classes = {name: i for i, name in enumerate(layout.names or sorted({str(cell) for cell in cells}))}
        named = layout.names

        def number(cell: Any) -> int | None:
            if named and isinstance(cell, int):
                return cell if 0 <= cell < len(named) else None
            return classes.get(str(cell))

        return number

    def _of_inference(self, kept: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Triplets of a premise, what it entails and what contradicts it; pairs, where few premises have both."""
        contradictions: dict[str, list[str]] = {}
        for text, second, label in zip(kept["text"], kept["text_pair"], kept["label"], strict=True):
            if label == "contradiction":
                contradictions.setdefault(text, []).append(second)
        entailed = [i for i, label in enumerate(kept["label"]) if label == "entailment"]
        both = [i for i in entailed if kept["text"][i] in contradictions]
        counts = Counter(kept["label"])
        chosen, unused = entailed, f"{counts['neutral']:,} neutral"
        made: dict[str, list[Any]] = {}
        if 2 * len(both) >= len(entailed) and both:
            chosen = both
            turns = {text: cycle(texts) for text, texts in contradictions.items()}
            made["negatives"] = [[next(turns[kept["text"][i]])] for i in both]
            own = {kept["text"][i] for i in both}
            lonely = sum(len(texts) for text, texts in contradictions.items() if text not in own)
            unused += f", {lonely:,} contradictions of premises that entail nothing"
            unused += f", {len(entailed) - len(both):,} entailments of premises without a contradiction"
        else:
            unused += f", {counts['contradiction']:,} contradiction"
        made |= {name: [kept[name][i] for i in chosen] for name in ("text", "text_pair", "where")}
        kind = "premises with what they entail and what contradicts them" if chosen is both else "entailment pairs"
        message = f"{self.split}: {len(chosen):,} {kind} of {len(kept['text']):,} rows; not used: {unused}"
        self.notes.append(Finding("note", "inference", message, len(chosen)))
        return made

    def _fill_up(self, kept: dict[str, list[Any]]) -> None:
        """Give each row of train as many negatives as the one with most: those of other rows that are neither its text
        nor belong to it, and its own once more where there are none.

        A row that has none either is left out.
        """
        negatives = kept["negatives"]
        most = max(map(len, negatives), default=0)
        short = [i for i, texts in enumerate(negatives) if len(texts) < most]
        if not short:
            return
        right: dict[str, set[str]] = {}
        for text, second in zip(kept["text"], kept["text_pair"], strict=True):
            right.setdefault(folded(text), {folded(text)}).add(folded(second))
        pool = list({folded(text): text for texts in negatives for text in texts}.values())
        generator = np.random.default_rng(0)
        for i in short:
            taken = right[folded(kept["text"][i])] | {folded(text) for text in negatives[i]}
            drawn = _drawn(pool, most - len(negatives[i]), taken, generator)
            texts = [*negatives[i], *drawn]
            negatives[i] = [texts[number % len(texts)] for number in range(most)] if texts else []
        rows = counted(len(short), "row has", "rows have")
        message = (
            f"{self.split}: {rows} fewer than {most} negatives and are given some of other rows, or their own again"
        )
        self.notes.append(Finding("note", "negatives", message, len(short)))
        bare = {i for i in short if not negatives[i]}
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
        found += self.notes
        if self.total and not left and self.split in ("train", "validation"):
            found.append(checks.no_rows(self.split, self.total, found))
        return found


def _drawn(pool: Sequence[str], count: int, taken: set[str], generator: np.random.Generator) -> list[str]:
    """Up to `count` different texts of `pool`, without those whose spelling is in `taken`.

    Texts are drawn one by one first, as nearly all of a large pool will do; the rest is looked for in all of it.
    """
    few = generator.choice(len(pool), 4 * count) if pool else np.zeros(0, np.int64)
    found: dict[str, str] = {}
    for numbers in (few, generator.permutation(len(pool))):
        for number in numbers:
            text = pool[number]
            if folded(text) not in taken:
                found.setdefault(folded(text), text)
            if len(found) == count:
                return list(found.values())
    return list(found.values())


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
    return layouts.TRUTH.get(folded(str(cell)))


def _inference(cell: Any, names: Sequence[str]) -> str | None:
    """What a label of inference pairs says; None of what annotators did not agree on."""
    if names and (number := as_target(cell)) is not None:
        cell = names[int(number)] if 0 <= number < len(names) else ""
    return layouts.INFERENCE.get(folded(str(cell)))
