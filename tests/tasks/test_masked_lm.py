from __future__ import annotations

import csv
import json
import math
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F
from conftest import WORDS, Run, as_worded, make_tokenizer, write_csv, write_jsonl

from nlpkit.cli.app import main
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor, open_predictor
from nlpkit.recipes import check_data, evaluate, predict
from nlpkit.tasks.forward import Forward
from nlpkit.tasks.masked_lm.features import asked_windows
from nlpkit.tasks.masked_lm.task import MaskedLanguageModeling

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
KINDS = ["bert", "roberta", "distilbert", "bert-pretraining", "albert-pretraining"]


def byte_bpe(length: int = 64) -> Any:
    """A byte-level BPE tokenizer as RoBERTa has it: <mask> takes the blank before it."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    mask = AddedToken("<mask>", lstrip=True, special=True)
    special = ["<s>", "<pad>", "</s>", "<unk>", mask]
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator([f"a {word} was {word}s" for word in WORDS] * 3, trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        model_max_length=length,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token=mask,
    )


def make_masked_lm(folder: Path, kind: str) -> Path:
    """A random model with its tokenizer, as Transformers saves them; large weights, so that scores are far apart."""
    import transformers as hf

    tokenizer = byte_bpe() if kind == "roberta" else make_tokenizer()
    common = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "initializer_range": 0.3}
    torch.manual_seed(3)
    model = {
        "bert": lambda: hf.BertForMaskedLM(hf.BertConfig(**common, **SHAPE, max_position_embeddings=64)),
        "bert-pretraining": lambda: hf.BertForPreTraining(hf.BertConfig(**common, **SHAPE, max_position_embeddings=64)),
        "albert-pretraining": lambda: hf.AlbertForPreTraining(
            hf.AlbertConfig(**common, **SHAPE, embedding_size=16, max_position_embeddings=64)
        ),
        "roberta": lambda: hf.RobertaForMaskedLM(hf.RobertaConfig(**common, **SHAPE, max_position_embeddings=66)),
        "distilbert": lambda: hf.DistilBertForMaskedLM(
            hf.DistilBertConfig(**common, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64)
        ),
    }[kind]()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def masked_lm(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def make(kind: str = "bert") -> Path:
        if kind not in made:
            made[kind] = make_masked_lm(tmp_path_factory.mktemp("masked-lm") / kind, kind)
        return made[kind]

    return make


def words(count: int, seed: int = 0) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=count))


def predictor_of(model: Path, **values: Any) -> Predictor:
    made = open_predictor(predict.Config(model=str(model), texts=["-"], device="cpu", threads=1, **values))
    return made.configured(predict.Config(model=str(model), **values).for_task(MaskedLanguageModeling))


def answers_of(model: Path, *texts: str, **values: Any) -> list[dict[str, Any]]:
    config = predict.Config(model=str(model), texts=list(texts), device="cpu", threads=1, **values)
    return as_worded(predict.run(config).record["answers"])


def measured(model: Path, data: Path, **values: Any) -> dict[str, Any]:
    return evaluate.run(evaluate.Config(model=str(model), data=str(data), device="cpu", threads=1, **values)).record


def write_lines(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


# --- answers ---


@pytest.mark.parametrize("kind", KINDS)
def test_candidates_are_those_of_the_stock_pipeline(kind: str, masked_lm: Any) -> None:
    from transformers import pipeline

    folder = masked_lm(kind)
    stock = pipeline("fill-mask", model=str(folder), device="cpu", top_k=7)
    mask = stock.tokenizer.mask_token
    texts = [
        f"the {mask} was late",
        f"{mask} soup",
        f"a very good film and a {mask} , {words(20)}",
        f"my {mask} and {mask}",
    ]
    # texts of several lengths in one batch here, one by one there
    for text, answer in zip(texts, answers_of(folder, *texts, top_k=7), strict=True):
        expected = stock(text)
        expected = expected if isinstance(expected[0], list) else [expected]
        assert len(answer["candidates"]) == len(expected)
        for ours, theirs in zip(answer["candidates"], expected, strict=True):
            assert [candidate["token_id"] for candidate in ours] == [candidate["token"] for candidate in theirs]
            assert [candidate["token"] for candidate in ours] == [candidate["token_str"] for candidate in theirs]
            scores = [candidate["score"] for candidate in theirs]
            assert [candidate["score"] for candidate in ours] == pytest.approx(scores, abs=1e-5)


def test_the_best_candidates_are_the_prediction(masked_lm: Any) -> None:
    one, two = answers_of(masked_lm(), "the [MASK] was late", "the [MASK] was [MASK]")
    assert one["prediction"] == one["candidates"][0][0]["token"]
    assert one["score"] == one["candidates"][0][0]["score"]
    assert len(one["candidates"][0]) == 5
    best = [mask[0] for mask in two["candidates"]]
    assert two["prediction"] == f"{best[0]['token']} {best[1]['token']}"
    assert two["score"] == pytest.approx(best[0]["score"] * best[1]["score"], rel=1e-5)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_portable_mask_becomes_that_of_the_model(kind: str, masked_lm: Any) -> None:
    first, second = answers_of(masked_lm(kind), "the <mask> was late", "the [MASK] was late")
    assert first["candidates"] == second["candidates"]
    assert (first["text"], second["text"]) == ("the <mask> was late", "the [MASK] was late")


def test_more_candidates_than_the_vocabulary_has(masked_lm: Any) -> None:
    (answer,) = answers_of(masked_lm(), "the [MASK]", top_k=10_000)
    (candidates,) = answer["candidates"]
    assert len(candidates) == len(make_tokenizer())
    assert sum(candidate["score"] for candidate in candidates) == pytest.approx(1, abs=1e-4)


def test_no_candidate_is_an_id_without_a_token(masked_lm: Any, tmp_path: Path) -> None:
    """Vocabularies are padded to round sizes: those rows are nobody's, and may score high."""
    from transformers import AutoModelForMaskedLM

    model = AutoModelForMaskedLM.from_pretrained(masked_lm())
    size = model.config.vocab_size
    model.resize_token_embeddings(size + 7, mean_resizing=False)
    with torch.no_grad():
        model.get_output_embeddings().bias[-7:] = 50.0
    model.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    made = predictor_of(tmp_path, top_k=500)
    rows = [{"text": "the [MASK] was good"}]
    (answer,) = made.answers(rows)
    (candidates,) = answer["candidates"]
    assert len(candidates) == size
    assert {candidate["token_id"] for candidate in candidates} == set(range(size))
    assert made.task.view.answer_tables(rows, [answer])[0].rows


