"""Peak memory and time of commands on input that is large in one way: packed text without line ends, one long row, many
labels, many rows. Each case is a process of its own; with --before another checkout of nlpkit runs it too."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

WORDS = ("the", "train", "film", "shop", "soup", "bike", "very", "was", "and", "my", "clerk", "good", "bad", "lovely")
RUN = ("--device", "cpu", "--threads", "1", "--max-steps", "2")
HERE = Path(__file__).resolve().parents[1]


def words(count: int, seed: int = 0) -> list[str]:
    """Random words."""
    return random.Random(seed).choices(WORDS, k=count)


def lines(count: int, labels: Sequence[str]) -> Iterator[str]:
    """A csv of short texts."""
    rng = random.Random(0)
    yield "text,label\n"
    for i in range(count):
        yield f"{' '.join(rng.choices(WORDS, k=10))} {i},{labels[i % len(labels)]}\n"


def zeros(path: Path, megabytes: int) -> None:
    """A packed file of one line."""
    with gzip.open(path, "wb") as file:
        for _ in range(megabytes):
            file.write(b"0" * 2**20)


def table(path: Path, count: int, labels: int) -> None:
    """A csv of short texts with so many labels."""
    with path.open("w") as file:
        file.writelines(lines(count, [f"label{i}" for i in range(labels)]))


def objects(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def long_text(path: Path, characters: int) -> None:
    """One text of so many characters among short ones."""
    text = " ".join(words(characters // 3))[:characters]
    short = [{"text": " ".join(words(9, i)), "label": f"label{i % 2}"} for i in range(60)]
    objects(path, [{"text": text, "label": "label0"}, *short])


def long_sentence(path: Path, count: int) -> None:
    """One sentence of so many tagged words among short ones."""
    tags = {"good": "B-GOOD", "bad": "B-BAD"}
    sentences = [words(count), *(words(10, i) for i in range(60))]
    objects(path, [{"tokens": found, "tags": [tags.get(word, "O") for word in found]} for found in sentences])


# case -> the input, and the command that reads it ({input}, {model}, {output})
CASES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "2 GB of zeros in a .txt.gz of 2 MB": (
        "zeros.txt.gz",
        lambda path: zeros(path, 2_000),
        "check-data --task fill-mask --data {input}",
    ),
    "one text of 15 million characters": (
        "long.jsonl",
        lambda path: long_text(path, 15_000_000),
        "finetune-cls --data {input} --model {model} --output {output}",
    ),
    "the same in windows": (
        "long.jsonl",
        lambda path: long_text(path, 15_000_000),
        "finetune-cls --data {input} --model {model} --output {output} --long-text windows",
    ),
    "one sentence of a million words": (
        "words.jsonl",
        lambda path: long_sentence(path, 1_000_000),
        "finetune-ner --data {input} --model {model} --output {output}",
    ),
    "10,000 labels, 30,000 rows": (
        "labels.csv",
        lambda path: table(path, 30_000, 10_000),
        "finetune-cls --data {input} --model {model} --output {output}",
    ),
    "100 of a million rows": (
        "rows.csv",
        lambda path: table(path, 1_000_000, 2),
        "finetune-cls --data {input} --model {model} --output {output} --max-train-samples 100 --max-eval-samples 100",
    ),
}


def tiny_model(folder: Path) -> None:
    """A random BERT of 2 layers and 32 dimensions that knows `WORDS`."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"0123456789", *(f"##{i}" for i in range(10))]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(folder)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **shape)).save_pretrained(folder)


def measured(checkout: Path, command: Sequence[str], place: Path, limit: int, seconds: float) -> str:
    """Peak of the resident memory and wall time of a command, or how it ended otherwise."""

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    env = {**os.environ, "PYTHONPATH": str(checkout), "NLPKIT_CACHE": str(place / "cache"), "HF_HUB_OFFLINE": "1"}
    start = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "nlpkit", *command],
        cwd=place,
        env=env,
        preexec_fn=bounded,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            _, said = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            return f"not done in {seconds:.0f} s"
        code = child.returncode
    taken = time.monotonic() - start
    # of all children so far: the command runs in a process that has no other
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    reason = next((line for line in said.splitlines() if line.startswith("nlpkit: ")), f"exit code {code}")
    ended = "" if code == 0 else ", refused" if code == 2 else f", failed ({reason[:60]})"
    return f"{peak:,.0f} MB, {taken:.0f} s{ended}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="another checkout of nlpkit")
    parser.add_argument("--cases", default="", help="parts of the names of cases, comma-separated")
    parser.add_argument("--limit", type=float, default=9, help="GB of address space a command may take")
    parser.add_argument("--seconds", type=float, default=300, help="that a command may take")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        checkout, spec = asked.one[0], json.loads(asked.one[1])
        print(measured(Path(checkout), spec, Path.cwd(), int(asked.limit * 2**30), asked.seconds))
        return
    sides = [*([asked.before.resolve()] if asked.before else []), HERE]
    print("| case | " + " | ".join(["before", "now"][-len(sides) :]) + " |\n|---|" + "---|" * len(sides))
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        tiny_model(place / "model")
        for case, (file, make, command) in CASES.items():
            if not any(part in case for part in asked.cases.split(",")):
                continue
            if not (place / file).exists():
                make(place / file)
            cells = []
            for side in sides:
                words = command.format(input=place / file, model=place / "model", output=place / "run").split()
                words += [*RUN, "--overwrite"] if words[0].startswith("finetune") else []
                child = [sys.executable, __file__, "--limit", str(asked.limit), "--seconds", str(asked.seconds)]
                done = subprocess.run(
                    [*child, "--one", str(side), json.dumps(words)],
                    cwd=place,
                    capture_output=True,
                    text=True,
                    check=True,
                )
                cells.append(done.stdout.strip())
            print(f"| {case} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
