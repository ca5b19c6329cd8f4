from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import forked
import numpy as np
import pytest
import torch
from conftest import BAD, FILLER, GOOD, Drawing, Run, as_worded, make_model, make_tokenizer, write_jsonl
from seqeval.metrics import classification_report, f1_score

from nlpkit import reporting
from nlpkit.data import splits, words
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.inference.predictor import open_predictor
from nlpkit.recipes import check_data, evaluate, finetune_ner, predict
from nlpkit.tasks.token_classification import tags as schemes
from nlpkit.tasks.token_classification.task import TokenClassification

Sentence = list[tuple[str, str]]


def tagged(rng: random.Random) -> Sentence:
    """Filler, in it entities: nice (a good word, or two, each from its half of them) and nasty (one bad word)."""
    made: Sentence = []
    for _ in range(rng.randint(1, 3)):
        made += [(rng.choice(FILLER), "O") for _ in range(rng.randint(1, 4))]
        if rng.random() < 0.6:
            halves = (("B-nice", GOOD[:3]), ("I-nice", GOOD[3:]))
            made += [(rng.choice(half), tag) for tag, half in halves[: rng.randint(1, 2)]]
        else:
            made.append((rng.choice(BAD), "B-nasty"))
    return made


def write_conll(path: Path, sentences: Sequence[Sentence]) -> Path:
    text = "\n".join("".join(f"{word}\t{tag}\n" for word, tag in sentence) for sentence in sentences)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def entities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.conll (240 sentences) and validation.conll (60)."""
    folder = tmp_path_factory.mktemp("entities")
    rng = random.Random(5)
    write_conll(folder / "train.conll", [tagged(rng) for _ in range(240)])
    write_conll(folder / "validation.conll", [tagged(rng) for _ in range(60)])
    return folder


def finetuned(output: Path, data: Path, model: Path, **options: Any) -> dict[str, Any]:
    fixed: dict[str, Any] = {"epochs": 4, "learning_rate": 5e-3, "batch_size": 16, "device": "cpu", "threads": 1}
    config = finetune_ner.Config(data=str(data), model=str(model), output=output, **{**fixed, **options})
    return finetune_ner.run(config).record


@pytest.fixture(scope="session")
def tagger(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, entities: Path, drawing: Drawing) -> Path:
    """A finished run of the tiny model that has learnt the entities."""
    output = tmp_path_factory.mktemp("runs") / "tagger"
    with drawing():
        record = finetuned(output, entities, tiny_model, baseline=True)
    assert record["metrics"]["validation"]["f1"] > 0.9
    return output


@pytest.fixture(scope="session")
def random_tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT tagger as Transformers saves it, without a record; large weights, so that tags vary."""
    from transformers import BertConfig, BertForTokenClassification

    folder = tmp_path_factory.mktemp("model") / "random-tagger"
    tokenizer = make_tokenizer()
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.4,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )
    BertForTokenClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def asked(model: Path, *texts: str, **options: Any) -> list[dict[str, Any]]:
    config = predict.Config(model=str(model), texts=list(texts), device="cpu", threads=1, **options)
    return as_worded(predict.run(config).record["answers"])


def predicted_file(model: Path, path: Path, output: Path, **options: Any) -> str:
    config = predict.Config(model=str(model), input=str(path), output=output, device="cpu", threads=1, **options)
    predict.run(config)
    return output.read_text(encoding="utf-8")


def judged(model: Path, data: Path, **options: Any) -> dict[str, Any]:
    config = evaluate.Config(model=str(model), data=str(data), device="cpu", threads=1, save=False, **options)
    return evaluate.run(config).record


def checked(data: Path, **options: Any) -> Any:
    fixed: dict[str, Any] = {"task": "token-classification", "model": "none", "validation_share": 0.25}
    return check_data.run(check_data.Config(data=str(data), **{**fixed, **options}))


def findings_of(data: Path, **options: Any) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in checked(data, **options).record["findings"]}


def byte_bpe() -> Any:
    """Byte-level BPE as RoBERTa has it: a token begins with the blank before its word."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator([" ".join(GOOD + BAD + FILLER)] * 4, trainer)
    inner.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False)
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", bos_token="<s>", eos_token="</s>")


def sentencepiece() -> Any:
    """A unigram model with "▁" for blanks, as XLM-R and ALBERT have it; it knows "東京" as one token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz.,'東京に住む"
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0), ("東京", -2.0)]
    pieces += [(letter, -5.0) for letter in letters] + [(f"▁{word}", -3.0) for word in GOOD]
    inner = Tokenizer(models.Unigram(pieces, unk_id=3))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>")


def japanese(folder: Path) -> Any:
    """A tokenizer without a fast version, which does not tell where its tokens stand."""
    from transformers import BertJapaneseTokenizer

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"東京都に住む人。", *GOOD]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    return BertJapaneseTokenizer(
        str(folder / "vocab.txt"), word_tokenizer_type="basic", subword_tokenizer_type="character", do_lower_case=False
    )


TOKENIZERS = {"wordpiece": make_tokenizer, "byte-bpe": byte_bpe, "sentencepiece": sentencepiece}


def columns_of(task: TokenClassification, *values: Any) -> dict[str, list[Any]]:
    rows = [task.reader().inputs({task.text: value}) for value in values]
    return {name: [row[name] for row in rows] for name in rows[0]}


def task_of(*kinds: str, max_length: int | None = None) -> TokenClassification:
    return TokenClassification(schemes.label_names(kinds or ("X",)), "bio", max_length=max_length)


# --- words and tokens ---


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_list_of_words_and_the_same_text_give_the_same_tokens(kind: str) -> None:
    tokenizer, task = TOKENIZERS[kind](), task_of()
    listed = ["the", "film", "'s", "very", "good", ",", "don", "."]
    from_list, from_text = (columns_of(task, value) for value in (listed, " ".join(listed)))
    assert from_list == from_text
    made = task.features(tokenizer, from_list)
    assert made["words"] == [list(range(len(listed)))]
    # what is read of a word is the beginning of the word
    for place, word in zip(made["read"][0], listed, strict=True):
        token = tokenizer.convert_ids_to_tokens(made["input_ids"][0])[place]
        assert token == tokenizer.unk_token or word.startswith(token.lstrip("Ġ▁")), (word, token)
    assert made["input_ids"][0] == tokenizer(" ".join(listed))["input_ids"]


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("max_length", [6, 9, 16, None])
def test_no_word_is_lost_and_none_is_read_or_trained_twice(kind: str, max_length: int | None) -> None:
    tokenizer, task = TOKENIZERS[kind](), task_of(max_length=max_length)
    rng = random.Random(2)
    sentences = [[rng.choice([*GOOD, *FILLER, "unbelievably", "."]) for _ in range(n)] for n in (1, 7, 40)]
    examples = columns_of(task, *sentences)
    examples["tags"] = [["B-X"] * len(sentence) for sentence in sentences]
    made = task.features(tokenizer, examples)
    for example, sentence in enumerate(sentences):
        mine = [i for i, owner in enumerate(made["example"]) if owner == example]
        assert [word for i in mine for word in made["words"][i]] == list(range(len(sentence)))
        assert sum(label != -100 for i in mine for label in made["labels"][i]) == len(sentence)
    for ids, read, labels in zip(made["input_ids"], made["read"], made["labels"], strict=True):
        assert max_length is None or len(ids) <= max_length
        assert [place for place, label in enumerate(labels) if label != -100] == read


