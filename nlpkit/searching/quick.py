"""Questions to vectors without torch, which takes longer to import than all else of a search: the tokenizer and the
graph of an exported model, called as they are.

That it gives the same vectors as the model opened with all that belongs to it is seen when an index is made, on some
texts, and noted there; another way of reading a text would find other documents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nlpkit import machine
from nlpkit.hardware.providers import PROVIDERS, require_runtime
from nlpkit.models import files
from nlpkit.searching.dense import Measure, finished
from nlpkit.searching.record import QuickSettings

if TYPE_CHECKING:
    from tokenizers import Encoding

TOKENIZER = "tokenizer.json"
VECTORS = "sentence_embedding"  # the output of the graph
SAME = 1e-3  # by how much numbers of vectors of length 1 may differ: what int8 rounds hangs on the order of sums


@dataclass
class Quick:
    """See the module's docstring.

    Args:
        folder: of the model.
        settings: of questions.
        measure: how vectors are compared.
        threads: of ONNX Runtime; None: as many as there are for this process.
    """

    folder: Path
    settings: QuickSettings
    measure: Measure
    threads: int | None = None

    def __post_init__(self) -> None:
        from tokenizers import Tokenizer

        graph = files.exported_file(self.folder)
        assert graph is not None
        self.graph = graph
        self._tokenizer = Tokenizer.from_file(str(self.folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if self.settings.max_length is not None:
            self._tokenizer.enable_truncation(self.settings.max_length)
        runtime = require_runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self.threads or machine.threads()[0]
        options.log_severity_level = 3  # errors
        self._session = runtime.InferenceSession(str(graph), options, providers=[PROVIDERS["cpu"]])
        self._reads = {item.name for item in self._session.get_inputs()}

    @staticmethod
    def possible(folder: Path | None) -> bool:
        """Whether a folder has what is needed."""
        return folder is not None and files.exported_file(folder) is not None and (folder / TOKENIZER).is_file()

    def digest(self) -> str:
        """SHA-256 of the weights and the vocabulary, as `embedding.embedder.digest_of` has it."""
        digest = hashlib.sha256()
        with self.graph.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
        vocabulary = sorted(self._tokenizer.get_vocab(with_added_tokens=True).items())
        digest.update(repr(vocabulary).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def asked(self, questions: Sequence[str]) -> np.ndarray:
        """The vectors of questions, shape (questions, width); each is read by itself."""
        return finished(np.concatenate([self._one(question) for question in questions]), self.measure)

    def cut(self, questions: Sequence[str]) -> int:
        """How many questions have more tokens than the model reads."""
        return sum(bool(self._encoded(question).overflowing) for question in questions)

    def _encoded(self, question: str) -> Encoding:
        text = self.settings.prompt + question
        return self._tokenizer.encode(text.lower() if self.settings.lower_case else text)

    def _one(self, question: str) -> np.ndarray:
        encoding = self._encoded(question)
        given = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        arrays = {name: np.asarray([values], np.int64) for name, values in given.items() if name in self._reads}
        (vectors,) = self._session.run([VECTORS], arrays)
        return np.asarray(vectors, np.float32)


def tried(
    folder: Path | None, settings: QuickSettings, measure: Measure, texts: Sequence[str], wanted: np.ndarray
) -> bool:
    """Whether it gives the vectors that it should.

    Args:
        folder: of the model; None: it has none.
        texts: that it is tried on.
        wanted: their vectors, shape (texts, width).
    """
    if folder is None or not Quick.possible(folder):
        return False
    try:
        found = Quick(folder, settings, measure).asked(texts)
    except Exception:  # whatever it lacks, the other way is there
        return False
    return found.shape == wanted.shape and bool(np.allclose(found, wanted, atol=SAME, rtol=SAME))
