"""What people see of sentence embedding: the beginning of vectors, mistakes, files of vectors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit.data.writers import Format, Write
from nlpkit.reporting import Table
from nlpkit.tasks import usage
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding
from nlpkit.tasks.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets import Dataset

SHOWN = 4  # numbers of a vector that are printed


class EmbeddingView(View[SentenceEmbedding]):
    """See the module's docstring."""

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """The first numbers of each vector, and how many there are."""
        body = []
        for row, answer in zip(rows, answers, strict=True):
            vector = answer["prediction"]
            begins = answer.get("error") if vector is None else " ".join(f"{x:.4f}" for x in vector[:SHOWN]) + " ..."
            body.append([*row.values(), None if vector is None else len(vector), begins])
        return [Table("vectors", [*rows[0], "dimensions", "vector"], body)]

    def judged_answers(self, outputs: Any, examples: Dataset) -> None:
        """What is judged is how like two texts are, and no answer."""

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        return "Gives a text a vector; texts of like meaning have vectors of like direction."

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        return [
            "import torch",
            "from transformers import AutoModel, AutoTokenizer",
            "",
            'model, tokenizer = AutoModel.from_pretrained("."), AutoTokenizer.from_pretrained(".")',
            f'tokens = tokenizer([{usage.EXAMPLE}], {_cut(recorded)}return_tensors="pt")',
            "with torch.no_grad():",
            "    states = model(**tokens).last_hidden_state",
            "mask = tokens.attention_mask[:, :, None]",
            "vectors = (states * mask).sum(1) / mask.sum(1)",
            *(["vectors = torch.nn.functional.normalize(vectors)"] if recorded["normalize"] else []),
            "print(vectors)",
        ]

    @classmethod
    def onnx_code(cls, recorded: Mapping[str, Any], file: str) -> list[str]:
        answer = [
            "mask = tokens.attention_mask[:, :, None]",
            "vectors = (outputs[0] * mask).sum(1) / mask.sum(1)",
            *(["vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)"] if recorded["normalize"] else []),
            "print(vectors)",
        ]
        imports = ["import numpy as np"] if recorded["normalize"] else []
        return usage.onnx_code(file, f"[{usage.EXAMPLE}], {_cut(recorded)}padding=True", answer, imports=imports)

    def answer_formats(self, reader: Callable[[], Any]) -> Mapping[str, Format]:
        """`.npy`: an array of float32, shape (rows, width), a row of NaN where there is no vector."""
        return {".npy": _npy}


def _cut(recorded: Mapping[str, Any]) -> str:
    """Arguments of a tokenizer: where texts are cut."""
    length = recorded["max_length"]
    return f"truncation=True, max_length={length}, " if length else ""


@contextmanager
def _npy(path: Path) -> Iterator[Write]:
    """Vectors go to the file as they come; how many there are stands in its header, which is written again at the end.

    numpy leaves room for that in the header of an array that may grow.
    """
    width = 0
    waiting = rows = 0  # rows without a vector, before the first that tells how wide vectors are; rows in the file
    with path.open("wb") as file:

        def header() -> int:
            file.seek(0)
            shape = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
            np.lib.format.write_array_header_1_0(file, shape)
            return file.tell()

        def write(entries: Sequence[Mapping[str, Any]]) -> None:
            nonlocal width, waiting, rows
            for entry in entries:
                vector = next(entry[name] for name in reversed(list(entry)) if re.fullmatch(r"prediction\d*", name))
                if vector is None and not width:
                    waiting += 1
                    continue
                if not width:
                    width = len(vector)
                    header()
                    file.write(np.full((waiting, width), np.nan, "<f4").tobytes())
                    rows += waiting
                file.write(np.asarray([np.nan] * width if vector is None else vector, "<f4").tobytes())
                rows += 1

        yield write
        rows = rows or waiting
        begun = header()
        assert not width or file.seek(0, 2) == begun + 4 * rows * width
