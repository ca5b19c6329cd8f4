"""Checks that any task can run on its examples before an hour of training is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nlpkit.data import duplicates as texts
from nlpkit.data.findings import SHOWN, Finding
from nlpkit.data.spelling import folded
from nlpkit.reporting import counted

RARE = 10  # rows under which a class is called rare
IMBALANCE = 10.0  # most frequent to least frequent class, from which it is worth a warning


def _short(text: str, limit: int = 70) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def no_rows(split: str, total: int, findings: Sequence[Finding]) -> Finding:
    """That a split has no row left, with the reasons, which are among what was found before."""
    why = [line for finding in findings if finding.message.startswith(f"{split}:") for line in finding.examples]
    return Finding("error", "no-rows", f"{split}: none of {total:,} rows can be used", total, why)


def duplicates(
    keys: Mapping[str, Sequence[str]], labels: Mapping[str, Sequence[Any]], places: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """The same input twice within a split, and the same input with different labels."""
    findings = []
    for split, inputs in keys.items():
        first: dict[str, int] = {}
        repeated, contradicting = [], []
        for i, key in enumerate(inputs):
            normal = folded(key)
            seen = first.setdefault(normal, i)
            if seen != i:
                repeated.append(f"{places[split][i]} = {places[split][seen]}: {_short(key)}")
                if labels[split][i] != labels[split][seen]:
                    contradicting.append(repeated[-1])
        if repeated:
            message = f"{split}: {len(repeated):,} of {len(inputs):,} rows repeat an earlier one"
            findings.append(Finding("warning", "duplicates", message, len(repeated), repeated))
        if contradicting:
            rows = counted(len(contradicting), "repeated row has", "repeated rows have")
            message = f"{split}: {rows} another label than the first"
            findings.append(Finding("warning", "contradictions", message, len(contradicting), contradicting))
    return findings


def leakage(keys: Mapping[str, Sequence[str]], places: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Rows of validation or test whose input also stands in train, or nearly so: their figures are too good."""
    if "train" not in keys:
        return []
    normal = {split: [folded(key) for key in inputs] for split, inputs in keys.items()}
    train = {key: i for i, key in enumerate(normal["train"])}
    findings = []
    for split, inputs in keys.items():
        if split == "train":
            continue
        leaked = []
        for i, key in enumerate(inputs):
            seen = train.get(normal[split][i])
            if seen is not None:
                leaked.append(f"{places[split][i]} = {places['train'][seen]}: {_short(key)}")
        if leaked:
            share = len(leaked) / len(inputs)
            message = f"{split}: {len(leaked):,} of {len(inputs):,} rows ({share:.1%}) also stand in train"
            # where all rows are of one text no part can be held out apart from it; a trial run may still be made
            level: Any = "error" if share == 1 and len(train) > 1 else "warning"
            findings.append(Finding(level, "leakage", message, len(leaked), leaked))
    return findings + _near_leakage(normal, keys, places)


def _near_leakage(
    normal: Mapping[str, Sequence[str]], keys: Mapping[str, Sequence[str]], places: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """Rows of validation or test that nearly stand in train."""
    others = [split for split, inputs in normal.items() if split != "train" and inputs]
    if others and texts.too_many(normal):
        message = f"texts that are nearly the same were not looked for: over {texts.NEAR_CHARACTERS:,} characters"
        return [Finding("note", "near-leakage", message)]
    findings = []
    for split in others:
        pairs, complete = texts.near(normal["train"], normal[split])
        if pairs or not complete:
            shown = [f"{places[split][i]} ~ {places['train'][j]}: {_short(keys[split][i])}" for i, j in pairs]
            least = "" if complete else "at least "
            message = (
                f"{split}: {least}{len(pairs):,} of {len(normal[split]):,} rows nearly stand in train "
                f"({texts.NEAR:.0%} of the pairs of neighbouring words are the same)"
            )
            message += "" if complete else "; too many texts are alike for all to be compared"
            findings.append(Finding("note", "near-leakage", message, len(pairs), shown))
    return findings


def classes(names: Sequence[str], labels: Mapping[str, Sequence[int]]) -> list[Finding]:
    """Classes that are missing, rare or out of balance in train, or missing in the other splits."""
    findings = []
    counts = Counter(labels["train"])
    total = len(labels["train"])
    present = [name for i, name in enumerate(names) if counts[i]]
    if total and len(present) < 2:
        message = f"train: all {counted(total, 'row', 'rows')} have the label '{present[0]}': there is nothing to learn"
        findings.append(Finding("error", "single-class", message, total))
        return findings
    rare = [f"{names[i]}: {counted(counts[i], 'row', 'rows')}" for i in range(len(names)) if counts[i] < RARE]
    if rare and total >= RARE * len(names):
        message = f"train: {len(rare)} of {len(names)} classes have fewer than {RARE} rows"
        findings.append(Finding("warning", "rare-class", message, len(rare), rare))
    (most, many), (least, few) = counts.most_common()[0], counts.most_common()[-1]
    if many / few >= IMBALANCE:
        message = (
            f"train: '{names[most]}' has {many / few:.0f} times the rows of '{names[least]}' ({many:,} to {few:,}): "
            "accuracy will flatter; see f1_macro, --class-weights balanced, --oversample"
        )
        findings.append(Finding("warning", "imbalance", message, many))
    for split, values in labels.items():
        there = set(values)
        absent = [name for i, name in enumerate(names) if counts[i] and i not in there]
        if split != "train" and values and absent:
            lead = counted(len(absent), "class of train has", "classes of train have")
            shown = ", ".join(absent[:SHOWN]) + (", ..." if len(absent) > SHOWN else "")
            message = f"{split}: {lead} no row: {shown}"
            findings.append(Finding("note", "absent-class", message, len(absent)))
    return findings


def truncation(
    lengths: Mapping[str, Sequence[int]],
    places: Mapping[str, Sequence[str]],
    limits: Mapping[str, int],
    advice: Mapping[str, str],
) -> list[Finding]:
    """Rows with more tokens than the limit of their split, where these lose text; up to one in a hundred is a note."""
    findings = []
    for split, counts in lengths.items():
        limit = limits[split]
        over = sum(length > limit for length in counts)
        if over:
            share = over / len(counts)
            message = (
                f"{split}: {over:,} of {len(counts):,} rows ({share:.1%}) are cut at {limit} tokens{advice[split]}"
            )
            longest = max(range(len(counts)), key=counts.__getitem__)
            example = f"{places[split][longest]}: {counts[longest]:,} tokens"
            level: Any = "warning" if over > 0.01 * len(counts) else "note"
            findings.append(Finding(level, "truncation", message, over, [example]))
    return findings
