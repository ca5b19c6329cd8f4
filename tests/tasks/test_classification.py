from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import WORDS, make_tokenizer, write_csv
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from nlpkit.data import splits
from nlpkit.data.glue import GLUE
from nlpkit.data.sources import LoadedData, Source
from nlpkit.errors import UserError
from nlpkit.recipes import evaluate, finetune_cls
from nlpkit.tasks import features
from nlpkit.tasks.forward import Forward
from nlpkit.tasks.text_classification.task import TextClassification
from nlpkit.word_vectors.table import WordVectors


def options(**values: Any) -> finetune_cls.Config:
    return finetune_cls.Config(**values)


def loaded_of(rows: dict[str, Dataset]) -> LoadedData:
    return LoadedData(rows, Source(""), [])


def task_of(columns: dict[str, Any] | Dataset, **values: Any) -> TextClassification:
    rows = columns if isinstance(columns, Dataset) else Dataset.from_dict(columns)
    return TextClassification.from_data({"train": rows}, options(**values))


def examples_of(task: TextClassification, columns: dict[str, Any] | Dataset, findings: Any = None) -> Dataset:
    rows = columns if isinstance(columns, Dataset) else Dataset.from_dict(columns)
    return task.reader().examples(rows, "train", loaded_of({"train": rows}), findings)


def texts(count: int) -> list[str]:
    return [f"text number {i}" for i in range(count)]


# --- columns ---


@pytest.mark.parametrize(
    ("columns", "text", "pair", "label"),
    [
        (["text", "label"], "text", None, "label"),
        ([" Text ", "LABEL"], " Text ", None, "LABEL"),
        (["id", "review", "sentiment"], "review", None, "sentiment"),
        (["title", "content", "category"], "content", None, "category"),
        (["tweet", "user", "class"], "tweet", None, "class"),
        (["sentence1", "sentence2", "label", "idx"], "sentence1", "sentence2", "label"),
        (["Premise", "Hypothesis ", "label"], "Premise", "Hypothesis ", "label"),
        (["question", "sentence", "label"], "question", "sentence", "label"),
        (["question1", "question2", "target"], "question1", "question2", "target"),
        (["sentence", "score"], "sentence", None, "score"),
    ],
)
def test_columns_are_guessed(columns: list[str], text: str, pair: str | None, label: str) -> None:
    rows = {name: ["a", "b", "a", "b"] for name in columns}
    task = task_of(rows)
    assert (task.text, task.pair, task.label) == (text, pair, label)
    assert len(examples_of(task, rows)) == 4


def test_named_columns_win_and_case_and_blanks_do_not_matter() -> None:
    rows = {
        "text": ["x"] * 4,
        " Body": list("abcd"),
        "extra": list("efgh"),
        "label": [0, 1, 0, 1],
        "Kind ": list("abab"),
    }
    task = task_of(rows, text_column="body", text_pair_column="EXTRA", label_column="kind")
    assert (task.text, task.pair, task.label) == (" Body", "extra", "Kind ")
    assert task.labels.names == ["a", "b"]
    found = examples_of(task, rows)
    assert found["text"][:] == list("abcd")
    assert found["text_pair"][:] == list("efgh")


def test_a_misspelt_column_lists_those_that_exist() -> None:
    with pytest.raises(UserError) as error:
        task_of({"review": ["a", "b"], "stars": [1, 2]}, text_column="reviews")
    assert "'reviews'" in error.value.message
    assert "review, stars" in error.value.message
    assert error.value.hint == "Did you mean 'review'?"


@pytest.mark.parametrize(("columns", "flag"), [(["xx", "label"], "--text-column"), (["text", "xx"], "--label-column")])
def test_no_column_that_fits_names_the_flag(columns: list[str], flag: str) -> None:
    with pytest.raises(UserError) as error:
        task_of({name: ["a", "b"] for name in columns})
    assert "xx" in error.value.message
    assert flag in (error.value.hint or "")


# --- labels ---


