"""`nlpkit predict` with models that write: what is shown, told and refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from writers import byte_tokenizer, make_model, make_writer

from nlpkit import reporting
from nlpkit.cli.console import RichReporter
from nlpkit.errors import NlpkitError
from nlpkit.recipes import predict
from nlpkit.reporting import Report, Shaded

TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<writer>{% endif %}"
)


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_writer(tmp_path_factory.mktemp("writer"))


def ask(model: Path, *texts: str, **options: Any) -> Report:
    options = {"max_new_tokens": 6, "device": "cpu", "threads": 1, **options}
    return predict.run(predict.Config(model=str(model), texts=list(texts), **options))


def answer(model: Path, text: str = "the film was", **options: Any) -> dict[str, Any]:
    (made,) = ask(model, text, **options).record["answers"]
    return dict(made)


def on_terminal(model: Path, *texts: str, **options: Any) -> tuple[Report, str]:
    """The report, and what was shown before it."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=100)
    reporting.install(RichReporter(console))
    try:
        report = ask(model, *texts, **options)
    finally:
        reporting.install(reporting.Reporter())
    assert isinstance(console.file, io.StringIO)
    return report, console.file.getvalue()


def test_a_text_is_seen_on_a_terminal_while_it_is_written(writer: Path) -> None:
    for options in ({}, {"temperature": 1.0}):
        report, seen = on_terminal(writer, "the film was", **options)
        (made,) = report.record["answers"]
        assert made == answer(writer, **options)
        plain = Console(file=io.StringIO(), width=100)
        plain.print(reporting.shown(f"the film was{made['prediction']}"), end="", soft_wrap=True, markup=False)
        assert isinstance(plain.file, io.StringIO)
        shown = seen.replace("\x1b[1m", "").replace("\x1b[0m", "")
        assert plain.file.getvalue() in shown
        assert [table.title for table in report.tables] == ["written"]
        assert "prompt" not in report.tables[0].header  # it stands above


def test_several_texts_and_beams_are_shown_at_their_end(writer: Path) -> None:
    for texts, options in ((["a", "the"], {}), (["the"], {"beams": 2}), (["the"], {"temperature": 1, "sequences": 2})):
        report, seen = on_terminal(writer, *texts, **options)
        assert "\x1b[1m" not in seen
        assert "prompt" in report.tables[0].header


def test_an_interrupt_leaves_what_was_written(writer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpkit.cli.console import _RichWriting

    whole = answer(writer)["prediction"]
    show = _RichWriting.add

    def interrupted(self: Any, piece: str, probability: float) -> None:
        show(self, piece, probability)
        raise KeyboardInterrupt

    monkeypatch.setattr(_RichWriting, "add", interrupted)
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=100)
    reporting.install(RichReporter(console))
    try:
        with pytest.raises(KeyboardInterrupt):
            ask(writer, "the film was")
    finally:
        reporting.install(reporting.Reporter())
    assert isinstance(console.file, io.StringIO)
    written = console.file.getvalue()
    assert written.endswith("\n") and len("the film was") + 1 < len(written) < len("the film was") + len(whole) + 1


def test_probabilities_and_runners_up(writer: Path) -> None:
    report = ask(writer, "the film was", show_probabilities=True, runners_up=2)
    (made,) = report.record["answers"]
    tokens = made["prediction_probabilities"]
    assert len(tokens) == made["prediction_tokens"]
    assert "".join(token["text"] for token in tokens) == made["prediction"]
    for token in tokens:
        assert len(token["runners_up"]) == 2
        assert token["id"] not in [other["id"] for other in token["runners_up"]]
        assert all(other["probability"] <= token["probability"] for other in token["runners_up"])  # greedy
    assert isinstance(report.tables[0].rows[0][1], Shaded)
    assert report.tables[1].header == ["token", "probability", "runners-up"]
    _, seen = on_terminal(writer, "the film was", show_probabilities=True)
    assert "below 5 %" in seen


def test_files_have_a_column_for_the_texts_whatever_row_comes_first(writer: Path, tmp_path: Path) -> None:
    rows = "id,text\n1,\n2,the film was\n3," + "a room " * 60 + "\n"
    (tmp_path / "in.csv").write_text(rows)
    with reporting.listening() as said:
        report = ask(
            writer,
            input=str(tmp_path / "in.csv"),
            output=tmp_path / "out.csv",
            sequences=2,
            temperature=1.0,
            prefix="so ",
        )
    made = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert report.record["failed"] == 1 and made[0]["prediction_error"] and not made[0]["prediction_texts"]
    assert all(len(json.loads(row["prediction_texts"])) == 2 for row in made[1:])
    assert any("1 of 2 prompts have more than 58 tokens and lost their beginning" in one for one in said.warnings)
    assert any(one.startswith("4 of 4 texts written ended at the limit of 6 tokens") for one in said.warnings)


