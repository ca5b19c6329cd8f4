"""What is spoilt, and which command meets it: each kind writes one input into a folder and says how it is run."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import random
import shutil
import string
import struct
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import every_task
import qa_models
import spoil

from nlpkit.data.inputs import Reading

Run = Callable[[], Any]
TEXT = "the film was lovely and warm"


class Kind(NamedTuple):
    """A kind of input.

    Attributes:
        weight: how often it comes, beside the others.
        make: given a source of chance, an empty folder and the finished run of a classifier, which has beside it what
            `beside` makes, writes the input and returns a shell command for people and a function that does the same in
            this process.
    """

    weight: int
    make: Callable[[random.Random, Path, Path], tuple[str, Run]]


def beside(run: Path) -> Path:
    """Make beside a classifier rows for it, an index of these rows, and a model that writes; returns the classifier."""
    from conftest import rows, write_csv
    from writers import make_writer

    from nlpkit.recipes import index

    numbered = [{"row": number, **row} for number, row in enumerate(rows(12))]
    data = write_csv(run.parent / "rows.csv", numbered)
    index.run(index.Config(data=[str(data)], model=str(run), output=run.parent / "index", device="cpu", threads=1))
    make_writer(run.parent / "writer")
    return run


def _rows(rng: random.Random) -> list[dict[str, Any]]:
    kind = rng.choice(["classification", "pairs", "regression", "multi-label"])
    return every_task.labelled(kind, rng.randint(2, 24), rng.randrange(9))


# --- files of rows ---


def _csv(rng: random.Random, rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.DictWriter(out, list(rows[0]), delimiter=rng.choice(",;\t|"), quoting=quoting, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8", "backslashreplace")


def _table(rng: random.Random) -> bytes:
    """Rows with odd cells, as a file of separated values."""
    rows = spoil.spoil_document(rng, _rows(rng))
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return _csv(rng, rows) if rows and rows[0] else b""


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=None).encode("utf-8", "surrogatepass")


def _documents(rng: random.Random) -> Any:
    """JSON in the shapes that rows, questions and annotations come in."""
    rows = _rows(rng)
    words = [{"tokens": s.split(), "tags": ["O"] * len(s.split())} for s in (row.get("text", "a b") for row in rows)]
    spans = [{"text": "Mira lives in Ulm", "spans": [{"start": 0, "end": 4, "label": "PER"}]} for _ in rows]
    asked = qa_models.asked(6, seed=rng.randrange(9), unanswerable=rng.random() < 0.3)
    studio = [
        {
            "id": i,
            "data": {"text": "Mira lives in Ulm"},
            "annotations": [
                {"result": [{"type": "labels", "value": {"start": 0, "end": 4, "text": "Mira", "labels": ["PER"]}}]}
            ],
        }
        for i in range(3)
    ]
    return rng.choice(
        [
            rows,
            {"data": rows},
            {name: [row[name] for row in rows] for name in rows[0]},
            {"train": rows, "validation": rows[:2]},
            words,
            spans,
            [["Mira lives in Ulm", {"entities": [[0, 4, "PER"], [14, 17, "LOC"]]}]] * 3,
            [{"text": "Mira in Ulm", "label": [[0, 4, "PER"]]}, {"text": "x", "label": []}],
            studio,
            qa_models.nested(asked, impossible=rng.random() < 0.3),
            asked,
            qa_models.nested(asked)["data"][0]["paragraphs"],
        ]
    )


def _parquet(rng: random.Random) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = _rows(rng)
    columns: dict[str, Any] = {name: pa.array([row[name] for row in rows]) for name in rows[0]}
    name = rng.choice(list(columns))
    count = len(rows)
    columns[name if rng.random() < 0.7 else "other"] = rng.choice(
        [
            lambda: pa.array([{"a": i} for i in range(count)]),
            lambda: pa.array([[("k", i)] for i in range(count)], pa.map_(pa.string(), pa.int64())),
            lambda: pa.array([b"\xff\x00" for _ in range(count)]),
            lambda: pa.array([i % 2 for i in range(count)]).cast(pa.decimal128(21, 2)),
            lambda: pa.array([str(i % 2) for i in range(count)]).dictionary_encode(),
            lambda: pa.array([1.5e18] * count).cast(pa.int64()).cast(pa.timestamp("ns")),
            lambda: pa.array([float("nan")] * count),
            lambda: pa.nulls(count),
            lambda: pa.array([[0.0, 1.0]] * count, pa.list_(pa.float64(), 2)),
            lambda: pa.array([[["a"]]] * count),
            lambda: pa.array([i % 2 == 0 for i in range(count)]),
            lambda: pa.array(["😀"] * count, pa.large_string()),
            lambda: pa.array([i % 3 for i in range(count)], pa.uint8()),
            lambda: pa.array([i % 3 for i in range(count)]).cast(pa.duration("s")),
            lambda: pa.array([None, *["x"] * (count - 1)]),
            lambda: pa.array([[{"a": [i], "m": None}] for i in range(count)]),
            lambda: pa.array([[[("k", i)]] for i in range(count)], pa.list_(pa.map_(pa.string(), pa.int64()))),
            lambda: pa.array([["x"]] * count, pa.list_(pa.dictionary(pa.int32(), pa.string()))),
            lambda: pa.array([2**62] * count).cast(pa.timestamp("us")),
            lambda: pa.array([0] * count).cast(pa.timestamp("ms", tz="Nowhere/Atlantis")),
            lambda: pa.array([2**64 - 1] * count, pa.uint64()),
            lambda: pa.array([b"0" * 16] * count, pa.binary(16)),
            lambda: pa.array([1.5] * count, pa.float16()),
            lambda: pa.array(["\x1b[31m"] * count),
        ]
    )()
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def _xlsx(rng: random.Random) -> bytes:
    import datetime

    import openpyxl

    cells: list[Any] = [
        None, "", 1, 1.5, True, "=1+1", "#N/A", datetime.datetime(2024, 5, 1), datetime.time(12), "a\nb",
        "x" * 3000, -1,
    ]  # fmt: skip
    book = openpyxl.Workbook()
    rows = _rows(rng)[:8]
    book.active.append(list(rows[0]))
    for row in rows:
        book.active.append([str(value) for value in row.values()])
    for _ in range(rng.choice([0, 1, 3])):
        at = rng.randint(1, 9), rng.randint(1, 4)
        book.active.cell(*at).value = rng.choice(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _spoil_zip(rng: random.Random, data: bytes) -> bytes:
    """One of the files in a zip spoilt, as the whole of it hardly ever opens."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(out, "w") as after:
        chosen = rng.choice(before.namelist())
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, spoil.spoil_bytes(rng, content) if name == chosen else content)
    return out.getvalue()