@pytest.mark.parametrize(
    ("values", "problem", "names"),
    [
        (["spam", "ham", "ham", "spam"], "single-label", ["ham", "spam"]),
        ([3, 1, 2, 1, 2, 3], "single-label", ["1", "2", "3"]),
        (["10", "9", "1", "9", "10", "1"], "single-label", ["1", "9", "10"]),
        ([True, False, False, True], "single-label", ["false", "true"]),
        ([1.0, 0.0, 0.0, 1.0], "single-label", ["0", "1"]),
        ([0.5, 3.25, 4.0, 0.5], "regression", []),
        (["0.5", "3.25", "4.0", "0.5"], "regression", []),
        ([["b"], ["a", "b"], [], ["a"]], "multi-label", ["a", "b"]),
        (['["b"]', '["a", "b"]', "[]", '["a"]'], "multi-label", ["a", "b"]),
        (["['b']", "['a', 'b']", "[]", "['a']"], "multi-label", ["a", "b"]),
        ([" spam", "ham ", "ham", "spam"], "single-label", ["ham", "spam"]),
    ],
)
def test_label_kinds(values: list[Any], problem: str, names: list[str]) -> None:
    task = task_of({"text": texts(len(values)), "label": values})
    assert task.labels.problem == problem
    assert task.labels.names == names
    assert task.model_arguments()["num_labels"] == max(len(names), 1)


@pytest.mark.parametrize(
    "values", [["spam", "ham", "eggs"], [10, 9, 2], [True, False, True], [["b", "a"], ["c"], ["a"]], ["a;b", "c", "b"]]
)
def test_ids_do_not_depend_on_the_order_of_rows(values: list[Any]) -> None:
    delimiter = ";" if values[0] == "a;b" else None
    seen = set()
    for seed in range(6):
        shuffled = values * 4
        random.Random(seed).shuffle(shuffled)
        task = task_of({"text": texts(12), "label": shuffled}, label_delimiter=delimiter)
        seen.add(json.dumps(task.model_arguments()["id2label"]))
    assert len(seen) == 1


