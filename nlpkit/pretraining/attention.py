"""Attention that stays within the documents of a block: what a batch says of them, and what the layers are given.

A batch says which document each token is of; a bias for all layers is made of that on the device, once per step.
Kernels of variable length need none: they are told where documents start, and compute nothing that a bias would take
away.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nlpkit.pretraining.architectures import encoders

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from nlpkit.hardware.devices import Device

ALIGNED = 8  # numbers that rows of a bias begin a multiple of apart, or CUDA's attention copies it in each layer
MASK = "mask"  # the name of attention by a bias; those of kernels are the keys of `KERNELS`
WIDEST_HEAD, HEAD_STEP = 256, 8  # of the flash kernels
AMPERE = (8, 0)  # the first compute capability that they run on
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}  # the arithmetic that they have


def window_of(config: PreTrainedConfig) -> int | None:
    """Tokens to either side that local attention reaches in models that alternate it with full attention (ModernBERT);
    None for others.
    """
    return config.local_attention // 2 if config.model_type == "modernbert" else None


def is_causal(model: Any) -> bool:
    """Whether the layers of a model attend to no token behind the one that they read."""
    return any(getattr(module, "is_causal", False) for module in model.modules())


def starts_of(documents: np.ndarray) -> np.ndarray:
    """Where each document of a batch starts if its rows stand behind each other, and the end; int32.

    Args:
        documents: number of the document of each token, shape (batch, length).
    """
    first = np.ones(documents.shape, dtype=bool)
    first[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return np.append(np.flatnonzero(first), documents.size).astype(np.int32)


def attended(lengths: np.ndarray, window: int | None, *, causal: bool = False) -> int:
    """Pairs of a token and one that it attends to, within documents of these lengths and at most `window` apart.

    Args:
        causal: to itself and to what stands before it alone.
    """
    lengths = lengths.astype(np.int64)
    if causal:
        return (attended(lengths, window) + int(lengths.sum())) // 2
    if window is None:
        return int((lengths**2).sum())
    band = lengths * (2 * window + 1) - window * (window + 1)
    return int(np.where(lengths > window, band, lengths**2).sum())


def bias_of(documents: torch.Tensor, window: int | None, dtype: torch.dtype, *, causal: bool = False) -> Any:
    """What is added to the scores of attention: 0 within a document and -inf between two.

    Args:
        documents: number of the document of each token, shape (batch, length).
        window: see `window_of`; the answer is a dict of both kinds of layers then, as the model takes it.
        dtype: of queries and keys, as another one would be converted in each layer.
        causal: a token attends to none behind it.

    Returns:
        Shape (batch, 1, length, length).
    """
    documents = documents.to(torch.int32)  # for which comparisons are quick on every device
    apart = documents[:, None, :, None] != documents[:, None, None, :]
    if causal:
        apart = apart | torch.ones(apart.shape[-2:], dtype=torch.bool, device=documents.device).triu(1)

    def bias(hidden: torch.Tensor) -> torch.Tensor:
        length = hidden.shape[-1]
        wide = (*hidden.shape[:-1], -(-length // ALIGNED) * ALIGNED)
        return torch.zeros(wide, dtype=dtype, device=hidden.device)[..., :length].masked_fill_(hidden, -torch.inf)

    if window is None:
        return bias(apart)
    place = torch.arange(documents.shape[1], device=documents.device)
    far = (place[:, None] - place[None, :]).abs() > window
    return {"full_attention": bias(apart), "sliding_attention": bias(apart | far)}


class DocumentAttention:
    """Puts what the layers read in the place of what a batch says about documents.

    Args:
        window: see `window_of`.
        dtype: of the activations.
        kernel: a name of `KERNELS`; None makes a bias.
        why: it is not what one might expect, for people.
        padding: rows are of one document and padding, which is made a document of its own: a mask of tokens would be
            read back from the device to see whether anything is padded, and converted in each layer.
        causal: the model attends to no token behind the one it reads, see `is_causal`.
    """

    def __init__(
        self,
        window: int | None,
        dtype: torch.dtype,
        kernel: str | None = None,
        why: str = "",
        padding: bool = False,
        causal: bool = False,
    ) -> None:
        self.window, self.dtype, self.kernel, self.why, self.padding = window, dtype, kernel, why, padding
        self.causal = causal

    @property
    def described(self) -> str:
        """For people."""
        if self.padding:
            return "to all but padding, by a mask"
        by = f"{self.kernel}, a kernel of variable length" if self.kernel else "a mask"
        return f"within documents, by {by}{f' ({self.why})' if self.why else ''}"

    @property
    def name(self) -> str:
        """For the record."""
        return self.kernel or MASK

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch for the model; it is changed.

        Args:
            batch: of `MaskingCollator`, on its device.
        """
        documents, starts = batch.pop("documents", None), batch.pop("starts", None)
        if self.padding:
            documents = batch.get("attention_mask")  # 1 and 0 tell the documents apart
        if documents is not None:
            batch["attention_mask"] = bias_of(documents, self.window, self.dtype, causal=self.causal)
        if starts is not None:
            # A document is at most as long as a row. How long the longest one is would be another number in each batch,
            # and with --compile another graph.
            length = batch["input_ids"].shape[1]
            batch |= dict.fromkeys(("cu_seq_lens_q", "cu_seq_lens_k"), starts)
            batch |= dict.fromkeys(("max_length_q", "max_length_k"), length)
            if self.window is not None:  # or the model makes masks of its own
                batch["attention_mask"] = dict.fromkeys(("full_attention", "sliding_attention"))
        return batch


