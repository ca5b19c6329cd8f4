from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import make_tokenizer, rows, write_csv, write_jsonl
from hearing import Heard

from nlpkit import reporting
from nlpkit.cli.app import main
from nlpkit.data.writers import writer
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.recipes import finetune_cls, predict

KINDS = ["csv", "tsv", "jsonl", "json", "parquet", "csv.gz", "jsonl.gz", "txt"]


@pytest.fixture
def few() -> list[dict[str, Any]]:
    return [{"id": str(i), "text": row["text"], "note": f'a "quoted", {i}'} for i, row in enumerate(rows(12, seed=9))]


def config(model: Path, **values: Any) -> predict.Config:
    return predict.Config(model=str(model), device="cpu", **values)


def write(path: Path, entries: list[dict[str, Any]]) -> Path:
    import pyarrow as pa

    name = path.name.removesuffix(".gz")
    plain = path.with_name(name)
    if name.endswith(".csv"):
        write_csv(plain, entries)
    elif name.endswith(".tsv"):
        with plain.open("w", newline="") as file:
            out = csv.DictWriter(file, list(entries[0]), delimiter="\t")
            out.writeheader()
            out.writerows(entries)
    elif name.endswith(".jsonl"):
        write_jsonl(plain, entries)
    elif name.endswith(".json"):
        plain.write_text(json.dumps(entries))
    elif name.endswith(".txt"):
        plain.write_text("".join(entry["text"] + "\n" for entry in entries))
    else:
        pq.write_table(pa.Table.from_pylist(entries), plain)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with path.open(newline="") as file:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in file]
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.fixture(scope="module")
def truth(trained: Path) -> dict[str, tuple[str, float]]:
    """Label and score of the texts of `few`, by stock Transformers, one text at a time."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(trained).eval()
    tokenizer = AutoTokenizer.from_pretrained(trained)
    found = {}
    for row in rows(40, seed=9):
        with torch.no_grad():
            p = model(**tokenizer(row["text"], return_tensors="pt")).logits.softmax(-1)[0]
        found[row["text"]] = (model.config.id2label[int(p.argmax())], float(p.max()))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_input_format_keeps_order_and_columns(
    kind: str, trained: Path, few: list[dict[str, Any]], truth: dict[str, tuple[str, float]], tmp_path: Path
) -> None:
    path = write(tmp_path / f"in.{kind}", few)
    report = predict.run(config(trained, input=str(path), output=tmp_path / "out.jsonl"))
    found = read(tmp_path / "out.jsonl")
    assert report.record["rows"] == 12
    assert report.record["failed"] == 0
    assert [entry["text"] for entry in found] == [entry["text"] for entry in few]
    if kind != "txt":
        assert [{name: entry[name] for name in few[0]} for entry in found] == few
        assert list(found[0]) == ["id", "text", "note", "prediction", "prediction_score", "prediction_error"]
    for entry in found:
        label, score = truth[entry["text"]]
        assert entry["prediction"] == label
        assert entry["prediction_score"] == pytest.approx(score, abs=1e-5)
        assert entry["prediction_error"] is None


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_every_output_format(
    kind: str, trained: Path, few: list[dict[str, Any]], truth: dict[str, tuple[str, float]], tmp_path: Path
) -> None:
    path = write(tmp_path / "in.csv", few)
    predict.run(config(trained, input=str(path), output=tmp_path / f"out.{kind}", all_scores=True))
    found = read(tmp_path / f"out.{kind}")
    assert [{name: entry[name] for name in few[0]} for entry in found] == few
    assert [entry["prediction"] for entry in found] == [truth[entry["text"]][0] for entry in few]
    for entry in found:
        scores = entry["prediction_scores"]
        scores = json.loads(scores) if isinstance(scores, str) else scores
        assert scores[entry["prediction"]] == pytest.approx(float(entry["prediction_score"]), abs=1e-6)
        assert sum(scores.values()) == pytest.approx(1, abs=1e-5)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.csv", f"out.{kind}"]  # no partial file is left


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_a_column_for_the_score_of_each_label(
    kind: str, trained: Path, few: list[dict[str, Any]], truth: dict[str, tuple[str, float]], tmp_path: Path
) -> None:
    """In full: what stands in the file is the number in float32, no digit less."""
    predictor = open_predictor(config(trained))
    logits = predictor.outputs({"text": [entry["text"] for entry in few]})
    exact = predictor.task.problem.probabilities(logits).astype(np.float32)
    path = write(tmp_path / "in.csv", few)
    predict.run(config(trained, input=str(path), output=tmp_path / f"out.{kind}", all_scores="columns"))
    found = read(tmp_path / f"out.{kind}")
    names = ["prediction_score_negative", "prediction_score_positive"]
    assert list(found[0]) == [*few[0], "prediction", "prediction_score", *names, "prediction_error"]
    for entry, (negative, positive) in zip(found, exact, strict=True):
        assert [np.float32(entry[name]) for name in names] == [negative, positive]
        assert np.float32(entry["prediction_score"]) == max(negative, positive)
        assert entry["prediction"] == truth[entry["text"]][0]


def test_columns_of_scores_of_rows_without_an_answer(trained: Path, tmp_path: Path) -> None:
    """They are there from the first row on; an earlier model's columns stay what they are, which is said."""
    path = tmp_path / "in.jsonl"
    write_jsonl(path, [{"text": "", "prediction_score_positive": 7}, {"text": "a good film"}])
    with reporting.listening() as told:
        run = predict.run(config(trained, input=str(path), output=tmp_path / "out.jsonl", all_scores="columns"))
    empty, good = read(tmp_path / "out.jsonl")
    names = ["prediction2_score_negative", "prediction2_score_positive"]
    assert empty["prediction_score_positive"] == 7
    assert [empty[name] for name in names] == [None, None]
    assert sum(good[name] for name in names) == pytest.approx(1, abs=1e-6)
    assert run.record["failed"] == 1
    assert "the rows have columns of predictions: the answers are in prediction2, prediction2_score, ..." in told.notes


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--all-scores", "columns"], {"prediction_score_negative", "prediction_score_positive"}),
        (["--all-scores=columns"], {"prediction_score_negative", "prediction_score_positive"}),
        (["--all-scores"], {"prediction_scores"}),
        (["--all-scores", "true"], {"prediction_scores"}),
        (["--no-all-scores"], set()),
    ],
)
def test_typed_answers_have_the_names_of_files(
    arguments: list[str], names: set[str], trained: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # the text may stand behind the switch
    where = ["--device", "cpu", "--output", str(tmp_path / "out.jsonl"), "--json"]
    assert main(["predict", str(trained), *arguments, "a good film", *where]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert set(answer) == {"text", "prediction", "prediction_score", "prediction_error"} | names
    assert read(tmp_path / "out.jsonl") == [answer]


def test_a_way_of_all_scores_that_there_is_not(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(trained), "a film", "--all-scores=rows"]) == 2
    assert "--all-scores 'rows': write it alone, or with columns behind it" in capsys.readouterr().err


def stdin_of(text: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")


def test_standard_input_to_standard_output(
    trained: Path, few: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin_of("".join(row["text"] + "\n" for row in few)))
    assert main(["predict", str(trained), "--input", "-", "--device", "cpu"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["text"] for entry in found] == [row["text"] for row in few]


def test_notes_do_not_mix_with_the_answers_on_standard_output(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "stdin", stdin_of('{"Review": "a good film"}\n')
    )  # another column: it is guessed, and said
    command = ["predict", str(trained), "--input", "-", "--input-format", "jsonl", "--device", "cpu"]
    assert main(command) == 0
    captured = capsys.readouterr()
    (line,) = captured.out.splitlines()
    assert json.loads(line)["Review"] == "a good film"
    assert "text: column 'Review' (guessed; --text-column)" in captured.err
    assert main([*command, "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["exit_code"] == 2
    assert "--output" in captured.err


def test_typed_texts(trained: Path, truth: dict[str, tuple[str, float]], capsys: pytest.CaptureFixture[str]) -> None:
    chosen = list(truth)[:2]
    assert main(["predict", str(trained), *chosen, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    for text in chosen:
        assert any(text in line and truth[text][0] in line for line in out.splitlines())
    assert main(["predict", str(trained), *chosen, "--device", "cpu", "--json", "--all-scores"]) == 0
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert [(answer["text"], answer["prediction"]) for answer in answers] == [(t, truth[t][0]) for t in chosen]
    assert set(answers[0]["prediction_scores"]) == {"negative", "positive"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "give texts, or --input FILE"),
        ({"texts": ["a"], "input": "x.csv"}, "give texts or --input FILE, not both"),
        ({"texts": ["a"], "text_pair": ["b"]}, "this model takes single texts: leave out --text-pair"),
        ({"input": "missing.csv"}, "missing.csv"),
        ({"texts": ["a"], "output": "x.docx"}, "unknown format"),
        ({"texts": ["a"], "output": "nowhere/x.csv"}, "there is no folder nowhere"),
    ],
)
def test_wrong_usage(values: dict[str, Any], said: str, trained: Path) -> None:
    with pytest.raises(UserError) as error:
        predict.run(config(trained, **values))
    assert said in error.value.message


def test_an_existing_output_is_refused_before_the_work(
    trained: Path, few: list[dict[str, Any]], tmp_path: Path
) -> None:
    path, out = write(tmp_path / "in.csv", few), tmp_path / "out.csv"
    out.write_text("mine")
    with pytest.raises(UserError) as error:
        predict.run(config(trained, input=str(path), output=out))
    assert (error.value.message, error.value.hint) == (f"--output {out} exists", "--overwrite replaces it.")
    assert out.read_text() == "mine"
    predict.run(config(trained, input=str(path), output=out, overwrite=True))
    assert len(read(out)) == 12


def test_a_failure_leaves_no_half_written_output(
    trained: Path, few: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "in.csv", few)
    monkeypatch.setattr(predict, "CHUNK", 4)
    real = Predictor.batch
    calls = []

    def batch(self: Predictor, features: list[dict[str, Any]]) -> Any:
        calls.append(features)
        if len(calls) == 3:
            raise RuntimeError("power cut")
        return real(self, features)

    monkeypatch.setattr(Predictor, "batch", batch)
    with pytest.raises(RuntimeError):
        predict.run(config(trained, input=str(path), output=tmp_path / "out.csv"))
    assert [file.name for file in tmp_path.iterdir()] == ["in.csv"]


def test_columns_of_an_earlier_prediction_are_kept(trained: Path, few: list[dict[str, Any]], tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", few)
    predict.run(config(trained, input=str(path), output=tmp_path / "one.csv"))
    predict.run(config(trained, input=str(tmp_path / "one.csv"), output=tmp_path / "two.csv"))
    first, second = read(tmp_path / "one.csv"), read(tmp_path / "two.csv")
    assert [{name: entry[name] for name in first[0]} for entry in second] == first
    assert [entry["prediction2"] for entry in second] == [entry["prediction"] for entry in first]
    assert "prediction2_score" in second[0]


def test_broken_rows_are_kept_with_their_error(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,text\n1,a good film\n2\n3,\n4,the soup was cold,too many\n5,a bad film\n")
    command = ["predict", str(trained), "--input", str(path), "--output", str(tmp_path / "out.csv"), "--device", "cpu"]
    assert main(command) == 1
    found = read(tmp_path / "out.csv")
    assert len(found) == 5
    assert [bool(entry["prediction_error"]) for entry in found] == [False, True, True, True, False]
    assert [entry["prediction"] != "" for entry in found] == [True, False, False, False, True]
    assert "'text' is empty" in found[2]["prediction_error"]
    error = capsys.readouterr().err
    assert "3 of 5 rows have no answer (column prediction_error): more than --max-errors 0, exit code 1" in error
    assert "line 3" in error
    assert main([*command, "--overwrite", "--max-errors", "3"]) == 0
    assert main([*command, "--overwrite", "--max-errors", "0.5"]) == 1
    assert main([*command, "--overwrite", "--max-errors", "0.6"]) == 0
    broken = tmp_path / "in.jsonl"
    broken.write_text('{"text": "a good film"}\n{"text": \n{"other": 1}\n')
    assert main([*command[:3], str(broken), "--output", str(tmp_path / "out.jsonl"), "--device", "cpu"]) == 1
    assert [bool(entry["prediction_error"]) for entry in read(tmp_path / "out.jsonl")] == [False, True, True]


@pytest.mark.parametrize(
    ("name", "content", "header"),
    [
        ("a.csv", 'id;text\r\n1;"good; film"\r\n2;bad film\r\n', "id;text;prediction;"),
        ("a.csv", '"id","text"\n"1","good film"\n"2","bad film"\n', '"id","text","prediction",'),
        ("a.tsv", 'id\ttext\n1\t"good film\n2\tbad "film"\n', "id\ttext\tprediction\t"),
        ("a.csv", "sep=|\nid|text\n1|good film\n2|bad film\n", "id|text|prediction|"),
    ],
)
def test_answers_are_written_as_the_input_is(
    trained: Path, tmp_path: Path, name: str, content: str, header: str
) -> None:
    (tmp_path / name).write_text(content, newline="")
    out = tmp_path / f"out{Path(name).suffix}"
    predict.run(config(trained, input=str(tmp_path / name), output=out))
    before, after = content.splitlines(keepends=True)[-2:], out.read_bytes().decode().splitlines(keepends=True)
    assert after[0].startswith(header)
    assert len(after) == 3
    for old, new in zip(before, after[1:], strict=True):
        end = "\r\n" if old.endswith("\r\n") else "\n"
        assert new.startswith(old.removesuffix(end))
        assert new.endswith(end)


def test_cells_of_other_types_in_csv(tmp_path: Path) -> None:
    row = {"kept": True, "days": [datetime.date(2024, 5, 1)], "score": 1.0}
    with writer(tmp_path / "a.csv") as write:
        write([row])
    assert read(tmp_path / "a.csv") == [{"kept": "true", "days": '["2024-05-01"]', "score": "1.0"}]


def test_missing_numbers_are_null_in_json(tmp_path: Path) -> None:
    with writer(tmp_path / "a.jsonl") as write:
        write([{"n": float("nan"), "list": [1.5, float("nan")], "text": "NaN"}])
    assert (tmp_path / "a.jsonl").read_text() == '{"n": null, "list": [1.5, null], "text": "NaN"}\n'


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "json"])
def test_a_file_without_rows_gives_one_without_answers(trained: Path, tmp_path: Path, kind: str) -> None:
    import pyarrow as pa

    path, out = tmp_path / f"in.{kind}", tmp_path / f"out.{'jsonl' if kind == 'json' else kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"id": pa.array([], pa.int64()), "text": pa.array([], pa.string())}), path)
    else:
        path.write_text({"csv": "id;text\n", "tsv": "id\ttext\n", "json": "[]"}[kind])
    report = predict.run(config(trained, input=str(path), output=out))
    assert (report.record["rows"], report.exit_code) == (0, 0)
    columns = ["id", "text", "prediction", "prediction_score", "prediction_error"]
    if kind == "parquet":
        assert pq.read_table(out).column_names == columns
    else:
        assert out.read_text() == {"csv": ";".join(columns) + "\n", "tsv": "\t".join(columns) + "\n", "json": ""}[kind]
    path.write_bytes(b"")
    with pytest.raises(UserError):  # which may have been cut, or never written
        predict.run(config(trained, input=str(path), output=out, overwrite=True))


def test_exit_code_1_when_no_row_has_an_answer(trained: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in.csv", [{"text": " ", "id": "1"}, {"text": "", "id": "2"}])
    command = ["predict", str(trained), "--input", str(path), "--output", str(tmp_path / "out.csv"), "--device", "cpu"]
    assert main(command) == 1
    assert len(read(tmp_path / "out.csv")) == 2


def test_an_input_without_a_text_column_is_refused(trained: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in.csv", [{"a": "x", "b": "y"}])
    with pytest.raises(UserError) as error:
        predict.run(config(trained, input=str(path), output=tmp_path / "out.csv"))
    assert "no column looks like text; the columns are a, b" in error.value.message
    assert error.value.hint == "Name it with --text-column."
    predict.run(config(trained, input=str(path), output=tmp_path / "out.csv", text_column="b"))
    assert len(read(tmp_path / "out.csv")) == 1


def test_rows_are_streamed(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never more rows are read than a chunk beyond what is written."""
    from nlpkit.data import readers, writers

    path = write_csv(tmp_path / "in.csv", rows(100, seed=9))
    monkeypatch.setattr(predict, "CHUNK", 8)
    pulled = written = peak = 0
    real_rows, real_csv = readers.rows_of, writers._csv

    def read_rows(*arguments: Any, **keywords: Any) -> Iterator[Any]:
        nonlocal pulled, peak
        for row in real_rows(*arguments, **keywords):
            pulled += 1
            peak = max(peak, pulled - written)
            yield row

    def counted(*arguments: Any) -> Any:
        inner = real_csv(*arguments)

        def append(entries: Sequence[Mapping[str, Any]]) -> None:
            nonlocal written
            inner(entries)
            written += len(entries)

        return append

    monkeypatch.setattr(readers, "rows_of", read_rows)
    monkeypatch.setattr(writers, "_csv", counted)
    predict.run(config(trained, input=str(path), output=tmp_path / "out.csv"))
    assert pulled == written == 100
    assert peak <= 8


def test_batches_by_length_give_the_answers_of_one_by_one(trained: Path) -> None:
    texts = [row["text"] for row in rows(40, seed=9)]
    batched = open_predictor(config(trained, texts=["-"], batch_size=16)).outputs({"text": texts})
    single = open_predictor(config(trained, texts=["-"], batch_size=1)).outputs({"text": texts})
    assert batched.shape == (40, 2)
    np.testing.assert_allclose(batched, single, atol=1e-5)


# --- models of other kinds ---


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Plain Transformers folders with a random head, as a user may bring them."""

    def make(name: str, **settings: Any) -> Path:
        import torch
        from transformers import BertConfig, BertForSequenceClassification

        torch.manual_seed(1)
        tokenizer = make_tokenizer()
        folder = tmp_path_factory.mktemp("heads") / name
        shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
        made = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **shape, **settings)
        BertForSequenceClassification(made).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


def test_a_plain_folder_answers_with_its_label_names(heads: Any) -> None:
    plain = heads("plain", num_labels=3)
    (answer,) = predict.run(config(plain, texts=["a good film"], all_scores=True)).record["answers"]
    assert set(answer["prediction_scores"]) == {"LABEL_0", "LABEL_1", "LABEL_2"}
    assert answer["prediction"] == max(answer["prediction_scores"], key=answer["prediction_scores"].get)


def test_multi_label_answers_are_lists(heads: Any, tmp_path: Path) -> None:
    names = {0: "a", 1: "b", 2: "c"}
    model = heads("multi", id2label=names, problem_type="multi_label_classification")
    report = predict.run(config(model, texts=["a good film", "bad"], all_scores=True, output=tmp_path / "out.csv"))
    for answer in report.record["answers"]:
        assert answer["prediction"] == [name for name, p in answer["prediction_scores"].items() if p >= 0.5]
    assert [json.loads(entry["prediction"]) for entry in read(tmp_path / "out.csv")] == [
        answer["prediction"] for answer in report.record["answers"]
    ]


def test_a_column_of_two_types_is_refused_in_parquet(trained: Path, tmp_path: Path) -> None:
    file = str(write_jsonl(tmp_path / "in.jsonl", [{"text": "good", "n": "x"}, {"text": "bad", "n": 1}]))
    with pytest.raises(UserError, match="a column changes its type"):
        predict.run(config(trained, input=file, output=tmp_path / "out.parquet"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"], "nothing half-written"


def test_a_parquet_column_whose_first_rows_are_empty_has_the_type_of_its_values(tmp_path: Path) -> None:
    """A column of scores of which the first thousands of rows have none: they could not be answered."""
    empty = {"score": None, "spans": None, "error": "no text", "never": None}
    later = {"score": 0.5, "spans": [{"start": 1}], "error": None, "never": None}
    with writer(tmp_path / "out.parquet") as write:
        write([{"id": 1, **empty}, {"id": 2, **empty}])
        write([{"id": 3, **empty}])
        write([{"id": 4, **later}])
        write([{"id": 5, **empty}])
    table = pq.read_table(tmp_path / "out.parquet")
    assert [str(kind) for kind in table.schema.types][:2] == ["int64", "double"]
    assert table.to_pylist() == [{"id": number, **(later if number == 4 else empty)} for number in range(1, 6)]
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_regression_answers_are_numbers(heads: Any, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    model = heads("number", num_labels=1)
    path = write_csv(tmp_path / "in.csv", rows(5))
    predict.run(config(model, input=str(path), output=tmp_path / "out.parquet"))
    found = read(tmp_path / "out.parquet")
    stock, tokenizer = AutoModelForSequenceClassification.from_pretrained(model).eval(), make_tokenizer()
    assert len(found) == 5
    for entry in found:
        with torch.no_grad():
            expected = float(stock(**tokenizer(entry["text"], return_tensors="pt")).logits)
        assert entry["prediction"] == pytest.approx(expected, abs=1e-5)


def test_a_model_without_a_trained_head_is_refused(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(tiny_model), "a good film", "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert "holds no model for a task known here (its architecture: BertModel)" in error
    assert "nlpkit finetune-cls" in error


def test_a_head_that_the_weights_lack_is_refused(heads: Any, tiny_model: Path, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(tiny_model, tmp_path / "model")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"architectures": ["BertForSequenceClassification"]}))
    with pytest.raises(
        UserError, match=r"has no trained classifier.bias, classifier.weight: its answers would be random"
    ):
        predict.run(config(folder, texts=["a"]))


@pytest.fixture(scope="module")
def pair_run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A run trained on pairs, columns `first` and `second`."""
    folder = tmp_path_factory.mktemp("pairs")
    made = [{"first": row["text"], "second": "a " + row["text"], "label": row["label"]} for row in rows(60)]
    options: dict[str, Any] = {"text_column": "first", "text_pair_column": "second", "max_steps": 2, "device": "cpu"}
    finetune_cls.run(
        finetune_cls.Config(
            data=str(write_csv(folder / "pairs.csv", made)), model=str(tiny_model), output=folder / "run", **options
        )
    )
    return folder / "run"


@pytest.mark.slow
def test_a_pair_model_is_given_pairs_or_refuses(pair_run: Path, tmp_path: Path) -> None:
    given = [{"a": "good film", "b": "bad film"}, {"a": "late train", "b": "kind clerk"}]
    file = str(write_csv(tmp_path / "in.csv", given))
    named = {"text_column": "a", "text_pair_column": "b"}
    predict.run(config(pair_run, input=file, output=tmp_path / "named.csv", **named))
    typed = {"texts": ["good film", "late train"], "text_pair": ["bad film", "kind clerk"]}
    answers = predict.run(config(pair_run, **typed)).record["answers"]
    with (tmp_path / "named.csv").open(encoding="utf-8", newline="") as stream:
        scores = [float(row["prediction_score"]) for row in csv.DictReader(stream)]
    assert scores == pytest.approx([answer["prediction_score"] for answer in answers], abs=1e-5)
    for wrong in ({}, {"text_column": "a"}):  # never silently without the second text
        with pytest.raises(UserError, match="this model takes pairs"):
            predict.run(config(pair_run, input=file, output=tmp_path / "x.csv", **wrong))


def test_a_model_from_elsewhere_takes_typed_pairs(trained: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(trained, plain)
    (plain / "nlpkit.json").unlink()
    single = predict.run(config(plain, texts=["a good film"])).record["answers"][0]
    pair = predict.run(config(plain, texts=["a good film"], text_pair=["a bad film"])).record["answers"][0]
    assert pair["prediction_score"] != pytest.approx(single["prediction_score"], abs=1e-6)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_late_column_is_refused_not_lost(
    suffix: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "CHUNK", 2)
    given = [{"text": "good"}, {"text": "bad"}, {"text": "late", "note": "x"}]
    file = str(write_jsonl(tmp_path / "in.jsonl", given))
    with pytest.raises(UserError, match="column 'note' first appears") as error:
        predict.run(config(trained, input=file, output=tmp_path / f"out.{suffix}"))
    assert error.value.hint is not None and "jsonl" in error.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"], "nothing half-written"
    predict.run(config(trained, input=file, output=tmp_path / "out.jsonl"))
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()[2])["note"] == "x"


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet", "xlsx"])
def test_numbers_among_texts_are_answered_as_they_are_trained_on(
    kind: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Heard
) -> None:
    values = [12.0, 0.5, 3.0, None]
    path = tmp_path / f"in.{kind}"
    if kind == "xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for cell in ["text", *values]:
            book.active.append([cell, "x"])
        book.save(path)
    else:
        write(path, [{"text": value, "id": "x"} for value in values])
    texts: list[str] = []
    original = Predictor._inputs

    def inputs(self: Predictor, reader: Any, found: Sequence[Mapping[str, Any]]) -> Any:
        out = original(self, reader, found)
        texts.extend(entry["text"] for entry in out[0])
        return out

    monkeypatch.setattr(Predictor, "_inputs", inputs)
    report = predict.run(config(trained, input=str(path), output=tmp_path / "out.jsonl"))
    assert texts == ["12", "0.5", "3"]
    place = {"jsonl": "line 4", "xlsx": "row 5"}.get(kind, "row 4")
    assert report.exit_code == 1
    assert report.failure.startswith("1 of 4 rows")
    assert f"; {place}: column 'text' is empty" in heard.warnings[-1]


@pytest.mark.parametrize("task", ["classification", "token-classification", "masked-lm"])
def test_every_line_of_a_text_has_its_answer(task: str, run_of: Any, tmp_path: Path) -> None:
    lines = ["good", "", "[MASK] train", "  ", "late [MASK]", ""]  # of words alone, too
    source = tmp_path / "a.txt"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for kind in ("jsonl", "csv", "tsv", "parquet"):
        report = predict.run(config(run_of(task), input=str(source), output=tmp_path / f"a.{kind}", max_errors=4))
        assert report.exit_code == 0
        answers = read(tmp_path / f"a.{kind}")
        assert [row["text"].rstrip() for row in answers] == [line.rstrip() for line in lines]
        assert all(row["prediction_error"] for row in answers if not row["text"].strip())
    few = config(run_of(task), input=str(source), output=tmp_path / "few.csv", max_errors=2)
    assert predict.run(few).exit_code == 1


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(trained: Path, tmp_path: Path) -> None:
    for name in ("a[1]", "a,b"):
        (tmp_path / name).write_text("good film\nbad soup\n", encoding="utf-8")
        out = tmp_path / "answers.csv"
        report = predict.run(
            predict.Config(model=str(trained), input=str(tmp_path / name), format="txt", output=out, overwrite=True)
        )
        assert report.record["rows"] == 2


def test_a_text_may_begin_like_the_home_of_a_user_that_there_is_not(trained: Path) -> None:
    report = predict.run(predict.Config(model=str(trained), texts=["~100 euros. A good film"]))
    assert report.record["answers"][0]["text"] == "~100 euros. A good film"


def test_a_number_that_no_column_of_parquet_holds_is_refused(trained: Path, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [{"text": "good film", "id": 2**64 - 1}])
    config = {"model": str(trained), "input": str(path)}
    with pytest.raises(UserError, match="too large for a column of parquet"):
        predict.run(predict.Config(**config, output=tmp_path / "answers.parquet"))
    assert not (tmp_path / "answers.parquet").exists()
    predict.run(predict.Config(**config, output=tmp_path / "answers.jsonl"))
    assert str(2**64 - 1) in (tmp_path / "answers.jsonl").read_text(encoding="utf-8")
