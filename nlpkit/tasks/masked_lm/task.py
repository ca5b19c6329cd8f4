"""Masked language modelling: the words that a model would write in place of a mask, and how well it guesses them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit.data import checks, pieces
from nlpkit.data.collating import Collator, PaddingCollator
from nlpkit.data.findings import Finding
from nlpkit.data.ignored import IGNORED
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.tasks import arrays
from nlpkit.tasks.explained import Question
from nlpkit.tasks.forward import Forward, Loss, Part
from nlpkit.tasks.masked_lm import explaining, features
from nlpkit.tasks.masked_lm.options import (
    MLM_PROBABILITY,
    SEED,
    TOP_K,
    MaskedLMAnswerOptions,
    MaskedLMJudgeOptions,
    MaskedLMOptions,
)
from nlpkit.tasks.masked_lm.record import MaskedRecord
from nlpkit.tasks.options import TextOptions
from nlpkit.tasks.outputs import Outputs, exact
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.roles import Augmentable, Explainable, Teachable

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.metrics.evidence import Evidence
    from nlpkit.tasks.masked_lm.masking import Masking

# What users may write for a mask, whatever the model calls it.
PORTABLE_MASKS = ("<mask>", "[MASK]")
MASK_SPLIT = (0.8, 0.1, 0.1)  # BERT (Devlin et al. 2019, section 3.1)
CANDIDATE = np.dtype([("id", np.int64), ("score", np.float64)])


@dataclass(frozen=True, eq=False, kw_only=True)
class MaskedLanguageModeling(Teachable, Augmentable, Explainable):
    """See the module's docstring.

    Evaluation masks as training does (`nlpkit.tasks.masked_lm.masking`), single tokens, and the masks of a text depend
    on nothing but the text and the seed. Texts beyond `max_length` are read in windows that follow one another, so that
    each token is in one; at prediction a window lies around the masks.

    Args:
        text: name of the text column in the user's rows.
        mlm_probability: share of the tokens that evaluation predicts.
        mask_split: shares of these that become the mask token, a random token, and stay.
        seed: of the masks of evaluation.
        top_k: candidates for each mask.
        hint: column of what is read before the text, at prediction; None: nothing is.
        tokenizer: of the model, at prediction.
    """

    text: str = "text"
    mlm_probability: float = MLM_PROBABILITY
    mask_split: Sequence[float] = MASK_SPLIT
    seed: int = SEED
    top_k: int = TOP_K
    hint: str | None = None
    tokenizer: Any = None
    # Ids without a token, by width of the logits and device ("" of arrays), see `_unnamed`.
    _gaps: dict[tuple[int, str], arrays.Values] = field(init=False, repr=False, default_factory=dict)

    name: ClassVar[str] = "fill-mask"
    auto_class: ClassVar[str] = "AutoModelForMaskedLM"
    # BERT and ALBERT as their authors trained them have a second head, which is left out
    architectures: ClassVar[tuple[str, ...]] = ("ForMaskedLM", "BertForPreTraining", "AlbertForPreTraining")
    pipeline_tag: ClassVar[str | None] = "fill-mask"
    trained_by: ClassVar[str] = "pretrain-mlm"
    reads: ClassVar[str] = "running text without labels"
    data_options: ClassVar[type[Config]] = MaskedLMOptions
    predict_options: ClassVar[type[Config]] = MaskedLMAnswerOptions
    evaluate_options: ClassVar[type[Config]] = MaskedLMJudgeOptions
    column_options: ClassVar[type[Config]] = TextOptions
    record_type: ClassVar[type[TaskRecord]] = MaskedRecord
    view_class: ClassVar[str] = "nlpkit.tasks.masked_lm.view:MaskedLMView"
    reading_class: ClassVar[str] = "nlpkit.tasks.masked_lm.reading:MaskedLMReader"

    main_metric = "perplexity"
    of_tokens = True
    point = 1.0
    lower_is_better: ClassVar[frozenset[str]] = Teachable.lower_is_better | {"perplexity"}
    table_metrics = ("perplexity", "loss", "accuracy", "masked")

    @property
    def stated_length(self) -> None:
        return None

    # --- made from data, from a model folder ---

    @classmethod
    def from_data(cls, splits: Mapping[str, Dataset], options: Config) -> MaskedLanguageModeling:
        rows = splits.get("train") or next(iter(splits.values()))
        own = MaskedLMOptions.of(options)
        task = cls(max_length=own.max_length).reader(user_columns(rows.column_names), options).task
        assert isinstance(task, cls)
        return task

    @classmethod
    def from_model(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None) -> MaskedLanguageModeling:
        if record is None:
            return cls()
        return cls(
            text=record["columns"]["text"],
            max_length=record["max_length"],
            mlm_probability=record["mlm_probability"],
            mask_split=tuple(record["mask_split"]),
        )

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "columns": {"text": self.text},
            "max_length": self.max_length,
            "mlm_probability": self.mlm_probability,
            "mask_split": list(self.mask_split),
        }

    @classmethod
    def suits(cls, row: Mapping[str, Any]) -> bool:
        return list(row) == ["text"] and isinstance(row["text"], str)

    def attached(self, tokenizer: Any) -> Self:
        mask = tokenizer.mask_token
        if mask is None or tokenizer.mask_token_id not in tokenizer(mask)["input_ids"]:
            raise UserError("the tokenizer has no mask token", "Name the tokenizer of the model with --tokenizer.")
        return self.with_(tokenizer=tokenizer)

    def configured(self, options: Config) -> Self:
        if isinstance(options, MaskedLMAnswerOptions):
            return self.with_(top_k=options.top_k)
        if isinstance(options, MaskedLMJudgeOptions):
            return self.with_(seed=options.seed, mlm_probability=options.mlm_probability or self.mlm_probability)
        return self

    # --- rows -> examples -> features ---

    def localized(self, text: str) -> str:
        for mask in PORTABLE_MASKS:
            text = text.replace(mask, self.tokenizer.mask_token)
        return text

    def check(self, examples: Mapping[str, Dataset]) -> list[Finding]:

        keys = {split: list(rows["text"][:]) for split, rows in examples.items()}
        places = {split: rows["where"][:] for split, rows in examples.items()}
        labels = {split: [None] * len(texts) for split, texts in keys.items()}
        return checks.duplicates(keys, labels, places) + checks.leakage(keys, places)

    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        special = tokenizer.num_special_tokens_to_add()
        return [count + special for count in pieces.counts(tokenizer, examples["text"])]

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Windows of the texts, see `features.asked_windows` for what `inputs` made, else `features.judged_windows`."""
        if "masks" in examples:
            return features.asked_windows(tokenizer, examples["text"], self.max_length, examples.get("hint"))
        return features.judged_windows(tokenizer, examples["text"], self.max_length, self._masking(tokenizer))

    def _masking(self, tokenizer: Any, *, static: bool = True) -> Masking:
        from nlpkit.tasks.masked_lm.masking import masking_for

        return masking_for(
            tokenizer,
            probability=self.mlm_probability,
            split=self.mask_split,
            whole_word=False,
            static=static,
            seed=self.seed,
        )

    # --- the model ---

    def model_arguments(self) -> dict[str, Any]:
        return {}

    def loss(self, forward: Forward) -> Loss:
        """Cross-entropy in nats over the labels that are not -100.

        Args:
            forward: logits of shape (..., vocabulary), at all positions or at the predicted ones; labels of shape
                (...).
        """
        import torch.nn.functional as F

        logits, labels = forward.logits.float().flatten(0, -2), forward.batch["labels"].flatten()
        total = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
        return Loss(total, (labels != IGNORED).sum())

    def collate(self, tokenizer: Any, *, multiple: int = 1) -> Collator:
        pad = PaddingCollator(tokenizer, token_labels=True, multiple=multiple, limit=self.model_length)
        return features.Collator(pad)

    withheld: ClassVar[frozenset[str]] = frozenset({"labels", "positions"})

    def run(self, model: Any, batch: Mapping[str, torch.Tensor], want: Collection[Part] = ()) -> Forward:
        """Logits at `positions` alone, shape (rows, k, vocabulary)."""
        forward = super().run(model, batch, want)
        if _has_modules(model):
            return forward
        return replace(forward, logits=arrays.at(forward.logits, batch["positions"].clip(min=0)))

    def restricted_head(self, model: Any, batch: Mapping[str, torch.Tensor]) -> AbstractContextManager[None]:
        """The vocabulary head runs at `positions` alone, where the inside of the model can be reached."""
        if not _has_modules(model):
            return nullcontext()
        from nlpkit.tasks.masked_lm import heads

        return heads.of(model).at(batch["positions"].clamp(min=0))

    def reduce(self, forward: Forward) -> dict[str, torch.Tensor]:
        """Of labelled rows the loss in nats at each position, whether it was guessed right, whether it is predicted; of
        others the ids and scores of the best candidates at each position, and how many positions are masks."""
        logits, positions = arrays.float32(forward.logits), forward.batch["positions"]
        if "labels" in forward.batch:
            labels = forward.batch["labels"]
            used = labels != IGNORED
            right = (logits.argmax(-1) == labels) & used
            return {"each": arrays.stacked([_losses(logits, labels), right, used])}
        scores = arrays.softmax(arrays.widest(logits))
        unnamed = self._unnamed(scores)
        scores = arrays.filled(scores, unnamed, -1.0)
        scores, ids = arrays.highest(scores, min(self.top_k, scores.shape[-1] - len(unnamed)))
        return {"ids": ids, "scores": scores, "count": (positions >= 0).sum(1)}

    def collect(self, reduced: Mapping[str, torch.Tensor]) -> Outputs:
        """Of labelled rows the sums (loss in nats, right, predicted), shape (rows, 3); of others `CANDIDATE` arrays.

        A row's candidates have shape (masks, top k), best first.
        """
        if "each" in reduced:
            return arrays.on_cpu(reduced["each"]).astype(np.float64).sum(axis=1)
        candidates_of = np.empty(reduced["ids"].shape, dtype=CANDIDATE)
        candidates_of["id"] = arrays.on_cpu(reduced["ids"])
        candidates_of["score"] = arrays.on_cpu(reduced["scores"])
        return [candidates[:count] for candidates, count in zip(candidates_of, reduced["count"].tolist(), strict=True)]

    def _unnamed(self, scores: arrays.Values) -> arrays.Values:
        """Ids that the tokenizer has no token for, where the scores are: some models have rows up to a round number."""
        width, place = scores.shape[-1], "" if isinstance(scores, np.ndarray) else str(scores.device)
        if (width, place) not in self._gaps:
            gaps = np.setdiff1d(np.arange(width), list(self.tokenizer.get_vocab().values()))
            self._gaps[width, place] = arrays.beside(gaps, scores)
        return self._gaps[width, place]

    # --- learning from a teacher ---

    renews: ClassVar[bool] = True

    def soft_loss(self, student: Forward, teacher: Forward, temperature: float) -> Loss:
        """T^2 KL over the vocabulary at each predicted position (DistilBERT, Sanh et al. 2019, section 3)."""
        from nlpkit.tasks import soft_losses

        predicted = student.batch["labels"] != IGNORED
        each = soft_losses.soft_targets(student.logits, teacher.logits, temperature)
        return Loss((each * predicted).sum(), predicted.sum())

    def soft_entries(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return (batch["labels"] != IGNORED).sum()

    def renewed(self, rows: list[dict[str, Any]], keys: Sequence[int], epoch: int) -> list[dict[str, Any]]:
        """Other tokens masked in each epoch."""
        true = [
            np.where(labels == IGNORED, ids, labels).tolist()
            for ids, labels in ((np.asarray(row["input_ids"]), np.asarray(row["labels"])) for row in rows)
        ]
        seen, labels = features.corrupted(self._masking(self.tokenizer, static=False), true, keys, epoch)
        return [
            {**row, "input_ids": ids, "labels": wanted} for row, ids, wanted in zip(rows, seen, labels, strict=True)
        ]

    def without_label(self, example: Mapping[str, Any]) -> dict[str, Any]:
        return dict(example)

    # --- judging and answering ---

    def merge(self, outputs: Outputs, features: Mapping[str, Sequence[Any]]) -> Outputs:
        """Sums of the windows of an example added up; candidates of its masks in the order of the text."""
        example = np.asarray(features["example"])
        count = int(example[-1]) + 1 if len(example) else 0
        if isinstance(outputs, np.ndarray):
            total = np.zeros((count, outputs.shape[1]))
            np.add.at(total, example, outputs)
            return total
        bounds = np.searchsorted(example, np.arange(count + 1))
        return [np.concatenate(outputs[low:high]) for low, high in itertools.pairwise(bounds)]

    def score(self, outputs: np.ndarray, examples: Dataset) -> dict[str, float]:
        """Loss in nats a predicted token, its exponential, the share guessed right, and how many were predicted.

        Raises:
            UserError: nothing could be predicted.
        """
        loss, right, masked = outputs.sum(axis=0).tolist()
        if not masked:
            raise UserError("the texts have no token that could be masked", "Are they of a language the model knows?")
        mean = loss / masked
        # beyond 700 nats a float overflows; no model that has seen a text comes near
        return {
            "perplexity": math.exp(min(mean, 700.0)),
            "loss": mean,
            "accuracy": right / masked,
            "masked": int(masked),
        }

    def evidence(self, outputs: np.ndarray, examples: Dataset) -> Evidence:
        """Texts, whose masked tokens hang together."""
        from nlpkit.metrics.class_counts import ratio
        from nlpkit.metrics.evidence import Evidence, Share

        def figures(weights: np.ndarray) -> Mapping[str, np.ndarray]:
            loss, right, masked = (weights @ outputs).T
            mean = np.where(masked > 0, ratio(loss, masked), np.nan)
            return {"perplexity": np.exp(np.minimum(mean, 700.0)), "loss": mean, "accuracy": ratio(right, masked)}

        shares = {"accuracy": Share(outputs[:, 1], outputs[:, 2])}
        return Evidence(np.arange(len(outputs)), figures, shares, unit="texts")

    def decode(self, outputs: Sequence[np.ndarray], inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Answers with `candidates`, a list for each mask of dicts with token, token_id and score, best first.

        `prediction` holds the best of each mask, joined by blanks, and `score` the product of their probabilities, as
        each mask is filled without regard to what fills the others.
        """
        for per_mask in outputs:
            candidates = [
                [
                    {"token": self.tokenizer.decode([int(i)]), "token_id": int(i), "score": exact(p)}
                    for i, p in zip(mask["id"], mask["score"], strict=True)
                ]
                for mask in per_mask
            ]
            best = " ".join(mask[0]["token"].strip() for mask in candidates)
            score = float(np.prod(per_mask["score"][:, 0]))  # of many masks less than float32 can tell from 0
            score = exact(score) if len(per_mask) == 1 else score
            yield {"prediction": best, "score": score, "candidates": candidates}

    def no_answer(self) -> dict[str, Any]:
        return {**super().no_answer(), "candidates": None}

    # --- explaining ---

    movable: ClassVar[bool] = False

    def questions(
        self, tokenizer: Any, example: Mapping[str, Any], outputs: Sequence[np.ndarray], asked: str | None = None
    ) -> list[Question]:
        """How probable the best word is in the place of each mask, or one that is asked for."""
        text, hint = example["text"], example.get("hint")
        made = self.features(tokenizer, {name: [value] for name, value in example.items()})
        tokens = outputs[0]["id"][:, 0].tolist()
        if asked is not None:
            tokens = [explaining.token_of(tokenizer, asked)] * len(tokens)
        return explaining.questions(tokenizer, text, hint, made, tokens)

    def explained(self, forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
        return explaining.explained(forward, target)


def _has_modules(model: Any) -> bool:
    """Whether the inside of a model can be reached: an exported one computes logits everywhere."""
    return hasattr(model, "named_modules")


def _losses(logits: Any, labels: Any) -> Any:
    """The cross-entropy in nats at each position, shape (rows, k); 0 where nothing is predicted."""
    if isinstance(logits, np.ndarray):
        shifted = logits - logits.max(axis=-1, keepdims=True)
        wanted = np.take_along_axis(shifted, labels.clip(min=0)[..., None], axis=-1)[..., 0]
        return np.where(labels == IGNORED, 0, np.log(np.exp(shifted).sum(axis=-1)) - wanted)
    import torch.nn.functional as F

    loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none")
    return loss.view_as(labels)
