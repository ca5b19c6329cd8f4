"""What people see of token classification: tables, texts with their entities marked, answer files, mistakes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nlpkit.data.conll import NUMBERS
from nlpkit.reporting import Table
from nlpkit.tasks import usage
from nlpkit.tasks.reading import Reader
from nlpkit.tasks.token_classification import tags as schemes
from nlpkit.tasks.token_classification.reading import TokenReader
from nlpkit.tasks.token_classification.tags import Span
from nlpkit.tasks.token_classification.task import IGNORED, TokenClassification
from nlpkit.tasks.view import Shown, View, reliability_drawn

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.writers import Format
    from nlpkit.runs.plots import Plot
    from nlpkit.tasks.token_classification.markup import Answered


class TokenView(View[TokenClassification]):
    """See the module's docstring."""

    shown_as: ClassVar[Shown] = "spans"
    example_inputs: ClassVar[Sequence[Sequence[str]]] = (
        ("Ada Lovelace met Charles Babbage in London, and wrote for Taylor's Scientific Memoirs.",),
    )

    def tables(self, examples: Mapping[str, Dataset]) -> list[Table]:
        """Entities of each type in each split, or words of each tag; with the numbers of rows and words."""
        tag_set = self.task.tag_set
        counts = {split: tag_set.counts(rows["tags"][:]) for split, rows in examples.items()}
        names = tag_set.in_order(counts.get("train", Counter()))
        body: list[list[Any]] = [[name, *(of_split[name] for of_split in counts.values())] for name in names]
        shown = body[: tag_set.most_shown]
        if others := names[len(shown) :]:
            shown.append([f"({len(others)} more)", *(sum(of_split[n] for n in others) for of_split in counts.values())])
        totals: list[list[Any]] = [
            ["(rows)", *(len(rows) for rows in examples.values())],
            ["(words)", *(sum(map(len, rows["tags"][:])) for rows in examples.values())],
        ]
        title = f"{tag_set.unit} by {tag_set.class_noun}"
        return [Table(title, [tag_set.class_noun, *examples], shown + totals, whole=body + totals)]

    def shown(self, tokenizer: Any, example: Mapping[str, Any]) -> list[str]:
        """The text, then each token with its label and, at the first of each word, the word and its tag."""
        made = self.task.features(tokenizer, {name: [value] for name, value in example.items()})
        text, tags = example["text"], example["tags"]
        lines = [f"text: {text}"]
        for number, (ids, labels) in enumerate(zip(made["input_ids"], made["labels"], strict=True), start=1):
            read = dict(zip(made["read"][number - 1], made["words"][number - 1], strict=True))
            rows = [("token", "label", "word", "tag")]
            for place, (token, label) in enumerate(zip(tokenizer.convert_ids_to_tokens(ids), labels, strict=True)):
                word = read.get(place)
                known = (
                    ("", "") if word is None else (text[example["starts"][word] : example["ends"][word]], tags[word])
                )
                rows.append((token, "-" if label == IGNORED else self.task.labels[label], *known))
            widths = [max(len(row[i]) for row in rows) for i in range(3)]
            if len(made["input_ids"]) > 1:
                lines.append(f"window {number} of {len(made['input_ids'])}")
            lines += ["  ".join((*map(str.ljust, row, widths), row[3])).rstrip() for row in rows]
        return lines

    def detail_tables(self, split: str, details: Mapping[str, Any]) -> list[Table]:
        return self.task.tag_set.detail_tables(split, details) if self.task.per_class else []

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        return self.task.tag_set.answer_tables(rows, answers)

    def answer_formats(self, reader: Callable[[], Reader[Any]]) -> Mapping[str, Format]:
        """`.html`, a page with the entities marked, and `.conll`, the tags of the words as the model names them."""
        from nlpkit.data.writers import text_format
        from nlpkit.tasks.token_classification import markup

        return {
            ".html": text_format(lambda file: markup.html(file, partial(self._answered, reader), self.task.classes)),
            ".conll": text_format(lambda file: markup.conll(file, partial(self._answered, reader))),
        }

    def _answered(self, reader: Callable[[], Reader[Any]], entry: Mapping[str, Any]) -> Answered:
        """A row of answers, whose columns have the prefix that `predict` found free, as writers take it."""
        from nlpkit.tasks.token_classification.markup import Answered

        prefix = next(name for name in reversed(list(entry)) if re.fullmatch(r"prediction\d*", name))
        entities, error = entry[prefix], entry[f"{prefix}_error"]
        read = reader()
        assert isinstance(read, TokenReader)
        if entities is None:
            return Answered(str(entry.get(read.task.text, entry.get("text", ""))), None, (), error)
        inputs = read.inputs(entry)
        text, starts, ends = inputs["text"], inputs["starts"], inputs["ends"]
        first = {start: i for i, start in reversed(list(enumerate(starts)))}
        behind = {end: i for i, end in enumerate(ends, start=1)}
        spans = [Span(first[e["start"]], behind[e["end"]], e["label"]) for e in entities]
        tags = self.task.tag_set.tags_of(spans, len(starts))
        words_column = read.words_of(entry)
        columns = {words_column: [text[start:end] for start, end in zip(starts, ends, strict=True)]}
        if not isinstance(entry[words_column], str):  # a row of lists has more to say about its words
            columns |= {
                name: [str(cell) for cell in cells]
                for name, cells in entry.items()
                if name != words_column and not name.startswith(prefix) and _is_column(cells, len(tags))
            }
        order = sorted(columns, key=lambda name: (name != NUMBERS, name != words_column))
        return Answered(text, entities, [*(columns[name] for name in order), tags])

    def gold(self, examples: Dataset) -> list[list[dict[str, Any]]]:
        """The entities of each example, or its words where tags are plain, as `decode` has them but for scores."""
        tag_set = self.task.tag_set
        spans_of = tag_set.entities_of if tag_set.plain else schemes.spans  # examples are in BIO, whatever the model is
        columns = {name: examples[name][:] for name in ("text", "starts", "ends", "tags")}
        gold = []
        for text, starts, ends, tags in zip(*columns.values(), strict=True):
            spans = [(starts[first], ends[behind - 1], label) for first, behind, label in spans_of(tags)]
            gold.append([{"text": text[a:b], "label": label, "start": a, "end": b} for a, b, label in spans])
        return gold

    def mistakes(self, outputs: Sequence[np.ndarray], examples: Dataset) -> list[dict[str, Any]]:
        """Wrong entities, or words with a wrong plain tag, each in its sentence, the most confident first."""
        predicted, scores = self.task.predicted(outputs)
        columns = {name: examples[name][:] for name in ("text", "starts", "ends", "where")}
        gold = list(examples["tags"][:])
        mistakes = self.task.tag_set.mistakes(self.task.as_bio(predicted), gold, scores, columns)
        mistakes.sort(key=lambda pair: -pair[1]["score"])
        return [{**entry, "text": columns["text"][i], "where": columns["where"][i]} for i, entry in mistakes]

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        if recorded["scheme"] == "plain":
            return f"Gives each word of a text one of {len(recorded['labels']):,} tags."
        return "Finds the entities in a text, and the type of each."

    @classmethod
    def longer_texts(cls, recorded: Mapping[str, Any]) -> str:
        return "longer ones are read in windows that overlap"

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        joined = "none" if recorded["scheme"] == "plain" else "simple"
        settings = f', aggregation_strategy="{joined}"'
        return usage.pipeline_code("token-classification", [f"print(model({usage.EXAMPLE}))"], settings=settings)

    @classmethod
    def onnx_code(cls, recorded: Mapping[str, Any], file: str) -> list[str]:
        """The tag of each token."""
        answer = [
            "tags = [config.id2label[int(i)] for i in outputs[0][0].argmax(-1)]",
            "print(list(zip(tokens.tokens(), tags)))",
        ]
        return usage.onnx_code(file, f"{usage.EXAMPLE}, truncation=True", answer)

    def label_counts(self, examples: Mapping[str, Dataset]) -> dict[str, dict[str, int]]:
        tag_set = self.task.tag_set
        counts = {split: tag_set.counts(rows["tags"][:]) for split, rows in examples.items()}
        return {split: {name: of_split[name] for name in tag_set.classes} for split, of_split in counts.items()}

    def plots(self, outputs: Mapping[str, Sequence[np.ndarray]], examples: Mapping[str, Dataset]) -> dict[str, Plot]:
        from nlpkit.metrics import confused
        from nlpkit.runs import plots

        tag_set = self.task.tag_set
        counts = {split: tag_set.counts(rows["tags"][:]) for split, rows in examples.items()}
        shares = {split: np.array([of_split[name] for name in tag_set.classes]) for split, of_split in counts.items()}
        drawn = {"label_distribution": plots.grouped_bars(tag_set.classes, shares, f"share of {tag_set.unit}")}
        chosen = next((split for split in ("test", "validation") if split in outputs), None)
        if chosen:
            predicted = self.task.as_bio(self.task.predicted(outputs[chosen])[0])
            named, matrix, part = confused.core(*tag_set.confusion(predicted, examples[chosen]["tags"][:]))
            drawn["confusion_matrix"] = plots.confusion(matrix, named, chosen, tag_set.unit, part)
            drawn |= reliability_drawn(self.task.decisions(outputs[chosen], examples[chosen]), chosen)
        return drawn


def _is_column(cells: Any, length: int) -> bool:
    """Whether a cell of a row is a list with a value for each of its words."""
    return isinstance(cells, list) and len(cells) == length and not any(isinstance(cell, dict | list) for cell in cells)