def test_the_head_runs_at_the_masks_only(masked_lm: Any) -> None:
    made = predictor_of(masked_lm())
    seen = []
    made.model.get_output_embeddings().register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    made.answers([{"text": f"{words(30)} [MASK] {words(5)}"}, {"text": f"[MASK] {words(20)} [MASK]"}])
    assert [tuple(shape[:2]) for shape in seen] == [(2, 2)]
    seen.clear()
    made.outputs({"text": [words(40), words(20, 1)]})
    assert [tuple(shape[:2]) for shape in seen] == [(2, 6)]  # 15 % of 40


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side(side: str, masked_lm: Any) -> None:
    rows = [{"text": "the [MASK] was late"}, {"text": f"{words(20)} [MASK] {words(9)}"}]
    made = predictor_of(masked_lm("roberta"))  # its positions are counted without padding
    alone = [made.answers([row])[0] for row in rows]
    made.tokenizer.padding_side = side
    made.collate = made.task.collate(made.tokenizer)
    for one, batched in zip(alone, made.answers(rows), strict=True):
        assert batched["prediction"] == one["prediction"]
        assert batched["score"] == pytest.approx(one["score"], abs=1e-5)


def test_masks_beyond_the_longest_input_are_read_in_windows_around_them(masked_lm: Any) -> None:
    folder = masked_lm()
    made = predictor_of(folder, max_length=22)  # 20 tokens beside [CLS] and [SEP]
    before, between, after = words(100).split(), words(3, 1).split(), words(50, 2).split()
    tokens = [*before, "[MASK]", *between, "[MASK]", *after]
    features = made.task.features(made.tokenizer, {"text": [" ".join(tokens)], "masks": [2]})
    assert len(features["input_ids"]) == 1  # both masks are in one window
    (ids,), (positions,) = features["input_ids"], features["positions"]
    assert made.tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", *tokens[90:110], "[SEP]"]
    assert [ids[place] for place in positions] == [made.tokenizer.mask_token_id] * 2
    # far apart: a window each, and the answers in the order of the text
    apart = " ".join(["[MASK]", *before, "[MASK]", *after, "[MASK]"])
    (answer,) = made.answers([{"text": apart}])
    pieces = [
        " ".join(["[MASK]", *before[:19]]),
        " ".join([*before[-10:], "[MASK]", *after[:9]]),
        " ".join([*after[-19:], "[MASK]"]),
    ]
    assert [mask[0]["token"] for mask in answer["candidates"]] == [
        found["prediction"] for found in made.answers([{"text": piece} for piece in pieces])
    ]


