"""What each task gives to be explained: the number is that of the model opened by Transformers, with words there and
hidden, and every way to look at them gives each word a score."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import encoder_decoders
import numpy as np
import pytest
import torch
import transformers
from every_task import kinds
from transformers import AutoTokenizer
from writers import byte_tokenizer, make_writer

from nlpkit.errors import UserError
from nlpkit.explaining.methods import METHODS
from nlpkit.explaining.variants import Variants
from nlpkit.hardware import devices
from nlpkit.inference.predictor import Predictor, TrainedModelOptions, open_trained
from nlpkit.tasks.explained import Question, placed
from nlpkit.tasks.roles import Explainable
from nlpkit.tasks.text2text_generation import explaining, token_ids

TEXT = "the film was lovely and the room was cold"
OTHER = "a kind clerk and a bright shop"
EXAMPLES: dict[str, dict[str, Any]] = {
    "pairs": {"text": TEXT, "text_pair": OTHER},
    "embedding": {"text": TEXT, "text_pair": OTHER},
    "question-answering": {"question": "what is bad", "context": TEXT},
    "masked-lm": {"text": "the film was [MASK] and the room was cold", "masks": 1},
    "causal-lm": {"prompt": TEXT},
    "text-to-text": {"text": TEXT, "prefix": ""},
}
QUICK = (
    "erasure",
    "occlusion",
    "integrated-gradients",
    "gradient-norm",
    "weighted-rollout",
    "attention",
)  # one way each
Asked = Callable[[str], tuple[Predictor[Explainable], dict[str, Any], Question]]
WORDS = TEXT.split()
# kinds whose numbers are compared here; those of text classification are in test_attributions.py
WAYS = (
    "token-classification",
    "question-answering",
    "masked-lm",
    "causal-lm",
    "text-to-text",
    "zero-shot",
    "embedding",
    "zero-shot-embedding",
)


def explained(run: Path, example: dict[str, Any], asked: str | None = None) -> tuple[Predictor[Explainable], Any]:
    """The predictor of a run, and what it gives to be explained of a row."""
    options = TrainedModelOptions(model=str(run), device="cpu", threads=1)
    opened = open_trained(str(run), options, Explainable, "explain", exported=False)
    predictor = Predictor(opened.task, opened.model, opened.tokenizer, devices.choose(options), lent=False)
    ((_, computed),) = predictor.computed([(None, {name: [value] for name, value in example.items()})])
    return predictor, opened.task.questions(opened.tokenizer, example, computed.outputs, asked)


def example_of(kind: str) -> dict[str, Any]:
    if kind == "token-classification":
        ends = np.cumsum([len(word) + 1 for word in WORDS]) - 1
        starts = [end - len(word) for end, word in zip(ends.tolist(), WORDS, strict=True)]
        return {"text": TEXT, "starts": starts, "ends": ends.tolist()}
    return EXAMPLES.get(kind, {"text": TEXT})


@pytest.fixture(scope="module")
def asked(run_of: Callable[[str], Path]) -> Asked:
    """What is explained of a kind of data, made once."""
    made: dict[str, Any] = {}

    def ask(kind: str) -> tuple[Predictor[Explainable], dict[str, Any], Question]:
        if kind not in made:
            example = example_of(kind)
            target = "lovely" if kind == "token-classification" else None
            predictor, questions = explained(run_of(kind), example, target)
            made[kind] = predictor, example, questions[0]
        return made[kind]

    return ask


@pytest.mark.parametrize("kind", kinds(Explainable))
def test_every_method_gives_each_word_a_score(asked: Asked, kind: str) -> None:
    predictor, example, question = asked(kind)
    reading = question.readings[0]
    for column, text in question.texts.items():
        covered = [text[word.start : word.end] for word in reading.words if word.column == column]
        assert covered == [word for word in text.split() if word != "[MASK]"]
        assert text == example[column]
    taken = [position for word in reading.words for position in word.positions]
    assert len(taken) == len(set(taken)) and max(taken) < len(reading.feature["input_ids"])
    variants = Variants(predictor, question, reading, "words")
    for name in QUICK:
        scores = METHODS[name].function(variants, 0)
        assert scores.shape == (len(reading.words),), name
        assert np.isfinite(scores).all() and np.abs(scores).max() > 0, name


def stock(kind: str, predictor: Predictor[Explainable], folder: Path) -> Callable[[dict[str, Any], Question], float]:
    """The number of a question by the model and the tokenizer as Transformers opens them."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = getattr(transformers, predictor.task.auto_class).from_pretrained(folder).eval()

    def logits(*texts: Any, **more: Any) -> Any:
        """Of texts, or of the token ids of one."""
        if not isinstance(texts[0], str):
            return model(torch.tensor([texts[0]]), **more)
        return model(**tokenizer(*texts, return_tensors="pt"), **more)

    def vector(text: str) -> torch.Tensor:
        return logits(text).last_hidden_state.mean(1)

    def tag(example: dict[str, Any], question: Question) -> float:
        label = model.config.label2id[f"B-{question.asked.split(':')[0]}"] if "O:" not in question.asked else 0
        return logits(example["text"]).logits.softmax(-1)[0, 1 + WORDS.index("lovely"), label]

    def answer(example: dict[str, Any], question: Question) -> float:
        start, end = question.readings[0].feature["labels"]
        found = logits(example["question"], example["context"])
        return found.start_logits.softmax(-1)[0, start] * found.end_logits.softmax(-1)[0, end]

    def mask(example: dict[str, Any], question: Question) -> float:
        place = question.readings[0].feature["positions"][0]
        return logits(example["text"]).logits[0, place].softmax(-1)[tokenizer.convert_tokens_to_ids(question.asked)]

    def following(example: dict[str, Any], question: Question) -> float:
        return logits(example["prompt"]).logits[0, -1].softmax(-1)[question.readings[0].feature["continued"][0]]

    def written(example: dict[str, Any], question: Question) -> float:
        labels = torch.tensor([question.readings[0].feature["answered"]])
        return (-logits(example["text"], labels=labels).loss).exp()

    def entailed(example: dict[str, Any], question: Question) -> float:
        found = logits(example["text"], f"This example is {question.asked.split(':')[0]}.").logits[0]
        return (found[0] - found[2]).sigmoid()

    def likeness(example: dict[str, Any], question: Question) -> float:
        return torch.cosine_similarity(vector(example["text"]), vector(example["text_pair"]))[0]

    def nearest(example: dict[str, Any], question: Question) -> float:
        names = ["negative", "positive"]
        text = vector(example["text"])
        cosines = torch.cat([torch.cosine_similarity(text, vector(f"This example is {name}.")) for name in names])
        return (20 * cosines).softmax(0)[names.index(question.asked)]

    ways = dict(zip(WAYS, (tag, answer, mask, following, written, entailed, likeness, nearest), strict=True))

    def number(example: dict[str, Any], question: Question) -> float:
        with torch.no_grad():
            return float(ways[kind](example, question))

    return number


