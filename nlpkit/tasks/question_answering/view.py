"""What people see of question answering: tables of data and answers, windows, mistakes, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nlpkit.reporting import Table, typed
from nlpkit.tasks.question_answering import question_reader, windows
from nlpkit.tasks.question_answering.task import QuestionAnswering
from nlpkit.tasks.view import Shown, View

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.runs.plots import Plot

EXCERPT = 40  # characters to each side of an answer that the printed table shows


class QuestionView(View[QuestionAnswering]):
    """See the module's docstring."""

    shown_as: ClassVar[Shown] = "passage"
    example_inputs: ClassVar[Sequence[Sequence[str]]] = (
        (
            "Who built the first analytical engine?",
            "Charles Babbage drew the plans of an analytical engine in 1837, but never built one. Ada Lovelace wrote a "
            "program for it in 1843, which computes Bernoulli numbers.",
        ),
    )

    def tables(self, examples: Mapping[str, Dataset]) -> list[Table]:
        """Questions, contexts and answers of each split, and where in the context answers start."""
        body = [[split, *question_reader.summary(rows)] for split, rows in examples.items()]
        return [Table("questions", ["split", *question_reader.SUMMARY], body)]

    def shown(self, tokenizer: Any, example: Mapping[str, Any]) -> list[str]:
        """Question and answers, then each window with its target in »«."""
        lines = [f"id: {example['id']}"] if example["id"] else []
        lines += [f"question: {example['question']}", f"answers: {example['answers'] or 'none: unanswerable'}"]
        made = self.task.features(tokenizer, {name: [value] for name, value in example.items()})
        for number, (ids, (first, last)) in enumerate(zip(made["input_ids"], made["labels"], strict=True), start=1):
            tokens = tokenizer.convert_ids_to_tokens(ids.tolist())
            if first >= 0:
                tokens[first] = f"»{tokens[first]}"
                tokens[last] += "«"
            lines.append(f"window {number} of {len(made['labels'])}: {' '.join(tokens)}")
        return lines

    def detail_tables(self, split: str, details: Mapping[str, Any]) -> list[Table]:
        if not self.task.breakdown:
            return []
        return [
            Table(
                f"{split}, {name.replace('_', ' ')}",
                ["", "questions", "f1", "exact"],
                [[group, scores["questions"], scores["f1"], scores["exact"]] for group, scores in groups.items()],
            )
            for name, groups in details.items()
        ]

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """The answer to each question in its surroundings; with --n-best a table a question."""
        header = ["answer", "score", "start", "end", "in"]
        if self.task.n_best is None:
            body = [
                [
                    row["question"],
                    *_shown_answer({**answer, "text": answer["prediction"]}, row["context"]),
                ]
                for row, answer in zip(rows, answers, strict=True)
            ]
            return [Table("answers", ["question", *header], body)]
        return [
            Table(
                row["question"],
                ["rank", *header],
                [
                    [rank, *_shown_answer(entry, row["context"])]
                    for rank, entry in enumerate(answer.get("n_best") or [{**answer, "text": None}], start=1)
                ],
            )
            for row, answer in zip(rows, answers, strict=True)
        ]

    @classmethod
    def example_call(cls, folder: Path) -> str:
        return f'nlpkit predict {typed(folder)} --question "..." --context "..."'

    def gold(self, examples: Dataset) -> list[list[str]]:
        """The answers that count as right, none where there is none."""
        return list(examples["answers"][:])

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        none = ", or says that there is none" if recorded["null_threshold"] is not None else ""
        return f"Finds the answer to a question in a text{none}."

    @classmethod
    def longer_texts(cls, recorded: Mapping[str, Any]) -> str:
        return "longer ones are read in windows that overlap"

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        """Transformers has no pipeline for it any more."""
        return [
            "import torch",
            "from transformers import AutoModelForQuestionAnswering, AutoTokenizer",
            "",
            'model, tokenizer = AutoModelForQuestionAnswering.from_pretrained("."), AutoTokenizer.from_pretrained(".")',
            *_asked("pt"),
            "with torch.no_grad():",
            "    outputs = model(**tokens)",
            "start, end = outputs.start_logits[0].numpy(), outputs.end_logits[0].numpy()",
            *_answered(recorded),
        ]

    @classmethod
    def onnx_code(cls, recorded: Mapping[str, Any], file: str) -> list[str]:
        return [
            "from onnxruntime import InferenceSession",
            "from transformers import AutoTokenizer",
            "",
            f'session, tokenizer = InferenceSession("{file}"), AutoTokenizer.from_pretrained(".")',
            *_asked("np"),
            'inputs = {value.name: tokens[value.name].astype("int64") for value in session.get_inputs()}',
            "start, end = (logits[0] for logits in session.run(None, inputs))",
            *_answered(recorded),
        ]

    def mistakes(self, outputs: Sequence[np.ndarray], examples: Dataset) -> list[dict[str, Any]]:
        """Answers that are not exactly a gold one, the most confident first."""
        answers = list(self.task.decode(outputs, _contexts(examples)))
        matches = self.task.matches_of(outputs, examples)
        wrong = [i for i, match in enumerate(matches) if not match.exact]
        mistakes = []
        for i in sorted(wrong, key=lambda i: -answers[i]["score"]):
            example = examples[i]
            mistakes.append(
                {
                    "id": example["id"],
                    "question": example["question"],
                    "answers": example["answers"],
                    "prediction": answers[i]["prediction"],
                    "score": answers[i]["score"],
                    "f1": round(matches[i].f1, 4),
                    "start": answers[i]["start"],
                    "end": answers[i]["end"],
                    "where": example["where"],
                }
            )
        return mistakes

    def plots(self, outputs: Mapping[str, Sequence[np.ndarray]], examples: Mapping[str, Dataset]) -> dict[str, Plot]:
        from nlpkit.runs import plots
        from nlpkit.tasks.question_answering import spans

        chosen = next((split for split in ("test", "validation") if split in outputs), None)
        if chosen is None:
            return {}
        drawn: dict[str, Plot] = {}
        exact = np.array([match.exact > 0 for match in self.task.matches_of(outputs[chosen], examples[chosen])])
        scores = np.array(
            [answer["score"] for answer in self.task.decode(outputs[chosen], _contexts(examples[chosen]))]
        )
        groups = {"exact": scores[exact], "not exact": scores[~exact]}
        named = {name: values for name, values in groups.items() if len(values)}
        drawn["answer_scores"] = plots.histograms(named, "score of the answer", unit="answers")
        if self.task.null_threshold is not None:
            margins = np.array([spans.null_margin(candidates) for candidates in outputs[chosen]])
            none = np.asarray(examples[chosen]["start"][:]) == windows.UNANSWERABLE[0]
            sides = {"answerable": margins[~none], "unanswerable": margins[none]}
            sides = {name: values[np.isfinite(values)] for name, values in sides.items()}
            drawn["null_margins"] = plots.histograms(
                {name: values for name, values in sides.items() if len(values)},
                "score of no answer less that of the best answer",
                unit="questions",
                threshold=("threshold", self.task.null_threshold),
            )
        return drawn


