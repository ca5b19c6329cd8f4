from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import WORDS, Drawing, Run, as_worded, write_csv, write_jsonl
from datasets import Dataset
from hearing import Heard
from qa_models import MODELS, asked, make_reader, nested, write_squad

from nlpkit.data import splits
from nlpkit.data.findings import Finding
from nlpkit.errors import UserError
from nlpkit.inference.predictor import open_predictor
from nlpkit.models import opening
from nlpkit.options import DataOptions
from nlpkit.recipes import check_data, evaluate, finetune_qa, predict
from nlpkit.tasks.forward import Forward
from nlpkit.tasks.question_answering import spans, windows
from nlpkit.tasks.question_answering.options import QuestionAnsweringOptions
from nlpkit.tasks.question_answering.task import QuestionAnswering


class DataConfig(QuestionAnsweringOptions, DataOptions):
    pass


@pytest.fixture(scope="session")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Random models as the hub has them: without a record."""
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            made[kind] = make_reader(tmp_path_factory.mktemp("readers") / kind, kind)
        return made[kind]

    return make


def trained_on(folder: Path, model: Path, *, unanswerable: bool) -> Path:
    rows = asked(460, unanswerable=unanswerable)
    data = folder / "data"
    data.mkdir()
    for name, part in (("train", rows[:400]), ("validation", rows[400:])):
        write_squad(data / f"{name}.json", part, impossible=unanswerable)
    finetune_qa.run(
        finetune_qa.Config(
            data=str(data),
            model=str(model),
            output=folder / "run",
            epochs=20,
            learning_rate=3e-3,
            batch_size=16,
            baseline=True,
            device="cpu",
            threads=1,
        )
    )
    return folder / "run"


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, drawing: Drawing) -> Path:
    """A finished run on questions that all have an answer; its data lie beside it."""
    with drawing():
        return trained_on(tmp_path_factory.mktemp("squad1"), tiny_model, unanswerable=False)


@pytest.fixture(scope="session")
def doubter(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, drawing: Drawing) -> Path:
    """A finished run in which a third of the questions has none."""
    with drawing():
        return trained_on(tmp_path_factory.mktemp("squad2"), tiny_model, unanswerable=True)


def record_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "nlpkit.json").read_text())


def answers_of(model: Path, *questions: str, context: str, **values: Any) -> list[dict[str, Any]]:
    config = predict.Config(
        model=str(model), question=list(questions), context=context, device="cpu", threads=1, **values
    )
    return as_worded(predict.run(config).record["answers"])


def measured(model: Path, data: Path, **values: Any) -> dict[str, Any]:
    return evaluate.run(
        evaluate.Config(model=str(model), data=str(data), device="cpu", threads=1, save=False, **values)
    ).record


def checked(data: Path, **values: Any) -> Any:
    return check_data.run(check_data.Config(task="question-answering", data=str(data), **values))


def examples_of(path: Path, split: str = "train", **values: Any) -> tuple[Any, dict[str, Finding]]:
    config = DataConfig(data=str(path), **values)
    loaded = splits.load(config, QuestionAnswering)
    task = QuestionAnswering.from_data(loaded.splits, config)
    findings: list[Finding] = []
    rows = task.reader().examples(loaded.splits["train"], split, loaded, findings)
    return rows, {finding.check: finding for finding in findings}


# --- training ---


def test_a_run_learns_and_can_be_asked(reader: Path) -> None:
    record = record_of(reader)
    assert record["task"]["name"] == "question-answering"
    assert record["task"]["null_threshold"] is None
    assert record["main_metric"] == "f1"
    assert set(record["metrics"]["validation"]) == {"exact_match", "f1"}
    assert record["metrics"]["validation"]["f1"] > 90
    assert record["metrics"]["validation"]["f1"] > record["baseline"]["metrics"]["validation"]["f1"]
    assert record["baseline"]["name"] == "word overlap + answer type"
    assert {path.name for path in (reader / "plots").iterdir()} == {"curves.png", "answer_scores.png"}
    context = "the soup was lovely and the bike was broken"
    good, bad = answers_of(reader, "good was the", "bad was the", context=context)
    assert (good["prediction"], bad["prediction"]) == ("lovely", "broken")
    assert context[good["start"] : good["end"]] == "lovely"
    assert good["score"] == good["n_best"][0]["score"] > good["n_best"][1]["score"]


@pytest.mark.slow
def test_evaluation_gives_the_figures_of_training(reader: Path, doubter: Path) -> None:
    for run in (reader, doubter):
        found = measured(run, run.parent / "data")["metrics"]["validation"]
        assert found == pytest.approx(record_of(run)["metrics"]["validation"], abs=1e-3)


def test_the_threshold_is_tuned_and_kept(doubter: Path) -> None:
    record = record_of(doubter)
    figures, threshold = record["metrics"]["validation"], record["task"]["null_threshold"]
    assert threshold not in (None, 0.0)
    assert record["main_metric"] == "best_f1"
    assert figures["f1"] == pytest.approx(figures["best_f1"])
    assert figures["f1"] > 85
    assert figures["total"] == figures["HasAns_total"] + figures["NoAns_total"] == 60
    assert (doubter / "plots" / "null_margins.png").exists()
    data = doubter.parent / "data"
    never = measured(doubter, data, null_threshold=-1000)["metrics"]["validation"]
    assert (never["NoAns_f1"], never["HasAns_f1"]) == (100, 0)
    always = measured(doubter, data, null_threshold=1000)["metrics"]["validation"]
    assert always["NoAns_f1"] == 0
    assert always["best_f1"] == pytest.approx(figures["best_f1"], abs=1e-3)


def test_what_models_with_thresholds_of_their_own_say_is_judged_together() -> None:
    """Candidates whose threshold is taken off are answered by 0 as they were by the threshold."""
    context = "one two three"
    rows = [[(-1, -1, none), (0, 3, 2.0), (4, 7, 1.0)] for none in (-3.0, 1.0, 2.4, 2.6, 9.0)]
    outputs = [np.array(row, spans.SPAN) for row in rows]
    examples = Dataset.from_dict({"context": [context] * 5, "answers": [["one"], [], ["one"], [], ["one"]]})
    calibrated = QuestionAnswering(null_threshold=0.5)
    plain = QuestionAnswering(null_threshold=0.0)
    together = plain.score(calibrated.uncalibrated(outputs), examples)
    assert together["exact"] == calibrated.score(outputs, examples)["exact"] == 60
    assert together["exact"] != plain.score(outputs, examples)["exact"]
    assert outputs[0]["score"][0] == -3.0


def test_no_answer_is_given_where_there_is_none(doubter: Path) -> None:
    context = "the soup was very lovely and a train was my film"
    good, bad = answers_of(doubter, "good was the", "bad was the", context=context)
    assert good["prediction"] == "lovely"
    assert (bad["prediction"], bad["start"], bad["end"]) == ("", None, None)
    threshold = record_of(doubter)["task"]["null_threshold"]
    assert good["null_margin"] < threshold < bad["null_margin"]
    assert bad["n_best"][0]["text"] == ""  # no answer is one of the answers
    assert good["n_best"][0]["text"] == "lovely"
    (forced,) = answers_of(doubter, "bad was the", context=context, null_threshold=1000)
    assert forced["prediction"]
    assert forced["prediction"] in context


def test_stock_transformers_gives_the_same_answers_in_a_process_of_its_own(reader: Path) -> None:
    context = "my clerk was rude and the room was bright"
    program = f"""
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained({str(reader)!r})
model = AutoModelForQuestionAnswering.from_pretrained({str(reader)!r}).eval()
for question in ("good was the", "bad was the"):
    encoded = tokenizer(question, {context!r}, return_tensors="pt", return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0]
    with torch.no_grad():
        out = model(**encoded)
    start, end = out.start_logits[0].argmax(), out.end_logits[0].argmax()
    print(int(offsets[start][0]), int(offsets[end][1]))