def test_a_chat_template_words_the_prompt(tmp_path: Path) -> None:
    folder = make_writer(tmp_path / "chat")
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    plain = answer(folder, "<user>so the film<writer>")
    assert answer(folder, "the film", prefix="so ", chat=True)["prediction"] == plain["prediction"]
    tokenizer.chat_template = "{{ raise_exception('only with a system message') }}"
    tokenizer.save_pretrained(folder)
    with pytest.raises(NlpkitError, match="only with a system message"):
        answer(folder, "the film", chat=True)


def test_what_the_model_asks_for_is_told_and_not_followed(writer: Path, tmp_path: Path) -> None:
    """`generate` of transformers would fill what is left open with it, for beams too."""
    folder = make_writer(tmp_path / "asking")
    first = answer(folder, show_probabilities=True)["prediction_probabilities"][1]["id"]
    asked = {"do_sample": True, "temperature": 0.6, "repetition_penalty": 3.0, "max_new_tokens": 9}
    (folder / "generation_config.json").write_text(json.dumps(asked))
    for options in ({}, {"beams": 2}):
        with reporting.listening() as said:
            made = answer(folder, **options)
        assert made["prediction"] == answer(writer, **options)["prediction"]
        assert any("--temperature 0.6 --repetition-penalty 3" in note for note in said.notes) == (not options)
    assert answer(folder, max_new_tokens=None)["prediction_tokens"] == 9
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [first, 319]}))
    ended = answer(folder)
    assert ended["prediction_tokens"] == 1 and ended["prediction_ended"]


@pytest.mark.parametrize("family", ["opt", "bloom", "gpt_neox", "llama"])
def test_families_write_in_a_batch_what_they_write_alone(family: str, tmp_path: Path) -> None:
    """GPT-2's own tokenizer has no token for padding, and that of Llama puts one before each text."""
    make_model(family).save_pretrained(tmp_path)
    tokenizer = byte_tokenizer()
    tokenizer.pad_token = None
    if family == "llama":
        from tokenizers.processors import TemplateProcessing

        begin = (tokenizer.bos_token, tokenizer.bos_token_id)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{begin[0]} $A", pair=f"{begin[0]} $A $B", special_tokens=[begin]
        )
    tokenizer.save_pretrained(tmp_path)
    texts = ["the film was", "a", "the soup was cold " * 8]
    together = ask(tmp_path, *texts).record["answers"]
    for text, made in zip(texts, together, strict=True):
        assert made["prediction"] == answer(tmp_path, text)["prediction"]


def test_a_prompt_that_is_cut_keeps_the_token_that_begins_it(writer: Path) -> None:
    from nlpkit.tasks.text_generation import features

    class WithBegin:
        bos_token_id, eos_token_id = 1, 2

        def __call__(self, text: str, *, add_special_tokens: bool, verbose: bool) -> dict[str, list[int]]:
            return {"input_ids": [*([1] if add_special_tokens else []), *range(10, 30)]}

    made = features.prompts(WithBegin(), ["..."], 16, 8)
    assert made["input_ids"] == [[1, *range(23, 30)]] and made["lost"] == [13]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": -1}, "--temperature -1"),
        ({"beams": 0}, "--beams 0"),
        ({"top_p": 0}, "--top-p 0"),
        ({"sequences": 3, "beams": 2}, "--sequences 3"),
        ({"stop": [""]}, "--stop is empty"),
        ({"runners_up": 2}, "--runners-up is for --show-probabilities"),
        ({"beams": 2, "show_probabilities": True}, "--show-probabilities is of texts"),
        ({"chat": True}, "--chat: the tokenizer of the model has no chat template"),
    ],
)
def test_wrong_usage_is_one_message(writer: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(NlpkitError) as error:
        answer(writer, **options)
    assert said in str(error.value)


def test_weights_that_give_no_numbers_are_told(tmp_path: Path) -> None:
    import torch

    model = make_model()
    with torch.no_grad():
        model.transformer.ln_f.weight.fill_(float("nan"))
    model.save_pretrained(tmp_path / "broken")
    byte_tokenizer().save_pretrained(tmp_path / "broken")
    with pytest.raises(NlpkitError, match="is no number"):
        ask(tmp_path / "broken", "the film")