@pytest.mark.parametrize("kind", WAYS)
def test_numbers_are_those_of_transformers_with_and_without_a_word(
    asked: Asked, run_of: Callable[[str], Path], kind: str
) -> None:
    predictor, example, question = asked(kind)
    number = stock(kind, predictor, run_of(kind))
    variants = Variants(predictor, question, question.readings[0], "words")
    assert variants.whole == pytest.approx(number(example, question), abs=2e-6)
    (column,) = {word.column for word in variants.reading.words} - {"question"}
    hidden = next(i for i, word in enumerate(variants.reading.words) if word.text == "cold")
    kept = np.arange(len(variants))[None] != hidden
    if variants.mask is not None:
        said: Any = predictor.tokenizer.convert_ids_to_tokens(variants.mask)
        masked = {**example, column: example[column].replace("cold", said)}
        if kind in ("causal-lm", "text-to-text"):  # several tokens are hidden, the blank before the word with them
            read = predictor.tokenizer(TEXT)
            first, behind = read.char_to_token(TEXT.index("cold")), read.char_to_token(len(TEXT) - 1) + 1
            masked[column] = [
                variants.mask if first <= i < behind else token for i, token in enumerate(read["input_ids"])
            ]
        assert variants.masked(kept)[0] == pytest.approx(number(masked, question), abs=2e-6)
    if variants.task.movable:
        without = {**example, column: example[column].replace(" cold", "")}
        assert variants.removed(kept)[0] == pytest.approx(number(without, question), abs=2e-6)


# --- long texts, other targets, what stands around a text ---


def asking(
    found: tuple[Any, ...], example: dict[str, Any], asked: str | None = None, **settings: Any
) -> list[Variants]:
    """What is explained with other settings of the task, each of its inputs."""
    predictor = found[0].asking(found[0].task.with_(**settings))
    ((_, computed),) = predictor.computed([(None, {name: [value] for name, value in example.items()})])
    questions = predictor.task.questions(predictor.tokenizer, example, computed.outputs, asked)
    return [Variants(predictor, question, reading, "words") for question in questions for reading in question.readings]


def words_of(variants: Variants) -> list[str]:
    return [word.text for word in variants.reading.words]


