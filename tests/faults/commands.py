"""The commands that faults are tried on: each with tiny models, so that a run takes a second or two."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "helpers"), str(HERE.parent.parent)]

import every_task  # noqa: E402  (found through the line above)
from conftest import make_model, make_tokenizer, rows, sentence, write_csv, write_jsonl  # noqa: E402
from qa_models import asked, make_reader, write_squad  # noqa: E402
from scripted_service import Reply, scripted  # noqa: E402

TRAINING = {"device": "cpu", "threads": 1, "batch_size": 16, "learning_rate": 5e-3, "logging_steps": 1}
Arguments = Mapping[str, Any]
FIRST = "part-1"  # of the files of an index
services = contextlib.ExitStack()  # that commands ask, for as long as this process lives


@dataclass(frozen=True)
class Case:
    """A command and what it is given.

    Attributes:
        arguments: the command first.
        compared: patterns of the files that must be the same after a fault as without.
        again: the flag with which it is run again after a fault; empty: the same command.
        output: a folder, or what the name of the file to write ends in.
        index: whether the folder is an index, of which index.json names the files, and a hidden one what is kept.
        shards: whether the folder is one of many files, of which manifest.json tells the state.
        before: the command that has made the output, which this one changes.
    """

    arguments: list[str]
    compared: tuple[str, ...] = ("*.safetensors",)
    again: str = "--resume"
    output: str = ""
    index: bool = False
    shards: bool = False
    before: tuple[str, ...] = ()

    def command(self, output: Path, *more: str) -> list[str]:
        """What stands behind `nlpkit`."""
        return [*self.arguments, "--output", str(output), *more]

    def more(self, output: Path) -> list[str]:
        """The flag with which it is run where there is an output."""
        return [self.again] if self.again and output.exists() else []

    def whole(self, output: Path) -> bool:
        """Whether the output looks finished."""
        if self.output:
            return output.exists()
        record = output / ("index.json" if self.index else "manifest.json" if self.shards else "nlpkit.json")
        text = record.read_text(encoding="utf-8") if record.exists() else ""  # empty: claimed, and nothing begun
        if not text:
            return False
        if self.shards:
            return all(shard["status"] == "done" for shard in json.loads(text)["shards"].values())
        if self.index:
            return not self.before or json.loads(text)["parts"] != FIRST
        return bool(json.loads(text)["status"] == "complete")

    def result(self, output: Path) -> dict[str, bytes]:
        """The files that are compared, by name."""
        if self.output:
            return {"output": output.read_bytes()} if output.exists() else {}
        if (self.index or self.shards) and not self.whole(output):
            return {}  # what is done of many files is theirs, each as it is
        if self.index:
            output = output / json.loads((output / "index.json").read_text(encoding="utf-8"))["parts"]
        return {
            str(path.relative_to(output)): path.read_bytes()
            for pattern in self.compared
            for path in sorted(output.glob(pattern))
        }


def flags(**given: Any) -> list[str]:
    return [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def make(folder: Path, only: Callable[[str], bool] = lambda _: True) -> dict[str, Case]:
    """Data and models in `folder`, and the commands that take them.

    Args:
        folder: to write to.
        only: which of `NAMES` are wanted; what no other needs is not made.
    """
    model = make_model(folder / "model")
    run = every_task.make_run("classification", folder / "classification", model)
    made = {
        "finetune-cls": [*flags(data=run.parent / "data", model=model, epochs=2, **TRAINING)],
        "distill": [str(run), *flags(student_layers=1, epochs=2, measure_seconds=0, **TRAINING)],
        "prune": [str(run), *flags(what="ffn,heads", sparsity=0.4, epochs=2, measure_seconds=0, **TRAINING)],
        "prune-weights": [str(run), *flags(sparsity=0.5, epochs=2, rounds=3, measure_seconds=0, **TRAINING)],
    }
    if only("finetune-ner"):
        tags = folder / "tags"
        tags.mkdir()
        for split, size in {"train": (64, 1), "validation": (32, 2)}.items():
            (tags / f"{split}.conll").write_text(every_task.tagged(*size), encoding="utf-8")
        made["finetune-ner"] = flags(data=tags, model=model, epochs=2, **TRAINING)
    if only("finetune-qa"):
        questions = folder / "questions"
        questions.mkdir()
        for split, (count, seed) in {"train": (64, 1), "validation": (32, 2)}.items():
            write_squad(questions / f"{split}.json", asked(count, seed=seed))
        reader = make_reader(folder / "reader")
        made["finetune-qa"] = flags(data=questions, model=reader, epochs=2, max_length=48, doc_stride=8, **TRAINING)
    if only("finetune-embed"):
        pairs = folder / "pairs"
        pairs.mkdir()
        for split, size in {"train": (64, 1), "validation": (32, 2)}.items():
            write_jsonl(pairs / f"{split}.jsonl", every_task.pairs(*size))
        made["finetune-embed"] = flags(data=pairs, model=model, epochs=2, **TRAINING)
    if only("finetune-seq2seq"):
        turned = folder / "turned"
        turned.mkdir()
        for split, size in {"train": (64, 1), "validation": (32, 2)}.items():
            write_jsonl(turned / f"{split}.jsonl", every_task.turned(*size))
        made["finetune-seq2seq"] = flags(data=turned, epochs=2, **every_task.SMALL_T5, **TRAINING)
    if any(map(only, EMBEDDERS)):
        made |= _of_embedders(folder, model)
    text = folder / "text.txt"
    rng = random.Random(0)
    text.write_text("".join(sentence(rng, "positive", 12) + "\n" for _ in range(300)), encoding="utf-8")
    make_tokenizer().save_pretrained(folder / "tokenizer")
    shape = {"layers": 2, "hidden_size": 32, "heads": 2, "intermediate_size": 64}
    made["pretrain-mlm"] = flags(
        data=text, tokenizer=folder / "tokenizer", max_length=32, epochs=2, eval_steps=5, **shape, **TRAINING
    )
    if only("pretrain-clm"):
        writer = every_task.make_run("causal-lm", folder / "writer", model)
        made["pretrain-clm"] = flags(
            data=text, tokenizer=writer, document_end="file", max_length=32, epochs=1, eval_steps=5, **shape, **TRAINING
        )
    cases = {name: Case([COMMANDS.get(name, name), *arguments]) for name, arguments in made.items()}
    quantized = ["quantize", str(run), *flags(to="bf16", measure_seconds=0)]
    cases["quantize"] = Case(quantized, again="--overwrite")
    tokenizer = ["train-tokenizer", *flags(data=text, vocab_size=120)]
    # of pieces that occur equally often the library learns one or the other
    cases["train-tokenizer"] = Case(tokenizer, ("tokenizer_config.json",), again="--overwrite")
    words = ["train-vectors", str(text), *flags(vector_size=8, epochs=2, min_count=2)]
    cases["train-vectors"] = Case(words, ("*.safetensors", "vectors.txt", "vocabulary.txt"), again="--overwrite")
    rows_of = write_csv(folder / "rows.csv", rows(40))
    answers = ["predict", str(run), *flags(input=rows_of)]
    cases["predict"] = Case(answers, again="--overwrite", output=".csv")
    cases["predict-parquet"] = Case(answers, again="--overwrite", output=".parquet")
    cases["explain"] = Case(["explain", *answers[1:]], again="--overwrite", output=".jsonl")
    looked_at = ["explain", str(run), "a good film", *flags(show="attention")]
    cases["explain-attention"] = Case(looked_at, again="--overwrite", output=".html")
    shards = folder / "shards"
    shards.mkdir()
    for number in range(4):
        write_csv(shards / f"{number}.csv", rows(40, seed=number))
    cases["predict-shards"] = Case(
        ["predict", str(run), *flags(input=shards), "--shards"], ("*.csv", "*.csv.*"), again="", shards=True
    )
    if only("embed") or only("embed-parquet"):
        encoder = every_task.make_run("embedding", folder / "encoder", model)
        vectors = ["embed", str(encoder), *flags(input=rows_of, dtype="int8", device="cpu", threads=1)]
        cases["embed"] = Case(vectors, output=".npy")
        cases["embed-parquet"] = Case(vectors, output=".parquet")
    if any(map(only, MEANING)):
        cases |= _of_meaning(folder, model)
    checked = ["check-data", *flags(data=run.parent / "data", model=model)]
    cases["check-data"] = Case(checked, again="--overwrite", output=".json")
    cases["augment"] = Case(["augment", *flags(data=rows_of, copies=2)], again="--overwrite", output=".csv")
    cases["learn"] = Case(["learn", "masks"], ("plots/*.png",), again="--overwrite")
    searched = flags(data=run.parent / "data", model=model, learning_rate="1e-3,5e-3", sampler="grid", device="cpu")
    searched += flags(threads=1, batch_size=16, epochs=1)
    cases["tune"] = Case(["tune", "finetune-cls", *searched], ("best/*.safetensors", "best.yaml"))
    smaller = flags(
        max_size="55kB", max_drop=50, to="none", epochs=1, branches=1, learning_rate=5e-3, device="cpu", threads=1
    )
    cases["compress"] = Case(["compress", str(run), *smaller])
    measured = flags(launches=1, seconds=0.01, batch_sizes=1, device="cpu")
    cases["benchmark"] = Case(["benchmark", str(run), *measured], ("benchmark.csv",))
    if only("loadtest"):
        service = services.enter_context(scripted(lambda _: Reply()))
        loaded = ["loadtest", service.url, *flags(input=text, rate=50, seconds=0.2, warmup_seconds=0)]
        cases["loadtest"] = Case(loaded, ("figures.csv",), again="--overwrite")
    return {name: case for name, case in cases.items() if only(name)}


def _of_embedders(folder: Path, model: Path) -> dict[str, list[str]]:
    """What trains embedders in ways of its own: losses with a cache or a decoder, batches of labels, negatives that are
    mined before, and translations."""
    texts = [f"{row['text']} {i}" for i, row in enumerate(rows(96))]
    pairs = [{"anchor": one, "positive": other} for one, other in itertools.pairwise(texts)]
    labels = [{"text": text, "label": "abc"[i % 3]} for i, text in enumerate(texts)]
    train = {
        "pairs": write_csv(folder / "pairs.csv", pairs),
        "labels": write_csv(folder / "labels.csv", labels),
        "texts": folder / "texts.txt",
    }
    train["texts"].write_text("\n".join(texts), encoding="utf-8")
    judged = write_jsonl(folder / "judged.jsonl", every_task.pairs(32, 2))
    common = {"validation_file": judged, "model": model, "epochs": 2, **TRAINING}
    cached = {"loss": "cached-multiple-negatives-ranking", "mini_batch_size": 4}
    teacher = every_task.make_run("embedding", folder / "teacher", model)
    for name in ("a.en", "a.de"):
        (folder / name).write_text("\n".join(texts), encoding="utf-8")
    both = f"{folder / 'a.en'},{folder / 'a.de'}"
    return {
        "finetune-embed-cached": flags(train_file=train["pairs"], **cached, **common),
        "finetune-embed-mined": flags(train_file=train["pairs"], mine_negatives=2, **common),
        "finetune-embed-labels": flags(train_file=train["labels"], **common),
        "finetune-embed-tsdae": flags(train_file=train["texts"], shape="texts", loss="tsdae", **common),
        "distill-parallel": [str(teacher), *flags(parallel=both, epochs=2, measure_seconds=0, **TRAINING)],
    }


def _of_meaning(folder: Path, model: Path) -> dict[str, Case]:
    """What is made of vectors: an index, one that is brought up to date, groups and topics."""
    encoder = every_task.make_run("embedding", folder / "meaning", model)
    texts = [f"{row['text']} {i % 40}" for i, row in enumerate(rows(240))]
    few = write_csv(folder / "few.csv", [{"id": i, "text": text} for i, text in enumerate(texts[:150])])
    many = write_csv(folder / "many.csv", [{"id": i, "text": text} for i, text in enumerate(texts[50:], start=50)])
    common = flags(model=encoder, device="cpu", threads=1, batch_size=4, exact_up_to=100)
    first, second = (["index", *flags(data=data), *common] for data in (few, many))
    # the words of an index stand in another order each time
    files = ("vectors.npy", "documents.arrow", "graph.usearch")
    grouped = [str(encoder), *flags(input=few, device="cpu", threads=1)]
    return {
        "index": Case(first, files, again="", index=True),
        "index-update": Case(second, files, again="", index=True, before=tuple(first)),
        "cluster": Case(["cluster", *grouped, *flags(k=3, map="pca")], ("rows.csv",), "--overwrite"),
        "topics": Case(["topics", *grouped, *flags(min_size=5)], ("*.safetensors", "rows.csv"), "--overwrite"),
        "probe": Case(
            ["probe", str(encoder), *flags(data=few, label="length", layers=0, device="cpu", threads=1)],
            ("probes.json",),
            "--overwrite",
        ),
    }


MEANING = ("index", "index-update", "cluster", "topics", "probe")
EMBEDDERS = (
    "finetune-embed-cached",
    "finetune-embed-mined",
    "finetune-embed-labels",
    "finetune-embed-tsdae",
    "distill-parallel",
)
COMMANDS = {
    "prune-weights": "prune",
    "distill-parallel": "distill",
    **dict.fromkeys(EMBEDDERS[:-1], "finetune-embed"),
}
"""The commands of cases that are called otherwise."""
TRAINS = (
    "finetune-cls",
    "finetune-ner",
    "finetune-qa",
    "finetune-embed",
    "finetune-seq2seq",
    "pretrain-mlm",
    "pretrain-clm",
    "distill",
    "prune",
    "prune-weights",
    *EMBEDDERS,
)
WRITES = (
    "quantize",
    "train-tokenizer",
    "train-vectors",
    "predict",
    "explain",
    "explain-attention",
    "predict-parquet",
    "predict-shards",
    "embed",
    "embed-parquet",
    "check-data",
    "augment",
    "learn",
    "tune",
    "compress",
    *MEANING,
)
REPEATABLE = (*TRAINS, *WRITES)
NAMES = (*REPEATABLE, "benchmark", "loadtest")  # which measure something else each time
