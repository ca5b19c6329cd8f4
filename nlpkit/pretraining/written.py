"""What a model that writes has learned, to look at: how it goes on from a few prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nlpkit.generation.words import continuation

TOKENS = 40  # that are written
TEMPERATURE = 0.8
PROMPT = 8  # tokens of the beginning of a validation row
SEED = 0  # the same draws at each evaluation: what changes is the model


@dataclass(frozen=True)
class Prompt:
    """Attributes:
    ids: shape (length,), at least one.
    text: as it is shown; empty where the model begins by itself.
    """

    ids: torch.Tensor
    text: str


def prompts(texts: Sequence[str], validation: Any, tokenizer: Any, room: int) -> list[Prompt]:
    """What the user gave, else the beginning of a validation row.

    Args:
        texts: of the user.
        validation: rows.
        room: tokens that prompt and answer may have together.

    Raises:
        ValueError: a prompt leaves no room to write.
    """
    if not texts:
        ids = torch.as_tensor(validation[0].ids[: min(PROMPT, room - 1)].astype("int64"))
        return [Prompt(ids, tokenizer.decode(ids))]
    made = []
    for text in texts:
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"] or [tokenizer.eos_token_id]
        if len(tokens) >= room:
            raise ValueError(f"'{text}' has {len(tokens)} tokens, the model takes {room}")
        made.append(Prompt(torch.tensor(tokens), text))
    return made


def write(model: Any, tokenizer: Any, samples: Sequence[Prompt], room: int) -> list[dict[str, Any]]:
    """How the model goes on: `prompt`, `text`; drawn with a fixed seed, which leaves that of the training alone."""
    from transformers import GenerationConfig

    training, device = model.training, next(model.parameters()).device
    model.eval()
    out = []
    with torch.no_grad(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for sample in samples:
            torch.manual_seed(SEED)
            ids = sample.ids[None].to(device)
            settings = GenerationConfig(
                max_new_tokens=min(TOKENS, room - len(sample.ids)),
                do_sample=True,
                temperature=TEMPERATURE,
                top_k=0,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
            written = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
            text = continuation(tokenizer, written[0, len(sample.ids) :].tolist())
            out.append({"prompt": sample.text, "text": text})
    model.train(training)
    return out


def described(sample: dict[str, Any]) -> str:
    """One line for people."""
    return f"{sample['prompt']!r} -> {sample['text']!r}"
