"""What a task can do besides answering: each role is what some operations need of it, see `registry.require`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from nlpkit.data.findings import Finding
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.tasks.asking import Ask
from nlpkit.tasks.classical import Classical
from nlpkit.tasks.contract import Task
from nlpkit.tasks.explained import Question
from nlpkit.tasks.forward import Forward, Loss, Part
from nlpkit.tasks.heads import Head
from nlpkit.tasks.outputs import Outputs

if TYPE_CHECKING:
    import numpy as np
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.metrics.calibration import Decisions
    from nlpkit.metrics.evidence import Evidence, Judgement
    from nlpkit.options import TrainingOptions
    from nlpkit.word_vectors.table import WordVectors


class Judged(Task):
    """A task whose answers can be scored against labels."""

    ability: ClassVar[str] = "whose answers can be judged"
    operations: ClassVar[Sequence[str]] = ("evaluate", "compare", "quantize")

    @property
    @abstractmethod
    def main_metric(self) -> str:
        """The metric that checkpoints are chosen by, and that is compared between models."""

    lower_is_better: ClassVar[frozenset[str]] = frozenset(
        {"loss", "hamming_loss", "mse", "rmse", "mae", "ece", "brier", "nll"}
    )

    @property
    def table_metrics(self) -> Sequence[str]:
        """The columns of the result table, in order."""
        return ()

    @property
    def point(self) -> float:
        """What one point of the main metric is: a hundredth of a share, 1 of a metric that is counted otherwise."""
        return 0.01

    @property
    def of_tokens(self) -> bool:
        """Whether metrics are of tokens, so that those of models with other tokenizers do not compare."""
        return False

    @property
    def metric_notes(self) -> Mapping[str, str]:
        """What a metric is of, by its name, where that does not say it."""
        return {}

    # Whether what is judged is what a model writes, and not what it makes of right answers in one pass.
    judged_by_writing: ClassVar[bool] = False

    def against(
        self, examples: Mapping[str, Dataset], answers: Callable[[Dataset], Any]
    ) -> tuple[Self, dict[str, Dataset]]:
        """The task and the examples by which a changed model is judged: where rows do not tell what is right, the
        answers of the model before can stand for it.

        Args:
            examples: of each split that is judged.
            answers: merged outputs of the model as it is, of examples.
        """
        return self, dict(examples)

    def metric_names(self, examples: Dataset) -> Collection[str]:
        """Names of the metrics that `score` gives on such examples, so that a misspelt one is found at once."""
        return self.possible_metrics()

    def possible_metrics(self) -> Collection[str]:
        """Names of the metrics that `score` may give on any examples, of which `metric_names` are some, so that a
        misspelt one is found before weights and data are read. A command may ask before the task is `configured`."""
        return list(dict.fromkeys([self.main_metric, *self.table_metrics]))

    def judge(
        self, model: Any, batch: Mapping[str, torch.Tensor], forward: Forward | None = None
    ) -> dict[str, torch.Tensor]:
        """As `answer`, for rows whose answers are scored; a task whose metrics are of generated text overrides it.

        Args:
            forward: that of the batch, where it was computed for the loss: what it gives is not checked again.
        """
        return self._checked(self.run(model, batch)) if forward is None else self.reduce(forward)

    def with_conventions(self, outputs: Outputs) -> Self:
        """The task with what only answers tell of a model from elsewhere (in which scheme it tags words).

        What is found is told to the reporter.
        """
        return self

    def calibrated(self, outputs: Outputs, examples: Dataset) -> Self:
        """The task with what judging and answering take from the validation split (a threshold); `record` keeps it."""
        return self

    def decisions(self, outputs: Outputs, examples: Dataset) -> Decisions | None:
        """The decisions that answers are made of, with what would have been right; None where they have no
        probability that a temperature changes."""
        return None

    def uncalibrated(self, outputs: Outputs) -> Outputs:
        """Outputs that a task without calibration judges as this one judges these: so those of several models, each
        calibrated for itself, are judged together."""
        return outputs

    def sureness(self, outputs: Outputs, examples: Dataset) -> tuple[np.ndarray, np.ndarray] | None:
        """The score of the answer to each example, and whether it is right; None where answers have no such score."""
        return None

    def doubted(self, outputs: Outputs, examples: Dataset, least: float) -> np.ndarray | None:
        """Which labels a model doubts, bool of shape (examples,); None where its answers are not such that one can be
        doubted.

        By default those of which any decision comes out otherwise, or gives what is labelled less probability than
        `least`: a class, a label of several, the tag of a word.

        Args:
            outputs: merged, one for each example.
            least: probability that a label must have, from 0 to 1.
        """
        import numpy as np

        from nlpkit.metrics import calibration

        decided = self.decisions(outputs, examples)
        if decided is None:
            return None
        bad = calibration.contradicted(decided) | (calibration.probabilities_of_gold(decided) < least)
        doubted = np.zeros(len(examples), dtype=bool)
        doubted[decided.row[bad]] = True
        return doubted

    def margins(self, outputs: Outputs) -> np.ndarray | None:
        """How far the score of each answer is from that of the one next to it; None where answers are not chosen among
        labels."""
        return None

    @abstractmethod
    def score(self, outputs: Outputs, examples: Dataset) -> dict[str, float]:
        """Metrics of merged outputs against the examples' labels."""

    def evidence(self, outputs: Outputs, examples: Dataset) -> Evidence | None:
        """What the metrics of `score` hang on, for intervals and paired tests; None: there is no telling.

        By default each draw of rows is scored again, of up to `rescored.MOST_ROWS` rows. A task whose metrics follow
        from sums over rows says how: that takes a hundredth of the time. The metrics are those of `score`, or some.

        Args:
            outputs: merged, of at least one example.
        """
        from nlpkit.tasks import rescored

        return rescored.evidence(self.score, outputs, examples)

    def details(self, outputs: Outputs, examples: Dataset) -> dict[str, Any]:
        """Figures beyond one number a metric (a per-class report), as JSON values."""
        return {}

    def yardsticks(self, examples: Dataset) -> Mapping[str, Judgement]:
        """What answers that take no model would be worth on these examples, by their names: they stand in the table
        below the model's. By default there are none."""
        return {}

    def baseline(
        self, train: Dataset, seed: int, name: str = "", vectors: WordVectors | None = None
    ) -> Classical | None:
        """A classical model that has learnt from train rows, None if there is none.

        Args:
            train: examples.
            seed: of what is drawn.
            name: that `require_baseline` gives, of no network (see `nlpkit.baselines`); "" for the usual one.
            vectors: of words, for a model that is made of some; by default it learns them from train.
        """
        return None

    def require_baseline(self, named: Sequence[str] = ()) -> Sequence[str]:
        """The names of the classical models that are to be trained; "" where there is one without a name.

        Args:
            named: those that are asked for; none for the usual one.

        Raises:
            UserError: there is none, not that one, or it would take more memory or time than there is.
        """
        if type(self).baseline is Judged.baseline:
            raise UserError(f"--baseline: there is none for {self.name}", "Leave it out.")
        return [""]

    def points_lost(self, before: Mapping[str, float], after: Mapping[str, float]) -> float:
        """How many points of the main metric are lost between two sets of metrics; below 0 where some are won."""
        lost = (before[self.main_metric] - after[self.main_metric]) / self.point
        return lost if self.higher_is_better(self.main_metric) else -lost

    def higher_is_better(self, metric: str) -> bool:
        """Whether a larger value of `metric` is a better one."""
        return metric not in self.lower_is_better