def _contexts(examples: Dataset) -> list[dict[str, Any]]:
    """What `decode` needs of examples; one by one a data set gives them slowly."""
    return [{"context": context} for context in examples["context"][:]]


def _asked(tensors: str) -> list[str]:
    """Lines of Python that make `tokens` of a question and a context, and know where in the context they stand."""
    return [
        'question, context = "Who wrote it?", "It was written by Ada Lovelace in 1843."',
        'cut = {"truncation": "only_second", "return_offsets_mapping": True}',
        f'tokens = tokenizer(question, context, return_tensors="{tensors}", **cut)',
        'places, part = tokens.pop("offset_mapping")[0], tokens.sequence_ids()',
    ]


def _answered(recorded: Mapping[str, Any]) -> list[str]:
    """Lines of Python that print the answer of `start` and `end`: the best span of the context."""
    lines = [
        "inside = [i for i, of in enumerate(part) if of == 1]",
        f"spans = [(i, j) for i in inside for j in inside if i <= j < i + {recorded['max_answer_length']}]",
        "first, last = max(spans, key=lambda span: start[span[0]] + end[span[1]])",
    ]
    if recorded["null_threshold"] is None:
        return [*lines, "print(context[places[first][0] : places[last][1]])"]
    return [
        *lines,
        f"none = start[0] + end[0] - start[first] - end[last] > {recorded['null_threshold']!r}",
        'print("(no answer)" if none else context[places[first][0] : places[last][1]])',
    ]


def _shown_answer(answer: Mapping[str, Any], context: str) -> list[Any]:
    """Cells of the printed table: answer, score, start, end, and the answer between its neighbours."""
    if answer.get("error"):
        return [answer["error"], None, None, None, None]
    start, end = answer["start"], answer["end"]
    if start is None:
        return ["(no answer)", answer["score"], None, None, None]
    left = ("…" if start > EXCERPT else "") + context[max(start - EXCERPT, 0) : start]
    right = context[end : end + EXCERPT] + ("…" if end + EXCERPT < len(context) else "")
    around = " ".join(f"{left}{answer['text']}{right}".split())
    return [" ".join(answer["text"].split()), answer["score"], start, end, around]
