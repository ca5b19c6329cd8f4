"""What people see of sentence embedding: the beginning of vectors, mistakes, files of vectors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nlpkit.data.writers import Format, Write
from nlpkit.metrics.similarity import SIMILARITIES, named
from nlpkit.reporting import Table, typed
from nlpkit.tasks import usage
from nlpkit.tasks.sentence_embedding import shapes
from nlpkit.tasks.sentence_embedding.figures import DIMS
from nlpkit.tasks.sentence_embedding.task import FINISHED, SentenceEmbedding
from nlpkit.tasks.sentence_embedding.vectors import Vectors
from nlpkit.tasks.view import Shown, View

if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets import Dataset

    from nlpkit.runs.plots import Plot

SHOWN = 4  # numbers of a vector that are printed
SHOWN_WORST = 5  # rows on which vectors go wrong that are printed
SHOWN_TEXT = 60  # characters of a text of such a row
# Way of pooling -> how it is written in torch, of `states`, `mask` and `weights` of texts that are padded on the right.
POOLED = {
    "cls": "states[torch.arange(len(states)), mask[:, :, 0].argmax(1)]",
    "max": "states.masked_fill(mask == 0, -torch.inf).amax(1)",
    "mean": "(states * mask).sum(1) / mask.sum(1)",
    "mean_sqrt_len": "(states * mask).sum(1) / mask.sum(1).sqrt()",
    "weighted_mean": "(states * weights).sum(1) / weights.sum(1)",
    "last_token": "states[torch.arange(len(states)), tokens.attention_mask.sum(1) - 1]",
}


TABLE_CODE = [
    "import numpy as np",
    "from safetensors.numpy import load_file",
    "from tokenizers import Tokenizer",
    "",
    'table, tokenizer = load_file("model.safetensors")["embeddings"], Tokenizer.from_file("tokenizer.json")',
    f"texts = tokenizer.encode_batch([{usage.EXAMPLE}])",
    "vectors = np.stack([table[text.ids].mean(0) for text in texts])",
    "vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)",
    "print(vectors)",
]
"""How a static embedder is used without nlpkit."""


class EmbeddingView(View[SentenceEmbedding]):
    """See the module's docstring."""

    shown_as: ClassVar[Shown] = "vectors"
    example_inputs: ClassVar[Sequence[Sequence[str]]] = (
        ("The train was an hour late.",),
        ("We waited long for the train.",),
        ("The soup was cold.",),
        ("Dinner had gone cold.",),
    )

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """The first numbers of each vector, and how many there are."""
        body = []
        for row, answer in zip(rows, answers, strict=True):
            vector = answer["prediction"]
            begins = answer.get("error") if vector is None else " ".join(f"{x:.4f}" for x in vector[:SHOWN]) + " ..."
            body.append([*row.values(), None if vector is None else len(vector), begins])
        return [Table("vectors", [*rows[0], "dimensions", "vector"], body)]

    def detail_tables(self, split: str, details: Mapping[str, Any]) -> list[Table]:
        """The figures by each similarity and of vectors that are cut, and the rows on which vectors go wrong most."""
        tables = dims_tables({split: details})
        if figures := details.get("figures"):
            own = details["similarity"]
            names = [name for name in figures if not name.endswith(tuple(f"_{how}" for how in SIMILARITIES))]
            body = [
                [how, *(figures[named(name, how, own)] for name in names)]
                for how in dict.fromkeys([own, *SIMILARITIES])
            ]
            tables.append(Table(f"{split}, by similarity ({own} is the model's own)", ["similarity", *names], body))
        if worst := details.get("worst", [])[:SHOWN_WORST]:
            names = [name for name in worst[0] if name not in ("where", "above")]
            body = [[_cell(row.get(name)) for name in names] for row in worst]
            tables.append(Table(f"{split}, the worst", names, body, to_left=True))
        return tables

    @classmethod
    def result_tables(cls, record: Mapping[str, Any]) -> list[Table]:
        return dims_tables(_trained_and_before(record))

    @classmethod
    def result_plots(cls, record: Mapping[str, Any]) -> dict[str, Plot]:
        """The main figure of vectors that are cut, by how many numbers are kept."""
        from nlpkit.runs import plots

        metric = record["main_metric"]
        lines: list[plots.Line] = []
        for name, details in _trained_and_before(record).items():
            points = sorted((int(dim), figures[metric]) for dim, figures in details.get(DIMS, {}).items())
            if len(points) > 1 and all(y > 0 for _, y in points):
                x, y = zip(*points, strict=True)
                lines.append(plots.Line(name, x, y, [None] * len(x), len(lines)))
        return {DIMS: plots.sweep({"": lines}, "dimensions", metric)} if lines else {}

    def mistakes(self, outputs: np.ndarray, examples: Dataset) -> list[dict[str, Any]]:
        """Where vectors go wrong, the worst first: what this is hangs on the kind of data."""
        worst = shapes.of_examples(examples).worst
        return [] if worst is None else worst(outputs, examples, self.task.vectors.similarity)

    def judged_answers(self, outputs: Any, examples: Dataset) -> None:
        """What is judged is how like two texts are, and no answer."""

    def gold(self, examples: Dataset) -> list[Any]:
        """The label, or the text that belongs to the first; of texts alone the text itself."""
        known = next(name for name in ("label", "text_pair", "text") if name in examples.column_names)
        return list(examples[known][:])

    @classmethod
    def example_call(cls, folder: Path) -> str:
        return f'nlpkit embed {typed(folder)} "..." "..."'

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        return "Gives a text a vector; texts of like meaning have vectors of like direction."

    @classmethod
    def other_code(cls, recorded: Mapping[str, Any]) -> tuple[str, list[str]] | None:
        if recorded.get("layers", 1) > 1:
            return None
        return "sentence-transformers", [
            "from sentence_transformers import SentenceTransformer",
            "",
            'model = SentenceTransformer(".")',
            f"print(model.encode([{usage.EXAMPLE}]))",
        ]

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        vectors = Vectors.recorded(recorded)
        if vectors.table:
            return [line for line in TABLE_CODE if vectors.normalize or not line.startswith("vectors /=")]
        hidden = ", output_hidden_states=True" if vectors.layers > 1 else ""
        states = "model(**tokens).last_hidden_state"
        if vectors.layers > 1:
            states = f"torch.stack(model(**tokens).hidden_states[-{vectors.layers}:]).mean(0)"
        lines = [
            "import torch",
            "from transformers import AutoModel, AutoTokenizer",
            "",
            f'model, tokenizer = AutoModel.from_pretrained("."{hidden}), AutoTokenizer.from_pretrained(".")',
            f'tokens = tokenizer({_texts(vectors)}, {_cut(recorded)}padding=True, padding_side="right", '
            'return_tensors="pt")',
            "with torch.no_grad():",
            f"    states = {states}",
            "mask = tokens.attention_mask[:, :, None].clone()",
        ]
        if vectors.needs_prompt_tokens and vectors.prompt:
            lines += [f"mask[:, : len(tokenizer({vectors.prompt!r}).input_ids) - 1] = 0  # the prompt is not pooled"]
        if "weighted_mean" in vectors.pooling:
            lines += ["weights = mask * torch.arange(1, mask.shape[1] + 1)[:, None]"]
        ways = [POOLED[way] for way in vectors.pooling]
        lines += [f"vectors = {ways[0]}" if len(ways) == 1 else f"vectors = torch.cat([{', '.join(ways)}], dim=1)"]
        lines += [f"vectors = vectors[:, :{vectors.dims}]"] if vectors.dims else []
        lines += ["vectors = torch.nn.functional.normalize(vectors)"] if vectors.normalize else []
        return [*lines, "print(vectors)"]

    @classmethod
    def onnx_code(cls, recorded: Mapping[str, Any], file: str) -> list[str]:
        """With onnxruntime and tokenizers alone: tokenizer.json cuts texts, and the graph pools."""
        vectors = Vectors.recorded(recorded)
        if vectors.needs_prompt_tokens:
            return []
        return [
            "import numpy as np",
            "from onnxruntime import InferenceSession",
            "from tokenizers import Tokenizer",
            "",
            f'tokenizer, session = Tokenizer.from_file("tokenizer.json"), InferenceSession("{file}")',
            "tokenizer.enable_padding()",
            f"texts = tokenizer.encode_batch({_texts(vectors)})",
            'parts = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}',
            "names = [value.name for value in session.get_inputs()]",
            "inputs = {name: np.array([getattr(text, parts[name]) for text in texts]) for name in names}",
            f'vectors = session.run(["{FINISHED}"], inputs)[0]',
            "print(vectors)",
        ]

    def answer_formats(self, reader: Callable[[], Any]) -> Mapping[str, Format]:
        """`.npy`: an array of float32, shape (rows, width), a row of NaN where there is no vector."""
        return {".npy": _npy}


