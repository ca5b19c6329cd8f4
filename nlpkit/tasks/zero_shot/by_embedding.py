"""Zero-shot classification by an embedder: the label whose sentence has the vector that is most like that of the text.

One forward pass a text, however many labels there are: the vectors of their sentences are computed once, by the same
model (semantic label matching, see Yin et al. 2019; with sentence embeddings as in Schopf et al. 2022,
https://arxiv.org/abs/2211.16285).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self
from weakref import WeakKeyDictionary

import numpy as np

from nlpkit import reporting
from nlpkit.data.collating import Collator
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.tasks import arrays
from nlpkit.tasks.claims import Claim
from nlpkit.tasks.contract import BOOKKEEPING
from nlpkit.tasks.explained import Question, require_places
from nlpkit.tasks.forward import Forward
from nlpkit.tasks.forward import Part as Wanted
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.sentence_embedding import explaining
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding
from nlpkit.tasks.sentence_embedding.vectors import Vectors
from nlpkit.tasks.zero_shot.base import ZeroShot
from nlpkit.tasks.zero_shot.options import (
    ByEmbeddingAnswerOptions,
    ByEmbeddingColumnOptions,
    ByEmbeddingJudgeOptions,
)
from nlpkit.tasks.zero_shot.record import ZeroShotByEmbeddingRecord

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

SCALE = 20.0
"""A cosine times this is a logit: as in the losses that embedders are trained with (multiple negatives ranking)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ZeroShotByEmbedding(ZeroShot):
    """See the module's docstring.

    Args:
        embedder: what a vector is made of.
        tokenizer: of the model, for the sentences of labels.
    """

    embedder: SentenceEmbedding = field(default_factory=SentenceEmbedding)
    tokenizer: Any = field(default=None, repr=False)
    # The vectors of the labels by the model that made them, and how: shared by the tasks that are made of one another.
    known: WeakKeyDictionary[Any, dict[tuple[Any, ...], arrays.Values]] = field(
        default_factory=WeakKeyDictionary, repr=False
    )

    name: ClassVar[str] = "zero-shot-by-embedding"
    auto_class: ClassVar[str] = SentenceEmbedding.auto_class
    pipeline_tag: ClassVar[str | None] = SentenceEmbedding.pipeline_tag
    library: ClassVar[str] = SentenceEmbedding.library
    hub_tags: ClassVar[Sequence[str]] = ("zero-shot-classification", *SentenceEmbedding.hub_tags)
    predict_options: ClassVar[type[Config]] = ByEmbeddingAnswerOptions
    evaluate_options: ClassVar[type[Config]] = ByEmbeddingJudgeOptions
    column_options: ClassVar[type[Config]] = ByEmbeddingColumnOptions
    record_type: ClassVar[type[TaskRecord]] = ZeroShotByEmbeddingRecord
    view_class: ClassVar[str] = "nlpkit.tasks.zero_shot.view:ByEmbeddingView"
    unread_weights: ClassVar[tuple[str, ...]] = SentenceEmbedding.unread_weights
    withheld: ClassVar[frozenset[str]] = SentenceEmbedding.withheld

    # --- made from a model folder ---

    @classmethod
    def claims(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None, place: str | Path) -> Claim | None:
        """Any encoder could serve."""
        if record and record.get("name") == cls.name:
            return Claim.RECORD
        return Claim.COULD_SERVE if SentenceEmbedding.claims(config, None, place) is not None else None

    @classmethod
    def from_model(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None) -> ZeroShotByEmbedding:
        if record is None:
            embedder = SentenceEmbedding.from_model(config, None)
            return cls(embedder=embedder, max_length=embedder.max_length)
        vectors = Vectors.recorded({**record["vectors"], "max_length": record["max_length"]})
        return cls(embedder=SentenceEmbedding(vectors=vectors, own=vectors), **cls.asked_before(record))

    def record(self) -> dict[str, Any]:
        return {**super().record(), "vectors": self.embedder.vectors.record()}

    def attached(self, tokenizer: Any) -> Self:
        return self.with_(tokenizer=tokenizer)

    def configured(self, options: Config) -> Self:
        """See `ZeroShot.configured`; with vectors as they are asked for.

        Raises:
            UserError: several labels a text are asked for, or see `asked_for`.
        """
        task = super().configured(options)
        task = task.with_(embedder=task.embedder.configured(options))
        if task.embedder.has_sides:
            reporting.current().warn(
                "texts and labels are embedded without a prompt, and the model was trained with one for queries and "
                "one for documents: --prompt-name query puts the first before both"
            )
        if task.classifier.labels.problem == "multi-label":
            raise UserError(
                "--multi-label: an embedder tells which label is nearest to a text, and not whether one is near enough",
                "Use a model for inference, which judges each label by itself (--by nli).",
            )
        return task

    @property
    def way(self) -> str:
        compared = f"cosines of a text and of {self.template!r} for each label"
        return f"by embedding: {compared}, times {SCALE:g}, softmax{self.told_of_labels}"

    @property
    def _reads(self) -> SentenceEmbedding:
        """The embedder, which reads as many tokens as this task."""
        return self.embedder.with_(max_length=self.max_length, model_length=self.model_length)

    # --- examples -> features ---

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """One feature per text, whatever the labels."""
        return self._reads.features(tokenizer, {"text": list(examples["text"])})

    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        return self._reads.token_lengths(tokenizer, {"text": list(examples["text"])})

    def collate(self, tokenizer: Any, *, multiple: int = 1) -> Collator:
        return self._reads.collate(tokenizer, multiple=multiple)

    # --- the model ---

    def run(self, model: Any, batch: Mapping[str, torch.Tensor], want: Collection[Wanted] = ()) -> Forward:
        """One forward pass, and the logit of each label, shape (rows, labels)."""
        texts = self.embedder.run(model, batch, want)
        vectors = arrays.normalized(arrays.widest(texts.logits))
        labels = self._labels_by(model, vectors)
        if getattr(vectors, "requires_grad", False) and labels.is_inference():  # made where no gradients are kept
            labels = labels.clone()
        return replace(texts, logits=SCALE * (vectors @ labels.T))

    def graph(self, forward: Callable[..., Any], batch: Mapping[str, torch.Tensor]) -> Mapping[str, Any]:
        """The vectors alone: whoever opens the graph may name other labels."""
        return self.embedder.graph(forward, batch)

    def logits(self, outputs: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The vectors that a model gives, of which `run` makes logits of labels."""
        return self.embedder.logits(outputs, batch)

    def _labels_by(self, model: Any, like: Any) -> Any:
        """The vectors of the sentences of the labels, of length 1, shape (labels, width), computed once by a model.

        Args:
            like: vectors of texts: those of labels are where they are.
        """
        sentences, plain = self.sentences, isinstance(like, np.ndarray)
        place = "" if plain else str(like.device)
        key = (tuple(sentences), self.max_length, repr(self.embedder.vectors), place)
        kept = self.known.setdefault(model, {})
        if key not in kept:
            made = self.features(self.tokenizer, {"text": sentences})
            self._require_whole(made)
            entries = [name for name in made if name not in BOOKKEEPING]
            collate = self.collate(self.tokenizer)
            vectors: dict[int, Any] = {}
            # Sentences of one length together: whoever calls has said of another batch whether it has padding.
            for length in sorted(set(made["length"])):
                rows = [i for i, tokens in enumerate(made["length"]) if tokens == length]
                batch = collate.arrays([{name: made[name][i] for name in entries} for i in rows])
                found = self.embedder.run(model, {name: arrays.beside(part, like) for name, part in batch.items()})
                vectors |= dict(zip(rows, arrays.normalized(arrays.widest(found.logits)), strict=True))
            kept[key] = arrays.stacked([vectors[i] for i in range(len(sentences))], axis=0)
        return kept[key]

    def _require_whole(self, made: Mapping[str, Sequence[int]]) -> None:
        """Check that no sentence of a label is cut, as labels could differ in what is cut off.

        Raises:
            UserError: naming the label.
        """
        for name, lost, length in zip(self.classifier.labels.names, made["lost"], made["length"], strict=True):
            if lost:
                raise UserError(
                    f"the sentence for the label {name[:60]!r} has {length + lost} tokens, and {self.max_length} are "
                    "read",
                    "Shorten the label or --template, or raise --max-length as far as the model allows.",
                )

    def merge(self, outputs: np.ndarray, features: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """Logits of the labels, shape (examples, labels): their softmax is the probability of each."""
        return outputs

    # --- explaining ---

    def questions(
        self, tokenizer: Any, example: Mapping[str, Any], outputs: np.ndarray, asked: str | None = None
    ) -> list[Question]:
        """How sure the model is of its label, among all labels."""
        require_places(tokenizer)
        text, vectors = example["text"], self.embedder.vectors
        made = self.features(tokenizer, {"text": [text]})
        read = text.lower() if vectors.lower_case else text
        reading = explaining.reading(tokenizer, "text", read, vectors.prompt, made, 0, vectors)
        labels = self.classifier.asked_labels(outputs, asked).items()
        return [Question(name, [reading], {"label": label}, {"text": read}) for label, name in labels]

    def explained(self, forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
        return self.classifier.problem.sureness_of(forward.logits.float(), target["label"])

    def extra_files(self, folder: Path, config: PreTrainedConfig) -> None:
        """Those of an embedder: the folder is one, whatever labels are named."""
        self._reads.extra_files(folder, config)
