"""What people see of zero-shot classification: labels that are named at the time are shown as any others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlpkit.tasks import usage
from nlpkit.tasks.text_classification.view import SHOWN_LABELS, ClassificationView
from nlpkit.tasks.zero_shot.task import ZeroShotClassification


class ZeroShotView(ClassificationView):
    """The view of the text classification that is asked."""

    def __init__(self, task: ZeroShotClassification) -> None:
        super().__init__(task.classifier)

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        several = "any" if recorded["problem"] == "multi-label" else "one"
        return f"Gives a text {several} of the labels that it is asked about, which need not be known before."

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        labels = ", ".join(f"{name!a}" for name in recorded["labels"][:SHOWN_LABELS]) or '"a label", "another"'
        several = recorded["problem"] == "multi-label"
        call = f"answer = model({usage.EXAMPLE}, labels, hypothesis_template={recorded['template']!a}"
        return usage.pipeline_code(
            "zero-shot-classification",
            [
                f"labels = [{labels}]",
                f"{call}{', multi_label=True' if several else ''})",
                'print(dict(zip(answer["labels"], answer["scores"])))',
            ],
        )

    @classmethod
    def onnx_code(cls, recorded: Mapping[str, Any], file: str) -> list[str]:
        """The logit of entailment for each label; which is largest is the answer."""
        labels = ", ".join(f"{name!a}" for name in recorded["labels"][:SHOWN_LABELS]) or '"a label", "another"'
        asked = f"[{recorded['template']!a}.replace('{{}}', label) for label in labels]"
        code = usage.onnx_code(
            file,
            f"[{usage.EXAMPLE}] * len(labels), {asked}, padding=True, truncation=True",
            [
                'entailed = next(i for i, name in config.id2label.items() if name.lower().startswith("entail"))',
                "print(labels[int(outputs[0][:, entailed].argmax())])",
            ],
        )
        session = next(i for i, line in enumerate(code) if line.startswith("session"))
        return [*code[: session + 1], f"labels = [{labels}]", *code[session + 1 :]]
