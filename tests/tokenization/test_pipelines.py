"""What a tokenizer of each style and kind does, and that it does so after it was saved and opened again."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import pytest
from tokenizers_trained import CORNERS, SIZE, TEXTS, opened, trained

from nlpkit.errors import UserError
from nlpkit.tokenization import saving
from nlpkit.tokenization.pipelines import STYLES, Pipeline, PipelineOptions

pytestmark = pytest.mark.slow

NATIVE = [
    ("bert", "wordpiece"),
    ("roberta", "byte-bpe"),
    ("albert", "unigram"),
    ("gpt2", "byte-bpe"),
    ("t5", "unigram"),
]
OTHERS = [
    (style, kind)
    for style in ("bert", "roberta", "albert")
    for kind in ("wordpiece", "bpe", "byte-bpe", "unigram")
    if (style, kind) not in NATIVE
] + [("t5", "byte-bpe")]


OPEN_ALL = """
import json, sys
from transformers import AutoTokenizer
texts, out = json.loads(sys.stdin.read()), {}
for folder in sys.argv[1:]:
    t = AutoTokenizer.from_pretrained(folder)
    padded = t(["good film", "a very lovely film it was"], padding=True, truncation=True, max_length=6)
    out[folder] = {
        "class": type(t).__name__,
        "ids": [t(text)["input_ids"] for text in texts],
        "pair": dict(t("good", "film")),
        "padded": [padded["input_ids"], padded["attention_mask"]],
        "longest": t.model_max_length,
        "special": {role: [getattr(t, role), getattr(t, role + "_id")] for role in
                    ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token")},
        "size": len(t),
    }
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[Any, Any, dict[str, Any]]]:
    """(style, kind) -> pipeline, backend as trained, and what a fresh process says of its folder."""
    place = tmp_path_factory.mktemp("tokenizers")
    made = {}
    for style, kind in NATIVE + OTHERS:
        pipeline, backend = trained(style, kind)
        folder = place / f"{style}-{kind}"
        folder.mkdir()
        stock, own = pipeline.style.stock, pipeline.stock_arguments()
        saving.save(backend, folder, pipeline.init_arguments(), stock=stock, stock_arguments=own)
        made[style, kind] = pipeline, backend, folder
    done = forked.run(
        [sys.executable, "-c", OPEN_ALL, *(str(folder) for _, _, folder in made.values())],
        input=json.dumps(TEXTS),
        check=True,
    )
    said = json.loads(done.stdout)
    return {key: (pipeline, backend, said[str(folder)]) for key, (pipeline, backend, folder) in made.items()}


@pytest.mark.parametrize(("style", "kind"), NATIVE + OTHERS)
def test_a_fresh_process_encodes_as_it_was_trained(style: str, kind: str, folders: Any) -> None:
    pipeline, backend, said = folders[style, kind]
    assert said["ids"] == [encoding.ids for encoding in backend.encode_batch(TEXTS)]
    assert said["size"] == backend.get_vocab_size() <= SIZE
    assert said["longest"] == pipeline.style.max_length


def test_scores_are_the_same_numbers_once_the_file_is_opened() -> None:
    """Where two ways to cut a word are as likely, the last bit of a score decides."""
    _, backend = trained("t5", "unigram")
    reopened = type(backend).from_str(backend.to_str())
    assert json.loads(reopened.to_str())["model"]["vocab"] == json.loads(backend.to_str())["model"]["vocab"]


@pytest.mark.parametrize(("style", "kind"), NATIVE)
def test_own_kind_opens_as_the_class_of_the_model(style: str, kind: str, folders: Any) -> None:
    assert folders[style, kind][2]["class"] == STYLES[style].stock
    assert Pipeline.of(PipelineOptions(style=style)).kind == kind
    if style not in ("gpt2", "t5"):
        assert Pipeline.of(PipelineOptions(kind=kind)).name == style


@pytest.mark.parametrize(("style", "kind"), NATIVE + OTHERS)
def test_special_tokens_have_their_places(style: str, kind: str, folders: Any) -> None:
    special = {token: number for token, number in folders[style, kind][2]["special"].values() if token}
    last = folders[style, kind][2]["size"] - 1
    assert (
        special
        == {
            "bert": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4},
            "roberta": {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": last},
            "albert": {"<pad>": 0, "<unk>": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4},
            "gpt2": {"<|padding|>": last - 1, "<|endoftext|>": last},
            "t5": {"<pad>": 0, "</s>": 1, "<unk>": 2},
        }[style]
    )