def _content(rng: random.Random, suffix: str) -> bytes:
    """The bytes of a file, spoilt in what it says, in how that is written, or both."""
    if suffix in (".parquet", ".xlsx"):
        data = _parquet(rng) if suffix == ".parquet" else _xlsx(rng)
        if rng.random() < 0.5:
            return data
        return _spoil_zip(rng, data) if suffix == ".xlsx" and rng.random() < 0.7 else spoil.spoil_bytes(rng, data)
    if suffix in (".csv", ".tsv"):
        data = _table(rng) if rng.random() < 0.5 else _csv(rng, _rows(rng))
    elif suffix in (".json", ".jsonl"):
        document = _documents(rng)
        document = spoil.spoil_document(rng, document) if rng.random() < 0.7 else document
        whole = suffix == ".json" or not isinstance(document, list)
        data = _json(document) if whole else b"\n".join(map(_json, document))
    elif suffix == ".conll":
        data = every_task.tagged(rng.randint(1, 9), rng.randrange(9)).replace(" ", rng.choice([" ", "\t"])).encode()
    else:
        data = "\n".join(row.get("text", "x") for row in _rows(rng)).encode()
        data = b"__label__a " + data if rng.random() < 0.2 else data
    return data if rng.random() < 0.3 else spoil.spoil_bytes(rng, data)


SUFFIXES = (".csv", ".csv", ".tsv", ".json", ".json", ".jsonl", ".jsonl", ".parquet", ".xlsx", ".txt", ".conll")


def _file(rng: random.Random, folder: Path) -> Path:
    suffix = rng.choice(SUFFIXES)
    data = _content(rng, suffix)
    name = rng.choice(["data", "data", "train", "a b", "ü"]) + suffix
    if rng.random() < 0.15:
        packed = rng.choice([".gz", ".zst"])
        name += packed
        if packed == ".gz":
            data = gzip.compress(data, mtime=0)
        else:
            import pyarrow as pa

            data = bytes(pa.Codec("zstd").compress(data, asbytes=True))
        data = spoil.spoil_bytes(rng, data) if rng.random() < 0.5 else data
    path = folder / name
    path.write_bytes(data)
    return path