def given(variants: Variants, *texts: str) -> Any:
    """What the model gives for texts, as Transformers asks it."""
    predictor = variants.predictor
    with torch.no_grad():
        return predictor.model(**predictor.tokenizer(*texts, return_tensors="pt"))


def test_a_tag_hangs_on_the_words_of_its_window(asked: Asked) -> None:
    found = asked("token-classification")
    (window,) = asking(found, found[1], "cold", max_length=8)
    assert words_of(window) == WORDS[-6:] and window.question.asked.endswith(": cold")
    tags = given(window, " ".join(WORDS[-6:])).logits.softmax(-1)[0, 6]
    assert window.whole == pytest.approx(tags.max().item(), abs=1e-6)
    (other,) = asking(found, found[1], "GOOD: room was", max_length=8)
    each = given(window, " ".join(WORDS[-6:])).logits.softmax(-1)[0]
    labels = found[0].model.config.label2id
    expected = (each[4, labels["B-GOOD"]] + each[5, labels["I-GOOD"]]) / 2  # in the window the fourth word and the next
    assert other.whole == pytest.approx(expected.item(), abs=1e-6)
    with pytest.raises(UserError, match="no such type of the model and no such word in the text"):
        asking(found, found[1], "hotel")


def test_an_answer_hangs_on_the_windows_that_hold_it(asked: Asked) -> None:
    found, example = asked("question-answering"), {"question": "bad", "context": TEXT}
    short = {"max_length": 12, "doc_stride": 2}  # windows of 8 tokens of the context, of which the second has 3
    first, second = asking(found, example, "room was", **short)
    assert [words_of(first), words_of(second)] == [["bad", *WORDS[:8]], ["bad", *WORDS[6:]]]
    logits = given(second, "bad", " ".join(WORDS[6:]))
    chances = logits.start_logits.softmax(-1)[0, 3] * logits.end_logits.softmax(-1)[0, 4]
    assert second.whole == pytest.approx(chances.item(), abs=1e-6)
    (only,) = asking(found, example, "cold", **short)
    assert words_of(only) == words_of(second)
    none = asking(found, example, "no answer", **short)
    assert [one.reading.feature["labels"] for one in none] == [[0, 0], [0, 0]]
    with pytest.raises(UserError, match="no such piece of the context"):
        asking(found, example, "hotel", **short)


def test_each_mask_is_explained_by_the_words_around_it_and_not_by_masks(asked: Asked) -> None:
    found = asked("masked-lm")
    text = "the film was [MASK] and my room was very [MASK] and late"
    example = {"text": text, "masks": 2}
    first, second = asking(found, example, "kind")
    assert [first.question.asked, second.question.asked] == ["mask 1: kind", "mask 2: kind"]
    assert words_of(first) == words_of(second) == [word for word in text.split() if word != "[MASK]"]
    chance = given(second, text).logits[0, 10].softmax(-1)[found[0].tokenizer.convert_tokens_to_ids("kind")]
    assert second.whole == pytest.approx(chance.item(), abs=1e-6)
    near, far = asking(found, example, max_length=7)
    assert words_of(far) == ["was", "very", "and", "late"] and "film" in words_of(near)
    with pytest.raises(UserError, match="stands for one token of the model, and this is h ##o"):
        asking(found, example, "hotel")


def test_a_text_behind_a_prompt_is_as_probable_as_its_tokens(asked: Asked) -> None:
    found = asked("causal-lm")
    (variants,) = asking(found, {"prompt": TEXT}, "and late", prefix="my ")
    assert words_of(variants) == WORDS and variants.question.asked == "next: ' and late'"
    tokenizer = found[0].tokenizer
    before, whole = (len(tokenizer(text)["input_ids"]) for text in (f"my {TEXT}", f"my {TEXT} and late"))
    ids = tokenizer(f"my {TEXT} and late")["input_ids"]
    logs = given(variants, f"my {TEXT} and late").logits[0].log_softmax(-1)
    each = [logs[place - 1, ids[place]].item() for place in range(before, whole)]
    assert len(each) > 1 and variants.whole == pytest.approx(np.exp(np.mean(each)), abs=1e-6)
    nothing = variants.removed(np.zeros((1, len(WORDS)), dtype=bool))
    assert nothing[0] != pytest.approx(variants.whole)
    (short,) = asking(found, {"prompt": TEXT}, model_length=24)
    assert words_of(short) == WORDS[-len(short) :] and 0 < len(short) < len(WORDS)