def test_multi_label_vectors_from_lists_and_from_delimited_text() -> None:
    expected = [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    lists = {"text": texts(3), "label": [["news", "arts"], ["film"], []]}
    task = task_of(lists)
    assert task.labels.names == ["arts", "film", "news"]
    assert examples_of(task, lists)["label"][:] == expected
    delimited = {"text": texts(3), "label": ["news | arts", "film", None]}
    task = task_of(delimited, label_delimiter="|")
    assert examples_of(task, delimited)["label"][:] == expected


def test_json_lists_in_a_csv(tmp_path: Path) -> None:
    entries = [{"text": f"t{i}", "tags": json.dumps(tags)} for i, tags in enumerate([["a", "b"], ["b"], [], ["a"]])]
    path = write_csv(tmp_path / "multi.csv", entries)
    loaded = splits.load(options(data=str(path)), TextClassification)
    task = TextClassification.from_data(loaded.splits, options())
    found = task.reader().examples(loaded.splits["train"], "train", loaded)
    assert task.labels.problem == "multi-label"
    assert found["label"][:] == [[1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
    assert found["where"][1] == f"{path} line 3"


def test_class_label_keeps_its_order_and_minus_one_is_left_out() -> None:
    kinds = Features({"text": Value("string"), "label": ClassLabel(names=["world", "arts"])})
    rows = Dataset.from_dict({"text": texts(4), "label": [1, 0, -1, 1]}, features=kinds)
    task = task_of(rows)
    assert task.labels.names == ["world", "arts"]
    findings: list[Any] = []
    assert examples_of(task, rows, findings)["label"][:] == [1, 0, 1]
    assert [(f.check, f.level, f.count) for f in findings] == [("unlabelled", "note", 1)]


def test_lists_of_class_labels() -> None:
    kinds = Features({"text": Value("string"), "labels": List(ClassLabel(names=["joy", "fear", "love"]))})
    rows = Dataset.from_dict({"text": texts(3), "labels": [[2, 0], [], [1]]}, features=kinds)
    task = task_of(rows)
    assert task.labels.problem == "multi-label"
    assert examples_of(task, rows)["label"][:] == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    ("problem", "values", "found", "size"),
    [
        ("regression", [1, 2, 3, 4, 5], "regression", 1),
        ("multi-class", [1.5, 2.5, 1.5, 2.5], "single-label", 2),
        ("multi-label", ["a", "b", "a", "b"], "multi-label", 2),
        ("binary", ["x", "y", "x", "y"], "single-label", 2),
    ],
)
def test_problem_overrides_what_the_labels_look_like(problem: str, values: list[Any], found: str, size: int) -> None:
    task = task_of({"text": texts(len(values)), "label": values}, problem=problem)
    assert task.labels.problem == found
    assert task.labels.size == size


def test_binary_with_three_classes_is_refused() -> None:
    with pytest.raises(UserError, match=r"3 different labels \(a, b, c, \.\.\.\), --problem binary takes 2"):
        task_of({"text": texts(6), "label": list("abcabc")}, problem="binary")


@pytest.mark.parametrize(
    ("values", "problem", "said"),
    [
        (["a"] * 5, "auto", "all 5 labels in column 'label' are 'a'"),
        ([None] * 5, "auto", "the label column 'label' is empty"),
        ([f"id-{i}" for i in range(20)], "auto", "20 different values in 20 rows"),
        (["1.5", "two"], "regression", "'two', which is not a number"),
        (["a"] * 4, "multi-label", "1 different label"),
    ],
)
def test_labels_that_make_no_sense_are_refused(values: list[Any], problem: str, said: str) -> None:
    rows = Dataset.from_dict(
        {"text": texts(len(values)), "label": values},
        features=Features({"text": Value("string"), "label": Value("string")}),
    )
    with pytest.raises(UserError) as error:
        task_of(rows, problem=problem)
    assert said in error.value.message
    assert error.value.hint


# --- class weights and the loss ---


def imbalanced() -> dict[str, Any]:
    return {"text": texts(100), "label": ["a"] * 70 + ["b"] * 25 + ["c"] * 5}


def test_balanced_class_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    task = task_of(imbalanced())
    task = task.with_loss(options(class_weights="balanced"), examples_of(task, imbalanced()))
    gold = np.array(imbalanced()["label"])
    expected = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=gold)
    assert task.class_weights == pytest.approx(expected.tolist())


def test_class_weights_from_a_file_and_what_is_wrong_with_one(tmp_path: Path) -> None:
    task = task_of(imbalanced())
    found = examples_of(task, imbalanced())
    path = tmp_path / "weights.json"
    path.write_text('{"c": 3, "a": 0.5, "b": 1}')
    assert task.with_loss(options(class_weights=str(path)), found).class_weights == [0.5, 1.0, 3.0]
    path.write_text('{"c": 3, "a": 0.5}')
    with pytest.raises(UserError, match=r"names c, a; the labels are a, b, c"):
        task.with_loss(options(class_weights=str(path)), found)
    path.write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        task.with_loss(options(class_weights=str(path)), found)
    with pytest.raises(UserError, match=r"cannot read .*missing.json"):
        task.with_loss(options(class_weights=str(tmp_path / "missing.json")), found)
    path.write_text('{"a": 1, "b": 1, "c": NaN}')
    with pytest.raises(UserError, match="gives c the weight nan"):
        task.with_loss(options(class_weights=str(path)), found)
    path.write_text('{"a": 1, "b": 1, "c": 2, "a": 5}')
    with pytest.raises(UserError, match='"a" is given twice'):
        task.with_loss(options(class_weights=str(path)), found)
    path.write_text('{"a": 1, "b": 1, "c": "heavy"}')
    with pytest.raises(UserError, match="heavy"):
        task.with_loss(options(class_weights=str(path)), found)


def test_weights_and_smoothing_are_for_single_labels_only() -> None:
    numbers = {"text": texts(4), "label": [0.5, 1.5, 2.5, 3.5]}
    task = task_of(numbers)
    for asked in ({"label_smoothing": 0.1}, {"class_weights": "balanced"}):
        flag = "--" + next(iter(asked)).replace("_", "-")
        with pytest.raises(UserError, match=f"{flag} is for single-label classification, not for regression"):
            task.with_loss(options(**asked), examples_of(task, numbers))


@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 3.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_single_label_loss_by_hand(weights: list[float] | None, smoothing: float) -> None:
    task = task_of(imbalanced())
    task = task.with_loss(options(label_smoothing=smoothing), examples_of(task, imbalanced()))
    task = task.with_(class_weights=weights)
    logits, gold = torch.randn(8, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 0, 1, 2, 2])
    log_p = torch.log_softmax(logits, dim=-1)
    target = F.one_hot(gold, 3) * (1 - smoothing) + smoothing / 3
    each = -(target * torch.tensor(weights or [1.0] * 3) * log_p).sum(dim=-1)
    assert task.loss(Forward({"labels": gold}, logits)).mean().item() == pytest.approx(each.mean().item(), rel=1e-5)
    kernel = F.cross_entropy(
        logits.float(),
        gold,
        weight=torch.tensor(weights) if weights else None,
        label_smoothing=smoothing,
        reduction="none",
    )
    assert task.loss(Forward({"labels": gold}, logits)).mean().item() == pytest.approx(kernel.mean().item(), rel=1e-5)