def _as_pipe(rng: random.Random, path: Path) -> None:
    """Now and then a pipe with the same content takes the place of a file."""
    if rng.random() > 0.05:
        return
    data = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    threading.Thread(target=_feed, args=(path, data), daemon=True).start()


def _feed(path: Path, data: bytes) -> None:
    for _ in range(1_000):  # a command that refuses the file by its name never reads it
        with contextlib.suppress(OSError):
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(pipe, True)
            with os.fdopen(pipe, "wb") as out:
                out.write(data)
            return
        time.sleep(0.01)


def _reading(rng: random.Random) -> dict[str, Any]:
    """Options that say how a file is read, mostly none."""
    options: dict[str, Any] = {}
    if rng.random() < 0.15:
        options["delimiter"] = rng.choice([",", ";", "\t", "|", "tab", " ", "x", "#", "\\t"])
    if rng.random() < 0.1:
        options["encoding"] = rng.choice(
            ["utf-8", "latin-1", "cp1252", "utf-16", "ascii", "utf-8-sig", "utf-7", "idna"]
        )
    if rng.random() < 0.1:
        options["quoting"] = rng.choice(["auto", "standard", "none"])
    if rng.random() < 0.05:
        options["format"] = rng.choice(["csv", "tsv", "json", "jsonl", "parquet", "xlsx", "txt", "conll", "squad"])
    if rng.random() < 0.05:
        options["columns"] = rng.choice([["text"], ["text", "label"], ["a", "b", "c"], ["label", "text", "x", "y"]])
    return options


def _flags(options: dict[str, Any]) -> str:
    import shlex

    parts = []
    for name, value in options.items():
        text = ",".join(value) if isinstance(value, list) else str(value)
        parts.append(f"--{name.replace('_', '-')} {shlex.quote(text)}")
    return " ".join(parts)


TASKS = ("text-classification", "token-classification", "fill-mask", "question-answering", "text2text-generation")
FITTING = {".conll": "token-classification", ".txt": "fill-mask"}


