"""Attention within documents: what a batch ships of it, what a step makes of that, and kernels instead of a mask."""

from __future__ import annotations

import copy
import itertools
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pretended
import pytest
import torch
import torch.nn.functional as F
from pretraining_runs import (
    ARCHITECTURES,
    configured,
    documents,
    logged,
    pretrain,
    record,
    sources,
    stream_of,
    tiny_config,
    tiny_model,
    wordpiece,
)
from torch.utils._python_dispatch import TorchDispatchMode

from nlpkit import reporting
from nlpkit.experiment.pretrain import attention_of
from nlpkit.hardware.devices import Device
from nlpkit.pretraining.architectures import encoders
from nlpkit.pretraining.attention import (
    KERNELS,
    DocumentAttention,
    attended,
    attention_for,
    starts_of,
    switch,
    through,
    window_of,
)
from nlpkit.pretraining.batches import MaskingCollator
from nlpkit.pretraining.objectives import MaskedLM, ReplacedTokenModel, ReplacedTokens
from nlpkit.pretraining.rows import Blocks, Lines, TokenRow
from nlpkit.recipes import pretrain_mlm
from nlpkit.runs.files import write_json
from nlpkit.runs.folder import RunFolder
from nlpkit.tasks.masked_lm.masking import masking_for
from nlpkit.training.parameters import dropout_overrides

LENGTH = 64


def blocks(count: int, length: int = LENGTH) -> list[TokenRow]:
    """Rows of several documents, the last one of one."""
    rows = Blocks(stream_of([*documents(40, longest=3), *documents(3, seed=1, longest=30)]), wordpiece(), length)
    made = [rows[i] for i in range(len(rows))]
    alone = next(row for row in made if row.documents is None)
    return [*[row for row in made if row.documents is not None][: count - 1], alone]


def collator(model: Any, **how: Any) -> MaskingCollator:
    masking = masking_for(wordpiece(), probability=0.15, split=[0.8, 0.1], whole_word=False, static=False, seed=1)
    type_ids = getattr(model.config, "type_vocab_size", 0) > 1
    return MaskingCollator(masking, pad_id=0, type_ids=type_ids, window=window_of(model.config), **how)


def batch_of(model: Any, attention: DocumentAttention, rows: list[TokenRow]) -> dict[str, Any]:
    """As the Trainer hands it to the objective."""
    batch = collator(model, starts=attention.kernel is not None)(rows)
    del batch["attended"], batch["tokens"]
    return attention(batch)


def biased(model: Any, dtype: torch.dtype = torch.float32) -> DocumentAttention:
    return DocumentAttention(window_of(model.config), dtype)


# --- what a batch ships, and what is made of it ---


@pytest.mark.parametrize("arch", ["bert", "modernbert"])
def test_a_batch_ships_numbers_of_documents_and_no_mask(arch: str) -> None:
    rows = blocks(6)
    batch = collator(tiny_model(arch))(rows)
    assert "attention_mask" not in batch
    assert batch["documents"].dtype == torch.int16
    assert max(tensor.numel() for tensor in batch.values() if torch.is_tensor(tensor)) == 6 * LENGTH
    for row, found in zip(rows, batch["documents"].tolist(), strict=True):
        assert found == ([0] * LENGTH if row.documents is None else row.documents.tolist())
    # more than int16 counts
    long = TokenRow(np.full(2**15 + 2, 7), 0, 0, documents=np.arange(2**15 + 2))
    assert collator(tiny_model(arch))([long])["documents"][0, -1] == 2**15 + 1


class Squares(TorchDispatchMode):
    """Counts the operations that make a tensor of (length x length), by name."""

    def __init__(self) -> None:
        super().__init__()
        self.made: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if torch.is_tensor(out) and tuple(out.shape[-2:]) == (LENGTH, LENGTH) and not func.is_view:
            self.made[str(func)] += 1
        return out


