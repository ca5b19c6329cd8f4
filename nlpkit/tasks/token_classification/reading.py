"""Rows of words and their tags, or of texts and their spans, for token classification."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from nlpkit import reporting
from nlpkit.data import checks
from nlpkit.data import columns as column_names
from nlpkit.data.findings import Finding
from nlpkit.data.labels import Labels
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.reporting import counted
from nlpkit.tasks import unknown_labels
from nlpkit.tasks.options import TextOptions, UnknownLabelOptions
from nlpkit.tasks.reading import Reader, asked
from nlpkit.tasks.rewording import Rewordable
from nlpkit.tasks.token_classification import rewording, tagged
from nlpkit.tasks.token_classification.options import TagOptions
from nlpkit.tasks.token_classification.tag_reader import TagReader, token_lines
from nlpkit.tasks.token_classification.tag_sets import SHOWN_TAGS
from nlpkit.tasks.token_classification.tagged import TaggedSentence
from nlpkit.tasks.token_classification.tags import Scheme
from nlpkit.tasks.token_classification.task import TokenClassification

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData


@dataclass(frozen=True, eq=False)
class TokenReader(Reader[TokenClassification]):
    """See the module's docstring.

    Args:
        kind: which tags are taken where rows have several.
        asked_scheme: of the tags of the rows, where the user says it; else it is found out.
        on_bad_tags: whether tags that the scheme does not allow are repaired or an error.
        offsets: how start and end of spans count.
        unknown_labels: what becomes of rows with a tag that the model does not have.
    """

    kind: tagged.Kind | None = None
    asked_scheme: Scheme | None = None
    on_bad_tags: str = "repair"
    offsets: str = "auto"
    unknown_labels: Literal["error", "wrong", "skip"] | None = "wrong"

    @classmethod
    def of(
        cls, task: TokenClassification, columns: Sequence[str] | None, options: Config | None, *, labelled: bool
    ) -> Self:
        settings: dict[str, Any] = {}
        if isinstance(options, UnknownLabelOptions):
            settings["unknown_labels"] = options.unknown_labels
        if isinstance(options, TagOptions):
            scheme = None if options.scheme == "auto" else options.scheme
            settings |= {"on_bad_tags": options.on_bad_tags, "offsets": options.offsets}
            settings |= {"kind": options.column, "asked_scheme": scheme}
        if columns is not None:
            task = task.with_(text=_text_column(task, columns, options))
            if labelled:
                task = task.with_(tags=_tags_column(task, columns, options))
        return cls(task, **settings)

    @property
    def input_columns(self) -> list[str]:
        return [self.task.text]

    def labelled(self, columns: Sequence[str]) -> bool:
        return self.task.tags is None or self.task.tags in columns

    def settled(self, rows: Dataset, split: str, origin: LoadedData) -> Self:
        """With the column of the tags, which is known by what the columns of the first rows hold."""
        if self.task.tags is not None:
            return self
        _, tags = self._columns(rows, split)
        return replace(self, task=self.task.with_(tags=tags))

    def _columns(self, rows: Dataset, split: str) -> tuple[str, str]:
        """The columns of the words and of the tags.

        Raises:
            UserError: one of them is not there.
        """
        columns = user_columns(rows.column_names)
        text = column_names.require(self.task.text, columns, "text", where=f"{split}: ")
        tags = self.task.tags or tagged.tags_column(rows, text, None, self.kind)
        return text, column_names.require(tags, columns, "tag", where=f"{split}: ")

    def examples(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding] | None = None) -> Dataset:
        """Examples with `text`, `starts` and `ends` of its words in it, `tags` (BIO or plain), and `where`."""
        from datasets import Dataset as ArrowDataset
        from datasets import Features, List, Value

        reader, sentences = self._read(rows, split, origin)
        kept: dict[str, list[Any]] = {"text": [], "starts": [], "ends": [], "tags": [], "where": []}
        for where, sentence in zip(reader.places, sentences, strict=True):
            if sentence is not None:
                starts, ends = zip(*sentence.places, strict=True)
                values = (sentence.text, starts, ends, sentence.tags, where)
                for column, value in zip(kept.values(), values, strict=True):
                    column.append(value)
        unknown = self._settle_unknown(split, kept)
        if findings is not None:
            findings += reader.findings(split, self.on_bad_tags) + unknown
            if len(rows) and not kept["text"] and split in ("train", "validation"):
                findings.append(checks.no_rows(split, len(rows), findings))
        place = List(Value("int32"))
        types = {"text": Value("string"), "starts": place, "ends": place, "tags": List(Value("string"))}
        return ArrowDataset.from_dict(kept, features=Features({**types, "where": Value("string")}))

    def _read(self, rows: Dataset, split: str, origin: LoadedData) -> tuple[TagReader, list[TaggedSentence | None]]:
        """What has read the rows, and the sentence of each, with tags; None for one that cannot be used."""
        text, tags = self._columns(rows, split)
        tagged.require_tags(rows, text, tags, where=f"{split}: ")
        plain = self.task.tag_set.plain
        asked: Scheme | None = self.asked_scheme or ("plain" if plain else None)
        spelled = tagged.spelled(asked, () if plain else self.task.classes)
        scheme = self._scheme_of_rows(tagged.scheme_of(rows, tags, asked, spelled), asked, split)
        if (scheme == "plain") != plain:
            kind, other = ("plain tags", "entities") if plain else ("entities", "plain tags")
            raise UserError(
                f"{split}: column '{tags}' holds {other}, the model gives {kind}",
                "Name another: --tag-column; --scheme says how the tags are written.",
            )
        reader = TagReader(scheme, origin.places(rows, split), token_lines(rows))
        texts, cells = rows[text][:], tagged.cells(rows, tags, spelled)
        if tagged.holds_spans(rows, tags):
            other_rows = (
                (other[text][:], other[tags][:], origin.files(other))
                for name, other in origin.splits.items()
                if name != split and {text, tags} <= set(other.column_names) and tagged.holds_spans(other, tags)
            )
            reader.settle_offsets((texts, cells, origin.files(rows)), self.offsets, other_rows)
        return reader, [reader.read(i, *row) for i, row in enumerate(zip(texts, cells, strict=True))]

    def rewordable(self, rows: Dataset, split: str, origin: LoadedData, findings: list[Finding]) -> Rewordable:
        """Sentences whose words carry their tags, all of them written as BIO, or plain; see `rewording`."""
        reader, sentences = self._read(rows, split, origin)
        findings += reader.findings(split, self.on_bad_tags)
        return rewording.of_sentences(rows, *self._columns(rows, split), sentences, reader.scheme)

    def _scheme_of_rows(self, scheme: Scheme, asked: Scheme | None, split: str) -> Scheme:
        """How the tags of a split are written, which need not be how those of train are."""
        if asked or scheme == (known := self.task.data_scheme or "bio"):
            return scheme
        if scheme == "plain":
            return self.task.data_scheme or scheme
        if scheme != "io":  # what has no entity looks like IO, too
            was = f", those of train as {known.upper()}" if self.task.data_scheme else ""
            reporting.current().note(f"{split}: tags are written as {scheme.upper()}{was}: converted to BIO (--scheme)")
        return scheme

    def _settle_unknown(self, split: str, kept: dict[str, list[Any]]) -> list[Finding]:
        """Decide about rows with a tag that the model has no class for; those that are left out leave `kept`.

        Returns:
            What was found.
        """
        counts: Counter[str] = Counter()
        rows: dict[int, str] = {}
        for i, tags in enumerate(kept["tags"]):
            classes = ((tag, self.task.tag_set.class_of(tag)) for tag in tags)
            new = [name for tag, name in classes if name is not None and not self.task.tag_set.has(tag)]
            if new:
                counts.update(new)
                rows[i] = f"{kept['where'][i]}: {new[0]}"
        if not rows:
            return []
        policy, total = self.unknown_labels, len(kept["tags"])
        asked = policy != "skip"
        policy = unknown_labels.decided(policy, len(rows), total, split)
        if policy == "skip":
            for column in kept.values():
                column[:] = [value for i, value in enumerate(column) if i not in rows]
        end = {"skip": " and are left out", "wrong": " and count as wrong"}.get(policy, "")
        if policy == "wrong" and split == "train":
            end = " and are not trained on"
        unknown = unknown_labels.described(counts, Labels("single-label", self.task.classes))
        of_rows = f"in {len(rows):,} of {total:,} rows"
        have = counted(counts.total(), f"word {of_rows} has", f"words {of_rows} have")
        message = f"{split}: {have} a tag that the model has no class for{end}: {unknown}; the model has "
        message += ", ".join(self.task.classes[:SHOWN_TAGS])
        if policy == "error" and asked:
            message += "; write them as the model has them, or choose --unknown-labels wrong or skip"
        level: Any = "error" if policy == "error" else "warning"
        return [Finding(level, "unknown-tag", message, counts.total(), list(rows.values()))]

    def words_of(self, row: Mapping[str, Any]) -> str:
        """The column of the words in a row for prediction.

        Raises:
            ValueError: there is none.
        """
        names = (self.task.text, *tagged.WORD_NAMES, *column_names.TEXT_NAMES)
        column = self.task.text if self.task.text in row else column_names.guess(list(row), names)
        if column is None:
            raise ValueError(f"no column '{self.task.text}'")
        return column

    def inputs(self, row: Mapping[str, Any]) -> dict[str, Any]:
        sentence = tagged.sentence(row[self.words_of(row)])
        starts, ends = zip(*sentence.places, strict=True)
        return {"text": sentence.text, "starts": list(starts), "ends": list(ends)}


def _text_column(task: TokenClassification, columns: Sequence[str], options: Config | None) -> str:
    """The column of the words: the one named, the one of training, or one that looks like words or text.

    Raises:
        UserError: the column that was named does not exist, or none fits.
    """
    if named := asked(TextOptions, options).text_column:
        return column_names.require(named, columns, "text")
    if task.text in columns:
        return task.text
    column = column_names.guess(columns, (*tagged.WORD_NAMES, *column_names.TEXT_NAMES))
    if column is None and len(columns) > 1:
        raise UserError(
            f"no column looks like words or text; the columns are {', '.join(columns)}",
            "Name it with --text-column; a file without a header needs --columns, as in --columns word,tag.",
        )
    return column or columns[0]


def _tags_column(task: TokenClassification, columns: Sequence[str], options: Config | None) -> str | None:
    """The column of the tags: the one named, or the one of training; None where what the columns hold tells.

    Raises:
        UserError: the column that was named does not exist.
    """
    given = asked(TagOptions, options)
    if given.tag_column:
        return tagged.named_column(given.tag_column, columns)
    return None if given.column or task.tags not in columns else task.tags
