"""A model that is ready to be looked into: any encoder or decoder, with or without a head, and one without training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from nlpkit import process
from nlpkit.errors import UserError
from nlpkit.hardware import devices
from nlpkit.inference.weights import Weights
from nlpkit.models import fitting, opening, pruned
from nlpkit.models.files import STATIC, exported_file, made_from
from nlpkit.probing.options import LookedIntoOptions

AUTO_CLASS = "AutoModel"
UNREAD = ("pooler.",)  # weights behind the last layer, which no hidden state hangs on
SHOWN = 3  # weights that a message names


@dataclass(frozen=True)
class Opened:
    """A model without its head.

    Attributes:
        name: as the user gave it.
        weights: of the model on its device; of an encoder-decoder those of its encoder.
        tokenizer: of the model.
        limit: tokens of an input, special tokens included; None for any number.
        layers: how many there are; the embeddings below them are counted as layer 0, so that states have one more.
        width: numbers of a state.
        described: for people: "BertModel, 6 layers of 384".
    """

    name: str
    weights: Weights
    tokenizer: Any
    limit: int | None
    layers: int
    width: int
    described: str

    @property
    def model(self) -> Any:
        return self.weights.model


def open_model(options: LookedIntoOptions) -> Opened:
    """Open the layers of a run of any task, or of a model folder.

    Raises:
        UserError: it cannot be opened, runs in ONNX Runtime, is a table of vectors, or gives no hidden states.
    """
    device = devices.choose(options)
    place = opening.resolve(options.model, "MODEL")
    if exported_file(place) is not None:
        raise UserError(
            f"{options.model} runs in ONNX Runtime, and does not give its hidden states",
            f"Name the run that it was made from: {made_from(place)}",
        )
    config = opening.load_config(place, revision=options.model_revision, trust_remote_code=options.trust_remote_code)
    if config.model_type == STATIC:
        raise UserError(f"{options.model} is a table of token vectors: it has no layers", "Name a Transformer.")
    model, new = opening.load_model(
        place,
        AUTO_CLASS,
        revision=options.model_revision,
        trust_remote_code=options.trust_remote_code,
        allow_pickle=options.allow_pickle,
    )
    if new := [weight for weight in new if not weight.startswith(UNREAD)]:
        raise UserError(
            f"{options.model} has no weights for {', '.join(new[:SHOWN])}{', ...' if len(new) > SHOWN else ''}: "
            "its states would be random",
            "The folder is damaged; copy it again.",
        )
    named = opening.resolve(options.tokenizer, "--tokenizer") if options.tokenizer else place
    tokenizer = opening.load_tokenizer(
        named,
        revision=None if options.tokenizer else options.model_revision,
        trust_remote_code=options.trust_remote_code,
        slow=True,
    )
    limit = opening.max_positions(model.config, tokenizer, model)
    model = _reading(model)
    fitting.fit(model, tokenizer)
    weights = Weights(model, device, lent=True)
    layers, width = _shape(weights, tokenizer, options.model)
    described = f"{type(model).__name__}, {layers} layers of {width}"
    return Opened(options.model, weights, tokenizer, limit, layers, width, described)


def untrained(opened: Opened, seed: int) -> Opened:
    """A model of the same shape with random weights, as training begins with them, and the same tokenizer.

    Args:
        seed: of the weights.
    """
    import transformers

    process.silence_transformers()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = pruned.build(opened.model.config, getattr(transformers, AUTO_CLASS))
    return replace(opened, weights=Weights(_reading(made), opened.weights.device, lent=True))


def _reading(model: Any) -> Any:
    """What reads a text: the model, or its encoder."""
    return model.get_encoder() if model.config.is_encoder_decoder else model


def _shape(weights: Weights, tokenizer: Any, name: str) -> tuple[int, int]:
    """How many layers there are, and how wide their states, found by asking.

    Raises:
        UserError: the architecture gives no hidden states.
    """
    ids = torch.tensor([tokenizer("a few words")["input_ids"]], device=weights.device.name)
    with torch.inference_mode():
        given = weights.call(lambda: weights.model(input_ids=ids, output_hidden_states=True))
    hidden = getattr(given, "hidden_states", None)
    if not hidden:
        raise UserError(
            f"{name}: the architecture {weights.model.config.model_type} gives no hidden states", "Name another model."
        )
    return len(hidden) - 1, int(hidden[-1].shape[-1])
