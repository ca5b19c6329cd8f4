"""What is learned: the model class of each objective, its loss on a batch, and what is saved.

Every loss is a mean over predicted tokens of the whole optimizer step: sums here, divided by the count that the
Trainer gathers over accumulation and processes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining, PreTrainedConfig, PreTrainedModel

from nlpkit.data.ignored import IGNORED
from nlpkit.errors import UserError
from nlpkit.generation.language_head import LanguageHead
from nlpkit.metrics.evidence import Evidence, Extremes
from nlpkit.pretraining.architectures import generator_config
from nlpkit.tasks.masked_lm.heads import MaskedPositions, vocabulary_logits

CACHED = 2**19  # logits worked on at a time, 2 MB
PARTS = 2**31  # into which a probability of 1 is cut where sums must be exact; squared it is a number of 64 bits
DISCRIMINATOR_WEIGHT = 50.0  # lambda of ELECTRA (Clark et al. 2020, section 3.1)


@dataclass
class Outcome:
    """What a batch gave.

    Attributes:
        loss: the sum to be differentiated, already divided.
        sums: per row, for metrics; shape (batch, columns of the objective), detached.
    """

    loss: torch.Tensor
    sums: torch.Tensor


class MaskedLM:
    """Masked language modelling (Devlin et al. 2019): cross-entropy at the predicted positions.

    Args:
        model: any model with a masked-LM head.
    """

    columns: tuple[str, ...] = ("nll", "correct", "masked")

    def __init__(self, model: Any) -> None:
        self.model = model
        self.head = MaskedPositions(model)

    def __call__(self, model: Any, batch: dict[str, Any], items: Any) -> Outcome:
        """Forward and loss.

        Args:
            model: `self.model`, possibly wrapped by the Trainer.
            batch: of `MaskingCollator`; consumed.
            items: predicted tokens of the optimizer step; None takes those of the batch.
        """
        positions, labels = batch.pop("positions"), batch.pop("labels")
        pair_labels = batch.pop("pair_labels", None)
        with self.head.at(positions):
            output = model(**batch)
        logits = vocabulary_logits(output)
        items = (labels != IGNORED).sum() if items is None else items
        loss, sums = _masked_loss(logits, labels, items)
        if pair_labels is None:
            return Outcome(loss, sums)
        pair_logits = output["seq_relationship_logits" if "seq_relationship_logits" in output else "sop_logits"].float()
        # a mean over the rows of this batch; `items / tokens` is the number of batches that a step accumulates
        weight = (labels != IGNORED).sum() / items
        pair_loss = F.cross_entropy(pair_logits, pair_labels)
        right = (pair_logits.argmax(-1) == pair_labels).float()
        sums = torch.cat([sums, right[:, None], torch.ones_like(right)[:, None]], dim=1)
        return Outcome(loss + weight * pair_loss, sums)

    def metrics(self, sums: Any) -> dict[str, float]:
        """Metrics of the sums of all rows, shape (rows, columns)."""
        return _masked_metrics(sums)

    def filler(self) -> tuple[Any, MaskedPositions]:
        """The model that fills masks, and what selects the positions of its head."""
        return self.model, self.head

    def save(self, folder: Path) -> list[Path]:
        """Write what stock Transformers opens; returns the folders that need the tokenizer."""
        self.model.save_pretrained(folder)
        return [folder]


class PairedLM(MaskedLM):
    """Masked LM with a second head that tells whether two segments belong together, in this order."""

    columns = ("nll", "correct", "masked", "pair_correct", "pairs")

    def metrics(self, sums: Any) -> dict[str, float]:
        return {**_masked_metrics(sums), "pair_accuracy": float(sums[:, 3].sum() / sums[:, 4].sum())}


class ReplacedTokenModel(PreTrainedModel):
    """ELECTRA's two networks as one module (Clark et al. 2020): they share token and position embeddings.

    Args:
        config: of the discriminator; `generator_share` in it is the generator's relative width.

    Attributes:
        head: selects the positions of the generator's head.
    """

    config_class = ElectraConfig
    base_model_prefix = "discriminator"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _tied_weights_keys = {
        f"generator.electra.embeddings.{name}.weight": f"discriminator.electra.embeddings.{name}.weight"
        for name in ("word_embeddings", "position_embeddings", "token_type_embeddings")
    } | {"generator.generator_lm_head.weight": "discriminator.electra.embeddings.word_embeddings.weight"}

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__(config)
        self.discriminator = ElectraForPreTraining(config)
        self.generator = ElectraForMaskedLM(generator_config(config, config.generator_share))
        self.head = MaskedPositions(self.generator)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The token embeddings that both networks read."""
        return self.discriminator.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        """The generator's vocabulary head."""
        return self.generator.get_output_embeddings()

    def forward(self, input_ids: torch.Tensor, original: torch.Tensor, positions: torch.Tensor, **inputs: Any) -> Any:
        """Logits of the generator at `positions` (batch, k, vocabulary), and of the discriminator (batch, length).

        Args:
            input_ids: with masks, shape (batch, length).
            original: ids at `positions`, IGNORED where a row has fewer; shape (batch, k).
        """
        with self.head.at(positions):
            guessed = self.generator(input_ids, **inputs).logits
        with torch.no_grad():
            # the same draws in each evaluation: its losses are compared
            sampled = _drawn(guessed, None if self.training else torch.Generator(guessed.device).manual_seed(0))
            # what is not used goes into a column that is cut off: how many are is known on the device alone
            place = positions.where(original != IGNORED, input_ids.shape[1])
            filled = _with(input_ids, place, sampled)
            replaced = _with(torch.zeros_like(input_ids), place, (sampled != original).long())
        return guessed, self.discriminator(filled, **inputs).logits, replaced


