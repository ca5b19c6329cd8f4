"""Every file in recipes/ validates and has its target and its row; those that fine-tune build their Trainer.

The rows are stand-ins of each data set's schema. Pre-training recipes are run in test_pretraining.py.
"""

from __future__ import annotations

import csv
import importlib
import json
import os
import random
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import every_task
import pytest
import yaml
from conftest import RunOf, make_model, sentence, write_jsonl
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from qa_models import asked, make_reader

from nlpkit.cli.registry import COMMANDS
from nlpkit.models import opening
from nlpkit.options import SettledOptions
from nlpkit.recipes import finetune_cls, finetune_embed, finetune_ner, finetune_qa, finetune_seq2seq, predict
from nlpkit.training import defaults

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
COMMAND_OF = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))["command"] for path in RECIPES}
NAMES = list(COMMAND_OF)
CLASSIFIERS = [name for name, command in COMMAND_OF.items() if command == finetune_cls.COMMAND]
TAGGERS = [name for name, command in COMMAND_OF.items() if command == finetune_ner.COMMAND]
EMBEDDERS = [name for name, command in COMMAND_OF.items() if command == finetune_embed.COMMAND]
TRANSLATORS = [name for name, command in COMMAND_OF.items() if command == finetune_seq2seq.COMMAND]
READERS = [name for name, command in COMMAND_OF.items() if command == finetune_qa.COMMAND]

TWO_WAY = ["not_entailment", "entailment"]
NLI = ["entailment", "neutral", "contradiction"]


@dataclass(frozen=True)
class Hub:
    """A data set as the hub has it.

    Attributes:
        request: name, configuration and revision that must be asked for.
        texts: its text columns.
        label: its label column.
        classes: of the label, None for a float from 0 to 5.
        splits: name -> rows of the stand-in; a negative number of rows means that they carry the label -1.
        by_class: whether the rows are sorted by label.
    """

    request: tuple[str, str | None, str | None]
    texts: tuple[str, ...]
    label: str
    classes: list[str] | None
    splits: dict[str, int]
    by_class: bool = False

    def load(self) -> DatasetDict:
        types: Any = {name: Value("string") for name in self.texts}
        types[self.label] = ClassLabel(names=self.classes) if self.classes else Value("float32")
        return DatasetDict(
            {
                name: Dataset.from_dict(self._columns(name, count), features=Features(types | {"idx": Value("int32")}))
                for name, count in self.splits.items()
            }
        )

    def _columns(self, split: str, count: int) -> dict[str, list[Any]]:
        rng = random.Random(f"{self.request} {split}")
        rows = abs(count)
        labels: list[Any]
        if count < 0:
            labels = [-1] * rows
        elif self.classes is None:
            labels = [round(rng.uniform(0, 5), 2) for _ in range(rows)]
        else:
            labels = [i % len(self.classes) for i in range(rows)]
            # ten times as many of the first class as of the last
            if self.classes == ["ham", "spam"]:
                labels = [int(i % 11 == 0) for i in range(rows)]
        if self.by_class:
            labels.sort()
        texts = {name: [sentence(rng, "positive", 12) for _ in range(rows)] for name in self.texts}
        return {**texts, self.label: labels, "idx": list(range(rows))}


def glue(task: str, texts: tuple[str, ...], classes: list[str] | None, validation: str = "validation") -> Hub:
    """One GLUE task: no public test labels; MNLI has two validation and two test splits."""
    kinds = ["_matched", "_mismatched"] if validation != "validation" else [""]
    held_out = {
        f"{split}{kind}": 40 if split == "validation" else -20 for split in ("validation", "test") for kind in kinds
    }
    return Hub(("glue", task, None), texts, "label", classes, {"train": 120, **held_out})