# --- kernels of variable length ---


def _torch_kernel(query: Any, key: Any, value: Any, starts: Any, longest: int, **how: Any) -> Any:
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn(
        query, key, value, starts, starts, longest, longest, scale=how["scale"], window_size=how["window"]
    )


def _flash_kernel(query: Any, key: Any, value: Any, starts: Any, longest: int, **how: Any) -> Any:
    from flash_attn import flash_attn_varlen_func

    return flash_attn_varlen_func(
        *(query, key, value, starts, starts, longest, longest),
        dropout_p=how["dropout"],
        softmax_scale=how["scale"],
        window_size=how["window"],
        deterministic=torch.are_deterministic_algorithms_enabled(),  # which torch's kernel asks by itself
    )


# name in plan and record -> the kernel: (tokens, heads, size) of query, key and value, starts, longest document, and by
# name `scale`, `window` (left, right; -1 for none), `dropout`
KERNELS: dict[str, Callable[..., torch.Tensor]] = {"flash_attn": _flash_kernel, "varlen_attn": _torch_kernel}


def through(kernel: Callable[..., torch.Tensor]) -> Callable[..., tuple[torch.Tensor, None]]:
    """The attention function of transformers' `AttentionInterface` that calls a kernel for batches with starts of
    documents; others (the samples shown) have stock attention.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    def attention(
        module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **given: Any
    ) -> tuple[torch.Tensor, None]:
        starts, longest = given.get("cu_seq_lens_q"), given.get("max_length_q")
        if starts is None or longest is None:
            return sdpa_attention_forward(module, query, key, value, mask, **given)
        rows, _, length, _ = query.shape
        near = -1 if given.get("sliding_window") is None else given["sliding_window"] - 1  # it counts the token itself
        packed = [states.transpose(1, 2).flatten(0, 1) for states in (query, key, value)]
        if torch.is_autocast_enabled(query.device.type):  # it passes the kernel by, and rotary states may be in fp32
            packed = [states.to(torch.get_autocast_dtype(query.device.type)) for states in packed]
        out = kernel(
            *packed,
            starts,
            longest,
            scale=given.get("scaling"),
            window=(near, 0 if getattr(module, "is_causal", False) else near),
            dropout=given.get("dropout", 0.0),
        )
        return out.unflatten(0, (rows, length)), None

    return attention


def switch(model: Any, name: str, kernel: Callable[..., torch.Tensor]) -> None:
    """Let all layers of a model attend through a kernel, which is not saved with it.

    Args:
        name: of the attention; one that had it before is replaced.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    registered = f"nlpkit_{name.removeprefix('flash_')}"  # transformers takes "flash" in it for an own one
    AttentionInterface.register(registered, through(kernel))
    AttentionMaskInterface.register(registered, sdpa_mask)
    for encoder in encoders(model):  # one by one: of two, transformers 5.17 sets the first
        encoder.set_attn_implementation(registered)


