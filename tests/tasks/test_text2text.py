"""`predict` with models that turn a text into another: what pipelines of transformers 4 gave."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import every_task
import numpy as np
import pytest
import torch
from conftest import Drawing, write_csv
from PIL import Image
from rich.console import Console
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
from translators import SHAPES, make_family, make_multilingual
from writers import make_writer

from nlpkit import reporting
from nlpkit.cli.console import RichReporter
from nlpkit.errors import UserError
from nlpkit.recipes import predict
from nlpkit.reporting import Report, Shaded
from nlpkit.runs import plots
from nlpkit.tasks.text2text_generation import alignment
from nlpkit.tasks.text2text_generation.task import Text2Text

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
    own, named = answers(asked), answers(model, beams=3, max_new_tokens=4)
    assert own == named
    tokens = AutoTokenizer.from_pretrained(model)(TEXTS[0], return_tensors="pt")
    written = theirs.generate(**tokens)[0]
    assert (
        own[0]["prediction"] == AutoTokenizer.from_pretrained(model).decode(written, skip_special_tokens=True).strip()
    )
    assert answers(asked, max_new_tokens=8, beams=1) == answers(model, max_new_tokens=8)


def test_a_file_gets_what_each_text_alone_gets(model: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "rows.csv", [{"source": text, "id": i} for i, text in enumerate(TEXTS)])
    config = {"model": str(model), "input": str(data), "output": tmp_path / "out.jsonl", "max_new_tokens": 6, **CPU}
    predict.run(predict.Config(**config))
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["prediction"] for row in rows] == [
        answers(model, texts=[text], max_new_tokens=6)[0]["prediction"] for text in TEXTS
    ]


def test_each_row_of_a_file_has_its_own_prefix(model: Path, tmp_path: Path) -> None:
    """One model for several languages, as T5 and Marian have them."""
    prefixes = ["to German: ", ">>tur<< "]
    rows = [{"text": TEXTS[0], "language": prefix} for prefix in prefixes]
    options = {"input": str(write_csv(tmp_path / "rows.csv", rows)), "prefix_column": "language", "max_new_tokens": 6}
    predict.run(predict.Config(model=str(model), output=tmp_path / "out.jsonl", **options, **CPU))
    found = [json.loads(line)["prediction"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    wanted = [answers(model, texts=TEXTS[:1], prefix=prefix, max_new_tokens=6) for prefix in prefixes]
    assert found == [answer["prediction"] for (answer,) in wanted]
    assert found[0] != found[1]


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


def on_terminal(model: Path, **options: Any) -> tuple[Report, str]:
    """The report, and what was shown before it."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=100)
    reporting.install(RichReporter(console))
    try:
        report = predict.run(predict.Config(model=str(model), texts=TEXTS[:1], max_new_tokens=8, **CPU, **options))
    finally:
        reporting.install(reporting.Reporter())
    assert isinstance(console.file, io.StringIO)
    return report, console.file.getvalue()


@pytest.mark.parametrize("kind", ["t5", "mbart50"])
def test_a_text_is_seen_while_it_is_written_token_by_token(model: Path, kind: str, tmp_path: Path) -> None:
    folder = model if kind == "t5" else make_multilingual(tmp_path / "model", kind)
    report, seen = on_terminal(folder)
    (made,) = report.record["answers"]
    plain = Console(file=io.StringIO(), width=100)
    plain.print(reporting.shown(made["prediction"]), end="", soft_wrap=True, markup=False)
    assert isinstance(plain.file, io.StringIO)
    assert plain.file.getvalue() in seen and made["prediction"]
    assert made == answers(folder, texts=TEXTS[:1], max_new_tokens=8)[0]
    assert "text" not in report.tables[0].header  # it is known
    report, seen = on_terminal(folder, beams=2)
    assert report.record["answers"][0]["prediction"] not in seen and "text" in report.tables[0].header


def test_probabilities_stand_beside_the_tokens(model: Path) -> None:
    options: dict[str, Any] = {"show_probabilities": True, "max_new_tokens": 6, **CPU}
    report = predict.run(predict.Config(model=str(model), texts=TEXTS, runners_up=2, **options))
    for made, plain in zip(report.record["answers"], answers(model, max_new_tokens=6), strict=True):
        tokens = made["prediction_probabilities"]
        assert len(tokens) == made["prediction_tokens"]
        assert "".join(token["text"] for token in tokens) == made["prediction"] == plain["prediction"]
        for token in tokens:
            assert len(token["runners_up"]) == 2
            assert token["id"] not in [other["id"] for other in token["runners_up"]]
            assert all(other["probability"] <= token["probability"] for other in token["runners_up"])  # greedy
    assert isinstance(report.tables[0].rows[0][1], Shaded)
    assert [table.title for table in report.tables] == ["written", "tokens", "tokens"]