IMDB = Hub(
    ("stanfordnlp/imdb", None, None), ("text",), "label", ["neg", "pos"],
    {"train": 4000, "test": 2000, "unsupervised": -50}, by_class=True,
)  # fmt: skip
TTC4900 = Hub(
    ("savasy/ttc4900", None, None), ("text",), "category",
    ["siyaset", "dunya", "ekonomi", "kultur", "saglik", "spor", "teknoloji"], {"train": 140}, by_class=True,
)  # fmt: skip
TREC = Hub(
    ("CogComp/trec", None, "refs/convert/parquet"), ("text",), "coarse_label",
    ["ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM"], {"train": 120, "test": 60},
)  # fmt: skip
SMS = Hub(("ucirvine/sms_spam", None, None), ("sms",), "label", ["ham", "spam"], {"train": 440})
FEW = {
    "few-shot-emotion": ("SetFit/emotion", ["anger", "fear", "joy", "love", "sadness", "surprise"]),
    "few-shot-reviews": ("SetFit/SentEval-CR", ["negative", "positive"]),
    "few-shot-sst5": ("SetFit/sst5", ["negative", "neutral", "positive", "very negative", "very positive"]),
    "few-shot-ag-news": ("SetFit/ag_news", ["Business", "Sci/Tech", "Sports", "World"]),
}
SST2 = glue("sst2", ("sentence",), ["negative", "positive"])
STSB = glue("stsb", ("sentence1", "sentence2"), None)


@dataclass(frozen=True)
class Tagged:
    """A data set of words and tags as the hub has it.

    Attributes:
        request: name, configuration and revision that must be asked for.
        tags: column -> its classes.
        splits: their names.
    """

    request: tuple[str, str | None, str | None]
    tags: dict[str, list[str]]
    splits: tuple[str, ...] = ("train", "validation", "test")

    def load(self) -> DatasetDict:
        types: Any = {name: List(ClassLabel(names=names)) for name, names in self.tags.items()}
        features = Features({"id": Value("string"), "tokens": List(Value("string")), **types})
        return DatasetDict({name: Dataset.from_dict(self._columns(name), features=features) for name in self.splits})

    def _columns(self, split: str) -> dict[str, list[Any]]:
        rng = random.Random(split)
        sentences = [sentence(rng, "positive", 12).split() for _ in range(60 if split == "train" else 20)]
        # every class occurs, O most, and no I- without its B-
        tags = {
            name: [[(i + k) % len(names) if (i + k) % 3 == 0 else 0 for k in range(len(words))]
                   for i, words in enumerate(sentences)]
            for name, names in self.tags.items()
        }  # fmt: skip
        return {"id": [str(i) for i in range(len(sentences))], "tokens": sentences, **tags}


@dataclass(frozen=True)
class Marked:
    """Texts with character spans as the hub has them: `entities` with name, span and type."""

    request: tuple[str, str | None, str | None]
    types: tuple[str, ...]

    def load(self) -> DatasetDict:
        rows = []
        for i in range(80):
            name, kind = "アップル", self.types[i % len(self.types)]
            text = f"第{i}回に{name}が選ばれた。"
            start = text.index(name)
            rows.append(
                {
                    "curid": str(i),
                    "text": text,
                    "entities": [{"name": name, "span": [start, start + len(name)], "type": kind}],
                }
            )
        return DatasetDict({"train": Dataset.from_list(rows)})


@dataclass(frozen=True)
class Triplets:
    """Texts, each with one that belongs to it and one that does not, as the hub has them."""

    request: tuple[str, str | None, str | None]

    def load(self) -> DatasetDict:
        rng = random.Random(0)
        return DatasetDict(
            {
                split: Dataset.from_dict(
                    {
                        name: [f"{sentence(rng, 'positive', 12)} {split} {i}" for i in range(rows)]
                        for name in ("anchor", "positive", "negative")
                    }
                )
                for split, rows in {"train": 300, "dev": 40, "test": 40}.items()
            }
        )


@dataclass(frozen=True)
class Asked:
    """SQuAD as the hub has it."""

    request: tuple[str, str | None, str | None]
    unanswerable: bool = False

    def load(self) -> DatasetDict:
        splits = {"train": 60, "validation": 24}
        return DatasetDict(
            {
                split: Dataset.from_list(asked(rows, unanswerable=self.unanswerable, seed=rows))
                for split, rows in splits.items()
            }
        )


