"""Fixtures: a tiny random BERT with its tokenizer, small data files, and `nlpkit` as a subprocess."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import gc
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import forked
import pytest

if TYPE_CHECKING:
    from hearing import Heard

# nothing in the suite may reach a hub; the tests that need one stub it
os.environ.update(
    HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="true"
)

# Users and CI services have neither; with the first, output that is lost where a process ends at once is not lost.
for name in ("PYTHONUNBUFFERED", "SHELL"):
    os.environ.pop(name, None)

# Images of containers often forbid Python to keep what it has compiled: each worker would compile all tests again, and
# each process that a test starts all of nlpkit that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Only after a loss of power what was synced is more than what was written, and a disk takes milliseconds each time.
os.fsync = forked.unsynced

# Workers that run beside each other (-n) have a core each, as threads of several on the same cores would wait for each
# other; what a test starts stays on its core too.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})

# a runner in the background may ignore Ctrl-C, and what it starts would too
signal.signal(signal.SIGINT, signal.default_int_handler)

GOOD = ["good", "lovely", "great", "kind", "warm", "bright"]
BAD = ["bad", "awful", "rude", "cold", "late", "broken"]
FILLER = ["the", "train", "film", "shop", "soup", "bike", "very", "was", "and", "a", "my", "clerk", "room"]
WORDS = [*GOOD, *BAD, *FILLER]


def texts_around(limit: int) -> list[str]:
    """Texts that are short, as long as a limit with its two special tokens, longer, nothing, and of letters that the
    tiny models do not know, some of them of two UTF-16 units."""
    return [
        "a good film",
        " ".join((WORDS * 3)[: limit - 2]),
        "awful " * 80 + "good",
        "",
        "Ångström ﬁlm — naïve 日本語",
        "good 👩‍👩‍👧 \u200dfilm\ttrain",
    ]


def sentence(rng: random.Random, label: str, length: int | None = None) -> str:
    """Filler words with two words of the label's kind in them."""
    words = [rng.choice(FILLER) for _ in range(length or rng.randint(3, 12))]
    for word in rng.choices(GOOD if label == "positive" else BAD, k=2):
        words.insert(rng.randrange(len(words) + 1), word)
    return " ".join(words)


def rows(count: int, seed: int = 0) -> list[dict[str, str]]:
    """Balanced, learnable rows: text, label."""
    rng = random.Random(seed)
    made: dict[str, str] = {}
    while len(made) < count:
        label = ("negative", "positive")[len(made) % 2]
        made.setdefault(sentence(rng, label), label)
    return [{"text": text, "label": label} for text, label in made.items()]