def test_rows_without_a_mask_say_which_token_to_write(masked_lm: Any) -> None:
    found = answers_of(masked_lm("roberta"), "the train was late", "the <mask> was late", " ")
    assert found[0]["error"] == "there is no mask in the text: write <mask> where a word is wanted"
    assert found[1]["prediction"]
    assert found[2]["error"] == "column 'text' is empty"
    (bert,) = answers_of(masked_lm(), "the train was late")
    assert bert["error"] == "there is no mask in the text: write [MASK] or <mask> where a word is wanted"


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_hint_is_read_before_the_text_as_the_first_of_a_pair(kind: str, masked_lm: Any) -> None:
    folder, hint, text = masked_lm(kind), "a good film", "the [MASK] day was [MASK]"
    made = predictor_of(folder)
    pair = made.tokenizer(hint, made.task.localized(text), return_tensors="pt")
    with torch.inference_mode():
        logits = made.model(**pair).logits[0]
    wanted = logits[pair["input_ids"][0] == made.tokenizer.mask_token_id].softmax(-1).max(-1).values.tolist()
    (answer,) = answers_of(folder, text, hint=[hint])
    assert [mask[0]["score"] for mask in answer["candidates"]] == pytest.approx(wanted, abs=1e-5)
    assert answers_of(folder, text)[0]["candidates"] != answer["candidates"]


def test_each_window_of_a_long_text_has_the_hint(masked_lm: Any) -> None:
    tokenizer = predictor_of(masked_lm()).tokenizer
    made = asked_windows(tokenizer, [f"[MASK] {words(80)} [MASK]"], 32, ["a good day"])
    before = tokenizer("a good day")["input_ids"]
    assert len(made["input_ids"]) == 2
    for ids, types, places in zip(made["input_ids"], made["token_type_ids"], made["positions"], strict=True):
        assert ids[: len(before)] == before
        assert len(ids) == len(types) == 32
        assert types == [0] * len(before) + [1] * (len(ids) - len(before))
        assert [ids[place] for place in places] == [tokenizer.mask_token_id]