def test_every_token_of_a_word_is_trained_when_asked() -> None:
    task = task_of().with_(label_all_tokens=True)
    examples = {**columns_of(task, ["the", "unkind", "man"]), "tags": [["O", "B-X", "I-X"]]}
    (ids,) = task.features(make_tokenizer(), examples)["input_ids"]
    (labels,) = task.features(make_tokenizer(), examples)["labels"]
    named = ["-" if label == -100 else task.labels[label] for label in labels]
    assert named == ["-", "O", "B-X", *["I-X"] * (len(ids) - 4), "-"]
    assert len(ids) > 6


def test_a_word_without_a_token_continues_the_entity_around_it() -> None:
    task = task_of("X", "Y")
    examples = columns_of(task, ["good", "\u200b", "kind", "\u200b", "the", "\x01", "warm", "\u200b"])
    made = task.features(make_tokenizer(), examples)
    assert made["words"] == [[0, 2, 4, 6]]
    said = ["B-X", "I-X", "O", "B-Y"]
    outputs = [np.eye(5)[[task.tag_set.ids[tag] for tag in said]] * 9]
    pooled = task.merge(outputs, made)
    (tags,), _ = task.predicted(pooled)
    assert tags == ["B-X", "I-X", "I-X", "O", "O", "O", "B-Y", "O"]
    (answer,) = task.decode(pooled, [{name: column[0] for name, column in examples.items()}])
    assert [(e["label"], e["text"]) for e in answer["prediction"]] == [("X", "good \u200b kind"), ("Y", "warm")]


def test_a_text_of_nothing_that_the_tokenizer_knows_has_an_answer(random_tagger: Path) -> None:
    silent, spoken = asked(random_tagger, "\u200b", "good")
    assert (silent["prediction"], silent["score"]) == ([], 0.0)
    assert spoken["score"] > 0


def test_characters_that_share_a_token_share_its_entity() -> None:
    task = task_of("LOC")
    examples = columns_of(task, "東京に住む")
    made = task.features(sentencepiece(), examples)
    assert made["carried"] == [[1]]  # 京 has no token of its own
    assert made["words"] == [[0, 2, 3, 4]]
    outputs = [np.eye(3)[[task.tag_set.ids[tag] for tag in ("B-LOC", "O", "O", "O")]] * 9]
    (answer,) = task.decode(task.merge(outputs, made), [{name: column[0] for name, column in examples.items()}])
    assert [(e["text"], e["label"], e["start"], e["end"]) for e in answer["prediction"]] == [("東京", "LOC", 0, 2)]


def test_a_slow_tokenizer_is_given_word_by_word(tmp_path: Path) -> None:
    tokenizer, task = japanese(tmp_path), task_of("LOC", max_length=6)
    examples = {**columns_of(task, "東京都に住む good 人。"), "tags": [["B-LOC", "I-LOC", "I-LOC", *["O"] * 6]]}
    made = task.features(tokenizer, examples)
    assert [word for found in made["words"] for word in found] == list(range(9))
    first = made["input_ids"][0]
    assert tokenizer.convert_ids_to_tokens(first) == ["[CLS]", "東", "京", "都", "に", "[SEP]"]