def test_probabilities_are_not_of_beams_whoever_asks_for_these(model: Path, tmp_path: Path) -> None:
    theirs = AutoModelForSeq2SeqLM.from_pretrained(model)
    theirs.generation_config.num_beams = 3
    theirs.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path)
    for folder, options in ((tmp_path, {}), (model, {"beams": 3})):
        with pytest.raises(UserError, match="written token by token, and 3 --beams compare whole ones"):
            answers(folder, show_probabilities=True, **options)
    assert answers(tmp_path, show_probabilities=True, beams=1, max_new_tokens=2)[0]["prediction_probabilities"]


def test_files_have_the_same_columns_whatever_row_comes_first_and_limits_are_counted(
    model: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("id,text\n1,\n2,a good film\n3,soup\n")
    options: dict[str, Any] = {"sequences": 2, "temperature": 1.0, "max_new_tokens": 5, **CPU}
    with reporting.listening() as said:
        report = predict.run(
            predict.Config(model=str(model), input=str(tmp_path / "in.csv"), output=tmp_path / "out.csv", **options)
        )
    made = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert report.record["failed"] == 1 and made[0]["prediction_error"] and not made[0]["prediction_texts"]
    texts = [json.loads(row["prediction_texts"]) for row in made[1:]]
    cut = sum(not text["ended"] for row in texts for text in row)
    assert cut and [len(row) for row in texts] == [2, 2]
    assert any(one.startswith(f"{cut} of 4 texts written ended at the limit of 5 tokens") for one in said.warnings)


def test_early_stopping_of_beams_is_that_of_the_folder(tmp_path: Path) -> None:
    """As of bart-large-cnn, whose authors have it."""
    folder = make_family(tmp_path / "model", "bart")
    theirs, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    asked = {"early_stopping": True, "num_beams": 4, "length_penalty": 2.0, "no_repeat_ngram_size": 3, "min_length": 3}
    theirs.generation_config.update(**asked, max_length=24, forced_bos_token_id=5, forced_eos_token_id=1)
    theirs.save_pretrained(folder)
    for text, found in zip(TEXTS, answers(folder), strict=True):
        written = theirs.generate(**tokenizer(text, return_tensors="pt"))[0]
        assert found["prediction"] == tokenizer.decode(written, skip_special_tokens=True).strip()


def test_an_alignment_is_the_attention_to_the_words_of_the_text(model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    written = [20, 30, 21]
    for folder in (model, make_writer(tmp_path / "gpt2")):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        with_encoder = folder == model
        kind = AutoModelForSeq2SeqLM if with_encoder else AutoModelForCausalLM
        theirs = kind.from_pretrained(folder, attn_implementation="eager").eval()
        task = Text2Text(separator=None if with_encoder else "\n").attached(tokenizer)
        ours = kind.from_pretrained(folder)
        before = ours.config._attn_implementation
        with alignment.seen(ours):
            found = alignment.of(task, ours, {"text": TEXTS[0], "prefix": ""}, written)
        assert ours.config._attn_implementation == before
        assert found is not None and (found.layer, found.layers, found.heads) == (1, 2, 2)
        read = tokenizer(TEXTS[0] + ("" if with_encoder else "\n"))["input_ids"]
        if with_encoder:
            start = theirs.config.decoder_start_token_id
            outputs = theirs(
                input_ids=torch.tensor([read]),
                decoder_input_ids=torch.tensor([[start, *written[:-1]]]),
                output_attentions=True,
            )
            wanted = outputs.cross_attentions[0][0].mean(0)
        else:
            outputs = theirs(input_ids=torch.tensor([[*read, *written]]), output_attentions=True)
            wanted = outputs.attentions[0][0].mean(0)[len(read) - 1 : -1, : len(read)]
        wanted /= wanted.sum(1, keepdim=True)
        assert found.shares == pytest.approx(wanted.detach().numpy(), abs=1e-5)
        assert "".join(found.read).strip() == TEXTS[0]
        assert len(found.written) == 3


def test_alignments_are_drawn(tmp_path: Path, drawing: Drawing) -> None:
    shares = np.eye(70, 100, dtype=np.float32)
    with drawing():
        plots.draw({"01": plots.alignment(shares, ["wort"] * 70, ["$word"] * 100, ["row 1"])}, tmp_path / "alignments")
    with Image.open(tmp_path / "alignments" / "01.png") as picture:
        assert picture.width > picture.height > 500