"""
    done = forked.run([sys.executable, "-c", program], check=True)
    expected = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    found = answers_of(reader, "good was the", "bad was the", context=context)
    assert [(answer["start"], answer["end"]) for answer in found] == expected
    assert [answer["prediction"] for answer in found] == ["bright", "rude"]


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_loss_is_that_of_the_stock_model(side: str, readers: Callable[[str], Path]) -> None:
    folder = str(readers("bert"))
    tokenizer = opening.load_tokenizer(folder)
    tokenizer.padding_side = side
    model, _ = opening.load_model(folder, QuestionAnswering.auto_class)
    task = QuestionAnswering(max_length=40, doc_stride=8)
    rows = asked(12)
    starts = [row["answers"]["answer_start"][0] for row in rows]
    made = task.features(
        tokenizer,
        {
            "question": [row["question"] for row in rows],
            "context": [row["context"] for row in rows],
            "start": starts,
            "end": [start + len(row["answers"]["text"][0]) for start, row in zip(starts, rows, strict=True)],
        },
    )
    names = [name for name in made if name not in ("length", "example", "offsets")]
    batch = task.collate(tokenizer)([{name: made[name][i] for name in names} for i in range(len(made["length"]))])
    with torch.no_grad():
        stock = model(
            **task.model_inputs(batch), start_positions=batch["labels"][:, 0], end_positions=batch["labels"][:, 1]
        )
        loss = task.loss(task.run(model, batch))
    assert loss.mean() == pytest.approx(float(stock.loss), rel=1e-5)
    assert loss.entries == 2 * len(rows)
    # the labels point at the answer in the padded row too
    for row, (start, end), ids in zip(rows, batch["labels"].tolist(), batch["input_ids"], strict=True):
        assert tokenizer.decode(ids[start : end + 1]).replace(" ", "") == row["answers"]["text"][0]


def test_rows_without_a_target_are_left_out_of_the_loss() -> None:
    task = QuestionAnswering()
    torch.manual_seed(0)
    logits = torch.randn(3, 9, 2)
    labels = torch.tensor([[1, 2], [-100, -100], [4, 4]])
    whole = task.loss(Forward({"labels": labels}, logits))
    known = task.loss(Forward({"labels": labels[[0, 2]]}, logits[[0, 2]]))
    assert whole.mean() == pytest.approx(float(known.mean()))
    assert (whole.entries, known.entries) == (4, 4)
    assert task.loss(Forward({"labels": labels[1:2]}, logits[1:2])).mean() == 0


def test_the_loss_on_a_cpu_is_torchs_digit_for_digit() -> None:
    """A run that an older version began goes on as if it had not been interrupted."""
    torch.manual_seed(0)
    labels = torch.randint(40, (64, 2))
    ours, torchs = (torch.randn(64, 40, 2, generator=torch.manual_seed(1), requires_grad=True) for _ in range(2))
    (QuestionAnswering().loss(Forward({"labels": labels}, ours)).total / 128).backward()
    (torch.nn.functional.cross_entropy(torchs, labels, reduction="sum") / 128).backward()
    assert torch.equal(ours.grad, torchs.grad)


# --- any model from elsewhere ---


def by_hand(folder: Path, question: str, context: str, longest: int = 30) -> tuple[int, int]:
    """The best span of a context that fits one window, from a stock model's logits, by trying every pair."""
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    right = tokenizer.padding_side == "right"
    encoded = tokenizer(
        *((question, context) if right else (context, question)), return_tensors="pt", return_offsets_mapping=True
    )
    offsets = encoded.pop("offset_mapping")[0].tolist()
    owner = encoded.sequence_ids(0)
    with torch.no_grad():
        out = model(**encoded)
    start, end = out.start_logits[0].tolist(), out.end_logits[0].tolist()
    mine = [i for i, of in enumerate(owner) if of == (1 if right else 0)]
    pairs = [(i, j) for i in mine for j in mine if i <= j < i + longest]
    pairs = [(i, j) for i, j in pairs if context[offsets[i][0] : offsets[j][1]].strip()]
    _, low, high = max((start[i] + end[j], i, j) for i, j in pairs)
    text = context[offsets[low][0] : offsets[high][1]]
    first = offsets[low][0] + len(text) - len(text.lstrip())
    return first, first + len(text.strip())