@pytest.mark.parametrize("kind", ["single", "multi", "regression"])
def test_losses_of_accumulated_batches_add_up_to_that_of_one_batch(kind: str) -> None:
    if kind == "single":
        task = task_of(imbalanced()).with_(label_smoothing=0.1, class_weights=[0.5, 1.0, 3.0])
        logits, gold = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
        expected = task.loss(Forward({"labels": gold}, logits)).mean()
    elif kind == "multi":
        task = task_of({"text": texts(2), "label": [["a", "b"], ["c"]]})
        logits, gold = torch.randn(6, 3), torch.randint(0, 2, (6, 3)).float()
        expected = F.binary_cross_entropy_with_logits(logits, gold)
    else:
        task = task_of({"text": texts(2), "label": [0.5, 1.5]})
        logits, gold = torch.randn(6, 1), torch.randn(6)
        expected = F.mse_loss(logits[:, 0], gold)
    parts = [task.loss(Forward({"labels": gold[rows]}, logits[rows])) for rows in (slice(0, 4), slice(4, 6))]
    assert sum(part.entries for part in parts) == gold.numel() == task.loss_entries({"labels": gold})
    assert sum(part.total for part in parts) / gold.numel() == pytest.approx(expected.item(), rel=1e-5)
    assert task.loss(Forward({"labels": gold}, logits)).mean().item() == pytest.approx(expected.item(), rel=1e-5)


# --- long texts ---


def long_task(long_text: str, max_length: int) -> TextClassification:
    return task_of({"text": ["a", "b"], "label": ["x", "y"]}, long_text=long_text).with_(max_length=max_length)


def words(count: int, seed: int = 0) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=count))


def test_windows_cover_every_token_with_an_overlap_of_a_quarter() -> None:
    tokenizer = make_tokenizer()
    task = long_task("windows", 18)  # 16 tokens beside [CLS] and [SEP], of which 4 overlap
    made = task.features(tokenizer, {"text": [words(50), words(7, 1)]})
    whole = tokenizer(words(50), add_special_tokens=False)["input_ids"]
    windows = [ids for ids, owner in zip(made["input_ids"], made["example"], strict=True) if owner == 0]
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert all(ids[0] == cls and ids[-1] == sep and len(ids) <= 18 for ids in windows)
    inner = [ids[1:-1] for ids in windows]
    assert inner[0] + [token for ids in inner[1:] for token in ids[4:]] == whole
    assert all(a[-4:] == b[:4] for a, b in itertools.pairwise(inner))
    assert made["example"] == [0] * len(windows) + [1]
    assert made["length"] == [len(ids) for ids in made["input_ids"]]


def test_window_outputs_are_pooled_by_their_mean() -> None:
    task = long_task("windows", 18)
    outputs = np.array([[1.0, 0.0], [3.0, 2.0], [5.0, 4.0], [7.0, -1.0]])
    assert task.merge(outputs, {"example": [0, 0, 0, 1]}).tolist() == [[3.0, 2.0], [7.0, -1.0]]


def test_each_window_has_the_label_of_its_text() -> None:
    task = long_task("windows", 18)
    made = task.features(make_tokenizer(), {"text": [words(40), words(3)], "label": [1, 0]})
    assert made["labels"] == [1] * (len(made["example"]) - 1) + [0]


def test_head_tail_keeps_a_quarter_head_the_tail_and_the_special_tokens() -> None:
    tokenizer = make_tokenizer()
    task = long_task("head-tail", 16)
    short, long = words(14), words(40, 1)
    made = task.features(tokenizer, {"text": [short, long]})["input_ids"]
    assert made[0] == tokenizer(short)["input_ids"]  # exactly 16 tokens: nothing is cut
    whole = tokenizer(long)["input_ids"]
    assert made[1] == whole[:4] + whole[-12:]
    assert made[1][0] == tokenizer.cls_token_id
    assert made[1][-1] == tokenizer.sep_token_id


