"""`nlpkit.Predictor`: opened once, asked with texts, pairs, dicts and tables, by any number of threads."""

from __future__ import annotations

import inspect
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import datasets
import every_task
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import RunOf, rows, texts_around

import nlpkit
from nlpkit.recipes import predict
from nlpkit.tasks.contract import Task

INPUTS: dict[str, list[Any]] = {
    "pairs": [("a good film", "a bad soup"), ("bad", "good")],
    "token-classification": ["a good film", ["bad", "soup"]],
    "question-answering": [
        {"question": "what was good ?", "context": "the good film"},
        ("what was bad ?", "the bad soup"),
    ],
    "masked-lm": ["a good [MASK]", "bad [MASK]"],
}


@pytest.mark.parametrize("kind", every_task.kinds(Task))
def test_every_task_answers_as_predict_does(kind: str, run_of: RunOf) -> None:
    inputs = INPUTS.get(kind, ["a good film", "bad soup"])
    with nlpkit.Predictor(run_of(kind), device="cpu") as predictor:
        made = predictor.predict(inputs if kind != "question-answering" else inputs[:1])
        assert made == [answer["prediction"] for answer in predictor.answers(inputs if len(made) > 1 else inputs[:1])]
        if all(isinstance(one, str) for one in inputs):
            report = predict.run(predict.Config(model=str(run_of(kind)), texts=inputs, device="cpu"))
            assert made == [answer["prediction"] for answer in report.record["answers"]]
        if kind == "question-answering":
            assert len(predictor.predict(inputs[1:])) == 1
    with pytest.raises(nlpkit.UserError, match="is closed"):
        predictor.predict(inputs)


def test_a_frame_keeps_its_index_types_and_rows_and_gets_columns(trained: Path) -> None:
    frame = pd.DataFrame(
        {"id": pd.array([1, None, 3], dtype="Int64"), "text": ["good", None, "bad"], "prediction": ["?"] * 3},
        index=list("abc"),
    )
    with nlpkit.Predictor(trained, device="cpu") as predictor:
        made = predictor.predict(frame)
        assert list(made.columns[:3]) == list(frame.columns)
        pd.testing.assert_frame_equal(made[list(frame.columns)], frame)
        assert list(made["prediction2"].iloc[[0, 2]]) == predictor.predict(["good", "bad"])
        assert made["prediction2_error"].iloc[1] == "column 'text' is empty"
        empty = predictor.predict(frame[:0])
        assert list(empty.columns) == list(made.columns)
        assert not len(empty)


def test_probabilities_are_those_of_the_scores_and_stand_by_label(trained: Path, caplog: Any) -> None:
    with nlpkit.Predictor(trained, device="cpu") as predictor:
        made = predictor.predict_proba(["good film", None, "bad soup"])
        assert predictor.labels == ["negative", "positive"]
        assert (made.shape, made.dtype) == ((3, 2), np.dtype(float))
        assert np.isnan(made[1]).all()
        assert "1 input of 3 have no answer (position 1: column 'text' is empty)" in caplog.text
        answers = predictor.answers(["good film", "bad soup"])
        assert [predictor.labels[i] for i in made[[0, 2]].argmax(1)] == [answer["prediction"] for answer in answers]
        assert made[[0, 2]].max(1).tolist() == [answer["score"] for answer in answers]
        assert predictor.predict_proba([]).shape == (0, 2)


def test_a_task_without_labels_gives_no_probabilities(run_of: RunOf) -> None:
    with (
        nlpkit.Predictor(run_of("masked-lm"), device="cpu") as predictor,
        pytest.raises(nlpkit.UserError, match="no probabilities"),
    ):
        predictor.predict_proba(["good [MASK]"])


def test_eight_threads_get_the_answers_of_one(trained: Path) -> None:
    texts = [row["text"] for row in rows(64, seed=3)]
    parts = [texts[i : i + 8] for i in range(0, 64, 8)]
    with nlpkit.Predictor(trained, device="cpu") as predictor:
        alone = [predictor.answers(part) for part in parts]
        with ThreadPoolExecutor(8) as pool:
            for _ in range(4):
                assert list(pool.map(predictor.answers, parts)) == alone
                assert len(list(pool.map(predictor.predict_proba, parts))) == 8


