"""The card of word vectors: README.md with what they are, how to open them, how they were made, and their figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlpkit.markdown import text
from nlpkit.reporting import Table, cell
from nlpkit.word_vectors.files import TEXT


def write(path: Path, record: dict[str, Any], tables: Sequence[Table], *, pictured: bool) -> None:
    """Write the card of a run.

    Args:
        path: of the README.md.
        record: the run's nlpkit.json.
        tables: figures, one a file of `--evaluate`.
        pictured: whether there is a picture of words.
    """
    from huggingface_hub import ModelCard, ModelCardData

    metadata = ModelCardData(library_name="gensim", tags=["nlpkit", "word-vectors"])
    ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n{_body(record, tables, pictured=pictured)}").save(path)


def _body(record: dict[str, Any], tables: Sequence[Table], *, pictured: bool) -> str:
    about = record["word_vectors"]
    lines = [
        f"# Vectors of {about['words']:,} words, {about['width']} dimensions",
        "",
        "```python",
        "from gensim.models import KeyedVectors",
        "",
        f'vectors = KeyedVectors.load_word2vec_format("PATH/{TEXT}")',
        "```",
        "",
    ]
    if about["pieces"]:
        lines += ["Words that are not among them have vectors too, in nlpkit, made of their pieces.", ""]
    if tables:
        lines += ["## Measured", ""]
    for table in tables:
        lines += [f"{text(table.title)}, 95 % intervals in brackets:", ""]
        lines += ["| " + " | ".join(map(text, table.header)) + " |", "|---|" + "---:|" * (len(table.header) - 1)]
        lines += ["| " + " | ".join(text(cell(value)) for value in row) + " |" for row in table.rows] + [""]
    lines += [line for said in record["findings"] for line in (f"- {text(said)}", "")]
    if pictured:
        lines += ["![words by the three directions in which they differ most](plots/words.png)", ""]
    threads = record["config"]["threads"]
    data = record["parents"]["data"]["spec"]
    lines += [
        "## Made",
        "",
        f"With `nlpkit {record['command']}` from {text(data)}, {about['text_words']:,} words in {record['texts']:,} "
        f"texts: {about['described']}.",
        "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "",
        f"To repeat it: `nlpkit {record['command']} --config nlpkit.json`"
        + (f"; with {threads} threads the numbers will not be the same." if threads > 1 else "."),
        "",
    ]
    return "\n".join(lines)
