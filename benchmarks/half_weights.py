"""Answers of a model whose weights are held in bfloat16, beside those of float32 weights under autocast and of float32.

python benchmarks/half_weights.py RUN --input new.csv [--device cuda] [--precision fp16]

On a CPU, where `predict` keeps float32 weights, it holds them as on a GPU. Prints for each pair the share of rows with
the same answer (of a tagger: all entities), and the largest difference of their scores where it is the same.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

from nlpkit.inference import weights
from nlpkit.recipes import predict

SIDES = ("float32", "autocast", "held")


def answers(side: str, given: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """What `predict` writes for the rows."""
    output = folder / f"{side}.jsonl"
    precision = "fp32" if side == "float32" else given.precision
    weights.is_held_on = lambda device: side == "held"  # whatever the device
    report = predict.run(
        predict.Config(
            model=given.model,
            input=given.input,
            output=output,
            device=given.device,
            precision=precision,
            max_errors=1e9,
        )
    )
    print(f"{side:>9}: {report.record['device']}, {report.record['rows_per_second']:,.0f} rows/s of the whole command")
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Answer three times, compare by pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--input", required=True, help="file that `predict` reads")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="bf16", choices=("bf16", "fp16"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {side: answers(side, given, Path(folder)) for side in SIDES}
    for one, other in itertools.combinations(SIDES, 2):
        pairs = list(zip(found[one], found[other], strict=True))
        alike = [(a, b) for a, b in pairs if _plain(a["prediction"]) == _plain(b["prediction"])]
        largest = max((abs(x - y) for a, b in alike for x, y in zip(_scores(a), _scores(b), strict=True)), default=0.0)
        share = len(alike) / len(pairs)
        print(f"{one} and {other}: {share:.2%} of {len(pairs):,} rows alike, scores within {largest:.4f}")


def _plain(answer: Any) -> Any:
    """An answer without the scores of entities."""
    if not isinstance(answer, list):
        return answer
    return [{k: v for k, v in item.items() if k != "score"} if isinstance(item, dict) else item for item in answer]


def _scores(row: dict[str, Any]) -> list[float]:
    """Of an answer, and of its entities."""
    answer = row["prediction"]
    found = [item.get("score") for item in answer if isinstance(item, dict)] if isinstance(answer, list) else []
    return [score for score in [row["prediction_score"], *found] if isinstance(score, float)]


if __name__ == "__main__":
    main()
