"""What outputs that need no model are worth on a data set, and how often the texts that people wrote go round in loops.

    python benchmarks/written_texts.py dev.jsonl.gz --source source --target target
    python benchmarks/written_texts.py val.en.gz val.de.gz

One file of JSON lines (a text or a list of its sentences, and one reference or a list of them), or two files whose
lines belong together. Printed for the source itself, its first sentence and its first three: figures with intervals.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

from nlpkit.metrics import degenerate, intervals, untrained, written

SHOWN = ("bleu", "chrf", "rouge1", "rouge2", "rougeL", "rougeLsum", "exact_match", "length_ratio")


def lines(file: Path) -> list[str]:
    """The lines of a text file, perhaps compressed."""
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return content.decode().removesuffix("\n").split("\n")


def rows(files: list[Path], source: str, target: str) -> tuple[list[Any], list[list[str]]]:
    """Sources and references."""
    if len(files) == 2:
        return lines(files[0]), [[line] for line in lines(files[1])]
    records = [json.loads(line) for line in lines(files[0])]
    return [record[source] for record in records], [
        [record[target]] if isinstance(record[target], str) else record[target] for record in records
    ]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="one file of JSON lines, or two line-aligned ones")
    parser.add_argument("--source", default="source", help="field of the texts")
    parser.add_argument("--target", default="target", help="field of the references")
    options = parser.parse_args()
    sources, references = rows(options.files, options.source, options.target)
    for name, outputs in untrained.outputs(sources).items():
        judged = written.compared(outputs, references, ter=False)
        figures, ranges = judged.metrics(), intervals.of(judged.evidence())
        shown = [f"{key} {figures[key]:.2f} ({ranges[key][0]:.2f} to {ranges[key][1]:.2f})" for key in SHOWN]
        print(f"{name}, {len(outputs):,} rows: {', '.join(shown)}")
    for name, signature in judged.signatures.items():
        print(f"{name}: {signature}")
    for note in (note for notes in judged.notes.values() for note in notes):
        print(note)
    texts = [text for several in references for text in several]
    looping = sum(map(degenerate.loops, texts))
    print(f"references that repeat a phrase three times in a row: {looping:,} of {len(texts):,}")


if __name__ == "__main__":
    main()
