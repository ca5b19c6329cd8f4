"""The card of a tokenizer: README.md with what it is, how it was made, and its measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nlpkit.markdown import code, text
from nlpkit.reporting import Table

WORDS_LISTED = 100


def write(path: Path, record: dict[str, Any], measures: Table) -> None:
    """Write the card of a run.

    Args:
        path: of the README.md.
        record: the run's nlpkit.json.
        measures: one row a tokenizer, its own first.
    """
    from huggingface_hub import ModelCard, ModelCardData

    metadata = ModelCardData(library_name="transformers", tags=["nlpkit", "tokenizer"])
    ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n{_body(record, measures)}").save(path)


def _body(record: dict[str, Any], measures: Table) -> str:
    tokenizer, parents = record["tokenizer"], record["parents"]
    lines = [f"# Tokenizer, {tokenizer['vocab_size']:,} tokens", ""]
    if parents["model"]:
        verb = "Extends" if "added" in tokenizer else "Trained like"
        lines += [f"{verb} the tokenizer of {text(parents['model']['name'])}.", ""]
    lines += ["```python", "from transformers import AutoTokenizer", ""]
    lines += ['tokenizer = AutoTokenizer.from_pretrained("PATH")', "```", "", "## Measured", ""]
    texts = {"validation": "held-out text", "train": "the beginning of the training text"}[record["measured_on"]]
    own = record["compared"][0]
    lines += [f"On {texts}: {own['words']:,} words, {own['characters']:,} characters.", ""]
    lines += ["| " + " | ".join(map(text, measures.header)) + " |", "|---|" + "---:|" * (len(measures.header) - 1)]
    for row in measures.rows:
        cells = [f"{value:,}" if isinstance(value, int) else _number(value) for value in row]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "Tokens per word counts the tokens that overlap a run of letters and digits; a word is whole when it is one "
        "known token; unknown is a share of the tokens.",
        *(["", *(f"- {text(finding)}" for finding in record["findings"])] if record["findings"] else []),
        "",
        "![tokens per word](plots/tokens_per_word.png)",
        "",
        "## Made",
        "",
        f"With `nlpkit {record['command']}` from {text(parents['data']['spec'])} ({record['texts']:,} texts).",
        "",
    ]
    about = {name: value for name, value in tokenizer.items() if name not in ("vocab_size", "added")}
    lines += [f"- {name.replace('_', ' ')}: {_shown(value)}" for name, value in about.items() if value is not None]
    if words := tokenizer.get("added"):
        listed = ", ".join(text(word["word"]) for word in words[:WORDS_LISTED])
        lines += ["", f"Added: {listed}{', ...' if len(words) > WORDS_LISTED else ''}"]
    lines += [
        "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "",
        f"To repeat it: `nlpkit {record['command']} --config nlpkit.json`.",
        "",
    ]
    return "\n".join(lines)


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else text(value)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(code, value)) if isinstance(value, list) else text(value)
