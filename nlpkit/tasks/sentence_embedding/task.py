"""Sentence embedding: one vector of the hidden states of an encoder, as a rule their mean (Reimers & Gurevych 2019,
https://arxiv.org/abs/1908.10084); `vectors.py` says what it is made of.

Any encoder gives vectors; one that was trained for it, such as all-MiniLM-L6-v2, gives like vectors to texts of like
meaning. They are judged on pairs of texts with a score of their likeness: the rank correlation of the pairs' cosines
with these scores (as on STS-B).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit import reporting
from nlpkit.data import pieces
from nlpkit.data.labels import Labels
from nlpkit.models.files import CONFIG, STRUCTURE
from nlpkit.options import Config
from nlpkit.runs.files import small_text
from nlpkit.runs.records import RECORD
from nlpkit.tasks.claims import Claim
from nlpkit.tasks.forward import Forward
from nlpkit.tasks.forward import Part as Wanted
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.roles import Judged
from nlpkit.tasks.sentence_embedding.options import EmbeddingAnswerOptions, EmbeddingJudgeOptions, VectorOptions
from nlpkit.tasks.sentence_embedding.record import EmbeddingRecord
from nlpkit.tasks.sentence_embedding.vectors import Vectors
from nlpkit.tasks.text_classification.problems import problem_type

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.metrics.evidence import Evidence

DECODERS = ("ForCausalLM", "ForConditionalGeneration")  # of models that do not read a text in both directions
LIKENESS = problem_type(Labels("regression", []), 0.5)  # a number per pair; the threshold is of no effect
NEAR_ZERO = 1e-12  # length below which a vector is not divided, as `torch.nn.functional.normalize` has it
PROMPT_TOKENS = "prompt_tokens"  # in features and batches: how many tokens of a text are those of its prompt


@dataclass(frozen=True)
class PromptCollator:
    """Pads features, and keeps how many tokens of each are those of a prompt.

    Args:
        padding: of the task's other features.
    """

    padding: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        import torch

        counts = torch.tensor([feature[PROMPT_TOKENS] for feature in features])
        return {**self.padding(features), PROMPT_TOKENS: counts}


def prompt_length(tokenizer: Any, prompt: str) -> int:
    """How many tokens at the beginning of a text its prompt takes, with special ones before it, counted as
    sentence-transformers does."""
    ids = tokenizer(prompt)["input_ids"] if prompt else []
    return len(ids) - (bool(ids) and ids[-1] in tokenizer.all_special_ids)


@dataclass(frozen=True, eq=False, kw_only=True)
class SentenceEmbedding(Judged):
    """See the module's docstring.

    Args:
        vectors: what a vector is made of.
        text: name of the text column in the user's rows.
        pair: name of the column of the second text, of rows that are judged.
        label: name of the column with the score of likeness.
    """

    vectors: Vectors = field(default_factory=Vectors)
    text: str = "text"
    pair: str | None = None
    label: str | None = None

    name: ClassVar[str] = "sentence-embedding"
    auto_class: ClassVar[str] = "AutoModel"
    pipeline_tag: ClassVar[str | None] = "sentence-similarity"
    library: ClassVar[str] = "sentence-transformers"
    hub_tags: ClassVar[Sequence[str]] = ("sentence-transformers", "sentence-similarity", "feature-extraction")
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
        place = config.name_or_path or ""
        if record is None:
            vectors = Vectors.read(place, getattr(config, "_commit_hash", None))
            if vectors.guessed:
                reporting.current().note(f"vectors: {vectors.described()}")
            return cls(vectors=vectors, max_length=vectors.max_length)
        columns = record["columns"]
        return cls(
            vectors=Vectors.recorded(record, str(Path(place) / RECORD) if place else ""),
            text=columns["text"],
            pair=columns["text_pair"],
            label=columns["label"],
            max_length=record["max_length"],
        )

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            **self.vectors.record(),
            "columns": {"text": self.text, "text_pair": self.pair, "label": self.label},
            "max_length": self.max_length,
        }

    def configured(self, options: Config) -> Self:
        normalize = VectorOptions.of(options).normalize
        return self if normalize is None else self.with_(vectors=self.vectors.with_(normalize=normalize))

    # --- examples -> features ---

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """One feature per text: of a pair the first, then the second."""
        columns = [examples["text"], *([examples["text_pair"]] if "text_pair" in examples else [])]
        texts = self._prompted([text for row in zip(*columns, strict=True) for text in row])
        encoded = tokenizer(
            [pieces.readable(tokenizer, text, self.max_length) for text in texts],
            truncation=self.max_length is not None,
            max_length=self.max_length,
            return_attention_mask=False,
        )
        lengths = [len(ids) for ids in encoded["input_ids"]]
        special = tokenizer.num_special_tokens_to_add()
        made = {
            "input_ids": encoded["input_ids"],
            "length": lengths,
            "example": [row for row in range(len(examples["text"])) for _ in columns],
            "lost": pieces.lost(
                lengths,
                self.max_length,
                lambda full: [count + special for count in pieces.counts(tokenizer, [texts[i] for i in full])],
            ),
        }
        if self.vectors.needs_prompt_tokens:
            made[PROMPT_TOKENS] = [prompt_length(tokenizer, self.vectors.prompt)] * len(texts)
        return made

    def _prompted(self, texts: Sequence[str]) -> list[str]:
        """Texts as the tokenizer is given them."""
        texts = [self.vectors.prompt + text for text in texts]
        return [text.lower() for text in texts] if self.vectors.lower_case else texts

    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        """Of the longer text of a pair."""
        special = tokenizer.num_special_tokens_to_add()
        columns = [self._prompted(examples[name]) for name in ("text", "text_pair") if name in examples]
        counts = [pieces.counts(tokenizer, texts) for texts in columns]
        return [max(row) + special for row in zip(*counts, strict=True)]

    def collate(
        self, tokenizer: Any, *, multiple: int = 1
    ) -> Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]:
        """As of any task, with the number of a prompt's tokens where pooling leaves them out."""
        padding = super().collate(tokenizer, multiple=multiple)
        return PromptCollator(padding) if self.vectors.needs_prompt_tokens else padding

    # --- the model ---

    def model_arguments(self) -> dict[str, Any]:
        return {}

    withheld: ClassVar[frozenset[str]] = frozenset({"labels", PROMPT_TOKENS})

    def run(self, model: Any, batch: Mapping[str, torch.Tensor], want: Collection[Wanted] = ()) -> Forward:
        """As of any task; the states of each layer are asked for where those of several are averaged."""
        return super().run(model, batch, {*want, "hidden"} if self.vectors.layers > 1 else want)

    def logits(self, outputs: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The vectors, finished: pooled, cut, and normalized where they are to be, shape (rows, width)."""
        states = outputs["hidden_states" if self.vectors.layers > 1 else "last_hidden_state"]
        return self.vectors.pool(states, batch["attention_mask"], batch.get(PROMPT_TOKENS))

    def merge(self, outputs: np.ndarray, features: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """The vectors of each example, shape (examples, texts, width): one text, or the two of a pair."""
        rows = len(np.unique(np.asarray(features["example"])))
        return outputs.reshape(rows, -1, outputs.shape[1]) if rows else outputs[:, None]

    def extra_files(self, folder: Path, config: PreTrainedConfig) -> None:
        """What sentence-transformers and servers of its models read, see `Vectors.write`.

        Where they would open another model, or make other vectors, nothing is written, which is said.
        """
        obstacle = ""
        if STRUCTURE in small_text(folder / CONFIG):
            obstacle = "its layers are of several sizes, which no class of Transformers has; `nlpkit.load` opens it"
        elif self.vectors.layers > 1:
            obstacle = f"its vectors average the last {self.vectors.layers} layers"
        if obstacle:
            reporting.current().note(f"sentence-transformers does not open this model: {obstacle}")
            return
        self.vectors.with_(max_length=self.max_length).write(folder, config.hidden_size)

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