@pytest.mark.parametrize(("style", "kind"), NATIVE + OTHERS)
def test_pairs_padding_and_truncation(style: str, kind: str, folders: Any) -> None:
    _, backend, said = folders[style, kind]
    first, second = (backend.encode(text, add_special_tokens=False).ids for text in ("good", "film"))
    special = {role: number for role, (_, number) in said["special"].items()}
    cls, sep, end = special["cls_token"], special["sep_token"], special["eos_token"]
    ids, types = said["pair"]["input_ids"], said["pair"].get("token_type_ids")
    if style == "roberta":
        assert ids == [cls, *first, sep, sep, *second, sep]
    elif style == "gpt2":
        assert ids == first + second
    elif style == "t5":
        assert ids == [*first, end, *second, end]
    else:
        assert ids == [cls, *first, sep, *second, sep]
        assert types == [0] * (len(first) + 2) + [1] * (len(second) + 1)
    assert ("token_type_ids" in said["pair"]) == (style in ("bert", "albert"))
    (short, long), masks = said["padded"]
    assert len(short) == len(long) == 6
    assert all((number == special["pad_token"]) == (not mask) for number, mask in zip(short, masks[0], strict=True))
    assert style == "gpt2" or long[-1] == (
        end if style == "t5" else sep
    )  # truncation leaves room for the special tokens