@pytest.mark.parametrize("arch", ["bert", "modernbert"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_bias_is_made_once_a_step_and_converted_in_no_layer(arch: str, precision: str) -> None:
    found = []
    for layers in (1, 4):
        model = tiny_model(arch, layers=layers, max_length=LENGTH)
        objective = MaskedLM(model)
        attention = biased(model, torch.bfloat16 if precision == "bf16" else torch.float32)
        kept: dict[int, int] = {}  # storage -> bytes, of what the backward pass needs

        def keep(tensor: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            if tuple(tensor.shape[-2:]) == (LENGTH, LENGTH):
                kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with (
            Squares() as squares,
            torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        ):
            objective(model, batch_of(model, attention, blocks(3)), None).loss.backward()
        found.append(squares.made)
        kinds = 2 if arch == "modernbert" and layers > 1 else 1
        assert list(kept.values()) == [3 * LENGTH**2 * attention.dtype.itemsize] * kinds
    assert found[0] == found[1]
    assert found[0]["aten.masked_fill_.Scalar"] == (2 if arch == "modernbert" else 1)
    assert "aten._to_copy.default" not in found[0]


def test_rows_of_a_bias_begin_where_cuda_reads_them() -> None:
    """torch's masked attention on CUDA copies a bias in each layer unless its strides are multiples of 8."""
    for length in (61, 64):
        for model in (tiny_model("bert"), tiny_model("modernbert")):
            masks = batch_of(model, biased(model), blocks(3, length))["attention_mask"]
            for bias in masks.values() if isinstance(masks, dict) else [masks]:
                assert bias.shape == (3, 1, length, length)
                assert [stride % 8 for stride in bias.stride()] == [0, 0, 0, 1]


@pytest.mark.parametrize("window", [None, 1, 4, 63, 200])
def test_pairs_that_attend_to_each_other_are_counted(window: int | None) -> None:
    rows = [row for row in blocks(5) if row.documents is not None]
    owner = np.stack([row.documents for row in rows])  # type: ignore[misc]
    place = np.arange(LENGTH)
    seen = owner[:, :, None] == owner[:, None, :]
    if window is not None:
        seen &= np.abs(place[:, None] - place) <= window
    assert attended(np.diff(starts_of(owner)), window) == seen.sum()


@pytest.mark.parametrize("arch", [*ARCHITECTURES, "rtd"])
def test_padding_as_a_document_of_its_own_changes_nothing(arch: str) -> None:
    """As runs on a GPU leave it out, without the question whether anything is padded, which has to be waited for."""
    model, objective = made(arch)
    lines = Lines(stream_of(documents(20)), wordpiece(), LENGTH)
    rows = [lines[i] for i in range(6)]
    plain = batch_of(model, biased(model), rows)
    assert plain["attention_mask"].shape == plain["input_ids"].shape
    bias = batch_of(model, DocumentAttention(window_of(model.config), torch.float32, padding=True), rows)
    expected, found = step(model, objective, plain), step(model, objective, bias)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-5, msg=name)


# --- kernels of variable length: here a loop over documents stands in for one, as none runs on a CPU ---


class Loop:
    """What a kernel computes, a document at a time; keeps what it was given."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, query: Any, key: Any, value: Any, starts: Any, longest: int, **how: Any) -> torch.Tensor:
        assert starts.dtype == torch.int32
        assert query.dim() == 3
        assert int(starts[0]) == 0
        assert int(starts[-1]) == len(query)
        assert int(starts.diff().max()) <= longest
        self.calls.append({"starts": starts, "longest": longest, "dtype": query.dtype, **how})
        out = []
        for begin, end in itertools.pairwise(starts.tolist()):
            near = None
            if how["window"] != (-1, -1):
                place = torch.arange(end - begin)
                near = (place[:, None] - place).abs() <= how["window"][0]
            parts = [states[begin:end].transpose(0, 1)[None] for states in (query, key, value)]
            seen = F.scaled_dot_product_attention(*parts, attn_mask=near, dropout_p=how["dropout"], scale=how["scale"])
            out.append(seen[0].transpose(0, 1))
        return torch.cat(out)


def by_kernel(model: Any) -> tuple[DocumentAttention, Loop]:
    loop = Loop()
    switch(model, "loop", loop)
    return DocumentAttention(window_of(model.config), torch.float32, "loop"), loop


def made(arch: str, dropout: float = 0.0) -> tuple[Any, Any]:
    """A model and its objective; a local layer of ModernBERT reaches 4 tokens to either side."""
    from transformers import AutoModelForMaskedLM

    changes = {"hidden_size": 64, "heads": 4, "embedding_size": 16} if arch == "rtd" else {}
    config = tiny_config("electra" if arch == "rtd" else arch, max_length=LENGTH, **changes)
    config.update(dropout_overrides(config, dropout))
    torch.manual_seed(0)
    if arch == "rtd":
        config.generator_share = 0.5
        model: Any = ReplacedTokenModel(config)
        return model, ReplacedTokens(model, 0)
    if arch == "modernbert":
        config.local_attention = 8
    model = AutoModelForMaskedLM.from_config(config)
    return model, MaskedLM(model)


def step(model: Any, objective: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Loss, sums and gradients."""
    model.train()
    torch.manual_seed(1)  # of the draws of the generator
    outcome = objective(model, batch, None)
    outcome.loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return {"loss": outcome.loss.detach(), "sums": outcome.sums, **gradients}


@pytest.mark.parametrize("arch", [*ARCHITECTURES, "rtd"])
def test_a_kernel_gives_the_outputs_and_gradients_of_the_mask(arch: str) -> None:
    model, objective = made(arch)
    rows = blocks(5)
    expected = step(model, objective, batch_of(model, biased(model), rows))
    attention, loop = by_kernel(model)
    found = step(model, objective, batch_of(model, attention, rows))
    networks = 2 if arch == "rtd" else 1
    assert len(loop.calls) == networks * model.config.num_hidden_layers
    assert found.keys() == expected.keys()
    if arch == "modernbert":
        assert {call["window"] for call in loop.calls} == {(-1, -1), (4, 4)}
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-4, msg=name)


def test_a_batch_without_documents_has_the_models_own_attention() -> None:
    """The words that a run shows are filled in while the kernel is in the model, and local layers stay local."""
    for arch in ("bert", "modernbert"):
        model, _ = made(arch)
        model.eval()
        ids = torch.arange(5, 5 + LENGTH)[None]
        padding = (torch.arange(LENGTH) < 40)[None].long()
        with torch.no_grad():
            expected = [model(ids).logits, model(ids, attention_mask=padding).logits]
            _, loop = by_kernel(model)
            found = [model(ids).logits, model(ids, attention_mask=padding).logits]
        assert not loop.calls
        for mine, theirs in zip(found, expected, strict=True):
            assert torch.equal(mine, theirs), arch


def test_a_kernel_is_given_halves_where_autocast_is_on() -> None:
    """Rotary positions can leave queries and keys in float32 even there, which no kernel takes."""
    loop, starts = Loop(), torch.tensor([0, 3, 8], dtype=torch.int32)
    query, key, value = torch.randn(3, 2, 1, 4, 8)  # two rows, one head, four tokens
    with torch.autocast("cpu", torch.bfloat16):
        out, _ = through(loop)(None, query, key, value.bfloat16(), None, cu_seq_lens_q=starts, max_length_q=5)
    assert out.shape == (2, 4, 1, 8)
    assert {call["dtype"] for call in loop.calls} == {torch.bfloat16}


def test_a_kernel_is_no_part_of_what_is_saved(tmp_path: Path) -> None:
    for arch in ("bert", "rtd"):
        model, objective = made(arch)
        by_kernel(model)
        for folder in objective.save(tmp_path / arch):
            assert "loop" not in (folder / "config.json").read_text()


def test_the_packages_kernel_is_asked_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the names of flash-attn 2; another name would stop the run."""
    asked = []

    def flash_attn_varlen_func(
        q: Any,
        k: Any,
        v: Any,
        cu_seqlens_q: Any,
        cu_seqlens_k: Any,
        max_seqlen_q: int,
        max_seqlen_k: int,
        dropout_p: float = 0.0,
        softmax_scale: float | None = None,
        causal: bool = False,
        window_size: tuple[int, int] = (-1, -1),
        deterministic: bool = False,
    ) -> torch.Tensor:
        asked.append((dropout_p, window_size))
        assert cu_seqlens_q is cu_seqlens_k and max_seqlen_q == max_seqlen_k == LENGTH and not causal
        return Loop()(q, k, v, cu_seqlens_q, max_seqlen_q, scale=softmax_scale, window=window_size, dropout=0.0)

    monkeypatch.setitem(sys.modules, "flash_attn", SimpleNamespace(flash_attn_varlen_func=flash_attn_varlen_func))
    for arch, dropout, windows in (("bert", 0.1, {(-1, -1)}), ("modernbert", 0.0, {(-1, -1), (4, 4)})):
        model, objective = made(arch, dropout)
        expected = objective(model.eval(), batch_of(model, biased(model), blocks(3)), None)
        switch(model, "flash_attn", KERNELS["flash_attn"])
        attention = DocumentAttention(window_of(model.config), torch.float32, "flash_attn")
        found = objective(model, batch_of(model, attention, blocks(3)), None)
        torch.testing.assert_close(found.sums, expected.sums, atol=1e-5, rtol=1e-4)
        assert set(asked) == {(0.0, window) for window in windows}
        asked.clear()
        objective(model.train(), batch_of(model, attention, blocks(3)), None)
        assert set(asked) == {(dropout, window) for window in windows}
        asked.clear()


# --- which kernel ---


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend that flash attention is there: torch's, and the package if asked."""

    def install(*, torchs: bool = True, package: bool = False) -> None:
        monkeypatch.setattr("torch.backends.cuda.is_flash_attention_available", lambda: torchs)
        monkeypatch.setattr("transformers.utils.is_flash_attn_2_available", lambda: package)

    return install


def chosen(model: Any, precision: str = "bf16", recorded: str | None = None, card: Any = pretended.H200) -> Any:
    with pretended.cuda(card):
        return attention_for(model, Device("cuda", precision, "cuda (a card)"), recorded)


@pytest.mark.parametrize("arch", [*ARCHITECTURES, "rtd"])
def test_on_a_gpu_every_architecture_takes_the_kernel(arch: str, installed: Any) -> None:
    installed()
    model, _ = made(arch)
    found = chosen(model.train())
    assert found.name == "varlen_attn"
    assert found.described == "within documents, by varlen_attn, a kernel of variable length"
    assert {encoder.config._attn_implementation for encoder in encoders(model)} == {"nlpkit_varlen_attn"}
    assert model.training


def test_what_a_kernel_does_not_do_is_left_to_the_mask_and_said(installed: Any) -> None:
    from transformers import AutoModelForMaskedLM, MPNetConfig

    installed()
    bert, _ = made("bert")
    dropped, _ = made("bert", dropout=0.1)
    odd = tiny_model("bert", hidden_size=36, heads=3, max_length=LENGTH)
    shape = {"vocab_size": 81, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    mpnet = AutoModelForMaskedLM.from_config(MPNetConfig(**shape, intermediate_size=64))
    cases = [
        (chosen(bert, "fp32"), "fp32"),
        (chosen(bert, "fp16", card=pretended.T4), "compute capability 8.0"),
        (chosen(dropped), "torch's kernel of variable length lacks attention dropout, here 0.1: --dropout 0 has none"),
        (chosen(odd), "heads of 12"),
        (chosen(mpnet), "mpnet takes no kernel"),
    ]
    installed(torchs=False)
    cases.append((chosen(bert), "no kernel of variable length is installed"))
    for found, why in cases:
        assert found.kernel is None
        assert found.described.startswith("within documents, by a mask (")
        assert why in found.described
    for model in (bert, dropped, odd):
        assert model.config._attn_implementation == "sdpa"
    assert attention_for(bert, Device("cpu", "fp32", "cpu")).described == "within documents, by a mask"
    # the package drops attention too; trying that draws nothing from the run
    installed(package=True)
    state = torch.random.get_rng_state()
    assert chosen(dropped).name == "flash_attn"
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_resumed_run_attends_as_it_began_where_it_can(installed: Any) -> None:
    installed(package=True)
    assert chosen(made("bert")[0]).name == "flash_attn"
    assert chosen(made("bert")[0], recorded="varlen_attn").name == "varlen_attn"
    found = chosen(made("bert")[0], recorded="mask")
    assert (found.name, found.why) == ("mask", "as the run began")
    found = attention_for(made("bert")[0], Device("cpu", "fp32", "cpu"), "flash_attn")
    assert found.described == "within documents, by a mask (the run began with flash_attn)"


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("arch", ["mpnet", "bert"])
def test_a_run_that_let_documents_see_each_other_is_told_that_they_do_not(
    arch: str, older: bool, tmp_path: Path
) -> None:
    from transformers import AutoModelForMaskedLM, MPNetConfig

    shape = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = AutoModelForMaskedLM.from_config(MPNetConfig(**shape)) if arch == "mpnet" else tiny_model(arch)
    write_json(tmp_path / "nlpkit.json", {"command": "pretrain-mlm", **({} if older else {"attention": "mask"})})
    config = configured(tmp_path, data="text.txt", resume=True)
    with reporting.listening() as heard:
        method = pretrain_mlm.MaskedLanguageModeling(config)
        found = attention_of(method, model, Device("cpu", "fp32", "cpu"), RunFolder(tmp_path))
    assert found is not None
    told = [line for line in heard.warnings if "an older nlpkit" in line]
    assert len(told) == (older and arch == "mpnet")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["mask", "varlen_attn", "one document", "padding"])
@pytest.mark.parametrize("arch", ["bert", "modernbert", "rtd"])
def test_a_step_on_a_pretended_gpu_waits_for_nothing(arch: str, how: str) -> None:
    """With torch's own kernel: what it says of the shapes that it is given is right, forward and backward."""
    model, objective = made(arch)
    kernel = how if how in KERNELS else None
    if kernel:
        switch(model, kernel, KERNELS[kernel])
    attention = DocumentAttention(window_of(model.config), torch.bfloat16, kernel, padding=how == "padding")
    lines = Lines(stream_of(documents(20)), wordpiece(), LENGTH)
    rows = {"one document": blocks(1) * 3, "padding": [lines[i] for i in range(3)]}.get(how, blocks(3))
    batch = collator(model, starts=kernel is not None)(rows)
    del batch["attended"], batch["tokens"]
    with pretended.cuda(), pretended.tensors(), pretended.waits() as found:
        model.to("cuda").train()
        batch = attention({name: tensor.to("cuda") for name, tensor in batch.items()})
        masks = batch.get("attention_mask")
        for bias in masks.values() if isinstance(masks, dict) else [masks]:
            assert (bias is None) == (how in ("varlen_attn", "one document"))
            assert bias is None or (bias.device.type, bias.dtype) == ("cuda", torch.bfloat16)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            objective(model, batch, None).loss.backward()
        assert all(parameter.grad.device.type == "cuda" for parameter in model.parameters())
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"arch": "modernbert"}, {"arch": "electra", "objective": "rtd", "dropout": 0.0}])
def test_a_run_by_a_kernel_is_the_run_by_the_mask(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**sources(tmp_path, 60), **changes, "max_length": 48, "max_steps": 4, "eval_steps": 2, "logging_steps": 1}
    masked = pretrain(tmp_path / "masked", **given)
    loop = Loop()
    monkeypatch.setitem(KERNELS, "loop", loop)
    monkeypatch.setattr("nlpkit.pretraining.attention.kernel_for", lambda model, device: ("loop", ""))
    run = pretrain(tmp_path / "run", **given)
    assert len(loop.calls) > 4
    assert record(masked)["attention"] == "mask"
    assert record(run)["attention"] == "loop"
    for name in ("loss", "eval_loss"):
        assert logged(run, name) == pytest.approx(logged(masked, name), rel=1e-4)
    assert "loop" not in (run / "config.json").read_text()


