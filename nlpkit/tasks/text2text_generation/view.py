"""What people see of models that turn a text into another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nlpkit.models import files
from nlpkit.reporting import Table, typed
from nlpkit.tasks import usage
from nlpkit.tasks.outputs import Outputs
from nlpkit.tasks.text2text_generation import alignment, judging
from nlpkit.tasks.text2text_generation.task import Text2Text
from nlpkit.tasks.text_generation.task import from_array, likeliest
from nlpkit.tasks.text_generation.view import written, written_tables
from nlpkit.tasks.view import Shown, View

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.runs.plots import Plot

WORST = 20  # rows that are kept as mistakes


class Text2TextView(View[Text2Text]):
    """See the module's docstring."""

    shown_as: ClassVar[Shown] = "texts"
    example_inputs: ClassVar[Sequence[Sequence[str]]] = (
        ("The train was an hour late, and nobody said why. At the next station we took the bus.",),
    )

    rows_folder: ClassVar[str] = "alignments"
    rows_seen: ClassVar[str] = (
        "for the worst texts, numbered by the lines of errors.jsonl, which tokens the model attended to for each that "
        "it wrote."
    )

    def shown(self, tokenizer: Any, example: Mapping[str, Any]) -> list[str]:
        lines = [f"text: {example['prefix']}{example['text']}"]
        lines += [f"to be written: {target}" for target in example.get("targets", ())]
        task = self.task.attached(tokenizer)
        made = task.features(tokenizer, {name: [value] for name, value in example.items()})
        lines.append(f"tokens: {' '.join(tokenizer.convert_ids_to_tokens(made['input_ids'][0]))}")
        if "labels" in made:
            lines.append(f"tokens to be written: {' '.join(tokenizer.convert_ids_to_tokens(made['labels'][0]))}")
        return lines

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """One table: each text with what was written for it."""
        return written("text", rows, answers)

    def watched_tables(self, answer: Mapping[str, Any]) -> list[Table]:
        return written_tables(answer)

    def gold(self, examples: Dataset) -> list[Any]:
        return [targets[0] for targets in examples["targets"][:]]

    def mistakes(self, outputs: Outputs, examples: Dataset) -> list[dict[str, Any]]:
        """The rows whose text is least like a right one, by chrF or ROUGE-L of the row."""
        answers = list(self.task.decode(outputs, ()))
        said = [answer["prediction"] for answer in answers]
        name, scores, worst = self._worst(outputs, examples)
        made = []
        for i in worst:
            example = examples[i]
            made.append(
                {
                    "where": example["where"],
                    "text": example["text"],
                    "prediction": said[i],
                    "targets": example["targets"],
                    name: round(float(scores[i]), 2),
                    "ended": answers[i]["ended"],
                }
            )
        return made

    def _worst(self, outputs: Outputs, examples: Dataset) -> tuple[str, np.ndarray, list[int]]:
        """The figure that rows are compared by, that of each, shape (rows,), and the rows where it is lowest."""
        name, scores = judging.of_rows(self.task.measure or "translation", self.task.compared(outputs, examples))
        return name, scores, scores.argsort(kind="stable")[:WORST].tolist()

    def drawn_rows(self, model: Any, outputs: Outputs, examples: Dataset) -> dict[str, Plot]:
        """Of the rows of `mistakes` what was attended to for each token that was written, see `alignment`."""
        from nlpkit.runs import plots

        name, scores, worst = self._worst(outputs, examples)
        made = {}
        with alignment.seen(model):
            for number, i in enumerate(worst, 1):
                text = likeliest(from_array(outputs[i]))
                if (found := alignment.of(self.task, model, examples[i], text.ids)) is None:
                    continue
                lines = [
                    f"{examples[i]['where']}: {name} {scores[i]:.1f}",
                    f"attention of layer {found.layer} of {found.layers}, mean of {found.heads} heads",
                ]
                made[f"{number:02}"] = plots.alignment(found.shares, found.written, found.read, lines)
        return made

    def detail_tables(self, split: str, details: Mapping[str, Any]) -> list[Table]:
        return judging.tables(split, details)

    @classmethod
    def result_tables(cls, record: Mapping[str, Any]) -> list[Table]:
        details = record.get("details") or {}
        held_out = next((split for split in ("test", "validation") if split in details), None)
        return [] if held_out is None else judging.tables(held_out, details[held_out])

    @classmethod
    def example_call(cls, folder: Path) -> str:
        return f'nlpkit predict {typed(folder)} "..."'

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        what = {"translation": "a translation", "summary": "a summary"}[recorded.get("measure", "translation")]
        return f"Turns a text into another: {what}."

    @classmethod
    def onnx_code(cls, recorded: Mapping[str, Any], file: str) -> list[str]:
        if recorded.get("separator") is not None:
            return usage.onnx_writing_code(file, repr("Your text here." + recorded["separator"]))
        encoder, decoder = (str(graph) for graph in files.graphs(Path(file)))
        return usage.onnx_answering_code(encoder, decoder, repr((recorded.get("prefix") or "") + "Your text here."))

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        prefix, separator = recorded.get("prefix") or "", recorded.get("separator")
        text = usage.EXAMPLE if not prefix else f"{prefix!r} + {usage.EXAMPLE}"
        if separator is None:
            auto, show = "AutoModelForSeq2SeqLM", "print(tokenizer.batch_decode(written, skip_special_tokens=True))"
        else:
            auto, text = "AutoModelForCausalLM", f"{text} + {separator!r}"
            show = "print(tokenizer.decode(written[0, tokens.input_ids.shape[1]:], skip_special_tokens=True))"
        return [
            f"from transformers import {auto}, AutoTokenizer",
            "",
            f'model, tokenizer = {auto}.from_pretrained("."), AutoTokenizer.from_pretrained(".")',
            f'tokens = tokenizer({text}, return_tensors="pt")',
            "written = model.generate(**tokens)",
            show,
        ]