@pytest.mark.slow
def test_a_slow_tokenizer_trains_and_answers(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    tokenizer = japanese(tmp_path / "model")
    make_model(tmp_path / "model", vocab_size=len(tokenizer))
    (tmp_path / "model" / "tokenizer.json").unlink()
    tokenizer.save_pretrained(tmp_path / "model")
    rng = random.Random(0)
    texts = {"".join(rng.choices(["人", "に", "住", "む", "東京都", "good "], k=rng.randint(3, 9))) for _ in range(120)}
    entries = [
        {"text": text, "entities": [{"span": found.span(), "type": "地名"} for found in re.finditer("東京都", text)]}
        for text in sorted(texts)
    ]
    data = write_jsonl(tmp_path / "train.jsonl", entries)
    record = finetuned(tmp_path / "run", data, tmp_path / "model")
    assert record["metrics"]["validation"]["f1"] > 0.9
    (answer,) = asked(tmp_path / "run", "人に good 東京都に")
    assert [(e["text"], e["label"], e["start"]) for e in answer["prediction"]] == [("東京都", "地名", 8)]


# --- outputs of tokens, words, windows ---


def test_windowed_figures_are_those_of_seqeval(random_tagger: Path, tmp_path: Path) -> None:
    rng = random.Random(8)
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    sentences = [
        [(rng.choice(GOOD + FILLER), rng.choice(names)) for _ in range(rng.choice([1, 5, 30, 90]))] for _ in range(40)
    ]
    data = write_conll(tmp_path / "test.conll", sentences)
    made = open_predictor(predict.Config(model=str(random_tagger), texts=["-"], device="cpu", threads=1, max_length=16))
    assert made.task.max_length == 16
    answers = made.answers([{"tokens": [word for word, _ in sentence]} for sentence in sentences])
    gold = [schemes.converted([tag for _, tag in sentence], "bio") for sentence in sentences]
    predicted = []
    for sentence, answer in zip(sentences, answers, strict=True):
        _, places = words.joined([word for word, _ in sentence])
        starts, ends = [a for a, _ in places], [b for _, b in places]
        found = [(starts.index(e["start"]), ends.index(e["end"]) + 1, e["label"]) for e in answer["prediction"]]
        predicted.append(schemes.bio([schemes.Span(*span) for span in found], len(sentence)))
    record = judged(random_tagger, data, max_length=16)
    assert record["metrics"]["test.conll"]["f1"] == f1_score(gold, predicted)
    report = classification_report(gold, predicted, output_dict=True)
    assert {k: v["f1"] for k, v in record["details"]["test.conll"]["per_class"].items()} == {
        kind: report[kind]["f1-score"] for kind in ("LOC", "PER")
    }
    # where all fits into one window, other words are seen, and so the figures are others
    assert judged(random_tagger, data)["metrics"] != record["metrics"]


@pytest.mark.parametrize("aggregation", ["first", "average", "max"])
def test_entities_are_those_of_the_stock_pipeline(aggregation: str, random_tagger: Path) -> None:
    from transformers import pipeline

    stock = pipeline("token-classification", model=str(random_tagger), device="cpu", aggregation_strategy=aggregation)
    rng = random.Random(4)
    texts = [" ".join(rng.choices([*GOOD, *FILLER, "unbelievable", "xyz"], k=rng.randint(1, 12))) for _ in range(20)]
    found = 0
    for text, answer in zip(texts, asked(random_tagger, *texts, aggregation=aggregation), strict=True):
        expected = [(e["entity_group"], e["start"], e["end"]) for e in stock(text)]
        assert [(e["label"], e["start"], e["end"]) for e in answer["prediction"]] == expected
        assert [e["score"] for e in answer["prediction"]] == pytest.approx(
            [float(e["score"]) for e in stock(text)], abs=1e-5
        )
        assert all(e["text"] == text[e["start"] : e["end"]] for e in answer["prediction"])
        found += len(expected)
    assert found > 20


def test_where_each_word_is_a_token_the_simple_strategy_finds_the_same(random_tagger: Path) -> None:
    from transformers import pipeline

    stock = pipeline("token-classification", model=str(random_tagger), device="cpu", aggregation_strategy="simple")
    rng = random.Random(7)
    texts = [" ".join(rng.choices([*GOOD, *FILLER], k=rng.randint(1, 12))) for _ in range(20)]
    found = 0
    for theirs, answer in zip(stock(texts), asked(random_tagger, *texts), strict=True):
        expected = [(e["entity_group"], e["start"], e["end"]) for e in theirs]
        assert [(e["label"], e["start"], e["end"]) for e in answer["prediction"]] == expected
        scores = [float(e["score"]) for e in theirs]
        assert [e["score"] for e in answer["prediction"]] == pytest.approx(scores, abs=1e-6)
        found += len(expected)
    assert found > 20


def test_padding_on_either_side(random_tagger: Path) -> None:
    rows = [{"text": "the good film"}, {"text": "a very unbelievably warm soup and my room"}]
    made = open_predictor(predict.Config(model=str(random_tagger), texts=["-"], device="cpu", threads=1))
    alone = [made.answers([row])[0] for row in rows]
    batch = made.task.collate(made.tokenizer)(
        [{"input_ids": [2, 7, 3], "read": [1]}, {"input_ids": [2, 7, 8, 9, 3], "read": [1, 3]}]
    )
    assert batch["read"].nonzero().tolist() == [[0, 1], [1, 1], [1, 3]]
    made.tokenizer.padding_side = "left"
    batch = made.task.collate(made.tokenizer)(
        [{"input_ids": [2, 7, 3], "read": [1]}, {"input_ids": [2, 7, 8, 9, 3], "read": [1, 3]}]
    )
    assert batch["read"].nonzero().tolist() == [[0, 3], [1, 1], [1, 3]]
    made.tokenizer.padding_side = "right"
    for one, batched in zip(alone, made.answers(rows), strict=True):
        assert [e["label"] for e in one["prediction"]] == [e["label"] for e in batched["prediction"]]
        assert one["score"] == pytest.approx(batched["score"], abs=1e-5)


# --- data as people have them ---


SPANS = [
    {"text": "Anna's in Rome-Paris.", "spans": [{"start": 0, "end": 4, "label": "PER"},
     {"start": 10, "end": 14, "label": "LOC"}, {"start": 15, "end": 20, "label": "LOC"}]},
    {"text": "Nothing here.", "spans": []},
    {"text": "Bob, Bob", "spans": [{"start": 5, "end": 8, "label": "PER"}, {"start": 0, "end": 3, "label": "PER"}]},
]  # fmt: skip


def examples_of(data: Path, **options: Any) -> Any:
    config = check_data.Config(task="token-classification", data=str(data), **options).for_task(TokenClassification)
    loaded = splits.load(config, TokenClassification)
    task = TokenClassification.from_data(loaded.splits, config)
    findings: list[Any] = []
    reader = task.reader(options=config)
    return task, reader.examples(loaded.splits["train"], "train", loaded, findings), findings


def test_character_spans_cut_words_where_an_entity_ends(tmp_path: Path) -> None:
    task, examples, findings = examples_of(write_jsonl(tmp_path / "train.jsonl", SPANS))
    assert task.labels == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    first = examples[0]
    cut = [first["text"][start:end] for start, end in zip(first["starts"], first["ends"], strict=True)]
    assert list(zip(cut, first["tags"], strict=True)) == [
        ("Anna", "B-PER"), ("'s", "O"), ("in", "O"), ("Rome", "B-LOC"), ("-", "O"), ("Paris", "B-LOC"), (".", "O")
    ]  # fmt: skip
    assert examples[2]["tags"] == ["B-PER", "O", "B-PER"]
    assert findings == []


@pytest.mark.parametrize(
    "entities",
    [
        [[0, 4, "PER"]],
        [{"start_offset": 0, "end_offset": 4, "label": "PER", "id": 7}],
        [{"span": [0, 4], "type": "PER", "name": "Anna"}],
    ],
)
def test_exports_of_annotation_tools(entities: Any, tmp_path: Path) -> None:
    data = write_jsonl(
        tmp_path / "train.jsonl", [{"text": "Anna sat", "entities": entities}, {"text": "No", "entities": []}]
    )
    _, examples, _ = examples_of(data)
    assert examples["tags"][:] == [["B-PER", "O"], ["O"]]


def test_spans_that_cannot_be_right_are_named(tmp_path: Path) -> None:
    def row(*spans: tuple[int, int, str]) -> dict[str, Any]:
        named = [dict(zip(("start", "end", "label"), span, strict=True)) for span in spans]
        return {"text": "Anna sat in Rome", "spans": named}

    rows = [
        row((0, 4, "PER"), (12, 16, "LOC")),
        row((0, 4, "PER"), (2, 8, "LOC")),
        row((12, 17, "LOC")),
        row((4, 5, "X")),
    ]
    data = write_jsonl(tmp_path / "train.jsonl", [*rows, row((5, 5, "PER"))])
    _, examples, findings = examples_of(data)
    left, lost = findings
    assert (left.level, left.count) == ("warning", 3)
    assert left.message == "train: 3 spans cannot be right and are left out"
    assert left.examples[0].endswith("line 2: span 2 to 8 (LOC) overlaps span 0 to 4 (PER)")
    assert left.examples[1].endswith("line 4: span 4 to 5 (X) covers no word")
    assert examples["tags"][1] == ["B-PER", "O", "O", "O"]
    # its words would be trained as no entity
    assert lost.message == "train: 1 of 5 rows have a span that stands nowhere in the text and are left out"
    assert lost.examples[0].endswith("line 3: span 12 to 17 (LOC) is not within the 16 characters")
    assert len(examples) == 4
    _, _, findings = examples_of(data, on_bad_tags="error")
    assert [found.level for found in findings] == ["error", "error"]


def test_tags_that_the_model_lacks_stop_or_count_or_go_as_asked(random_tagger: Path, tmp_path: Path) -> None:
    rows = [{"tokens": ["good", "the"], "ner_tags": ["B-PER", "O"]}] * 3
    data = write_jsonl(tmp_path / "test.jsonl", [*rows, {"tokens": ["bad"], "ner_tags": ["B-PERSON"]}])
    with pytest.raises(UserError, match=r"1 word in 1 of 4 rows .* PERSON 1 \(nearest: PER\)") as stopped:
        judged(random_tagger, data)
    assert "--unknown-labels wrong or skip" in str(stopped.value)
    assert list(judged(random_tagger, data, unknown_labels="wrong")["rows"].values()) == [4]
    assert list(judged(random_tagger, data, unknown_labels="skip")["rows"].values()) == [3]
    few = write_jsonl(tmp_path / "few.jsonl", [*rows * 10, {"tokens": ["bad"], "ner_tags": ["B-PERSON"]}])
    assert list(judged(random_tagger, few)["rows"].values()) == [31]


def test_a_column_that_is_empty_in_all_rows_is_no_column_of_tags(tmp_path: Path) -> None:
    rows = [{"text": "Anna sat", "label": [], "comments": [], "marks": [{"start": 0, "end": 4, "label": "PER"}]}] * 2
    task, examples, _ = examples_of(write_jsonl(tmp_path / "train.jsonl", rows))
    assert task.tags == "marks" and examples["tags"][0] == ["B-PER", "O"]


def tagged_rows(path: Path, *tags: str) -> Path:
    """Two rows of the tags, and one of the first alone."""
    words_ = ["a", "b", "c", "d", "e"][: len(tags)]
    whole = {"tokens": words_, "ner_tags": list(tags)}
    return write_jsonl(path, [whole, whole, {"tokens": ["a"], "ner_tags": [tags[0]]}])


@pytest.mark.parametrize("tags", [("B_PER", "I_PER", "O"), ("PER-B", "PER-I", "O"), ("B:PER", "I:PER", "O")])
def test_tags_spelled_otherwise(tags: tuple[str, ...], tmp_path: Path) -> None:
    data = tagged_rows(tmp_path / "train.jsonl", *tags)
    task, examples, _ = examples_of(data)
    assert task.labels == ["O", "B-PER", "I-PER"]
    assert examples["tags"][:] == [["B-PER", "I-PER", "O"]] * 2 + [["B-PER"]]
    as_they_stand, examples, _ = examples_of(data, scheme="plain")
    assert as_they_stand.labels == sorted(tags) and examples["tags"][2] == [tags[0]]


def test_a_few_tags_of_a_spelling_are_read_as_the_model_has_them(tmp_path: Path) -> None:
    config = SimpleNamespace(num_labels=3, id2label={0: "O", 1: "B_PER", 2: "I_PER"})
    task = TokenClassification.from_model(config, None)
    assert (task.labels, task.classes) == (["O", "B-PER", "I-PER"], ["PER"])
    data = write_jsonl(tmp_path / "test.jsonl", [{"tokens": ["a", "b"], "ner_tags": ["B_PER", "O"]}])
    options = check_data.Config(task="token-classification", data=str(data))
    loaded = splits.load(options, TokenClassification)
    findings: list[Any] = []
    assert task.with_(text="tokens", tags="ner_tags").reader().examples(
        loaded.splits["train"], "test", loaded, findings
    )["tags"][:] == [["B-PER", "O"]]
    assert findings == []


def test_offsets_of_another_way_to_count_are_repaired_and_said(tmp_path: Path) -> None:
    rows = [{"text": f"\U0001f600 Anna sat {i}", "spans": [{"start": 3, "end": 7, "label": "PER"}]} for i in range(3)]
    _, examples, (found,) = examples_of(write_jsonl(tmp_path / "train.jsonl", rows))
    assert examples["tags"][0] == ["O", "B-PER", "O", "O"]
    assert (found.level, found.count) == ("warning", 3)
    assert re.search(r"3 of 3 spans of .*train\.jsonl are counted in UTF-16 units .*: so none begins", found.message)
    named = [row | {"spans": [row["spans"][0] | {"text": "Anna"}]} for row in rows]
    _, _, (found,) = examples_of(write_jsonl(tmp_path / "train.jsonl", named))
    assert found.level == "note" and "only so do all cover the text that they name" in found.message
    _, examples, findings = examples_of(write_jsonl(tmp_path / "train.jsonl", rows), offsets="characters")
    assert [(found.check, found.level) for found in findings] == [("offsets", "note"), ("cut-words", "warning")]
    assert examples["tags"][0] == ["O", "O", "B-PER", "O", "O"]


def test_spans_that_mostly_cut_words_stop_the_run(tmp_path: Path) -> None:
    rows = [{"text": "Annabel sat there", "spans": [{"start": 2, "end": 5, "label": "PER"}]}] * 3
    _, _, (found,) = examples_of(write_jsonl(tmp_path / "train.jsonl", rows))
    assert found.level == "error"
    assert found.message.startswith("train: 3 of 3 spans begin or end inside a word, whatever they count; --offsets ch")


def test_texts_without_a_cell_for_spans_are_told(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "Anna sat", "spans": [{"start": 0, "end": 4, "label": "PER"}]},
        {"text": "so", "spans": []},
        {"text": "Bob sat"},
    ]
    _, examples, (found,) = examples_of(write_jsonl(tmp_path / "train.jsonl", rows))
    assert len(examples) == 3
    assert (found.level, found.check, found.count) == ("note", "missing-spans", 1)
    assert found.examples[0].endswith("line 3")


