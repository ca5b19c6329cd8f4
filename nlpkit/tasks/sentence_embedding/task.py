"""Sentence embedding: one vector of the hidden states of an encoder, as a rule their mean (Reimers & Gurevych 2019,
https://arxiv.org/abs/1908.10084); `vectors.py` says what it is made of.

Any encoder gives vectors; one that was trained for it, such as all-MiniLM-L6-v2, gives like vectors to texts of like
meaning. They are judged on pairs of texts with a score of their likeness: the rank correlation of the pairs' cosines
with these scores (as on STS-B).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit import process, reporting
from nlpkit.data import columns as column_names
from nlpkit.data import pieces
from nlpkit.data.findings import Finding
from nlpkit.data.spelling import folded
from nlpkit.errors import UserError
from nlpkit.models.files import CONFIG, STRUCTURE, made_from
from nlpkit.options import Config, DataOptions
from nlpkit.runs.files import small_text
from nlpkit.runs.records import RECORD
from nlpkit.tasks.asking import Ask
from nlpkit.tasks.claims import Claim
from nlpkit.tasks.forward import Forward, Loss
from nlpkit.tasks.forward import Part as Wanted
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.roles import Teachable
from nlpkit.tasks.sentence_embedding import shapes, teaching
from nlpkit.tasks.sentence_embedding.layout import NEGATIVE, PAIRS, Layout, told
from nlpkit.tasks.sentence_embedding.losses import table
from nlpkit.tasks.sentence_embedding.losses.options import LossOptions
from nlpkit.tasks.sentence_embedding.negative_options import NegativeOptions
from nlpkit.tasks.sentence_embedding.options import (
    EmbeddingAnswerOptions,
    EmbeddingColumnOptions,
    EmbeddingDataOptions,
    EmbeddingJudgeOptions,
    PoolingOptions,
    ShapeOptions,
    SidePromptOptions,
    VectorOptions,
)
from nlpkit.tasks.sentence_embedding.record import EmbeddingRecord
from nlpkit.tasks.sentence_embedding.shapes import Shape
from nlpkit.tasks.sentence_embedding.vectors import Vectors

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.metrics.evidence import Evidence
    from nlpkit.options import TrainingOptions
    from nlpkit.tasks.sentence_embedding.losses.making import LossSettings
    from nlpkit.tasks.sentence_embedding.losses.objective import Objective

IDS = "input_ids"
DIMS = "dims"  # among details: figures of vectors that are cut, by how many numbers are kept
KEPT = 20  # rows on which vectors go wrong that a record keeps; a run has all of them in errors.jsonl
DECODERS = ("ForCausalLM", "ForConditionalGeneration")  # of models that do not read a text in both directions
WANTED = "wanted"  # in batches: the vector that each text should have
STATES = "last_hidden_state"  # of what Transformers' encoders give
FINISHED = "sentence_embedding"  # what sentence-transformers calls the vectors of texts in an exported graph
SEARCHED = "searched"  # among the columns of examples: the first text is a query, and the others what it looks for
PROMPT_TOKENS = "prompt_tokens"  # in features and batches: how many tokens of a text are those of its prompt


@dataclass(frozen=True)
class PromptCollator:
    """Pads features, and keeps how many tokens of each text are those of a prompt, where a feature is a text.

    Args:
        padding: of the task's other features, and of those of examples.
    """

    padding: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        import torch

        batch = self.padding(features)
        if PROMPT_TOKENS in features[0]:
            batch[PROMPT_TOKENS] = torch.tensor([feature[PROMPT_TOKENS] for feature in features])
        return batch


@dataclass(frozen=True)
class ColumnCollator:
    """Pads features of texts; those of examples column by column, each to the longest of its own.

    Args:
        padding: of the features of texts.
        prompt_tokens: how many tokens of the first text of each example, and of each of its others, are those of a
            prompt that is not pooled.
    """

    padding: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]
    prompt_tokens: tuple[int, int] = (0, 0)

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        import torch

        from nlpkit.data.batching import id_columns

        if IDS in features[0]:
            return self.padding(features)
        batch: dict[str, torch.Tensor] = {}
        for column in id_columns(features[0]):
            place = column.removeprefix(IDS)
            padded = self.padding([{IDS: feature[column]} for feature in features])
            if any(self.prompt_tokens):
                own = self.prompt_tokens[place != "_0"]
                padded[PROMPT_TOKENS] = torch.full((len(features),), own)
            batch |= {f"{name}{place}": tensor for name, tensor in padded.items()}
        if "labels" in features[0]:
            batch["labels"] = torch.as_tensor(np.asarray([feature["labels"] for feature in features]))
        return batch


def prompt_length(tokenizer: Any, prompt: str) -> int:
    """How many tokens at the beginning of a text its prompt takes, with special ones before it, counted as
    sentence-transformers does."""
    ids = tokenizer(prompt)["input_ids"] if prompt else []
    return len(ids) - (bool(ids) and ids[-1] in tokenizer.all_special_ids)


@dataclass(frozen=True, eq=False, kw_only=True)
class SentenceEmbedding(Teachable):
    """See the module's docstring.

    Args:
        vectors: what a vector is made of.
        own: the same as the model's folder says it, before anything else is asked for: so an exported graph has it.
        layout: of the rows that were, or are, trained on; None of a model that was trained elsewhere.
        judged: of the rows of validation, where that is another one.
        loss_name: of the loss that it was, or is, trained with; None of a model that was trained elsewhere.
        matryoshka: the numbers of dimensions that are trained besides all.
        settings: of the loss, while it is trained.
        guide: of the loss.
        score_range: the least and the greatest score of train.
        taught_by: gives the vectors that are learnt, shape (rows, their width), where those of train are.
        objective: the loss, when the model is there.
        together: whether a feature holds all texts of an example, as a loss wants them.
        axes: of the teacher's vectors, on which narrower ones are learnt, see `teaching.principal`.
        by_before: whether vectors are judged by those that texts had before the model was changed, see `against`.
    """

    vectors: Vectors = field(default_factory=Vectors)
    own: Vectors | None = None
    layout: Layout | None = None
    judged: Layout | None = None
    loss_name: str | None = None
    matryoshka: tuple[int, ...] = ()
    settings: LossSettings | None = None
    guide: str | None = None
    score_range: tuple[float, float] = (0.0, 1.0)
    taught_by: Callable[[], np.ndarray] | None = None
    objective: Objective | None = None
    together: bool = False
    axes: np.ndarray | None = None
    by_before: bool = False

    name: ClassVar[str] = "sentence-embedding"
    auto_class: ClassVar[str] = "AutoModel"
    pipeline_tag: ClassVar[str | None] = "sentence-similarity"
    library: ClassVar[str] = "sentence-transformers"
    hub_tags: ClassVar[Sequence[str]] = ("sentence-transformers", "sentence-similarity", "feature-extraction")
    reads: ClassVar[str] = "texts that belong together, or two texts and the score of their likeness"
    trained_by: ClassVar[str] = "finetune-embed"
    data_options: ClassVar[type[Config]] = EmbeddingDataOptions
    predict_options: ClassVar[type[Config]] = EmbeddingAnswerOptions
    evaluate_options: ClassVar[type[Config]] = EmbeddingJudgeOptions
    column_options: ClassVar[type[Config]] = EmbeddingColumnOptions
    record_type: ClassVar[type[TaskRecord]] = EmbeddingRecord
    reading_class: ClassVar[str] = "nlpkit.tasks.sentence_embedding.reading:EmbeddingReader"
    view_class: ClassVar[str] = "nlpkit.tasks.sentence_embedding.view:EmbeddingView"

    file_formats: ClassVar[Mapping[str, str]] = {".json": "squad"}
    reads_collections: ClassVar[bool] = True
    remembered: ClassVar[bool] = True
    # the layer on top of the first token's state, which the mean does not read
    unread_weights: ClassVar[tuple[str, ...]] = ("pooler.",)

    # a loss that compares rows is none of a batch of texts, as they are judged
    validation_loss: ClassVar[bool] = False
    answers_untrained: ClassVar[bool] = True
    has_head: ClassVar[bool] = False

    @property
    def text(self) -> str:
        """The column of the text in the rows that were trained on."""
        return self.layout.text if self.layout else "text"

    @property
    def shape(self) -> Shape:
        """The kind of the examples that are judged."""
        known = self.judged or self.layout
        if self.by_before:
            return shapes.SHAPES["before"]
        if known is None:
            return shapes.SHAPES["scored-pairs"]
        return shapes.SHAPES["triplets" if known.shape == "nli" else known.shape]

    @property
    def main_metric(self) -> str:
        return self.shape.main_metric

    @property
    def table_metrics(self) -> Sequence[str]:
        return self.shape.table_metrics

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
            if hidden := getattr(config, "hidden_size", None):
                vectors.width(hidden)
            return cls(vectors=vectors, own=vectors, max_length=vectors.max_length)
        columns = record["columns"]
        layout = record.get("layout")
        if layout is None and columns["text_pair"] and columns["label"]:
            before = Layout("scored-pairs", columns["text"], columns["text_pair"], label=columns["label"])
        else:
            before = Layout("texts", columns["text"])
        vectors = Vectors.recorded(record, str(Path(place) / RECORD) if place else "")
        return cls(
            vectors=vectors,
            own=vectors,
            layout=before if layout is None else Layout.recorded(layout),
            judged=Layout.recorded(record["judged"]) if record.get("judged") else None,
            loss_name=record.get("loss"),
            matryoshka=tuple(record.get("matryoshka", ())),
            max_length=record["max_length"],
            training_length=record.get("training_length"),
        )

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            **self.vectors.record(),
            "columns": {
                "text": self.text,
                "text_pair": self.layout.pair if self.layout else None,
                "label": self.layout.label if self.layout else None,
            },
            "layout": self.layout.record() if self.layout else None,
            "judged": self.judged.record() if self.judged else None,
            "loss": self.loss_name,
            "matryoshka": list(self.matryoshka),
            "max_length": self.max_length,
            "training_length": self.training_length,
        }

    @classmethod
    def from_data(cls, splits: Mapping[str, Dataset], options: Config) -> SentenceEmbedding:
        own = EmbeddingDataOptions.of(options)
        train = splits.get("train") or next(iter(splits.values()))
        layout = told(train, "train" if "train" in splits else next(iter(splits)), own)
        if layout.shape == "nli" and getattr(options, "max_train_samples", None):
            raise UserError(
                "--max-train-samples draws rows, and inference pairs are put together of several rows of one premise",
                "Leave it out, and cut the file behind a premise instead.",
            )
        judged = None
        if (held := splits.get("validation")) is not None:
            alike = set(layout.columns) <= set(held.column_names) and layout.shape not in ("texts", "taught")
            judged = None if alike else told(held, "validation", ShapeOptions())
        if judged is not None and getattr(options, "cv", None):
            raise UserError(
                f"--cv cuts train and validation up together, and they are {layout.shape} and {judged.shape}",
                "Leave out --cv, or --validation-file.",
            )
        return cls(layout=layout, judged=judged, max_length=own.max_length)

    @classmethod
    def suits(cls, row: Mapping[str, Any]) -> bool:
        columns = list(row)
        own = [pair for pair in PAIRS if pair not in column_names.PAIR_NAMES]
        paired = column_names.guess_pair(columns, own) is not None
        return paired or any(NEGATIVE.fullmatch(name.lower()) for name in columns)

    def describe(self) -> str:
        rows = f", {self.layout.described()}" if self.layout else ""
        loss = f"; loss {self.loss_name}" if self.loss_name else ""
        return f"{self.name}{rows}{loss}; {self.vectors.described()}"

    def configured(self, options: Config) -> Self:
        """The task with what was asked for in place of what the model's folder says.

        Raises:
            UserError: both a prompt and the name of one were given, or there is no such prompt.
        """
        asked, vectors = PoolingOptions.of(options), self.vectors
        if asked.prompt is not None and asked.prompt_name is not None:
            raise UserError("--prompt gives the text, --prompt-name names one of the model's", "Give one of them.")
        if asked.prompt is not None or asked.prompt_name is not None:
            vectors = vectors.with_prompt(asked.prompt_name, asked.prompt)
        if asked.pooling:
            vectors = vectors.with_(pooling=tuple(asked.pooling), guessed="", source="--pooling")
        if asked.layers is not None:
            vectors = vectors.with_(layers=asked.layers)
        if asked.normalize is not None:
            vectors = vectors.with_(normalize=asked.normalize)
        if isinstance(options, VectorOptions):
            vectors = vectors if options.dims is None else vectors.with_(dims=options.dims)
            if vectors.asymmetric and not isinstance(options, SidePromptOptions):  # of texts by themselves
                reporting.current().warn(
                    "texts are embedded without a prompt, and the model was trained with one for queries and one for "
                    "documents: --prompt-name query, or --prompt-name document"
                )
        if isinstance(options, SidePromptOptions):
            sides = (options.prompt_query, options.prompt_document)
            if any(side is not None for side in sides):
                if asked.prompt is not None or asked.prompt_name is not None:
                    raise UserError(
                        "--prompt and --prompt-name are of all texts, --prompt-query and --prompt-document of one side",
                        "Give one kind of them.",
                    )
                vectors = vectors.with_side_prompts(*sides)
        return self.with_(vectors=vectors)

    @property
    def has_sides(self) -> bool:
        """Whether queries and documents begin with prompts of their own, though no rows say that they are such.

        A model that was trained here is judged as it was trained.
        """
        named = any(self.vectors.prompt_of(part) for part in ("query", "document"))
        return named and self.vectors.default_prompt is None and self.loss_name is None

    # --- examples -> features ---

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """One feature per text, in the order of `shapes.texts_of`; in training one per example, which holds all of its
        texts as `input_ids_0`, `input_ids_1`, ...
        """
        rows = shapes.texts_of(examples)
        prompts = self._prompts(rows, examples)
        self._require_room(tokenizer, prompts)
        texts = self._prompted([text for row in rows for text in row], prompts)
        encoded = tokenizer(
            [pieces.readable(tokenizer, text, self.max_length) for text in texts],
            truncation=self.max_length is not None,
            max_length=self.max_length,
            return_attention_mask=False,
        )
        ids = encoded["input_ids"]
        lengths = [len(each) for each in ids]
        special = tokenizer.num_special_tokens_to_add()
        lost = pieces.lost(
            lengths,
            self.max_length,
            lambda full: [count + special for count in pieces.counts(tokenizer, [texts[i] for i in full])],
        )
        if self.together:
            return self._joined(rows, ids, lengths, lost, examples)
        owners = [i for i, row in enumerate(rows) for _ in row]
        made = {IDS: ids, "length": lengths, "example": owners, "lost": lost, "texts": [1] * len(owners)}
        if self.vectors.needs_prompt_tokens:
            lengths_of = {prompt: prompt_length(tokenizer, prompt) if prompt else 0 for prompt in set(prompts)}
            made[PROMPT_TOKENS] = [lengths_of[prompt] for prompt in prompts]
        return made

    def _joined(
        self,
        rows: Sequence[Sequence[str]],
        ids: Sequence[list[int]],
        lengths: Sequence[int],
        lost: Sequence[int],
        examples: Mapping[str, Sequence[Any]],
    ) -> dict[str, list[Any]]:
        """Features of examples, with all texts of each."""
        ends = np.cumsum([len(row) for row in rows]).tolist()
        parts = [range(end - len(row), end) for row, end in zip(rows, ends, strict=True)]
        out: dict[str, list[Any]] = {
            f"{IDS}_{k}": [ids[part[k]] for part in parts] for k in range(max(map(len, rows), default=0))
        }
        out["length"] = [sum(lengths[i] for i in part) for part in parts]
        out["example"] = list(range(len(rows)))
        out["lost"] = [sum(lost[i] for i in part) for part in parts]
        out["texts"] = [len(part) for part in parts]
        out["cut"] = [sum(lost[i] > 0 for i in part) for part in parts]
        out["longest"] = [max(lengths[i] + lost[i] for i in part) for part in parts]
        for name in ("label", "vector"):
            if name in examples:
                out["labels"] = list(examples[name])
        return out

    def _prompts(self, rows: Sequence[Sequence[str]], examples: Mapping[str, Sequence[Any]]) -> list[str]:
        """The prompt of each text: where queries search documents, or rows were trained so, each side has its own."""
        if "documents" in examples or SEARCHED in examples:
            query, document = (self.vectors.prompt_of(part) for part in ("query", "document"))
        elif "text_pair" in examples or "negatives" in examples:
            query, document = (self._prompt_of(part) for part in ("query", "document"))
        else:
            query = document = self.vectors.prompt
        return [document if place else query for row in rows for place in range(len(row))]

    def _prompt_of(self, part: str) -> str:
        """The prompt of the first text of a row ("query"), and of the others ("document")."""
        return self.vectors.prompt_of(part) if self.vectors.asymmetric else self.vectors.prompt

    def _require_room(self, tokenizer: Any, prompts: Sequence[str]) -> None:
        """Refuse a prompt behind which no token of a text is read: all texts would have one vector.

        Raises:
            UserError: its tokens and the special ones are as many as are read.
        """
        for prompt in set(filter(None, prompts)):
            shown = pieces.readable(tokenizer, prompt, self.max_length)
            count = pieces.counts(tokenizer, [shown])[0] + tokenizer.num_special_tokens_to_add()
            if self.max_length is not None and count >= self.max_length:
                raise UserError(
                    f"the prompt {prompt[:40]!r} of {len(prompt):,} letters fills the {self.max_length} tokens that "
                    "are read of a text: nothing of the text itself would be",
                    "Give a shorter one with --prompt, none with --prompt '', or a larger --max-length.",
                )

    def _prompted(self, texts: Sequence[str], prompts: Sequence[str]) -> list[str]:
        """Texts as the tokenizer is given them."""
        texts = [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
        return [text.lower() for text in texts] if self.vectors.lower_case else texts

    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        """Of the longest text of each example."""
        special = tokenizer.num_special_tokens_to_add()
        rows = shapes.texts_of(examples)
        texts = self._prompted([text for row in rows for text in row], self._prompts(rows, examples))
        counts = iter(pieces.counts(tokenizer, texts))
        return [max(next(counts) for _ in row) + special for row in rows]

    # --- training ---

    @property
    def divisible_batches(self) -> bool:
        return self.loss_name is None or not table.BY_NAME[self.loss_name].compares

    @property
    def indivisible(self) -> str:
        kind = table.BY_NAME[self.loss_name or ""]
        cached = f"cached-{kind.name}"
        ways = "lower --mini-batch-size" if kind.cached else "lower --batch-size, which is another training"
        if cached in table.BY_NAME:
            ways = f"--loss {cached} --mini-batch-size 16 gives the same losses in less memory; or {ways}"
        return f"The loss {kind.name} compares the rows of a batch, so that it is not halved: {ways}."

    @property
    def default_max_length(self) -> int | None:  # type: ignore[override]
        """As many tokens as the model reads: with more its vectors would be others."""
        return self.vectors.max_length

    def begun_with(self, config: PreTrainedConfig, record: Mapping[str, Any] | None, options: Config) -> Self:
        own = record if record and record.get("name") == self.name else None
        vectors = type(self).from_model(config, own).vectors
        vectors = vectors.with_(max_length=own["max_length"]) if own else vectors
        task = self.with_(vectors=vectors).configured(options)
        if task.vectors != vectors or not vectors.guessed:  # a guess was told when it was made
            reporting.current().note(f"vectors: {task.vectors.described()}")
        return task

    def extended(self, train: Dataset, options: TrainingOptions, ask: Ask) -> tuple[Dataset, list[Finding]]:
        from nlpkit.tasks.sentence_embedding import mining

        return mining.extended(train, NegativeOptions.of(options), options.seed, ask)

    def with_loss(self, options: Config, train: Dataset) -> Self:
        from nlpkit.tasks.sentence_embedding.losses.making import LossSettings

        own = LossOptions.of(options)
        shape = shapes.of_examples(train).name
        if not self.shape.main_metric:
            hint = "Name rows to judge by, such as pairs (sentence1, sentence2, score): --validation-file FILE."
            files = DataOptions.of(options)
            if files.validation_file:
                known = f"; --format {files.format} is that of all files" if files.format else ""
                hint = f"Those of --validation-file were read so too{known}. {hint}"
            raise UserError(f"{self.shape.name}: such rows teach, and nothing in them tells how good vectors are", hint)
        suiting = table.suiting(shape)
        if not suiting:
            raise UserError(
                f"{shape}: such rows judge, and no loss learns from them",
                "Train on pairs that belong together: --train-file FILE.",
            )
        if self.vectors.asymmetric and shape in ("texts", "labelled-texts", "taught"):
            raise UserError(
                f"{shape}: such rows have one text, and no side of documents that --prompt-document could be of",
                "--prompt TEXT puts one before each text.",
            )
        kind = table.require(own.loss or suiting[0], shape)
        if kind.compares and getattr(options, "batch_size", 2) * process.world_size() == 1:
            raise UserError(
                f"--batch-size 1: the loss {kind.name} compares the rows of a batch, and one has no other",
                "Use more, 32 to 128 where memory allows.",
            )
        # where the rows have chosen the loss, its options are known now
        options.changed(loss=kind.name).refuse_unread()
        if own.relative_margin and not own.margin:
            raise UserError("--relative-margin says of what --margin is a share, and there is none", "--margin 0.05")
        scores = np.asarray(train["label"][:], np.float64) if shape == "scored-pairs" else np.zeros(1)
        low, high = float(scores.min()), float(scores.max())
        if kind.name == "cosine-mse" and high > 1:
            reporting.current().note(f"train: scores from {low:g} to {high:g} are learnt as cosines from 0 to 1")
        return self.with_(
            loss_name=kind.name,
            matryoshka=tuple(own.trained_dims()),
            settings=LossSettings(
                kind.name,
                scale=own.scale,
                margin=own.margin,
                relative_margin=own.relative_margin,
                symmetric=own.symmetric,
                mini_batch_size=own.mini_batch_size,
                dims=own.trained_dims(),
                similarity=self._compared,
                gather=kind.compares and process.world_size() > 1,
            ),
            guide=own.guide,
            score_range=(low, high),
            taught_by=(lambda: np.asarray(train["vector"][:], np.float32)) if shape == "taught" else None,
        )

    @property
    def _compared(self) -> str:
        """How the loss compares vectors: products of those of length 1 are cosines."""
        vectors = self.vectors
        return "cosine" if vectors.normalize and vectors.similarity == "dot" else vectors.similarity

    @property
    def feature_settings(self) -> str:
        return "together" if self.together else ""

    def for_training(self) -> Self:
        return super().for_training().with_(together=self.settings is not None)

    def for_model(self, model: Any, tokenizer: Any, device: str) -> Self:
        from nlpkit.tasks.sentence_embedding.losses import guide, objective

        assert self.settings is not None
        width = self.vectors.width(model.config.hidden_size)
        guided = guide.open_guide(self.guide, device, self.vectors) if self.guide else None

        def embed(model: Any, features: Mapping[str, torch.Tensor]) -> torch.Tensor:
            return self.run(model, features).logits

        built = objective.build(self.settings, embed, tokenizer, width, guided, device, model)
        task = self.with_(objective=built)
        return task if self.taught_by is None else task._fitted(width, self.taught_by())

    def _fitted(self, width: int, vectors: np.ndarray) -> Self:
        """Learns vectors of another width on their principal axes, and says what is left of them.

        Args:
            width: of the model's vectors.
            vectors: that are learnt, shape (rows, their width).
        """
        task, own = self.matched(width, lambda: vectors), vectors.shape[1]
        if task.axes is None:
            return task
        if own < width:
            how = "zeros fill them up, which changes no product of two"
        else:
            left = np.square(vectors @ task.axes).sum() / max(np.square(vectors).sum(), np.finfo(np.float32).tiny)
            how = f"they are learnt on their {width} principal axes, which hold {left:.1%} of their squared lengths"
        reporting.current().note(f"train: the vectors have {own} numbers, and those of the model {width}: {how}")
        return task

    @property
    def own_weights(self) -> Sequence[torch.nn.Parameter]:
        return () if self.objective is None else self.objective.own

    def batch_labels(self, train: Dataset) -> np.ndarray | None:
        """The labels of texts: a loss on these learns from two texts of one label."""
        learns = self.settings is not None and shapes.of_examples(train).name == "labelled-texts"
        return np.asarray(train["label"][:]) if learns else None

    def training_step(
        self, model: Any, batch: Mapping[str, torch.Tensor], want: Collection[Wanted] = ()
    ) -> tuple[Loss, Forward]:
        import torch

        if self.settings is None:  # texts by themselves, of which a teacher knows the vectors
            return super().training_step(model, batch, want)
        assert self.objective is not None
        columns = self.columns_of(batch)
        rows = len(columns[0][IDS])
        value = self.objective(model, columns, self._targets(batch))
        return Loss(value * rows, torch.full((), rows, device=value.device)), Forward(batch, value.detach().reshape(1))

    def _targets(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
        """The labels of a batch, in which scores that are learnt as cosines reach from 0 to 1."""
        labels = batch.get("labels")
        if labels is not None and self.taught_by is not None:
            return self.targets(labels.float())
        if labels is None or self.loss_name != "cosine-mse":
            return labels.float() if labels is not None and labels.is_floating_point() else labels
        low, high = self.score_range
        return (labels - low) / (high - low) if high > 1 else labels.float()

    def loss(self, forward: Forward) -> Loss:
        """The loss of vectors of examples, shape (rows, texts, width), that are computed already; of texts by
        themselves, shape (rows, width), their distance from those that the batch says they should have."""
        import torch

        from nlpkit.tasks.sentence_embedding.losses.objective import GIVEN

        if self.settings is None:
            each = teaching.distance(forward.logits, forward.batch.get(WANTED, forward.logits))
            return Loss(each.sum(), torch.full((), each.numel(), device=each.device))
        assert self.objective is not None
        rows = len(forward.logits)
        vectors = [{GIVEN: column} for column in forward.logits.unbind(dim=1)]
        value = self.objective.loss(vectors, self._targets(forward.batch))
        return Loss(value * rows, torch.full((), rows, device=value.device))

    def loss_entries(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
        import torch

        if (ids := batch.get(f"{IDS}_0")) is None:
            return None
        return torch.full((), len(ids), device=ids.device)  # made on the device: a copy would be waited for

    def rivals(self, examples: Dataset) -> np.ndarray | None:
        if self.loss_name is None or shapes.of_examples(examples).name not in (*table.RANKED, "texts"):
            return None
        if not table.BY_NAME[self.loss_name].compares:
            return None
        first: dict[str, int] = {}
        columns = {name: examples[name][:] for name in ("text", "text_pair", "negatives") if name in examples.features}
        rows = [[first.setdefault(folded(text), len(first)) for text in row] for row in shapes.texts_of(columns)]
        most = max(map(len, rows))
        return np.asarray([row + row[-1:] * (most - len(row)) for row in rows])

    def check(self, examples: Mapping[str, Dataset]) -> list[Finding]:
        from nlpkit.tasks.sentence_embedding import checks

        return checks.find(examples)

    # --- learning from a teacher ---

    learns_labels: ClassVar[bool] = False
    one_answer_a_row: ClassVar[bool] = True
    lesson: ClassVar[str] = "the teacher's vector of each text"

    compares_texts: ClassVar[bool] = True

    def found_translations(
        self, outputs: np.ndarray, first: Sequence[str], second: Sequence[str]
    ) -> Mapping[str, float]:
        from nlpkit.metrics import retrieval

        same = [np.unique(texts, return_inverse=True)[1] for texts in (first, second)]
        found = retrieval.translations(outputs[:, 0], outputs[:, 1], (same[0], same[1]), self.vectors.similarity)
        return found.observed()

    def taught(self) -> Self:
        return self.with_(loss_name=None)

    @property
    def logit_settings(self) -> str:
        return json.dumps(self.vectors.record(), sort_keys=True)

    def as_table(self) -> Self:
        """Vectors of length 1, of all tokens: what a prompt would add to each text is the same."""
        vectors = Vectors(table=True, similarity=self.vectors.similarity)
        return self.with_(vectors=vectors, max_length=None, training_length=None)

    def matched(self, width: int, answers: Callable[[], np.ndarray]) -> Self:
        own, found = self.vectors.width(width), answers()
        return self if own == found.shape[1] else self.with_(axes=teaching.principal(found, own))

    def targets(self, answers: torch.Tensor) -> torch.Tensor:
        return answers if self.axes is None else teaching.narrowed(answers, self.axes, normalize=self.vectors.normalize)

    def soft_loss(self, student: Forward, teacher: Forward, temperature: float) -> Loss:
        """Half the squared distance from the teacher's vector of each text: 1 - cosine, where both have length 1."""
        import torch

        each = teaching.distance(student.logits, self.targets(teacher.logits))
        return Loss(each.sum(), torch.full((), each.numel(), device=each.device))

    changeable: ClassVar[tuple[str, ...]] = ("text", "text_pair")

    def without_label(self, example: Mapping[str, Any]) -> dict[str, Any]:
        """The texts, each of which is learnt by itself; all else of a row is about how they go together."""
        return {name: example[name] for name in ("text", "text_pair", "negatives") if name in example}

    def measured_by(self, model: Any, batches: Sequence[Mapping[str, torch.Tensor]]) -> list[dict[str, torch.Tensor]]:
        """Batches with the vectors that the whole model gives, from which a cut one goes away."""
        import torch

        made = []
        for seed, batch in enumerate(batches):
            with torch.no_grad():
                vectors = self.run(model, batch).logits
            made.append({**batch, WANTED: teaching.off_by_a_little(vectors, seed)})
        return made

    def collate(
        self, tokenizer: Any, *, multiple: int = 1
    ) -> Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]:
        """Pad texts to the longest, those of examples column by column; with the number of a prompt's tokens where
        pooling leaves them out."""
        padding = super().collate(tokenizer, multiple=multiple)
        if not self.vectors.needs_prompt_tokens:
            return ColumnCollator(padding)
        query, document = (prompt_length(tokenizer, self._prompt_of(part)) for part in ("query", "document"))
        return PromptCollator(ColumnCollator(padding, (query, document)))

    def columns_of(self, batch: Mapping[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        """The texts of a batch of examples, column by column, as `run` takes them."""
        count = sum(name.startswith(f"{IDS}_") for name in batch)
        return [
            {name.removesuffix(f"_{k}"): tensor for name, tensor in batch.items() if name.endswith(f"_{k}")}
            for k in range(count)
        ]

    # --- the model ---

    def model_arguments(self) -> dict[str, Any]:
        return {}

    withheld: ClassVar[frozenset[str]] = frozenset({"labels", PROMPT_TOKENS, WANTED})

    def run(self, model: Any, batch: Mapping[str, torch.Tensor], want: Collection[Wanted] = ()) -> Forward:
        """The vectors of texts, shape (rows, width); of examples those of all their texts, (rows, texts, width). The
        states of each layer are asked for where those of several are averaged, and of a graph that gives finished
        vectors these alone, unless others are asked for: then its states are pooled.

        Raises:
            UserError: several layers are to be averaged, and a graph gives the last alone.
        """
        if IDS not in batch:
            import torch

            parts = [self.run(model, part).logits for part in self.columns_of(batch)]
            return Forward(batch, torch.stack(parts, dim=1))
        if FINISHED in getattr(model, "outputs", ()):
            finished = self.finished_by(model)
            if not finished and self.vectors.layers > 1:
                raise UserError(
                    f"{model.path} gives the states of the last layer alone, and those of {self.vectors.layers} are to "
                    "be averaged",
                    f"Name the model that it was exported from: {made_from(model.path.parent)}.",
                )
            outputs = model(only=[FINISHED if finished else STATES], **self.model_inputs(batch))
            return Forward(batch, self.logits(outputs, batch))
        return super().run(model, batch, {*want, "hidden"} if self.vectors.layers > 1 else want)

    def finished_by(self, model: Any) -> bool:
        """Whether a model gives these vectors itself, as a graph does that was exported with them."""
        return FINISHED in getattr(model, "outputs", ()) and (self.own is None or self.own.alike(self.vectors))

    def graph(self, forward: Callable[..., Any], batch: Mapping[str, torch.Tensor]) -> Mapping[str, Any]:
        """The finished vectors, behind the last hidden states, which other programs pool themselves.

        Where the tokens of a prompt are left out, a graph cannot tell which these are: it gives the states alone.
        """
        if self.vectors.needs_prompt_tokens and self.vectors.layers > 1:
            raise UserError(
                "a graph cannot average several layers of this model, as it has to leave out the tokens of a prompt",
                "--to torch-int8 needs no export.",
            )
        if self.vectors.needs_prompt_tokens:
            return super().graph(forward, batch)
        outputs = forward(**batch, **({"output_hidden_states": True} if self.vectors.layers > 1 else {}))
        return {STATES: outputs[STATES], FINISHED: self.logits(outputs, batch)}

    def logits(self, outputs: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The vectors, finished: pooled, cut, and normalized where they are to be, shape (rows, width)."""
        if FINISHED in outputs:
            return outputs[FINISHED].float()
        states = outputs["hidden_states" if self.vectors.layers > 1 else STATES]
        return self.vectors.pool(states, batch["attention_mask"], batch.get(PROMPT_TOKENS))

    def merge(self, outputs: np.ndarray, features: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """The vectors of each example, shape (examples, texts, width), NaN where an example has fewer texts."""
        if outputs.ndim == 3:
            return outputs
        owner = np.asarray(features["example"])
        counts = np.unique(owner, return_counts=True)[1]
        place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        vectors = np.full((len(counts), counts.max(initial=1), outputs.shape[1]), np.nan, outputs.dtype)
        vectors[np.repeat(np.arange(len(counts)), counts), place] = outputs
        return vectors

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
        """The figures of the kind of data that the examples are."""
        return shapes.of_examples(examples).score(outputs, examples, self.vectors.similarity)

    def evidence(self, outputs: np.ndarray, examples: Dataset) -> Evidence | None:
        return shapes.of_examples(examples).evidence(outputs, examples, self.vectors.similarity)

    def against(
        self, examples: Mapping[str, Dataset], answers: Callable[[Dataset], np.ndarray]
    ) -> tuple[Self, dict[str, Dataset]]:
        """Rows of which nothing is known that vectors could be judged by, with the vectors of the model as it is."""
        from datasets import Features, List, Value

        if self.main_metric:
            return self, dict(examples)
        made = {}
        for split, rows in examples.items():
            vectors = answers(rows)
            before = [row[~np.isnan(row[:, 0])].tolist() for row in vectors]
            column = Features({"before": List(List(Value("float32")))})["before"]
            made[split] = rows.add_column("before", before, feature=column)
            reporting.current().note(
                f"{split}: nothing in these rows tells how good vectors are: `cosine` is that of each vector with the "
                "one that its text had before, 1 where none has moved"
            )
        return self.with_(by_before=True), made

    def metric_names(self, examples: Dataset) -> Collection[str]:
        return shapes.of_examples(examples).all_metrics

    def possible_metrics(self) -> Collection[str]:
        return list(dict.fromkeys(name for shape in shapes.SHAPES.values() for name in shape.all_metrics))

    def details(self, outputs: np.ndarray, examples: Dataset) -> dict[str, Any]:
        """The figures by each similarity, where there are these, those of vectors that are cut to each number of
        dimensions that was trained, and where vectors go wrong."""
        shape, how = shapes.of_examples(examples), self.vectors.similarity
        found: dict[str, Any] = {"similarity": how}
        if self.matryoshka and shape.table_metrics:
            width = outputs.shape[-1]
            dims = sorted({width, *(dim for dim in self.matryoshka if dim < width)}, reverse=True)
            cut = {f"{dim}": shape.score(outputs[..., :dim], examples, how) for dim in dims}
            found[DIMS] = {dim: {name: figures[name] for name in shape.table_metrics} for dim, figures in cut.items()}
        if shape.every:
            found["figures"] = shape.score(outputs, examples, how)
        if shape.worst is not None:
            found["worst"] = shape.worst(outputs, examples, how)[:KEPT]
        return found

    def decode(self, outputs: np.ndarray, inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """The vector of each text, as a list of numbers."""
        return ({"prediction": vector.tolist(), "score": None} for vector in outputs[:, 0])
