"""Attention masks without asking the device.

transformers looks into each mask for padding, to spare the attention one that says nothing; on a GPU the CPU waits for
all steps in the queue until it knows. Whoever made the batch knows it already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers import PreTrainedModel, masking_utils


@contextmanager
def taken_as_given(*, padded: bool = True) -> Iterator[None]:
    """Inside the block a batch with a mask is one with padding, and one without has neither padding nor packed rows.

    Args:
        padded: False: no batch has padding; the attention gets no mask, whatever else of the model reads it.
    """
    functions = masking_utils.ALL_MASK_ATTENTION_FUNCTIONS
    before = {name: functions[name] for name in ("sdpa", "eager")}
    places = [
        (masking_utils, "find_packed_sequence_indices"),
        (PreTrainedModel, "warn_if_padding_and_no_attention_mask"),
    ]
    replaced = [(place, name, getattr(place, name)) for place, name in places]
    for name, make in before.items():
        functions[name] = _made(make, padded)
    for place, name in places:
        setattr(place, name, _nothing)
    try:
        yield
    finally:
        for name, make in before.items():
            functions[name] = make
        for place, name, function in replaced:
            setattr(place, name, function)


def _made(make: Callable[..., Any], padded: bool) -> Callable[..., Any]:
    """The function of an attention that makes its masks, without the look whether one is needed."""

    def function(*, attention_mask: Any = None, **arguments: Any) -> Any:
        if not padded:
            attention_mask = None
        if attention_mask is not None:
            arguments |= {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
        return make(attention_mask=attention_mask, **arguments)

    return function


def _nothing(*_: Any) -> None:
    return None