def test_spans_that_contradict_their_text(tmp_path: Path) -> None:
    def row(text: str, start: int, said: str) -> dict[str, Any]:
        return {"text": text, "spans": [{"start": start, "end": start + len(said), "label": "PER", "text": said}]}

    rows = [
        row("Anna sat", 0, "Anna"),
        row("so Bob sat", 5, "Bob"),
        row("so Bob sat", 3, "Eve"),
        row("ab Eves", 3, "Eve"),
    ]
    _, examples, findings = examples_of(write_jsonl(tmp_path / "train.jsonl", rows))
    assert examples["tags"][:] == [["B-PER", "O"], ["O", "B-PER", "O"], ["O", "B-PER", "O"]]
    found = {finding.check: finding for finding in findings}
    assert found["moved-spans"].examples[0].endswith("line 2: span 5 to 8 (PER, 'Bob') is 3 to 6")
    assert found["lost-spans"].examples[0].endswith("line 3: span 3 to 6 (PER, 'Eve') does not cover that text")
    assert found["cut-words"].examples[0].endswith("line 4: span 3 to 6 (PER, 'Eve'): ab [Eve]s")
    assert found["cut-words"].message == "train: 1 of 4 spans begin or end inside a word (--offsets)"


def test_a_scheme_is_for_tags_not_for_spans(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "train.jsonl", SPANS)
    with pytest.raises(
        UserError, match="column 'spans' holds character spans, which mark entities and are no PLAIN tags"
    ):
        examples_of(data, scheme="plain")


def test_numbered_tags_take_their_names_from_the_data_set(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

    ner, pos = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], ["DT", "NN", "NNP"]
    features = Features(
        {
            "tokens": List(Value("string")),
            "pos_tags": List(ClassLabel(names=pos)),
            "ner_tags": List(ClassLabel(names=ner)),
        }
    )
    rows = {"tokens": [["Anna", "Lee", "sat"]], "pos_tags": [[2, 2, 1]], "ner_tags": [[1, 2, 0]]}
    DatasetDict({"train": Dataset.from_dict(rows, features=features)}).save_to_disk(tmp_path / "data")
    task, examples, _ = examples_of(tmp_path / "data")
    assert (task.tags, task.labels) == ("ner_tags", ner)  # in the declared order, with what train lacks
    assert examples["tags"][0] == ["B-PER", "I-PER", "O"]
    task, examples, _ = examples_of(tmp_path / "data", column="pos")
    assert (task.tags, task.labels, examples["tags"][0]) == ("pos_tags", pos, ["NNP", "NNP", "NN"])


def test_declared_names_of_another_scheme_are_no_classes(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, List, Value

    names = ["O", "B-PER", "I-PER", "E-PER", "S-PER"]
    features = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=names))})
    rows = {"tokens": [["Anna", "Lee", "sat"]], "ner_tags": [[1, 3, 0]]}
    Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "data")
    task, examples, _ = examples_of(tmp_path / "data")
    assert (task.labels, examples["tags"][0]) == (["O", "B-PER", "I-PER"], ["B-PER", "I-PER", "O"])


def test_spans_whose_ends_are_no_numbers_are_named(tmp_path: Path) -> None:
    rows = [
        {"text": "Anna sat", "spans": [{"start": start, "end": end, "label": "PER"}]}
        for start, end in (("0", "4"), ("0", "four"))
    ]
    _, examples, (found,) = examples_of(write_jsonl(tmp_path / "train.jsonl", rows))
    assert len(examples) == 1
    assert "line 2: start and end of a span are numbers of characters" in found.examples[0]


COLUMNS = "EU NNP I-NP I-ORG\nhit VBD I-VP O\nUK NNP I-NP I-LOC\n\nA DT I-NP O\ncat NN I-NP O\n\n"