def test_hints_of_a_file_and_those_that_cannot_be_used(masked_lm: Any, tmp_path: Path) -> None:
    text, hints = "the [MASK] day", ["a good film", "a [MASK] film", words(60)]
    data = write_jsonl(tmp_path / "rows.jsonl", [{"text": text, "english": hint} for hint in hints])
    asked: dict[str, Any] = {"model": str(masked_lm()), "device": "cpu", "threads": 1}
    out = tmp_path / "answers.jsonl"
    config = predict.Config(input=str(data), hint_column="english", output=out, max_errors=2, **asked)
    assert predict.run(config).record["failed"] == 2
    first, second, third = (json.loads(line) for line in out.read_text().splitlines())
    (typed,) = answers_of(masked_lm(), text, hint=hints[:1])
    assert first["prediction_score"] == pytest.approx(typed["score"], abs=1e-6)
    assert "there is a mask in the hint" in second["prediction_error"]
    assert "more than half of the 64 for both" in third["prediction_error"]
    with pytest.raises(UserError, match="3 TEXT but 2 --hint"):
        answers_of(masked_lm(), text, text, text, hint=hints[:2])
    with pytest.raises(UserError, match="--hint-column is of the rows of --input"):
        answers_of(masked_lm(), text, hint_column="english")


def test_options_of_other_tasks_are_refused(masked_lm: Any, trained: Path, reviews: Path) -> None:
    with pytest.raises(UserError, match=r"--text-pair is for text-classification, not for fill-mask"):
        answers_of(masked_lm(), "the [MASK]", text_pair=["a film"])
    with pytest.raises(
        UserError, match=r"--top-k is for fill-mask, text-generation, text2text-generation, not for text-classification"
    ):
        answers_of(trained, "a film", top_k=3)
    with pytest.raises(UserError, match=r"--mlm-probability is for fill-mask, not for text-classification"):
        measured(trained, reviews, mlm_probability=0.3)
    with pytest.raises(UserError, match=r"--long-text is for text-classification, not for fill-mask"):
        check_data.run(check_data.Config(task="fill-mask", data=str(reviews), long_text="windows"))
    with pytest.raises(UserError, match=r"there is no task 'fil-mask'"):
        check_data.run(check_data.Config(task="fil-mask", data=str(reviews)))


def test_a_head_that_the_weights_lack_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"architectures": ["BertForMaskedLM"]}))
    with pytest.raises(UserError, match=r"has no trained cls.predictions.*its answers would be random"):
        answers_of(folder, "the [MASK]")