class Explainable(Task):
    """A task whose answers can be explained by the words of the input: see `nlpkit.explaining`."""

    ability: ClassVar[str] = "whose answers can be explained"
    operations: ClassVar[Sequence[str]] = ("explain",)

    @property
    def answers_flip(self) -> bool:
        """Whether two answers are the same or others, so that words can be sought without which it is another one; a
        number, a vector and a text that is written are not."""
        return not (self.embeds or self.writes)

    # Whether words may be taken out of an input. Of an answer that stands at places of it they are masked instead.
    movable: ClassVar[bool] = True

    @abstractmethod
    def questions(
        self, tokenizer: Any, example: Mapping[str, Any], outputs: Outputs, asked: str | None = None
    ) -> Sequence[Question]:
        """What is explained of the answer to a row: by default what it is.

        Args:
            tokenizer: of the model.
            example: as the reader's `inputs` makes it.
            outputs: merged, of this example alone: one entry.
            asked: what is explained instead, as a user names it: a label, a word, a text.

        Raises:
            UserError: there is nothing of that name, or the tokenizer does not tell where its tokens stand.
        """

    @abstractmethod
    def explained(self, forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
        """How sure the model is of what is asked, of each row of a batch of one reading's variants: shape (rows,).

        A probability, or what comes nearest to one (a cosine); gradients pass through it.

        Args:
            forward: of variants of a `Reading`, in which words are masked or, of a `movable` task, left out.
            target: of its `Question`.
        """


class Trainable(Judged):
    """A task that a model can be trained for; what is trained is judged, to find the best checkpoint."""

    ability: ClassVar[str] = "that can be trained"
    operations: ClassVar[Sequence[str]] = ("prune",)

    @classmethod
    @abstractmethod
    def from_data(cls, splits: Mapping[str, Dataset], options: Config) -> Trainable:
        """Find columns and labels in the rows of the splits; guesses are told to the reporter.

        Args:
            options: a config with the `data_options`.

        Raises:
            UserError: a named column does not exist, no column fits, or the labels make no sense.
        """

    @abstractmethod
    def check(self, examples: Mapping[str, Dataset]) -> list[Finding]:
        """Look for what would spoil training or its figures."""

    @property
    def apart(self) -> str:
        """Why rows of train and validation cannot be cut up together, as the end of a message; empty where they can."""
        return ""

    def absent_labels(self, examples: Dataset) -> list[str]:
        """The labels of a model that none of these examples has, as they are shown."""
        return []

    def with_head_of(self, trained: Task) -> tuple[Self, Head]:
        """The task before rows are read, and what becomes of the head of a model that was trained for it already.

        Where the head goes on, the labels of the task are numbered as the head has them. By default nothing of a head
        depends on the data, so that it goes on.

        Args:
            trained: the model's own task, of the same class.
        """
        return self, Head(True)

    def strata(self, examples: Dataset) -> np.ndarray | None:
        """The class of each example, int of shape (examples,), whose shares are kept where examples are parted; None
        where an example has no single one."""
        return None

    def begun_with(self, config: PreTrainedConfig, record: Mapping[str, Any] | None, options: Config) -> Self:
        """The task with what it takes over from the model to begin with, before rows are read.

        Args:
            config: of that model.
            record: the `task` part of its nlpkit.json, None where it has none.
            options: the config of the command that trains.
        """
        return self

    def for_model(self, model: Any, tokenizer: Any, device: str) -> Self:
        """The task with what its loss takes from the model that is trained; after `with_loss`.

        Args:
            device: that the model goes to.
        """
        return self

    @property
    def own_weights(self) -> Sequence[torch.nn.Parameter]:
        """Weights that the loss has besides those of the model, which are trained with them and thrown away; they may
        share others with the model, whose token embeddings stay whole then. After `for_model`."""
        return ()

    def batch_labels(self, train: Dataset) -> np.ndarray | None:
        """The class of each training example, int of shape (examples,), of which no batch may hold one alone; None
        where any rows go together."""
        return None

    def measured_by(
        self, model: Any, batches: Sequence[Mapping[str, torch.Tensor]]
    ) -> Sequence[Mapping[str, torch.Tensor]]:
        """Batches of rows with what `loss` takes to tell how much a model loses that is cut; labels, as a rule.

        Args:
            model: the whole one, on the device of the batches.
            batches: as `collate` makes them of labelled rows.
        """
        return batches

    def extended(self, train: Dataset, options: TrainingOptions, ask: Ask) -> tuple[Dataset, list[Finding]]:
        """The training examples with what other models know of them, where the options ask for it, and what was found.

        Args:
            options: the config of the command that trains for the task.
            ask: what another model says of examples.
        """
        return train, []

    def texts_learned(self, train: Dataset) -> list[tuple[str, str]]:
        """What a tokenizer is learned from, for a model without weights: of each training example what is read and what
        is written.

        Raises:
            UserError: models of the task are not trained from scratch.
        """
        raise UserError(f"models for {self.name} are not trained from scratch", "Name one to begin with: --model.")

    @property
    def longest_asked(self) -> int | None:
        """Tokens of the longest text that the user asks for; None where that is not said."""
        return self.max_length

    def with_loss(self, options: Config, train: Dataset) -> Self:
        """The task with what its loss takes from the options and the training examples (class weights, ...).

        Args:
            options: the config of the command that trains for the task.
        """
        return self

    def first_answer(self, train: Dataset) -> np.ndarray | None:
        """What a new head is to answer before it has learnt anything, as biases of its last layer of shape (outputs,);
        None: 0, as it is drawn."""
        return None

    @abstractmethod
    def loss(self, forward: Forward) -> Loss:
        """The training loss of a batch, a sum over its entries: who trains divides it.

        Labels of -100 are left out.
        """

    def training_step(
        self, model: Any, batch: Mapping[str, torch.Tensor], want: Collection[Part] = ()
    ) -> tuple[Loss, Forward]:
        """The loss of a batch and what the model gave for it; a loss that runs the model several times overrides it.

        Args:
            want: as of `run`.
        """
        forward = self.run(model, batch, want)
        return self.loss(forward), forward

    # Whether its models have weights beside the encoder: those of a model for something else are drawn anew.
    has_head: ClassVar[bool] = True

    # Whether the model to begin with answers as it is, so that what training does to it can be told.
    answers_untrained: ClassVar[bool] = False

    # Whether rows that are judged, as `features` makes them, have a loss; else none is told of validation.
    validation_loss: ClassVar[bool] = True

    # Rows of validation that are judged while it trains, where that takes long; None: all. At the end all are.
    watched_rows: ClassVar[int | None] = None

    def while_training(self) -> Self:
        """The task as it compares checkpoints, where judging them as the best one is judged at the end takes long."""
        return self

    @property
    def divisible_batches(self) -> bool:
        """Whether the loss of a batch is the sum of those of its parts, so that the batch may be halved or accumulated.

        That of a loss which compares the rows of a batch with one another is not.
        """
        return True

    @property
    def indivisible(self) -> str:
        """Where batches are not divisible: why, and what to do where memory does not suffice for one."""
        return ""

    def loss_entries(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
        """How many entries `loss` is a sum over, shape (); None: the batch lacks what it takes, such as labels.

        Args:
            batch: as `collate` makes it, on any device.
        """
        from nlpkit.data.ignored import IGNORED

        labels = batch.get("labels")
        return None if labels is None else (labels != IGNORED).sum()

    # Whether the loss of a row hangs on how far its batch is padded; see `widened`.
    loss_reads_padding: ClassVar[bool] = False

    def widened(self, batch: Mapping[str, torch.Tensor], width: int, tokenizer: Any) -> Mapping[str, torch.Tensor]:
        """A batch padded further, to so many tokens: those of the longest row that any process has in it, so that
        `loss` is the one that all of its rows have in one process. Asked where `loss_reads_padding`.

        Args:
            batch: as `collate` makes it, on any device.
        """
        return batch

    def rivals(self, examples: Dataset) -> np.ndarray | None:
        """Which examples of train may not meet in a batch, as a loss would take what belongs to one for wrong for the
        other: for each the numbers of its texts, int of shape (examples, texts), of which two may share none.

        None where any may meet.
        """
        return None

    def training_rows(self, examples: Dataset, options: TrainingOptions) -> np.ndarray | None:
        """Indices of the examples of train that an epoch goes through, in any number and order; None for each once.

        Args:
            options: the config of the command that trains for the task.
        """
        return None

    def length_findings(self, tokenizer: Any, examples: Mapping[str, Dataset]) -> list[Finding]:
        """What the chosen `max_length` costs: nothing, where long rows are split into windows."""
        return []

    def lengths_chosen(self, tokenizer: Any, rows: Mapping[str, Sequence[Any]], most: int | None) -> tuple[Self, str]:
        """The task with the lengths that it chooses from rows besides that of its texts, and what to say of them.

        Args:
            tokenizer: of the model.
            rows: columns of examples of train, or of a sample of them.
            most: tokens that the model writes at most; None for any number.
        """
        return self, ""

    def as_begun(self, was: Task) -> Self:
        """The task of a run that goes on, with the lengths that were chosen when it began.

        Args:
            was: the task then.
        """
        return self.with_(max_length=was.max_length, training_length=was.training_length)

    def also_cut(self, made: Mapping[str, Sequence[Any]], split: str) -> list[Finding]:
        """What features lack besides the ends of their texts.

        Args:
            made: their columns.
            split: whose they are.
        """
        return []

    def for_training(self) -> Self:
        """The task as it makes the features of rows that are trained on."""
        return self.with_(max_length=self.training_length or self.max_length)

    def over_words(self, most: int) -> Self:
        """The task as a network over words reads its rows, of which so many words are read.

        Asked of tasks whose `require_baseline` gives the name of one.
        """
        return self.with_(max_length=most, training_length=None, model_length=None)

    def texts_read(self, examples: Dataset) -> list[str]:
        """The texts of examples that such a network reads, for its vocabulary."""
        raise UserError(f"--baseline: there is no network over words for {self.name}", "Leave it out.")

    @abstractmethod
    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        """Tokens of each example before any truncation, special tokens included."""

    # Columns of features with the token ids of what a model is to write, -100 where there is none.
    written_columns: ClassVar[tuple[str, ...]] = ()

    def tokens_in(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> int:
        """Tokens of all texts of examples, of those that a model is to write too, before any truncation."""
        return sum(self.token_lengths(tokenizer, examples))


class Teachable(Trainable):
    """A task whose models can learn from a teacher, and from rows without a label."""

    ability: ClassVar[str] = "that can learn from a teacher"
    operations: ClassVar[Sequence[str]] = ("distill",)

    # A row has logits as a whole, of a shape that does not depend on its tokens: a teacher that cuts texts otherwise
    # can give them.
    one_answer_a_row: ClassVar[bool] = False

    # Each epoch sees other features of the same row (`renewed`), so that a teacher's logits hold for one epoch only.
    renews: ClassVar[bool] = False

    # Whether a student learns from labels too, beside its teacher (--alpha), which softens logits (--temperature).
    learns_labels: ClassVar[bool] = True

    @property
    def keeps_logits(self) -> bool:
        """Whether what a teacher gives for a row holds for every epoch, and is small enough to be kept; else it runs in
        each step."""
        return not self.renews

    def comparing(self) -> Self:
        """The task of a student whose logits are compared with its teacher's, all of which a training step gives."""
        return self

    def written_by(self, beams: int | None) -> Self:
        """The task of a teacher that writes texts to be learned, where it `writes`.

        Args:
            beams: texts that it follows side by side; None: as many as the folder of its model says.
        """
        raise NotImplementedError

    def written(self, outputs: Outputs) -> list[tuple[str, bool]]:
        """Of each merged answer its text, and whether it came to an end by itself; where it `writes`."""
        raise NotImplementedError

    def retold(self, examples: Dataset, texts: Sequence[str]) -> Dataset:
        """Examples, with or without a label, of which these texts are to be written; where it `writes`."""
        raise NotImplementedError

    # Whether an answer to a text is a vector, whose likeness to another is that of the texts.
    compares_texts: ClassVar[bool] = False

    def found_translations(self, outputs: Any, first: Sequence[str], second: Sequence[str]) -> Mapping[str, float]:
        """How often texts find their translations, where `compares_texts`: see `metrics.retrieval.translations`.

        Args:
            outputs: of examples of two texts, merged.
            first, second: these texts.
        """
        raise NotImplementedError

    def taught(self) -> Self:
        """The task of a student while it learns from a teacher: where labels are not learnt, without the loss that
        they take. By default this one."""
        return self

    # what is learnt of the teacher, where labels are not learnt
    lesson: ClassVar[str] = "the teacher's logits"

    @property
    def logit_settings(self) -> str:
        """The settings that the logits of a row hang on, beside the model and its features: they go into the key under
        which those of a teacher are kept."""
        return ""

    def as_table(self) -> Self:
        """The task of a student that is a table of token vectors (`models.static`).

        Raises:
            UserError: no such student can learn the task.
        """
        raise UserError(
            f"--student static is for embedders: its answer to a text is a mean of token vectors, and {self.name} "
            "asks for another",
            "Name a model: --student minilm, or --student-layers N.",
        )

    def matched(self, width: int, answers: Callable[[], np.ndarray]) -> Self:
        """The student's task, told how wide the states of its model are, where these need not be the teacher's.

        Args:
            width: of the student's states.
            answers: gives what the teacher answers to some rows, shape (rows, any).
        """
        return self

    def aimed_at(self, answers: torch.Tensor) -> torch.Tensor:
        """What the student is to answer where these are the teacher's answers, once it is `matched`."""
        return answers

    def soft_loss(self, student: Forward, teacher: Forward, temperature: float) -> Loss:
        """What a student loses against its teacher: here T^2 KL per row, see `soft_losses.soft_targets`.

        With or without a label, an entry is compared; none of it may wait for the device.

        Args:
            student: with an attention mask in its batch.
            teacher: of the same rows, its logits of the student's shape.
            temperature: by which distributions are softened.
        """
        import torch

        from nlpkit.tasks import soft_losses

        each = soft_losses.soft_targets(student.logits, teacher.logits, temperature)
        return Loss(each.sum(), torch.tensor(each.numel()))

    def soft_entries(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor | int:
        """How many entries `soft_loss` is a sum over, known before it: the mean is over all batches of a step.

        Args:
            batch: as `collate` makes it, before it is on the device.
        """
        return len(batch["input_ids"])

    def renewed(self, rows: list[dict[str, Any]], keys: Sequence[int], epoch: int) -> list[dict[str, Any]]:
        """The features of training rows as an epoch sees them.

        Args:
            rows: features without bookkeeping; not changed.
            keys: a number that identifies each.
            epoch: counted from 0.
        """
        return rows

    # Columns of examples whose text may be changed without moving what the labels are about; none where they stand at
    # places of it.
    changeable: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def without_label(self, example: Mapping[str, Any]) -> dict[str, Any]:
        """An example, labelled or as `inputs` makes it, with the columns of a labelled one but `where`; one that is not
        there holds None.

        Its label is one that `loss` leaves out.
        """


class Augmentable(Trainable):
    """A task of whose rows there can be changed copies with the same label: its reader says what of a row may be
    changed, see `Reader.rewordable`."""

    ability: ClassVar[str] = "whose rows can be copied with other words"
    operations: ClassVar[Sequence[str]] = ("augment",)
