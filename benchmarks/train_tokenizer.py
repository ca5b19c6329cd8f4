"""Training speed of `nlpkit train-tokenizer` beside the trainer of the tokenizers library on the same files.

Both sides train the same pipeline with the same trainer: nlpkit reads the files itself, checks their encoding, splits
them into documents and hands over texts; the library is given the names of the files. Each run is a process of its own;
the sides take turns, and ratios are taken within a round. Imports are left out, as they are the same.

Example: python benchmarks/train_tokenizer.py --data corpus.txt --rounds 5
"""

from __future__ import annotations

import argparse
import gzip
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sides

SIDES = {"a": "nlpkit", "b": "tokenizers, Tokenizer.train(files)"}


def train(spec: dict[str, Any]) -> dict[str, Any]:
    """One side, in its own process."""
    from nlpkit.data.corpus import Corpus
    from nlpkit.options import CorpusOptions
    from nlpkit.tokenization import training
    from nlpkit.tokenization.pipelines import Pipeline, PipelineOptions

    pipeline = Pipeline.of(PipelineOptions(kind=spec["kind"], vocab_size=spec["vocab_size"]))
    backend, trainer = pipeline.untrained(), pipeline.trainer()
    start, before = time.perf_counter(), time.process_time()
    if spec["side"] == "a":
        # nothing is held out, so that both sides train on the same text
        corpus, joined = Corpus(CorpusOptions(data=spec["files"])), pipeline.line_ends_are_blanks
        reading = training.Reading(corpus, training.HoldOut(0.0, 0), "", joined=joined)
        training.train(backend, trainer, reading)
    else:
        backend.train(spec["files"], trainer)
    seconds, cpu = time.perf_counter() - start, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    size = sum(Path(file).stat().st_size for file in spec["files"])
    return {
        "seconds": seconds,
        "rate": size / seconds,
        "cpu_rate": size / cpu,
        "vocabulary": backend.get_vocab_size(),
        "peak_bytes": peak,
    }


def unpacked(files: list[Path], folder: Path) -> list[str]:
    """Plain text files: the library reads no others."""
    plain = []
    for number, path in enumerate(files):
        if path.suffix == ".gz":
            target = folder / f"{number}.txt"
            with gzip.open(path) as packed, target.open("wb") as out:
                shutil.copyfileobj(packed, out)
            plain.append(str(target))
        else:
            plain.append(str(path.resolve()))
    return plain


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", help="plain text files (.gz are unpacked first)")
    parser.add_argument("--kinds", default="wordpiece,byte-bpe", help="of tokenizers (default: %(default)s)")
    parser.add_argument("--vocab-size", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was measured")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        sides.answer(options.child, train)
        return
    if not options.data:
        parser.error("--data is needed")

    found = sides.environment("tokenizers")
    results: dict[str, sides.Runs] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = unpacked(options.data, Path(folder))
        size = sum(Path(file).stat().st_size for file in files)
        print(f"{len(files)} files, {size / 1e6:.1f} MB, {options.vocab_size:,} tokens, {options.rounds} rounds")
        for kind in options.kinds.split(","):
            spec = {"kind": kind, "vocab_size": options.vocab_size, "files": files}
            # byte code and disk cache
            sides.start(__file__, {**spec, "side": "b", "vocab_size": 300, "files": files[:1]})
            runs = results[kind] = {side: [] for side in SIDES}
            for _, side in sides.in_turns(list(SIDES), options.rounds):
                runs[side].append(sides.start(__file__, {**spec, "side": side}))
            for side, what in SIDES.items():
                taken = sides.spread([one["seconds"] for one in runs[side]])
                rate = statistics.median(one["rate"] for one in runs[side]) / 1e6
                peak = max(one["peak_bytes"] for one in runs[side]) / 1e6
                print(f"{kind:<10} ({side}) {what:<36} {taken} s, {rate:5.1f} MB/s, peak memory {peak:.0f} MB")
            wall, cpu = (sides.spread(sides.ratios(runs, rate)["b"]) for rate in ("rate", "cpu_rate"))
            print(f"{kind:<10} a / b  {wall} in text per second, aim 0.90 at least")
            print(f"{kind:<10} a / b  {cpu} in text per second of processor time, whatever else was running")
    if options.json:
        sides.write_json(options.json, {"environment": found, "options": vars(options), "results": results})


if __name__ == "__main__":
    main()
