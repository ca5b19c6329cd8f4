"""What probes find in a model is compared with what words say by themselves, and nothing is left out unsaid."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpkit.errors import UserError
from nlpkit.probing import mixing, probes
from nlpkit.probing.material import Examples, Part, open_material
from nlpkit.probing.options import ProbeOptions
from nlpkit.probing.properties import Property
from nlpkit.probing.states import States
from nlpkit.recipes import probe
from nlpkit.runs.folder import read_record

NOUNS, VERBS = ("film", "plot", "cast"), ("is", "was")


def conll_u(path: Path, sentences: int, seed: int) -> Path:
    """Sentences "the NOUN VERB", whose verb is the root; of every fourth the verb has no tense."""
    drawn, lines = random.Random(seed), []
    for number in range(sentences):
        noun, verb = drawn.choice(NOUNS), drawn.choice(VERBS)
        tense = "_" if number % 4 == 0 else f"Mood=Ind|Tense={'Past' if verb == 'was' else 'Pres'}"
        lines += [
            f"# sent_id = {number}",
            "1\tthe\tthe\tDET\tDT\t_\t2\tdet\t_\t_",
            f"2\t{noun}\t{noun}\tNOUN\tNN\tNumber=Sing\t3\tnsubj\t_\t_",
            f"3\t{verb}\tbe\tVERB\tVB\t{tense}\t0\troot\t_\t_",
            "",
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("ud")
    return {
        "train_file": [str(conll_u(folder / "train.conllu", 40, 1))],
        "validation_file": [str(conll_u(folder / "dev.conllu", 40, 2))],
    }


@pytest.mark.slow
def test_what_words_have_is_found_in_every_layer(tiny_model: Path, data: dict[str, Any], tmp_path: Path) -> None:
    output = tmp_path / "run"
    report = probe.run(
        probe.Config(model=str(tiny_model), **data, label=["upos", "Tense", "dependency", "root-tense"], output=output)
    )
    properties = report.record["properties"]
    for name, classes, used in (("upos", 3, 120), ("Tense", 2, 30), ("dependency", 2, 80), ("root-tense", 2, 30)):
        found = properties[name]
        assert (len(found["classes"]), found["train"], found["validation"]) == (classes, used, used)
        assert [one["layer"] for one in found["layers"]] == [0, 1, 2]
        assert found["layers"][0]["accuracy"] == found["layers"][2]["accuracy"] == 1
        assert found["word_alone"]["accuracy"] == 1
        assert sum(found["mix"]["weights"]) == pytest.approx(1, abs=1e-4)
    assert properties["Tense"]["left_out"]["train"] == {"words without the feature Tense": 90}
    assert properties["dependency"]["left_out"]["validation"] == {"roots, which have no head": 40}
    assert properties["upos"]["majority"]["accuracy"] == pytest.approx(1 / 3, abs=1e-5)
    control = properties["upos"]["layers"][0]
    assert control["selectivity"] == pytest.approx(1 - control["control"]["accuracy"], abs=1e-5)
    assert properties["root-tense"]["layers"][0]["control"] is None
    assert json.loads((output / "probes.json").read_text())["properties"] == properties
    record = read_record(output)
    assert record is not None and record["rows"] == {"train": 40, "validation": 40}
    assert record["metrics"]["validation"]["upos_accuracy"] == 1
    assert {path.name for path in output.iterdir()} == {"README.md", "nlpkit.json", "plots", "probes.json"}


def task(gold: list[list[int]], kinds: list[list[str]]) -> probes.Task:
    rows = tuple(np.arange(len(side))[:, None] for side in gold)
    of_words = tuple([(kind,) for kind in side] for side in kinds)
    return probes.Task(
        "x", "words", ["a", "b"], (rows[0], rows[1]), (np.array(gold[0]), np.array(gold[1])),
        (rows[0][:, 0], rows[1][:, 0]), (of_words[0], of_words[1]), ({}, {}), 0,
    )  # fmt: skip


def test_the_word_alone_answers_its_most_frequent_label_and_that_of_all_for_new_words() -> None:
    seen = task([[0, 0, 1, 1, 1], [0, 0, 0, 1]], [["x", "x", "x", "y", "y"], ["x", "x", "y", "new"]])
    assert probes.by_word(seen).accuracy == 0.75
    assert probes.majority(seen).accuracy == 0.25
    assert probes.known_share(seen) == 0.75


def test_a_control_task_gives_each_word_one_label_as_often_as_the_property_has_it() -> None:
    kinds = [str(number) for number in range(2000)]
    made = task([[0] * 1500 + [1] * 500, [0] * 2000], [kinds, kinds[::-1]])
    train, validation = probes.control(made, seed=3)
    assert train.tolist() == validation[::-1].tolist()
    assert np.bincount(train)[1] / 2000 == pytest.approx(0.25, abs=0.03)
    assert (train[:1500] == 1).any() and (train[1500:] == 0).any()


@pytest.mark.slow
def test_a_mix_weighs_the_layer_that_tells() -> None:
    drawn = np.random.default_rng(0)
    gold = drawn.integers(0, 2, 600)
    values = drawn.normal(size=(3, 600, 8)).astype(np.float32)
    values[2, :, 0] += 4 * gold
    none = np.zeros(600, bool)
    states = States((0, 1, 2), values, None, np.arange(601), none, none, none)
    found = mixing.mixed(task([gold.tolist()] * 2, [["x"] * 600] * 2), (states, states), seed=0)
    assert found.weights.argmax() == 2 and found.center > 1.5
    assert found.figures.accuracy > 0.95


def test_words_that_are_not_read_are_counted_and_left_out() -> None:
    part = Part([], ["a", "b"] * 20, np.arange(40), {}, 40, 40, {})
    part.examples["x"] = Examples(np.arange(40)[:, None], np.array(["u", "v"] * 20, dtype=object))
    cut, silent = np.arange(40) < 3, np.arange(40) == 5
    states = States((0,), np.zeros((1, 40, 2), np.float32), None, np.arange(41), cut, silent, np.zeros(40, bool))
    made = probes.task_of(Property("x", "words", "", (), lambda _: iter(())), (part, part), (states, states))
    assert len(made.gold[0]) == 36
    assert made.left_out[0] == {
        "words beyond what the model reads": 3,
        "words that have no token of their own": 1,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": "0,3"}, r"--layers 3: .* has the layers 1 to 2"),
        ({"label": ["upso"]}, "nothing in train has such a label"),
        ({"label": ["VerbForm"]}, "nothing in train has such a label .120 words without the feature VerbForm"),
        ({"label": ["Mood"]}, "all 30 labels of train are 'Ind'"),
        ({"label": ["head"]}, "the head of a word is no class"),
        ({"label": ["upos"], "pooling": "cls"}, "--pooling says what stands for a sentence, and upos is of words"),
        ({"label": ["coreference"]}, "read off the columns of GAP"),
    ],
)
def test_what_is_not_there_is_refused(
    tiny_model: Path, data: dict[str, Any], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        probe.run(probe.Config(model=str(tiny_model), **data, output=tmp_path / "run", **options))
    assert not (tmp_path / "run").exists()


def test_pronouns_and_names_of_gap_are_spans_that_stand_where_they_say(tmp_path: Path) -> None:
    head = "ID\tText\tPronoun\tPronoun-offset\tA\tA-offset\tA-coref\tB\tB-offset\tB-coref\tURL"
    rows = [f"{i}\tAnn met Eve. She left.\tShe\t13\tAnn\t0\tTRUE\tEve\t8\tFALSE\tu" for i in range(9)]
    rows.append("9\tAnn met Eve. She left.\tShe\t12\tAnn\t0\tTRUE\tEve\t8\tFALSE\tu")
    rows.append("10\tAnn met Eve. She left.\tShe\tx\tAnn\t0\tTRUE\tEve\t8\tFALSE\tu")
    (tmp_path / "gap.tsv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    file = [str(tmp_path / "gap.tsv")]
    made = open_material(ProbeOptions(model="m", train_file=file, validation_file=file))
    assert made.train.forms[:3] == ["Ann", "Eve", "She"]
    pairs = made.train.examples["coreference"]
    assert pairs.rows[:2].tolist() == [[0, 2], [1, 2]] and pairs.labels[:2].tolist() == ["same", "other"]
    assert {why: [place.split()[-1] for place in where] for why, where in made.train.unread.items()} == {
        "Pronoun does not stand where Pronoun-offset says": ["11"],
        "Pronoun-offset is no number": ["12"],
    }
