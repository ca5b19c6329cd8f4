"""A search: a process from its start to its answer, and one question after another of an open index.

1. Cold: `nlpkit search` as a process of its own, by vectors and by words, beside one that answers the same question
   with sentence-transformers and vectors in float32 on the disk: seconds, and ratios of rounds.
2. Warm: milliseconds per question of an open index, by vectors, by words, and both joined.

The rows are texts of --data, again and again until there are --rows; equal texts are embedded once.

Example: python benchmarks/search.py TEXTS.txt --model runs/minilm-int8 --rows 100000 --rounds 5
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import sides
from startup import seconds

from nlpkit.recipes import index, search
from nlpkit.searching.asking import Searcher
from nlpkit.searching.opened import Index

QUESTIONS = 50  # that are asked of an open index, after `WARM` to warm up
WARM = 5
# argv: the model, the vectors, the texts, the question
PEER = """
import json, sys
import numpy as np
from sentence_transformers import SentenceTransformer, util
model = SentenceTransformer(sys.argv[1], device="cpu")
texts = json.load(open(sys.argv[3]))
hits = util.semantic_search(model.encode([sys.argv[4]]), np.load(sys.argv[2]), top_k=10)[0]
print([texts[hit["corpus_id"]] for hit in hits])
"""


def made(options: argparse.Namespace, folder: Path) -> tuple[Path, list[str]]:
    """The index, and questions that are texts of it, cut to their first words."""
    texts = [line.strip() for line in options.data.read_text(encoding="utf-8").splitlines() if line.strip()]
    texts = texts[: options.different]
    rows = list(itertools.islice(itertools.cycle(texts), options.rows))
    data = folder / "rows.jsonl"
    data.write_text(
        "".join(json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(rows)), encoding="utf-8"
    )
    index.run(index.Config(data=str(data), model=options.model, output=folder / "i", device="cpu"))
    (folder / "texts.json").write_text(json.dumps(rows), encoding="utf-8")
    np.save(folder / "vectors.npy", Index.open(folder / "i").stored.floats(slice(None)))
    step = max(len(texts) // (QUESTIONS + WARM), 1)
    return folder / "i", [" ".join(text.split()[:8]) for text in texts[::step]][: QUESTIONS + WARM]


def cold(options: argparse.Namespace, place: Path, question: str) -> None:
    """Print seconds of whole processes, and how many times as long the peer takes."""
    ours = [sys.executable, "-m", "nlpkit", "search", str(place), question, "--json"]
    commands = {
        "dense": [*ours, "--mode", "dense"],
        "bm25": [*ours, "--mode", "bm25"],
        "hybrid": [*ours, "--mode", "hybrid"],
    }
    if options.peer:
        files = [str(place.parent / name) for name in ("vectors.npy", "texts.json")]
        commands["sentence-transformers"] = [sys.executable, "-c", PEER, options.peer, *files, question]
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        seconds(command)  # byte code and disk cache
    for _, name in sides.in_turns(list(commands), options.rounds):
        taken[name].append(seconds(commands[name]))
    for name, values in taken.items():
        line = f"cold, {name}: {statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"
        if name != "sentence-transformers" and options.peer:
            ratios = [peer / own for peer, own in zip(taken["sentence-transformers"], values, strict=True)]
            line += f"; sentence-transformers takes {statistics.median(ratios):.1f} times as long"
        print(line)


def warm(place: Path, questions: list[str]) -> None:
    """Print milliseconds per question of an open index."""
    for mode in ("dense", "bm25", "hybrid"):
        searcher = Searcher.of(search.Config(index=place, mode=mode, max_false_answers=1, device="cpu"))
        taken = []
        for question in questions:
            start = time.perf_counter()
            searcher.outcomes([question])
            taken.append(1_000 * (time.perf_counter() - start))
        values = sorted(taken[WARM:])
        late = np.quantile(values, 0.95)
        print(f"warm, {mode}: median {statistics.median(values):.1f} ms, one in twenty takes more than {late:.1f} ms")


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="text file, a text a line")
    parser.add_argument("--model", default="minilm", help="an exported one answers without torch")
    parser.add_argument("--peer", default="", help="folder of the model for sentence-transformers; none: no peer")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--different", type=int, default=2_000, help="texts that are embedded")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with tempfile.TemporaryDirectory() as folder:
        place, questions = made(options, Path(folder))
        print(f"{options.rows:,} rows; load {os.getloadavg()[0]:.1f}")
        cold(options, place, questions[0])
        warm(place, questions)


if __name__ == "__main__":
    main()