def write_csv(path: Path, entries: Sequence[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(entries[0]))
        out.writeheader()
        out.writerows(entries)
    return path


def write_jsonl(path: Path, entries: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


def as_worded(answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answers of `predict` under the names that a task gives them: `score` for `prediction_score`."""
    return [
        {
            name.removeprefix("prediction_"): value
            for name, value in answer.items()
            if (name, value) != ("prediction_error", None)
        }
        for answer in answers
    ]


def make_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    vocabulary = {
        token: i
        for i, token in enumerate(
            [*special, *WORDS, *(c for c in letters if c not in WORDS), *(f"##{c}" for c in letters)]
        )
    }
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return BertTokenizerFast(tokenizer_object=inner, model_max_length=64)


def make_model(folder: Path, **overrides: Any) -> Path:
    """A random BERT of 2 layers and 32 dimensions, with its tokenizer, as Transformers saves them."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "pad_token_id": tokenizer.pad_token_id,
    }
    BertModel(BertConfig(**(settings | overrides))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def pytest_report_header() -> str:
    """The versions for which the result of the suite stands: those of what nlpkit asks for, as far as it is there."""
    versions = {}
    for requirement in metadata.requires("nlpkit") or ():
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return "versions: " + ", ".join(f"{name} {version}" for name, version in versions.items())


def pytest_configure(config: pytest.Config) -> None:
    """Workers share what processes are forked from, which waits until one is asked for."""
    if getattr(config.option, "numprocesses", None):
        forked.shared()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, in the order that was drawn, so that workers end with short files, together.
    Tests of what only a GPU shows are skipped, with the reason, where there is none."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked:
        import torch

        if not torch.cuda.is_available():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="needs a GPU"))


# --- what makes a short run short: without these, most of its time is neither a step nor a figure ---

gc.set_threshold(20_000, 20, 50)  # thirty times as rarely as by default, which makes an export faster by a twentieth
_modules = 0  # that were imported when the collector was last told
_tests = 0  # that were begun
EVERY, MANY = 10, 100_000  # objects are counted every so many tests, and left alone where there are more


@pytest.fixture(autouse=True)
def spared_collector() -> None:
    """The garbage collector leaves the libraries alone.

    Each run collects several times, which in a process with all of transformers in it takes longer than its steps. What
    libraries make when they are used, not when they are imported, was a million objects in some orders of the tests.
    """
    global _modules, _tests
    _tests += 1
    grown = _tests % EVERY == 0 and len(gc.get_objects()) > MANY
    if grown or len(sys.modules) > _modules + 50:
        gc.collect()
        gc.freeze()
        _modules = len(sys.modules)


Drawing = Callable[[], "contextlib.AbstractContextManager[None]"]


@pytest.fixture(scope="session", autouse=True)
def drawing() -> Iterator[Drawing]:
    """The plots of a run are empty files, as drawing takes longer than such a run; `with drawing():` draws them."""
    from nlpkit.runs import plots

    real = plots.draw_in_style

    @contextlib.contextmanager
    def drawing() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plots, "draw_in_style", real)
            yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "draw_in_style", forked.undrawn)
        yield drawing


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No module finds what another one, or a run by hand, has left in a cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLPKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


