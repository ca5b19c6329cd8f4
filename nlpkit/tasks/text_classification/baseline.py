"""The classical models beside a text classifier: estimators of scikit-learn over TF-IDF, or over vectors of words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.data.labels import Labels
from nlpkit.errors import UserError
from nlpkit.tasks.classical import Classical, Words
from nlpkit.tasks.text_classification import estimators
from nlpkit.tasks.text_classification.options import ALL, MEANS, NETWORKS
from nlpkit.tasks.text_classification.problems import ProblemType

if TYPE_CHECKING:
    from datasets import Dataset

    from nlpkit.word_vectors.table import WordVectors

MOST_LABELS = 1_000
WIDTH, LEAST_COUNT, PASSES = 100, 2, 20  # of vectors that are learnt from train: numbers, of a word, over the texts


def require_few(labels: Labels) -> None:
    """Stop where the labels are so many that the model takes too much memory.

    Raises:
        UserError: there are more than `MOST_LABELS`.
    """
    if labels.size > MOST_LABELS:
        raise UserError(
            f"--baseline: TF-IDF with a linear model has a weight for each label and each pair of words, which for "
            f"{labels.size:,} labels takes too much memory (at most {MOST_LABELS:,})",
            "Leave out --baseline.",
        )


def chosen(problem: ProblemType, named: Sequence[str]) -> list[str]:
    """The classical models that are trained, of those that are named; where none is, the usual one of the problem.

    Raises:
        UserError: one is named that does not learn what the rows are labelled with.
    """
    if not named:
        return [next(iter(problem.estimators))]
    known = [*problem.estimators, MEANS, *NETWORKS]
    others = [name for name in (*estimators.OF_LABELS, *estimators.OF_NUMBERS) if name not in known]
    if ALL in named:
        if not problem.has_classes:
            reporting.current().note(f"--baseline all: {', '.join(known)}; {', '.join(others)} are for labels")
        return known
    for name in named:
        if name in others:
            raise UserError(
                f"--baseline {name}: it is not for {problem.labels.problem}, which these rows are for",
                f"There are {', '.join(known)}.",
            )
    return list(dict.fromkeys(named))


class OverTexts(Classical):
    """Features of texts, and an estimator that has learnt from them.

    Args:
        problem: what is learnt.
        name: of the estimator, one of `problem.estimators`.
        texts: gives the text of each example.
        train: the examples to learn from.
        seed: of the estimator.
        features: steps from texts to what the estimator is given.
    """

    def __init__(
        self,
        problem: ProblemType,
        name: str,
        texts: Callable[[Dataset], Sequence[str]],
        train: Dataset,
        seed: int,
        *features: Any,
    ) -> None:
        from sklearn.pipeline import make_pipeline

        self.problem, self.texts, self.kind = problem, texts, problem.estimators[name]
        self.estimator = problem.estimator(name, seed)
        self.pipeline = make_pipeline(*features, self.estimator)
        self.pipeline.fit(texts(train), problem.linear_targets(np.asarray(train["label"][:])))
        self.has_probabilities = not problem.has_classes or hasattr(self.estimator, "predict_proba")

    def outputs(self, examples: Dataset) -> np.ndarray:
        """Logits as a model gives them, shape (rows, labels)."""
        return self.problem.linear_outputs(self.pipeline, self.texts(examples))


class Linear(OverTexts):
    """TF-IDF of words and word pairs with an estimator; see `OverTexts`."""

    def __init__(
        self, problem: ProblemType, name: str, texts: Callable[[Dataset], Sequence[str]], train: Dataset, seed: int
    ) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
        super().__init__(problem, name, texts, train, seed, self.vectors)
        terms = self.vectors.vocabulary_
        self.name = f"TF-IDF + {self.kind.row}"
        self.described = f"{self.kind.described} on {len(terms):,} words and pairs of words"
        self.bytes = spelt(terms) + self.vectors.idf_.nbytes + estimators.learnt_bytes(self.estimator)

    def words(self, examples: Dataset) -> Words:
        lower, cut = self.vectors.build_preprocessor(), self.vectors.build_tokenizer()
        words = [word for text in self.texts(examples) for word in cut(lower(text))]
        return Words(sum(word not in self.vectors.vocabulary_ for word in words), len(words))


class MeanOfWords(OverTexts):
    """The mean of the vectors of a text's words, each number scaled to the spread that it has in train, with the usual
    estimator; see `OverTexts`.

    Args:
        vectors: of words; None learns them from the texts of train.
    """

    name = "word2vec + linear"

    def __init__(
        self,
        problem: ProblemType,
        texts: Callable[[Dataset], Sequence[str]],
        train: Dataset,
        seed: int,
        vectors: WordVectors | None,
    ) -> None:
        from sklearn.preprocessing import FunctionTransformer, StandardScaler

        known = learnt_vectors(texts(train), seed) if vectors is None else vectors
        usual, scaler = next(iter(problem.estimators)), StandardScaler()
        super().__init__(problem, usual, texts, train, seed, FunctionTransformer(known.mean), scaler)
        self.vectors = known
        whence = "learnt from train" if vectors is None else "of --word-vectors"
        self.described = f"{self.kind.described} on means of {known.width} numbers of {len(known):,} words, {whence}"
        self.bytes = spelt(known.words) + known.matrix.nbytes + estimators.learnt_bytes(self.estimator)

    def words(self, examples: Dataset) -> Words:
        known, words = self.vectors.known(self.texts(examples)).sum(axis=0).tolist()
        return Words(words - known, words)


def learnt_vectors(texts: Sequence[str], seed: int) -> WordVectors:
    """Vectors by word2vec, skip-gram with the settings of gensim, but for words that occur twice and with more passes:
    such texts are few. One thread: the same seed gives the same numbers.

    Raises:
        UserError: gensim is not installed.
    """
    from nlpkit.data.words import plain
    from nlpkit.word_vectors.table import WordVectors
    from nlpkit.word_vectors.training import require_gensim

    require_gensim()
    from gensim.models import Word2Vec

    cut = [plain(text) for text in texts]
    counts = Counter(word for words in cut for word in words)
    least = min(LEAST_COUNT, max(counts.values()))
    made = Word2Vec(cut, vector_size=WIDTH, min_count=least, sg=1, epochs=PASSES, seed=seed, workers=1).wv
    return WordVectors(made.index_to_key, made.vectors, [counts[word] for word in made.index_to_key])


def spelt(words: Iterable[str]) -> int:
    """Bytes that the words of a vocabulary take."""
    return sum(len(word.encode("utf-8", "surrogatepass")) for word in words)
