"""Copies that models make, and what models say of labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import rows, write_csv

from nlpkit.augmentation import masked, rewritten
from nlpkit.augmentation.masked import MaskedWords, blank_mark
from nlpkit.augmentation.rewritten import Rewritten
from nlpkit.data.wording import Word, text_of, words_of
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Predictor
from nlpkit.options import DeviceOptions
from nlpkit.recipes import augment
from nlpkit.tasks.text2text_generation.options import Text2TextAnswerOptions

DEVICE = DeviceOptions(device="cpu", threads=1)


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng([7, i]) for i in range(count)]


@pytest.fixture(scope="module")
def filler(run_of: Any) -> Predictor[Any]:
    return masked.open_filler(str(run_of("masked-lm")), DEVICE)


def test_a_masked_word_becomes_another_whole_word_of_those_that_the_model_finds_likely(filler: Predictor[Any]) -> None:
    texts = ["The film was great, really.", "a dull plot", "42 !"]
    wordings = [words_of(text) for text in texts]
    first, second, third = MaskedWords(filler, 0.2).changed(wordings, generators(3))
    assert third is None  # no word of letters
    assert first is not None and second is not None
    changed = [(a.text, b.text) for a, b in zip(wordings[0], first, strict=True) if a != b]
    assert len(changed) == 1
    (old, new) = changed[0]
    place = next(i for i, (a, b) in enumerate(zip(wordings[0], first, strict=True)) if a != b)
    hidden = text_of([*wordings[0][:place], Word("[MASK]", wordings[0][place].after), *wordings[0][place + 1 :]])
    (answer,) = filler.answers([{"text": hidden}])
    said = [one["token"] for one in answer["candidates"][0]]
    assert new.lower() in said and not new.startswith("##") and new.lower() != old.lower()
    # a row's copy hangs on no other row
    alone = MaskedWords(filler, 0.2).changed(wordings[1:2], generators(2)[1:])
    assert [text_of(wording) for wording in alone if wording] == [text_of(second)]


def test_masked_words_leave_entities_as_they_are(filler: Predictor[Any]) -> None:
    tagged = [Word("Ada", tag="B-PER"), Word("Lovelace", tag="I-PER"), Word("liked", tag="O"), Word("films", tag="O")]
    for seed in range(5):
        (copy,) = MaskedWords(filler, 1.0).changed([tagged], [np.random.default_rng(seed)])
        assert copy is not None and list(copy[:2]) == tagged[:2] and [word.tag for word in copy[2:]] == ["O", "O"]
        assert copy[2].text != "liked" and copy[3].text != "films"


@pytest.mark.parametrize(("second", "mark"), [("Ġa", "Ġ"), ("▁a", "▁"), ("a", "")])
def test_tokens_behind_a_blank_are_told_by_the_tokenizers_own_mark(second: str, mark: str) -> None:
    class Tokenizer:
        def tokenize(self, text: str) -> list[str]:
            return ["a", second]

    assert blank_mark(Tokenizer()) == mark


class Writer:
    """Writes what a table says, or stops before the end."""

    def __init__(self, table: dict[str, str], log: list[Any]) -> None:
        self.table, self.log, self.task = table, log, self

    def configured(self, options: Any) -> Writer:
        self.log.append((options.temperature, options.seed if options.temperature else None))
        return self

    def reader(self) -> Any:
        return type("Reader", (), {"input_columns": ["text"]})

    def unfinished(self, answer: dict[str, Any]) -> list[str]:
        return ["stopped"] if answer["prediction"].endswith("...") else [""]

    def answers(self, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{"prediction": self.table[row["text"]]} for row in rows]


def test_texts_go_through_another_language_and_back_and_those_that_come_back_alike_are_no_copies() -> None:
    log: list[Any] = []
    there = Writer({"good film": "guter Film", "bad film": "schlechter Film", "long": "lang..."}, log)
    back = Writer({"guter Film": "Good  film", "schlechter Film": "a poor movie"}, log)
    plain = Text2TextAnswerOptions()
    operation = Rewritten("back-translation", [(there, plain), (back, plain)], 0.8)  # type: ignore[list-item]
    copies = operation.changed([words_of(text) for text in there.table], generators(3))
    assert [copy and text_of(copy) for copy in copies] == [None, "a poor movie", None]
    assert [drawn for drawn, _ in log] == [0.8, 0.0]  # on the way back the likeliest


def test_models_of_another_kind_are_refused(run_of: Any) -> None:
    with pytest.raises(UserError, match="is a model for text2text-generation"):
        masked.open_filler(str(run_of("text-to-text")), DEVICE)
    with pytest.raises(UserError, match=r"--translators .* is a model for fill-mask, and turns no text into another"):
        rewritten.open_writers([str(run_of("masked-lm"))], "translators", DEVICE)
    (once, again) = rewritten.open_writers([str(run_of("text-to-text"))] * 2, "translators", DEVICE)
    assert once is again


def test_models_take_turns_in_the_command_and_each_copy_is_there_or_counted(tmp_path: Path, run_of: Any) -> None:
    write_csv(tmp_path / "rows.csv", rows(6))
    translator = str(run_of("text-to-text"))

    def made(name: str) -> Any:
        config = augment.Config(
            data=str(tmp_path / "rows.csv"),
            by=["masked-lm", "back-translation", "paraphrase"],
            filler=str(run_of("masked-lm")),
            translators=[translator, translator],
            paraphraser=translator,
            copies=3,
            output=tmp_path / name,
            device="cpu",
            threads=1,
        )
        return augment.run(config).record

    operations = made("one.csv")["operations"]
    assert list(operations) == ["masked-lm", "back-translation", "paraphrase"]
    assert [sum(counts.values()) for counts in operations.values()] == [6, 6, 6]
    assert operations["masked-lm"]["copies"] == 6
    made("two.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"by": ["masked-lm"]}, "no model that fills masks is named"),
        ({"by": ["back-translation"], "translators": ["one"]}, "it takes two models"),
        ({"by": ["paraphrase"]}, "no model that writes is named"),
        ({"by": ["swap"], "filler": "minilm"}, "--filler is for --by masked-lm"),
    ],
)
def test_operations_without_their_models_are_refused(tmp_path: Path, asked: dict[str, Any], message: str) -> None:
    write_csv(tmp_path / "rows.csv", rows(6))
    with pytest.raises(UserError, match=message):
        augment.run(augment.Config(data=str(tmp_path / "rows.csv"), output=tmp_path / "out.csv", **asked))