def test_truncation_keeps_the_start_and_the_separator() -> None:
    tokenizer = make_tokenizer()
    made = long_task("truncate", 10).features(tokenizer, {"text": [words(40)]})["input_ids"][0]
    assert made == [*tokenizer(words(40))["input_ids"][:9], tokenizer.sep_token_id]


def test_pairs_are_truncated_only() -> None:
    with pytest.raises(UserError, match="--long-text head-tail and windows are for single texts"):
        task_of({"text1": ["a", "b"], "text2": ["c", "d"], "label": ["x", "y"]}, long_text="windows")


def chosen(
    counts: list[int], asked: int | None = None, limit: int | None = 512, most: int | None = None
) -> tuple[Any, str]:
    """Tokens a row of train and of others, and what is said of them; the model takes `most`, if not `limit`."""
    rows = {"text": [words(count, i) for i, count in enumerate(counts)], "label": ["a", "b"] * (len(counts) // 2)}
    task = task_of(rows, max_length=asked)
    task, said = features.choose_lengths(
        task, make_tokenizer(), {"train": examples_of(task, rows)}, limit, most or limit, 0
    )
    return (task.training_length, task.max_length), said


def test_max_length_comes_from_the_data() -> None:
    # 2 special tokens each; nothing is cut below 128 tokens, multiples of 8 beyond
    length, said = chosen([10] * 98 + [60, 60])
    assert length == (128, 512)
    assert said == (
        "128 tokens; 0 of 100 rows (0.0%) are longer; median 12, longest 62; "
        "outside training, rows are read up to 512 tokens"
    )
    length, said = chosen([10] * 399 + [400])
    assert length == (128, 512)
    assert "1 of 400 rows (0.2%) are longer" in said
    assert chosen([150] * 10)[0] == (152, 512)
    assert chosen([150] * 10, limit=None)[0] == (152, None)
    length, said = chosen([150] * 10, limit=64)
    assert length == (64, 64)
    assert "10 of 10 rows (100.0%) are longer" in said
    assert "other rows" not in said


def test_what_a_tokenizer_says_is_no_ceiling() -> None:
    """Fewer tokens than the model takes are read unless more are asked for, and never fewer than 128."""
    assert chosen([10] * 10, limit=256, most=512)[0] == (128, 256)
    assert chosen([10] * 10, limit=64, most=512)[0] == (128, 128)
    assert chosen([10] * 10, limit=64, most=100)[0] == (100, 100)
    assert chosen([10] * 10, asked=500, limit=64, most=512)[0] == (None, 500)
    with pytest.raises(UserError, match="--max-length 513: the model takes at most 512 tokens"):
        chosen([10] * 10, asked=513, limit=64, most=512)


def test_max_length_can_be_set_within_what_the_model_takes() -> None:
    length, said = chosen([10] * 8 + [30, 30], asked=20)
    assert length == (None, 20)
    assert "2 of 10 rows (20.0%) are longer" in said
    with pytest.raises(UserError) as error:
        chosen([10] * 4, asked=600)
    assert error.value.message == "--max-length 600: the model takes at most 512 tokens"
    assert error.value.hint == "Use 512 or less."


# --- sampling, judging, answering ---


def test_oversampling_makes_every_class_as_frequent_as_the_most_frequent() -> None:
    task = task_of(imbalanced())
    found = examples_of(task, imbalanced())
    drawn = task.oversample(found, seed=3)
    labels = np.asarray(found["label"][:])[drawn]
    assert np.bincount(labels).tolist() == [70, 70, 70]
    assert set(drawn.tolist()) == set(range(100))  # no row is lost
    # 45 of 25 rows more of b: none comes more than one time oftener than another would by chance alone
    assert np.array_equal(drawn, task.oversample(found, seed=3))


def test_oversampling_is_refused_where_there_are_no_classes() -> None:
    numbers = {"text": texts(4), "label": [0.5, 1.5, 2.5, 3.5]}
    task = task_of(numbers)
    with pytest.raises(UserError, match="--oversample is for single-label classification, not for regression"):
        task.oversample(examples_of(task, numbers), 0)


def test_baseline_learns_and_speaks_in_logits() -> None:
    rows = {"text": [f"{w} film {i}" for i in range(20) for w in ("good", "bad")], "label": ["pos", "neg"] * 20}
    task = task_of(rows)
    found = examples_of(task, rows)
    model = task.baseline(found, seed=0)
    outputs = model.outputs(found.select(range(6)))
    assert model.name == "TF-IDF + linear"
    assert outputs.shape == (6, 2)
    assert task.score(outputs, found.select(range(6)))["accuracy"] == 1.0
    assert np.allclose(task.problem.probabilities(outputs).sum(axis=1), 1, atol=1e-5)


def learnt(task: TextClassification, rows: Any, name: str = "") -> np.ndarray:
    """What a classical model says of the rows that it has learnt from."""
    examples = examples_of(task, rows)
    return task.baseline(examples, 0, name).outputs(examples)


def test_classical_models_are_those_of_scikit_learn() -> None:
    labels = ["a", "b", "c"]
    rows = {"text": [f"{w} word {i % 7}" for i in range(15) for w in ("red", "green", "Green")], "label": labels * 15}
    task, vectors = task_of(rows), TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    found = vectors.fit_transform(rows["text"])
    for name, estimator in {"svm": LinearSVC(random_state=0), "bayes": ComplementNB()}.items():
        expected = estimator.fit(found, rows["label"])
        predicted = task.problem.predicted(learnt(task, rows, name))
        assert [labels[i] for i in predicted] == expected.predict(found).tolist()
    margins = learnt(task, rows, "svm")
    assert margins == pytest.approx(LinearSVC(random_state=0).fit(found, rows["label"]).decision_function(found))


@pytest.mark.parametrize("name", ["logistic", "svm", "bayes"])
def test_classical_models_learn_two_labels_and_several(name: str) -> None:
    two = {"text": ["good film", "bad film"] * 10, "label": ["pos", "neg"] * 10}
    task = task_of(two)
    assert task.score(learnt(task, two, name), examples_of(task, two))["accuracy"] == 1.0
    several = {"text": ["red", "green", "red green", "blue"] * 9, "label": [["r"], ["g"], ["r", "g"], ["b"]] * 9}
    task = task_of(several)
    assert task.score(learnt(task, several, name), examples_of(task, several))["f1_micro"] > 0.9


def test_words_that_a_classical_model_does_not_know_are_counted() -> None:
    rows = {"text": ["A good film", "a bad film"], "label": ["pos", "neg"]}
    task = task_of(rows)
    model = task.baseline(examples_of(task, rows), 0, "svm")
    unknown = examples_of(task, {"text": ["a dull film", "Good"], "label": ["neg", "pos"]})
    assert vars(model.words(unknown)) == {"unknown": 1, "all": 4}
    assert "8 words and pairs of words" in model.described


def test_the_mean_of_vectors_is_that_of_the_words_that_have_one() -> None:
    vectors = WordVectors(["red", "green", "film"], np.array([[1, 0], [0, 1], [2, 3]], np.float32))
    rows = {"text": ["red film", "Green film!", "red", "green dull"], "label": ["r", "g", "r", "g"]}
    task = task_of(rows)
    model = task.baseline(examples_of(task, rows), 0, "word2vec", vectors)
    means = StandardScaler().fit_transform(np.array([[1.5, 1.5], [1, 2], [1, 0], [0, 1]], np.float32))
    expected = LogisticRegression(C=10.0, max_iter=1000).fit(means, rows["label"]).predict_log_proba(means)
    found = model.outputs(examples_of(task, rows))
    assert found == pytest.approx(expected[:, [task.labels.names.index(name) for name in ("g", "r")]], abs=1e-4)
    assert vars(model.words(examples_of(task, rows))) == {"unknown": 1, "all": 7}


def test_vectors_that_are_learnt_from_train_repeat_by_seed() -> None:
    pytest.importorskip("gensim")
    rows = {"text": ["a good red film", "a bad green film"] * 10, "label": ["r", "g"] * 10}
    task = task_of(rows)
    first, again, other = (
        task.baseline(examples_of(task, rows), seed, "word2vec").vectors.matrix for seed in (1, 1, 2)
    )
    assert first.shape == (6, 100)
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_baselines_are_named_as_the_labels_allow() -> None:
    labels, numbers = (task_of({"text": ["a b", "c d"], "label": cells}) for cells in (["x", "y"], [0.5, 1.5]))
    assert labels.require_baseline() == ["logistic"]
    assert numbers.require_baseline() == ["ridge"]
    assert labels.require_baseline(["cnn", "svm", "cnn"]) == ["cnn", "svm"]
    assert labels.require_baseline(["all"]) == ["logistic", "svm", "bayes", "word2vec", "lstm", "cnn"]
    assert numbers.require_baseline(["all"]) == ["ridge", "word2vec", "lstm", "cnn"]
    with pytest.raises(UserError, match="--baseline svm: it is not for regression") as caught:
        numbers.require_baseline(["lstm", "svm"])
    assert "ridge, word2vec, lstm, cnn" in str(caught.value.hint)


def test_baseline_for_numbers_and_for_several_labels() -> None:
    numbers = {"text": ["good"] * 10 + ["bad"] * 10, "label": [4.5] * 10 + [1.5] * 10}
    task = task_of(numbers)
    outputs = learnt(task, numbers)
    assert outputs.shape == (20, 1)
    assert outputs[0, 0] > 4 > 2 > outputs[-1, 0]
    tags = {"text": ["good film", "bad film", "good", "bad"] * 5, "label": [["g", "f"], ["f"], ["g"], []] * 5}
    task = task_of(tags)
    outputs = learnt(task, tags)
    assert task.problem.predicted(outputs)[:4].tolist() == [[1, 1], [1, 0], [0, 1], [0, 0]]


def test_baseline_with_a_class_that_train_lacks() -> None:
    kinds = Features({"text": Value("string"), "label": ClassLabel(names=["a", "never", "b"])})
    rows = Dataset.from_dict({"text": ["good", "bad"] * 5, "label": [0, 2] * 5}, features=kinds)
    task = task_of(rows)
    outputs = learnt(task, rows)
    assert outputs.shape == (10, 3)
    assert task.problem.predicted(outputs).tolist() == [0, 2] * 5


def test_mistakes_come_most_confident_first() -> None:
    rows = {"text": texts(5), "label": ["a", "b", "a", "b", "a"]}
    task = task_of(rows)
    outputs = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [2.0, 0.0], [1.0, 0.0]])
    found = task.view.mistakes(outputs, examples_of(task, rows))
    assert [entry["text"] for entry in found] == ["text number 2", "text number 3", "text number 0"]
    assert [entry["label"] for entry in found] == ["a", "b", "a"]
    assert [entry["prediction"] for entry in found] == ["b", "a", "b"]
    assert found[0]["score"] == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-6)
    assert found[0]["where"] == "train row 3"


