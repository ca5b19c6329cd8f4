"""Rows that only the teacher labels: text from files, and changed copies of the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nlpkit import reporting
from nlpkit.augmentation import synonyms
from nlpkit.data.findings import Finding
from nlpkit.data.inputs import FORMATS, Reading, Wanted, unit
from nlpkit.data.readers import read_rows
from nlpkit.distillation.augmentation import Augmenter, Way, near_words, words_of
from nlpkit.errors import UserError
from nlpkit.experiment.inherited_data import ComparedDataOptions
from nlpkit.models import fitting
from nlpkit.options import AtCommas, OnlyWith, Strings, TrainingOptions, option
from nlpkit.tasks import registry

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.inference.predictor import Trained


Ways = Annotated[list[Way], AtCommas]


class UnlabelledOptions(ComparedDataOptions, TrainingOptions):
    """Rows without labels."""

    unlabelled: Strings = option([], "File of rows without labels (repeatable).", panel="Data", metavar="FILE")
    augment: int = option(
        0, "Changed copies of each training row, which the teacher labels (TinyBERT: 20); 0 = off.", panel="Data", ge=0
    )
    augment_by: Ways = option(
        ["mask", "ngram", "synonym"],
        "What changes in a copy: mask words, keep an n-gram, put near words in.",
        panel="Data",
        metavar="WAY,...",
        shown_default="mask,ngram,synonym",
        only_with="augment",
    )
    synonyms: Path | None = option(
        None,
        "Words that may stand for one another: on each line a word and its synonyms (formats: `nlpkit augment`).",
        panel="Data",
        metavar="FILE",
        shown_default="the nearest in the teacher's embeddings",
        only_with=("augment", OnlyWith(("augment_by",), ("synonym",), why=" is read with --augment-by synonym only")),
    )


@dataclass
class ExtendedRows:
    """Training rows with those that were added.

    Attributes:
        train: labelled examples first.
        plan: lines for people.
        findings: about the rows that were added.
    """

    train: Dataset
    plan: list[tuple[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def add_unlabelled(options: UnlabelledOptions, teacher: Trained, tokenizer: Any, train: Dataset) -> ExtendedRows:
    """The training rows and what the options add to them.

    Args:
        teacher: its task has read `train`.
        tokenizer: of the student.
        train: labelled examples.

    Raises:
        UserError: a file cannot be read, or the task allows no changed copies.
    """
    from datasets import Dataset, concatenate_datasets

    out = ExtendedRows(train)
    read = [row for path in options.unlabelled for row in _read(path, options, teacher, out.findings)]
    made = _copies(options, teacher, tokenizer, train) if options.augment else []
    for finding in out.findings:
        reporting.current().warn(str(finding))
    added = [f"{len(rows):,} {what}" for rows, what in ((read, "from files"), (made, "changed copies")) if rows]
    if added:
        rows = [{name: row.get(name) for name in train.column_names} for row in (*read, *made)]
        out.train = concatenate_datasets([train, Dataset.from_list(rows, features=train.features)])
        out.plan.append(("unlabelled", f"{', '.join(added)}: only the teacher labels them"))
    return out


def _read(path: str, options: UnlabelledOptions, teacher: Trained, findings: list[Finding]) -> list[dict[str, Any]]:
    """Examples without labels of a file."""
    task = teacher.task
    reading = Reading.of(options, {**FORMATS, **task.input_formats}, Wanted(task.content))
    rows = list(read_rows(path, reading, on_error="keep"))
    columns = next((list(row.values) for row in rows if row.error is None), [])
    known = {
        name: None
        for name in type(task).column_options.model_fields
        if name.endswith("_column") and getattr(options, name) not in columns
    }
    with registry.pointing_elsewhere(type(task), (row.values for row in rows), registry.OTHER_MODEL):
        # the columns of this file may be called otherwise than those of training
        reader = task.reader(columns, options.changed(**known), labelled=False)
    examples, bad = [], []
    counted = unit(reading.format_of(path))
    for row in rows:
        where = f"{path} {counted} {row.line}"
        if row.error is not None:
            bad.append(row.error)
            continue
        try:
            examples.append({**task.without_label(reader.unlabelled(row.values)), "where": where})
        except ValueError as error:
            bad.append(f"{where}: {error}")
    if not examples:
        raise UserError(f"--unlabelled {path}: no row can be used: {bad[0] if bad else 'it has none'}")
    if bad:
        message = f"--unlabelled {path}: {len(bad):,} of {len(rows):,} rows cannot be used and are left out"
        findings.append(Finding("warning", "unlabelled-row", message, len(bad), bad))
    return examples


def _copies(options: UnlabelledOptions, teacher: Trained, tokenizer: Any, train: Dataset) -> list[dict[str, Any]]:
    """Changed copies of examples, without their labels."""
    import numpy as np

    columns = [name for name in teacher.task.changeable if name in train.column_names]
    if not columns:
        raise UserError(
            f"--augment: {teacher.task.name} has labels at places of the text, which a changed copy would move",
            "Give more text with --unlabelled FILE.",
        )
    texts: list[Sequence[str]] = list(zip(*(train[name][:] for name in columns), strict=True))
    augmenter = _augmenter(options, teacher, tokenizer, texts)
    generator = np.random.default_rng(options.seed)
    made = []
    with reporting.current().progress("augment", len(texts), "rows") as bar:
        for example, given in zip(train, texts, strict=True):
            plain: Any = example
            for changed in augmenter.copies(given, options.augment, generator):
                kept = {**plain, **dict(zip(columns, changed, strict=True))}
                made.append({**teacher.task.without_label(kept), "where": f"{plain['where']}, changed"})
            bar.advance()
    return made


def _augmenter(
    options: UnlabelledOptions, teacher: Trained, tokenizer: Any, texts: Sequence[Sequence[str]]
) -> Augmenter:
    """What changes the texts.

    Raises:
        UserError: the models have no mask token, or not the same.
    """
    mask = teacher.tokenizer.mask_token
    if "mask" in options.augment_by and (mask is None or mask != tokenizer.mask_token):
        raise UserError(
            "--augment-by mask: teacher and student have no mask token in common", "Use --augment-by ngram,synonym."
        )
    near = {}
    if "synonym" in options.augment_by:
        words = words_of([text for row in texts for text in row])
        near = (
            synonyms.read(options.synonyms)
            if options.synonyms is not None
            else near_words(teacher.tokenizer, _table(teacher), words)
        )
    return Augmenter(options.augment_by, mask, near)


def _table(teacher: Trained) -> Any:
    """The teacher's token embeddings, in which near words are looked for.

    Raises:
        UserError: it has none.
    """
    table = fitting.token_table(teacher.model)
    if table is None:
        raise UserError(f"--augment-by synonym: {teacher.name} has no token embeddings", "Give --synonyms FILE.")
    return table
