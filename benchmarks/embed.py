"""Texts to vectors: `embed` of nlpkit (side a) against `SentenceTransformer.encode` (side b), by turns.

Each is a process of its own. Both open the same model from a folder, embed some texts first, and then all of them; the
vectors are compared. Equal texts are given once, as nlpkit would embed them once. `--first` measures, for either side,
from the start of a process to the first vector.

Example: python benchmarks/embed.py texts.txt --model minilm --rounds 3
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import sides

SIDES = {"a": "nlpkit", "b": "SentenceTransformer.encode"}
WARM = 64  # texts before the measured ones


def nlpkit_side(spec: dict[str, Any]) -> dict[str, Any]:
    """The Embedder of the command, without files."""
    from nlpkit.embedding.opened import open_embedder
    from nlpkit.recipes.embed import Config

    config = Config(model=spec["model"], texts=["a"], device="cpu", threads=spec["threads"], **spec["options"])
    opened = open_embedder(config)
    reader = opened.task.reader(["text"], config, labelled=False)

    def embed(texts: list[str]) -> Any:
        rows = [{"text": text} for text in texts]
        ((_, embedded),) = opened.embedder.embedded([(None, reader, rows)])
        return embedded.vectors

    return measured(spec, embed)


def other_side(spec: dict[str, Any]) -> dict[str, Any]:
    """sentence-transformers, as its documentation has it: 32 texts a batch, sorted by length."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(spec["threads"])
    model = SentenceTransformer(spec["model"], device="cpu")
    return measured(spec, lambda texts: model.encode(texts, show_progress_bar=False))


def measured(spec: dict[str, Any], embed: Any) -> dict[str, Any]:
    """Texts per second, and the vectors in a file."""
    import numpy as np

    texts = Path(spec["texts"]).read_text(encoding="utf-8").splitlines()
    embed(texts[:WARM])
    start = time.perf_counter()
    vectors = embed(texts)
    seconds = time.perf_counter() - start
    np.save(spec["vectors"], vectors)
    return {"rate": len(texts) / seconds, "seconds": seconds}


def first_vector(spec: dict[str, Any]) -> dict[str, Any]:
    """Seconds from the start of a process to the vector of one text."""
    import subprocess
    import sys

    ours = "from nlpkit.recipes import embed; embed.run(embed.Config(model={m!r}, texts=['a text'], threads={t}))"
    theirs = (
        "import torch; torch.set_num_threads({t}); from sentence_transformers import SentenceTransformer; "
        "SentenceTransformer({m!r}, device='cpu').encode(['a text'])"
    )
    code = (ours if spec["side"] == "a" else theirs).format(m=spec["model"], t=spec["threads"])
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    seconds = time.perf_counter() - start
    return {"rate": 1 / seconds, "seconds": seconds}


def child(spec: dict[str, Any]) -> dict[str, Any]:
    """Run one side."""
    if spec["first"]:
        return first_vector(spec)
    return nlpkit_side(spec) if spec["side"] == "a" else other_side(spec)


def main() -> None:
    """Take turns, and print rates, their ratio and how far the vectors are apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="?", help="file with a text a line")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-tokens", type=int, help="of nlpkit, in place of its own")
    parser.add_argument("--first", action="store_true", help="time from the start of a process to the first vector")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        sides.answer(options.child, child)
        return
    import numpy as np

    from nlpkit.models import opening

    found = sides.environment("torch", "transformers", "sentence-transformers")
    results: sides.Runs = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder, "texts.txt")
        if options.texts:
            lines = [line.strip() for line in Path(options.texts).read_text(encoding="utf-8").splitlines()]
            texts.write_text("\n".join(dict.fromkeys(line for line in lines if line)), encoding="utf-8")
        for _, side in sides.in_turns(list(SIDES), options.rounds):
            spec = {
                "side": side,
                "model": str(opening.resolve(options.model)),
                "texts": str(texts),
                "threads": options.threads,
                "first": options.first,
                "options": {"batch_tokens": options.batch_tokens} if options.batch_tokens else {},
                "vectors": str(Path(folder, f"{side}.npy")),
            }
            results[side].append(sides.start(__file__, spec))
        for side, runs in results.items():
            name = "seconds" if options.first else "rate"
            unit = "s to the first vector" if options.first else "texts/s"
            print(f"{side} {SIDES[side]}: {sides.spread([run[name] for run in runs])} {unit}")
        print(f"a / b: {sides.spread(sides.ratios(results)['b'])} times as fast")
        if not options.first:
            ours, theirs = (np.load(Path(folder, f"{side}.npy")) for side in SIDES)
            print(f"largest difference of a number: {np.abs(ours - theirs).max():.1e}")
    if options.json:
        sides.write_json(options.json, {"environment": found, "results": results})


if __name__ == "__main__":
    main()
