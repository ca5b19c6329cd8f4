"""Inference pairs, a premise and a hypothesis, as texts that belong together and texts that do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

from nlpkit.data.findings import Finding
from nlpkit.data.labels import as_target
from nlpkit.data.spelling import folded
from nlpkit.tasks.sentence_embedding.recognition import INFERENCE


def ranked(kept: Mapping[str, list[Any]], split: str) -> tuple[dict[str, list[Any]], Finding]:
    """Triplets of a premise, what it entails and what contradicts it; pairs, where few premises have both.

    Args:
        kept: `text`, `text_pair`, `label` and `where` of each row; labels as `label` gives them.
        split: that they are of.

    Returns:
        The columns of examples, with `negatives` where they are triplets, and how many rows were used for what.
    """
    contradictions: dict[str, list[str]] = {}
    rows = list(zip(kept["text"], kept["text_pair"], kept["label"], strict=True))
    right = {(text, folded(second)) for text, second, label in rows if label == "entailment"}
    disputed = 0
    for text, second, label in rows:
        if label == "contradiction" and ((text, folded(second)) in right or folded(second) == folded(text)):
            disputed += 1
        elif label == "contradiction":
            contradictions.setdefault(text, []).append(second)
    entailed = [i for i, label in enumerate(kept["label"]) if label == "entailment"]
    both = [i for i in entailed if kept["text"][i] in contradictions]
    counts = Counter(kept["label"])
    chosen, unused = entailed, f"{counts['neutral']:,} neutral"
    made: dict[str, list[Any]] = {}
    if 2 * len(both) >= len(entailed) and both:
        chosen = both
        turns = {text: cycle(texts) for text, texts in contradictions.items()}
        made["negatives"] = [[next(turns[kept["text"][i]])] for i in both]
        own = {kept["text"][i] for i in both}
        lonely = sum(len(texts) for text, texts in contradictions.items() if text not in own)
        unused += f", {lonely:,} contradictions of premises that entail nothing"
        unused += f", {len(entailed) - len(both):,} entailments of premises without a contradiction"
    else:
        unused += f", {counts['contradiction']:,} contradiction"
    if disputed and chosen is both:
        unused += f", {disputed:,} contradictions that are entailed too, or are their premise"
    made |= {name: [kept[name][i] for i in chosen] for name in ("text", "text_pair", "where")}
    kind = "premises with what they entail and what contradicts them" if chosen is both else "entailment pairs"
    message = f"{split}: {len(chosen):,} {kind} of {len(kept['text']):,} rows; not used: {unused}"
    return made, Finding("note", "inference", message, len(chosen))


def label(cell: Any, names: Sequence[str]) -> str | None:
    """What a label of inference pairs says; None of what annotators did not agree on."""
    if names and (number := as_target(cell)) is not None:
        cell = names[int(number)] if 0 <= number < len(names) else ""
    return INFERENCE.get(folded(str(cell)))
