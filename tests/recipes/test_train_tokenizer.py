"""`nlpkit train-tokenizer`, from the command to the folder."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Drawing, make_model, nlpkit_command, rows
from hearing import Heard
from tokenizers_trained import opened
from transformers import AutoModel, AutoTokenizer

from nlpkit.errors import UserError
from nlpkit.recipes import train_tokenizer
from nlpkit.recipes.train_tokenizer import Config
from nlpkit.tokenization import saving

LINES = [row["text"] for row in rows(400)]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(LINES))
    return path


def run(corpus: Path, output: Path, **options: Any) -> dict[str, Any]:
    train_tokenizer.run(Config(**{"data": str(corpus), "output": output, "vocab_size": 150, **options}))
    return json.loads((output / "nlpkit.json").read_text())


def test_folder(corpus: Path, tmp_path: Path, heard: Heard, drawing: Drawing) -> None:
    with drawing():
        record = run(corpus, tmp_path / "out", style="bert", compare=[str(make_model(tmp_path / "other"))])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "nlpkit.json",
        "plots",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert (tmp_path / "out" / "plots" / "tokens_per_word.png").read_bytes()[:4] == b"\x89PNG"
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert record["status"] == "complete"
    assert record["tokenizer"]["class"] == type(tokenizer).__name__ == "BertTokenizer"
    assert record["tokenizer"]["vocab_size"] == len(tokenizer) <= 150
    assert record["texts"] == 400
    assert record["parents"]["data"]["files"][0]["bytes"] == corpus.stat().st_size
    assert [one["tokenizer"] for one in record["compared"]] == ["out", "other"]
    assert record["metrics"]["validation"]["tokens_per_word"] == record["compared"][0]["tokens_per_word"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"| out | {len(tokenizer)} | {record['compared'][0]['tokens_per_word']:.4f} |" in card
    assert "| other | " in card
    assert heard.plans[0]["tokenizer"] == "wordpiece, bert style, 150 tokens"
    assert heard.notes[-1].startswith("400 texts read")


def test_folders_of_one_name_are_told_apart(corpus: Path, tmp_path: Path) -> None:
    others = [str(make_model(tmp_path / place / "out")) for place in ("a", "b")]
    record = run(corpus, tmp_path / "out", compare=[*others, others[0]])
    assert [one["tokenizer"] for one in record["compared"]] == [str(tmp_path / "out"), *others, others[0]]


def test_what_is_held_out_is_not_trained_on(tmp_path: Path) -> None:
    """Each line is a word of its own letter, so that a letter is missing where its line was held out."""
    letters = [chr(c) for c in range(0x4E00, 0x4E00 + 200)]
    (tmp_path / "corpus.txt").write_text("\n".join(letters))
    record = run(tmp_path / "corpus.txt", tmp_path / "out", validation_share=0.1, vocab_size=1_000, min_frequency=1)
    vocabulary = AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab()
    missing = [letter for letter in letters if letter not in vocabulary]
    assert 10 <= len(missing) <= 30
    assert record["compared"][0]["words"] == record["compared"][0]["unknown"] == len(missing)
    assert record["metrics"]["validation"]["unknown_share"] == 1.0
    assert record["metrics"]["validation"]["whole_word_share"] == 0.0


def test_validation_file_leaves_all_of_the_corpus_to_training(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "held.txt").write_text("good film\nzzz")
    (tmp_path / "more.csv").write_text("text\nlovely soup\n")
    files = [str(tmp_path / "held.txt"), str(tmp_path / "more.csv")]
    record = run(corpus, tmp_path / "out", validation_file=files)
    assert record["compared"][0]["words"] == 5
    assert [Path(file["path"]).name for file in record["parents"]["validation"]["files"]] == ["held.txt", "more.csv"]


def test_nothing_held_out_is_said(corpus: Path, tmp_path: Path, heard: Heard) -> None:
    record = run(corpus, tmp_path / "out", validation_share=0)
    assert list(record["metrics"]) == ["train"]
    assert "nothing is held out" in heard.notes[0]
    (tmp_path / "one.txt").write_text("a single text")
    assert list(run(tmp_path / "one.txt", tmp_path / "one")["metrics"]) == ["train"]
    assert any(warning.startswith("the corpus is one text") for warning in heard.warnings)


@pytest.mark.parametrize(("kind", "why"), [("byte-bpe", "--min-frequency"), ("unigram", "no more pieces")])
def test_a_corpus_too_small_is_said(kind: str, why: str, corpus: Path, tmp_path: Path, heard: Heard) -> None:
    record = run(corpus, tmp_path / "out", kind=kind, vocab_size=5_000)
    size = record["tokenizer"]["vocab_size"]
    assert size < 5_000
    assert heard.warnings[0].startswith(f"the corpus is too small for 5,000 tokens: {size:,} were learned")
    assert why in heard.warnings[0]
    assert heard.warnings[0] in (tmp_path / "out" / "README.md").read_text()


def test_more_characters_than_the_size_asked_for_is_said(tmp_path: Path, heard: Heard) -> None:
    (tmp_path / "corpus.txt").write_text("".join(chr(0x4E00 + n) + "\n" for n in range(200)))
    record = run(tmp_path / "corpus.txt", tmp_path / "out", vocab_size=50)
    assert record["tokenizer"]["vocab_size"] > 50
    assert "--limit-alphabet" in heard.warnings[0]


def test_output_is_refused_unless_overwritten(corpus: Path, tmp_path: Path) -> None:
    run(corpus, tmp_path / "out")
    before = (tmp_path / "out" / "tokenizer.json").read_bytes()
    with pytest.raises(UserError, match="holds a finished run"):
        run(corpus, tmp_path / "out", vocab_size=120)
    assert (tmp_path / "out" / "tokenizer.json").read_bytes() == before
    run(corpus, tmp_path / "out", vocab_size=120, overwrite=True)
    assert (tmp_path / "out" / "tokenizer.json").read_bytes() != before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(UserError, match="left alone"):
        run(corpus, tmp_path / "mine", overwrite=True)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "nlpkit.json").write_text('{"schema_version": 1, "status": "running"}')
    with pytest.raises(UserError, match="holds an interrupted run") as caught:
        run(corpus, tmp_path / "cut")
    assert "--resume" not in str(caught.value)


def test_dry_run_writes_nothing(corpus: Path, tmp_path: Path, heard: Heard) -> None:
    report = train_tokenizer.run(Config(data=str(corpus), output=tmp_path / "out", dry_run=True))
    assert not (tmp_path / "out").exists()
    assert report.record["dry_run"] and heard.plans[0]["output"] == str(tmp_path / "out")


def test_a_run_can_be_repeated(corpus: Path, tmp_path: Path) -> None:
    run(corpus, tmp_path / "first", kind="byte-bpe", vocab_size=300, special_token=["[X]"])
    again = Config.from_sources({"output": tmp_path / "second"}, tmp_path / "first" / "nlpkit.json", "train-tokenizer")
    train_tokenizer.run(again)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "first" / name).read_text() == (tmp_path / "second" / name).read_text()


@pytest.mark.parametrize("style", ["bert", "roberta", "albert", "gpt2"])
def test_like(style: str, corpus: Path, tmp_path: Path) -> None:
    old = opened(tmp_path / "old", style, lowercase=style != "bert", special_token=["<x>"], model_max_length=99)
    options: dict[str, Any] = {"like": str(tmp_path / "old"), "vocab_size": 300, "special_token": ["<y>"]}
    record = run(corpus, tmp_path / "new", **options)
    new = AutoTokenizer.from_pretrained(tmp_path / "new")
    assert type(new) is type(old)
    before, after = (saving.pipeline_of(one.backend_tokenizer) for one in (old, new))
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        assert after[part] == before[part]
    assert new.special_tokens_map == old.special_tokens_map
    assert new.model_max_length == 99
    assert len(new) == record["tokenizer"]["vocab_size"] <= 300
    assert set(new.get_vocab()) != set(old.get_vocab())
    ids = new("<x> good <y>", "film")["input_ids"]
    assert new.decode(ids, skip_special_tokens=True).split() == ["good", "film"] or style == "gpt2"
    assert {new.convert_tokens_to_ids("<x>"), new.convert_tokens_to_ids("<y>")} <= set(ids)
    assert record["parents"]["model"] == {"name": "old", "given": str(tmp_path / "old")}
    assert [one["tokenizer"] for one in record["compared"]] == ["new", "old"]


def test_like_has_the_size_of_the_old_one_and_reads_what_its_trainer_has(corpus: Path, tmp_path: Path) -> None:
    opened(tmp_path / "old", "bert", vocab_size=105, texts=LINES)
    like = str(tmp_path / "old")

    def size(name: str, **options: Any) -> int:
        return run(corpus, tmp_path / name, like=like, **options)["tokenizer"]["vocab_size"]

    assert size("a", vocab_size=None) == 105
    assert size("b", vocab_size=1_000, min_frequency=60) < size("c", vocab_size=1_000)
    assert size("d", vocab_size=1_000, limit_alphabet=5) < size("e", vocab_size=1_000)


@pytest.mark.parametrize(
    ("style", "options", "message"),
    [
        ("albert", {"min_frequency": 3}, "--min-frequency: .* is a unigram model, which has none"),
        ("albert", {"limit_alphabet": 9}, "--limit-alphabet: .* is a unigram model, which has none"),
        ("roberta", {"limit_alphabet": 9}, "--limit-alphabet: .* is byte-level, which has none"),
        ("roberta", {"vocab_size": 260}, "256 bytes and 5 special tokens already"),
        ("bert", {"vocab_size": 5}, "5 special tokens already"),
        ("bert", {"special_token": [" "]}, "blank"),
        ("bert", {"special_token": ["[MASK]"]}, "there already"),
    ],
)
def test_like_refuses_what_its_trainer_does_not_have(
    style: str, options: dict[str, Any], message: str, corpus: Path, tmp_path: Path, heard: Heard
) -> None:
    opened(tmp_path / "old", style)
    with pytest.raises(UserError, match=message):
        run(corpus, tmp_path / "new", like=str(tmp_path / "old"), **{"vocab_size": None, "dry_run": True, **options})
    assert heard.plans == []


def test_extend_with_its_model(tmp_path: Path, heard: Heard) -> None:
    model = make_model(tmp_path / "model")
    (tmp_path / "notes.txt").write_text("the metformin\na xarelto\nno metformin today\nmetformin film\n" * 20)
    arguments: dict[str, Any] = {"extend": str(model), "add": 2, "resize_model": True, "vocab_size": None}
    record = run(tmp_path / "notes.txt", tmp_path / "out", **arguments)
    assert [word["word"] for word in record["tokenizer"]["added"]] == ["metformin", "xarelto"]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert "metformin" in tokenizer.tokenize("Metformin daily")
    opened_model = AutoModel.from_pretrained(tmp_path / "out")
    assert opened_model.get_input_embeddings().num_embeddings == len(tokenizer)
    assert opened_model(**tokenizer("metformin", return_tensors="pt")).last_hidden_state.shape[1] == 3
    measured = {one["tokenizer"]: one["tokens_per_word"] for one in record["compared"]}
    assert measured["out"] < measured["model"]

    few = run(tmp_path / "notes.txt", tmp_path / "few", **(arguments | {"add": 50, "resize_model": False}))
    assert len(few["tokenizer"]["added"]) < 50
    assert "words fewer than asked for" in heard.warnings[-1]
    assert not list((tmp_path / "few").glob("*.safetensors"))
    with pytest.raises(UserError, match="keeps every word whole"):
        run(tmp_path / "notes.txt", tmp_path / "none", **(arguments | {"min_frequency": 1_000}))


def test_extend_with_pieces_that_leave_a_text_as_it_is(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    (tmp_path / "new.txt").write_text("der hund schläft\nder hund\nein hund xab\n" * 20)
    (tmp_path / "old.txt").write_text("the film\na good film\nxac\n" * 20)
    arguments: dict[str, Any] = {"extend": str(model), "add": 6, "add_as": "pieces", "vocab_size": None}
    record = run(
        tmp_path / "new.txt", tmp_path / "out", keep=[str(tmp_path / "old.txt")], resize_model=True, **arguments
    )
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.tokenize("der Hund") == ["der", "hund"]
    old = AutoTokenizer.from_pretrained(model)
    assert tokenizer.tokenize("xac") == old.tokenize("xac")
    assert record["notes"][-1].startswith("0 of 4 texts of --keep")
    assert {"der", "hund"} <= {one["word"] for one in record["tokenizer"]["added"]}
    opened_model = AutoModel.from_pretrained(tmp_path / "out")
    assert (
        opened_model.get_input_embeddings().num_embeddings
        == len(tokenizer)
        == len(AutoTokenizer.from_pretrained(model)) + 6
    )
    other = run(tmp_path / "new.txt", tmp_path / "unseen", **arguments)
    assert "was not looked at" in other["notes"][0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": ["old.txt"]}, "--keep is for --add-as pieces"),
        ({"extend": "old", "add": 1, "keep": ["old.txt"]}, "--keep is for --add-as pieces"),
        ({"like": "old", "extend": "old", "add": 1}, "--like and --extend"),
        ({"extend": "old"}, "--extend needs --add N"),
        ({"add": 3}, "--add is for --extend"),
        ({"resize_model": True}, "--resize-model is for --extend"),
        ({"like": "old", "style": "bert"}, "--style with --like"),
        ({"like": "old", "lowercase": False}, "--lowercase with --like"),
        ({"like": "old", "single_template": "$A"}, "--single-template with --like"),
        ({"extend": "old", "add": 1, "special_token": ["x"]}, "--special-token with --extend"),
        ({"like": "./nowhere"}, "--like ./nowhere: there is no such folder"),
        ({"like": "."}, "has no tokenizer .*\\n*Name one with --like"),
        ({"compare": ["./nowhere"]}, "--compare ./nowhere: there is no such folder"),
        ({"compare": ["nobody/nothing"]}, "the network is off"),
        ({"data": "nowhere.txt"}, "nowhere.txt: no such file"),
        ({"validation_file": ["nowhere.txt"]}, "nowhere.txt: no such file"),
        ({"validation_share": 1.0}, "--validation-share 1.0"),
        ({"validation_share": 0.2, "validation_file": ["empty.txt"]}, "--validation-share with --validation-file"),
        ({"validation_file": ["empty.txt"]}, "empty.txt: there is no text in it"),
        ({"data": "-", "validation_file": ["-"]}, "standard input can be read only once"),
    ],
)
def test_refused_before_anything_is_learned(
    options: dict[str, Any], message: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").touch()
    with pytest.raises(UserError, match=message):
        run(corpus, tmp_path / "out", **({"vocab_size": None} | options))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_command_reads_several_sources_and_standard_input(corpus: Path, tmp_path: Path, nlpkit: Any) -> None:
    (tmp_path / "more.csv").write_text("id,body\n1,lovely soup\n2,rude clerk\n")
    arguments = ["--data", corpus, "--data", "more.csv", "--data", "-", "--text-column", "body", "--vocab-size", 150]
    done = nlpkit("train-tokenizer", *arguments, "--json", stdin="bright room\n\nwarm soup\n")
    record = json.loads(done.stdout)
    assert record["texts"] == 404
    assert record["output"] == "runs/corpus-wordpiece"
    assert [file["path"] for file in record["parents"]["data"]["files"]] == [str(corpus), "more.csv", "-"]
    assert "404 texts read" in done.stderr
    nlpkit("train-tokenizer", "--data", corpus, "--kind", "wordpice", code=2)
    nlpkit("train-tokenizer", "--data", "bad.txt", code=2)
    (tmp_path / "bad.txt").write_bytes(b"good\n\xff\n")
    done = nlpkit("train-tokenizer", "--data", "bad.txt", "--output", "bad", code=2)
    assert "bad.txt line 2: byte 0xff" in done.stderr
    assert not (tmp_path / "bad").exists()


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["reading", "learning"])
def test_ctrl_c_ends_promptly_and_leaves_nothing(phase: str, tmp_path: Path) -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(4, 12))) for _ in range(150_000)]
    text = "\n".join(" ".join(words[i : i + 10]) for i in range(0, len(words), 10))
    arguments = ["--data", "-", "--kind", "unigram", "--output", tmp_path / "out"]
    process = subprocess.Popen(
        nlpkit_command("train-tokenizer", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.write(text)
    if phase == "learning":
        process.stdin.close()
    else:
        process.stdin.flush()
    sign = "output" if phase == "reading" else "now the pieces are learned"
    while sign not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert process.stderr.read() == "nlpkit: interrupted\n"
    assert not (tmp_path / "out").exists()


READ = {
    path: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
}
# The one that extends a tokenizer is run in test_distill_parallel.py, with the student that takes it.
RECIPES = {
    path.stem: path
    for path, options in READ.items()
    if options["command"] == train_tokenizer.COMMAND
    and "extend" not in options
    and not options["data"].startswith("sample:")
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipe(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each one runs, on lines that stand for its text."""
    import datasets

    class Streamed:
        column_names = ("text", "label")

        def iter(self, batch_size: int) -> Iterator[dict[str, list[Any]]]:
            yield {"text": LINES, "label": [0] * len(LINES)}

    def load_dataset(*arguments: Any, **named: Any) -> Streamed:
        assert arguments == ("stanfordnlp/imdb", None) and named["split"] == "train"
        return Streamed()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.chdir(tmp_path)
    for book in ("shakespeare-caesar", "shakespeare-hamlet", "austen-emma"):
        (tmp_path / f"{book}.txt").write_text("\n".join(LINES), encoding="utf-8")
    config = Config.from_sources({"output": tmp_path / "out"}, RECIPES[name], train_tokenizer.COMMAND)
    record = train_tokenizer.run(config).record
    assert record["texts"] == (2 if "shakespeare" in name else 1) * len(LINES)
    expected = {
        "tokenizer-emma": ("RobertaTokenizer", "byte-bpe", 50_000),
        "tokenizer-film-reviews": ("BertTokenizer", "wordpiece", 30_522),
        "tokenizer-shakespeare-bpe": ("TokenizersBackend", "bpe", 5_000),
        "tokenizer-shakespeare-byte-bpe": ("RobertaTokenizer", "byte-bpe", 5_000),
        "tokenizer-shakespeare-wordpiece": ("BertTokenizer", "wordpiece", 5_000),
    }
    about = record["tokenizer"]
    assert (about["class"], about["kind"], about["vocab_size_asked"]) == expected[name]
