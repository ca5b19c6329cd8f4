"""Extractive question answering: the piece of a context that answers a question, or that there is none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from nlpkit import reporting
from nlpkit.data import columns as column_names
from nlpkit.data import squad
from nlpkit.data.collating import Collator, PaddingCollator
from nlpkit.data.findings import Finding
from nlpkit.data.ignored import IGNORED
from nlpkit.data.inputs import Content
from nlpkit.data.places import user_columns
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.reporting import counted
from nlpkit.tasks import arrays
from nlpkit.tasks.abstaining import Abstaining
from nlpkit.tasks.classical import Classical
from nlpkit.tasks.explained import Question, require_places
from nlpkit.tasks.forward import Forward, Loss
from nlpkit.tasks.question_answering import answers as question_answers
from nlpkit.tasks.question_answering import explaining, question_reader, windows
from nlpkit.tasks.question_answering.options import (
    ANSWERS_GIVEN,
    DOC_STRIDE,
    MAX_ANSWER_LENGTH,
    MAX_LENGTH,
    N_BEST,
    AnswerColumnOptions,
    QuestionAnsweringAnswerOptions,
    QuestionAnsweringJudgeOptions,
    QuestionAnsweringOptions,
    WindowOptions,
)
from nlpkit.tasks.question_answering.record import QuestionRecord
from nlpkit.tasks.recorded import TaskRecord
from nlpkit.tasks.roles import Augmentable, Explainable, Teachable

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedConfig

    from nlpkit.metrics.evidence import Evidence
    from nlpkit.word_vectors.table import WordVectors


LONG_MAX_LENGTH = 4096  # Longformer's (Beltagy et al. 2020)

QUESTION_NAMES = ("question", "query")
CONTEXT_NAMES = ("context", "passage", "paragraph", "article", "document", "text")
# with a dot: what `flatten` of `datasets` and pandas' json_normalize make of objects
ANSWERS_NAMES = ("answers", "answer", "answer_text", "gold_answers", "answers.text", "answers_text", "text")


@dataclass(frozen=True, eq=False, kw_only=True)
class QuestionAnswering(Teachable, Augmentable, Explainable):
    """See the module's docstring.

    A context that does not fit beside its question is read in windows. Training points at the first and the last token
    of the answer, or at [CLS] in a window that does not hold it. At prediction the best spans of all windows are put
    together; where unanswerable questions were trained on, no answer is given where the score of [CLS] is more than a
    threshold above that of the best span. It is tuned on validation for F1; before that it is 0, which is why
    checkpoints are chosen by `best_f1`, the F1 at the best threshold.

    Args:
        question, context: names of the columns in the user's rows.
        answers, start, id: names of those that labelled rows have besides, None where there is none.
        doc_stride: tokens that neighbouring windows share.
        max_answer_length: the largest number of tokens per answer.
        null_threshold: see above; None gives every question an answer.
        n_best: answers to each question, where a number was asked for.
        breakdown: whether `evaluate` shows figures of groups of questions.
        abstaining: which answers are given; None for all.
        tokenizer: of the model, at prediction.
    """

    question: str = "question"
    context: str = "context"
    answers: str | None = None
    start: str | None = None
    id: str | None = None
    doc_stride: int = DOC_STRIDE
    max_answer_length: int = MAX_ANSWER_LENGTH
    null_threshold: float | None = None
    n_best: int | None = None
    breakdown: bool = False
    abstaining: Abstaining | None = None
    tokenizer: Any = None

    name: ClassVar[str] = "question-answering"
    auto_class: ClassVar[str] = "AutoModelForQuestionAnswering"
    architectures: ClassVar[tuple[str, ...]] = ("ForQuestionAnswering", "ForQuestionAnsweringSimple")
    pipeline_tag: ClassVar[str | None] = "question-answering"
    content: ClassVar[Content] = "questions"
    trained_by: ClassVar[str] = "finetune-qa"
    reads: ClassVar[str] = "a question, a context and the answers that stand in it"
    data_options: ClassVar[type[Config]] = QuestionAnsweringOptions
    predict_options: ClassVar[type[Config]] = QuestionAnsweringAnswerOptions
    evaluate_options: ClassVar[type[Config]] = QuestionAnsweringJudgeOptions
    column_options: ClassVar[type[Config]] = AnswerColumnOptions
    record_type: ClassVar[type[TaskRecord]] = QuestionRecord
    view_class: ClassVar[str] = "nlpkit.tasks.question_answering.view:QuestionView"
    reading_class: ClassVar[str] = "nlpkit.tasks.question_answering.reading:PassageReader"
    file_formats: ClassVar[Mapping[str, str]] = {".json": "squad"}
    input_formats: ClassVar[Mapping[str, str]] = {".json": "squad"}
    default_max_length: ClassVar[int | None] = MAX_LENGTH
    withheld: ClassVar[frozenset[str]] = frozenset({"labels", "passage", "cls"})

    # those of SQuAD 1.1, then those that 2.0 has besides
    table_metrics = ("f1", "exact_match", "exact", "HasAns_f1", "NoAns_f1", "best_f1")

    point = 1.0  # its metrics are in percent

    @property
    def main_metric(self) -> str:
        return "f1" if self.null_threshold is None else "best_f1"

    # --- made from data, from a model folder ---

    @classmethod
    def from_data(cls, splits: Mapping[str, Dataset], options: Config) -> QuestionAnswering:
        own = QuestionAnsweringOptions.of(options)
        rows = splits.get("train") or next(iter(splits.values()))
        columns = user_columns(rows.column_names)
        if own.doc_stride != DOC_STRIDE:  # the default gives way to short windows, see `windows.overlap`
            _require_stride(own.doc_stride, own.max_length or MAX_LENGTH)
        task = cls(max_length=own.max_length, doc_stride=own.doc_stride, max_answer_length=own.max_answer_length)
        bound = task.reader(columns, options).task
        assert isinstance(bound, cls)
        return bound

    @classmethod
    def from_model(cls, config: PreTrainedConfig, record: Mapping[str, Any] | None) -> QuestionAnswering:
        if record is None:
            # short models were fine-tuned on windows of 384 tokens nearly always, and know little of more
            longest = getattr(config, "max_position_embeddings", None) or 0
            return cls(max_length=MAX_LENGTH if longest < 1024 else min(longest, LONG_MAX_LENGTH))
        settings = ("max_length", "doc_stride", "max_answer_length", "null_threshold")
        return cls(**record["columns"], **{name: record[name] for name in settings})

    def record(self) -> dict[str, Any]:
        columns = ("question", "context", "answers", "start", "id")
        return {
            "name": self.name,
            "columns": {name: getattr(self, name) for name in columns},
            "max_length": self.max_length,
            "doc_stride": self.doc_stride,
            "max_answer_length": self.max_answer_length,
            "null_threshold": self.null_threshold,
        }

    @classmethod
    def suits(cls, row: Mapping[str, Any]) -> bool:
        wanted = (QUESTION_NAMES, CONTEXT_NAMES, ANSWERS_NAMES)
        flat = all(column_names.guess(list(row), names) is not None for names in wanted)
        return flat or squad.is_nested(row)

    def attached(self, tokenizer: Any) -> Self:
        return self.with_(tokenizer=tokenizer)

    def configured(self, options: Config) -> Self:
        settings: dict[str, Any] = {}
        if isinstance(options, WindowOptions):
            given = {name: getattr(options, name) for name in ("doc_stride", "max_answer_length", "null_threshold")}
            settings |= {name: value for name, value in given.items() if value is not None}
            if options.doc_stride is not None and self.max_length is not None:
                _require_stride(options.doc_stride, self.max_length)
        if isinstance(options, QuestionAnsweringAnswerOptions):
            settings["n_best"] = options.n_best
            settings["abstaining"] = Abstaining.asked(options)
        if isinstance(options, QuestionAnsweringJudgeOptions):
            settings["breakdown"] = options.breakdown
        return self.with_(**settings)

    def describe(self) -> str:
        if self.null_threshold is None:
            return f"{self.name}, every question has an answer"
        return f"{self.name}, some questions have no answer (SQuAD 2.0)"

    # --- rows -> examples -> features ---

    def check(self, examples: Mapping[str, Dataset]) -> list[Finding]:
        from nlpkit.data import checks

        keys, labels, places, ids, contexts = {}, {}, {}, {}, {}
        for split, rows in examples.items():
            contexts[split] = rows["context"][:]
            keys[split] = [
                f"{question}\t{text}" for question, text in zip(rows["question"], contexts[split], strict=True)
            ]
            labels[split] = [sorted(set(answers)) for answers in rows["answers"][:]]
            places[split], ids[split] = rows["where"][:], rows["id"][:]
        findings = checks.duplicates(keys, labels, places) + checks.leakage(keys, places)
        if self.id:
            findings += question_reader.repeated_ids(ids, places)
        if "train" in examples:
            findings += question_reader.shared_contexts(contexts)
            starts = np.asarray(examples["train"]["start"][:])
            if len(starts) and (starts == windows.UNANSWERABLE[0]).all():
                message = f"train: none of {len(starts):,} questions has an answer: there is nothing to learn"
                findings.append(Finding("error", "no-answers", message, len(starts)))
        return findings

    def token_lengths(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> list[int]:
        questions, contexts = list(examples["question"]), list(examples["context"])
        ids = windows.token_ids(tokenizer, [*questions, *contexts])
        special = windows.Frame.of(tokenizer).size
        return [len(ids[one]) + len(ids[other]) + special for one, other in zip(questions, contexts, strict=True)]

    def length_report(self, lengths: np.ndarray) -> str:
        if self.max_length is None:
            return "no limit"
        over = int((lengths > self.max_length).sum())
        shared = windows.overlap(self.doc_stride, self.max_length)
        several = f"{over:,} of {len(lengths):,} questions ({over / len(lengths):.1%}) need several windows"
        return f"windows of {self.max_length} tokens; {several}, which share {shared}"

    def length_findings(self, tokenizer: Any, examples: Mapping[str, Dataset]) -> list[Finding]:
        """Questions that leave no room for their context, which stop training."""
        findings = []
        frame = windows.Frame.of(tokenizer)
        for split, rows in examples.items():
            questions = rows["question"][:]
            ids = windows.token_ids(tokenizer, questions)
            long = [
                f"{rows[i]['where']}: {len(ids[question])} tokens"
                for i, question in enumerate(questions)
                if windows.room_for(len(ids[question]), self.max_length, frame) < windows.LEAST_ROOM
            ]
            if long:
                leave = counted(len(long), "question leaves no room for its", "questions leave no room for their")
                message = f"{split}: {leave} context in {self.max_length} tokens"
                findings.append(Finding("error", "long-question", message, len(long), long))
        return findings

    def features(self, tokenizer: Any, examples: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Windows of the contexts, see `windows.build`.

        Raises:
            UserError: a question leaves no room for its context.
        """
        questions = list(examples["question"])
        answers = list(zip(examples["start"], examples["end"], strict=True)) if "start" in examples else None
        try:
            return windows.build(
                tokenizer,
                questions,
                list(examples["context"]),
                answers,
                max_length=self.max_length,
                stride=self.doc_stride,
            )
        except windows.QuestionTooLong as error:
            named = examples["id"][error.example] if "id" in examples else ""
            which = f"question {named}" if named else f"{questions[error.example][:60]!r}"
            raise UserError(f"{which}: {error}", "Raise --max-length, or leave the question out.") from None

    # --- the model ---

    def model_arguments(self) -> dict[str, Any]:
        return {"num_labels": 2}  # a start and an end logit

    def with_loss(self, options: Config, train: Dataset) -> Self:
        """With a threshold for no answer where train has questions without one."""
        return self.with_(null_threshold=0.0) if windows.UNANSWERABLE[0] in train["start"][:] else self

    def logits(self, outputs: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Start and end logits, shape (rows, tokens, 2)."""
        return arrays.stacked([outputs["start_logits"], outputs["end_logits"]])

    def loss(self, forward: Forward) -> Loss:
        """Cross-entropy of start and of end over all positions of a row, as the stock models compute it.

        Args:
            forward: logits of shape (rows, tokens, 2); labels are positions of start and end, shape (rows, 2).
        """
        import torch.nn.functional as F

        each, gold = forward.logits.float(), forward.batch["labels"]
        if each.device.type != "cpu":
            # a row each for start and end: of the loss over a further axis CUDA has no deterministic kernel. A CPU has
            # one, which adds in another order: runs that were begun with it go on digit for digit
            each, gold = each.transpose(1, 2).flatten(0, 1), gold.flatten()
        total = F.cross_entropy(each, gold, ignore_index=IGNORED, reduction="sum")
        return Loss(total, (gold != IGNORED).sum())

    def collate(self, tokenizer: Any, *, multiple: int = 1) -> Collator:
        return windows.Collator(PaddingCollator(tokenizer, multiple=multiple, limit=self.model_length))

    loss_reads_padding: ClassVar[bool] = True

    def widened(self, batch: Mapping[str, torch.Tensor], width: int, tokenizer: Any) -> Mapping[str, torch.Tensor]:
        return windows.widened(batch, width, tokenizer)

    def reduce(self, forward: Forward) -> dict[str, torch.Tensor]:
        """The best spans of each window in tokens, see `spans.best_spans`."""
        from nlpkit.tasks.question_answering import spans

        batch = forward.batch
        return spans.best_spans(
            forward.logits, batch["passage"], batch["cls"], count=self._depth, longest=self.max_answer_length
        )

    def collect(self, reduced: Mapping[str, torch.Tensor]) -> np.ndarray:
        """The same as `spans.SPAN`, shape (rows, 1 + n)."""
        from nlpkit.tasks.question_answering import spans

        return spans.as_array(reduced, count=self._depth)

    # --- learning from a teacher ---

    def soft_loss(self, student: Forward, teacher: Forward, temperature: float) -> Loss:
        """T^2 KL of where an answer starts, and of where it ends, over the tokens of each row."""
        import torch

        from nlpkit.tasks import soft_losses

        tokens = student.batch["attention_mask"].bool()[:, None].expand(-1, 2, -1).flatten(0, 1)
        student_logits, teacher_logits = (
            forward.logits.transpose(1, 2).flatten(0, 1) for forward in (student, teacher)
        )
        each = soft_losses.soft_targets(student_logits, teacher_logits, temperature, tokens)
        return Loss(each.sum(), torch.tensor(each.numel()))

    def soft_entries(self, batch: Mapping[str, torch.Tensor]) -> int:
        return 2 * len(batch["input_ids"])

    changeable: ClassVar[tuple[str, ...]] = ("question",)

    def without_label(self, example: Mapping[str, Any]) -> dict[str, Any]:
        start, end = windows.UNKNOWN
        return {**example, "id": "", "answers": [], "start": start, "end": end}

    @property
    def _depth(self) -> int:
        """Spans that are weighed against one another."""
        return max(N_BEST, self.n_best or 0)

    # --- judging and answering ---

    def merge(self, outputs: np.ndarray, features: Mapping[str, Sequence[Any]]) -> list[np.ndarray]:
        """No answer and the best spans of each example in characters, see `spans.merged`."""
        from nlpkit.tasks.question_answering import spans

        return spans.merged(outputs, np.asarray(features["example"]), features["offsets"], count=self._depth)

    def calibrated(self, outputs: Sequence[np.ndarray], examples: Dataset) -> Self:
        """With the threshold of the best F1, where there are questions without an answer."""
        golds = examples["answers"][:]
        has_answer = np.array([len(wanted) > 0 for wanted in golds])
        if self.null_threshold is None:
            return self
        if has_answer.all():
            reporting.current().warn("validation has no unanswerable question: the threshold for no answer stays at 0")
            return self
        return self.with_(
            null_threshold=question_answers.tuned_threshold(outputs, examples["context"][:], golds, has_answer)
        )

    def uncalibrated(self, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """With the threshold taken off the score of no answer: from 0 on there is none."""
        from nlpkit.tasks.question_answering import spans

        return [spans.less_sure_of_none(candidates, self.null_threshold or 0.0) for candidates in outputs]

    def score(self, outputs: Sequence[np.ndarray], examples: Dataset) -> dict[str, float]:
        """In percent, the figures of SQuAD 2.0 where there are, or may be, questions without an answer, else of 1.1."""
        from nlpkit.metrics import computed
        from nlpkit.metrics import squad as metrics

        answers, margins = question_answers.best(outputs, examples["context"][:])
        golds = examples["answers"][:]
        if self.null_threshold is None and all(golds):
            return computed(metrics.SquadScores, predictions=answers, references=golds)
        predictions = [{"text": text, "no_answer": margin} for text, margin in zip(answers, margins, strict=True)]
        threshold = float("inf") if self.null_threshold is None else self.null_threshold
        return computed(metrics.Squad2Scores, predictions=predictions, references=golds, threshold=threshold)

    def evidence(self, outputs: Sequence[np.ndarray], examples: Dataset) -> Evidence:
        """Contexts: questions about the same one hang together."""
        return question_answers.evidence(outputs, examples["context"][:], examples["answers"][:], self.null_threshold)

    def possible_metrics(self) -> Collection[str]:
        """Those of SQuAD 2.0, and of 1.1 where all questions may have an answer."""
        from nlpkit.metrics import computed
        from nlpkit.metrics import squad as metrics

        # one question with an answer and one without, as there are metrics of either kind
        predictions = [{"text": "", "no_answer": 0.0}] * 2
        names = list(computed(metrics.Squad2Scores, predictions=predictions, references=[["a"], []]))
        if self.null_threshold is None:
            names += computed(metrics.SquadScores, predictions=["a"], references=[["a"]])
        return list(dict.fromkeys(names))

    def metric_names(self, examples: Dataset) -> Collection[str]:
        from nlpkit.tasks.question_answering.spans import SPAN

        return self.score([np.zeros(1, SPAN)] * len(examples), examples)

    def details(self, outputs: Sequence[np.ndarray], examples: Dataset) -> dict[str, Any]:
        """F1 and exact match, in percent, by question word and by words of the first gold answer."""
        from nlpkit.tasks.question_answering import breakdown

        return breakdown.of(examples["question"][:], examples["answers"][:], self.matches_of(outputs, examples))

    def matches_of(self, outputs: Sequence[np.ndarray], examples: Dataset) -> list[Any]:
        """How well the answer given to each question fits, at the threshold."""
        return question_answers.matches(outputs, examples["context"][:], examples["answers"][:], self.null_threshold)

    def decode(self, outputs: Sequence[np.ndarray], inputs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Answers as they stand in the context.

        `prediction` is "" for no answer, `start` and `end` are characters of the context (None then), `score` is the
        share of the answer in a softmax over the best spans and no answer, `null_margin` how far the score of no answer
        is above that of the best span (what --null-threshold is compared with), and `n_best` lists the answer given and
        the next best, no answer among them where the model may give it.
        """
        contexts = (example["context"] for example in inputs)
        count = self.n_best or ANSWERS_GIVEN
        for answer in question_answers.decoded(outputs, contexts, self.null_threshold, count=count):
            yield answer if self.abstaining is None else self.abstaining.applied(answer, start=None, end=None)

    def sureness(self, outputs: Sequence[np.ndarray], examples: Dataset) -> tuple[np.ndarray, np.ndarray]:
        """See `Judged.sureness`; right is an answer that is exactly a gold one."""
        contexts = [{"context": context} for context in examples["context"][:]]
        scores = np.array([answer["score"] for answer in self.decode(outputs, contexts)])
        return scores, np.array([match.exact > 0 for match in self.matches_of(outputs, examples)])

    def doubted(self, outputs: Sequence[np.ndarray], examples: Dataset, least: float) -> np.ndarray:
        """See `Judged.doubted`: those whose answer is not found, by an F1 of its words and a gold answer's below
        `least`."""
        return np.array([match.f1 < least for match in self.matches_of(outputs, examples)], dtype=bool)

    def no_answer(self) -> dict[str, Any]:
        return {**super().no_answer(), **dict.fromkeys(("start", "end", "null_margin", "n_best"))}

    # --- explaining ---

    movable: ClassVar[bool] = False

    def questions(
        self, tokenizer: Any, example: Mapping[str, Any], outputs: Sequence[np.ndarray], asked: str | None = None
    ) -> list[Question]:
        """How sure the model is of its answer, or of there being none."""
        from nlpkit.tasks.question_answering import spans

        require_places(tokenizer)
        question, context, candidates = example["question"], example["context"], outputs[0]
        if asked is not None:
            span = explaining.span_asked(asked, context, candidates)
        elif len(candidates) == 1 or question_answers.refused(spans.null_margin(candidates), self.null_threshold):
            span = None
        else:
            span = int(candidates["start"][1]), int(candidates["end"][1])
        made = self.features(tokenizer, {"question": [question], "context": [context]})
        return explaining.questions(tokenizer, question, context, made, span)

    def explained(self, forward: Forward, target: Mapping[str, Any]) -> torch.Tensor:
        return explaining.explained(forward, target)

    def baseline(self, train: Dataset, seed: int, name: str = "", vectors: WordVectors | None = None) -> Classical:
        """The sentence with most of the question's rare words, and in it what such questions usually ask for."""
        from nlpkit.tasks.question_answering.lexical_reader import WordOverlap

        return WordOverlap(train, self.null_threshold or 0.0)


def _require_stride(stride: int, max_length: int) -> None:
    if stride >= max_length:
        raise UserError(
            f"--doc-stride {stride}: windows of {max_length} tokens cannot share that many",
            "Lower it, or raise --max-length.",
        )