def test_mistakes_of_numbers_and_of_several_labels() -> None:
    numbers = {"text": texts(3), "label": [1.5, 2.5, 3.5]}
    task = task_of(numbers)
    found = task.view.mistakes(np.array([[1.6], [4.5], [3.0]]), examples_of(task, numbers))
    assert [entry["label"] for entry in found] == [2.5, 3.5, 1.5]
    tags = {"text": texts(3), "label": [["a"], ["a", "b"], ["b"]]}
    task = task_of(tags)
    found = task.view.mistakes(np.array([[5.0, -5.0], [5.0, -1.0], [5.0, 5.0]]), examples_of(task, tags))
    assert [entry["text"] for entry in found] == ["text number 2", "text number 1"]
    assert found[1]["label"] == ["a", "b"]
    assert found[1]["prediction"] == ["a"]


def test_answers_of_each_problem() -> None:
    single = list(task_of({"text": texts(4), "label": list("abab")}).decode(np.array([[0.0, np.log(3)]]), [{}]))
    assert single == [{"prediction": "b", "score": 0.75, "scores": {"a": 0.25, "b": 0.75}}]
    multi = task_of({"text": texts(2), "label": [["a"], ["b"]]}, problem="multi-label", threshold=0.7)
    answers = list(multi.decode(np.array([[np.log(3), 0.0], [0.0, 0.0]]), [{}, {}]))
    assert [answer["prediction"] for answer in answers] == [["a"], []]
    assert answers[0]["scores"] == {"a": 0.75, "b": 0.5}
    number = list(task_of({"text": texts(4), "label": [0.5, 1.5, 2.5, 3.5]}).decode(np.array([[2.25]]), [{}]))
    assert number == [{"prediction": 2.25, "score": None}]


