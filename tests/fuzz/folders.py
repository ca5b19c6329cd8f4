"""Every field of every record in a folder, spoilt in each way, before every command that opens the folder.

Each must be used, or refused with one message that names the file (exit code 2). Where a command answers, and answers
otherwise than before without a word on it, that is shown too: it may be right (another label name), and it may be a
wrong result that nothing mentions.

    python tests/fuzz/folders.py --n 2000 --seed 1 [--kind cls] [--file nlpkit.json]
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import copy
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "helpers"), str(HERE.parent.parent)]

SECONDS = 30.0  # of processor time a command may take
MEMORY = 24 * 2**30  # bytes of addresses
DROP = object()
DAMAGES: dict[str, Any] = {
    "dropped": DROP,
    "null": None,
    "text": "x",
    "empty": "",
    "number": 7,
    "huge": 10**25,
    "negative": -1,
    "NaN": float("nan"),
    "true": True,
    "list": [],
    "of lists": [[None]],
    "object": {},
    "of objects": {"x": {"x": None}},
}
WHOLE: dict[str, Callable[[Path], Any]] = {
    "empty file": lambda path: path.write_bytes(b""),
    "not UTF-8": lambda path: path.write_bytes(b"\xff\xfe\x00{}"),
    "NUL": lambda path: path.write_bytes(b"\0" * 64),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "nested": lambda path: path.write_bytes(b'{"a":' * 5_000),
    "a list": lambda path: path.write_bytes(b"[]"),
    "a text": lambda path: path.write_bytes(b'"x"'),
    "no object in it": lambda path: path.write_bytes(b"{}"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
    "gone": lambda path: path.unlink(),
}
RECORDS = (
    "nlpkit.json", "config.json", "tokenizer_config.json", "tokenizer.json", "special_tokens_map.json",
    "generation_config.json", "trainer_state.json", "all_results.json", "metrics.jsonl", "nlpkit_position.json",
    "model.safetensors", "model.onnx", "optimizer.pt", "scheduler.pt", "rng_state.pth", "errors.jsonl",
    "training_args.bin", "measurements.jsonl",
    "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json",
    "index.json", "params.index.json", "vocab.index.json", "vectors.npy", "documents.arrow", "graph.usearch",
    "data.csc.index.npy", "indptr.csc.index.npy", "settings.json", "kept.json",
    "topics.json", "topics.safetensors", "names.csv", "clusters.json", "vectors.safetensors", "vocabulary.txt",
)  # fmt: skip
# lines that say something else at each call
VARIES = re.compile(r"available|per_second|seconds|rows/(s|min|h)\b|^\s*(memory|time) ")
MANY = ("vocab", "merges", "added_tokens", "log_history", "files", "versions", "config")
"""Of what stands below these only a few are taken in a sample of a file: they are alike."""


class Case(NamedTuple):
    """One file of a folder, spoilt in one way.

    Attributes:
        file: below the folder.
        path: keys to the field; empty where the file as a whole is spoilt.
        how: one of `DAMAGES`, or of `WHOLE`.
    """

    kind: str
    file: str
    path: tuple[Any, ...]
    how: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.file} {'.'.join(map(str, self.path))} {self.how}"


class Found(NamedTuple):
    """What a command made of a case: "fine", "other" (says something else than before), "named" (refused, with the
    file), "vague" (refused without it), "failed".
    """

    what: str
    said: str


# --- folders ---

TASKS = {"ner": "token-classification", "qa": "question-answering"}
EMBEDDERS = ("embedder", "sentence-transformer", "static")
SHORT = ["--max-length", "16", "--validation-share", "0.2"]
QUICK = ["--device", "cpu", "--threads", "1"]
TEXT = "the film was lovely and warm"


def make(folder: Path) -> None:
    """A folder of each kind, with the data beside it."""
    import every_task
    from conftest import make_model

    from nlpkit.recipes import (
        benchmark,
        distill,
        finetune_cls,
        pretrain_clm,
        pretrain_mlm,
        prune,
        quantize,
        train_tokenizer,
        train_vectors,
    )
    from nlpkit.tasks.sentence_embedding.folder import writing
    from nlpkit.tasks.sentence_embedding.vectors import Vectors

    model = make_model(folder / "model")
    every_task.make_run("embedding", folder / "embedder-made", model).rename(folder / "embedder")
    # as others write it: without the record of nlpkit
    shutil.copytree(folder / "embedder", folder / "sentence-transformer", ignore=lambda *_: ["nlpkit.json"])
    vectors = Vectors(prompts={"query": "query: "}, dims=8, max_length=16, source="made")
    width = json.loads((model / "config.json").read_text())["hidden_size"]
    writing.write(vectors, folder / "sentence-transformer", width)
    for kind, task in (("cls", "classification"), ("ner", "token-classification"), ("qa", "question-answering")):
        every_task.make_run(task, folder / f"{kind}-made", model).rename(folder / kind)
    common: dict[str, Any] = {**every_task.TRAINING, "data": str(folder / "cls-made" / "data")}
    interrupted = folder / "interrupted"
    finetune_cls.run(
        finetune_cls.Config(**common, model=str(model), output=interrupted, eval_steps=2, keep_checkpoints=True)
    )
    record = json.loads((interrupted / "nlpkit.json").read_text())
    (interrupted / "nlpkit.json").write_text(json.dumps({**record, "status": "running"}))
    cls = str(folder / "cls")
    made: dict[str, Any] = {**every_task.TRAINING, "measure_seconds": 0}
    distill.run(distill.Config(teacher=cls, student_layers="1", output=folder / "distilled", **made))
    static: dict[str, Any] = {"student": "static", "dims": 8, **made}
    distill.run(distill.Config(teacher=str(folder / "embedder"), output=folder / "static", **static))
    cutting = {"what": "heads,ffn", "sparsity": 0.5, "calibration_rows": 8, "epochs": 0}
    made.pop("max_steps")
    with contextlib.suppress(Exception):
        prune.run(prune.Config(model=cls, output=folder / "pruned", **{**made, **cutting}))
    for to in ("onnx-int8", "bf16"):
        quantize.run(quantize.Config(model=cls, to=to, output=folder / to, measure_seconds=0, device="cpu", threads=1))
    text = folder / "text.txt"
    text.write_text("\n".join(every_task.sentence(random.Random(n), "positive") for n in range(200)))
    _of_meaning(folder)
    train_tokenizer.run(train_tokenizer.Config(data=[str(text)], vocab_size=120, output=folder / "tokenizer"))
    train_vectors.run(
        train_vectors.Config(
            data=[str(text)], vector_size=4, epochs=1, min_count=2, subwords=True, buckets=50, output=folder / "vectors"
        )
    )
    pretrain_mlm.run(
        pretrain_mlm.Config(
            data=[str(text)], model=str(model), output=folder / "lm", max_steps=2, max_length=16, batch_size=8,
            device="cpu", threads=1,
        )
    )  # fmt: skip
    pretrain_clm.run(
        pretrain_clm.Config(
            data=[str(text)], model=str(every_task.make_run("causal-lm", folder / "writer-made", model)),
            output=folder / "writer", document_end="file", max_steps=2, max_length=16, batch_size=8, device="cpu",
            threads=1,
        )
    )  # fmt: skip
    benchmark.run(
        benchmark.Config(
            models=[f"a={model}"], config_only=True, sequence_lengths=8, batch_sizes=1, launches=1, seconds=0.01,
            interval=0.01, device="cpu", threads=1, output=folder / "benchmark",
        )
    )  # fmt: skip


def _of_meaning(folder: Path) -> None:
    """An index with a graph, one that was interrupted, and topics."""
    from nlpkit.errors import Interrupted
    from nlpkit.recipes import index, topics
    from nlpkit.searching.sides import Sides

    encoder, data = str(folder / "embedder"), [str(folder / "text.txt")]
    given: dict[str, Any] = {"data": data, "model": encoder, "device": "cpu", "threads": 1, "batch_size": 4}
    index.run(index.Config(output=folder / "index", exact_up_to=100, **given))
    computed = Sides.computed

    def some(self: Sides, chunks: Any) -> Any:
        yield next(computed(self, chunks))
        raise KeyboardInterrupt

    Sides.computed = some  # type: ignore[method-assign]
    with contextlib.suppress(Interrupted):
        index.run(index.Config(output=folder / "index-begun", **given))
    Sides.computed = computed  # type: ignore[method-assign]
    topics.run(
        topics.Config(
            model=encoder, input=data[0], min_size=3, map="none", output=folder / "topics", device="cpu", threads=1
        )
    )


def commands(kind: str, made: Path, run: Path) -> Iterator[list[str]]:
    """What opens a folder of this kind.

    Args:
        made: where the folders and their data are.
        run: the copy that was spoilt.
    """
    name, record = str(run), str(run / "nlpkit.json")
    data = str(made / f"{kind if kind in ('ner', 'qa') else 'cls'}-made" / "data")
    corpus = str(made / "text.txt")
    if kind in EMBEDDERS:
        asked = ["--task", "sentence-embedding"] if kind == "sentence-transformer" else []
        yield ["embed", name, TEXT, "a dull day", *QUICK]
        yield ["evaluate", name, "--data", str(made / "embedder-made" / "data"), *asked, "--no-save", *QUICK]
        return
    if kind == "index":
        yield ["search", name, TEXT, "--mode", "hybrid", "--json", *QUICK]
        yield ["search", name, TEXT, "--filter", "id!=x", "--max-false-answers", "1", "--json", *QUICK]
        yield ["index", "--data", corpus, "--output", name, *QUICK]
    if kind == "index-begun":
        yield [
            "index",
            "--data",
            corpus,
            "--model",
            str(made / "embedder"),
            "--output",
            name,
            "--batch-size",
            "4",
            *QUICK,
        ]
    if kind == "topics":
        yield ["topics", name, "--input", corpus, "--output", str(run.parent / "out.csv"), "--overwrite", *QUICK]
        yield ["predict", name, "--input", corpus, *QUICK]
    dry = ["--dry-run", "--output", str(run.parent / "out")]
    if kind == "writer":
        yield ["predict", name, TEXT, "--max-new-tokens", "4", "--json", *QUICK]
        yield ["evaluate", name, "--data", corpus, "--no-save", *QUICK]
        yield ["tokenize", "--tokenizer", name, TEXT]
        yield ["benchmark", name, "--sequence-lengths", "8", "--batch-sizes", "1", *dry, *QUICK]
        yield ["quantize", name, "--to", "bf16", *dry, *QUICK]
        yield ["pretrain-clm", "--config", record, *dry, *QUICK]
        yield ["pretrain-clm", "--data", corpus, "--model", name, *SHORT, *dry, *QUICK]
    tune = "finetune-qa" if kind == "qa" else "finetune-ner" if kind == "ner" else "finetune-cls"
    if kind in MODELS:
        asked = ["--question", "who was warm", "--context", TEXT] if kind == "qa" else [TEXT.replace("film", "[MASK]")]
        yield ["predict", name, *asked, "--json", *QUICK]
        yield ["evaluate", name, "--no-save", *QUICK]
        if kind != "lm":
            yield ["evaluate", name, "--data", data, "--split", "validation", "--no-save", *QUICK]
            yield ["check-data", "--data", data, "--model", name, "--task", TASKS.get(kind, "text-classification")]
        yield ["tokenize", "--tokenizer", name, TEXT]
        if kind != "onnx-int8":
            yield [tune, "--data", data, "--model", name, *dry, *QUICK]
        yield ["benchmark", name, "--sequence-lengths", "8", "--batch-sizes", "1", *dry, *QUICK]
    if kind in ("cls", "ner", "qa", "distilled", "pruned"):
        yield ["distill", name, "--student-layers", "1", *dry, *QUICK]
        yield ["prune", name, "--what", "ffn", "--sparsity", "0.5", *dry, *QUICK]
    if kind in ("cls", "ner", "qa"):
        yield [tune, "--config", record, *dry, *QUICK]
    if kind == "lm":
        yield ["pretrain-mlm", "--config", record, *dry, *QUICK]
        yield ["pretrain-mlm", "--data", corpus, "--model", name, *SHORT, *dry, *QUICK]
    if kind == "tokenizer":
        yield ["tokenize", "--tokenizer", name, TEXT]
        yield ["pretrain-mlm", "--data", corpus, "--tokenizer", name, *SHORT, *dry, *QUICK]
        yield ["train-tokenizer", "--config", record, *dry]
    if kind == "vectors":
        yield [
            "train-vectors",
            "--vectors",
            name,
            "--neighbours",
            "good",
            "--analogy",
            "good - bad + kindish",
            "--json",
        ]
        yield ["train-vectors", "--config", record, *dry]
    if kind == "benchmark":
        yield ["benchmark", "--resume", "--output", name, "--dry-run"]
        yield [
            "benchmark", f"a={made / 'model'}", "--config-only", "--sequence-lengths", "8", "--batch-sizes", "1",
            "--compare", name, *dry, *QUICK,
        ]  # fmt: skip
        yield ["benchmark", "--config", record, *dry]
    if kind == "interrupted":
        yield ["finetune-cls", "--output", name, "--resume"]
    if kind in RESUMED:
        yield [RESUMED[kind], "--output", name, "--resume"]


RESUMED = {
    "cls": "finetune-cls",
    "distilled": "distill",
    "pruned": "prune",
    "lm": "pretrain-mlm",
    "writer": "pretrain-clm",
}
"""The commands that go on with runs of a kind."""
MODELS = ("cls", "ner", "qa", "distilled", "pruned", "onnx-int8", "bf16", "lm")
KINDS = (
    *EMBEDDERS,
    *MODELS,
    "writer",
    "tokenizer",
    "vectors",
    "benchmark",
    "interrupted",
    "index",
    "index-begun",
    "topics",
)


# --- cases ---


def cases(kind: str, folder: Path) -> Iterator[Case]:
    """Every file of the folder that is read, every field of it, every way."""
    for path in sorted(folder.rglob("*")):
        if path.name not in RECORDS or not path.is_file():
            continue
        file = str(path.relative_to(folder))
        for how in WHOLE:
            yield Case(kind, file, (), how)
        if path.suffix == ".json":
            for place, value in fields(json.loads(path.read_text())):
                for how, damage in DAMAGES.items():
                    if damage is DROP or type(damage) is not type(value) or damage != value:
                        yield Case(kind, file, place, how)


def fields(document: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The places of all values; of long lists and tables the first and the last."""
    items = list(
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    if len(items) > 4 and (isinstance(document, list) or (above and above[-1] in MANY and above[-1] != "config")):
        items = [items[0], items[-1]]
    for key, value in items:
        yield (*above, key), value
        yield from fields(value, (*above, key))


def spoil(case: Case, folder: Path) -> None:
    """Do it, in a copy."""
    path = folder / case.file
    if not case.path:
        WHOLE[case.how](path)
        return
    document = json.loads(path.read_text())
    place = document
    for key in case.path[:-1]:
        place = place[key]
    if DAMAGES[case.how] is DROP:
        del place[case.path[-1]]
    else:
        place[case.path[-1]] = copy.deepcopy(DAMAGES[case.how])
    path.write_text(json.dumps(document))


# --- what comes of it ---


class Hang(BaseException):
    """Too much time was spent on a command."""


def called(arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, standard output and error of a command, in this process."""
    from nlpkit.cli.app import main

    said, failed = io.StringIO(), io.StringIO()

    def stop(*_: Any) -> None:
        raise Hang

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(failed):
            code = main(arguments)
    except Hang:
        code = -1
        failed.write(f"more than {SECONDS:.0f} s")
    except BaseException as error:  # a panic of the tokenizers library
        if isinstance(error, KeyboardInterrupt):
            raise
        code = -2
        failed.write(f"{type(error).__name__}: {error}")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return code, said.getvalue(), failed.getvalue()


def judged(case: Case, before: tuple[int, str, str], after: tuple[int, str, str]) -> Found:
    """What a command made of it, beside what it said of the folder as it was."""
    code, _, err = after
    if code not in (0, 2) or "Traceback" in err or "--verbose for the traceback" in err:
        return Found("failed", f"exit {code}: {err.strip()[-400:]}")
    if code == 2:
        said = err.strip()
        return Found("named" if Path(case.file).name in said else "vague", said[:400])
    difference = _difference(before, after)
    return Found("other", difference) if difference else Found("fine", "")


def _difference(before: tuple[int, str, str], after: tuple[int, str, str]) -> str:
    """Lines that are there now and were not."""
    parts = []
    for name, old, new in zip("oe", before[1:], after[1:], strict=True):
        gone = set(old.splitlines())
        fresh = [line.strip() for line in new.splitlines() if line not in gone and not VARIES.search(line)]
        parts += [f"{name}> {line[:160]}" for line in fresh[:3]]
    return " | ".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2_000, help="commands; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--file", help="only this one")
    parser.add_argument("--made", type=Path, help="folders that were made before")
    parser.add_argument("--show", default="failed,vague", help="what is listed: failed, vague, other, named")
    options = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as scratch:
        made = options.made or Path(scratch) / "made"
        os.environ["NLPKIT_CACHE"] = str(Path(scratch) / "cache")
        if not (made / "benchmark").is_dir():
            make(made)
        return _run(options, made, Path(scratch))


def _run(options: argparse.Namespace, made: Path, scratch: Path) -> int:
    kinds = [kind for kind in options.kind or KINDS if (made / kind).is_dir()]
    place = scratch / "run"
    before: dict[tuple[str, int], tuple[int, str, str]] = {}
    todo: list[tuple[Case, int]] = []
    for kind in kinds:
        count = len(list(commands(kind, made, place)))
        found = [one for one in cases(kind, made / kind) if options.file in (None, Path(one.file).name, one.file)]
        todo += [(case, number) for case in found for number in range(count)]
        for number in range(count):
            _copy(made / kind, place)
            arguments = list(commands(kind, made, place))[number]
            called(arguments)  # what is kept in a cache is there the next time
            _copy(made / kind, place)
            before[kind, number] = done = called(arguments)
            if done[0] != 0:
                print(f"{kind}: {' '.join(arguments)}: exits {done[0]}: {done[2][-300:]}")
    total = len(todo)
    if options.n and options.n < total:
        # as many of each file, whatever the number of its fields
        rng = random.Random(options.seed)
        rng.shuffle(todo)
        turns: collections.Counter[tuple[str, str]] = collections.Counter()
        order = []
        for case, number in todo:
            turns[case.kind, case.file] += 1
            order.append((turns[case.kind, case.file], case, number))
        todo = [(case, number) for _, case, number in sorted(order, key=lambda entry: entry[0])[: options.n]]
    counts: collections.Counter[str] = collections.Counter()
    start = time.monotonic()
    for case, number in todo:
        _copy(made / case.kind, place)
        try:
            spoil(case, place)
        except (KeyError, IndexError, TypeError):
            continue
        arguments = list(commands(case.kind, made, place))[number]
        if before[case.kind, number][0] != 0:
            continue
        found = judged(case, before[case.kind, number], called(arguments))
        counts[found.what] += 1
        if found.what in options.show.split(","):
            command = " ".join([arguments[0], *({"--config", "--resume", "--compare"} & set(arguments))])
            print(f"{found.what}\t{case}\t{command}\t{found.said!r}")
            sys.stdout.flush()
    shown = ", ".join(f"{counts[what]:,} {what}" for what in ("fine", "other", "named", "vague", "failed"))
    took = f"{time.monotonic() - start:.0f} s"
    print(f"{sum(counts.values()):,} of {total:,} commands, seed {options.seed}: {shown}; {took}")
    return 1 if counts["failed"] else 0


def _copy(folder: Path, to: Path) -> None:
    shutil.rmtree(to, ignore_errors=True)
    shutil.rmtree(to.parent / "out", ignore_errors=True)
    shutil.copytree(folder, to)


if __name__ == "__main__":
    sys.exit(main())