def _texts(vectors: Vectors) -> str:
    """The list of texts of an example, as the tokenizer is to be given them."""
    text = repr(f"{vectors.prompt}Your text here.") if vectors.prompt else usage.EXAMPLE
    return f"[{text}{'.lower()' if vectors.lower_case else ''}]"


def _trained_and_before(record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The details of each split, and those of the model before training, by names for people."""
    before = (record.get("baseline") or {}).get("details") or {}
    return {
        name: found
        for split, details in (record.get("details") or {}).items()
        for name, found in ((f"{split} before", before.get(split)), (split, details))
        if found
    }


def dims_tables(details: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """A table of the figures of vectors that are cut: a row for each number of dimensions.

    Args:
        details: by split.
    """
    found = {split: of_split[DIMS] for split, of_split in details.items() if of_split.get(DIMS)}
    if not found:
        return []
    metrics = {split: list(next(iter(cut.values()))) for split, cut in found.items()}
    header = ["dimensions", *(f"{split} {name}" for split, names in metrics.items() for name in names)]
    rows = [
        [int(dim), *(found[split][dim][name] for split, names in metrics.items() for name in names)]
        for dim in next(iter(found.values()))
    ]
    return [Table("vectors cut", header, rows)]


def _cell(value: Any) -> Any:
    return f"{value[:SHOWN_TEXT]}..." if isinstance(value, str) and len(value) > SHOWN_TEXT else value


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