def test_words_of_a_prompt_stay_and_are_no_words_of_the_text(asked: Asked) -> None:
    found = asked("embedding")
    vectors = found[0].task.vectors.with_prompt(text="my very ").with_(include_prompt=False)
    first, second = asking(found, found[1], vectors=vectors)
    assert words_of(first) == WORDS and words_of(second) == OTHER.split()
    assert first.whole == pytest.approx(second.whole, abs=1e-6)
    states = [given(first, f"my very {text}").last_hidden_state[0, 3:].mean(0) for text in (TEXT, OTHER)]
    assert first.whole == pytest.approx(torch.cosine_similarity(*states, dim=0).item(), abs=1e-6)
    (cut, _) = asking(found, found[1], max_length=6)
    assert words_of(cut) == WORDS[:4]
    with pytest.raises(UserError, match="how like two texts are"):
        asking(found, {"text": TEXT})


def test_what_stands_around_a_source_is_not_hidden_and_its_end_may_be_cut() -> None:
    tokenizer = byte_tokenizer()
    for limit, words in ((None, WORDS), (30, WORDS[:6])):
        cut = token_ids.prompts(tokenizer, ["Say: "], [TEXT], "\n", limit)
        made = {"input_ids": cut.ids, "lost": cut.lost}
        reading = explaining.reading(tokenizer, TEXT, ("Say: ", "\n"), made, encoder=False)
        assert [word.text for word in reading.words][: len(words)] == words
        hidden = {position for word in reading.words for position in word.positions}
        left = [token for i, token in enumerate(cut.ids[0]) if i not in hidden]
        assert tokenizer.decode(left) in ("Say: \n", "Say:\n")


def test_words_of_a_tokenizer_without_places_are_those_between_blanks_or_none(tmp_path: Path) -> None:
    from transformers import BertJapaneseTokenizer

    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"filmd."]))
    slow = BertJapaneseTokenizer(
        str(tmp_path / "vocab.txt"), word_tokenizer_type="basic", subword_tokenizer_type="character"
    )
    found = placed(slow, "film dim.")
    assert slow.convert_ids_to_tokens(found.ids) == list("filmdim.")
    assert found.spans == [(0, 4)] * 4 + [(5, 9)] * 4 and found.words == [(0, 4), (5, 9)]


def test_attention_of_a_decoder_is_what_it_looks_at_in_the_text(asked: Asked, run_of: Callable[[str], Path]) -> None:
    predictor, _, question = asked("text-to-text")
    variants = Variants(predictor, question, question.readings[0], "words")
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(run_of("text-to-text"), attn_implementation="eager")
    read = predictor.tokenizer(TEXT, return_tensors="pt")
    with torch.no_grad():
        given = model.eval()(
            **read, labels=torch.tensor([question.readings[0].feature["answered"]]), output_attentions=True
        )
    shares = given.cross_attentions[0][0].mean((0, 1))  # of two layers the last but one is the first
    assert np.allclose(METHODS["attention"].function(variants, 0), variants.of_units(shares.numpy()), atol=1e-6)


@pytest.mark.parametrize("family", ["bart", "mbart"])
def test_a_written_text_is_as_probable_as_when_it_was_written(family: str, tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()  # a decoder of mBART that learns begins with the token that ends what it is to write
    model = encoder_decoders.make(family, tokenizer)
    model.generation_config.max_new_tokens = 12
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    predictor, (question,) = explained(tmp_path, example_of("text-to-text"))
    (answer,) = predictor.answers([{"text": TEXT}])
    variants = Variants(predictor, question, question.readings[0], "words")
    assert variants.whole == pytest.approx(answer["score"], abs=1e-6)
    assert np.isfinite(METHODS["integrated-gradients"].function(variants, 0)).all()


def test_an_answer_of_a_model_without_an_encoder_hangs_on_the_words_before_it(tmp_path: Path) -> None:
    make_writer(tmp_path)
    task = {
        "name": "text2text-generation",
        "columns": {"text": "text", "targets": ["target"], "prefix": None},
        **dict.fromkeys(("max_length", "training_length", "target_length")),
        "measure": "translation",
        "prefix": "Say: ",
        "languages": {"source": None, "target": None},
        "separator": "\n",
    }
    record = {"schema_version": 1, "status": "complete", "command": "finetune-seq2seq", "task": task, "config": {}}
    (tmp_path / "nlpkit.json").write_text(json.dumps(record))
    predictor, (question,) = explained(tmp_path, example_of("text-to-text"))
    (answer,) = predictor.answers([{"text": TEXT}])
    variants = Variants(predictor, question, question.readings[0], "words")
    assert words_of(variants) == WORDS
    assert variants.whole == pytest.approx(answer["score"], abs=1e-6)
    for name in QUICK:
        assert np.isfinite(METHODS[name].function(variants, 0)).all(), name