CONTEXT = "the clerk was kind , a train was late and my film was very awful and the soup was cold"


@pytest.mark.parametrize("kind", MODELS)
def test_the_answer_is_the_best_span_of_the_stock_model(kind: str, readers: Callable[[str], Path]) -> None:
    folder = readers(kind)
    # rows of several lengths in one batch here, one by one there
    rows = [
        {"question": question, "context": context}
        for context in (CONTEXT, "a bike", f"the room was bright {CONTEXT[:40]}")
        for question in ("good was the", "bad")
    ]
    made = open_predictor(predict.Config(model=str(folder), texts=["-"], device="cpu", threads=1))
    for row, answer in zip(rows, made.answers(rows), strict=True):
        assert (answer["start"], answer["end"]) == by_hand(folder, row["question"], row["context"])
        assert row["context"][answer["start"] : answer["end"]] == answer["prediction"]


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlnet"])
def test_windows_find_what_one_of_them_alone_would(kind: str, readers: Callable[[str], Path]) -> None:
    made = open_predictor(
        predict.Config(model=str(readers(kind)), texts=["-"], device="cpu", threads=1, max_length=32, doc_stride=8)
    )
    made = made.configured(predict.Config(model="-", doc_stride=8).for_task(QuestionAnswering))
    words = " ".join(np.random.default_rng(0).choice(WORDS, 80).tolist())
    (answer,) = made.answers([{"question": "bad was", "context": words}])
    built = made.task.features(made.tokenizer, {"question": ["bad was"], "context": [words]})
    assert len(built["length"]) > 3
    best = []
    for i in range(len(built["length"])):
        batch = {
            "input_ids": torch.tensor(built["input_ids"][i])[None].long(),
            **(
                {"token_type_ids": torch.tensor(built["token_type_ids"][i])[None].long()}
                if "token_type_ids" in built
                else {}
            ),
        }
        with torch.no_grad():
            out = made.model(**batch, attention_mask=torch.ones_like(batch["input_ids"]))
        first, end = built["passage"][i].tolist()
        places = built["offsets"][i].reshape(-1, 2)
        pairs = [(a, b) for a in range(first, end) for b in range(a, min(a + 30, end))]
        score, a, b = max((float(out.start_logits[0, a] + out.end_logits[0, b]), a, b) for a, b in pairs)
        best.append((score, int(places[a - first, 0]), int(places[b - first, 1])))
    assert (answer["start"], answer["end"]) == max(best)[1:]


