"""The losses of embedders: equal to those of sentence-transformers, on the data that they are for."""

from __future__ import annotations

import copy
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import forked
import numpy as np
import pytest
import torch

from nlpkit.errors import UserError
from nlpkit.options.problems import OptionError
from nlpkit.tasks.sentence_embedding.losses import columns as batches
from nlpkit.tasks.sentence_embedding.losses import denoising, objective, table
from nlpkit.tasks.sentence_embedding.losses import guide as guides
from nlpkit.tasks.sentence_embedding.losses.columns import Columns
from nlpkit.tasks.sentence_embedding.losses.making import LossSettings
from nlpkit.tasks.sentence_embedding.losses.options import LossOptions

pytest.importorskip("sentence_transformers")

TEXTS = (
    ["a good film", "the plot is dull and far too long for me", "bad", "great actors"],
    ["fine", "i did not like the story", "a bad film indeed", "good cast"],
    ["the weather", "great fun", "a good film", "dull"],
)
LABELS = {
    "cosent": torch.tensor([0.9, 0.2, 0.5, 0.7]),
    "angle": torch.tensor([0.9, 0.2, 0.5, 0.7]),
    "cosine-mse": torch.tensor([0.9, 0.2, 0.5, 0.7]),
    "contrastive": torch.tensor([1, 0, 1, 0]),
    "online-contrastive": torch.tensor([1, 0, 1, 0]),
    "batch-hard-triplet": torch.tensor([0, 0, 1, 1]),
    "batch-all-triplet": torch.tensor([0, 0, 1, 1]),
    "mse": torch.linspace(-1, 1, 4 * 32).view(4, 32),
    "margin-mse": torch.tensor([[0.5], [-0.2], [0.1], [0.3]]),
}
COLUMNS = {"batch-hard-triplet": 1, "batch-all-triplet": 1, "mse": 1, "simcse": 1, "triplet": 3, "margin-mse": 3}


@pytest.fixture(scope="module")
def embedder(tiny_model: Path) -> Any:
    return opened(str(tiny_model))


def opened(model: str) -> Any:
    """The tiny model as sentence-transformers has it: mean pooling, length 1, no dropout."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    inner = Transformer(model, max_seq_length=32)
    return SentenceTransformer(modules=[inner, Pooling(32, "mean"), Normalize()], device="cpu").eval()


@pytest.fixture(autouse=True)
def without_gradients(embedder: Any) -> Iterator[None]:
    embedder.zero_grad()
    yield


def embed(model: Any, features: Mapping[str, torch.Tensor]) -> torch.Tensor:
    states = model[0].auto_model(**features).last_hidden_state
    mask = features["attention_mask"].unsqueeze(-1).to(states.dtype)
    return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)


def encoded(embedder: Any, texts: list[str]) -> dict[str, torch.Tensor]:
    found = embedder.tokenizer(texts, padding=True, return_tensors="pt")
    return {name: found[name] for name in ("input_ids", "attention_mask")}


def guide_of(embedder: Any) -> guides.Embed:
    """The embedder as a guide, of what of a batch is a guide's."""

    def vectors(columns: Columns) -> list[torch.Tensor]:
        given = [guides.own(column) for column in columns]
        with torch.no_grad():
            return [embed(embedder, column) for column in given]

    return vectors


def columns_of(embedder: Any, texts: Sequence[list[str]]) -> list[dict[str, torch.Tensor]]:
    """The texts of each column as a model reads them, and as a guide does, which reads the same."""
    made = [encoded(embedder, column) for column in texts]
    return [{**column, **{f"{guides.OF_GUIDE}{name}": entry for name, entry in column.items()}} for column in made]


def ours(embedder: Any, settings: LossSettings, columns: int | None = None) -> tuple[float, torch.Tensor]:
    """The loss and all gradients, by nlpkit."""
    guide = guide_of(embedder) if "guide" in table.BY_NAME[settings.name].reads else None
    loss = objective.build(settings, embed, embedder.tokenizer, 32, guide)
    given = columns_of(embedder, TEXTS[: columns or COLUMNS.get(settings.name, 2)])
    return backward(embedder, loss(embedder, given, LABELS.get(settings.name)))


def theirs(embedder: Any, loss: Any, name: str, columns: int | None = None) -> tuple[float, torch.Tensor]:
    """The same by a loss of sentence-transformers as it is."""
    count = columns or COLUMNS.get(name, 2)
    texts = [TEXTS[0], TEXTS[0]] if name == "simcse" else TEXTS[:count]
    given = [embedder.preprocess(list(column)) for column in texts]
    return backward(embedder, loss(given, LABELS.get(name)))


def backward(embedder: Any, loss: torch.Tensor) -> tuple[float, torch.Tensor]:
    embedder.zero_grad()
    loss.backward()
    gradients = [weight.grad.flatten() for weight in embedder.parameters() if weight.grad is not None]
    return float(loss.detach()), torch.cat(gradients)