@pytest.fixture(scope="module")
def reopened(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """`opened`, once for all tests that ask for the same."""
    made: dict[str, Any] = {}

    def get(style: str, kind: str | None = None, **options: Any) -> Any:
        key = repr((style, kind, options))
        if key not in made:
            made[key] = opened(tmp_path_factory.mktemp("tokenizer"), style, kind, **options)
        return made[key]

    return get


@pytest.mark.parametrize(("style", "kind"), [pair for pair in NATIVE if pair[0] not in ("gpt2", "t5")])
def test_mask_token_stands_alone_in_a_text(style: str, kind: str, reopened: Any) -> None:
    tokenizer = reopened(style, kind)
    ids = tokenizer(f"the film was {tokenizer.mask_token}.")["input_ids"]
    assert ids.count(tokenizer.mask_token_id) == 1
    before = tokenizer("the film was", add_special_tokens=False)["input_ids"]
    assert ids.index(tokenizer.mask_token_id) == 1 + len(before)  # no token for the blank in front of it


# --- what is lost between text and tokens, and what is not ---


@pytest.mark.parametrize("style", ["roberta", "gpt2", "t5"])
@pytest.mark.parametrize("text", CORNERS)
def test_bytes_lose_nothing(style: str, text: str, reopened: Any) -> None:
    tokenizer = reopened(style, "byte-bpe", texts=TEXTS[:200])  # the corner cases were never seen
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert tokenizer.unk_token_id not in ids


def bert_normal(text: str) -> str:
    """BERT's uncased normalisation: no control and format characters, no accents, lower case."""
    kept = (c if c not in "\t\n\r" else " " for c in text)
    kept = (c for c in kept if not unicodedata.category(c).startswith("C"))
    # accents go before the case, so that İ becomes i and not i with a dot
    bare = (c for c in unicodedata.normalize("NFD", "".join(kept)) if unicodedata.category(c) != "Mn")
    return "".join(bare).lower()


def albert_normal(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if unicodedata.category(c)[0] != "M").lower()


@pytest.mark.parametrize(("style", "kind"), [("bert", "wordpiece"), ("bert", "bpe"), ("albert", "unigram")])
@pytest.mark.parametrize("text", CORNERS)
def test_others_lose_what_their_normalizer_takes(style: str, kind: str, text: str, reopened: Any) -> None:
    """All but blanks comes back, in the form of the model: BERT's stand between signs, ALBERT's are made one."""
    tokenizer = reopened(style, kind, min_frequency=None if kind == "unigram" else 1, vocab_size=2_000)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    decoded = tokenizer.decode(ids)
    normal = (bert_normal if style == "bert" else albert_normal)(text)
    if style == "albert":
        assert decoded == " ".join(normal.split())
    else:
        assert "".join(decoded.split()) == "".join(normal.split())
    assert tokenizer(decoded, add_special_tokens=False)["input_ids"] == ids  # what is left is kept


@pytest.mark.parametrize(("style", "kind"), NATIVE + OTHERS)
def test_offsets_point_into_the_text(style: str, kind: str, reopened: Any) -> None:
    tokenizer = reopened(style, kind)
    for text in CORNERS:
        offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        assert all(0 <= start <= end <= len(text) for start, end in offsets)
        if (style, kind) in NATIVE:
            assert [start for start, _ in offsets] == sorted(start for start, _ in offsets)


# --- each part can be overridden ---


def pieces(backend: Any, text: str) -> str:
    return " ".join(backend.encode(text, add_special_tokens=False).tokens)


def normal(backend: Any, text: str) -> str:
    return text if backend.normalizer is None else backend.normalizer.normalize_str(text)


@pytest.mark.parametrize(
    ("options", "text", "result"),
    [
        ({"style": "bert"}, "Café ﬁ", "cafe ﬁ"),
        ({"style": "bert", "lowercase": False}, "Café", "Café"),  # BERT's rule: accents go with the case
        ({"style": "bert", "lowercase": False, "strip_accents": True}, "Café", "Cafe"),
        ({"style": "bert", "strip_accents": False}, "Café", "café"),
        ({"style": "bert", "unicode_form": "nfkc"}, "Café ﬁ", "cafe fi"),
        ({"style": "roberta"}, "Café ﬁ", "Café ﬁ"),
        ({"style": "roberta", "lowercase": True}, "Café", "café"),
        ({"style": "roberta", "strip_accents": True}, "Café ﬁ", "Cafe ﬁ"),
        ({"style": "roberta", "unicode_form": "nfd"}, "é", "e\u0301"),
        ({"style": "roberta", "unicode_form": "nfc"}, "e\u0301", "é"),
        ({"style": "roberta", "unicode_form": "nfkd"}, "ﬁé", "fie\u0301"),
        ({"style": "roberta", "unicode_form": "nfc", "strip_accents": True}, "é한", "e한"),
        ({"style": "albert"}, "``Café ﬁ''", '"cafe fi"'),
        ({"style": "albert", "strip_accents": False}, "Cafe\u0301 ﬁ", "café fi"),
        ({"style": "albert", "unicode_form": "none", "strip_accents": False, "lowercase": False}, "É ﬁ", "É ﬁ"),
        ({"style": "gpt2", "lowercase": True}, "Café", "café"),
    ],
)
def test_normalizer(options: dict[str, Any], text: str, result: str, tmp_path: Path) -> None:
    assert normal(opened(tmp_path, **options).backend_tokenizer, text) == result


def test_what_a_class_cannot_rebuild_is_saved_as_the_general_one(tmp_path: Path) -> None:
    kinds = {
        name: type(opened(tmp_path / name, **options)).__name__
        for name, options in {
            "cased": {"style": "bert", "lowercase": False},
            "accents": {"style": "bert", "strip_accents": False},
            "form": {"style": "bert", "unicode_form": "nfkc"},
            "template": {"style": "bert", "single_template": "$A [SEP]"},
            "lower": {"style": "roberta", "lowercase": True},
            "extra": {"style": "roberta", "special_token": ["<e>"]},
        }.items()
    }
    general = saving.GENERAL.replace("PreTrainedTokenizerFast", "TokenizersBackend")  # its name in transformers 5
    assert kinds == {
        "cased": "BertTokenizer",
        "accents": "BertTokenizer",
        "form": general,
        "template": general,
        "lower": general,
        "extra": "RobertaTokenizer",
    }


def test_sizes(tmp_path: Path) -> None:
    _, small = trained("bert", vocab_size=200)
    assert small.get_vocab_size() == 200
    _, frequent = trained("bert", min_frequency=50)
    _, all_pairs = trained("bert", min_frequency=1)
    assert frequent.get_vocab_size() < all_pairs.get_vocab_size()
    _, few = trained("bert", "bpe", limit_alphabet=10)
    assert len({c for token in few.get_vocab() for c in token if token not in STYLES["bert"].first} - {"#"}) <= 10
    assert opened(tmp_path, "bert", model_max_length=77).model_max_length == 77


def test_extra_special_tokens(tmp_path: Path) -> None:
    tokenizer = opened(tmp_path, "roberta", special_token=["<drug>", "<dose>"])
    assert tokenizer.convert_tokens_to_ids(["<unk>", "<drug>", "<dose>"]) == [3, 4, 5]
    assert tokenizer.mask_token_id == len(tokenizer) - 1
    ids = tokenizer("good<drug>film <dose>")["input_ids"]
    assert ids.count(4) == ids.count(5) == 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == "goodfilm "


@pytest.mark.parametrize(
    ("options", "single", "pair"),
    [
        (
            {"style": "bert", "single_template": "$A [SEP] [CLS]", "pair_template": "$B:1 [SEP] $A"},
            "good [SEP] [CLS]",
            "film [SEP] good",
        ),
        (
            {"style": "roberta", "special_token": ["<q>"], "single_template": "<q> $A"},
            "<q> good",
            "<s> good </s> </s> film </s>",
        ),
        ({"style": "albert", "single_template": "$A"}, "good", "[CLS] good [SEP] film [SEP]"),
        ({"style": "gpt2", "single_template": "$A <|endoftext|>"}, "good <|endoftext|>", "good film"),
    ],
)
def test_templates(options: dict[str, Any], single: str, pair: str, tmp_path: Path) -> None:
    tokenizer = opened(tmp_path, **options)

    def expected(template: str) -> list[int]:
        words = {word: tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("good", "film")}
        return [i for item in template.split() for i in words.get(item) or [tokenizer.convert_tokens_to_ids(item)]]

    assert tokenizer("good")["input_ids"] == expected(single)
    encoded = tokenizer("good", "film")
    assert encoded["input_ids"] == expected(pair)
    if options["style"] == "bert":
        assert encoded["token_type_ids"] == [int(i < len(expected("film"))) for i in range(len(expected(pair)))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style": "gpt2", "kind": "wordpiece"}, "GPT-2 has no unknown token"),
        ({"kind": "byte-bpe", "limit_alphabet": 9}, "its alphabet is the 256 bytes"),
        ({"kind": "unigram", "limit_alphabet": 9}, "--limit-alphabet with --kind unigram"),
        ({"kind": "unigram", "min_frequency": 9}, "chosen by likelihood"),
        ({"kind": "byte-bpe", "vocab_size": 260}, "256 bytes and 5 special tokens"),
        ({"kind": "wordpiece", "vocab_size": 5}, "5 special tokens already"),
        ({"special_token": ["[CLS]"]}, "it is there already"),
        ({"special_token": ["a", "a"]}, "it is there already"),
        ({"special_token": [" "]}, "blank"),
        ({"single_template": "[CLS] [SEP]"}, "it must have \\$A once"),
        ({"single_template": "$A $B"}, "it must have \\$A once"),
        ({"pair_template": "$A [SEP]"}, "it must have \\$A and \\$B once"),
        ({"single_template": "[CLS]$A"}, "neither \\$A nor \\$B nor a special token"),
        ({"single_template": "$A:2"}, "neither \\$A nor \\$B nor a special token"),
        ({"single_template": "<s> $A"}, "neither \\$A nor \\$B nor a special token"),
    ],
)
def test_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Pipeline.of(PipelineOptions(**options))


def test_vocabulary_smaller_than_the_alphabet_of_unigram() -> None:
    from nlpkit.tokenization.training import explained

    with pytest.raises(Exception, match="not large enough") as caught:
        trained("albert", vocab_size=20)
    assert "--vocab-size" in str(explained(caught.value))


@pytest.mark.parametrize(("style", "kind"), NATIVE + OTHERS)
def test_joined_lines_are_cut_into_the_words_of_each(style: str, kind: str) -> None:
    """What training relies on where it hands over several lines as one text; bytes keep the line ends."""
    pipeline = Pipeline.of(PipelineOptions(style=style, kind=kind))
    backend = pipeline.untrained()

    def words(text: str) -> list[str]:
        return [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal(backend, text))]

    lines = [line for text in CORNERS for line in text.split("\n")] + ["  indented ``quoted''  ", "next"]
    same = words("\n".join(lines)) == [word for line in lines for word in words(line)]
    assert same == pipeline.line_ends_are_blanks == (kind != "byte-bpe")
