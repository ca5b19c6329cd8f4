"""What the CPU does while a GPU computes: rows keep their order, failures their turn, and nothing waits for a batch."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import every_task
import numpy as np
import pretended
import pytest
import torch
from conftest import rows

from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.hardware.devices import Device
from nlpkit.inference import overlap, predictor
from nlpkit.inference.predictor import Predictor, open_predictor, open_trained
from nlpkit.options import OpeningOptions
from nlpkit.recipes import predict
from nlpkit.tasks.roles import Judged
from nlpkit.training.trainer import NlpkitTrainer

CUDA = Device("cuda", "bf16", "cuda (Card), bf16")
ROWS = [{"text": row["text"]} for row in rows(60, seed=9)]


class Late:
    """Copies that are there when they are asked for, as those from a GPU."""

    log: list[str]

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        self.tensors, self.copied = dict(tensors), True
        self.log.append("queued")

    def here(self) -> dict[str, Any]:
        self.log.append("waited")
        return self.tensors


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The predictor works as on a GPU, with the numbers of the CPU."""
    Late.log = []
    monkeypatch.setattr(overlap, "_Copies", Late)
    monkeypatch.setattr(Predictor, "_alone", False)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    return Late.log


def opened(trained: Path, batch_size: int = 4) -> Predictor:
    return open_predictor(predict.Config(model=str(trained), texts=["-"], device="cpu", batch_size=batch_size))


def test_a_batch_is_waited_for_when_four_more_are_queued(late: list[str]) -> None:
    batches = ((i, {"x": torch.tensor(i)}) for i in range(7))
    assert [(i, int(found["x"])) for i, found in overlap.arriving(batches)] == [(i, i) for i in range(7)]
    assert late == ["queued"] * 5 + ["waited", "queued"] * 2 + ["waited"] * 5


def test_on_the_cpu_a_batch_is_given_out_before_the_next_is_made() -> None:
    made = []

    def batches() -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
        for i in range(3):
            made.append(i)
            yield i, {"x": torch.tensor(i)}

    assert [(i, list(made)) for i, _ in overlap.arriving(batches())] == [(0, [0]), (1, [0, 1]), (2, [0, 1, 2])]


def test_what_is_made_ahead_keeps_its_turn() -> None:
    threads, asked, found = set(), [], []

    def make(i: int) -> int:
        threads.add(threading.get_ident())
        if i == 3:
            raise ValueError("the third")
        return i * i

    def items() -> Iterator[int]:
        for i in range(5):
            asked.append((i, threading.get_ident()))
            yield i

    with pytest.raises(ValueError, match="the third"):
        found += overlap.ahead(items(), make)
    assert found == [(0, 0), (1, 1), (2, 4)]
    ahead = overlap.ahead(items(), make)
    asked.clear()
    assert [next(ahead) for _ in range(3)] == [(0, 0), (1, 1), (2, 4)]
    assert [i for i, _ in asked] == [0, 1, 2, 3], "one further than is given out"
    assert {thread for _, thread in asked} == {threading.get_ident()} and threading.get_ident() not in threads


def test_answers_are_those_of_the_cpu(trained: Path, late: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Predictor.answers.__get__(opened(trained))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Predictor, "_alone", True)
        patch.setattr(overlap, "_Copies", type("Now", (Late,), {"here": lambda self: self.tensors}))
        plain = wanted(ROWS)
    late.clear()
    monkeypatch.setattr(predictor, "AHEAD", 7)
    made = opened(trained)
    bad = {"text": None}
    chunks = [("a", ROWS[:20]), ("b", []), ("c", [bad, *ROWS[20:25], bad]), ("d", [bad]), ("e", ROWS[25:]), ("f", [])]
    read = ((name, made.task.reader(), rows) for name, rows in chunks)
    found = {name: answers for name, answers, _ in made.answered(read)}
    assert list(found) == list("abcdef")
    answers = [*found["a"], *found["c"][1:-1], *found["e"]]
    assert [answer["prediction"] for answer in answers] == [answer["prediction"] for answer in plain]
    assert [answer["score"] for answer in answers] == pytest.approx([answer["score"] for answer in plain], abs=1e-5)
    assert all("error" in answer for answer in (found["c"][0], found["c"][-1], *found["d"]))
    assert late.count("queued") == late.count("waited") > 10