def test_a_model_from_elsewhere_always_answers_unless_asked(readers: Callable[[str], Path]) -> None:
    folder = readers("bert")
    (answer,) = answers_of(folder, "bad", context=CONTEXT)
    assert answer["prediction"]
    (never,) = answers_of(folder, "bad", context=CONTEXT, null_threshold=answer["null_margin"] - 0.1)
    assert never["prediction"] == ""
    (still,) = answers_of(folder, "bad", context=CONTEXT, null_threshold=answer["null_margin"] + 0.1)
    assert still["prediction"] == answer["prediction"]
    # the share of no answer counts in every score
    everything = answers_of(folder, "bad", context="a bike", null_threshold=0, n_best=50)[0]["n_best"]
    assert sum(entry["score"] for entry in everything) == pytest.approx(1, abs=1e-4)


def test_windows_of_384_tokens_but_for_long_models() -> None:
    class Config:
        max_position_embeddings: int | None = 512

    config = Config()
    assert QuestionAnswering.from_model(config, None).max_length == 384
    config.max_position_embeddings = 4098
    assert QuestionAnswering.from_model(config, None).max_length == 4096
    config.max_position_embeddings = 8192
    assert QuestionAnswering.from_model(config, None).max_length == 4096
    config.max_position_embeddings = None
    assert QuestionAnswering.from_model(config, None).max_length == 384


def test_a_head_that_was_never_trained_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(tiny_model, tmp_path / "model")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"architectures": ["BertForQuestionAnswering"]}))
    with pytest.raises(UserError, match=r"has no trained qa_outputs.*would be random"):
        answers_of(folder, "bad", context=CONTEXT)


# --- predict ---


def test_texts_are_questions_too_and_a_file_may_hold_the_context(reader: Path, tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes("\ufeffthe soup\r\n\r\nwas  lovely and\r\nthe bike was broken".encode())
    config = predict.Config(
        model=str(reader), texts=["good was the"], question=["bad was the"], context_file=path, device="cpu", threads=1
    )
    report = predict.run(config)
    good, bad = as_worded(report.record["answers"])
    text = path.read_bytes().decode("utf-8-sig")
    assert [text[answer["start"] : answer["end"]] for answer in (good, bad)] == ["lovely", "broken"]
    (table,) = report.tables
    assert table.header == ["question", "answer", "score", "start", "end", "in"]
    assert table.rows[0][:2] == ["good was the", "lovely"]
    assert table.rows[0][-1] == "the soup was lovely and the bike was broken"


def test_several_answers_a_table_each(doubter: Path) -> None:
    config = predict.Config(
        model=str(doubter), question=["bad was the", "good was the"], context=CONTEXT, n_best=3, device="cpu", threads=1
    )
    report = predict.run(config)
    assert [table.title for table in report.tables] == ["bad was the", "good was the"]
    assert [row[0] for row in report.tables[0].rows] == [1, 2, 3]
    assert [len(answer["prediction_n_best"]) for answer in report.record["answers"]] == [3, 3]
    scores = [row[2] for row in report.tables[1].rows]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"question": ["bad"]}, "give --context or --context-file FILE, where the answer"),
        ({"context": "a bike"}, "there is no question"),
        ({"question": ["bad"], "context": "a", "context_file": "b.txt"}, "not both"),
        ({"question": ["bad"], "context_file": "missing.txt"}, "missing.txt: no such file"),
        ({"question": ["bad"], "context": " "}, "--context holds no text"),
        ({"question": ["bad"], "context": "a", "doc_stride": 500}, "--doc-stride 500: windows of 64 tokens"),
        ({"question": ["bad"], "context": "a", "text_pair": ["x"]}, "--text-pair is for text-classification"),
    ],
)
def test_what_is_wrong_with_a_question_is_said(values: dict[str, Any], message: str, reader: Path) -> None:
    with pytest.raises(UserError, match=message):
        predict.run(predict.Config(model=str(reader), device="cpu", threads=1, **values))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "json"])
