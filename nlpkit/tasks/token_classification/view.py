"""What people see of token classification: tables, texts with their entities marked, answer files, mistakes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data.conll import NUMBERS
from nlpkit.reporting import Marked, Table
from nlpkit.tasks.token_classification import tags as schemes
from nlpkit.tasks.token_classification.task import IGNORED, SHOWN_TAGS, TokenClassification, mean_score
from nlpkit.tasks.view import View

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.writers import Format
    from nlpkit.metrics.tagging import Entity
    from nlpkit.runs.plots import Plot
    from nlpkit.tasks.token_classification.markup import Answered


class TokenView(View[TokenClassification]):
    """See the module's docstring."""

    def tables(self, examples: Mapping[str, Dataset]) -> list[Table]:
        """Entities of each type in each split, or words of each tag; with the numbers of rows and words."""
        counts = {split: self.task.counts(rows) for split, rows in examples.items()}
        names = (
            sorted(self.task.classes, key=lambda name: -counts.get("train", Counter())[name])
            if self.task.plain
            else self.task.classes
        )
        body: list[list[Any]] = [[name, *(found[name] for found in counts.values())] for name in names]
        shown = body[: SHOWN_TAGS if self.task.plain else None]
        if others := names[len(shown) :]:
            shown.append([f"({len(others)} more)", *(sum(found[n] for n in others) for found in counts.values())])
        totals: list[list[Any]] = [
            ["(rows)", *(len(rows) for rows in examples.values())],
            ["(words)", *(sum(map(len, rows["tags"][:])) for rows in examples.values())],
        ]
        title, first = ("words by tag", "tag") if self.task.plain else ("entities by type", "type")
        return [Table(title, [first, *examples], shown + totals, whole=body + totals)]

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
        if not self.task.per_class:
            return []
        lines = [[name, *values.values()] for name, values in details["per_class"].items()]
        first = "tag" if self.task.plain else "type"
        tables = [Table(f"{split}, by {first}", [first, "precision", "recall", "f1", "support"], lines)]
        if not self.task.plain:
            matrix = details["confusion"]
            rows = [[name, *counts] for name, counts in zip(matrix["names"], matrix["matrix"], strict=True)]
            tables.append(Table(f"{split}, true types (rows) and predicted", [first, *matrix["names"]], rows))
            errors = details["errors"]
            tables.append(Table(f"{split}, shares of mistakes", list(errors), [list(errors.values())]))
        return tables

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """The texts with their entities marked, and a table of these; of plain tags a table a text."""
        tables: list[Table] = []
        marked, body = list[list[Any]](), list[list[Any]]()
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True), start=1):
            found = answer["prediction"]
            if found is None:
                marked.append([f"{row['text']} ({answer['error']})"])
                continue
            marked.append([Marked(row["text"], [(e["start"], e["end"], e["label"]) for e in found], self.task.classes)])
            lines = [[e["text"], e["label"], e["score"], e["start"], e["end"]] for e in found]
            if self.task.plain:
                tables.append(Table(row["text"], ["word", "tag", "score", "start", "end"], lines))
            body += [[*line, *([number] if len(rows) > 1 else [])] for line in lines]
        if self.task.plain:
            failed = [line for line in marked if isinstance(line[0], str)]
            return [*tables, *([Table("no answer", ["text"], failed)] if failed else [])]
        header = ["entity", "label", "score", "start", "end", *(["text"] if len(rows) > 1 else [])]
        return [Table("texts", ["text"], marked), *([Table("entities", header, body)] if body else [])]

    def answer_formats(self) -> Mapping[str, Format]:
        """`.html`, a page with the entities marked, and `.conll`, the tags of the words as the model names them."""
        from nlpkit.data.writers import text_format
        from nlpkit.tasks.token_classification import markup

        return {
            ".html": text_format(lambda file: markup.html(file, self._answered, self.task.classes)),
            ".conll": text_format(lambda file: markup.conll(file, self._answered)),
        }

    def _answered(self, entry: Mapping[str, Any]) -> Answered:
        """A row of answers, whose columns have the prefix that `predict` found free, as writers take it."""
        from nlpkit.tasks.token_classification.markup import Answered

        prefix = next(name for name in reversed(list(entry)) if re.fullmatch(r"prediction\d*", name))
        found, error = entry[prefix], entry[f"{prefix}_error"]
        if found is None:
            return Answered(str(entry.get(self.task.text, entry.get("text", ""))), None, (), error)
        inputs = self.task.inputs(entry)
        text, starts, ends = inputs["text"], inputs["starts"], inputs["ends"]
        first = {start: i for i, start in reversed(list(enumerate(starts)))}
        behind = {end: i for i, end in enumerate(ends, start=1)}
        spans = [schemes.Span(first[e["start"]], behind[e["end"]], e["label"]) for e in found]
        tags = [e["label"] for e in found] if self.task.plain else self.task.as_named(schemes.bio(spans, len(starts)))
        words_column = self.task.words_of(entry)
        columns = {words_column: [text[start:end] for start, end in zip(starts, ends, strict=True)]}
        if not isinstance(entry[words_column], str):  # a row of lists has more to say about its words
            columns |= {
                name: [str(cell) for cell in cells]
                for name, cells in entry.items()
                if name != words_column and not name.startswith(prefix) and _is_column(cells, len(tags))
            }
        order = sorted(columns, key=lambda name: (name != NUMBERS, name != words_column))
        return Answered(text, found, [*(columns[name] for name in order), tags])

    def mistakes(self, outputs: Sequence[np.ndarray], examples: Dataset) -> list[dict[str, Any]]:
        """Wrong entities, or words with a wrong plain tag, each in its sentence, the most confident first."""
        from nlpkit.metrics import tagging

        predicted, scores = self.task.predicted(outputs)
        predicted, gold = self.task.as_bio(predicted), list(examples["tags"][:])
        columns = {name: examples[name][:] for name in ("text", "starts", "ends", "where")}
        found: list[dict[str, Any]] = []
        if self.task.plain:
            for i, (tags, true) in enumerate(zip(predicted, gold, strict=True)):
                for word in (word for word, pair in enumerate(zip(tags, true, strict=True)) if pair[0] != pair[1]):
                    entity = tagging.Entity(i, word, word, "")
                    entry = {"word": _described(columns, entity)["text"], "label": true[word]}
                    found.append(
                        {**entry, "prediction": tags[word], "score": mean_score(scores[i][word : word + 1]), "i": i}
                    )
        else:
            for mistake in tagging.mistakes(predicted, gold):
                place = mistake.predicted or mistake.gold
                assert place is not None  # a mistake is about one of them
                entry = {
                    "kind": mistake.kind,
                    "label": mistake.gold and _described(columns, mistake.gold),
                    "prediction": mistake.predicted and _described(columns, mistake.predicted),
                    "score": mean_score(scores[place.sentence][place.start : place.end + 1]),
                }
                found.append({**entry, "i": place.sentence})
        found.sort(key=lambda entry: -entry["score"])
        for entry in found:
            i = entry.pop("i")
            entry |= {"text": columns["text"][i], "where": columns["where"][i]}
        return found

    def plots(self, outputs: Mapping[str, Sequence[np.ndarray]], examples: Mapping[str, Dataset]) -> dict[str, Plot]:
        from nlpkit.metrics import tagging
        from nlpkit.runs import plots

        counts = {split: self.task.counts(rows) for split, rows in examples.items()}
        names, unit = self.task.classes, "words" if self.task.plain else "entities"
        shares = {split: np.array([found[name] for name in names]) for split, found in counts.items()}
        drawn = {"label_distribution": plots.grouped_bars(names, shares, f"share of {unit}")}
        judged = next((split for split in ("test", "validation") if split in outputs), None)
        if judged:
            predicted = self.task.as_bio(self.task.predicted(outputs[judged])[0])
            named, matrix = tagging.confusion(predicted, examples[judged]["tags"][:], plain=self.task.plain)
            drawn["confusion_matrix"] = plots.confusion(matrix, named, judged, unit=unit)
        return drawn


def _described(columns: Mapping[str, Sequence[Any]], entity: Entity) -> dict[str, Any]:
    """An entity with its text and the characters where it starts and ends; `columns` are those of the examples."""
    i = entity.sentence
    start, end = columns["starts"][i][entity.start], columns["ends"][i][entity.end]
    return {"text": columns["text"][i][start:end], "label": entity.type, "start": start, "end": end}


def _is_column(cells: Any, length: int) -> bool:
    """Whether a cell of a row is a list with a value for each of its words."""
    return isinstance(cells, list) and len(cells) == length and not any(isinstance(cell, dict | list) for cell in cells)
