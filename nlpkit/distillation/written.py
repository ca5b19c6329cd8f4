"""What a teacher writes for the training rows, which a student learns in the place of their targets.

That is sequence-level distillation (Kim and Rush 2016, section 3.2): the texts of one model are more alike than those
of many people, so that a small model learns them better. They are kept in the cache, as later runs write the same.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nlpkit import reporting
from nlpkit.data.findings import Finding
from nlpkit.errors import UserError
from nlpkit.options import Config, OnlyWith, option

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.inference.predictor import Predictor
    from nlpkit.tasks.roles import Teachable

TEXTS = "texts.jsonl"


class WritingOptions(Config):
    """What a model that writes learns from its teacher."""

    teach: Literal["words", "texts", "both"] = option(
        "words",
        "Models that write: how likely the teacher finds each piece at each token of a target (words), what it writes "
        "in the place of targets (texts), or both (Kim and Rush 2016).",
        panel="Loss",
    )
    beams: int | None = option(
        None,
        "Texts that the teacher follows side by side as it writes.",
        panel="Loss",
        ge=1,
        shown_default="as its folder says",
        only_with=OnlyWith(("teach",), ("texts", "both")),
    )


@dataclass(frozen=True)
class Retold:
    """Training rows with the texts of a teacher.

    Attributes:
        train: those whose text has an end.
        plan: a line for people.
        findings: about rows that are left out.
    """

    train: Dataset
    plan: tuple[str, str]
    findings: list[Finding]


def retold(options: WritingOptions, teacher: Predictor[Teachable], train: Dataset) -> Retold:
    """Rows of train with what a teacher writes for them; rows are left out for which it writes nothing, or no end.

    Args:
        teacher: of a task that `writes`.
        train: examples, with a label or without.

    Raises:
        UserError: no text is left.
    """
    writer = teacher.asking(teacher.task.written_by(options.beams))
    texts, found = _written(writer, train)
    kept, empty, cut = list[int](), list[int](), list[int]()
    for i, (text, ended) in enumerate(texts):
        (kept if text.strip() and ended else cut if text.strip() else empty).append(i)
    if not kept:
        raise UserError(
            f"the teacher wrote no text to its end for {len(texts):,} rows of train: {len(empty):,} are empty, "
            f"{len(cut):,} end at the limit of tokens",
            "Is it trained for these data? See what it writes: nlpkit predict TEACHER FILE.",
        )
    findings = []
    for rows, what in ((empty, "is empty"), (cut, "ends at the limit of tokens")):
        if rows:
            message = f"train: {len(rows):,} of {len(texts):,} rows are left out, as what the teacher wrote {what}"
            findings.append(Finding("warning", "teacher-text", message, len(rows), train.select(rows)["where"][:]))
    for finding in findings:
        reporting.current().warn(str(finding))
    how = "found on disk" if found else "written once"
    beams = f" with {options.beams} beams" if options.beams else ""
    said = f"of the teacher for {len(texts):,} rows{beams}, {how}; {len(empty):,} empty, {len(cut):,} cut: left out"
    return Retold(teacher.task.retold(train.select(kept), [texts[i][0] for i in kept]), ("texts", said), findings)


def _written(teacher: Predictor[Teachable], train: Dataset) -> tuple[list[tuple[str, bool]], bool]:
    """The text for each row, and whether it came to its end; and whether they were on disk already."""
    from nlpkit.data import cache

    made: list[tuple[str, bool]] = []

    def write(place: Path) -> None:
        with reporting.current().progress("the teacher writes", len(train), "rows") as bar:
            made[:] = teacher.task.written(teacher.outputs(train[:], bar))
        lines = "".join(json.dumps(list(one), ensure_ascii=False) + "\n" for one in made)
        (place / TEXTS).write_text(lines, encoding="utf-8")

    entry = cache.kept("written", _key(teacher, train), write)
    if entry is not None:
        lines = (entry.path / TEXTS).read_text(encoding="utf-8").split("\n")[:-1]
        return [(text, ended) for text, ended in map(json.loads, lines)], entry.found
    if not made:
        made = teacher.task.written(teacher.outputs(train[:]))
    return made, False


def _key(teacher: Predictor[Teachable], train: Dataset) -> str:
    """Of all that the texts hang on."""
    from nlpkit.inference import weights
    from nlpkit.tasks import features

    digest = hashlib.blake2b(digest_size=16)
    digest.update(teacher.task.logit_settings.encode())
    weights.update_digest(digest, teacher.model, teacher.device)
    read = features.featurize(teacher.task, teacher.tokenizer, train, "train")
    features.update_digest(digest, read.select_columns(["input_ids", "example"]))
    return digest.hexdigest()
