"""What is said of the heads of a model: tables, lines, the record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nlpkit.probing.heads.relations import DIRECTIONS, FEWEST, Best
from nlpkit.probing.heads.shares import Part
from nlpkit.probing.heads.study import Heads, Left, Parsed
from nlpkit.reporting import Estimate, Table, counted

STRONGEST = 3  # heads of a pattern that a table names

HEADS_MEAN = """A head of attention finds the syntactic head of a word where the word attends to it most of all other
words (attention *from* the word), or where it is the word that attends to this one most (attention *to* the word);
of a pronoun, where that holds of the name that is meant and not of the other one. What goes to special tokens does
not count. Attention to the tokens of a word is summed, that from them averaged. The *fixed* guess is the one that is
right most often and knows no attention: a distance in words, from -5 to 5, or the nearer, the first, the second
name: a head that does no better may look at places and not at syntax. Layers and heads count from 1. Of the many
heads one is the best by chance too: it is chosen on train and judged on validation. Intervals (95 %) are over
sentences.

A head that finds a relation holds it in a form that is easy to read; whether the model uses it is not shown."""
PARSED_MEAN = """The head of a word is chosen by a softmax over the other words of the sentence, in which each
attention head has a weight for each direction; *and words*: this weight hangs linearly on both words, by the model's
embeddings of them without context. *Distances and words* is the same probe with the distance between words for
attention: what is found beyond it comes from attention. *Without training* are the heads of a model of the same
shape with random weights. UAS is the share of words, but punctuation and roots, whose head is found. Intervals (95
%) are over sentences."""


def _estimate(part: Part) -> Estimate:
    return Estimate(*part)


def relations_table(study: Heads) -> Table:
    """The best head of each relation beside the best distance."""
    rows: list[Sequence[Any]] = []
    for best in study.best:
        rows.append(
            (
                best.relation,
                best.words,
                str(best.head),
                best.direction.removesuffix(" the word"),
                f"{best.found.value:.3f}",
                best.rule,
                f"{best.baseline.value:.3f}",
                _estimate(best.gain),
                f"{best.on_all:.2f} / {best.baseline_on_all:.2f}",
            )
        )
    header = ("relation", "words", "head", "attends", "finds", "fixed", "finds", "gain", "on all")
    return Table("Which head finds what", header, rows)


def relations_lines(study: Heads) -> list[str]:
    """What the table does not say."""
    single = [best for best in study.best if best is not study.every]
    beaten = [best for best in single if best.gain.low > 0]
    lines = [
        f"{len(beaten)} of {counted(len(single), 'relation', 'relations')} are found by a head more often than "
        "by any fixed guess, beyond chance.",
        "Heads and fixed guesses are chosen on train and judged on validation; 'on all' is head / fixed guess chosen "
        "and judged on all words, as in Clark et al. 2019.",
    ]
    names, words = study.rare
    if names:
        fewer = f"fewer than {FEWEST} words in train or validation"
        lines.append(f"Not judged, with {fewer}: {', '.join(names)} ({counted(words, 'word', 'words')}).")
    return lines


def patterns_table(study: Heads) -> Table:
    """The strongest heads of each pattern."""
    patterns = study.patterns
    rows: list[Sequence[Any]] = []
    for name, values in patterns.shares.items():
        order = (-values).argsort()[:STRONGEST]
        named = ", ".join(f"{patterns.heads[i]} {values[i]:.2f}" for i in order)
        rows.append((f"to {name}", float(values.mean()), patterns.even[name], named))
    for name, order in (
        ("narrowest (entropy)", patterns.entropy.argsort()[:STRONGEST]),
        ("broadest (entropy)", (-patterns.entropy).argsort()[:STRONGEST]),
    ):
        named = ", ".join(f"{patterns.heads[i]} {patterns.entropy[i]:.2f}" for i in order)
        rows.append((name, float(patterns.entropy.mean()), patterns.even_entropy, named))
    return Table("What heads look at", ("attention", "mean", "if even", "strongest heads"), rows, to_left=True)


def parsed_table(parsed: Parsed) -> Table:
    """How well each way finds the heads of words."""
    rows = [(way.name, _estimate(way.found), None if way.gain is None else _estimate(way.gain)) for way in parsed.ways]
    return Table("Heads of words found by attention", ("by", "UAS", "more than by distances and words"), rows)


def parsed_lines(parsed: Parsed) -> list[str]:
    """What the table does not say."""
    lines = [
        f"Learnt from {counted(parsed.learnt_on, 'sentence', 'sentences')}, judged on {parsed.judged_on:,} with "
        f"{parsed.words:,} words whose head is looked for: no roots, no punctuation."
    ]
    order = parsed.weights.max(axis=1).argsort()[::-1][:STRONGEST]
    named = ", ".join(
        f"{parsed.heads[i]} {DIRECTIONS[way]} {parsed.weights[i, way]:+.0f}"
        for i in order
        for way in [int(parsed.weights[i].argmax())]
    )
    lines.append(f"Attention that speaks most for a head: {named}.")
    if parsed.too_long:
        those = ("sentence is longer than the model reads", "sentences are longer than the model reads")
        lines.append(f"Left out: {counted(parsed.too_long, *those)}.")
    if parsed.empty:
        those = ("sentence has", "sentences have")
        lines.append(f"{counted(parsed.empty, *those)} no head to find: a single word, with or without punctuation.")
    if parsed.left_out:
        those = ("sentence", "sentences")
        lines.append(f"Left out for memory: {counted(parsed.left_out, *those)}; --max-words takes fewer.")
    return lines


def left_lines(left: Left) -> list[str]:
    """What of the sentences is not in the figures, with counts."""
    parts = [
        (left.too_long, "sentence is longer than the model reads", "sentences are longer than the model reads"),
        (left.unseen, "word has no token, or its head has none", "words have no token, or their heads have none"),
    ]
    return [f"Left out: {counted(*part)}." for part in parts if part[0]]


def heads_record(study: Heads) -> dict[str, Any]:
    """The figures as JSON values."""
    patterns = study.patterns
    names = [str(head) for head in study.heads]
    return {
        "heads": names,
        "relations": [_of_best(best) for best in study.best],
        "rare": {"relations": list(study.rare[0]), "words": study.rare[1]},
        "patterns": {
            "tokens": patterns.tokens,
            "shares": {name: [round(float(v), 6) for v in values] for name, values in patterns.shares.items()},
            "even": dict(patterns.even),
            "entropy": [round(float(value), 6) for value in patterns.entropy],
            "even_entropy": patterns.even_entropy,
        },
        "sentences": study.left.sentences,
        "too_long": study.left.too_long,
        "words": study.left.words,
        "unseen": study.left.unseen,
    }


def _of_best(best: Best) -> dict[str, Any]:
    return {
        "relation": best.relation,
        "chosen_on": best.chosen_on,
        "words": best.words,
        "head": str(best.head),
        "attention": best.direction,
        "found": best.found._asdict(),
        "fixed": best.rule,
        "baseline": best.baseline._asdict(),
        "gain": best.gain._asdict(),
        "on_all": best.on_all,
        "baseline_on_all": best.baseline_on_all,
        "by_head": [round(float(value), 6) for value in best.shares],
    }


def parsed_record(parsed: Parsed) -> dict[str, Any]:
    """The figures as JSON values."""
    return {
        "ways": [
            {
                "by": way.key,
                "name": way.name,
                "uas": way.found._asdict(),
                "gain": None if way.gain is None else way.gain._asdict(),
            }
            for way in parsed.ways
        ],
        "learnt_on": parsed.learnt_on,
        "judged_on": parsed.judged_on,
        "words": parsed.words,
        "weights": {
            str(head): [round(float(value), 4) for value in of_head]
            for head, of_head in zip(parsed.heads, parsed.weights, strict=True)
        },
        "too_long": parsed.too_long,
        "left_out": parsed.left_out,
        "empty": parsed.empty,
    }