Once = Callable[[str, Callable[[Path], Path]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Makes what all workers share, by its name: the first that asks makes it in a folder, the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if worker else base) / "shared"
    place.mkdir(exist_ok=True)

    def made(name: str, make: Callable[[Path], Path]) -> Path:
        done = place / f"{name}.made"
        with (place / f"{name}.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(place / name, ignore_errors=True)  # of a worker that could not make it
                (place / name).mkdir()
                done.write_text(str(make(place / name)))
        return Path(done.read_text())

    return made


@pytest.fixture(scope="session")
def tiny_model(once: Once) -> Path:
    return once("model", lambda folder: make_model(folder / "tiny-bert"))


@pytest.fixture
def forked_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that a command starts (`nlpkit.trials`) are forked from a process that has the libraries."""
    from nlpkit.trials import running

    monkeypatch.setattr(running, "Popen", forked.Popen)


@pytest.fixture(scope="session")
def reviews(once: Once) -> Path:
    """A folder with train.csv (96 rows), validation.csv (32) and test.csv (32)."""

    def write(folder: Path) -> Path:
        made = rows(160)
        write_csv(folder / "train.csv", made[:96])
        write_csv(folder / "validation.csv", made[96:128])
        write_csv(folder / "test.csv", made[128:])
        return folder

    return once("reviews", write)


Run = Callable[..., "subprocess.CompletedProcess[str]"]


def nlpkit_command(*arguments: Any) -> list[str]:
    return [sys.executable, "-m", "nlpkit", *map(str, arguments)]


@pytest.fixture
def nlpkit(tmp_path: Path) -> Run:
    """Run `nlpkit ...` in an empty folder; `code` is the exit code that is expected.

    The process is forked from one that has the libraries; one with an `env` of its own begins from nothing.
    """

    def run(*arguments: Any, code: int = 0, stdin: str | None = None, env: dict[str, str] | None = None) -> Any:
        command = nlpkit_command(*arguments)
        place = {"cwd": tmp_path, "env": {**os.environ, "NLPKIT_CACHE": str(tmp_path / "cache"), **(env or {})}}
        if env is None:
            done = forked.run(command, input=stdin, **place)
        else:
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=300, **place)
        assert done.returncode == code, f"exit {done.returncode}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
        if code:
            assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What is said while the test runs."""
    from hearing import Heard

    from nlpkit import reporting

    before, listener = reporting.current(), Heard()
    reporting.install(listener)
    yield listener
    reporting.install(before)


@pytest.fixture
def exports_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is exported to be measured is exported in this process, without the time that another takes to begin."""
    from nlpkit.measurement import export_cache

    class Here(ThreadPoolExecutor):
        def __init__(self, workers: int, mp_context: Any) -> None:
            super().__init__(workers)

    monkeypatch.setattr(export_cache, "ProcessPoolExecutor", Here)


Files = dict[str, tuple[int, int]]  # size in bytes and time of the last change in nanoseconds
SHARED: dict[Path, tuple[Files, bytes]] = {}  # run that tests share -> its files, and what its record holds


@pytest.fixture(autouse=True)
def _shared_runs_stay_as_they_are(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that writes to a run that others read is the one that fails, not a later one."""
    yield
    if {"trained", "run_of"}.isdisjoint(request.fixturenames):
        return  # nobody has told it where one is
    for run, (files, record) in SHARED.items():
        if (found := _files(run)) != files:
            if record:
                (run / "nlpkit.json").write_bytes(record)
            SHARED[run] = _files(run), record
            changed = sorted(path for path, _ in files.items() ^ found.items())
            raise AssertionError(f"tests share these files, and this one wrote to them: {', '.join(changed)}")


def _files(run: str | Path) -> Files:
    found: Files = {}
    for entry in os.scandir(run):  # after each test, for each run: a fraction of the time that `rglob` takes
        if entry.is_dir():
            found |= _files(entry.path)
        else:
            state = entry.stat()
            found[entry.path] = (state.st_size, state.st_mtime_ns)
    return found


def _share(run: Path) -> Path:
    record = run / "nlpkit.json"
    SHARED[run] = _files(run), record.read_bytes() if record.is_file() else b""  # a plain model has no record
    return run


@pytest.fixture(scope="session")
def traced_once() -> Iterator[None]:
    """What is exported of the same model is traced once, as that takes seconds; what is tested comes behind it."""
    import torch

    from nlpkit.quantization import export

    real, traced = export.export, dict[str, Any]()

    def kept(model: Any, inputs: Any, *, fusions: Any = None, graph: Any = None) -> Any:
        from transformers.exporters import OnnxExporter

        task = getattr(graph, "__self__", None)
        broken = not OnnxExporter.export.__module__.startswith("transformers.")  # by a test
        if broken or (graph is not None and task is None):
            return real(model, inputs, fusions=fusions, graph=graph)
        digest = hashlib.sha256()
        for name, tensor in model.state_dict().items():
            digest.update(name.encode() + tensor.detach().contiguous().view(torch.uint8).numpy().tobytes())
        asked = [(name, tensor.dtype, [size > 1 for size in tensor.shape]) for name, tensor in inputs.items()]
        kind = type(model), model.config.to_json_string(), model.config._attn_implementation, model.dtype
        key = repr((digest.hexdigest(), kind, asked, fusions, task, graph and graph.__qualname__))
        if key not in traced:
            traced[key] = real(model, inputs, fusions=fusions, graph=graph)
        return traced[key].clone()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "export", kept)
        yield


@pytest.fixture(scope="session")
def trained(once: Once, tiny_model: Path, reviews: Path, drawing: Drawing, traced_once: None) -> Path:
    """A finished binary run of the tiny model, trained in such a process; it has learnt. No test writes to it."""
    from nlpkit.recipes import finetune_cls

    def train(folder: Path) -> Path:
        config = finetune_cls.Config(
            data=str(reviews),
            model=str(tiny_model),
            output=folder / "binary",
            epochs=6,
            learning_rate=5e-3,
            batch_size=16,
            device="cpu",
            threads=1,
        )
        with drawing():
            finetune_cls.run(config)
        return folder / "binary"

    return _share(once("trained", train))


RunOf = Callable[[str], Path]


@pytest.fixture(scope="session")
def run_of(once: Once, tiny_model: Path, traced_once: None) -> RunOf:
    """The finished run of a task, made when it is first asked for; no test writes to it."""
    import every_task

    made: dict[str, Path] = {}

    def run(task: str) -> Path:
        if task not in made:
            made[task] = _share(once(task, lambda folder: every_task.make_run(task, folder, tiny_model)))
        return made[task]

    return run