@dataclass(frozen=True)
class Pairs:
    """Texts and what is to be written for them, as the hub or a file of the reader has them.

    Attributes:
        request: name, configuration and revision that must be asked of the hub; None: they are in a file.
        columns: in their order; those of `lists` hold several texts in a cell.
        splits: their names.
    """

    request: tuple[str, str | None, str | None] | None
    columns: tuple[str, ...]
    lists: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("train", "validation", "test")

    def load(self) -> DatasetDict:
        return DatasetDict({split: Dataset.from_list(self.rows(split)) for split in self.splits})

    def rows(self, split: str) -> list[dict[str, Any]]:
        rng = random.Random(split)

        def cell(name: str) -> Any:
            texts = [sentence(rng, "positive", 6) for _ in range(2)]
            return texts if name in self.lists else " ".join(texts)

        return [{name: cell(name) for name in self.columns} for _ in range(24 if split == "train" else 8)]

    def write(self, place: Path) -> None:
        """Rows where a recipe looks for them: a folder of jsonl, a csv, or a tsv without a header."""
        if not place.suffix:
            place.mkdir()
            for split in self.splits:
                write_jsonl(place / f"{split}.jsonl", self.rows(split))
            return
        with place.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, self.columns, delimiter="," if place.suffix == ".csv" else "\t")
            if place.suffix == ".csv":
                writer.writeheader()
            writer.writerows(self.rows("train"))


CONLL2003 = Tagged(
    ("eriktks/conll2003", None, "refs/convert/parquet"),
    {
        "pos_tags": ["NN", "VB", "DT", "."],
        "chunk_tags": ["O", "B-NP", "I-NP", "B-VP", "I-VP"],
        "ner_tags": ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"],
    },
)
WNUT17 = Tagged(
    ("leondz/wnut_17", None, "refs/convert/parquet"),
    {"ner_tags": ["O", "B-corporation", "I-corporation", "B-person", "I-person"]},
)
JAPANESE = Marked(("stockmark/ner-wikipedia-dataset", None, None), ("人名", "法人名", "地名", "製品名"))
SQUAD = Asked(("rajpurkar/squad", None, None))
MULTI30K = Pairs(("bentrevett/multi30k", None, None), ("en", "de"))
NEWS = Pairs(("abisee/cnn_dailymail", "3.0.0", None), ("article", "highlights", "id"))

HUB: dict[str, Hub | Tagged | Marked | Triplets | Asked | Pairs | None] = {
    "quickstart": None,  # its sample is in the package
    "rewrite-formal": None,
    "multi30k-translator": MULTI30K,
    "translate-t5-small": MULTI30K,
    "translate-mt5-small": Pairs(None, ("en", "tr", "source")),
    "translate-many": Pairs(None, ("prefix", "input_text", "target_text")),
    "summarize-bart": NEWS,
    "summarize-t5-small": NEWS,
    "summarize-papers": Pairs(None, ("source", "target"), ("source", "target"), ("train", "dev", "test")),
    "sst2": SST2,
    "imdb-distilbert": IMDB,
    "imdb-distilbert-subset": IMDB,
    "imdb-bert": IMDB,
    "turkish-news": TTC4900,
    "turkish-news-mbert": TTC4900,
    "turkish-news-xlmr": TTC4900,
    "stsb-distilbert": STSB,
    "trec": TREC,
    "sms-spam": SMS,
    **{
        name: Hub((place, None, None), ("text",), "label_text", labels, {"train": 240, "test": 40})
        for name, (place, labels) in FEW.items()
    },
    "glue-cola": glue("cola", ("sentence",), ["unacceptable", "acceptable"]),
    "glue-sst2": SST2,
    "glue-mrpc": glue("mrpc", ("sentence1", "sentence2"), ["not_equivalent", "equivalent"]),
    "glue-qqp": glue("qqp", ("question1", "question2"), ["not_duplicate", "duplicate"]),
    "glue-stsb": STSB,
    "glue-mnli": glue(
        "mnli", ("premise", "hypothesis"), NLI, "validation_matched"
    ),
    "glue-qnli": glue("qnli", ("question", "sentence"), TWO_WAY[::-1]),
    "glue-rte": glue("rte", ("sentence1", "sentence2"), TWO_WAY[::-1]),
    "glue-wnli": glue("wnli", ("sentence1", "sentence2"), TWO_WAY),
    "ner-conll2003": CONLL2003,
    "pos-conll2003": CONLL2003,
    "chunk-conll2003": CONLL2003,
    "ner-wnut17": WNUT17,
    "ner-japanese-bert": JAPANESE,
    "qa-squad": SQUAD,
    "qa-squad2": Asked(("rajpurkar/squad_v2", None, None), unanswerable=True),
    "qa-squad-longformer": SQUAD,
    "sts-minilm": Hub(
        ("sentence-transformers/stsb", None, None), ("sentence1", "sentence2"), "score", None,
        {"train": 120, "validation": 40, "test": 40},
    ),
    "nli-classifier-minilm": Hub(
        ("stanfordnlp/snli", None, None), ("premise", "hypothesis"), "label", NLI,
        {"train": 120, "validation": 40, "test": 40},
    ),
    "nli-minilm": Triplets(("sentence-transformers/all-nli", "triplet", None)),
}  # fmt: skip

