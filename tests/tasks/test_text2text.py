"""`predict` with models that turn a text into another: what pipelines of transformers 4 gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import every_task
import pytest
from conftest import write_csv
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
from translators import SHAPES, make_family, make_multilingual

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.recipes import predict

CPU: dict[str, Any] = {"device": "cpu", "threads": 1}
TEXTS = ["a good film", "the soup was cold and the room was late, very late"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("t5")
    (folder / "data").mkdir()
    return every_task.make_text_to_text(folder)


def answers(model: Path, **options: Any) -> list[dict[str, Any]]:
    return predict.run(predict.Config(model=str(model), **{"texts": TEXTS, **CPU, **options})).record["answers"]


def test_it_is_what_generate_gives_behind_the_prefix(model: Path) -> None:
    theirs, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    found = answers(model, prefix="translate: ", max_new_tokens=6)
    for text, answer in zip(TEXTS, found, strict=True):
        tokens = tokenizer(f"translate: {text}", return_tensors="pt")
        wanted = theirs.generate(**tokens, max_new_tokens=6, do_sample=False)[0]
        assert answer["prediction"] == tokenizer.decode(wanted, skip_special_tokens=True).strip()
        assert answer["prediction_tokens"] <= 6
    assert found != answers(model, max_new_tokens=6)


def test_what_the_folder_says_is_done_unless_the_user_says_otherwise(model: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    theirs = AutoModelForSeq2SeqLM.from_pretrained(model)
    theirs.generation_config.update(num_beams=3, max_length=5)
    theirs.save_pretrained(asked)
    AutoTokenizer.from_pretrained(model).save_pretrained(asked)
    own, named = answers(asked), answers(model, beams=3, max_new_tokens=5)
    assert own == named
    assert answers(asked, max_new_tokens=8, beams=1) == answers(model, max_new_tokens=8)


def test_a_file_gets_what_each_text_alone_gets(model: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "rows.csv", [{"source": text, "id": i} for i, text in enumerate(TEXTS)])
    config = {"model": str(model), "input": str(data), "output": tmp_path / "out.jsonl", "max_new_tokens": 6, **CPU}
    predict.run(predict.Config(**config))
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["prediction"] for row in rows] == [
        answers(model, texts=[text], max_new_tokens=6)[0]["prediction"] for text in TEXTS
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_language": "de_DE"}, "--target-language de_DE: the tokenizer has no such language"),
        ({"temperature": 1.0, "beams": 3}, "--beams looks for the most likely text"),
        ({"task": "translation_en_to_de"}, "there is no task 'translation_en_to_de'"),
    ],
)
def test_what_is_refused(model: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        answers(model, **options)
    assert message in str(error.value)


def test_an_old_name_points_to_the_task(model: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'text2text-generation'"):
        answers(model, task="summarization")


@pytest.mark.parametrize("family", SHAPES)
@pytest.mark.parametrize("beams", [1, 3])
def test_a_batch_writes_what_each_text_gets_alone_and_transformers_gives(
    family: str, beams: int, tmp_path: Path
) -> None:
    folder = make_family(tmp_path / "model", family)
    theirs, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    wanted = []
    for text in TEXTS:
        tokens = tokenizer(text, return_tensors="pt")
        if family == "led":  # as its authors have it, see its page on the hub
            tokens["global_attention_mask"] = tokens["input_ids"].new_zeros(tokens["input_ids"].shape)
            tokens["global_attention_mask"][:, 0] = 1
        written = theirs.generate(**tokens, max_new_tokens=8, num_beams=beams, do_sample=False)
        wanted.append(tokenizer.decode(written[0], skip_special_tokens=True).strip())
    assert len(set(wanted)) == len(wanted)
    together = answers(folder, beams=beams, max_new_tokens=8)
    assert [answer["prediction"] for answer in together] == wanted
    alone = [answers(folder, texts=[text], beams=beams, max_new_tokens=8)[0]["prediction"] for text in TEXTS]
    assert alone == wanted


def test_what_is_beyond_the_positions_of_a_model_is_counted(tmp_path: Path) -> None:
    folder = make_family(tmp_path / "model", "bart")
    with reporting.listening() as heard:
        found = answers(folder, texts=["a good film " * 40, "a good film"], max_new_tokens=4)
    assert found[0]["prediction_cut"] > 0 and "prediction_cut" not in found[1]
    assert any("1 of 2" in said for said in heard.warnings)


def test_a_language_that_is_asked_for_is_written(tmp_path: Path) -> None:
    folder = make_multilingual(tmp_path / "model", "mbart50")
    theirs, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    tokenizer.src_lang = "fr_XX"
    for code in ("de_DE", "ro_RO"):
        asked = {"source_language": "fr_XX", "target_language": code, "texts": TEXTS[:1], "max_new_tokens": 8}
        begin = tokenizer.lang_code_to_id[code]
        wanted = theirs.generate(
            **tokenizer(TEXTS[0], return_tensors="pt"), forced_bos_token_id=begin, max_new_tokens=8, do_sample=False
        )
        assert answers(folder, **asked)[0]["prediction"] == tokenizer.decode(wanted[0], skip_special_tokens=True)
    with reporting.listening() as heard:
        answers(folder, max_new_tokens=2)
    assert any("what is written with en_XX (--target-language)" in said for said in heard.notes)