def kernel_for(model: Any, device: Device) -> tuple[str | None, str]:
    """The kernel of variable length that a run can take, or None and why.

    Args:
        model: on the CPU.
    """
    if device.name != "cuda":
        return None, ""
    if device.precision not in HALVES:
        return None, f"kernels of variable length have no {device.precision}"
    if torch.cuda.get_device_capability() < AMPERE:
        return None, "kernels of variable length need compute capability 8.0"
    calls = _calls(model)
    if calls is None:
        return None, f"{model.config.model_type} takes no kernel of variable length"
    odd = next((size for size, _ in calls if size % HEAD_STEP or size > WIDEST_HEAD), None)
    if odd is not None:
        return None, f"heads of {odd} are none that kernels of variable length have"
    names = _installed()
    if not names:
        return None, "no kernel of variable length is installed"
    dropout = max(rate for _, rate in calls)
    if dropout and "flash_attn" not in names:
        return (
            None,
            f"torch's kernel of variable length lacks attention dropout, here {dropout:g}: --dropout 0 has none",
        )
    return names[0], ""


def _installed() -> list[str]:
    """The names in `KERNELS` that this installation has, the one that can do most first."""
    from transformers.utils import is_flash_attn_2_available

    names = ["flash_attn"] if is_flash_attn_2_available() else []
    if torch.backends.cuda.is_flash_attention_available():
        from torch.nn.attention.varlen import varlen_attn

        if {"scale", "window_size"} <= inspect.signature(varlen_attn).parameters.keys():
            names.append("varlen_attn")
    return names


def _calls(model: Any) -> list[tuple[int, float]] | None:
    """Size of the heads and dropout of each layer's attention, found by trying; None where not all of it goes through a
    kernel.
    """
    calls: list[tuple[int, float]] = []

    def seen(query: Any, key: Any, value: Any, starts: Any, longest: int, **how: Any) -> Any:
        calls.append((query.shape[-1], how["dropout"]))
        return query

    networks = encoders(model)
    before, was_training = [encoder.config._attn_implementation for encoder in networks], model.training
    documents = np.array([[0, 0, 0, 0, 1, 1, 1, 1]])
    try:
        switch(model.train(), "probe", seen)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            for encoder in networks:
                batch = {"input_ids": torch.full(documents.shape, 5), "starts": torch.from_numpy(starts_of(documents))}
                encoder(**DocumentAttention(window_of(encoder.config), encoder.dtype)(batch))
    except Exception:  # each architecture fails in its own way
        return None
    finally:
        for encoder, name in zip(networks, before, strict=True):
            encoder.set_attn_implementation(name)
        model.train(was_training)
    layers = sum(encoder.config.num_hidden_layers for encoder in networks)
    return calls if len(calls) == layers else None


def attention_for(model: Any, device: Device, recorded: str | None = None) -> DocumentAttention:
    """How a run keeps documents apart; a kernel is put into the model.

    Args:
        model: on the CPU.
        recorded: name of the attention that the run to be gone on with began with, which it keeps where it can.
    """
    kernel, why = kernel_for(model, device)
    if kernel is not None and recorded == MASK:
        kernel, why = None, "as the run began"
    elif kernel is not None and recorded in _installed():
        kernel = recorded
    elif recorded in KERNELS and recorded != kernel:
        why = f"the run began with {recorded}{f'; {why}' if why else ''}"
    if kernel is not None:
        switch(model, kernel, KERNELS[kernel])
    dtype = HALVES.get(device.precision, model.dtype)
    return DocumentAttention(window_of(model.config), dtype, kernel, why, causal=is_causal(model))


def padding_attention(model: Any, device: Device) -> DocumentAttention:
    """How a run whose rows are of one document each leaves their padding out."""
    return DocumentAttention(window_of(model.config), HALVES.get(device.precision, model.dtype), padding=True)
