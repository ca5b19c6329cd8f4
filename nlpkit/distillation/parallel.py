"""Translations as rows to learn from: of both texts of a pair the student learns what the teacher says of the first.

So a student answers in a language that its teacher does not know (Reimers & Gurevych 2020,
https://arxiv.org/abs/2004.09813). Pairs that are held out tell whether the two texts of one find each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from nlpkit.data import memory, translations
from nlpkit.data.findings import Finding
from nlpkit.data.inputs import Reading
from nlpkit.data.sources import FileInfo
from nlpkit.data.translations import Translations
from nlpkit.errors import UserError
from nlpkit.experiment.inherited_data import NAMES_DATA, ComparedDataOptions, inherit_data, open_splits
from nlpkit.experiment.supervised import settle_findings
from nlpkit.options import AtCommas, Strings, TrainingOptions, option
from nlpkit.reporting import Table
from nlpkit.tokenization import quality

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.data.sources import LoadedData
    from nlpkit.inference.predictor import Predictor, Trained
    from nlpkit.tasks.reading import Reader
    from nlpkit.tasks.roles import Teachable

MOST_HELD = 10  # one pair of so many is held out at most
LOOKED_AT = 500  # pairs that tell whether the first language is one that the teacher's tokenizer knows
SWAPPED = 1.15  # times as many tokens per word as the translations have: then languages may be swapped
FIGURES = ("accuracy_forward", "accuracy_backward", "same_language")


class ParallelOptions(ComparedDataOptions, TrainingOptions):
    """Translations that a student learns from."""

    parallel: Strings = option(
        [],
        "Translations: line-aligned files (a.en,a.de), or a table with a column per language (repeatable).",
        panel="Data",
        metavar="FILES",
    )
    languages: Annotated[list[str], AtCommas] = option(
        [],
        "Endings of the files or columns of the table, the teacher's language first.",
        panel="Data",
        metavar="NAME,...",
        shown_default="en, else the first, and all others",
        only_with="parallel",
    )
    held_pairs: int = option(
        1_000, "Translations held out to judge by, a tenth at most; 0 = none.", panel="Data", ge=0, only_with="parallel"
    )


@dataclass
class ParallelRows:
    """Translations, ready to be learnt from and judged by.

    Attributes:
        train: one example per text that the student reads.
        taught: examples of the texts that the teacher reads, each once.
        teacher_of: for each row of `train` the row of `taught` whose answer it learns, shape (rows of train,).
        held: pairs to judge by.
        first: their first language.
        plan: lines for people.
    """

    train: Dataset
    taught: Dataset
    teacher_of: np.ndarray
    held: Translations
    first: str
    plan: list[tuple[str, str]] = field(default_factory=list)


def open_rows(
    config: ParallelOptions, teacher: Trained
) -> tuple[Reader[Any], LoadedData, dict[str, Dataset], list[Finding], ParallelRows]:
    """Translations in place of the train split, and the rows that are judged: those that the user names, else, where
    likeness of texts is what the teacher gives, the translations that are held out.

    Raises:
        UserError: the translations cannot be read, the task cannot learn from them, or nothing can be judged.
    """
    task = teacher.task
    if not task.one_answer_a_row:
        raise UserError(
            f"--parallel: {task.name} answers by the words of a text, which stand elsewhere in its translation",
            "It is for models with one answer per text: embedders and classifiers.",
        )
    found = translations.read(config.parallel, Reading.of(config), config.languages)
    findings = [*found.findings, *swapped(found, teacher.tokenizer)]
    held, rest = _parted(found, config)
    reader, loaded, examples, more = open_splits(
        _judged_by(config, teacher, held), task, seed=config.seed, needs=("validation",)
    )
    if "train" in examples:
        count = len(examples["train"])
        findings.append(
            Finding("note", "unread-train", f"train: {count:,} rows are not learnt from beside --parallel", count)
        )
    settle_findings(findings)
    made = _rows(reader.task, config, held, rest, found.first)
    made.plan.append(("translations", f"{translations.described(found)}; {len(held):,} held out"))
    _add_sources(loaded, config.parallel)
    return reader, loaded, {**examples, "train": made.train}, findings + more, made


def judge(predictor: Predictor, held: Translations) -> dict[str, dict[str, float]]:
    """The figures of a model on translations, by language; empty where its task compares no texts."""
    task: Teachable = predictor.task
    figures = {}
    for language in dict.fromkeys(held.languages) if task.compares_texts else ():
        chosen = [i for i, one in enumerate(held.languages) if one == language]
        first, second = ([texts[i] for i in chosen] for texts in (held.texts, held.translations))
        outputs = predictor.outputs({"text": first, "text_pair": second})
        figures[language] = {
            name: float(value) for name, value in task.found_translations(outputs, first, second).items()
        }
    return figures


def table(record: Mapping[str, Any]) -> Table:
    """Teacher and student on the translations that were held out."""
    header = ["", "language", "pairs", f"from {record['first']}", f"to {record['first']}", "own language nearer"]
    body = [
        [side["name"], language, record["pairs"][language], *(found[name] for name in FIGURES)]
        for side in record["sides"]
        for language, found in side["languages"].items()
    ]
    return Table("translations held out: how often the nearest text is the right one", header, body)


def recorded(sides: Sequence[tuple[str, Predictor]], rows: ParallelRows) -> dict[str, Any]:
    """The figures of models on the translations that were held out, as nlpkit.json keeps them; empty where their task
    compares no texts, or none were held out."""
    languages = rows.held.languages
    found = [{"name": name, "languages": judge(predictor, rows.held)} for name, predictor in sides]
    if not all(side["languages"] for side in found):
        return {}
    pairs = {name: languages.count(name) for name in dict.fromkeys(languages)}
    return {"translations": {"first": rows.first, "pairs": pairs, "sides": found}}


def _judged_by(config: ParallelOptions, teacher: Trained, held: Translations) -> ParallelOptions:
    """The options with the data that are judged.

    Raises:
        UserError: there are none.
    """
    if any(getattr(config, name) for name in NAMES_DATA) or not teacher.task.compares_texts:
        return inherit_data(config, teacher.record, teacher.name)
    if not len(held):
        raise UserError(
            "nothing is held out to judge by", "Give more pairs, leave out --held-pairs, or name a --validation-file."
        )
    rows = [{"text": one, "text_pair": other} for one, other in zip(held.texts, held.translations, strict=True)]
    return config.changed(validation_file=[memory.hold(rows)])


def _parted(found: Translations, config: ParallelOptions) -> tuple[Translations, Translations]:
    """Pairs to judge by, and the rest: no text of the first language is in both."""
    number = min(config.held_pairs, len(found) // MOST_HELD)
    numbers: dict[str, int] = {}
    of_text = np.array([numbers.setdefault(text, len(numbers)) for text in found.texts])
    seed = config.seed if config.shuffle_seed is None else config.shuffle_seed
    order = np.random.default_rng(seed).permutation(len(numbers))
    counts = np.bincount(of_text)[order]
    chosen = np.zeros(len(numbers), bool)
    chosen[order[: int(np.searchsorted(np.cumsum(counts), number, side="right"))]] = True
    return _selected(found, chosen[of_text]), _selected(found, ~chosen[of_text])


def _selected(found: Translations, mask: np.ndarray) -> Translations:
    places = np.flatnonzero(mask).tolist()
    columns = (found.texts, found.translations, found.languages, found.where)
    texts, others, languages, where = ([column[i] for i in places] for column in columns)
    return Translations(found.first, found.named, texts, others, languages, where)


def _rows(task: Teachable, config: ParallelOptions, held: Translations, rest: Translations, first: str) -> ParallelRows:
    """Examples of each text of the pairs: those of the first language teach themselves."""
    from datasets import Dataset

    teacher_texts: dict[str, int] = {}
    learnt: dict[tuple[str, int], str] = {}
    for text, other, where in zip(rest.texts, rest.translations, rest.where, strict=True):
        number = teacher_texts.setdefault(text, len(teacher_texts))
        learnt.setdefault((text, number), where)
        learnt.setdefault((other, number), where)
    columns = {name: None for name in type(task).column_options.model_fields if name.endswith("_column")}
    reader = task.reader(["text"], config.changed(**columns), labelled=False)

    def examples(texts: Mapping[str, str] | Sequence[tuple[str, str]]) -> Dataset:
        pairs = texts.items() if isinstance(texts, Mapping) else texts
        return Dataset.from_list(
            [{**task.without_label(reader.unlabelled({"text": text})), "where": where} for text, where in pairs]
        )

    places = {text: learnt[text, number] for text, number in teacher_texts.items()}
    rows = examples([(text, where) for (text, _), where in learnt.items()])
    return ParallelRows(rows, examples(places), np.array([number for _, number in learnt]), held, first)


def swapped(found: Translations, tokenizer: Any) -> list[Finding]:
    """Whether the teacher's tokenizer knows a language better than the one that is taken for the teacher's."""
    if not getattr(tokenizer, "is_fast", False):
        return []
    cut = []
    for texts in (found.texts, found.translations):
        counted = quality.Quality("", len(tokenizer))
        counted.add(tokenizer, texts[:LOOKED_AT])
        cut.append(counted.figures()["tokens_per_word"] or 0.0)
    if cut[0] <= SWAPPED * cut[1]:
        return []
    other = found.languages[0]
    message = (
        f"translations: the teacher's tokenizer cuts '{found.first}', taken for its language, into {cut[0]:.2f} tokens "
        f"per word, and '{other}' into {cut[1]:.2f}: they may be swapped (--languages {other},{found.first})"
    )
    return [Finding("warning", "swapped-languages", message)]


def _add_sources(loaded: LoadedData, specs: Sequence[str]) -> None:
    """Let the record name the files of translations as those of train."""
    from pathlib import Path

    names = [part.strip() for spec in specs for part in ([spec] if Path(spec).is_file() else spec.split(","))]
    loaded.source.files["train"] = [FileInfo.of(Path(name)) for name in names if name]
