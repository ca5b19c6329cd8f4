"""Training rows with what other models know of them: hard negatives, and a cross-encoder's scores of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import process, reporting
from nlpkit.data import writers
from nlpkit.data.affirmative import affirmative
from nlpkit.data.findings import Finding
from nlpkit.errors import UserError
from nlpkit.nearby import expanded
from nlpkit.reporting import counted
from nlpkit.tasks.asking import Ask
from nlpkit.tasks.sentence_embedding import negatives
from nlpkit.tasks.sentence_embedding.negative_options import NegativeOptions, margin_of
from nlpkit.tasks.sentence_embedding.negatives import Limits, Mined, Pool

if TYPE_CHECKING:
    from datasets import Dataset

WAY = "Find some first: --mine-negatives 4."
CORPUS = "It is a text file in UTF-8, a text per line."


def extended(train: Dataset, options: NegativeOptions, seed: int, ask: Ask) -> tuple[Dataset, list[Finding]]:
    """The rows with negatives, and with margins, where the options ask for them.

    Args:
        train: examples with `text` and `text_pair`.
        seed: of the texts that fill up rows with too few negatives.
        ask: what other models say.

    Returns:
        Rows with `negatives`, as many for each, and with `label`: by how much the positive is preferred to each; and
        what was found.

    Raises:
        UserError: the rows are no pairs, have negatives already, or have none that could be scored.
    """
    findings: list[Finding] = []
    if options.mine_negatives:
        process.require_one("finetune-embed --mine-negatives")
        train, finding = _with_negatives(train, options, seed, ask)
        findings.append(finding)
    if options.from_cross_encoder:
        train, finding = _with_margins(train, options.from_cross_encoder, ask)
        findings.append(finding)
    if options.save_negatives:
        _save(train, expanded(options.save_negatives))
    return train, findings


def _with_negatives(train: Dataset, options: NegativeOptions, seed: int, ask: Ask) -> tuple[Dataset, Finding]:
    names = set(train.column_names)
    if "negatives" in names:
        raise UserError("--mine-negatives: the rows have negatives already", "Leave out one of the two.")
    if "text_pair" not in names or "label" in names:
        raise UserError(
            "--mine-negatives takes pairs of texts that belong together; these rows say something else",
            "Name the columns: --text-column, --text-pair-column, --shape pairs.",
        )
    assert options.mine_negatives is not None
    margin, relative = margin_of(options.negatives_margin)
    limits = Limits(
        options.mine_negatives, options.negatives_skip, margin, relative=relative, highest=options.negatives_max_score
    )
    corpus = _lines(options.corpus) if options.corpus else []
    pool = Pool.of(train["text"][:], train["text_pair"][:], corpus)

    def embed(texts: Sequence[str]) -> np.ndarray:
        vectors: np.ndarray = ask(options.mine_with, "sentence-embedding", {"text": list(texts)}, "--mine-with")[:, 0]
        return vectors

    found = negatives.search(pool, options.mine_by, limits, embed)
    finding = _finding(found, limits, len(pool.texts), len(corpus))
    filled = negatives.filled(found, pool, seed)
    return train.add_column("negatives", filled), finding


def _finding(found: Mined, limits: Limits, texts: int, corpus: int) -> Finding:
    """How many rows were given how many negatives."""
    whole, fewer, none = found.counts
    message = (
        f"train: hard negatives among {texts:,} texts{f' ({corpus:,} lines of the corpus)' if corpus else ''}: "
        f"{counted(whole, 'row has', 'rows have')} {limits.wanted}, {fewer:,} fewer, {none:,} none"
    )
    if fewer or none:
        message += "; the rest is drawn from all other texts"
    if limits.compares and found.looked_at:
        share = found.too_near / found.looked_at
        message += f"; {share:.0%} of the candidates were left out as too near to be surely wrong"
    return Finding("warning" if none > len(found.texts) / 2 else "note", "hard-negatives", message, whole)


def _with_margins(train: Dataset, model: str, ask: Ask) -> tuple[Dataset, Finding]:
    if "negatives" not in train.column_names:
        raise UserError("--from-cross-encoder compares a positive with negatives, and the rows have none", WAY)
    texts, positives, others = (train[name][:] for name in ("text", "text_pair", "negatives"))
    pairs = list(
        dict.fromkeys(
            (text, second)
            for text, positive, wrong in zip(texts, positives, others, strict=True)
            for second in (positive, *wrong)
        )
    )
    columns = {"text": [text for text, _ in pairs], "text_pair": [second for _, second in pairs]}
    logits = ask(model, "text-classification", columns, "--from-cross-encoder")
    scores = dict(zip(pairs, _relevance(logits, model, ask), strict=True))
    margins = [
        [scores[text, positive] - scores[text, second] for second in wrong]
        for text, positive, wrong in zip(texts, positives, others, strict=True)
    ]
    every = np.array(margins, dtype=np.float64)
    message = (
        f"train: the cross-encoder scored {len(pairs):,} pairs; it prefers the positive to {(every > 0).mean():.1%} "
        f"of the negatives, by {every.mean():.2f} on the mean"
    )
    return train.add_column("label", margins), Finding("note", "cross-encoder", message, len(pairs))


def _relevance(logits: np.ndarray, model: str, ask: Ask) -> list[float]:
    """One number per pair, of logits (pairs, outputs): the only one, or of two that of the label which says yes less
    the other one, found by their names.

    Raises:
        UserError: there are more, or the names do not tell.
    """
    if logits.shape[1] > 2:
        raise UserError(
            f"--from-cross-encoder: the model has {logits.shape[1]} labels; how relevant a text is takes one or two",
            "Train one with `nlpkit finetune-cls --problem relevance`.",
        )
    numbers = logits[:, 0]
    if logits.shape[1] == 2:
        names = ask.labels(model, "--from-cross-encoder")
        yes = affirmative(names)
        if yes is None:
            raise UserError(
                f"--from-cross-encoder {model}: its labels are '{names[0]}' and '{names[1]}', and neither says that a "
                "text answers another",
                "Train one with `nlpkit finetune-cls --problem relevance`.",
            )
        numbers = logits[:, yes] - logits[:, 1 - yes]
    found: list[float] = numbers.astype(np.float64).tolist()
    return found


def _lines(name: str) -> list[str]:
    """The texts of a file, one per line, without those that are blank.

    Raises:
        UserError: it cannot be read as UTF-8 text, or holds none.
    """
    try:
        lines = expanded(name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--corpus: cannot read {name}: {error}", CORPUS) from None
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise UserError(f"--corpus: {name} holds no text", CORPUS)
    return texts


def _save(train: Dataset, path: Path) -> None:
    """Write the rows as `finetune-embed` reads them."""
    names = {"text": "anchor", "text_pair": "positive", "negatives": "negatives", "label": "margins"}
    columns: Mapping[str, list[Any]] = {name: train[own][:] for own, name in names.items() if own in train.column_names}
    with writers.writer(path) as write:
        write([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
    reporting.current().note(f"wrote {len(train):,} rows with their negatives to {path}")