def _drawn(logits: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """One piece for each position, drawn by its probability; shape (batch, k).

    Args:
        logits: shape (batch, k, vocabulary).
        generator: of the draws; None takes torch's own.
    """
    # one number a position and a search in the cumulated probabilities, not one for every piece
    shape, device, probabilities = (*logits.shape[:2], 1), logits.device, logits.float().softmax(-1)
    if torch.are_deterministic_algorithms_enabled():
        # the sums of fractions are not, on CUDA: whole parts of 2^31, which leave out what is less likely than that
        cumulated = (probabilities * PARTS).long().cumsum(-1)
        drawn = torch.randint(PARTS, shape, device=device, generator=generator) * cumulated[..., -1:] // PARTS
    else:
        cumulated = probabilities.cumsum(-1)
        drawn = torch.rand(shape, device=device, generator=generator) * cumulated[..., -1:]
    tokens = torch.searchsorted(cumulated, drawn, right=not cumulated.is_floating_point()).squeeze(-1)
    return tokens.clamp_(max=logits.shape[-1] - 1)


def _with(row: torch.Tensor, place: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Copies of rows, shape (batch, length), with values (batch, k) at places, of which `length` is none."""
    return F.pad(row, (0, 1)).scatter(1, place, values)[:, :-1]


class ReplacedTokens:
    """Replaced token detection: a small generator fills the masks, the discriminator finds what it replaced.

    Args:
        model: both networks.
        pad_id: positions of it are not judged.
    """

    columns = ("nll", "correct", "masked", "binary", "right", "tokens", "found", "replaced")

    def __init__(self, model: ReplacedTokenModel, pad_id: int) -> None:
        self.model, self.pad_id = model, pad_id

    def __call__(self, model: Any, batch: dict[str, Any], items: Any) -> Outcome:
        """As `MaskedLM.__call__`: the generator's loss, and 50 times the discriminator's over all real tokens."""
        labels = batch.pop("labels")
        real = batch["input_ids"] != self.pad_id
        guessed, detector_logits, replaced = model(original=labels, **batch)
        items = (labels != IGNORED).sum() if items is None else items
        loss, sums = _masked_loss(guessed, labels, items)
        binary = F.binary_cross_entropy_with_logits(detector_logits.float(), replaced.float(), reduction="none") * real
        weight = (labels != IGNORED).sum() / items
        right = ((detector_logits > 0) == (replaced > 0)) & real
        detected = right & (replaced > 0)
        more = [binary.sum(1), right.sum(1), real.sum(1), detected.sum(1), replaced.sum(1)]
        sums = torch.cat([sums, torch.stack([column.float() for column in more], dim=1).detach()], dim=1)
        return Outcome(loss + DISCRIMINATOR_WEIGHT * weight * binary.sum() / real.sum(), sums)

    def metrics(self, sums: Any) -> dict[str, float]:
        """Metrics of the sums of all rows; `loss` is the training objective."""
        total = sums.sum(axis=0)
        binary = float(total[3] / total[5])
        generator = _masked_metrics(sums)
        return {
            **generator,
            "loss": generator["loss"] + DISCRIMINATOR_WEIGHT * binary,
            "generator_loss": generator["loss"],
            "discriminator_loss": binary,
            "discriminator_accuracy": float(total[4] / total[5]),
            "replaced_recall": float(total[6] / max(total[7], 1)),
        }

    def filler(self) -> tuple[Any, MaskedPositions]:
        """The generator, and what selects the positions of its head."""
        return self.model.generator, self.model.head

    def save(self, folder: Path) -> list[Path]:
        """The discriminator is the encoder; the generator, which fills masks, goes into `generator/`."""
        self.model.discriminator.save_pretrained(folder)
        self.model.generator.save_pretrained(folder / "generator")
        return [folder, folder / "generator"]


class CausalLM:
    """Language modelling: cross-entropy of each next token.

    The vocabulary head is computed for some tokens at a time, with its gradient, so that the logits of a step never
    stand in memory whole: at 50,000 tokens they are its largest tensor by far.

    Args:
        model: any model with a language-modelling head.
        bytes_of: bytes of text that each token id stands for, shape (vocabulary,); NaN of those that stand for none
            that is known.
    """

    columns: tuple[str, ...] = ("nll", "correct", "tokens", "bytes")

    def __init__(self, model: Any, bytes_of: np.ndarray) -> None:
        self.model, self.head = model, LanguageHead(model)
        self.bytes_of = torch.from_numpy(bytes_of).float()

    def __call__(self, model: Any, batch: dict[str, Any], items: Any) -> Outcome:
        """Forward and loss.

        Args:
            model: `self.model`, possibly wrapped by the Trainer.
            batch: of `CausalCollator`; consumed.
            items: judged tokens of the optimizer step; None takes those of the batch.
        """
        labels = batch.pop("labels")
        total, each, right = self.head.loss(model, batch, labels)
        used = labels != IGNORED
        items = used.sum() if items is None else items
        if self.bytes_of.device != labels.device:
            self.bytes_of = self.bytes_of.to(labels.device)
        said = torch.where(used, self.bytes_of[labels.clamp(min=0)], 0.0)  # a product would keep the NaN of id 0
        sums = torch.stack([column.float().sum(1) for column in (each, right, used, said)], dim=1)
        return Outcome(total / items, sums)

    def metrics(self, sums: Any) -> dict[str, float]:
        """Metrics of the sums of all rows, shape (rows, columns)."""
        nll, correct, tokens, said = sums.sum(axis=0).tolist()
        loss = nll / max(tokens, 1)
        metrics = {"loss": loss, "perplexity": math.exp(min(loss, 700)), "accuracy": correct / max(tokens, 1)}
        if said > 0:  # NaN where a token stands for no known text
            metrics["bits_per_byte"] = nll / math.log(2) / said
        return metrics

    def save(self, folder: Path) -> list[Path]:
        """Write what stock Transformers opens; returns the folders that need the tokenizer."""
        self.model.save_pretrained(folder)
        return [folder]


Objective = MaskedLM | ReplacedTokens | CausalLM


def evidence_of(objective: Objective, sums: np.ndarray) -> Evidence:
    """What the metrics of an objective hang on: rows of pieces, shape (rows, columns)."""

    def figures(weights: np.ndarray) -> Mapping[str, np.ndarray]:
        drawn = [objective.metrics(total[None]) for total in weights @ sums]
        return {name: np.array([metrics[name] for metrics in drawn]) for name in drawn[0]}

    shares = [name for name in objective.metrics(sums[:1]) if name.endswith(("accuracy", "recall"))]
    return Evidence(np.arange(len(sums)), figures, extremes=dict.fromkeys(shares, Extremes()))


class _CrossEntropy(torch.autograd.Function):
    """Cross-entropy that turns the logits into their own gradient, in place.

    The logits of a step are its largest tensor by far. torch's cross-entropy makes three more of that size, and with
    them an argmax of its own; at mini size that took a twentieth of a step on the CPU. Where something else still needs
    the logits in its backward pass, autograd says so.
    """

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        used, target = labels != IGNORED, labels.clamp(min=0)[:, None]
        gold = logits.gather(1, target)[:, 0]
        top, best, total = torch.empty_like(gold), torch.empty_like(labels), torch.empty_like(gold)
        # a part at a time, so that on the CPU it stays in the cache from one operation to the next
        size = max(CACHED // logits.shape[1], 1) if logits.device.type == "cpu" else max(len(logits), 1)
        parts = [part.split(size) for part in (logits, top, best, total)]
        for rows, highest, place, sums in zip(*parts, strict=True):
            torch.max(rows, 1, out=(highest, place))
            torch.sum(rows.sub_(highest[:, None]).exp_(), 1, out=sums)
        logits.scatter_add_(1, target, -total[:, None])
        ctx.unscaled, ctx.total, ctx.used = logits, total, used
        return (top + total.log() - gold) * used, best == labels

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.unscaled.mul_((gradients[0] * ctx.used / ctx.total)[:, None]), None


def _masked_loss(logits: torch.Tensor, labels: torch.Tensor, items: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss, and for each row its sum of negative log-likelihoods, of right predictions, of predicted tokens.

    The logits are used up.
    """
    each, right = _CrossEntropy.apply(logits.flatten(0, 1).float(), labels.flatten())
    columns = [each.detach(), right.float(), (labels != IGNORED).flatten().float()]
    sums = torch.stack([column.view_as(labels).sum(1) for column in columns], dim=1)
    return each.sum() / items, sums


def _masked_metrics(sums: Any) -> dict[str, float]:
    nll, correct, masked = sums[:, :3].sum(axis=0).tolist()
    loss = nll / max(masked, 1)
    return {"loss": loss, "perplexity": math.exp(min(loss, 700)), "accuracy": correct / max(masked, 1)}


def require_pair_head(config: PreTrainedConfig, objective: str) -> None:
    """Check that this architecture has a head for sentence pairs.

    Raises:
        UserError: it has none.
    """
    if config.model_type not in ("bert", "albert", "megatron-bert", "mobilebert"):
        raise UserError(
            f"--objective {objective}: {config.model_type} has no sentence-pair head",
            "Use a BERT or ALBERT, or --objective mlm.",
        )