IN_ONE_FILE = ("translate-mt5-small", "translate-many")  # whose validation is held out

# what is measured to pick the checkpoint, where it is not accuracy
MAIN_METRIC = {
    "glue-cola": "mcc", "glue-mrpc": "f1", "glue-qqp": "f1", "glue-stsb": "pearson", "stsb-distilbert": "pearson",
    "sms-spam": "f1_macro",
}  # fmt: skip


@pytest.fixture(scope="session")
def long_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT with room for the 512 tokens that recipes ask for."""
    folder = make_model(tmp_path_factory.mktemp("long") / "tiny-bert-512", max_position_embeddings=512)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": 512}))
    return folder


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, long_model: Path, tmp_path: Path) -> Any:
    """The config of a recipe whose data set and model are stand-ins."""

    def resolved(name: str, *, model: Path = long_model, **changes: Any) -> Any:
        assert name in HUB, f"recipes/{name}.yaml is new: describe its data set in HUB above, so that it is tested"
        hub = HUB[name]

        def load_dataset(path: str, config: str | None = None, revision: str | None = None) -> DatasetDict:
            assert hub is not None, f"{name} asks the hub for {path}"
            assert (path, config, revision) == hub.request
            return hub.load()

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        monkeypatch.setattr(opening, "resolve", lambda _: str(model))
        return load(name).changed(output=tmp_path / "run", device="cpu", **changes)

    return resolved


def load(name: str) -> Any:
    command = COMMAND_OF[name]
    config = importlib.import_module(COMMANDS[command].module).Config
    return config.from_sources({}, ROOT / "recipes" / f"{name}.yaml", command)


@pytest.mark.parametrize("name", NAMES)
def test_options_are_valid(name: str) -> None:
    """Every key is an option of its command, and every value within its bounds."""
    assert load(name).given


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_builds_its_trainer(name: str, tiny: Any) -> None:
    config = tiny(name)
    trainer = finetune_cls.build(config)
    hub, args = HUB[name], trainer.args
    if not config.few_shot:  # what a recipe leaves open
        config, _ = defaults.settle(config, trainer.model, len(trainer.train_dataset))

    assert (args.num_train_epochs, args.learning_rate) == (config.epochs, config.learning_rate)
    assert args.per_device_train_batch_size == config.batch_size
    assert args.metric_for_best_model == MAIN_METRIC.get(name, "accuracy")
    if not isinstance(hub, Hub):
        return
    # labels, columns and splits are those of the hub's data set
    assert list(trainer.model.config.id2label.values()) == (hub.classes or ["score"])
    assert trainer.model.config.problem_type == ("single_label_classification" if hub.classes else "regression")
    record = trainer.task.record()
    assert record["columns"]["label"] == hub.label
    assert [record["columns"]["text"], record["columns"]["text_pair"]] == [*hub.texts, None][:2]
    assert set(trainer.splits) <= {"train", "validation", "test", "validation_mismatched"}
    for split in trainer.splits.values():
        assert set(Counter(split.examples["label"][:])) != {-1}


@pytest.mark.slow
@pytest.mark.parametrize("name", EMBEDDERS)
def test_builds_the_trainer_of_an_embedder(name: str, tiny: Any) -> None:
    config = tiny(name)
    trainer = finetune_embed.build(config)
    hub = HUB[name]

    assert trainer.args.per_device_train_batch_size == config.batch_size
    assert set(trainer.splits) == {"train", "validation", "test"}
    if isinstance(hub, Hub):
        assert trainer.task.layout.columns == [*hub.texts, hub.label]
        assert trainer.args.metric_for_best_model == "spearman"
    else:
        assert trainer.task.layout.shape == "triplets"
        assert trainer.args.metric_for_best_model == "accuracy"


@pytest.fixture(scope="session")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny T5, which takes texts of any length."""
    folder = tmp_path_factory.mktemp("writer")
    (folder / "data").mkdir()
    return every_task.make_text_to_text(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSLATORS)
