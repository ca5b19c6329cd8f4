"""How the fewest words that change an answer compare with what people changed.

Pairs of texts of which one was edited by people, as little as possible, so that its label is the other one (Kaushik et
al. 2020, https://arxiv.org/abs/1909.12434). Of each text that the model answers rightly: how often a word that people
changed is among those that `nlpkit explain --counterfactual` finds, beside as many words drawn at random; how many
words are needed; how many answers change at all.

    python benchmarks/counterfactuals.py RUN dev_paired.tsv --rows 40 --max-words 100
"""

from __future__ import annotations

import argparse
import csv
import difflib
import json
import tempfile
from pathlib import Path

import numpy as np

from nlpkit.data import words
from nlpkit.recipes import explain


def parts(text: str) -> list[str]:
    """The words of a text."""
    return [text[start:end] for start, end in words.split(text)]


def changed_by_people(text: str, other: str) -> set[int]:
    """Which words of a text stand otherwise in its pair."""
    matcher = difflib.SequenceMatcher(None, parts(text), parts(other), autojunk=False)
    return {i for tag, start, end, _, _ in matcher.get_opcodes() if tag != "equal" for i in range(start, end)}


def pairs(path: Path, label: str, text: str, pair: str) -> list[tuple[str, str, str]]:
    """Label, text, and its pair."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    by_pair: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_pair.setdefault(row[pair], []).append(row)
    both = [some for some in by_pair.values() if len(some) == 2]
    found = [(one, other) for some in both for one, other in (some, some[::-1])]
    return [(one[label].lower(), *(row[text].replace("<br />", " ") for row in (one, other))) for one, other in found]


def main() -> None:
    """Explain, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a classifier of the two labels")
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--max-words", type=int, default=100, help="longer texts are left out")
    parser.add_argument("--how", default="remove")
    parser.add_argument("--columns", nargs=3, default=["Sentiment", "Text", "batch_id"], help="label, text, pair")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    everything = pairs(arguments.data, *arguments.columns)
    short = [one for one in everything if len(parts(one[1])) <= arguments.max_words and changed_by_people(*one[1:])]
    print(f"{len(everything)} texts, {len(short)} of at most {arguments.max_words} words; the first {arguments.rows}")
    hits, drawn, needed, shares, common = [], [], [], [], []
    wrong = same = 0
    chosen = short[: arguments.rows]
    with tempfile.TemporaryDirectory() as folder:
        rows, output = Path(folder) / "rows.jsonl", Path(folder) / "why.jsonl"
        rows.write_text("".join(json.dumps({"text": text}) + "\n" for _, text, _ in chosen), encoding="utf-8")
        config = explain.Config(
            model=arguments.run,
            input=str(rows),
            output=output,
            counterfactual=arguments.how,
            device="cpu",
            threads=arguments.threads,
        )
        explain.run(config)
        answers = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    for (label, text, other), answer in zip(chosen, answers, strict=True):
        if answer["prediction"] != label:
            wrong += 1
            continue
        found = answer["prediction_counterfactual"]["changed"]
        if found is None:
            same += 1
            continue
        people, starts = changed_by_people(text, other), [start for start, _ in words.split(text)]
        ours = {starts.index(word["start"]) for word in found["words"]}
        hits.append(len(ours & people) / len(ours))
        common.append(bool(ours & people))
        drawn.append(len(people) / len(starts))
        needed.append(len(ours))
        shares.append(len(ours) / len(starts))
    figures = {
        "answered_rightly": len(hits) + same,
        "answered_wrongly": wrong,
        "changed": len(hits),
        "unchanged": same,
        "share_of_our_words_that_people_changed": float(np.mean(hits)),
        "share_of_random_words_that_people_changed": float(np.mean(drawn)),
        "texts_with_a_word_in_common": float(np.mean(common)),
        "words_median": float(np.median(needed)),
        "words_share_median": float(np.median(shares)),
        "words_most": int(max(needed)),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