# --- compiled ---


@torch.library.custom_op("nlpkit_tests::loop", mutates_args=())
def _loop(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, starts: torch.Tensor, longest: int, near: int
) -> torch.Tensor:
    return Loop()(query, key, value, starts, longest, scale=None, window=(near, near), dropout=0.0)


@_loop.register_fake
def _(query: Any, key: Any, value: Any, starts: Any, longest: int, near: int) -> torch.Tensor:
    return torch.empty_like(query)


@pytest.mark.slow
@pytest.mark.parametrize(("arch", "kernel"), [("modernbert", False), ("bert", True), ("rtd", False)])
def test_compiled_all_of_a_forward_pass_is_one_graph_for_every_batch(arch: str, kernel: bool) -> None:
    """Documents differ from batch to batch; how many starts there are is a dimension, for which there is a second."""
    from torch._dynamo.testing import CompileCounter
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    counters.clear()
    model, objective = made(arch)
    attention = biased(model)
    if kernel:
        switch(model, "op", lambda *states, window, **how: _loop(*states, window[0]))
        attention = DocumentAttention(window_of(model.config), torch.float32, "op")
    graphs = CompileCounter()
    compiled = torch.compile(model.train(), backend=graphs)
    rows, found = blocks(8), []
    for first in range(4):
        with torch.no_grad():
            objective(compiled, batch_of(model, attention, rows[first : first + 4]), None)
        found.append(graphs.frame_count)
    assert found == ([1, 2, 2, 2] if kernel else [1, 1, 1, 1])
    assert not counters["graph_break"]


