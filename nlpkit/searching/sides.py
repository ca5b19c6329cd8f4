"""One model with a side for questions and one for documents, each with its prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from nlpkit.embedding.embedder import digest_of
from nlpkit.embedding.opened import open_vectors
from nlpkit.errors import UserError
from nlpkit.inference.predictor import Computed, Predictor
from nlpkit.searching.dense import Measure, finished
from nlpkit.searching.options import SideModelOptions
from nlpkit.tasks.sentence_embedding.task import SentenceEmbedding

LIKE = 2_048  # texts among which those of one length are read together
PASSES = 8  # forward passes, about, whose texts are a chunk: the GPU is asked for the next while it computes one
CHARACTERS = 4  # of a token, about
SPECIAL = 8  # tokens of a text that are none of its own, at most
T = TypeVar("T")


@dataclass(frozen=True)
class Sides:
    """See the module's docstring.

    Attributes:
        documents, questions: of the same weights.
        digest: SHA-256 of the weights and the vocabulary, in hex.
        measure: how vectors are compared.
    """

    documents: Predictor[SentenceEmbedding]
    questions: Predictor[SentenceEmbedding]
    digest: str
    measure: Measure

    @property
    def task(self) -> SentenceEmbedding:
        """Of documents."""
        return self.documents.task

    @property
    def prompts(self) -> dict[str, str]:
        """What stands before each question and each document."""
        return {"query": self.questions.task.vectors.prompt, "document": self.task.vectors.prompt}

    @property
    def width(self) -> int:
        """Dimensions of a vector."""
        return int(self.asked(["width"]).shape[1])

    @property
    def room(self) -> int | None:
        """Tokens of a document that are read, without its prompt and special ones; None: any number."""
        limit, tokenizer = self.task.max_length, self.documents.tokenizer
        if limit is None:
            return None
        prompt = tokenizer(self.task.vectors.prompt, add_special_tokens=False)["input_ids"]
        return max(limit - tokenizer.num_special_tokens_to_add() - len(prompt), 1)

    def chunks(self, lengths: np.ndarray) -> Iterator[np.ndarray]:
        """The places of documents that are embedded together, a few seconds' work: which ones these are hangs on the
        documents alone, as the last digits of a vector hang on what is read beside it.

        Args:
            lengths: characters of each, shape (texts,).
        """
        assert self.documents.batch_tokens is not None
        texts, room = PASSES * self.documents.batch_size, PASSES * CHARACTERS * self.documents.batch_tokens
        if self.task.max_length is not None:  # what stands behind is not read
            lengths = np.minimum(lengths, CHARACTERS * self.task.max_length)
        for start in range(0, len(lengths), LIKE):
            order = start + np.argsort(-lengths[start : start + LIKE], kind="stable")
            chunk: list[int] = []
            left = room
            for place in order.tolist():
                if chunk and (lengths[place] > left or len(chunk) == texts):
                    yield np.sort(chunk)
                    chunk, left = [], room
                chunk.append(place)
                left -= int(lengths[place])
            yield np.sort(chunk)

    def computed(self, chunks: Iterable[tuple[T, Sequence[str]]]) -> Iterator[tuple[T, Computed]]:
        """What comes of chunks of documents, with what each comes with; the vectors are `finished`."""
        yield from self.documents.computed((item, {"text": list(texts)}) for item, texts in chunks)

    def finished(self, found: Computed) -> np.ndarray:
        """The vectors of what was computed, as they are compared, shape (texts, width)."""
        outputs: Any = found.outputs
        return finished(outputs[:, 0], self.measure)

    def asked(self, questions: Sequence[str]) -> np.ndarray:
        """The vectors of questions, shape (questions, width)."""
        ((_, found),) = self.questions.computed([(None, {"text": list(questions)})])
        return self.finished(found)

    def cut(self, questions: Sequence[str]) -> int:
        """How many questions have more tokens than the model reads."""
        limit, tokenizer = self.questions.task.max_length, self.questions.tokenizer
        if limit is None:
            return 0
        texts = [f"{self.prompts['query']}{question}" for question in questions]
        # no tokenizer makes more tokens of a text than it has bytes
        long = [text for text in texts if len(text.encode("utf-8", "surrogatepass")) + SPECIAL > limit]
        return sum(len(tokenizer(text, truncation=False)["input_ids"]) > limit for text in long)


def open_sides(config: SideModelOptions, command: str) -> Sides:
    """Open the model.

    Raises:
        UserError: it cannot be opened, or was trained for a measure by which nothing is searched here.
    """
    predictor = open_vectors(config, command)
    vectors = predictor.task.vectors
    sides = {}
    for part in ("query", "document"):
        text = vectors.prompt_of(part)
        task = predictor.task.with_(vectors=vectors.with_prompt(text=text))
        sides[part] = Predictor(
            task,
            predictor.weights,
            predictor.tokenizer,
            predictor.device,
            predictor.batch_size,
            record=predictor.record,
            batch_tokens=predictor.batch_tokens,
            folder=predictor.folder,
        )
    digest = digest_of(predictor, config.model, config.model_revision)
    return Sides(
        sides["document"], sides["query"], digest, _measure(vectors.similarity, vectors.normalize, config.model)
    )


def _measure(similarity: str, normalized: bool, model: str) -> Measure:
    """Vectors of length 1 are in the same order by their products, cosines and distances."""
    if similarity in ("cosine", "angular") or (normalized and similarity in ("dot", "euclidean")):
        return "cosine"
    if similarity == "dot":
        return "dot"
    raise UserError(
        f"{model} was trained to be compared by {similarity} distance, and an index is searched by cosines or products",
        "Take a model for cosine similarity.",
    )
