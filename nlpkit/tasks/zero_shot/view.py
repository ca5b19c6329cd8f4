"""What people see of zero-shot classification: labels that are named at the time are shown as any others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from nlpkit.tasks import usage
from nlpkit.tasks.sentence_embedding.task import FINISHED
from nlpkit.tasks.sentence_embedding.vectors import Vectors
from nlpkit.tasks.sentence_embedding.view import EmbeddingView
from nlpkit.tasks.text_classification.view import SHOWN_LABELS, ClassificationView
from nlpkit.tasks.zero_shot.base import ZeroShot


def _said(recorded: Mapping[str, Any]) -> str:
    """The labels of a record, as what they mean, as items of a list in Python."""
    meanings = recorded.get("meanings") or recorded["labels"]
    return ", ".join(f"{name!a}" for name in meanings[:SHOWN_LABELS]) or '"a label", "another"'


class ZeroShotView(ClassificationView):
    """The view of the text classification that is asked."""

    example_inputs: ClassVar[Sequence[Sequence[str]]] = (("I was charged twice for the same order.",),)

    def __init__(self, task: ZeroShot) -> None:
        super().__init__(task.classifier)

    def example_options(self) -> dict[str, Any]:
        """With labels, where the model has none of its own."""
        named = {} if self.task.labels.names else {"labels": ["payment", "delivery", "praise"]}
        return {**named, "all_scores": True}

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        several = "any" if recorded["problem"] == "multi-label" else "one"
        return f"Gives a text {several} of the labels that it is asked about, which need not be known before."

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        several = recorded["problem"] == "multi-label"
        call = f"answer = model({usage.EXAMPLE}, labels, hypothesis_template={recorded['template']!a}"
        return usage.pipeline_code(
            "zero-shot-classification",
            [
                f"labels = [{_said(recorded)}]",
                f"{call}{', multi_label=True' if several else ''})",
                'print(dict(zip(answer["labels"], answer["scores"])))',
            ],
        )

    @classmethod
    def onnx_code(cls, recorded: Mapping[str, Any], file: str) -> list[str]:
        """The logit of entailment for each label; which is largest is the answer."""
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
        return [*code[: session + 1], f"labels = [{_said(recorded)}]", *code[session + 1 :]]


class ByEmbeddingView(ZeroShotView):
    """The same of an embedder: the nearest label is the answer."""

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        return "Gives a text the label that is nearest to it in meaning, of those that it is asked about."

    @classmethod
    def other_code(cls, recorded: Mapping[str, Any]) -> tuple[str, list[str]] | None:
        if recorded["vectors"]["layers"] > 1:
            return None
        return "sentence-transformers", [
            "from sentence_transformers import SentenceTransformer",
            "",
            'model = SentenceTransformer(".")',
            f"labels = [{_said(recorded)}]",
            f"said = [{recorded['template']!a}.replace('{{}}', label) for label in labels]",
            f"print(labels[int(model.similarity(model.encode([{usage.EXAMPLE}]), model.encode(said)).argmax())])",
        ]

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        """The vectors of the sentences of labels and of a text, by the code for vectors; none of a table of tokens."""
        vectors = Vectors.recorded(recorded["vectors"])
        if vectors.table:
            return []
        code = EmbeddingView.transformers_code({**recorded["vectors"], "max_length": recorded["max_length"]})
        text = repr(f"{vectors.prompt}Your text here.") if vectors.prompt else usage.EXAMPLE
        made = next(i for i, line in enumerate(code) if line.startswith("tokens ="))
        code[made] = code[made].replace(text, f"*said, {text}", 1)
        template = repr(vectors.prompt + recorded["template"]) + (".lower()" if vectors.lower_case else "")
        label = "label.lower()" if vectors.lower_case else "label"
        code[made:made] = [
            f"labels = [{_said(recorded)}]",
            f"said = [{template}.replace('{{}}', {label}) for label in labels]",
        ]
        near = "vectors = torch.nn.functional.normalize(vectors)"
        return [
            *code[:-1],
            *([] if near in code else [near]),
            "print(labels[int((vectors[:-1] @ vectors[-1]).argmax())])",
        ]

    @classmethod
    def onnx_code(cls, recorded: Mapping[str, Any], file: str) -> list[str]:
        """The label whose sentence has the nearest vector; the graph pools."""
        if not recorded["vectors"]["include_prompt"]:
            return []
        code = usage.onnx_code(
            file,
            f"[{usage.EXAMPLE}, *said], padding=True, truncation=True",
            [
                f'vectors = outputs[[value.name for value in session.get_outputs()].index("{FINISHED}")]',
                "vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)",
                "print(labels[int((vectors[1:] @ vectors[0]).argmax())])",
            ],
            imports=["import numpy as np"],
        )
        session = next(i for i, line in enumerate(code) if line.startswith("session"))
        said = f"said = [{recorded['template']!a}.replace('{{}}', label) for label in labels]"
        return [*code[: session + 1], f"labels = [{_said(recorded)}]", said, *code[session + 1 :]]
