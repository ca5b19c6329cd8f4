"""Rows of texts, and of what is known of them, for sentence embedding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from nlpkit import reporting
from nlpkit.data import collections
from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.options import Config, TextColumnOptions
from nlpkit.tasks.reading import Reader, asked
from nlpkit.tasks.sentence_embedding import queries, recognition
from nlpkit.tasks.sentence_embedding.layout import Layout
from nlpkit.tasks.sentence_embedding.options import EmbeddingExplainOptions, ShapeOptions
from nlpkit.tasks.sentence_embedding.prompts import SEARCHED
from nlpkit.tasks.sentence_embedding.rows import Rows
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.tasks.options import TypedOptions


@dataclass(frozen=True, eq=False)
class EmbeddingReader(Reader[SentenceEmbedding]):
    """Reads single texts to embed, and rows that are trained on or judged.

    Args:
        layout: of the rows; None until their cells are seen, see `settled`.
        named: the columns that were named, and the shape.
        compares: whether both texts of an unlabelled row are read, as their likeness is asked for.
    """

    layout: Layout | None = None
    named: ShapeOptions = field(default_factory=ShapeOptions)
    compares: bool = False

    @classmethod
    def of(
        cls, task: SentenceEmbedding, columns: Sequence[str] | None, options: Config | None, *, labelled: bool
    ) -> Self:
        named = asked(ShapeOptions, options) if isinstance(options, ShapeOptions) else ShapeOptions()
        if columns is None:
            return cls(task, task.layout, named)
        if labelled and recognition.is_collection(columns):
            searching = Layout("retrieval", collections.QUERY)
            return cls(task.with_(judged=searching), searching, named)
        if labelled:
            known = task.judged or task.layout
            there = known is not None and set(known.columns) <= set(columns)
            return cls(task, known if there and not _names_columns(named) else None, named)
        text = asked(TextColumnOptions, options).text_column
        if text is None:
            text = task.text if task.text in columns else column_names.guess(columns, recognition.ANCHORS)
            if text is not None and text != task.text:
                reporting.current().note(f"text: column '{text}' (guessed; --text-column)")
        if text is None:
            raise UserError(
                f"no column looks like text; the columns are {', '.join(columns)}", "Name it with --text-column."
            )
        alone = Layout("texts", column_names.require(text, columns, "text"))
        if isinstance(options, EmbeddingExplainOptions):
            return cls(task, replace(alone, pair=_second(task, alone.text, columns, options)), named, compares=True)
        if isinstance(options, ShapeOptions):  # they are added to rows that are learnt from
            _tell_of_sides(task, alone, f"'{alone.text}'")
        return cls(task, alone, named)

    @property
    def input_columns(self) -> list[str]:
        if self.layout is None:
            return [self.task.text]
        return [self.layout.text, self.layout.pair] if self.layout.pair else [self.layout.text]

    @property
    def rewordable_columns(self) -> list[str]:
        """The texts; those of a collection are what its judgements are of."""
        return [] if self.layout is not None and self.layout.shape == "retrieval" else self.input_columns

    @property
    def balance_column(self) -> str | None:
        labelled = self.layout is not None and self.layout.shape in ("labelled-texts", "labelled-pairs")
        return self.layout.label if labelled and self.layout else None

    @property
    def group_column(self) -> str | None:
        """Of inference pairs the premise: what becomes one example of several rows may not be parted."""
        return self.layout.text if self.layout is not None and self.layout.shape == "nli" else None

    @property
    def drawn_together(self) -> str | None:
        return self.group_column

    def keys(self, rows: Dataset) -> Iterator[str]:
        if self.layout is None:  # rows are held out before their kind is told, in columns of any name
            return replace(self, layout=recognition.find(rows, self.named)).keys(rows)
        return super().keys(rows)

    def row_keys(self, rows: Dataset) -> Iterator[str]:
        if self.layout is None:
            return replace(self, layout=recognition.find(rows, self.named)).row_keys(rows)
        return super().row_keys(rows)

    def labelled(self, columns: Sequence[str]) -> bool:
        if self.layout is None:
            return True
        return self.layout.shape != "texts" and set(self.layout.columns) <= set(columns)

    def usable(self, columns: Sequence[str]) -> bool:
        return self.layout is None or set(self.layout.columns) <= set(columns)

    def settled(self, rows: Dataset, split: str, origin: LoadedData) -> Self:
        """With the layout of the rows, of which their cells tell."""
        if self.layout is not None:
            return self
        found = recognition.told(rows, split, self.named)
        task = self.task.with_(layout=self.task.layout or found, judged=found)
        return replace(self, layout=found, task=task)

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        assert self.layout is not None
        found = {"text": column_names.cell(row, self.layout.text, recognition.ANCHORS)}
        if self.compares and self.layout.pair:
            found["text_pair"] = column_names.cell(row, self.layout.pair, ())
        return found

    def typed(self, options: TypedOptions) -> tuple[list[dict[str, Any]], Self]:
        """Each text by itself, also where rows that are judged are pairs; or with the one that it is compared with.

        Raises:
            UserError: there are not as many second texts, where there are some.
        """
        seconds = options.text_pair if isinstance(options, EmbeddingExplainOptions) else []
        if not seconds:
            return [{"text": text} for text in options.texts], replace(self, layout=Layout("texts", "text"))
        if len(seconds) != len(options.texts):
            raise UserError(f"{len(options.texts)} TEXT but {len(seconds)} --text-pair", "Give one for each TEXT.")
        rows = zip(options.texts, seconds, strict=True)
        compared = replace(self, layout=Layout("texts", "text", pair="text_pair"), compares=True)
        return [{"text": text, "text_pair": other} for text, other in rows], compared

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        findings = findings if findings is not None else []
        layout = self._of_split(rows, split)
        if layout.shape == "retrieval":
            return queries.of_collection(rows, split, origin, self.task.vectors, findings)
        made = Rows(layout, split, len(rows))
        examples = made.read(rows, origin.places(rows, split))
        findings += made.findings(len(examples))
        if not layout.searches or not self.task.has_sides:
            _tell_of_sides(self.task, layout, split)
            return examples
        query, document = (self.task.vectors.prompt_of(part) for part in ("query", "document"))
        reporting.current().note(
            f"{split}: texts of '{layout.text}' begin with {query!r}, of '{layout.pair}' with {document!r}"
        )
        return examples.add_column(SEARCHED, [True] * len(examples))

    def _of_split(self, rows: Dataset, split: str) -> Layout:
        """The layout of a split, which may be another than that of train."""
        columns = user_columns(rows.column_names)
        if recognition.is_collection(columns):
            return Layout("retrieval", collections.QUERY)
        for known in (self.task.judged if split != "train" else None, self.layout):
            if known is not None and set(known.columns) <= set(columns):
                return known
        return recognition.told(rows, split, self.named)


def _second(task: SentenceEmbedding, text: str, columns: Sequence[str], options: EmbeddingExplainOptions) -> str | None:
    """The column of the text that each is compared with: the one named, that of training, or a guess, which is told;
    None: there is none.

    Raises:
        UserError: there is none of the name.
    """
    if options.text_pair_column:
        return column_names.require(options.text_pair_column, columns, "second text")
    trained = task.layout.pair if task.layout else None
    if trained in columns and trained != text:
        return trained
    guessed = column_names.guess_pair(columns)
    if guessed is None or guessed[0] != text:
        return None
    reporting.current().note(f"second text: column '{guessed[1]}' (guessed; --text-pair-column)")
    return guessed[1]


def _tell_of_sides(task: SentenceEmbedding, layout: Layout, what: str) -> None:
    """Say where a model has prompts for queries and for documents, and nothing tells which texts are which.

    Args:
        what: the rows that are read.
    """
    vectors = task.vectors
    if not (task.has_sides or vectors.asymmetric) or (layout.pair and vectors.asymmetric):
        return
    query, document = (vectors.prompt_of(part) for part in ("query", "document"))
    ways = "--prompt-name or --prompt puts one before each text"
    unknown = "texts by themselves are of neither side"
    if layout.pair:
        unknown = f"'{layout.text}' and '{layout.pair}' are names of neither side"
    reporting.current().note(
        f"{what}: the model has a prompt for queries, {query!r}, and for documents, {document!r}: {unknown} and are "
        f"read without ({ways})"
    )


def _names_columns(named: ShapeOptions) -> bool:
    """Whether one is named; a command that takes the data of a model's run has its options too, named or not."""
    return any(getattr(named, name) for name in ShapeOptions.model_fields)