# --- GLUE ---

GLUE_CLASSES = {"cola": 2, "sst2": 2, "mrpc": 2, "qqp": 2, "mnli": 3, "qnli": 2, "rte": 2, "wnli": 2}


def glue_set(name: str) -> DatasetDict:
    """Rows with the columns, types and split names of one GLUE task on the hub."""
    task = GLUE[name]
    label: Any = Value("float32") if name == "stsb" else ClassLabel(num_classes=GLUE_CLASSES[name])
    columns = [column for column in task.columns if column]
    kinds = Features({**{column: Value("string") for column in columns}, "label": label, "idx": Value("int32")})

    def rows(split: str, hidden: bool = False) -> Dataset:
        gold = [i * 5 / 11 if name == "stsb" else i % GLUE_CLASSES[name] for i in range(12)]
        made = {column: [f"{split} {column} {i}" for i in range(12)] for column in columns}
        return Dataset.from_dict(
            {**made, "label": [-1] * 12 if hidden else gold, "idx": list(range(12))}, features=kinds
        )

    suffixes = ("_matched", "_mismatched") if name == "mnli" else ("",)
    made = {"train": rows("train")}
    made |= {f"validation{suffix}": rows(f"validation{suffix}") for suffix in suffixes}
    return DatasetDict(made | {f"test{suffix}": rows(f"test{suffix}", hidden=True) for suffix in suffixes})