@pytest.mark.parametrize(
    ("options", "column", "labels"),
    [
        ({}, "column4", ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]),
        ({"column": "ner"}, "column4", ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]),
        ({"column": "chunk"}, "column3", ["O", "B-NP", "I-NP", "B-VP", "I-VP"]),
        ({"column": "pos"}, "column2", ["DT", "NN", "NNP", "VBD"]),
        ({"tag_column": "2"}, "column2", ["DT", "NN", "NNP", "VBD"]),
        ({"tag_column": "-2"}, "column3", ["O", "B-NP", "I-NP", "B-VP", "I-VP"]),
        ({"tag_column": "column3"}, "column3", ["O", "B-NP", "I-NP", "B-VP", "I-VP"]),
        ({"tag_column": -1, "scheme": "plain"}, "column4", ["I-LOC", "I-ORG", "O"]),
    ],
)
def test_the_column_of_the_tags(options: dict[str, Any], column: str, labels: list[str], tmp_path: Path) -> None:
    data = tmp_path / "train.txt"  # CoNLL-2000 and -2003 are published as .txt
    data.write_text(COLUMNS)
    task, examples, findings = examples_of(data, **options)
    assert (task.tags, task.labels) == (column, labels)
    assert len(examples) == 2
    assert findings == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tag_column": "7"}, r"--tag-column 7: the columns are 1 tokens, 2 column2, 3 column3, 4 column4"),
        ({"tag_column": "0"}, r"--tag-column 0"),
        ({"tag_column": "colum4"}, r"there is no tag column 'colum4'.*column4"),
        ({"text_column": "words"}, r"there is no text column 'words'"),
        ({"scheme": "bioe"}, r"--scheme 'bioe'"),
    ],
)
def test_columns_that_are_not_there(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    data = tmp_path / "train.txt"
    data.write_text(COLUMNS)
    with pytest.raises(UserError, match=message):
        examples_of(data, **options)


def test_a_kind_of_tags_that_is_not_there(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "train.jsonl", [{"tokens": ["a", "b"], "pos": ["X", "Y"], "id": "1"}])
    with pytest.raises(UserError, match=r"no column holds ner tags; the columns are tokens, pos, id"):
        examples_of(data, column="ner")
    csv = tmp_path / "train.csv"
    csv.write_text("text,label\na,b\n")
    with pytest.raises(UserError, match="no column holds spans with start, end and label; the columns are text, label"):
        examples_of(csv)


ODD = {
    "text": "Anna sat",
    "tokens": ["Anna", "sat"],
    "tags": ["B-PER", "O"],
    "n": 1,
    "nested": [["a"], ["b"]],
    "spans": [{"start": 0, "end": 4, "label": "PER"}],
}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tag_column": "tokens"}, "column 'tokens' holds the words, not their tags"),
        ({"tag_column": "n"}, "column 'n' holds no lists of tags, as the words of column 'tokens' need"),
        ({"tag_column": "nested"}, "column 'nested' holds no lists of tags"),
        ({"tag_column": "spans"}, "column 'spans' holds no lists of tags"),
        ({"tag_column": "text"}, "column 'text' holds no lists of tags"),
        (
            {"text_column": "text", "tag_column": "tags"},
            "column 'tags' holds no spans with start, end and label, as the words of column 'text' need",
        ),
        ({"tag_column": "ner"}, "(?s)there is no tag column 'ner'.*--column ner looks for one"),
    ],
)
def test_a_column_that_cannot_hold_the_tags(
    options: dict[str, Any], message: str, tagger: Path, tmp_path: Path
) -> None:
    data = write_jsonl(tmp_path / "train.jsonl", [ODD] * 3)
    for read in (lambda: examples_of(data, **options), lambda: judged(tagger, data, **options)):
        with pytest.raises(UserError, match=message):
            read()


def test_words_without_tags_may_be_columns_that_were_not_parted(tmp_path: Path) -> None:
    data = tmp_path / "train.conll"
    data.write_text("Anna,B-PER\nsat,O\n\nBob,B-PER\n")
    with pytest.raises(UserError, match="no column holds tags; the columns are tokens") as raised:
        examples_of(data)
    assert "--delimiter" in (raised.value.hint or "")
    task, examples, _ = examples_of(data, delimiter=",")
    assert (task.labels, examples["tags"][:]) == (["O", "B-PER", "I-PER"], [["B-PER", "O"], ["B-PER"]])


def test_numbers_without_names_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from nlpkit import reporting
    from nlpkit.cli.console import PlainReporter

    before = reporting.current()
    reporting.install(PlainReporter(sys.stdout))
    try:
        examples_of(write_jsonl(tmp_path / "train.jsonl", [{"tokens": ["a", "b"], "ner_tags": [0, 1]}]))
    finally:
        reporting.install(before)
    assert "column 'ner_tags' holds numbers without names" in capsys.readouterr().err


def test_bad_tags_are_repaired_and_shown_by_line(tmp_path: Path) -> None:
    data = tmp_path / "train.conll"
    data.write_text("a B-X\nb I-X\n\n# note = x\nc O\nd I-X\ne I-Y\n\nf B-Y\ng I-Y\n\nh B-X\n")
    task, examples, (found,) = examples_of(data)
    assert found.message == "train: 2 of 8 tags are illegal in BIO and are read as conlleval does"
    assert found.examples == [f"{data} line 6: 'd': I-X after O", f"{data} line 7: 'e': I-Y after I-X"]
    assert examples["tags"][1] == ["O", "B-X", "B-Y"]
    assert task.data_scheme == "bio"
    _, _, (found,) = examples_of(data, on_bad_tags="error")
    assert found.level == "error"
    assert found.message == "train: 2 of 8 tags are illegal in BIO (--on-bad-tags error)"
    assert checked(data, on_bad_tags="error").exit_code == 2


def test_rows_that_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"tokens": ["a", "b"], "tags": ["O", "B-X"]},
        {"tokens": ["a"], "tags": ["O", "O"]},
        {"tokens": [], "tags": []},
        {"tokens": ["c"], "tags": None},
    ]
    _, examples, (found,) = examples_of(write_jsonl(tmp_path / "train.jsonl", rows))
    assert len(examples) == 1
    assert (found.check, found.count) == ("unreadable-row", 3)
    assert [place.rpartition("line ")[2] for place in found.examples] == [
        "2: 1 word, 2 tags",
        "3: no words",
        "4: 1 word, 0 tags",
    ]
    plain = [{"tokens": ["a", "b"], "pos": ["X", None]}, {"tokens": ["a", "b"], "pos": ["X", "Y"]}]
    _, examples, (found,) = examples_of(write_jsonl(tmp_path / "plain.jsonl", plain))
    assert (len(examples), found.check) == (1, "missing-tag")
    assert found.examples[0].endswith("line 1: 1 word without a tag")


def test_nothing_to_learn(tmp_path: Path) -> None:
    data = tmp_path / "train.conll"
    data.write_text("a O\nb O\n\n" * 4)
    with pytest.raises(UserError, match="column 'column2' holds no tags to learn: all are 'O'"):
        examples_of(data)


