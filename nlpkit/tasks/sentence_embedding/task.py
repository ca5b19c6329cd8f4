"""Sentence embedding: the mean of an encoder's last hidden states (Reimers & Gurevych 2019,
https://arxiv.org/abs/1908.10084).

Any encoder gives vectors; one that was trained for it, such as all-MiniLM-L6-v2, gives like vectors to texts of like
meaning. They are judged on pairs of texts with a score of their likeness: the rank correlation of the pairs' cosines
with these scores (as on STS-B).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit import reporting
from nlpkit.data import pieces
from nlpkit.data.labels import Labels
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.runs.files import small_text
from nlpkit.tasks.claims import Claim
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.roles import Judged
from nlpkit.tasks.sentence_embedding.options import EmbeddingAnswerOptions, EmbeddingJudgeOptions, VectorOptions
from nlpkit.tasks.sentence_embedding.record import EmbeddingRecord
from nlpkit.tasks.text_classification.problems import problem_type

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.metrics.evidence import Evidence

POOLING = "1_Pooling/config.json"  # of sentence-transformers: how one vector is made of many
OTHER_POOLING = ("cls_token", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
LIMITS = "sentence_bert_config.json"  # of sentence-transformers: how many tokens of a text are read
DECODERS = ("ForCausalLM", "ForConditionalGeneration")  # of models that do not read a text in both directions
LIKENESS = problem_type(Labels("regression", []), 0.5)  # a number per pair; the threshold is of no effect
NEAR_ZERO = 1e-12  # length below which a vector is not divided, as `torch.nn.functional.normalize` has it


@dataclass(frozen=True, eq=False, kw_only=True)
class SentenceEmbedding(Judged):
    """See the module's docstring.

    Args:
        normalize: whether vectors are scaled to length 1.
        text: name of the text column in the user's rows.
        pair: name of the column of the second text, of rows that are judged.
        label: name of the column with the score of likeness.
    """

    normalize: bool = True
    text: str = "text"
    pair: str | None = None
    label: str | None = None

    name: ClassVar[str] = "sentence-embedding"
    auto_class: ClassVar[str] = "AutoModel"
    pipeline_tag: ClassVar[str | None] = "sentence-similarity"
    reads: ClassVar[str] = "two texts and the score of their likeness"
    predict_options: ClassVar[type[Config]] = EmbeddingAnswerOptions
    evaluate_options: ClassVar[type[Config]] = EmbeddingJudgeOptions
    column_options: ClassVar[type[Config]] = EmbeddingJudgeOptions
    record_type: ClassVar[type[TaskRecord]] = EmbeddingRecord
    reading_class: ClassVar[str] = "nlpkit.tasks.sentence_embedding.reading:EmbeddingReader"
    view_class: ClassVar[str] = "nlpkit.tasks.sentence_embedding.view:EmbeddingView"

    # the layer on top of the first token's state, which the mean does not read
    unread_weights: ClassVar[tuple[str, ...]] = ("pooler.",)

    main_metric = "spearman"
    table_metrics: ClassVar[Sequence[str]] = ("spearman", "pearson")

    # --- made from a model folder ---

    @classmethod
    def claims(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None, place: str | Path) -> Claim | None:
        """Any encoder could serve, also one with a head, which is left out."""
        if record and record.get("name") == cls.name:
            return Claim.RECORD
        names = config.architectures or []
        return None if any(name.endswith(DECODERS) for name in names) else Claim.COULD_SERVE

    @classmethod
    def from_model(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None) -> SentenceEmbedding:
        if record is None:
            return cls(max_length=_limit_of(config.name_or_path or ""))
        columns = record["columns"]
        return cls(
            normalize=record["normalize"],
            text=columns["text"],
            pair=columns["text_pair"],
            label=columns["label"],
            max_length=record["max_length"],
        )

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "normalize": self.normalize,
            "columns": {"text": self.text, "text_pair": self.pair, "label": self.label},
            "max_length": self.max_length,
        }

    def configured(self, options: Config) -> Self:
        asked = VectorOptions.of(options)
        return self.with_(normalize=asked.normalize) if "normalize" in options.given else self

    # --- examples -> features ---

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """One feature per text: of a pair the first, then the second."""
        columns = [examples["text"], *([examples["text_pair"]] if "text_pair" in examples else [])]
        texts = [text for row in zip(*columns, strict=True) for text in row]
        encoded = tokenizer(
            [pieces.readable(tokenizer, text, self.max_length) for text in texts],
            truncation=self.max_length is not None,
            max_length=self.max_length,
            return_attention_mask=False,
        )
        lengths = [len(ids) for ids in encoded["input_ids"]]
        return {
            "input_ids": encoded["input_ids"],
            "length": lengths,
            "example": [row for row in range(len(examples["text"])) for _ in columns],
            "lost": pieces.lost(
                lengths,
                self.max_length,
                lambda full: self.token_lengths(tokenizer, {"text": [texts[i] for i in full]}),
            ),
        }

    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        """Of the longer text of a pair."""
        special = tokenizer.num_special_tokens_to_add()
        columns = [examples[name] for name in ("text", "text_pair") if name in examples]
        counts = [pieces.counts(tokenizer, list(texts)) for texts in columns]
        return [max(row) + special for row in zip(*counts, strict=True)]

    # --- the model ---

    def model_arguments(self) -> dict[str, Any]:
        return {}

    def logits(self, outputs: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The vectors: the mean of the last hidden states over the tokens of each text, shape (rows, width)."""
        states = outputs["last_hidden_state"].float()
        mask = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
        return (states * mask).sum(1) / mask.sum(1).clamp(min=1)

    def merge(self, outputs: np.ndarray, features: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """The vectors of each example, shape (examples, texts, width): one text, or the two of a pair."""
        rows = len(np.unique(np.asarray(features["example"])))
        vectors = outputs.reshape(rows, -1, outputs.shape[1]) if rows else outputs[:, None]
        if not self.normalize:
            return vectors
        return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), NEAR_ZERO)

    # --- judging and answering ---

    def score(self, outputs: np.ndarray, examples: Dataset) -> dict[str, float]:
        """Correlations of the cosines of pairs with the scores of their likeness."""
        found = LIKENESS.score(_cosines(outputs), np.asarray(examples["label"][:]))
        return {name: found[name] for name in self.table_metrics}

    def evidence(self, outputs: np.ndarray, examples: Dataset) -> Evidence:
        every = LIKENESS.evidence(_cosines(outputs), np.asarray(examples["label"][:]))

        def figures(weights: np.ndarray) -> Mapping[str, np.ndarray]:
            found = every.figures(weights)
            return {name: found[name] for name in self.table_metrics}

        return dataclasses.replace(every, figures=figures)

    def decode(self, outputs: np.ndarray, inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """The vector of each text, as a list of numbers."""
        return ({"prediction": vector.tolist(), "score": None} for vector in outputs[:, 0])


def _cosines(outputs: np.ndarray) -> np.ndarray:
    """The cosine of each pair, shape (examples, 1), of vectors (examples, 2, width)."""
    lengths = np.maximum(np.linalg.norm(outputs, axis=-1), NEAR_ZERO)
    return ((outputs[:, 0] * outputs[:, 1]).sum(-1) / lengths.prod(-1))[:, None]


def _limit_of(model: str) -> int | None:
    """Tokens per text as a folder of sentence-transformers has them; None of any other, and of a model on the hub.

    Raises:
        UserError: the folder makes vectors in another way than by the mean.
    """
    folder = Path(model)
    if not model:  # The config of a pruned model names no folder; `prune` writes none of these files into one.
        return None
    if not folder.is_dir():
        reporting.current().warn(
            f"{model} is no folder here: whether it was trained for vectors by the mean, and how many "
            f"tokens it should read, is not looked up; `hf download` a copy, which says so in {POOLING} and {LIMITS}"
        )
        return None
    pooling = _document(folder / POOLING)
    # Releases of sentence-transformers before 5.4 wrote a switch for each way, later ones write its name.
    ways = [name for name in OTHER_POOLING if pooling.get(f"pooling_mode_{name}")]
    if (way := pooling.get("pooling_mode", "mean")) != "mean":
        ways = [way]
    if ways:
        raise UserError(
            f"{folder / POOLING} asks for the vector {', '.join(map(str, ways))}, and the mean alone is computed here",
            "Its vectors would be others than those that the model was trained to give.",
        )
    length = _document(folder / LIMITS).get("max_seq_length")
    return length if isinstance(length, int) and length > 0 else None


def _document(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file.

    Raises:
        UserError: it holds something else.
    """
    if not path.is_file():
        return {}
    try:
        found = json.loads(small_text(path))
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}", "The file is damaged; copy it again.") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no JSON object", "The file is damaged; copy it again.")
    return found