def plain(embedder: Any, name: str) -> Any:
    from sentence_transformers import util
    from sentence_transformers.sentence_transformer import losses

    makers: dict[str, Callable[[], Any]] = {
        "multiple-negatives-ranking": lambda: losses.MultipleNegativesRankingLoss(embedder),
        "cached-multiple-negatives-ranking": lambda: losses.CachedMultipleNegativesRankingLoss(
            embedder, mini_batch_size=3
        ),
        "guided": lambda: losses.GISTEmbedLoss(embedder, embedder),
        "cached-guided": lambda: losses.CachedGISTEmbedLoss(embedder, embedder, mini_batch_size=3),
        "triplet": lambda: losses.TripletLoss(embedder, losses.TripletDistanceMetric.COSINE, 0.2),
        "cosent": lambda: losses.CoSENTLoss(embedder),
        "angle": lambda: losses.AnglELoss(embedder),
        "cosine-mse": lambda: losses.CosineSimilarityLoss(embedder),
        "contrastive": lambda: losses.ContrastiveLoss(embedder),
        "online-contrastive": lambda: losses.OnlineContrastiveLoss(embedder),
        "batch-hard-triplet": lambda: losses.BatchHardTripletLoss(
            embedder, losses.BatchHardTripletLossDistanceFunction.cosine_distance, 0.2
        ),
        "batch-all-triplet": lambda: losses.BatchAllTripletLoss(
            embedder, losses.BatchHardTripletLossDistanceFunction.cosine_distance, 0.2
        ),
        "simcse": lambda: losses.MultipleNegativesRankingLoss(embedder),
        "mse": lambda: losses.MSELoss(embedder),
        "margin-mse": lambda: losses.MarginMSELoss(embedder, lambda one, other: 20 * util.pairwise_cos_sim(one, other)),
    }
    return makers[name]()


@pytest.mark.parametrize("name", sorted({*table.NAMES} - {"tsdae"}))
def test_loss_and_gradients_are_those_of_sentence_transformers(embedder: Any, name: str) -> None:
    value, gradients = ours(embedder, LossSettings(name, mini_batch_size=3))
    expected, their_gradients = theirs(embedder, plain(embedder, name), name)
    assert value == pytest.approx(expected, abs=1e-5)
    assert value > 0 and their_gradients.abs().max() > 1e-4
    torch.testing.assert_close(gradients, their_gradients, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["multiple-negatives-ranking", "guided"])
def test_cached_losses_are_those_without_a_cache(embedder: Any, name: str) -> None:
    value, gradients = ours(embedder, LossSettings(name, margin=0.1 if name == "guided" else None), columns=3)
    cached = LossSettings(f"cached-{name}", margin=0.1 if name == "guided" else None, mini_batch_size=3)
    cached_value, cached_gradients = ours(embedder, cached, columns=3)
    assert cached_value == pytest.approx(value, abs=1e-5)
    torch.testing.assert_close(cached_gradients, gradients, atol=1e-5, rtol=1e-4)