def test_a_type_that_train_lacks_counts_as_missed(tagger: Path, tmp_path: Path) -> None:
    data = write_conll(
        tmp_path / "test.conll", [[("the", "O"), ("bad", "B-nasty")], [("soup", "B-food"), ("was", "O")]]
    )
    record = judged(tagger, data, unknown_labels="wrong")
    assert record["metrics"]["test.conll"]["recall"] == 0.5
    assert record["details"]["test.conll"]["per_class"]["food"]["support"] == 1
    task, findings = open_predictor(predict.Config(model=str(tagger), texts=["-"], device="cpu")).task, list[Any]()
    config = evaluate.Config(model=str(tagger), data=str(data))
    loaded = splits.load(config, TokenClassification)
    task.reader().examples(loaded.splits["train"], "test", loaded, findings)
    (found,) = findings
    said = "test: 1 word in 1 of 2 rows has a tag that the model has no class for and count as wrong: food 1"
    assert found.message.startswith(said)
    assert found.examples == [f"{data} line 4: food"]
    with pytest.raises(UserError, match="column 'column2' holds plain tags, the model gives entities"):
        judged(tagger, write_conll(tmp_path / "plain.conll", [[("the", "DT"), ("soup", "NN")]]))


# --- check-data ---


def test_check_data_counts_entities_and_shows_tokens_beside_labels(entities: Path, tiny_model: Path) -> None:
    report = checked(entities, model=str(tiny_model), show=0)
    (table,) = report.tables
    assert table.header == ["type", "train", "validation"]
    assert [row[0] for row in table.rows] == ["nasty", "nice", "(rows)", "(words)"]
    assert table.rows[2][1:] == [240, 60]
    lines = report.lines[report.lines.index(next(line for line in report.lines if line.startswith("example 0"))) :]
    assert lines[1].startswith("  text: ")
    assert lines[2].split() == ["token", "label", "word", "tag"]
    assert lines[3].split() == ["[CLS]", "-"]
    rng = random.Random(5)
    for line, (word, tag) in zip(lines[4:], tagged(rng), strict=False):
        assert line.split() == [word, tag, word, tag]


def test_check_data_finds_copies_in_validation_and_missing_types(tmp_path: Path) -> None:
    same = [("the", "O"), ("good", "B-nice")]
    write_conll(tmp_path / "train.conll", [same, same, [("bad", "B-nasty"), ("bike", "O")], [("a", "O")]])
    write_conll(tmp_path / "validation.conll", [same, [("good", "B-nice"), ("room", "O")]])
    found = findings_of(tmp_path)
    assert found["leakage"]["message"] == "validation: 1 of 2 rows (50.0%) also stand in train"
    assert found["duplicates"]["count"] == 1
    assert found["absent-class"]["message"] == "validation: 1 of 2 types do not occur: nasty"


# --- training, answering ---


def test_the_run_opens_in_the_stock_pipeline_in_a_fresh_process(tagger: Path) -> None:
    config = json.loads((tagger / "config.json").read_text())
    names = ["O", "B-nasty", "I-nasty", "B-nice", "I-nice"]
    assert config["id2label"] == {str(i): name for i, name in enumerate(names)}
    assert config["label2id"] == {name: i for i, name in enumerate(names)}
    texts = ["the good kind film was bad", "my soup and a bright bike"]
    script = (
        "import sys, json; from transformers import pipeline\n"
        "stock = pipeline('token-classification', sys.argv[1], aggregation_strategy='simple', device='cpu')\n"
        "found = [[{k: e[k] for k in ('entity_group', 'start', 'end')} for e in stock(t)] for t in sys.argv[2:]]\n"
        "print(json.dumps(found))"
    )
    done = forked.run([sys.executable, "-c", script, str(tagger), *texts], check=True)
    expected = json.loads(done.stdout.splitlines()[-1])
    answers = asked(tagger, *texts)
    assert [[(e["label"], e["start"], e["end"]) for e in answer["prediction"]] for answer in answers] == [
        [tuple(e.values()) for e in found] for found in expected
    ]
    assert [(e["text"], e["label"]) for e in answers[0]["prediction"]] == [("good kind", "nice"), ("bad", "nasty")]


def test_places_are_those_of_the_original_text(tagger: Path) -> None:
    text = "  The\u00a0film: 'good',\tand\nBAD!"
    (answer,) = asked(tagger, text)
    assert [(e["text"], e["label"]) for e in answer["prediction"]] == [("good", "nice"), ("BAD", "nasty")]
    assert all(text[e["start"] : e["end"]] == e["text"] for e in answer["prediction"])


def test_the_record_restores_the_task(tagger: Path, entities: Path) -> None:
    run = json.loads((tagger / "nlpkit.json").read_text())
    assert run["task"]["scheme"] == "bio"
    assert run["task"]["columns"] == {"text": "tokens", "tags": "column2"}
    assert judged(tagger, entities)["metrics"]["validation"] == pytest.approx(run["metrics"]["validation"])
    assert run["baseline"]["name"] == "most frequent tag"
    assert run["baseline"]["metrics"]["validation"]["f1"] == 1.0  # each word of these has one tag
    errors = run["details"]["validation"]["errors"]
    assert errors["count"] == 0 or sum(list(errors.values())[1:]) == pytest.approx(1)
    assert {path.name for path in (tagger / "plots").iterdir()} >= {"confusion_matrix.png", "label_distribution.png"}


def test_mistakes_stand_in_their_sentence(random_tagger: Path, tmp_path: Path) -> None:
    data = write_conll(tmp_path / "train.conll", [[("the", "O"), ("film", "B-LOC"), ("good", "I-LOC")]] * 3)
    made = open_predictor(predict.Config(model=str(random_tagger), texts=["-"], device="cpu", threads=1))
    config = evaluate.Config(model=str(random_tagger), data=str(data)).for_task(TokenClassification)
    loaded = splits.load(config, TokenClassification)
    examples = made.task.reader(["tokens", "column2"], config).examples(loaded.splits["train"], "train", loaded)
    sure = [np.eye(5)[[1, 0, 0]] * 9, np.eye(5)[[0, 3, 4]] * 9, np.eye(5)[[0, 3, 0]] * 3]
    invented, missed, boundary = made.task.view.mistakes(sure, examples)
    assert invented["kind"] == "invented"
    assert invented["prediction"] == {"text": "the", "label": "PER", "start": 0, "end": 3}
    assert (missed["kind"], missed["prediction"]) == ("missed", None)
    assert missed["label"] == {"text": "film good", "label": "LOC", "start": 4, "end": 13}
    assert (boundary["kind"], boundary["prediction"]["text"]) == ("boundary", "film")
    assert boundary["where"] == f"{data} line 9"
    assert invented["score"] >= missed["score"] >= boundary["score"]


@pytest.mark.slow
def test_plain_tags_from_training_to_answers(entities: Path, tiny_model: Path, tmp_path: Path) -> None:
    kinds = {**dict.fromkeys(GOOD, "ADJ"), **dict.fromkeys(BAD, "ADV")}
    for split in ("train", "validation"):
        rows = [line.split("\t")[0] for line in (entities / f"{split}.conll").read_text().split("\n")]
        (tmp_path / f"{split}.conll").write_text(
            "\n".join(f"{word}\t{kinds.get(word, 'NOUN')}" if word else "" for word in rows)
        )
    record = finetuned(tmp_path / "run", tmp_path, tiny_model, epochs=2)
    assert record["main_metric"] == "accuracy"
    assert record["metrics"]["validation"]["accuracy"] > 0.95
    assert set(record["details"]["validation"]["per_class"]) == {"ADJ", "ADV", "NOUN"}
    (answer,) = asked(tmp_path / "run", "The good film.")
    found = [(e["text"], e["start"], e["end"]) for e in answer["prediction"]]
    assert found == [("The", 0, 3), ("good", 4, 8), ("film", 9, 13), (".", 13, 14)]
    assert [e["label"] for e in answer["prediction"]][:3] == ["NOUN", "ADJ", "NOUN"]