def test_files_keep_order_and_columns(kind: str, reader: Path, tmp_path: Path) -> None:
    rows = [
        {key: row[key] for key in ("id", "question", "context")} | {"note": f"n{i}"} for i, row in enumerate(asked(9))
    ]
    rows[4]["context"] = ""
    rows[7]["question"] = " ".join(["train"] * 70)
    path = tmp_path / f"in.{kind}"
    if kind == "jsonl":
        write_jsonl(path, rows)
    elif kind == "csv":
        write_csv(path, rows)
    elif kind == "json":
        document = nested([{**row, "answers": {"text": [], "answer_start": []}} for row in rows])
        path.write_text(json.dumps(document))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    out = tmp_path / "out.jsonl"
    report = predict.run(
        predict.Config(model=str(reader), input=str(path), output=out, n_best=2, device="cpu", threads=1)
    )
    assert (report.record["rows"], report.record["failed"]) == (9, 2)
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert found[4]["prediction_error"] == "column 'context' is empty"
    assert found[7]["prediction_error"].startswith("the question has 70 tokens, which leaves no room for its context")
    for i, row in enumerate(found):
        if i in (4, 7):
            continue
        start, end = row["prediction_start"], row["prediction_end"]
        assert row["context"][start:end] == row["prediction"] == row["prediction_n_best"][0]["text"]
        assert len(row["prediction_n_best"]) == 2
        (alone,) = answers_of(reader, row["question"], context=row["context"])
        assert (alone["start"], alone["end"]) == (start, end)
        assert alone["score"] == pytest.approx(row["prediction_score"], abs=1e-4)