def test_builds_the_trainer_of_a_model_that_writes(
    name: str, tiny: Any, writer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the columns, the prefixes and the splits that the data set has, on the model that the file names or none."""
    given, hub = load(name), HUB[name]
    monkeypatch.chdir(tmp_path)
    if isinstance(hub, Pairs) and hub.request is None:
        hub.write(Path(given.data))
    config = tiny(name, model=writer)
    trainer = finetune_seq2seq.build(config)
    task = trainer.task

    assert (trainer.args.num_train_epochs, trainer.args.per_device_train_batch_size) == (
        config.epochs,
        config.batch_size,
    )
    assert set(trainer.splits) == ({"train", "validation"} if name in IN_ONE_FILE else {"train", "validation", "test"})
    assert (task.text, task.targets) == (given.text_column or "informal", tuple(given.target_columns or ["formal"]))
    assert task.measure == (given.measure or "translation")
    first = trainer.splits["train"].examples[0]
    if isinstance(hub, Pairs) and hub.lists:
        assert len(first["targets"]) == 2
    assert bool(task.prefix or first["prefix"]) == bool(given.prefix or given.prefix_column)
    assert (trainer.model.config.model_type == "bart") == (given.model is None)


def test_goes_on_with_each_text(run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "resolve", lambda *_: str(run_of("causal-lm")))
    config = load("write-book").changed(output=tmp_path / "written.jsonl", device="cpu", threads=1)
    answered = predict.run(config).record["answers"]
    assert [row["text"] for row in answered] == config.texts
    assert all(row["prediction"] for row in answered)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("masked-translation")])
def test_asks_about_each_text_with_its_hint(
    name: str, run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "resolve", lambda *_: str(run_of("masked-lm")))
    config = load(name).changed(output=tmp_path / "answers.jsonl", device="cpu", threads=1)
    answered = predict.run(config).record["answers"]
    pairs = list(zip(config.texts, config.task_values["hint"], strict=True))
    assert [(row["text"], row["hint"]) for row in answered] == pairs
    assert len({row["hint"] for row in answered}) == len(answered) == 2 * len({row["text"] for row in answered})
    assert all(row["prediction"] for row in answered)
    assert len((tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()) == len(answered)


@pytest.mark.parametrize("name", NAMES)
def test_makefile_runs_it(name: str) -> None:
    # a make around this one (`make test`) would have it announce its folder
    command = ["make", "--no-print-directory", "-n", f"recipe-{name}"]
    quiet = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=quiet)
    assert done.returncode == 0, done.stderr
    line = done.stdout.splitlines()[-1]
    assert f"--config recipes/{name}.yaml --output runs/{name}" in line
    # the shell finds the subcommand in the file
    command = subprocess.run(["sh", "-c", f"echo {line}"], cwd=ROOT, capture_output=True, text=True).stdout
    assert command.split()[:2] == [".venv/bin/nlpkit", COMMAND_OF[name]]


@pytest.mark.parametrize("name", NAMES)
def test_readme_lists_it(name: str) -> None:
    lines = (ROOT / "recipes" / "README.md").read_text(encoding="utf-8").splitlines()
    row = next((line for line in lines if line.startswith(f"| [{name}.yaml]({name}.yaml) |")), None)
    assert row is not None, f"recipes/README.md has no row for {name}.yaml"
    assert f"`make recipe-{name}`" in row


@pytest.mark.parametrize(
    ("name", "metric"),
    [("stsb-distilbert", "pearson"), ("glue-mrpc", "f1"), ("turkish-news", "f1_macro"), ("sms-spam", "f1_macro")],
)
def test_trains_a_step(name: str, metric: str, tiny: Any) -> None:
    """Regression, a pair, many classes, class weights: to the finished run folder."""
    config = tiny(name, max_steps=1, eval_steps=1)
    report = finetune_cls.run(config)
    assert report.record["steps"] == 1
    assert metric in report.record["metrics"]["validation"]
    kept = json.loads((config.output / "nlpkit.json").read_text())
    assert kept["status"] == "complete"
    again = finetune_cls.Config.from_sources({}, config.output / "nlpkit.json").record()
    settled = SettledOptions.model_fields.keys() - config.given  # of which the record has what they became
    assert {name: value for name, value in again.items() if name not in settled} == {
        name: value for name, value in config.record().items() if name not in settled
    }


def test_trainer_of_build_trains(tiny: Any) -> None:
    """The Trainer is a plain one: whoever builds it may train it without `run`."""
    config = tiny("trec", max_steps=2, logging_steps=1)
    trainer = finetune_cls.build(config)
    assert not config.output.exists()
    trainer.train()
    logged = [json.loads(line) for line in (config.output / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in logged if "loss" in entry] == [1, 2]


@pytest.mark.slow
def test_imdb_subset_is_balanced_and_disjoint(tiny: Any) -> None:
    splits = finetune_cls.build(tiny("imdb-distilbert-subset")).splits
    assert {name: len(split.examples) for name, split in splits.items()} == {
        "train": 4000,
        "validation": 1000,
        "test": 1000,
    }
    for split in splits.values():
        assert set(Counter(split.examples["label"][:]).values()) == {len(split.examples) // 2}
    assert not set(splits["validation"].examples["where"][:]) & set(splits["test"].examples["where"][:])


def test_imdb_bert_draws_a_balanced_thousand(tiny: Any) -> None:
    trainer = finetune_cls.build(tiny("imdb-bert"))
    assert Counter(trainer.splits["train"].examples["label"][:]) == {0: 500, 1: 500}
    assert {name: len(split.examples) for name, split in trainer.splits.items()} == {
        "train": 1000,
        "validation": 200,
        "test": 200,
    }
    assert trainer.task.max_length == 512


def test_turkish_news_holds_out_every_category(tiny: Any) -> None:
    validation = finetune_cls.build(tiny("turkish-news")).splits["validation"].examples
    assert Counter(validation["label"][:]) == dict.fromkeys(range(7), 5)


def test_spam_weighs_the_rare_class(tiny: Any) -> None:
    trainer = finetune_cls.build(tiny("sms-spam"))
    labels = trainer.splits["train"].examples["label"][:]
    share = Counter(labels)[1] / len(labels)
    assert trainer.task.class_weights == pytest.approx([0.5 / (1 - share), 0.5 / share])
    assert len(trainer.splits["test"].examples) == 44


@pytest.mark.parametrize("name", TAGGERS)
def test_tagger_trains_a_step(name: str, tiny: Any) -> None:
    """The column that the file's name promises, the classes of the hub's data set, to the finished run folder."""
    config = tiny(name, max_steps=1, eval_steps=1)
    report = finetune_ner.run(config)
    record, hub = report.record, HUB[name]
    names = list(json.loads((config.output / "config.json").read_text())["id2label"].values())
    if isinstance(hub, Tagged):
        kind = name.partition("-")[0]
        assert record["task"]["columns"] == {"text": "tokens", "tags": f"{kind}_tags"}
        assert names == hub.tags[f"{kind}_tags"]
        assert set(record["metrics"]) == {"train", "validation", "test"}
    else:
        assert isinstance(hub, Marked)
        assert names == ["O", *(f"{prefix}-{kind}" for kind in sorted(hub.types) for prefix in "BI")]
        assert record["rows"] == {"train": 72, "validation": 8}
    assert record["main_metric"] == ("accuracy" if name.startswith("pos") else "f1")


@pytest.mark.parametrize("name", READERS)
def test_reader_trains_a_step(name: str, tiny: Any, long_model: Path, tmp_path: Path) -> None:
    lengths: dict[str, Any] = {}
    model = long_model
    if "longformer" in name:
        model, lengths = make_reader(tmp_path / "longformer", "longformer"), {"max_length": 64, "doc_stride": 16}
    config = tiny(name, model=model, max_steps=1, eval_steps=1, **lengths)
    record = finetune_qa.run(config).record
    two = name == "qa-squad2"
    assert ("NoAns_f1" in record["metrics"]["validation"]) == two
    assert (record["task"]["null_threshold"] is not None) == two
    assert (record["task"]["max_length"], record["task"]["doc_stride"]) == (config.max_length, config.doc_stride)