@pytest.mark.parametrize(
    ("names", "sentence", "expected"),
    [
        (["O", "PER", "LOC"], "good good the warm", [("PER", 0, 9), ("LOC", 14, 18)]),
        (["O", "I-PER", "I-LOC"], "good good the warm", [("PER", 0, 9), ("LOC", 14, 18)]),
        (["O", "S-PER", "S-LOC"], "good good the warm", [("PER", 0, 4), ("PER", 5, 9), ("LOC", 14, 18)]),
    ],
)
def test_models_with_labels_of_another_scheme(
    names: list[str], sentence: str, expected: list[tuple[str, int, int]], tmp_path: Path
) -> None:
    settings = SimpleNamespace(id2label=dict(enumerate(names)), num_labels=len(names))
    task = TokenClassification.from_model(settings, None)
    entry = task.reader().inputs({"text": sentence})
    outputs = [np.eye(3)[[{"good": 1, "warm": 2}.get(word, 0) for word in sentence.split()]] * 9]
    (answer,) = task.decode(outputs, [entry])
    assert [(e["label"], e["start"], e["end"]) for e in answer["prediction"]] == expected


# the same three sentences in each scheme: in the first two entities of a type touch, the second has a lone word
WRITTEN = {
    "bio": ["B-PER I-PER B-PER O B-LOC", "O B-LOC", "B-PER I-PER I-PER"],
    "iob1": ["I-PER I-PER B-PER O I-LOC", "O I-LOC", "I-PER I-PER I-PER"],
    "bioes": ["B-PER E-PER S-PER O S-LOC", "O S-LOC", "B-PER I-PER E-PER"],
    "bilou": ["B-PER L-PER U-PER O U-LOC", "O U-LOC", "B-PER I-PER L-PER"],
    "ioe": ["I-PER E-PER E-PER O E-LOC", "O E-LOC", "I-PER I-PER E-PER"],
}


def names_of(scheme: str) -> list[str]:
    letters = {"bio": "BI", "iob1": "BI", "bioes": "BIES", "bilou": "BILU", "ioe": "IE"}[scheme]
    return ["O", *(f"{letter}-{kind}" for kind in ("LOC", "PER") for letter in letters)]


def of_elsewhere(names: list[str]) -> TokenClassification:
    settings = SimpleNamespace(id2label=dict(enumerate(names)), num_labels=len(names))
    return TokenClassification.from_model(settings, None)


def judged_answers(task: TokenClassification, answers: list[str], data: Path, **options: Any) -> Any:
    """Metrics and examples of answers, tags in the model's own names, against a file, what was said, and the task that
    knows the answers."""
    config = evaluate.Config(model="m", data=str(data), **options).for_task(TokenClassification)
    loaded = splits.load(config, TokenClassification)
    (rows,) = loaded.splits.values()
    with reporting.listening() as heard:
        examples = task.reader(user_columns(rows.column_names), config).examples(rows, "test", loaded, [])
        outputs = [9 * np.eye(len(task.labels))[[task.tag_set.ids[tag] for tag in line.split()]] for line in answers]
        task = task.with_conventions(outputs)
        return task.score(outputs, examples), examples, "\n".join([*heard.notes, *heard.warnings]), task


def data_of(path: Path, lines: list[str]) -> Path:
    return write_conll(path, [[(f"w{i}", tag) for i, tag in enumerate(line.split())] for line in lines])


@pytest.mark.parametrize("data", WRITTEN)
@pytest.mark.parametrize("model", WRITTEN)
def test_a_perfect_model_is_perfect_whatever_schemes_it_and_the_data_are_written_in(
    model: str, data: str, tmp_path: Path
) -> None:
    path, task = data_of(tmp_path / "test.conll", WRITTEN[data]), of_elsewhere(names_of(model))
    metrics, examples, said, task = judged_answers(task, WRITTEN[model], path)
    assert (metrics["accuracy"], metrics["f1"], metrics["strict_f1"]) == (1, 1, 1)
    assert examples["tags"][:] == [line.split() for line in WRITTEN["bio"]]
    scheme = {"bilou": "bioes"}.get(model, model)
    assert task.scheme == scheme
    assert (f"the model's tags are read as {scheme.upper()}" in said) == (scheme != "bio")
    scheme = {"bilou": "bioes"}.get(data, data)
    assert (f"tags are written as {scheme.upper()}" in said) == (scheme != "bio")
    # what is trained on further is written as the model has it
    named = [list(task.tag_set.as_named(tags)) for tags in examples["tags"][:]]
    assert named == [line.split() for line in WRITTEN[model]]


@pytest.mark.parametrize("model", WRITTEN)
def test_a_mistake_costs_the_same_in_each_scheme(model: str, tmp_path: Path) -> None:
    # the first entity ends a word early: 1 of 10 tags, or 2 where the last word has a letter of its own
    answers = list(WRITTEN[model])
    answers[2] = {
        "bio": "B-PER I-PER O", "iob1": "I-PER I-PER O", "bioes": "B-PER E-PER O", "bilou": "B-PER L-PER O",
        "ioe": "I-PER E-PER O",
    }[model]  # fmt: skip
    path = data_of(tmp_path / "test.conll", WRITTEN["iob1"])
    metrics, *_ = judged_answers(of_elsewhere(names_of(model)), answers, path)
    # 4 of 5 entities, and of 5 answers; 9 of 10 words
    assert (metrics["f1"], metrics["strict_f1"], metrics["accuracy"]) == pytest.approx((0.8, 0.8, 0.9))


def test_names_that_lack_a_beginning_are_iob1_before_any_answer(tmp_path: Path) -> None:
    # as published models of CoNLL-2003 have them: only entities of some types ever touched
    task = of_elsewhere(["O", "B-LOC", "I-LOC", "I-PER"])
    assert task.scheme == "iob1"
    path = data_of(tmp_path / "test.conll", ["B-PER I-PER O B-LOC B-LOC"])
    metrics, examples, *_ = judged_answers(task, ["I-PER I-PER O I-LOC B-LOC"], path, unknown_labels="error")
    assert (metrics["accuracy"], metrics["strict_f1"]) == (1, 1)
    features = task.features(make_tokenizer(), examples[:])
    assert next(task.labels[i] for i in features["labels"][0] if i != -100) == "I-PER"


@pytest.mark.parametrize("names", [["o", "b-PER", "i-PER"], ["[PAD]", "O", "B-PER", "I-PER", "X"], ["O", "PER", "LOC"]])
def test_names_spelled_otherwise_are_judged_and_trained_on(names: list[str], tmp_path: Path) -> None:
    path = data_of(tmp_path / "test.conll", ["B-PER I-PER O B-PER"])
    task = of_elsewhere(names)
    answer = [[name for name in names if name[-3:] == "PER"][place] for place in ((0, -1, 0))]
    outside = next(name for name in names if name.upper() == "O")
    line = " ".join([*answer[:2], outside, answer[2]])
    metrics, examples, *_ = judged_answers(task, [line], path, unknown_labels="error")
    assert (metrics["accuracy"], metrics["f1"], metrics["strict_f1"]) == (1, 1, 1)
    assert " ".join(task.tag_set.as_named(examples["tags"][0])) == line