@pytest.mark.parametrize("name", list(GLUE))
def test_glue_tasks_by_name(name: str, monkeypatch: pytest.MonkeyPatch, tiny_model: Path, tmp_path: Path) -> None:
    asked = []

    def load_dataset(path: str, config: str | None = None, **_: Any) -> DatasetDict:
        asked.append((path, config))
        return glue_set(name)

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    config = options(data=f"glue:{name}", model=str(tiny_model), output=tmp_path / "run", device="cpu")
    trainer = finetune_cls.build(config)
    assert asked == [("glue", name)]
    task = trainer.task
    assert (task.text, task.pair) == GLUE[name].columns
    assert task.labels.problem == ("regression" if name == "stsb" else "single-label")
    # the metrics of the paper (table 1)
    expected = {"cola": ["mcc"], "mrpc": ["f1", "accuracy"], "qqp": ["f1", "accuracy"], "stsb": ["pearson", "spearman"]}
    assert list(task.table_metrics)[: len(expected.get(name, "1"))] == expected.get(name, ["accuracy"])
    assert trainer.args.metric_for_best_model == expected.get(name, ["accuracy"])[0]
    held_out = trainer.splits["validation"].examples
    assert len(held_out) == 12
    assert held_out["text"][0].startswith("validation_matched" if name == "mnli" else "validation")
    assert set(trainer.splits) == {"train", "validation"} | ({"validation_mismatched"} if name == "mnli" else set())
    width = task.labels.size
    scores = task.score(np.random.default_rng(0).normal(size=(12, width)), held_out)
    assert set(task.table_metrics) <= set(scores)


@pytest.mark.parametrize(
    ("labels", "gold", "outputs"),
    [
        (["a", "b", "c"], ["a", "b", "c", "d", "d"], np.eye(3)[[0, 1, 2, 0, 1]]),
        (["a", "b"], ["a", "b", "a", "d", "d"], np.eye(2)[[0, 1, 0, 0, 1]]),
        ([["a", "b"], ["b"], ["c"]], [["a"], ["b"], ["c"], ["d"], ["a", "d"]], 9 * np.eye(3)[[0, 1, 2, 0, 0]] - 4),
    ],
)
def test_a_label_that_the_model_does_not_have_lowers_every_metric(
    labels: list[Any], gold: list[Any], outputs: np.ndarray
) -> None:
    task = task_of({"text": texts(len(labels)), "label": labels})
    config = evaluate.Config(model="-", unknown_labels="wrong").for_task(TextClassification)
    rows = Dataset.from_dict({"text": texts(5), "label": gold})
    loaded = loaded_of({"test": rows})
    reader = task.reader(rows.column_names, config)
    found = task.score(outputs, reader.examples(rows, "test", loaded))
    alone = rows.select(range(3))
    perfect = task.score(outputs[:3], reader.examples(alone, "test", loaded))
    assert found.keys() == perfect.keys()
    for name, value in perfect.items():
        if name != "ece":  # wrong answers may make a model that is not sure enough as sure as it is right
            assert found[name] > value if name in ("hamming_loss", "brier", "nll") else found[name] < value, name
    assert len(reader.examples(rows, "test", loaded)) == 5
    classes = task.details(outputs, reader.examples(rows, "test", loaded))["per_class"]
    assert set(classes) == set(task.labels.names)
    assert sum(figures["support"] for figures in classes.values()) == sum(name not in ("d", ["d"]) for name in gold)