def test_a_stream_of_any_length_is_answered_in_order(trained: Path) -> None:
    texts = [row["text"] for row in rows(20, seed=4)]
    with nlpkit.Predictor(trained, device="cpu") as predictor:
        made = list(predictor.stream(iter(texts), size=7))
        assert [one["prediction"] for one in made] == predictor.predict(texts)


def test_one_text_has_one_answer_and_cuts_are_told(trained: Path, caplog: Any) -> None:
    with nlpkit.Predictor(trained, device="cpu") as predictor:
        assert predictor.predict("good lovely great") in predictor.labels
        answers = predictor.answers(texts_around(64)[2:3])
        assert answers[0]["cut"] > 0
        assert "position 0" in caplog.text


def test_what_a_model_does_not_read_is_refused_in_words(trained: Path, run_of: RunOf) -> None:
    with (
        nlpkit.Predictor(trained, device="cpu") as predictor,
        pytest.raises(nlpkit.UserError, match=r"reads a text \(text\) for each input"),
    ):
        predictor.predict([("a", "b")])
    with (
        nlpkit.Predictor(run_of("pairs"), device="cpu") as predictor,
        pytest.raises(nlpkit.UserError, match=r"reads a tuple \(sentence1, sentence2\)"),
    ):
        predictor.predict(["a"])
    with pytest.raises(nlpkit.UserError, match="output: a Predictor is given its texts when it is asked"):
        nlpkit.Predictor(trained, output="x.csv")
    with pytest.raises(nlpkit.UserError, match="labels: 'a, b' holds a comma"):
        nlpkit.Predictor(run_of("zero-shot"), labels=["a, b", "c"])
    with pytest.raises(TypeError, match=r"unknown keyword 'devise'\nDid you mean 'device'"):
        nlpkit.Predictor(trained, devise="cpu")


def test_its_options_are_shown() -> None:
    signature = inspect.signature(nlpkit.Predictor)
    assert {"device", "batch_size", "max_length", "top_k", "labels", "verbose"} < set(signature.parameters)
    assert not {"texts", "input", "output", "encoding", "context"} & set(signature.parameters)
    assert "    device: auto, cpu" in str(nlpkit.Predictor.__doc__)


@pytest.mark.slow
def test_an_exported_run_answers_without_weights_of_torch(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    report = nlpkit.quantize(trained, to="onnx-fp32", output=tmp_path / "onnx", device="cpu", measure_seconds=0)
    assert not list((tmp_path / "onnx").glob("*.safetensors"))
    with nlpkit.Predictor(report.path, device="cpu") as exported, nlpkit.Predictor(trained, device="cpu") as predictor:
        assert np.allclose(exported.predict_proba(["good", "bad"]), predictor.predict_proba(["good", "bad"]), atol=1e-5)


@pytest.mark.parametrize(
    "inputs",
    [b"good", [b"good"], None, 5, float("nan"), np.array("good"), (["good"], ["bad"]), pd.DataFrame(index=[1])],
)
def test_what_is_neither_a_text_nor_several_is_refused(trained: Path, inputs: Any) -> None:
    with nlpkit.Predictor(trained, device="cpu") as predictor, pytest.raises(nlpkit.UserError):
        predictor.predict(inputs)


def test_columns_of_datasets_and_tables_of_arrow_are_answered(trained: Path) -> None:
    texts = ["a good film", "bad soup"]
    with nlpkit.Predictor(trained, device="cpu") as predictor:
        wanted = predictor.predict(texts)
        assert predictor.predict(datasets.Dataset.from_dict({"text": texts})["text"]) == wanted
        for table in (pa.table({"text": texts}), pa.RecordBatch.from_pydict({"text": texts})):
            made = predictor.predict(table)
            assert made.column("prediction").to_pylist() == wanted
            assert made.num_rows == 2


def test_a_predictor_is_not_copied_into_another_process(trained: Path) -> None:
    with nlpkit.Predictor(trained, device="cpu") as predictor, pytest.raises(TypeError, match="cannot be copied"):
        pickle.dumps(predictor)