def _check_data(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    path = _file(rng, folder)
    _as_pipe(rng, path)
    fitting = FITTING.get(path.suffix) or rng.choice(TASKS)
    task = rng.choice([fitting, fitting, "text-classification", rng.choice(TASKS)])
    options = {"data": str(path), "task": task, "model": "none", **_reading(rng)}
    if task == "text-classification" and rng.random() < 0.15:
        options["problem"] = rng.choice(["binary", "multi-class", "multi-label", "regression"])
    if rng.random() < 0.05:
        options["output"] = str(folder / rng.choice(["report.html", "report.json"]))

    def check() -> Any:
        from nlpkit.recipes import check_data

        return check_data.run(check_data.Config(**options))

    return f"nlpkit check-data {_flags(options)}", check


def _folder_of_data(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """Several files that belong together: splits, a folder a class, lines beside labels, sides, BRAT, a saved
    data set."""
    data, task = folder / "data", "text-classification"
    data.mkdir()
    rows = every_task.labelled("classification", 12, rng.randrange(9))
    shape = rng.choice(["splits", "classes", "lines", "sides", "brat", "saved"])
    if shape == "splits":
        suffix = rng.choice(SUFFIXES)
        task = FITTING.get(suffix, task)
        for name in rng.sample(["train", "validation", "test", "dev", "other", "README"], 3):
            other = suffix if rng.random() < 0.8 else rng.choice(SUFFIXES)
            (data / f"{name}{other}").write_bytes(_content(rng, other))
    elif shape == "classes":
        for number, row in enumerate(rows):
            place = data / rng.choice([row["label"], row["label"], "train", "unsup", "."])
            place.mkdir(exist_ok=True)
            (place / f"{number}{rng.choice(['.txt', '.txt', '.txt', '.md', ''])}").write_bytes(_line(rng, row["text"]))
    elif shape == "lines":
        names = rng.choice([("train.txt", "train.labels"), ("text.txt", "label.txt"), ("x.txt", "x.labels")])
        for name, column in zip(names, ("text", "label"), strict=True):
            (data / name).write_bytes(_line(rng, "\n".join(row[column] for row in rows)))
    elif shape == "sides":
        task = "text2text-generation"
        for split in rng.sample(["train", "val", "corpus"], rng.randint(1, 2)):
            for side in rng.sample(["en", "de", "source", "target", "log"], rng.randint(1, 3)):
                lines = "\n".join(row["text"] for row in rows[: rng.choice([12, 12, 12, 11, 0])])
                packed = rng.random() < 0.2
                content = gzip.compress(_line(rng, lines), mtime=0) if packed else _line(rng, lines)
                (data / f"{split}.{side}{'.gz' if packed else ''}").write_bytes(content)
    elif shape == "brat":
        task = "token-classification"
        for number in range(3):
            (data / f"{number}.txt").write_bytes(_line(rng, "Mira lives in Ulm"))
            notes = "T1\tPER 0 4\tMira\nT2\tLOC 14 17\tUlm\nR1\tin Arg1:T1 Arg2:T2\n#1\tAnnotatorNotes T1\tsure\n"
            (data / f"{number}.ann").write_bytes(_line(rng, notes))
    else:
        import datasets

        datasets.disable_progress_bars()
        datasets.Dataset.from_list(rows).save_to_disk(data)
        chosen = rng.choice(sorted(data.iterdir()))
        content = chosen.read_bytes()
        chosen.write_bytes(_spoil_json(rng, content) if chosen.suffix == ".json" else spoil.spoil_bytes(rng, content))
    options = {"data": str(data), "task": task, "model": "none"}

    def check() -> Any:
        from nlpkit.recipes import check_data

        return check_data.run(check_data.Config(**options))

    return f"nlpkit check-data {_flags(options)}", check


def _line(rng: random.Random, text: str) -> bytes:
    return spoil.spoil_bytes(rng, text.encode()) if rng.random() < 0.2 else text.encode()


def _belonging(rng: random.Random) -> list[dict[str, Any]]:
    """Rows of texts, and of what is known of how they go together: each kind that embedders learn from."""
    texts = [row["text"] for row in every_task.labelled("classification", rng.randint(4, 24), rng.randrange(9))]
    others = [*texts[1:], texts[0]]
    rows = {
        "pairs": lambda i: {"question": texts[i], "answer": others[i]},
        "triplets": lambda i: {"anchor": texts[i], "positive": others[i], "negative": texts[i - 2]},
        "lists": lambda i: {
            "anchor": texts[i],
            "positive": others[i],
            "negatives": texts[i - 2 : i][: rng.randint(0, 3)],
        },
        "scores": lambda i: {"sentence1": texts[i], "sentence2": others[i], "score": rng.choice([0, 2.5, "4", 5])},
        "truth": lambda i: {"sentence1": texts[i], "sentence2": others[i], "label": rng.choice([0, 1, "yes"])},
        "inference": lambda i: {
            "premise": texts[i // 3],
            "hypothesis": others[i],
            "label": ("entailment", "neutral", "contradiction")[i % 3],
        },
        "labels": lambda i: {"text": texts[i], "intent": f"kind {i % 3}"},
        "vectors": lambda i: {"text": texts[i], "vector": [rng.random() for _ in range(3)]},
        "texts": lambda i: {"text": texts[i]},
    }
    made = rows[rng.choice(list(rows))]
    return [made(i) for i in range(len(texts))]


def _embedding_data(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """Rows for embedders, or a folder of documents, queries and judgements."""
    rows: Any = _belonging(rng)
    rows = spoil.spoil_document(rng, rows) if rng.random() < 0.6 else rows
    path = folder / f"data{rng.choice(['.csv', '.json', '.jsonl', '.txt'])}"
    if rng.random() < 0.25:
        path = folder / "data"
        (path / "qrels").mkdir(parents=True)
        texts = [row["text"] for row in every_task.labelled("classification", 6, rng.randrange(9))]
        corpus = [{"_id": f"d{i}", "title": "", "text": text} for i, text in enumerate(texts)]
        queries = [{"_id": f"q{i}", "text": text} for i, text in enumerate(texts[:3])]
        for name, found in (("corpus", corpus), ("queries", queries)):
            found = spoil.spoil_document(rng, found) if rng.random() < 0.4 else found
            data = b"\n".join(map(_json, found)) if isinstance(found, list) else _json(found)
            (path / f"{name}.jsonl").write_bytes(spoil.spoil_bytes(rng, data) if rng.random() < 0.3 else data)
        lines = "query-id\tcorpus-id\tscore\n" + "".join(f"q{i}\td{i}\t{rng.randint(0, 2)}\n" for i in range(3))
        (path / "qrels" / "test.tsv").write_bytes(_line(rng, lines))
    elif path.suffix == ".csv":
        kept = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        path.write_bytes(_line(rng, _csv(rng, kept).decode()) if kept and kept[0] else b"")
    else:
        whole = path.suffix == ".json" or not isinstance(rows, list)
        data = _json(rows) if whole else b"\n".join(map(_json, rows))
        path.write_bytes(spoil.spoil_bytes(rng, data) if rng.random() < 0.4 else data)
    options = {"data": str(path), "task": "sentence-embedding", "model": "none", **_reading(rng)}
    if rng.random() < 0.2:
        options["shape"] = rng.choice(["pairs", "triplets", "scored-pairs", "nli", "labelled-texts", "texts", "taught"])

    def check() -> Any:
        from nlpkit.recipes import check_data

        return check_data.run(check_data.Config(**options))

    return f"nlpkit check-data {_flags(options)}", check


def _translations(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """Lines of two languages, or a table with a column of each."""
    texts = [row["text"] for row in every_task.labelled("classification", rng.randint(1, 12), rng.randrange(9))]
    if rng.random() < 0.6:
        names = rng.choice([("a.en", "a.de"), ("en.txt", "de.txt"), ("a.txt", "b.txt")])
        for name in names:
            (folder / name).write_bytes(_line(rng, "".join(f"{text}\n" for text in texts)))
        spec = ",".join(str(folder / name) for name in names)
    else:
        path = folder / f"pairs{rng.choice(['.csv', '.jsonl'])}"
        rows = [{"en": text, "de": text.upper(), "id": i} for i, text in enumerate(texts)]
        if path.suffix == ".csv":
            data = _csv(rng, rows)
        else:
            spoilt = spoil.spoil_document(rng, rows)
            data = b"\n".join(map(_json, spoilt)) if isinstance(spoilt, list) else _json(spoilt)
        path.write_bytes(spoil.spoil_bytes(rng, data) if rng.random() < 0.5 else data)
        spec = str(path)
    options, languages = _reading(rng), rng.choice([[], [], ["en", "de"], ["de", "xx"]])

    def read() -> Any:
        from nlpkit.data import translations
        from nlpkit.options import ReadingOptions

        found = translations.read([spec], Reading.of(ReadingOptions(**options)), languages)
        assert len(found) == len(found.translations) == len(found.where) > 0

    return f"nlpkit distill TEACHER --parallel {spec} --languages {','.join(languages)} {_flags(options)}", read


def _stream(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """As prediction streams rows: a bad one is kept with its error."""
    path = _file(rng, folder)
    options = _reading(rng)

    def stream() -> Any:
        from nlpkit.data import readers
        from nlpkit.options import ReadingOptions

        rows = list(readers.read_rows(path, Reading.of(ReadingOptions(**options)), on_error="keep"))
        assert rows, "no row and no error"
        lines = [row.line for row in rows]
        assert lines == sorted(lines), "rows out of order"

    return f"nlpkit predict RUN --input {path} {_flags(options)}", stream


def _corpus(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """Running text, as tokenizers and language models learn from it."""
    path = _file(rng, folder)
    _as_pipe(rng, path)
    options = {**_reading(rng), "data": [str(path)], "vocab_size": 300, "output": folder / "tokenizer"}
    options["validation_share"] = 0.1

    def train() -> Any:
        from nlpkit.recipes import train_tokenizer

        return train_tokenizer.run(train_tokenizer.Config(**options))

    return f"nlpkit train-tokenizer {_flags(options)}", train


def _word_vectors(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """Vectors of words, as text with or without a header or binary, and what they are measured on."""
    words = ["good", "film", ". .", "Ångström", "good", "soup"][: rng.randint(1, 6)]
    numbers = [[rng.uniform(-2, 2) for _ in range(3)] for _ in words]
    name = rng.choice(["v.txt", "v.vec", "v.bin", "v.txt.gz"])
    if name == "v.bin":
        rows = [
            word.replace(" ", "").encode() + b" " + struct.pack("<3f", *row)
            for word, row in zip(words, numbers, strict=True)
        ]
        data = f"{len(words)} 3\n".encode() + b"\n".join(rows)
    else:
        lines = [" ".join([word, *map(str, row)]) for word, row in zip(words, numbers, strict=True)]
        data = "\n".join([*rng.choice([[], [f"{len(words)} 3"]]), *lines]).encode()
    data = spoil.spoil_bytes(rng, data) if rng.random() < 0.6 else data
    path, asked = folder / name, folder / "asked.txt"
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    questions = rng.choice([b": one\ngood film soup soup\n", b"good\tfilm\t3\nsoup\tgood\t4\nfilm\tsoup\t1\n"])
    asked.write_bytes(spoil.spoil_bytes(rng, questions) if rng.random() < 0.6 else questions)

    def ask() -> None:
        from nlpkit.word_vectors import evaluation, files

        vectors = files.opened(path)
        assert vectors.matrix.shape == (len(vectors), vectors.width) and len(set(vectors.words)) == len(vectors)
        vectors.nearest(vectors.matrix[0], 3, [vectors.words[0]])
        measured = evaluation.measured(vectors, evaluation.read(str(asked)))
        assert 0 < measured.judged <= measured.given

    return f"nlpkit train-vectors --vectors {path} --evaluate {asked}", ask


def _predict(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """A file of the user's: a row out for each row in, whatever is in it."""
    path = _file(rng, folder)
    output = folder / f"answers{rng.choice(['.jsonl', '.csv', '.tsv', '.parquet'])}"
    options = {"model": str(run), "input": str(path), "output": output, "device": "cpu", "threads": 1, **_reading(rng)}

    def predict() -> Any:
        from nlpkit.data import readers
        from nlpkit.recipes import predict

        config = predict.Config(**options)
        report = predict.run(config)
        rows = readers.read_rows(path, Reading.of(config), on_error="keep")
        answers = sum(1 for _ in readers.read_rows(output))
        assert answers == sum(1 for _ in rows), "other rows out than in"
        return report

    return f"nlpkit predict {_flags(options).replace('--model ', '')}", predict


# --- documents, and questions to them ---


def _documents_to_find(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """Documents in a file, or in a folder of texts and tables: made into an index, they are found, or counted as empty;
    the same documents again change nothing."""
    data = _file(rng, folder)
    if rng.random() < 0.3:
        data = folder / "notes"
        (data / "more").mkdir(parents=True)
        for number in range(rng.randint(1, 4)):
            suffix = rng.choice([".txt", ".md", ".md", ".csv", ".jsonl", ".docx"])
            place = data / rng.choice([".", "more"]) / f"{rng.choice(['a', 'ü', '.b'])}{number}{suffix}"
            text = (
                _content(rng, suffix) if suffix in SUFFIXES else _line(rng, "# The film\n\nIt was lovely and warm.\n")
            )
            place.write_bytes(text)
    options: dict[str, Any] = {"data": [str(data)], "model": str(run), "output": folder / "index", **_reading(rng)}
    options |= {"device": "cpu", "threads": 1}
    if rng.random() < 0.3:
        options["passage_tokens"] = rng.choice([0, 4, 16])
    if rng.random() < 0.1:
        options["exact_up_to"] = 3
    for name in ("text_column", "title_column", "id_column"):
        if rng.random() < 0.05:
            options[name] = rng.choice(["", "text", "label", "id", "x"])
    mode = rng.choice(["dense", "bm25", "hybrid"])

    def make() -> Any:
        from nlpkit.recipes import index, search

        first = index.run(index.Config(**options)).record
        again = index.run(index.Config(**options)).record
        assert again["changes"] == {"new": 0, "changed": 0, "removed": 0, "same": first["documents"]}, again["changes"]
        assert again["embedded"] == 0, "embedded again"
        json.dumps(first, allow_nan=False)
        asked = {"questions": [TEXT], "mode": mode, "max_false_answers": 1, "top_k": 1000}
        found = search.run(search.Config(index=folder / "index", device="cpu", threads=1, **asked))
        hits = found.record["answers"][0]["found"]
        assert mode == "bm25" or len(hits) == first["documents"], f"{len(hits)} of {first['documents']} found"
        return found

    return f"nlpkit index {_flags({**options, 'data': data})}", make


def _questions(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """A file of questions: each is answered, or is said to hold none."""
    path = _file(rng, folder)
    options: dict[str, Any] = {"queries": str(path), "device": "cpu", "threads": 1, **_reading(rng)}
    options["output"] = folder / f"answers{rng.choice(['.jsonl', '.csv', '.parquet'])}"
    options["mode"] = rng.choice(["dense", "bm25", "bm25", "hybrid"])
    if rng.random() < 0.2:
        name, way = rng.choice(["label", "text", "row", "x", ""]), rng.choice(["=", "!=", "<", ">=", "~", ""])
        options["filter"] = [f"{name}{way}{rng.choice(['positive', '1', '', 'a|b', 'nan', '9' * 30])}"]
    if rng.random() < 0.1:
        options["show"] = [rng.choice(["label", "text", "x"])]

    def ask() -> Any:
        from nlpkit.data import readers
        from nlpkit.recipes import search

        config = search.Config(index=run.parent / "index", **options)
        report = search.run(config)
        rows = sum(1 for _ in readers.read_rows(path, Reading.of(config), on_error="keep"))
        told = report.record["questions"] + report.record["rows_without_question"]
        assert told == rows, f"{told} questions and rows without one of {rows} rows"
        return report

    return f"nlpkit search {run.parent / 'index'} {_flags(options)}", ask


# --- models that write ---


def _prompts(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """A file of prompts: a row out for each row in, however it is written."""
    path = _file(rng, folder)
    output = folder / f"written{rng.choice(['.jsonl', '.csv', '.parquet'])}"
    options: dict[str, Any] = {"input": str(path), "output": output, "device": "cpu", "threads": 1, **_reading(rng)}
    options["max_new_tokens"] = rng.choice([1, 4, 100])
    settings: dict[str, list[Any]] = {
        "temperature": [0.0, 1e-9, 0.7, 100.0], "top_k": [0, 1, 10**6], "top_p": [1e-9, 0.5, 1.0], "min_p": [0.5, 1.0],
        "typical_p": [0.1, 1.0], "beams": [1, 2, 5], "length_penalty": [-2.0, 0.0, 5.0],
        "repetition_penalty": [0.1, 1.2, 100.0], "no_repeat_ngram": [1, 2, 100], "sequences": [1, 2],
        "stop": [["a"], ["\n", "lovely"], ["\ud83d"]], "prefix": [" ", "the film", "\0", "a" * 3000],
    }  # fmt: skip
    for name in rng.sample(list(settings), rng.choice([0, 1, 1, 2, 3])):
        options[name] = rng.choice(settings[name])

    def write() -> Any:
        from nlpkit.data import readers
        from nlpkit.recipes import predict

        config = predict.Config(model=str(run.parent / "writer"), **options)
        report = predict.run(config)
        rows = readers.read_rows(path, Reading.of(config), on_error="keep")
        answers = sum(1 for _ in readers.read_rows(output))
        assert answers == sum(1 for _ in rows), "other rows out than in"
        return report

    return f"nlpkit predict {run.parent / 'writer'} {_flags(options)}", write


def _judged_texts(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """Texts whose tokens a model that writes predicts."""
    path = _file(rng, folder)
    options: dict[str, Any] = {"data": str(path), "device": "cpu", "threads": 1, "save": False, **_reading(rng)}
    if rng.random() < 0.4:
        options["max_length"] = rng.choice([1, 2, 8, 64])
    if rng.random() < 0.4:
        options["stride"] = rng.choice([1, 3, 64])

    def judge() -> Any:
        from nlpkit.recipes import evaluate

        return evaluate.run(evaluate.Config(model=str(run.parent / "writer"), **options))

    return f"nlpkit evaluate {run.parent / 'writer'} {_flags(options)}", judge


def _written_corpus(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """Running text as models that write learn from it, up to their first step."""
    path = _file(rng, folder)
    options: dict[str, Any] = {"data": [str(path)], "model": str(run.parent / "writer"), "output": folder / "run"}
    options |= {"device": "cpu", "threads": 1, "max_steps": 1, "batch_size": 2, "dry_run": True, **_reading(rng)}
    options["max_length"] = rng.choice([1, 2, 16])
    options["validation_share"] = 0.2
    if rng.random() < 0.3:
        options["stride"] = rng.choice([1, 8, 64])
    if rng.random() < 0.3:
        options["document_end"] = rng.choice(["file", "blank-line", "lovely", "---", "\0"])

    def prepare() -> Any:
        from nlpkit.recipes import pretrain_clm

        return pretrain_clm.run(pretrain_clm.Config(**options))

    return f"nlpkit pretrain-clm {_flags(options)}", prepare


# --- records, configurations, models ---


def _spoil_json(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.6:
        return _json(spoil.spoil_document(rng, json.loads(data), [*spoil.VALUES, 10**6, 3, 64, "bert", "gelu"]))
    return spoil.spoil_bytes(rng, data)


def _folder(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """A folder with a model of which one of the files that people edit or copy is spoilt."""
    copy = folder / "run"
    original = run if rng.random() < 0.8 else run.parent / "writer"
    shutil.copytree(original, copy, ignore=shutil.ignore_patterns("plots", "checkpoints", "*.jsonl"))
    names = ["nlpkit.json", "nlpkit.json", "config.json", "config.json", "tokenizer.json", "tokenizer_config.json"]
    names += ["model.safetensors", "generation_config.json"]
    path = copy / rng.choice([name for name in names if (copy / name).exists()])
    data = path.read_bytes()
    if rng.random() < 0.1:
        path.unlink()
    elif path.suffix == ".json":
        path.write_bytes(_spoil_json(rng, data))
    else:
        path.write_bytes(spoil.spoil_bytes(rng, data))
    what = rng.choice(["predict", "predict", "evaluate", "check-data"])
    data_file = run.parent / "rows.csv"

    def use() -> Any:
        from nlpkit.recipes import check_data, evaluate, predict

        common = {"device": "cpu", "threads": 1}
        if what == "predict":
            return predict.run(predict.Config(model=str(copy), texts=[TEXT], **common))
        if what == "evaluate":
            return evaluate.run(evaluate.Config(model=str(copy), data=str(data_file), **common))
        return check_data.run(check_data.Config(data=str(data_file), model=str(copy)))

    commands = {
        "predict": f"nlpkit predict {copy} '{TEXT}'",
        "evaluate": f"nlpkit evaluate {copy} --data {data_file}",
        "check-data": f"nlpkit check-data --data {data_file} --model {copy}",
    }
    return commands[what], use


CONFIG = """command: finetune-cls
data: sample:feedback
model: minilm
epochs: 2
learning-rate: 3e-4
batch_size: 16
text-column: text
trainer:
  - adam_beta2=0.98
class-weights: balanced
train-file: [a.csv, b.csv]
"""


def _yaml(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """A recipe, or the record of a run as one."""
    recorded = rng.random() < 0.3
    path = folder / ("nlpkit.json" if recorded else "recipe.yaml")
    if recorded:
        path.write_bytes(_spoil_json(rng, (run / "nlpkit.json").read_bytes()))
    else:
        path.write_bytes(spoil.spoil_bytes(rng, CONFIG.encode()))

    def read() -> Any:
        from nlpkit.recipes import finetune_cls

        finetune_cls.Config.from_sources({}, path, "finetune-cls")

    return f"nlpkit finetune-cls --config {path} --dry-run", read


def _arguments(rng: random.Random, folder: Path, run: Path) -> tuple[str, Run]:
    """A command line with words where others belong."""
    words = ["predict", "evaluate", "check-data", "tokenize", "env", "--data", "--model", "--json", "--task",
             "--output", "--input", "--epochs", "--config", "--help", "--columns", "--show", "--version", "--suspects",
             "--delimiter", "x.csv", "text", "none", "", "--", "=", "-1", "nan", "1e9", "1e400", "inf", "9" * 30,
             "--seed", "--max-length", ",", "[]", "\x1b[31m", "\udcff.csv", "\u202e", "a\nb", "x" * 300,
             "/dev/null", "/dev/zero",
             str(run), str(run.parent / "rows.csv")]  # fmt: skip
    chosen = [rng.choice(["predict", "evaluate", "check-data", "tokenize"]), *rng.choices(words, k=rng.randint(0, 6))]
    if rng.random() < 0.2:
        chosen.append("".join(rng.choices(string.printable, k=5)))

    def call() -> Any:
        import contextlib

        from nlpkit.cli.app import main

        said, failed = io.StringIO(), io.StringIO()
        with contextlib.chdir(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(failed):
            code = main([*chosen, "--device", "cpu"] if chosen[0] in ("predict", "evaluate") else chosen)
        assert code in (0, 2), f"exit code {code}: {failed.getvalue()[-500:]}"
        assert "Traceback" not in failed.getvalue()
        assert "\x1b" not in failed.getvalue() + said.getvalue(), "a terminal is steered"

    import shlex

    return f"nlpkit {shlex.join(chosen)}", call


KINDS = {
    "check-data": Kind(45, _check_data),
    "data-folder": Kind(8, _folder_of_data),
    "embedding-data": Kind(12, _embedding_data),
    "translations": Kind(5, _translations),
    "stream": Kind(15, _stream),
    "predict": Kind(10, _predict),
    "corpus": Kind(5, _corpus),
    "word-vectors": Kind(5, _word_vectors),
    "documents": Kind(8, _documents_to_find),
    "questions": Kind(5, _questions),
    "prompts": Kind(5, _prompts),
    "judged-texts": Kind(3, _judged_texts),
    "written-corpus": Kind(4, _written_corpus),
    "folder": Kind(12, _folder),
    "config": Kind(6, _yaml),
    "arguments": Kind(2, _arguments),
}
