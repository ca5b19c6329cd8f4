"""Sentence embedding: one vector of the hidden states of an encoder, as a rule their mean (Reimers & Gurevych 2019,
https://arxiv.org/abs/1908.10084).

Any encoder gives vectors; one that was trained for it, such as all-MiniLM-L6-v2, gives like vectors to texts of like
meaning. They are judged on pairs of texts with a score of their likeness: the rank correlation of the pairs' cosines
with these scores (as on STS-B); other kinds of rows by other figures.

Where what stands: `recognition.py` chooses the kind of the user's rows, `shapes.py` says how each kind is judged and
taught; `reading.py` and `rows.py` make examples of rows, `features.py` token ids of texts, `batches.py` batches of
these. `vectors.py` says what a vector is made of, `folder/` reads and writes that beside a model. `training.py` settles
the loss, `losses/` has all of them; `judging.py` and `figures.py` say how good vectors are, `teaching.py` how a student
learns them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit import reporting
from nlpkit.data.collating import Collator
from nlpkit.data.findings import Finding
from nlpkit.errors import UserError
from nlpkit.metrics import similarity
from nlpkit.models.files import CONFIG, STRUCTURE, made_from
from nlpkit.options import Config
from nlpkit.runs.files import small_text
from nlpkit.runs.records import RECORD
from nlpkit.tasks import arrays
from nlpkit.tasks.asking import Ask
from nlpkit.tasks.claims import Claim
from nlpkit.tasks.explained import Question, require_places
from nlpkit.tasks.forward import Forward, Loss
from nlpkit.tasks.forward import Part as Wanted
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.roles import Augmentable, Explainable, Teachable
from nlpkit.tasks.sentence_embedding import (
    batches,
    explaining,
    features,
    figures,
    prompts,
    recognition,
    shapes,
    teaching,
    training,
)
from nlpkit.tasks.sentence_embedding.asked import asked_for
from nlpkit.tasks.sentence_embedding.features import IDS, PROMPT_TOKENS
from nlpkit.tasks.sentence_embedding.folder import reading as folder_reading
from nlpkit.tasks.sentence_embedding.folder import writing as folder_writing
from nlpkit.tasks.sentence_embedding.layout import Layout
from nlpkit.tasks.sentence_embedding.negative_options import NegativeOptions
from nlpkit.tasks.sentence_embedding.options import (
    EmbeddingAnswerOptions,
    EmbeddingColumnOptions,
    EmbeddingDataOptions,
    EmbeddingExplainOptions,
    EmbeddingJudgeOptions,
    SidePromptOptions,
    VectorOptions,
)
from nlpkit.tasks.sentence_embedding.record import EmbeddingRecord, columns_recorded, layouts_of
from nlpkit.tasks.sentence_embedding.shapes import Shape
from nlpkit.tasks.sentence_embedding.training import ChosenLoss
from nlpkit.tasks.sentence_embedding.vectors import Vectors

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.metrics.evidence import Evidence
    from nlpkit.models.bare_config import BareConfig
    from nlpkit.options import TrainingOptions
    from nlpkit.tasks.sentence_embedding.losses.guide import Guide
    from nlpkit.tasks.sentence_embedding.losses.objective import Objective

DECODERS = ("ForCausalLM", "ForConditionalGeneration")  # of models that do not read a text in both directions
WANTED = "wanted"  # in batches: the vector that each text should have
STATES = "last_hidden_state"  # of what Transformers' encoders give
FINISHED = "sentence_embedding"  # what sentence-transformers calls the vectors of texts in an exported graph


@dataclass(frozen=True, eq=False, kw_only=True)
class SentenceEmbedding(Teachable, Augmentable, Explainable):
    """See the module's docstring.

    Args:
        vectors: what a vector is made of.
        own: the same as the model's folder says it, before anything else is asked for: so an exported graph has it.
        layout: of the rows that were, or are, trained on; None of a model that was trained elsewhere.
        judged: of the rows of validation, where that is another one.
        loss_name: of the loss that it was, or is, trained with; None of a model that was trained elsewhere.
        matryoshka: the numbers of dimensions that are trained besides all.
        chosen: the loss, while it is trained.
        objective: the same, when the model is there.
        together: whether a feature holds all texts of an example, as a loss wants them.
        axes: of the teacher's vectors, on which narrower ones are learnt, see `teaching.principal`.
        pair_threshold: likeness from which on pairs are called alike, where figures of that are asked for.
        by_before: whether vectors are judged by those that texts had before the model was changed, see `against`.
    """

    vectors: Vectors = field(default_factory=Vectors)
    own: Vectors | None = None
    layout: Layout | None = None
    judged: Layout | None = None
    loss_name: str | None = None
    matryoshka: tuple[int, ...] = ()
    chosen: ChosenLoss | None = None
    objective: Objective | None = None
    together: bool = False
    axes: np.ndarray | None = None
    pair_threshold: float | None = None
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
    explain_options: ClassVar[type[Config] | None] = EmbeddingExplainOptions
    evaluate_options: ClassVar[type[Config]] = EmbeddingJudgeOptions
    column_options: ClassVar[type[Config]] = EmbeddingColumnOptions
    record_type: ClassVar[type[TaskRecord]] = EmbeddingRecord
    reading_class: ClassVar[str] = "nlpkit.tasks.sentence_embedding.reading:EmbeddingReader"
    view_class: ClassVar[str] = "nlpkit.tasks.sentence_embedding.view:EmbeddingView"

    file_formats: ClassVar[Mapping[str, str]] = {".json": "squad"}
    reads_collections: ClassVar[bool] = True
    remembered: ClassVar[bool] = True
    embeds: ClassVar[bool] = True
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
        return (*self.shape.table_metrics, *(() if self.pair_threshold is None else similarity.AT_THRESHOLD))

    # --- made from a model folder, from data ---

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
            vectors = folder_reading.vectors_of(place, getattr(config, "_commit_hash", None))
            if vectors.guessed:
                reporting.current().note(f"vectors: {vectors.described()}")
            if hidden := getattr(config, "hidden_size", None):
                vectors.width(hidden)
            return cls(vectors=vectors, own=vectors, max_length=vectors.max_length)
        vectors = Vectors.recorded(record, str(Path(place) / RECORD) if place else "")
        layout, judged = layouts_of(record)
        return cls(
            vectors=vectors,
            own=vectors,
            layout=layout,
            judged=judged,
            loss_name=record.get("loss"),
            matryoshka=tuple(record.get("matryoshka", ())),
            max_length=record["max_length"],
            training_length=record.get("training_length"),
        )

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            **self.vectors.record(),
            "columns": columns_recorded(self.layout),
            "layout": self.layout.record() if self.layout else None,
            "judged": self.judged.record() if self.judged else None,
            "loss": self.loss_name,
            "matryoshka": list(self.matryoshka),
            "max_length": self.max_length,
            "training_length": self.training_length,
        }

    @classmethod
    def from_data(cls, splits: Mapping[str, Dataset], options: Config) -> SentenceEmbedding:
        layout, judged = recognition.of_splits(splits, options)
        return cls(layout=layout, judged=judged, max_length=EmbeddingDataOptions.of(options).max_length)

    @property
    def apart(self) -> str:
        if self.layout is None or self.judged is None:
            return ""
        return f"they are {self.layout.shape} and {self.judged.shape}"

    @classmethod
    def suits(cls, row: Mapping[str, Any]) -> bool:
        return recognition.suits(list(row))

    def describe(self) -> str:
        rows = f", {self.layout.described()}" if self.layout else ""
        loss = f"; loss {self.loss_name}" if self.loss_name else ""
        return f"{self.name}{rows}{loss}; {self.vectors.described()}"

    def configured(self, options: Config) -> Self:
        threshold = options.pair_threshold if isinstance(options, EmbeddingJudgeOptions) else None
        task = self.with_(vectors=asked_for(self.vectors, options), pair_threshold=threshold)
        if isinstance(options, EmbeddingAnswerOptions) and options.dims not in (None, *self.matryoshka):
            known = f", but to {', '.join(map(str, self.matryoshka))}" if self.matryoshka else " (Matryoshka)"
            reporting.current().warn(
                f"--dims {options.dims}: the model was not trained to be cut to this{known}, as far as is known"
            )
        alone = isinstance(options, VectorOptions) and not isinstance(options, SidePromptOptions)
        if alone and task.has_sides and not task.vectors.asymmetric:
            names = " or ".join(f"--prompt-name {name}" for name in task.vectors.side_names)
            reporting.current().note(
                f"texts are embedded without a prompt, and the model has some for queries and documents: {names}"
            )
        return task

    def require_fit(self, config: PreTrainedConfig | BareConfig) -> None:
        if (hidden := getattr(config, "hidden_size", None)) is not None:
            self.vectors.width(hidden)

    @property
    def has_sides(self) -> bool:
        """Whether queries and documents begin with prompts of their own, though no rows say that they are such.

        A model that was trained here is judged as it was trained.
        """
        named = any(self.vectors.prompt_of(part) for part in ("query", "document"))
        return named and self.vectors.default_prompt is None and self.loss_name is None

    # --- examples -> features -> batches ---

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        made = features.of_examples(tokenizer, examples, self.vectors, self.max_length, together=self.together)
        return {**made, **self.guide.features(examples)} if self.together and self.guide else made

    @property
    def feature_settings(self) -> str:
        if not self.together:
            return ""
        return "together" + (self.guide.settings if self.guide else "")

    @property
    def guide(self) -> Guide | None:
        """The embedder that the loss asks which texts are no negatives; None: it asks none."""
        return self.chosen.guide if self.chosen else None

    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        return features.lengths(tokenizer, examples, self.vectors)

    @property
    def default_max_length(self) -> int | None:  # type: ignore[override]
        """As many tokens as the model reads: with more its vectors would be others."""
        return self.vectors.max_length

    def collate(self, tokenizer: Any, *, multiple: int = 1) -> Collator:
        own = batches.collator(super().collate(tokenizer, multiple=multiple), self.vectors, tokenizer)
        return own if self.guide is None else batches.GuidedCollator(own, self.guide.batch)

    # --- training ---

    @property
    def divisible_batches(self) -> bool:
        return not training.compares(self.loss_name)

    @property
    def indivisible(self) -> str:
        return training.why_whole(self.loss_name) if self.loss_name and not self.divisible_batches else ""

    def begun_with(self, config: PreTrainedConfig, record: Mapping[str, Any] | None, options: Config) -> Self:
        own = record if record and record.get("name") == self.name else None
        before = type(self).from_model(config, own)
        vectors = before.vectors.with_(max_length=own["max_length"]) if own else before.vectors
        task = self.with_(vectors=vectors).configured(options)
        searches = self.layout is not None and self.layout.searches
        if searches and before.has_sides and task.has_sides:  # as such rows are read where they are judged
            task = task.with_(vectors=task.vectors.with_side_prompts(None, None))
        if task.vectors != vectors or not vectors.guessed:  # a guess was told when it was made
            reporting.current().note(f"vectors: {task.vectors.described()}")
        return task

    def extended(self, train: Dataset, options: TrainingOptions, ask: Ask) -> tuple[Dataset, list[Finding]]:
        from nlpkit.tasks.sentence_embedding import mining

        return mining.extended(train, NegativeOptions.of(options), options.seed, ask)

    def with_loss(self, options: Config, train: Dataset) -> Self:
        searches = self.layout is not None and self.layout.searches
        chosen = training.choose(options, train, self.shape, self.vectors, searches=searches)
        return self.with_(chosen=chosen, loss_name=chosen.settings.name, matryoshka=chosen.matryoshka)

    def for_training(self) -> Self:
        return super().for_training().with_(together=self.chosen is not None)

    def for_model(self, model: Any, tokenizer: Any, device: str) -> Self:
        from nlpkit.tasks.sentence_embedding.losses import objective

        assert self.chosen is not None
        width = self.vectors.width(model.config.hidden_size)
        guiding = self.guide.opened(device) if self.guide else None

        def embed(model: Any, features: Mapping[str, torch.Tensor]) -> torch.Tensor:
            return self.run(model, features).logits

        built = objective.build(self.chosen.settings, embed, tokenizer, width, guiding, device, model)
        task = self.with_(objective=built)
        if self.chosen.taught is None:
            return task
        vectors = self.chosen.taught()
        task = task.matched(width, lambda: vectors)
        if task.axes is not None:
            reporting.current().note(f"train: {teaching.fit(vectors, task.axes)}")
        return task

    @property
    def own_weights(self) -> Sequence[torch.nn.Parameter]:
        return () if self.objective is None else self.objective.own

    def batch_labels(self, train: Dataset) -> np.ndarray | None:
        """The labels of texts: a loss on these learns from two texts of one label."""
        learns = self.chosen is not None and shapes.of_examples(train).name == "labelled-texts"
        return np.asarray(train["label"][:]) if learns else None

    def training_step(
        self, model: Any, batch: Mapping[str, torch.Tensor], want: Collection[Wanted] = ()
    ) -> tuple[Loss, Forward]:

        if self.chosen is None:  # texts by themselves, of which a teacher knows the vectors
            return super().training_step(model, batch, want)
        assert self.objective is not None
        columns = batches.columns_of(batch)
        entries = self.objective.entries(columns[0][IDS])
        value = self.objective(model, columns, self._labels(batch))
        return Loss(value * entries, entries), Forward(batch, value.detach().reshape(1))

    def _labels(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
        """The labels of a batch as the loss takes them; vectors are those of the width of the model's."""
        labels = batch.get("labels")
        if labels is None or self.chosen is None:
            return labels
        return self.chosen.labels(labels) if self.chosen.taught is None else self.aimed_at(labels.float())

    def loss(self, forward: Forward) -> Loss:
        """The loss of vectors of examples, shape (rows, texts, width), that are computed already; of texts by
        themselves, shape (rows, width), their distance from those that the batch says they should have."""
        import torch

        from nlpkit.tasks.sentence_embedding.losses.objective import GIVEN

        if self.chosen is None:
            each = teaching.distance(forward.logits, forward.batch.get(WANTED, forward.logits))
            return Loss(each.sum(), torch.full((), each.numel(), device=each.device))
        assert self.objective is not None
        rows = len(forward.logits)
        vectors = [{GIVEN: column} for column in forward.logits.unbind(dim=1)]
        value = self.objective.loss(vectors, self._labels(forward.batch))
        return Loss(value * rows, torch.full((), rows, device=value.device))

    def loss_entries(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
        ids = batch.get(f"{IDS}_0")
        return None if ids is None or self.objective is None else self.objective.entries(ids)

    def rivals(self, examples: Dataset) -> np.ndarray | None:
        return training.rivals(self.loss_name, examples)

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

    def aimed_at(self, answers: torch.Tensor) -> torch.Tensor:
        return answers if self.axes is None else teaching.narrowed(answers, self.axes, normalize=self.vectors.normalize)

    def soft_loss(self, student: Forward, teacher: Forward, temperature: float) -> Loss:
        """Half the squared distance from the teacher's vector of each text: 1 - cosine, where both have length 1."""
        import torch

        each = teaching.distance(student.logits, self.aimed_at(teacher.logits))
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
            parts = [self.run(model, part).logits for part in batches.columns_of(batch)]
            return Forward(batch, arrays.stacked(parts, axis=1))
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
            return arrays.float32(outputs[FINISHED])
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
        """What sentence-transformers and servers of its models read, see `folder.writing`.

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
        folder_writing.write(self.vectors.with_(max_length=self.max_length), folder, config.hidden_size)

    # --- judging and answering ---

    def score(self, outputs: np.ndarray, examples: Dataset) -> dict[str, float]:
        """The figures of the kind of data that the examples are."""
        found = shapes.of_examples(examples).score(outputs, examples, self.vectors.similarity)
        return found if self.pair_threshold is None else found | self._at_threshold(outputs, examples).observed()

    def evidence(self, outputs: np.ndarray, examples: Dataset) -> Evidence | None:
        found = shapes.of_examples(examples).evidence(outputs, examples, self.vectors.similarity)
        if found is None or self.pair_threshold is None:
            return found
        return similarity.together(found, self._at_threshold(outputs, examples))

    def _at_threshold(self, outputs: np.ndarray, examples: Dataset) -> Evidence:
        """What the figures of --pair-threshold hang on.

        Raises:
            UserError: the examples are no pairs that are alike or not.
        """
        shape = shapes.of_examples(examples).name
        if shape != "labelled-pairs" or self.pair_threshold is None:
            raise UserError(f"--pair-threshold is for pairs that are alike or not, not for {shape}", "Leave it out.")
        likeness = similarity.of_pairs(outputs[:, 0], outputs[:, 1], self.vectors.similarity)
        return similarity.at_threshold(likeness, np.asarray(examples["label"][:]), self.pair_threshold)

    def against(
        self, examples: Mapping[str, Dataset], answers: Callable[[Dataset], np.ndarray]
    ) -> tuple[Self, dict[str, Dataset]]:
        """Rows of which nothing is known that vectors could be judged by, with the vectors of the model as it is."""
        if self.main_metric:
            return self, dict(examples)
        return self.with_(by_before=True), figures.with_vectors_before(examples, answers)

    def metric_names(self, examples: Dataset) -> Collection[str]:
        asked = () if self.pair_threshold is None else similarity.AT_THRESHOLD
        return [*shapes.of_examples(examples).all_metrics, *asked]

    def possible_metrics(self) -> Collection[str]:
        every = (name for shape in shapes.SHAPES.values() for name in shape.all_metrics)
        return list(dict.fromkeys([*every, *similarity.AT_THRESHOLD]))

    def details(self, outputs: np.ndarray, examples: Dataset) -> dict[str, Any]:
        return figures.details(outputs, examples, self.vectors.similarity, self.matryoshka)

    def decode(self, outputs: np.ndarray, inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """The vector of each text, as a list of numbers; of a row of two texts how like they are, as one."""
        if inputs and "text_pair" in inputs[0]:
            likeness = similarity.of_pairs(outputs[:, 0], outputs[:, 1], self.vectors.similarity)
            return ({"prediction": float(one), "score": None} for one in likeness)
        return ({"prediction": vector.tolist(), "score": None} for vector in outputs[:, 0])

    # --- explaining ---

    def questions(
        self, tokenizer: Any, example: Mapping[str, Any], outputs: np.ndarray, asked: str | None = None
    ) -> list[Question]:
        """How like two texts are, by the words of each: two questions.

        Raises:
            UserError: there is one text alone, whose vector says nothing by itself.
        """
        require_places(tokenizer)
        texts = {name: str(example[name]) for name in ("text", "text_pair") if example.get(name) is not None}
        if len(texts) < 2:
            raise UserError(
                "an embedder gives a vector, and what is explained is how like two texts are",
                "Give a second text for each: --text-pair, or of a file --text-pair-column.",
            )
        if asked is not None:
            raise UserError(f"--target {asked}: of two texts their likeness is explained alone", "Leave it out.")
        columns = {name: [text] for name, text in texts.items()}
        made = self.features(tokenizer, columns)
        before = prompts.of_texts(self.vectors, [list(texts.values())], columns)
        return explaining.questions(tokenizer, texts, before, made, self.vectors, outputs[0])

    def explained(self, forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
        return explaining.explained(forward, target)