def test_what_did_not_fit_is_halved_among_batches_on_their_way(
    trained: Path, late: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened(trained)
    plain = made.outputs({"text": [row["text"] for row in ROWS]})
    whole = made.task.run

    def run(task: Any, model: Any, batch: Mapping[str, Any]) -> Any:
        if len(batch["input_ids"]) > 1 and (batch["input_ids"] == batch["input_ids"][0, 1]).sum() % 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(model, batch)

    monkeypatch.setattr(type(made.task), "run", run)
    before = len(late)
    np.testing.assert_allclose(made.outputs({"text": [row["text"] for row in ROWS]}), plain, atol=1e-5)
    assert len(late) - before > before


def test_rows_before_a_failure_of_reading_are_answered(trained: Path, late: list[str]) -> None:
    made = opened(trained)
    reader = made.task.reader()

    def chunks() -> Iterator[tuple[int, Any, Any]]:
        yield 0, reader, ROWS[:9]
        yield 1, reader, ROWS[9:12]
        yield 2, reader, []
        raise UserError("line 13: unreadable")

    seen = []
    with pytest.raises(UserError, match="line 13"):
        for number, answers, _ in made.answered(chunks()):
            seen.append((number, len(answers)))
    assert seen == [(0, 9), (1, 3), (2, 0)]


def test_no_number_is_said_of_what_is_none(trained: Path, late: list[str]) -> None:
    made = opened(trained)
    with torch.no_grad():
        made.model.classifier.bias[0] = float("nan")
    with pytest.raises(UserError, match="no number"):
        made.outputs({"text": ["good"]})


def test_a_pipe_is_answered_before_more_of_it_is_read(
    trained: Path, late: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    chunks, answered = predict.streams.chunks_of, predict._answered
    monkeypatch.setattr(predict, "CHUNK", 2)

    def read(*arguments: Any) -> Iterator[Any]:
        for chunk in chunks(*arguments):
            order.append("read")
            yield chunk

    monkeypatch.setattr(predict.streams, "chunks_of", read)
    monkeypatch.setattr(predict, "_answered", lambda *a: order.append("answered") or answered(*a))
    path = tmp_path / "in.txt"
    path.write_text("".join(f"{row['text']}\n" for row in ROWS[:8]))
    orders = {}
    for piped in (True, False):
        order.clear()
        monkeypatch.setattr(predict.pipes, "is_passing", lambda name, piped=piped: piped)
        predict.run(predict.Config(model=str(trained), input=str(path), output=tmp_path / f"{piped}.csv", device="cpu"))
        orders[piped] = list(order)
    assert orders[True] == ["read", "answered"] * 4
    assert orders[False][:3] == ["read", "read", "read"] and sorted(orders[False]) == sorted(orders[True])
    assert (tmp_path / "True.csv").read_text() == (tmp_path / "False.csv").read_text()


# --- what waits for a GPU ---


WRITES = ("causal-lm", "text-to-text")  # each token that a model writes is read before the next


@pytest.mark.slow
@pytest.mark.parametrize("name", [kind for kind in every_task.kinds(Judged) if kind not in WRITES])
def test_neither_predicting_nor_judging_waits_for_a_batch(name: str, run_of: Any) -> None:
    from nlpkit.data import splits
    from nlpkit.recipes.evaluate import Config

    part = open_trained(str(run_of(name)), OpeningOptions())
    task = part.task
    data = run_of(name).parent / "data"
    file = next(data.glob("validation.*"))
    loaded = splits.load(Config(model="-", data=str(file)), type(task))
    (split,) = loaded.splits
    options = Config(model="-").for_task(type(task))
    reader = task.reader(user_columns(loaded.splits[split].column_names), options)
    examples = reader.examples(loaded.splits[split], split, loaded, [])[:8]
    made = task.features(part.tokenizer, examples)
    names = [column for column in made if column not in predictor.BOOKKEEPING]
    batches = [[{column: made[column][i] for column in names} for i in some] for some in ([0, 1, 2], [3, 4], [5, 5])]
    ready = [task.collate(part.tokenizer)(batch) for batch in batches]
    kept = []
    with pretended.cuda(), pretended.tensors(), pretended.waits() as found:
        asked = Predictor(task, part.model, part.tokenizer, CUDA, lent=False)
        for batch, collated in zip(batches, ready, strict=True):
            given: Any = SimpleNamespace(inputs=lambda _, batch=batch: batch)
            asked.collate = lambda _, collated=collated: collated
            kept += [
                tensors for _, tensors in overlap.arriving(asked._reduced(given, np.arange(len(batch)), task.answer))
            ]
        trainer: Any = NlpkitTrainer.__new__(NlpkitTrainer)
        trainer.model, trainer.task, trainer.args = asked.model, task, SimpleNamespace(device=torch.device("cuda"))
        trainer.state = trainer.control = None
        trainer.callback_handler = SimpleNamespace(on_prediction_step=lambda *_: None)
        trainer._prepare_inputs = lambda batch: {name: tensor.to("cuda") for name, tensor in batch.items()}
        if "labels" in ready[0]:
            judged = ((None, trainer._evaluated(task, batch, len(batch["labels"]))) for batch in ready)
            kept += [tensors for _, tensors in overlap.arriving(judged)]
    assert len(kept) == (6 if "labels" in ready[0] else 3)
    assert {tensor.device.type for tensors in kept for tensor in tensors.values()} == {"cpu"}
    assert found == []


@pytest.mark.gpu
@pytest.mark.parametrize("name", every_task.kinds(Judged))
def test_answers_of_a_gpu_are_those_of_the_cpu(name: str, run_of: Any, tmp_path: Path) -> None:
    import csv

    source = tmp_path / "in.csv"
    wanted = {"pairs": ["sentence1", "sentence2"], "question-answering": ["question", "context"]}.get(name, ["text"])
    with source.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(wanted)
        out.writerows([[f"{row['text']} [MASK]" if name == "masked-lm" else row["text"]] * len(wanted) for row in ROWS])
    answers = {}
    for device in ("cpu", "cuda"):
        output = tmp_path / f"{device}.csv"
        config = predict.Config(
            model=str(run_of(name)), input=str(source), output=output, device=device, precision="fp32", batch_size=4
        )
        assert predict.run(config).exit_code == 0
        answers[device] = [row["prediction"] for row in csv.DictReader(output.open())]
    if name == "regression":
        assert [float(a) for a in answers["cuda"]] == pytest.approx([float(a) for a in answers["cpu"]], abs=1e-3)
    else:
        assert answers["cuda"] == answers["cpu"]