def test_a_tokenizer_without_a_mask_is_refused(masked_lm: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(masked_lm(), tmp_path / "model")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    tokenizer = make_tokenizer()
    tokenizer.mask_token = None
    tokenizer.save_pretrained(folder)
    settings = {key: value for key, value in json.loads(path.read_text()).items() if key != "mask_token"}
    path.write_text(json.dumps({**settings, "mask_token": None, "tokenizer_class": "PreTrainedTokenizerFast"}))
    with pytest.raises(UserError, match="the tokenizer has no mask token"):
        answers_of(folder, "the [MASK]")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_files_keep_order_and_columns(kind: str, masked_lm: Any, tmp_path: Path) -> None:
    given = [
        {"id": str(i), "sentence": f"the {mask} was {word}"}
        for i, (mask, word) in enumerate(
            [("<mask>", "late"), ("train", "cold"), ("[MASK]", "[MASK]"), ("<mask>", "bad")]
        )
    ]
    path = write_csv(tmp_path / "in.csv", given)
    out = tmp_path / f"out.{kind}"
    config = predict.Config(model=str(masked_lm()), input=str(path), output=out, top_k=3, device="cpu", threads=1)
    report = predict.run(config)
    assert (report.record["rows"], report.record["failed"]) == (4, 1)
    if kind == "parquet":
        found = pq.read_table(out).to_pylist()
    elif kind == "jsonl":
        found = [json.loads(line) for line in out.read_text().splitlines()]
    else:
        with out.open(newline="") as file:
            found = list(csv.DictReader(file))
    names = ["id", "sentence", "prediction", "prediction_score", "prediction_candidates", "prediction_error"]
    assert set(found[0]) == set(names)
    assert [{name: row[name] for name in given[0]} for row in found] == given
    texts = [row["sentence"] for row in given]
    for row, answer in zip(found, answers_of(masked_lm(), *texts, top_k=3), strict=True):
        if "error" in answer:
            assert row["prediction_error"] == answer["error"]
            assert not row["prediction"]
            continue
        candidates = row["prediction_candidates"]
        candidates = json.loads(candidates) if isinstance(candidates, str) else candidates
        assert row["prediction"] == answer["prediction"]
        assert float(row["prediction_score"]) == pytest.approx(answer["score"], rel=1e-4)
        assert [[c["token"] for c in mask] for mask in candidates] == [
            [c["token"] for c in mask] for mask in answer["candidates"]
        ]


# --- the printed table ---


def filled_by(kind: str, masked_lm: Any, text: str, token: str, mask: int = 0) -> str:
    made = predictor_of(masked_lm(kind))
    number = made.tokenizer.convert_tokens_to_ids(token)
    assert number != made.tokenizer.unk_token_id, token
    task = made.task
    assert isinstance(task, MaskedLanguageModeling)
    return task.view._filled(task.localized(text), mask, number)


@pytest.mark.parametrize(
    ("kind", "text", "token", "sentence"),
    [
        ("bert", "The <mask> was late.", "train", "The train was late."),
        ("bert", "The train[MASK] was late.", "##s", "The trains was late."),
        ("bert", "The train [MASK] was late.", "##s", "The trains was late."),
        ("bert", "[MASK] was late.", "train", "train was late."),
        ("bert", 'A ("[MASK]")', "film", 'A ("film")'),
        ("roberta", "The <mask> was late.", "Ġtrain", "The train was late."),
        ("roberta", "The train <mask> was late.", "s", "The trains was late."),
        ("roberta", "<mask> was late.", "Ġtrain", "train was late."),
    ],
)
def test_the_sentence_is_spelled_as_the_tokenizer_joins_tokens(
    kind: str, text: str, token: str, sentence: str, masked_lm: Any
) -> None:
    assert filled_by(kind, masked_lm, text, token) == sentence


def test_long_sentences_are_cut_around_the_mask_and_other_masks_stay(masked_lm: Any) -> None:
    long = f"{words(60)} [MASK] and [MASK] {words(60, 1)}"
    found = filled_by("bert", masked_lm, long, "film", mask=1)
    assert "[MASK] and film" in found
    assert found.startswith("…")
    assert found.endswith("…")
    assert len(found) < 140


# --- evaluation ---


TEXTS = [words(30, 1), "the soup", words(150, 2), "film", words(9, 3), words(64, 4)]


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
def test_figures_are_those_of_the_full_head(kind: str, masked_lm: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM

    folder = masked_lm(kind)
    record = measured(folder, write_lines(tmp_path / "held-out.txt", TEXTS))
    made = predictor_of(folder)
    features = made.task.features(made.tokenizer, {"text": TEXTS})
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    loss = right = count = 0.0
    for ids, labels in zip(features["input_ids"], features["labels"], strict=True):
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
        places = [i for i, label in enumerate(labels) if label != -100]
        gold = torch.tensor([labels[i] for i in places], dtype=torch.long)
        loss += F.cross_entropy(logits[places], gold, reduction="sum").item()
        right += (logits[places].argmax(-1) == gold).sum().item()
        count += len(places)
    (found,) = record["metrics"].values()
    assert found["masked"] == count
    assert found["loss"] == pytest.approx(loss / count, rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(loss / count), rel=1e-4)
    assert found["accuracy"] == pytest.approx(right / count)
    assert list(record["rows"].values()) == [len(TEXTS)]


def test_windows_lose_no_token_and_repeat_none(masked_lm: Any) -> None:
    made = predictor_of(masked_lm(), max_length=20)
    features = made.task.features(made.tokenizer, {"text": TEXTS})
    restored: list[list[int]] = [[] for _ in TEXTS]
    for ids, labels, owner in zip(features["input_ids"], features["labels"], features["example"], strict=True):
        assert len(ids) == len(labels) <= 20
        assert (ids[0], ids[-1]) == (made.tokenizer.cls_token_id, made.tokenizer.sep_token_id)
        assert labels[0] == labels[-1] == -100  # special tokens are never predicted
        true = [token if label == -100 else label for token, label in zip(ids, labels, strict=True)]
        restored[owner] += true[1:-1]
    assert restored == made.tokenizer(TEXTS, add_special_tokens=False)["input_ids"]
    assert features["length"] == [len(ids) for ids in features["input_ids"]]
    assert sorted(features["example"]) == features["example"]


def test_the_share_and_the_split_of_the_masks(masked_lm: Any) -> None:
    made = predictor_of(masked_lm())
    texts = [words(60, seed) for seed in range(300)]
    features = made.task.features(made.tokenizer, {"text": texts})
    shown = Counts()
    for ids, labels in zip(features["input_ids"], features["labels"], strict=True):
        shown.total += len(ids) - 2
        for token, label in zip(ids, labels, strict=True):
            if label != -100:
                shown.masked += token == made.tokenizer.mask_token_id
                shown.kept += token == label
                shown.predicted += 1
    assert shown.predicted / shown.total == pytest.approx(0.15, abs=0.005)
    assert shown.masked / shown.predicted == pytest.approx(0.8, abs=0.03)
    # a random token is the right one now and then
    assert shown.kept / shown.predicted == pytest.approx(0.1, abs=0.03)


class Counts:
    total = predicted = masked = kept = 0


def test_figures_depend_on_neither_batch_nor_order(
    masked_lm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nlpkit.inference import predictor

    path = write_lines(tmp_path / "a.txt", TEXTS)
    one = measured(masked_lm(), path, batch_size=1)["metrics"]["a.txt"]
    other = write_lines(tmp_path / "b.txt", TEXTS[::-1])
    monkeypatch.setattr(predictor, "CHUNK", 2)
    many = measured(masked_lm(), other, batch_size=32)["metrics"]["b.txt"]
    assert many == pytest.approx(one, rel=1e-5)
    another = measured(masked_lm(), path, seed=1)["metrics"]["a.txt"]
    assert another["masked"] == one["masked"]
    assert another["loss"] != pytest.approx(one["loss"], rel=1e-4)
    most = measured(masked_lm(), path, mlm_probability=0.5)["metrics"]["a.txt"]
    assert most["masked"] == pytest.approx(one["masked"] * 0.5 / 0.15, rel=0.1)


def test_a_run_is_measured_as_it_was_trained(masked_lm: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(masked_lm(), tmp_path / "run")
    task = MaskedLanguageModeling(text="body", max_length=12, mlm_probability=0.4, mask_split=(1.0, 0.0, 0.0))
    run = {"schema_version": 1, "status": "complete", "task": task.record(), "versions": {}}
    (folder / "nlpkit.json").write_text(json.dumps(run))
    path = write_jsonl(tmp_path / "held-out.jsonl", [{"body": text, "text": "not this"} for text in TEXTS])
    made = predictor_of(folder)
    assert made.task.record() == task.record()
    features = made.task.features(made.tokenizer, {"text": TEXTS})
    assert max(features["length"]) == 12
    predicted = [
        token
        for ids, labels in zip(features["input_ids"], features["labels"], strict=True)
        for token, label in zip(ids, labels, strict=True)
        if label != -100
    ]
    assert set(predicted) == {made.tokenizer.mask_token_id}
    record = measured(folder, path)
    assert record["metrics"]["held-out.jsonl"]["masked"] == len(predicted)
    (entry,) = json.loads((folder / "nlpkit.json").read_text())["evaluations"]
    assert entry["metrics"] == record["metrics"]


def test_what_holds_no_text(masked_lm: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_csv(tmp_path / "in.csv", [{"text": words(20)}, {"text": " "}, {"text": words(10)}])
    assert main(["evaluate", str(masked_lm()), "--data", str(path), "--device", "cpu"]) == 0
    captured = capsys.readouterr()
    assert "in.csv: 1 of 3 rows have no text and are left out" in captured.err
    assert f"{path} line 3" in captured.err
    # control characters are no tokens; one text of them is no trouble, nothing else is an error
    made = predictor_of(masked_lm())
    outputs = made.outputs({"text": ["\u200b", words(20)]})
    assert outputs[:, 2].tolist() == [0, 3]
    with pytest.raises(UserError, match="no token that could be masked"):
        made.task.score(outputs[:1], None)  # type: ignore[arg-type]


def test_gates_know_which_way_is_better(masked_lm: Any, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "held-out.txt", TEXTS)
    perplexity = measured(masked_lm(), path)["metrics"]["held-out.txt"]["perplexity"]
    command = ["evaluate", str(masked_lm()), "--data", str(path), "--device", "cpu", "--quiet"]
    assert main([*command, "--fail-over", f"perplexity={perplexity * 1.01}"]) == 0
    assert main([*command, "--fail-over", f"perplexity={perplexity * 0.99}"]) == 1
    task = MaskedLanguageModeling()
    assert not task.higher_is_better("perplexity")
    assert not task.higher_is_better("loss")
    assert task.higher_is_better("accuracy")


def test_a_baseline_is_refused_before_training_where_there_is_none() -> None:
    with pytest.raises(UserError, match="--baseline: there is none for fill-mask"):
        MaskedLanguageModeling().require_baseline()


def test_the_loss_is_a_mean_over_the_predicted_tokens_of_a_step() -> None:
    task = MaskedLanguageModeling()
    logits, labels = torch.randn(4, 6, 11), torch.randint(0, 11, (4, 6))
    labels[torch.rand(4, 6) < 0.6] = -100
    labels[0, 0] = 3
    expected = F.cross_entropy(logits.view(-1, 11), labels.view(-1))
    whole = Forward({"labels": labels}, logits)
    assert task.loss(whole).mean().item() == pytest.approx(expected.item(), rel=1e-5)
    parts = [task.loss(Forward({"labels": labels[rows]}, logits[rows])) for rows in (slice(0, 1), slice(1, 4))]
    entries = sum(part.entries for part in parts)
    assert entries == task.loss_entries(whole.batch)
    assert (sum(part.total for part in parts) / entries).item() == pytest.approx(expected.item(), rel=1e-5)
    # the sparse head gives the predicted positions alone
    used = labels != -100
    sparse = task.loss(Forward({"labels": labels[used]}, logits[used]))
    assert sparse.mean().item() == pytest.approx(expected.item(), rel=1e-5)
    assert task.loss(Forward({"labels": torch.full_like(labels, -100)}, logits)).mean().item() == 0


def test_pooling_adds_windows_up_and_joins_candidates() -> None:
    task = MaskedLanguageModeling()
    sums = np.array([[1.0, 0, 2], [2.0, 1, 3], [4.0, 1, 1]])
    assert task.merge(sums, {"example": [0, 0, 1]}).tolist() == [[3.0, 1.0, 5.0], [4.0, 1.0, 1.0]]
    ragged = [np.full((count, 2), i) for i, count in enumerate((1, 2, 1))]
    pooled = task.merge(ragged, {"example": [0, 1, 1]})
    assert [array.shape for array in pooled] == [(1, 2), (3, 2)]
    assert pooled[1][:, 0].tolist() == [1, 1, 2]


# --- data ---


def test_check_data(masked_lm: Any, tmp_path: Path) -> None:
    made = [words(12, seed) for seed in range(20)]
    train = write_csv(tmp_path / "train.csv", [{"text": text} for text in [*made, made[3], " "]])
    write_csv(tmp_path / "validation.csv", [{"text": text} for text in [words(50, 77), made[5]]])
    report = check_data.run(
        check_data.Config(task="fill-mask", data=str(tmp_path), model=str(masked_lm()), max_length=30, show=0)
    )
    found = {(finding["check"], finding["count"]) for finding in report.record["findings"]}
    assert found == {("empty-text", 1), ("duplicates", 1), ("leakage", 1)}
    assert report.record["rows"] == {"train": 21, "validation": 2}
    assert report.record["task"]["name"] == "fill-mask"
    assert report.record["length"].startswith("30 tokens; 0 of 21 rows")
    (table,) = report.tables
    assert table.rows[0] == ["train", 21, 252, sum(map(len, made)) + len(made[3])]
    shown = next(line for line in report.lines if line.strip().startswith("tokens:"))
    assert len(shown.split()) == 15
    assert any(f"{train} line 22" in line for line in report.lines)


def test_cells_that_are_no_text(tmp_path: Path) -> None:
    from nlpkit.data import sources

    (tmp_path / "a.jsonl").write_text('{"text": 12.0}\n{"text": 0.5}\n')
    (tmp_path / "b.jsonl").write_text('{"text": ["a", "b"]}\n')
    task, findings = MaskedLanguageModeling(), []
    loaded = sources.load(str(tmp_path / "a.jsonl"))
    assert task.reader().examples(loaded.splits["train"], "train", loaded)["text"][:] == ["12", "0.5"]
    loaded = sources.load(str(tmp_path / "b.jsonl"))
    assert not len(task.reader().examples(loaded.splits["train"], "train", loaded, findings))
    assert [finding.check for finding in findings] == ["unreadable-text", "no-rows"]


def test_text_columns(masked_lm: Any, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "in.csv", [{"id": 1, "extra": words(20)}, {"id": 2, "extra": words(30)}])
    with pytest.raises(UserError, match="no column looks like text; the columns are id, extra"):
        measured(masked_lm(), path)
    assert measured(masked_lm(), path, text_column="Extra")["rows"] == {"in.csv": 2}
    with pytest.raises(UserError, match="there is no text column 'body'"):
        measured(masked_lm(), path, text_column="body")


# --- the command ---


@pytest.mark.slow
def test_predict_in_a_terminal(nlpkit: Run, masked_lm: Any) -> None:
    folder = masked_lm()
    done = nlpkit("predict", folder, "the <mask> was late", "a film", "--top-k", 2, "--device", "cpu")
    (expected, _) = answers_of(folder, "the <mask> was late", "a film", top_k=2)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["the", "<mask>", "was", "late"]
    assert lines[1] == ["sentence", "rank", "candidate", "score"]
    for rank, candidate in enumerate(expected["candidates"][0], start=1):
        assert lines[1 + rank][-3:] == [str(rank), candidate["token"], f"{candidate['score']:.4f}"]
    assert lines[4] == ["a", "film"]
    assert "there is no mask in the text" in done.stdout
    done = nlpkit("predict", folder, "the [MASK] was [MASK]", "--device", "cpu", "--json")
    (answer,) = json.loads(done.stdout)["answers"]
    assert [len(candidates) for candidates in answer["prediction_candidates"]] == [5, 5]
    done = nlpkit("predict", folder, "no mask", "--device", "cpu", code=1)
    assert "write [MASK] or <mask>" in done.stdout


def test_evaluate_in_a_terminal(nlpkit: Run, masked_lm: Any, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "held-out.txt", [*TEXTS, ""])
    done = nlpkit("evaluate", masked_lm(), "--data", path, "--device", "cpu")
    blank, title, *table = done.stdout.splitlines()
    assert blank == f"{path}: 1 blank line is no row (line {len(TEXTS) + 1})"
    assert title == "result"
    header, values = (re.sub(r"\(.*?\)", "", line).split() for line in table[:2])  # without their intervals
    assert header == ["split", "rows", "perplexity", "loss", "accuracy", "masked"]
    assert table[1].count(" to ") == 3
    metrics = measured(masked_lm(), path)["metrics"]["held-out.txt"]
    assert values[1] == str(len(TEXTS))
    assert [float(value) for value in values[2:]] == pytest.approx(list(metrics.values()), rel=0.1)
    assert values[-1] == str(metrics["masked"])