# --- on a real GPU ---


@pytest.mark.gpu
@pytest.mark.parametrize("arch", ["bert", "modernbert"])
def test_the_real_kernel_gives_what_the_mask_gives(arch: str) -> None:
    model, objective = made(arch)
    rows = blocks(5)
    masked = DocumentAttention(window_of(model.config), torch.bfloat16)
    by_mask = batch_of(model, masked, rows)
    attention = attention_for(copy.deepcopy(model), Device("cuda", "bf16", "cuda"))
    if attention.kernel is None:
        pytest.skip(attention.why)
    by_kernel = batch_of(model, attention, rows)
    model.to("cuda")
    with torch.autocast("cuda", torch.bfloat16):
        expected = step(model, objective, placed(by_mask))
        switch(model, attention.kernel, KERNELS[attention.kernel])
        found = step(model, objective, placed(by_kernel))
    assert float(found["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-2)
    # one direction for all of it: some gradients, as that of the keys' biases, are rounding alone
    names = sorted(expected.keys() - {"loss", "sums"})
    mine, theirs = (torch.cat([side[name].flatten() for name in names]) for side in (found, expected))
    assert float(F.cosine_similarity(mine, theirs, dim=0)) > 0.99


def placed(batch: Any) -> Any:
    if isinstance(batch, dict):
        return {name: placed(value) for name, value in batch.items()}
    return batch.to("cuda") if torch.is_tensor(batch) else batch


@pytest.mark.gpu
def test_a_run_on_a_gpu_takes_the_kernel_and_says_so(tmp_path: Path) -> None:
    given = sources(tmp_path, 50)
    run = pretrain(tmp_path / "run", **given, device="cuda", precision="bf16", dropout=0.0, max_steps=4)
    assert record(run)["attention"] in KERNELS
    assert all(np.isfinite(loss) for loss in logged(run, "loss").values())