def test_a_bio_model_that_slips_stays_strict_and_one_of_both_kinds_is_warned_of(tmp_path: Path) -> None:
    path = data_of(tmp_path / "test.conll", ["B-PER I-PER O B-LOC"] * 8)
    right, slip = "B-PER I-PER O B-LOC", "I-PER I-PER O B-LOC"
    metrics, _, said, _ = judged_answers(of_elsewhere(names_of("bio")), [slip, *[right] * 7], path)
    assert (metrics["f1"], metrics["accuracy"]) == (1, 31 / 32)
    assert metrics["strict_f1"] == pytest.approx(30 / 31)  # 15 found of 16, all of them right
    assert "read as" not in said
    task = of_elsewhere(names_of("bio"))
    metrics, _, said, task = judged_answers(task, [slip] * 4 + [right] * 4, path)
    assert "read as BIO, though not all are legal in it (4 of 16 entities begin with I-)" in said
    assert (task.scheme, metrics["f1"], metrics["accuracy"]) == ("bio", 1, 28 / 32)


def test_answers_as_columns_have_the_names_of_the_model(tmp_path: Path) -> None:
    task = of_elsewhere(names_of("bilou"))
    found = [{"start": 0, "end": 5, "label": "PER"}, {"start": 6, "end": 8, "label": "LOC"}]
    answered = task.view._answered(
        task.reader, {"tokens": ["w0", "w1", "w2"], "prediction": found, "prediction_error": None}
    )
    assert answered.columns[-1] == ["B-PER", "L-PER", "U-LOC"]


def test_each_split_is_read_in_the_scheme_that_it_is_written_in(
    tmp_path: Path,
) -> None:
    data_of(tmp_path / "train.conll", WRITTEN["bio"])
    data_of(tmp_path / "validation.conll", WRITTEN["bilou"])
    options = check_data.Config(task="token-classification", data=str(tmp_path), on_bad_tags="error")
    config = options.for_task(TokenClassification)
    loaded = splits.load(config, TokenClassification)
    task = TokenClassification.from_data(loaded.splits, config)
    with reporting.listening() as heard:
        for split, rows in loaded.splits.items():
            findings: list[Any] = []
            made = task.reader(options=config).examples(rows, split, loaded, findings)
            assert made["tags"][:] == [line.split() for line in WRITTEN["bio"]]
            assert findings == []
    (said,) = heard.notes
    assert "validation: tags are written as BIOES, those of train as BIO: converted" in said


# --- what is written and printed ---


def test_answers_as_columns_go_through_conlleval(tagger: Path, entities: Path, tmp_path: Path) -> None:
    given = (entities / "validation.conll").read_text()
    written = predicted_file(tagger, entities / "validation.conll", tmp_path / "out.conll")
    lines = [line.split("\t") for line in written.splitlines() if line]
    assert ["\t".join(line[:2]) for line in lines] == [line for line in given.splitlines() if line]
    assert np.mean([gold == found for _, gold, found in lines]) > 0.9
    assert written.count("\n\n") == 60


def test_the_word_stands_first_in_columns_whatever_else_a_row_has(tagger: Path, tmp_path: Path) -> None:
    rows = [
        {"ner_tags": ["O", "B-nice"], "tokens": ["New\tYork", "good"]},
        {"text": "good", "spans": [{"start": 0, "end": 4, "label": "nice"}]},
    ]
    listed, running = (write_jsonl(tmp_path / f"{i}.jsonl", [row]) for i, row in enumerate(rows))
    columns = [line.split("\t") for line in predicted_file(tagger, listed, tmp_path / "0.conll").splitlines() if line]
    assert [line[:2] for line in columns] == [["New York", "O"], ["good", "B-nice"]]
    assert [len(line) for line in columns] == [3, 3]
    assert predicted_file(tagger, running, tmp_path / "1.conll") == "good\tB-nice\n\n"
    counted = tmp_path / "in.conllu"
    counted.write_text("1\tthe\tDT\n2\tfilm\tNN\n")
    assert predicted_file(tagger, counted, tmp_path / "2.conll") == "1\tthe\tDT\tO\n2\tfilm\tNN\tO\n\n"


@pytest.mark.slow
def test_answers_to_running_text_as_columns_and_as_a_page(tagger: Path, tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("the <b>good</b> & kind film\n\u0007\nwas bad\n")
    written = predicted_file(tagger, path, tmp_path / "out.conll")
    assert written.splitlines()[-2:] == ["bad\tB-nasty", ""]
    assert "# error: no words\n" in written
    page = predicted_file(tagger, path, tmp_path / "out.html")
    assert "&lt;b&gt;" in page
    assert "&amp; " in page
    assert "<b>good</b>" not in page
    assert ">good<b>nice</b></mark>" in page
    assert "prefers-color-scheme: dark" in page
    assert "http:" not in page and "https:" not in page
    from html.parser import HTMLParser

    seen: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            seen.append(data)

    Reader().feed(page[page.index("<body>") :])
    assert "".join(seen).replace("nice", "").replace("nasty", "").count("the <b>good</b> & kind film") == 1


def test_answers_in_tables(tagger: Path) -> None:
    config = predict.Config(
        model=str(tagger), texts=["the good kind film", "the room", "a bad bike"], device="cpu", threads=1
    )
    texts, found = predict.run(config).tables
    assert [str(row[0]) for row in texts.rows] == ["the [good kind: nice] film", "the room", "a [bad: nasty] bike"]
    assert found.header == ["entity", "label", "score", "start", "end", "text"]
    assert [(row[0], row[1], *row[3:]) for row in found.rows] == [
        ("good kind", "nice", 4, 13, 1),
        ("bad", "nasty", 2, 5, 3),
    ]
    config = predict.Config(model=str(tagger), texts=["the room"], device="cpu", threads=1)
    assert [table.title for table in predict.run(config).tables] == ["texts"]


def test_evaluate_shows_types_confusion_and_mistakes_on_request(tagger: Path, entities: Path) -> None:
    config = evaluate.Config(
        model=str(tagger),
        data=str(entities),
        device="cpu",
        threads=1,
        save=False,
        per_class=True,
        aggregation="average",
    )
    titles = [table.title for table in evaluate.run(config).tables]
    assert titles == [
        "result",
        "validation, by type",
        "validation, true types (rows) and predicted",
        "validation, shares of mistakes",
    ]


@pytest.mark.slow
def test_the_command_trains_and_says_what_comes_next(entities: Path, tiny_model: Path, nlpkit: Run) -> None:
    arguments = ["--data", entities, "--model", tiny_model, "--epochs", 1, "--max-train-samples", 32]
    done = nlpkit("finetune-ner", *arguments, "--output", "run", "--device", "cpu", "--threads", 1)
    assert "tags: column 'column2' (ner; guessed; --column pos|chunk|ner, --tag-column)" in done.stdout
    assert "token-classification, 2 types (nasty, nice)" in done.stdout
    assert 'next: nlpkit predict run "..."' in done.stdout


@pytest.mark.parametrize("beside", [None, "empty", "filled"])
def test_a_choice_between_columns_of_spans_is_told(beside: str | None, tmp_path: Path) -> None:
    mark = {"start": 0, "end": 3, "label": "PER"}
    more = {"empty": {"Comments": []}, "filled": {"corrected": [mark]}, None: {}}[beside]
    made = [{"text": f"Ann ran {i} miles", "label": [mark], **more} for i in range(20)]
    path = write_jsonl(tmp_path / "a.jsonl", made)
    notes = check_data.run(check_data.Config(data=str(path), task="token-classification", model="none")).record["notes"]
    said = "tags: column 'label' (guessed, also possible: corrected; --tag-column)"
    assert [note for note in notes if note.startswith("tags:")] == [said] * (beside == "filled")