def test_csv_output_and_other_column_names(reader: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in.csv", [{"query": "bad was the", "passage": CONTEXT, "score": "7"}])
    out = tmp_path / "out.csv"
    predict.run(predict.Config(model=str(reader), input=str(path), output=out, device="cpu", threads=1))
    (row,) = csv.DictReader(out.open(newline=""))
    assert (row["score"], CONTEXT[int(row["prediction_start"]) : int(row["prediction_end"])]) == (
        "7",
        row["prediction"],
    )
    with pytest.raises(UserError, match="there is no question column 'q'"):
        predict.run(
            predict.Config(
                model=str(reader), input=str(path), output=out, overwrite=True, question_column="q", device="cpu"
            )
        )


def test_answers_are_pieces_of_the_original_text(readers: Callable[[str], Path]) -> None:
    context = "Thé  clerk\u00a0was\u2003ru\u0301de 👩\u200d🔬 and\tthe\n\nſoup was cold … 寿司 ok"
    for kind in ("bert", "roberta", "xlnet"):
        (answer,) = answers_of(readers(kind), "who", context=context, n_best=60)
        assert len(answer["n_best"]) > 20
        for entry in answer["n_best"]:
            assert context[entry["start"] : entry["end"]] == entry["text"] == entry["text"].strip()
            assert not context[entry["end"] : entry["end"] + 1].startswith(("\u0301", "\u200d"))
            assert not entry["text"].startswith(("\u0301", "\u200d"))


# --- data ---


def test_offsets_that_do_not_match(tmp_path: Path) -> None:
    rows = asked(6)
    for row, shift in zip(rows, (0, 2, 0, 0, 0, 0), strict=True):
        row["answers"]["answer_start"][0] += shift
    rows[2]["answers"] = {"text": ["bus"], "answer_start": [3]}
    rows[3]["answers"] = {"text": ["bus", *rows[3]["answers"]["text"]], "answer_start": [9, 100]}
    rows[4]["answers"] = {"text": [" "], "answer_start": [3]}
    path = write_squad(tmp_path / "data.json", rows)
    examples, findings = examples_of(path)
    assert examples["id"][:] == ["q0", "q1", "q3", "q5"]
    assert {name: finding.count for name, finding in findings.items()} == {
        "moved-answer": 2,
        "lost-answer": 2,
        "empty-answer": 1,
        "lost-question": 2,
    }
    assert findings["lost-question"].examples[0].startswith(f"{path} question 3: ")
    assert "is not at character" in findings["moved-answer"].examples[0]
    for example in examples:
        assert example["context"][example["start"] : example["end"]] == example["answers"][-1]
    # in other splits the answers count, wherever they are said to stand
    examples, findings = examples_of(path, "validation")
    assert examples["id"][:] == ["q0", "q1", "q2", "q3", "q5"]  # an empty answer is none anywhere
    assert findings["lost-question"].count == 1
    assert examples[2]["answers"] == ["bus"]
    assert (examples[2]["start"], examples[2]["end"]) == windows.UNKNOWN


def test_the_target_is_what_most_annotators_marked(tmp_path: Path) -> None:
    (row,) = asked(1)
    words = row["context"].split()
    places = [0, row["context"].index(words[1]), row["context"].index(words[1])]
    row["answers"] = {"text": [words[0], words[1], words[1]], "answer_start": places}
    examples, _ = examples_of(write_squad(tmp_path / "data.json", [row]))
    assert examples[0]["context"][examples[0]["start"] : examples[0]["end"]] == words[1]
    assert examples[0]["answers"] == [words[0], words[1], words[1]]


def test_unanswerable_and_unanswered(tmp_path: Path) -> None:
    document = nested(asked(6, unanswerable=True), impossible=True)
    entries = [paragraph["qas"][0] for paragraph in document["data"][0]["paragraphs"]]
    del entries[1]["answers"]
    entries[2]["is_impossible"] = True
    path = tmp_path / "data.json"
    path.write_text(json.dumps(document))
    examples, findings = examples_of(path)
    assert [(row["id"], len(row["answers"])) for row in examples] == [
        ("q0", 0),
        ("q2", 0),
        ("q3", 0),
        ("q4", 1),
        ("q5", 1),
    ]
    assert {name: finding.count for name, finding in findings.items()} == {
        "missing-answers": 1,
        "contradicting-answers": 1,
    }
    assert (examples[0]["start"], examples[0]["end"]) == windows.UNANSWERABLE


def arrays(answers: dict[str, list[Any]]) -> str:
    """Answers as pandas writes them, where they are kept in arrays."""
    return str({name: np.array(cell, object if name == "text" else np.int32) for name, cell in answers.items()})


@pytest.mark.parametrize("layout", ["csv", "csv-json", "csv-numpy", "csv-flattened", "csv-text", "jsonl", "parquet"])
def test_flat_files(layout: str, tmp_path: Path) -> None:
    rows = asked(12, unanswerable=True)
    flat = [
        {
            "qid": row["id"],
            "passage": row["context"],
            "query": row["question"],
            "answer": (row["answers"]["text"] or [""])[0],
            "answer_start": (row["answers"]["answer_start"] or [""])[0],
        }
        for row in rows
    ]
    path = {
        "csv": lambda: write_csv(tmp_path / "a.csv", flat),
        "csv-json": lambda: write_csv(
            tmp_path / "a.csv", [{**row, "answers": json.dumps(row["answers"])} for row in rows]
        ),
        # pandas writes the first of the hub's data sets, the second of what `flatten` of `datasets` made of them
        "csv-numpy": lambda: write_csv(
            tmp_path / "a.csv", [{**row, "answers": arrays(row["answers"])} for row in rows]
        ),
        "csv-flattened": lambda: write_csv(
            tmp_path / "a.csv",
            [
                {"id": row["id"], "context": row["context"], "question": row["question"]}
                | {f"answers.{name}": str(cell) for name, cell in row["answers"].items()}
                for row in rows
            ],
        ),
        "csv-text": lambda: write_csv(
            tmp_path / "a.csv",
            [{{"answer": "text", "passage": "context"}.get(k, k): row[k] for k in row} for row in flat],
        ),
        "jsonl": lambda: write_jsonl(tmp_path / "a.jsonl", rows),
        "parquet": lambda: tmp_path / "a.parquet",
    }[layout]()
    if layout == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    examples, findings = examples_of(path)
    assert not findings
    assert examples["id"][:] == [row["id"] for row in rows]
    assert examples["answers"][:] == [row["answers"]["text"] for row in rows]
    starts = [(row["answers"]["answer_start"] or [-1])[0] for row in rows]
    assert examples["start"][:] == starts


@pytest.mark.parametrize("spelling", [("True", "False"), ("1.0", "0.0")])
def test_a_csv_says_in_text_what_is_impossible(spelling: tuple[str, str], tmp_path: Path) -> None:
    rows = asked(6, unanswerable=True)
    flat = [
        {**row, "answers": json.dumps(row["answers"]), "is_impossible": spelling[bool(row["answers"]["text"])]}
        for row in rows
    ]
    flat.append({**flat[1], "is_impossible": "unknown"})
    examples, findings = examples_of(write_csv(tmp_path / "a.csv", flat))
    assert examples["answers"][:] == [row["answers"]["text"] for row in rows]
    assert {name: finding.count for name, finding in findings.items()} == {"unreadable-answers": 1}
    assert "line 8: is_impossible is 'unknown'" in findings["unreadable-answers"].examples[0]


@pytest.mark.parametrize("context", [["Paris", "is big"], {"title": "Paris", "sentences": ["Paris is big"]}])
def test_a_context_of_several_parts_is_refused_not_printed(context: Any, reader: Path, tmp_path: Path) -> None:
    row = {"question": "what", "context": context, "answers": {"text": ["Paris"], "answer_start": [0]}}
    path = write_jsonl(tmp_path / "a.jsonl", [row])
    with pytest.raises(UserError, match="the context column 'context' holds lists or objects, not text"):
        examples_of(path)
    out = tmp_path / "out.jsonl"
    predict.run(predict.Config(model=str(reader), input=str(path), output=out, device="cpu", threads=1))
    answer = json.loads(out.read_text())
    assert answer["prediction"] is None
    assert answer["prediction_error"].startswith("column 'context' holds a")


def test_rows_without_an_id_have_none_in_common(tmp_path: Path) -> None:
    rows = [{**row, "id": row["id"] if i < 2 else None} for i, row in enumerate(asked(8))]
    examples, _ = examples_of(write_jsonl(tmp_path / "a.jsonl", rows))
    assert examples["id"][:] == ["q0", "q1", *[""] * 6]
    found = {finding["check"] for finding in checked(tmp_path / "a.jsonl", model="none").record["findings"]}
    assert "duplicate-id" not in found


def test_columns_are_named_or_guessed(tmp_path: Path) -> None:
    rows = [{"q": "bad", "c": CONTEXT, "a": "late", "where": 5, "number": 1}]
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    named = {"question_column": "q", "context_column": "c", "answers_column": "a", "id_column": "number"}
    examples, _ = examples_of(path, **named)
    assert (examples[0]["question"], examples[0]["answers"], examples[0]["id"]) == ("bad", ["late"], "1")
    for option in ("question_column", "context_column", "answers_column"):
        with pytest.raises(UserError, match=f"Name it with --{option.replace('_', '-')}"):
            examples_of(path, **{key: value for key, value in named.items() if key != option})
    with pytest.raises(UserError, match="there is no id column 'nr'"):
        examples_of(path, **{**named, "id_column": "nr"})


def test_check_data_says_what_is_in_the_data(tmp_path: Path, tiny_model: Path) -> None:
    rows = asked(60, unanswerable=True)
    rows[7]["id"] = rows[8]["id"]
    rows[9]["question"] = " ".join(["train"] * 70)
    data = tmp_path / "data"
    data.mkdir()
    write_squad(data / "train.json", rows[:50])
    shared = {**rows[51], "context": rows[5]["context"], "answers": {"text": [], "answer_start": []}}
    write_squad(data / "validation.json", [*rows[50:], rows[3], shared])
    report = checked(data, model=str(tiny_model), show=1)
    (table,) = report.tables
    assert table.header[:5] == ["split", "questions", "contexts", "answers", "unanswerable"]
    assert table.rows[0][:5] == ["train", 50, 50, 33, "34.0%"]
    found = {(finding["check"], finding["message"].split(":")[0]) for finding in report.record["findings"]}
    assert {
        ("duplicate-id", "train"),
        ("leakage", "validation"),
        ("shared-contexts", "validation"),
        ("long-question", "train"),
    } <= found
    assert report.exit_code == 2  # of the question that leaves no room
    shown = "\n".join(report.lines)
    (answer,) = rows[1]["answers"]["text"]
    assert f"»{answer}«" in shown
    assert f"question: {rows[1]['question']}" in shown
    assert "windows of 64 tokens" in shown


def test_questions_about_one_context_are_held_out_together(tmp_path: Path) -> None:
    rows = [{**row, "context": other["context"]} for row, other in zip(asked(60), asked(12) * 5, strict=True)]
    for row in rows:
        row["answers"] = {"text": [row["context"].split()[0]], "answer_start": [0]}
    config = DataConfig(data=str(write_squad(tmp_path / "data.json", rows)), validation_share=0.2)
    loaded = splits.load(config, QuestionAnswering)
    task = QuestionAnswering.from_data(loaded.splits, config)
    splits.prepare(loaded, task.reader(), config, seed=1)
    train, held = (set(loaded.splits[split]["context"][:]) for split in ("train", "validation"))
    assert len(loaded.splits["validation"]) == 15  # whole contexts of 5 questions each
    assert not train & held
    assert len(train | held) == 12


def test_an_unanswerable_example_is_shown_without_a_mark(tmp_path: Path, tiny_model: Path) -> None:
    path = write_squad(tmp_path / "train.json", asked(30, unanswerable=True))
    report = check_data.run(
        check_data.Config(
            task="question-answering",
            data=str(path),
            train_split="train[:20]",
            validation_split="train[20:]",
            model=str(tiny_model),
            show=0,
        )
    )
    shown = "\n".join(report.lines)
    assert "answers: none: unanswerable" in shown
    assert "»[CLS]«" in shown  # where training points


def test_nothing_to_learn_where_nothing_has_an_answer(tmp_path: Path) -> None:
    rows = [{**row, "answers": {"text": [], "answer_start": []}} for row in asked(8)]
    path = write_squad(tmp_path / "train.json", rows)
    report = checked(path, model="none")
    assert report.exit_code == 2
    assert any("none of 7 questions has an answer" in line for line in report.lines)


def test_show_where_no_row_can_be_shown(tmp_path: Path, tiny_model: Path) -> None:
    rows = [{**row, "answers": {"text": ["elsewhere"], "answer_start": [0]}} for row in asked(4)]
    report = checked(write_squad(tmp_path / "train.json", rows), model=str(tiny_model), show=0)
    assert report.exit_code == 2
    assert "train: no row to show" in report.lines
    assert any("none of 3 rows can be used" in line for line in report.lines)


# --- settings ---


def test_a_question_too_long_stops_training_with_its_id(tmp_path: Path, tiny_model: Path) -> None:
    rows = asked(20)
    rows[3]["question"] = " ".join(["train"] * 70)
    path = write_squad(tmp_path / "train.json", rows)
    config = finetune_qa.Config(
        data=str(path),
        train_split="train[:10]",
        validation_split="train[10:]",
        model=str(tiny_model),
        output=tmp_path / "run",
        device="cpu",
    )
    with pytest.raises(UserError, match=r"question q3: the question has 70 tokens.*\nRaise --max-length"):
        finetune_qa.run(config)
    assert not (tmp_path / "run").exists()


def test_the_stride_must_be_less_than_the_window(tmp_path: Path) -> None:
    path = write_squad(tmp_path / "train.json", asked(20))
    with pytest.raises(UserError, match="--doc-stride 96: windows of 96 tokens cannot share that many"):
        examples_of(path, max_length=96, doc_stride=96)
    with pytest.raises(UserError, match="--doc-stride 400: windows of 384 tokens"):
        examples_of(path, doc_stride=400)
    assert len(examples_of(path, max_length=96)[0]) == 20  # the default stride gives way


def test_the_longest_answer_bounds_answers(readers: Callable[[str], Path]) -> None:
    (answer,) = answers_of(readers("bert"), "bad", context=CONTEXT, max_answer_length=1, n_best=20)
    assert all(len(entry["text"].split()) == 1 for entry in answer["n_best"])


def test_a_misspelt_metric_names_the_nearest(tmp_path: Path, tiny_model: Path) -> None:
    path = write_squad(tmp_path / "train.json", asked(20, unanswerable=True))
    config = finetune_qa.Config(
        data=str(path),
        model=str(tiny_model),
        output=tmp_path / "run",
        device="cpu",
        best_metric="HasAns_F1",
        train_split="train[:10]",
        validation_split="train[10:]",
    )
    with pytest.raises(UserError, match="HasAns_f1"):
        finetune_qa.run(config)


def test_metrics_of_questions_without_an_answer_are_possible_where_they_may_be_left_open(doubter: Path) -> None:
    scored = record_of(doubter)["metrics"]["validation"].keys() - {"loss"}
    assert scored == set(QuestionAnswering(null_threshold=0.0).possible_metrics())
    assert set(QuestionAnswering().possible_metrics()) == scored | {"exact_match"}


def test_validation_without_unanswerable_questions_leaves_the_threshold(tmp_path: Path, heard: Heard) -> None:
    rows, _ = examples_of(write_squad(tmp_path / "train.json", asked(5)))
    task = QuestionAnswering(null_threshold=0.0)
    assert task.calibrated([], rows).null_threshold == 0.0
    assert "the threshold for no answer stays at 0" in heard.warnings[0]


def test_the_card_shows_the_figures_there_are(reader: Path, doubter: Path) -> None:
    assert "| split | rows | f1 | exact_match |\n" in (reader / "README.md").read_text()
    assert "| split | rows | f1 | exact | HasAns_f1 | NoAns_f1 | best_f1 |\n" in (doubter / "README.md").read_text()


def test_mistakes_and_the_breakdown(doubter: Path) -> None:
    lines = (doubter / "errors.jsonl").read_text().splitlines()
    wrong = [json.loads(line) for line in lines]
    figures = record_of(doubter)["metrics"]["validation"]
    assert len(wrong) == round(60 * (1 - figures["exact"] / 100))
    assert [entry["score"] for entry in wrong] == sorted((entry["score"] for entry in wrong), reverse=True)
    data = doubter.parent / "data"
    config = evaluate.Config(
        model=str(doubter), data=str(data), device="cpu", threads=1, save=False, breakdown=True, null_threshold=-1000
    )
    report = evaluate.run(config)
    result, words, lengths = report.tables
    assert result.header == ["split", "rows", "f1", "exact", "HasAns_f1", "NoAns_f1", "best_f1"]
    assert [row[0] for row in lengths.rows] == ["1 word", "no answer"]
    assert [row[2:] for row in lengths.rows] == [[0.0, 0.0], [100.0, 100.0]]
    assert sum(row[1] for row in words.rows) == 60


@pytest.mark.slow
def test_the_command(reader: Path, nlpkit: Run, tmp_path: Path) -> None:
    listed = nlpkit("finetune-qa", "--help-all").stdout
    for flag in ("--doc-stride", "--max-answer-length", "--answers-column", "--max-length"):
        assert flag in listed
    done = nlpkit("predict", reader, "--question", "bad was the", "--context", CONTEXT, "--json", "--device", "cpu")
    (answer,) = json.loads(done.stdout)["answers"]
    assert CONTEXT[answer["prediction_start"] : answer["prediction_end"]] == answer["prediction"]