def of_one_of_two(rank: int, names: list[str], tiny_model: str, folder: str) -> None:
    """Losses and gradients of half of the rows, as one of two processes has them, into a file."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    mine, embedder = slice(2 * rank, 2 * rank + 2), opened(tiny_model)
    found = {}
    for name in names:
        settings = LossSettings(name, mini_batch_size=1, gather=table.BY_NAME[name].compares)
        guide = guide_of(embedder) if "guide" in table.BY_NAME[name].reads else None
        loss = objective.build(settings, embed, embedder.tokenizer, 32, guide)
        given = columns_of(embedder, [texts[mine] for texts in TEXTS[: COLUMNS.get(name, 2)]])
        labels = LABELS.get(name)
        found[name] = backward(embedder, loss(embedder, given, None if labels is None else labels[mine]))
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_loss_and_gradients_of_their_rows_together(
    embedder: Any, tiny_model: Path, tmp_path: Path
) -> None:
    """In the mean over the processes, which is what training takes; cached-guided alone parts their anchors."""
    names = [kind.name for kind in table.KINDS if kind.name not in ("tsdae", "cached-guided")]
    places = [str(Path(__file__).parent), str(Path(forked.__file__).parent)]
    forked.imported("sentence_transformers")
    begun = f"import sys; sys.path[:0] = {places}; import test_embedding_losses as losses"
    codes = [
        f"{begun}; losses.of_one_of_two({rank}, {names}, {str(tiny_model)!r}, {str(tmp_path)!r})" for rank in (0, 1)
    ]
    started = [
        forked.Popen([sys.executable, "-c", code], env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"}) for code in codes
    ]
    try:
        assert [process.wait(timeout=120) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name in names:
        value, gradient = ours(embedder, LossSettings(name))
        assert sum(part[name][0] for part in parts) / 2 == pytest.approx(value, rel=1e-5), name
        found = sum(part[name][1] for part in parts) / 2
        assert (found - gradient).norm() < 1e-4 * gradient.norm(), name


def test_options_reach_the_loss(embedder: Any) -> None:
    from sentence_transformers.sentence_transformer import losses

    symmetric = ours(embedder, LossSettings("multiple-negatives-ranking", scale=5, symmetric=True))
    known = theirs(embedder, losses.MultipleNegativesSymmetricRankingLoss(embedder, scale=5), "")
    assert symmetric[0] == pytest.approx(known[0], abs=1e-5)
    narrow = ours(embedder, LossSettings("contrastive", margin=0.9))
    known = theirs(embedder, losses.ContrastiveLoss(embedder, margin=0.9), "contrastive")
    assert narrow[0] == pytest.approx(known[0])
    for name, kind in (("guided", losses.GISTEmbedLoss), ("cached-guided", losses.CachedGISTEmbedLoss)):
        share = ours(embedder, LossSettings(name, margin=0.02, relative_margin=True))
        known = theirs(embedder, kind(embedder, embedder, margin=0.02, margin_strategy="relative"), name)
        assert share[0] == pytest.approx(known[0], rel=1e-5)
        assert share[0] != pytest.approx(ours(embedder, LossSettings(name, margin=0.02))[0], rel=1e-3)
    products = ours(embedder, LossSettings("multiple-negatives-ranking", similarity="dot"))
    assert products[0] == pytest.approx(
        ours(embedder, LossSettings("multiple-negatives-ranking", scale=1))[0], abs=1e-5
    )


@pytest.mark.parametrize("name", ["multiple-negatives-ranking", "cached-multiple-negatives-ranking"])
def test_matryoshka_is_the_weighted_sum_over_the_first_dimensions(embedder: Any, name: str) -> None:
    value, _ = ours(embedder, LossSettings(name, mini_batch_size=3, dims={16: 0.5, 4: 2.0}))
    vectors = [embed(embedder, encoded(embedder, texts)).detach().numpy() for texts in TEXTS[:2]]

    def ranked(dim: int) -> float:
        first, second = (part[:, :dim] / np.linalg.norm(part[:, :dim], axis=1, keepdims=True) for part in vectors)
        scores = 20 * first @ second.T
        return float(np.mean(np.log(np.exp(scores).sum(axis=1)) - np.diag(scores)))

    assert value == pytest.approx(ranked(32) + 0.5 * ranked(16) + 2.0 * ranked(4), abs=1e-4)


def test_vectors_that_are_cut_learn_the_beginning_of_those_of_a_teacher(embedder: Any) -> None:
    value, _ = ours(embedder, LossSettings("mse", dims={8: 0.5}))
    vectors = embed(embedder, encoded(embedder, TEXTS[0])).detach().numpy()
    wanted = LABELS["mse"].numpy()
    cut = vectors[:, :8] / np.linalg.norm(vectors[:, :8], axis=1, keepdims=True)
    known = np.square(vectors - wanted).mean() + 0.5 * np.square(cut - wanted[:, :8]).mean()
    assert value == pytest.approx(known, rel=1e-4)


def test_vectors_hang_on_neither_their_part_nor_the_padding(embedder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [encoded(embedder, texts) for texts in TEXTS]
    whole = [embed(embedder, column) for column in given]
    calls = []

    def counted(features: Mapping[str, torch.Tensor]) -> torch.Tensor:
        calls.append(features["input_ids"].shape)
        return embed(embedder, features)

    monkeypatch.setattr(batches, "PASS", 4)
    found = batches.vectors(counted, given, embedder.tokenizer)
    for one, other in zip(found, whole, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    assert len(calls) > 1 and sum(rows for rows, _ in calls) == 12
    assert sum(rows * width for rows, width in calls) < sum(column["input_ids"].numel() for column in given)


def test_vectors_of_a_tokenizer_that_pads_on_the_left(embedder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder.tokenizer, "padding_side", "left")
    monkeypatch.setattr(batches, "PASS", 4)
    seen: list[torch.Tensor] = []

    def ids(features: Mapping[str, torch.Tensor]) -> torch.Tensor:
        seen.append(features["attention_mask"])
        return (features["input_ids"] * features["attention_mask"]).sum(1, keepdim=True).float()

    given = [encoded(embedder, texts) for texts in TEXTS]
    found = batches.vectors(ids, given, embedder.tokenizer)
    assert [column[:, 0].tolist() for column in found] == [column["input_ids"].sum(1).tolist() for column in given]
    assert all(mask[:, -1].all() and mask[0].all() for mask in seen)


# --- the denoising autoencoder ---


def test_tsdae_is_that_of_sentence_transformers(tiny_model: Path, embedder: Any) -> None:
    from sentence_transformers.sentence_transformer import losses
    from transformers import AutoModel

    column = encoded(embedder, TEXTS[1])
    torch.manual_seed(3)
    shown = denoising.noisy(column, embedder.tokenizer)
    own = copy.deepcopy(embedder)
    torch.manual_seed(7)
    expected = losses.DenoisingAutoEncoderLoss(own)
    expected.decoder.eval()
    known = backward(own, expected([dict(shown), dict(column)], None))

    model = AutoModel.from_pretrained(tiny_model).eval()
    torch.manual_seed(7)
    loss = objective.build(LossSettings("tsdae"), embed_plain, embedder.tokenizer, 32, model=model)
    loss.loss.decoder.eval()
    torch.manual_seed(3)
    value, gradients = backward(model, loss(model, [column]))
    assert value == pytest.approx(known[0], abs=1e-5)
    torch.testing.assert_close(gradients, known[1], atol=1e-5, rtol=1e-4)
    assert loss.own and all(weight.grad is not None for weight in loss.own)


def embed_plain(model: Any, features: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return embed([SimpleNamespace(auto_model=model)], features)


@pytest.mark.parametrize("side", ["left", "right"])
def test_noise_deletes_tokens_and_keeps_their_order(embedder: Any, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder.tokenizer, "padding_side", side)
    column = encoded(embedder, [*TEXTS[0], "bad " * 30])
    torch.manual_seed(0)
    shown = denoising.noisy(column, embedder.tokenizer)
    before, after = (
        [row[mask.bool()].tolist() for row, mask in zip(part["input_ids"], part["attention_mask"], strict=True)]
        for part in (column, shown)
    )
    for whole, left in zip(before, after, strict=True):
        remaining = iter(whole)
        assert all(token in remaining for token in left)  # a subsequence
        assert left[0] == whole[0] and left[-1] == whole[-1] and len(left) >= min(len(whole), 3)
    assert 2 + 30 * 0.2 < len(after[-1]) < 2 + 30 * 0.6


# --- the table ---


def test_every_loss_has_one_entry() -> None:
    assert [kind.name for kind in table.KINDS] == list(table.NAMES)
    assert {option for kind in table.KINDS for option in kind.reads} < set(LossOptions.model_fields)


def test_the_page_lists_the_losses_of_each_kind_of_rows() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "losses.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| `([a-z-]+)`: [^|]*\| ([^|]*) \|$", page, re.MULTILINE))
    shapes = {shape for kind in table.KINDS for shape in kind.shapes} - {"nli"}  # becomes triplets or pairs
    assert {shape: re.findall(r"`([^`]+)`", names) for shape, names in shown.items()} == {
        shape: table.suiting(shape) for shape in shapes
    }


def test_a_loss_that_cannot_take_the_rows_names_those_that_can() -> None:
    with pytest.raises(
        UserError, match="--loss cosent takes scored-pairs, labelled-pairs; these rows are pairs"
    ) as info:
        table.require("cosent", "pairs")
    assert info.value.hint == (
        "Losses for pairs: multiple-negatives-ranking, cached-multiple-negatives-ranking, guided, cached-guided."
    )


def test_an_option_that_the_loss_does_not_read_is_refused() -> None:
    LossOptions(margin=0.3).refuse_unread()  # the rows choose the loss
    LossOptions(loss="triplet", margin=0.3).refuse_unread()
    with pytest.raises(OptionError, match=r"--margin is for --loss .*triplet.*, not for cosent"):
        LossOptions(loss="cosent", margin=0.3).refuse_unread()
    with pytest.raises(OptionError, match="--mini-batch-size is for --loss cached-multiple-negatives-ranking"):
        LossOptions(loss="multiple-negatives-ranking", mini_batch_size=8).refuse_unread()


def test_matryoshka_is_read_and_checked(embedder: Any) -> None:
    assert LossOptions(matryoshka=["48,192:0.5"]).trained_dims() == {192: 0.5, 48: 1.0}
    for wrong, message in (("12,x", "not of the form"), ("0", "from 1"), ("8:-1", "above 0"), ("8,8", "each")):
        with pytest.raises(OptionError, match=message):
            LossOptions(matryoshka=[wrong])
    with pytest.raises(UserError, match="--matryoshka 64: the model's vectors have 32 dimensions"):
        objective.build(LossSettings("cosent", dims={64: 1.0}), embed, embedder.tokenizer, 32)


def test_a_guided_loss_without_a_guide_is_refused(embedder: Any) -> None:
    with pytest.raises(UserError, match="--loss guided needs a --guide"):
        objective.build(LossSettings("guided"), embed, embedder.tokenizer, 32)
