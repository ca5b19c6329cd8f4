"""Learn a vector for each word of running text (word2vec, or fastText with --subwords). Writes a folder with the
vectors as safetensors and as text that gensim and fastText open, figures, and a picture of words in space.

--evaluate measures them: analogies as Google's questions-words.txt, word pairs with people's scores as WordSim-353 and
SimLex-999. --neighbours and --analogy ask for words. With --vectors nothing is trained: those of a folder, or of a file
of word2vec, GloVe or fastText, are asked. With one thread (the default) the same text and seed give the same numbers.

Examples: nlpkit train-vectors corpus.txt --epochs 10 --evaluate questions-words.txt
nlpkit train-vectors --vectors runs/corpus-vectors --neighbours king --analogy "king - man + woman"
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import nearby, reporting
from nlpkit.data import pipes
from nlpkit.data.corpus import Corpus
from nlpkit.errors import UserError
from nlpkit.experiment import lifecycle
from nlpkit.options import CorpusOptions, OutputOptions, Strings, flag_of, option, option_like
from nlpkit.reporting import Cell, Report, Table, counted
from nlpkit.runs import lock
from nlpkit.runs.files import ornament, require_writable, whole, writing
from nlpkit.runs.folder import RunFolder, human_bytes, versions
from nlpkit.word_vectors.options import TRAINED, AskedOptions, WordVectorOptions

if TYPE_CHECKING:
    from nlpkit.runs.plots import Plot
    from nlpkit.word_vectors.evaluation import Analogies, Measured, Pairs
    from nlpkit.word_vectors.table import WordVectors
    from nlpkit.word_vectors.training import Text

COMMAND = "train-vectors"
ESSENTIAL: tuple[str, ...] = (
    "data",
    "architecture",
    "subwords",
    "vector_size",
    "epochs",
    "vectors",
    "evaluate",
    "neighbours",
    "analogy",
    "output",
)
OFFERED = 3  # words that a message offers for one that is not there


class Config(AskedOptions, WordVectorOptions, CorpusOptions):
    """Options of `nlpkit train-vectors`."""

    data: Strings = option_like(
        CorpusOptions,
        "data",
        help="Files, folders, globs; - for standard input.",
        positional=True,
        metavar="FILE",
        panel="Input",
    )
    vectors: Path | None = option(None, "Ask these vectors instead of training.", panel="Questions", metavar="PATH")
    output: Path | None = option_like(
        OutputOptions, "output", help="Folder to write.", shown_default="runs/<data>-vectors", only_with=TRAINED
    )
    overwrite: bool = option_like(OutputOptions, "overwrite")
    dry_run: bool = option_like(
        OutputOptions, "dry_run", help="Check data and options, show the plan, stop.", only_with=TRAINED
    )


@dataclass
class Answers:
    """What vectors were asked, and said.

    Attributes:
        measured: the figures of each file of --evaluate.
        neighbours, analogies: words with their cosines, by what was asked.
        unanswered: why something has no answer.
        plot: the picture of words; None where they are too few.
    """

    measured: list[Measured] = field(default_factory=list)
    neighbours: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    analogies: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    unanswered: list[UserError] = field(default_factory=list)
    plot: Plot | None = None

    def record(self) -> dict[str, Any]:
        """As JSON values, with metrics as records of other commands have them."""
        from nlpkit.metrics import intervals

        known = {one.name: one for one in self.measured}
        record: dict[str, Any] = {
            "metrics": {name: one.metrics for name, one in known.items()},
            "metric_intervals": {name: one.intervals for name, one in known.items()},
            "interval_level": intervals.LEVEL,
            "interval_units": {name: one.units for name, one in known.items()},
            "judged": {name: one.judged for name, one in known.items()},
            "main_metric": next((metric for one in self.measured for metric in one.metrics), None),
        }
        asked = {"neighbours": self.neighbours, "analogies": self.analogies}
        return {
            **(record if known else {}),
            "evaluated": {name: one.record() for name, one in known.items()},
            "unanswered": [error.message for error in self.unanswered],
            **{name: {key: _listed(found) for key, found in of.items()} for name, of in asked.items()},
        }

    def tables(self) -> list[Table]:
        """For people."""
        found = [one.table for one in self.measured]
        for name, words in (*self.neighbours.items(), *self.analogies.items()):
            body: list[list[Cell]] = [[word, cosine] for word, cosine in words]
            found.append(Table(f"nearest to {name}", ["word", "cosine"], body))
        return found

    def lines(self) -> list[str]:
        """What the figures leave out."""
        return [line for one in self.measured for line in one.lines()]


def _listed(found: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"word": word, "cosine": cosine} for word, cosine in found]


@lock.given_back()
def run(config: Config) -> Report:
    """Train and write a folder, or ask vectors that are there.

    Raises:
        UserError: there is no text, no word is frequent enough, or a file cannot be read.
    """
    config.refuse_unread()
    if config.vectors is not None:
        return _asked(config, config.vectors)
    if not config.data:
        raise UserError(
            "name the text to learn from: nlpkit train-vectors FILE...", "--vectors PATH asks some instead."
        )
    return _trained(config)


# --- vectors that are there ---


def _asked(config: Config, path: Path) -> Report:
    from nlpkit.word_vectors import evaluation, files

    given = sorted(config.given & set(CorpusOptions.model_fields))
    if unread := next((name for name in given if getattr(config, name)), None):
        name = "FILE" if unread == "data" else flag_of(unread)
        raise UserError(
            f"{name} is text to learn from, and --vectors names vectors that are there", "Give one of them."
        )
    if not (config.evaluate or config.neighbours or config.analogy or config.picture):
        raise UserError(
            f"--vectors {path}: say what to ask", "--evaluate FILE, --neighbours WORD, --analogy SUM or --picture FILE."
        )
    if config.picture is not None:
        _require_picture(config.picture, overwrite=config.overwrite)
    elif config.words:
        raise UserError("--words are drawn, and --vectors writes no picture by itself", "Add --picture FILE.png.")
    questions = [evaluation.read(file) for file in config.evaluate]
    vectors = files.opened(path)
    answers = _answers(config, vectors, questions)
    if answers.unanswered:
        raise answers.unanswered[0]
    lines = [f"{path}: {len(vectors):,} words, {vectors.width} dimensions", *answers.lines()]
    if config.picture is not None:
        if answers.plot is None:
            raise UserError(
                "--picture needs four words with vectors of three dimensions or more", "Name more: --words."
            )
        with writing(config.picture), whole(config.picture, overwrite=config.overwrite) as partial:
            png = partial.with_suffix(".png")
            answers.plot(png)
            png.replace(partial)
        lines.append(f"picture: {config.picture}")
    record = {
        "command": COMMAND,
        "vectors": str(path),
        "words": len(vectors),
        "width": vectors.width,
        **answers.record(),
    }
    return Report(record, answers.tables(), lines)


def _require_picture(path: Path, *, overwrite: bool) -> None:
    if path.suffix != ".png":
        raise UserError(f"--picture {path}: it will be a PNG", "End its name in .png.")
    require_writable(path, overwrite=overwrite)


def _answers(config: Config, vectors: WordVectors, questions: Sequence[Pairs | Analogies]) -> Answers:
    """All that is asked; what has no answer is kept as the error that it is."""
    from nlpkit.word_vectors import evaluation, picture

    answers = Answers()
    for file in questions:
        try:
            answers.measured.append(evaluation.measured(vectors, file))
        except UserError as error:
            answers.unanswered.append(error)
    for asked, found in ((config.neighbours, answers.neighbours), (config.analogy, answers.analogies)):
        for text in asked:
            try:
                vector, words = (
                    _summed(vectors, text) if found is answers.analogies else (_vector(vectors, text), [text])
                )
            except UserError as error:
                answers.unanswered.append(error)
            else:
                found[text] = vectors.nearest(vector, config.top_k, words)
    if config.words:
        groups, without = picture.of_words(vectors, config.words)
        if without:
            reporting.current().warn(f"not drawn, as they have no vector: {', '.join(without)}")
    else:
        groups = picture.of_analogies(vectors, [file for file in questions if isinstance(file, evaluation.Analogies)])
        groups = groups or picture.of_frequent(vectors)
    answers.plot = picture.plot(vectors, groups)
    return answers


def _vector(vectors: WordVectors, word: str) -> Any:
    """The vector of a word.

    Raises:
        UserError: it has none.
    """
    vector = vectors.vector(word)
    if vector is None:
        near = nearby.near(word.lower() if vectors.lowercase else word, vectors.words, OFFERED)
        raise UserError(
            f"{word!r} is not in the vocabulary of {len(vectors):,} words",
            f"Like it are {', '.join(near)}." if near else "Vectors with --subwords have one for every word.",
        )
    return vector


def _summed(vectors: WordVectors, text: str) -> tuple[Any, list[str]]:
    """The sum of the vectors of words, each scaled to length 1, and the words.

    Raises:
        UserError: it is no sum of words, or one of them has no vector.
    """
    from nlpkit.metrics.similarity import unit

    parts = text.split()
    parts = parts if parts and parts[0] in "+-" else ["+", *parts]
    signs, words = parts[::2], parts[1::2]
    if len(words) < 2 or len(signs) != len(words) or not set(signs) <= {"+", "-"}:
        raise UserError(
            f"--analogy {text!r} is no sum of words", "Write it with blanks around the signs: 'king - man + woman'."
        )
    rows = [(1 if sign == "+" else -1) * unit(_vector(vectors, word)) for sign, word in zip(signs, words, strict=True)]
    return sum(rows), words


# --- training ---


def _trained(config: Config) -> Report:
    from nlpkit.word_vectors import evaluation, training

    started = time.monotonic()
    training.require_gensim()
    folder = RunFolder(config.output or RunFolder.default_path(_short_name(config), "vectors"))
    folder.require_usable(resume=None, overwrite=config.overwrite)
    questions = [evaluation.read(file) for file in config.evaluate]
    corpus = Corpus(config)
    reporting.current().plan("plan", _plan(config, corpus, folder))
    if config.dry_run:
        return lifecycle.dry_run(config)
    text = training.Text(corpus, lowercase=config.lowercase)
    vocabulary = training.vocabulary_of(text, config.min_count)
    reporting.current().note(vocabulary.described())
    folder.start({"command": COMMAND, "config": config.record()}, overwrite=config.overwrite, resume=False)
    train_started = time.monotonic()
    vectors = training.train(text, config)
    train_seconds = time.monotonic() - train_started
    answers = _answers(config, vectors, questions)
    import gensim

    record = {
        "command": COMMAND,
        "config": config.record(),
        "parents": {"data": corpus.record()},
        "texts": text.texts,
        "word_vectors": {
            "words": len(vectors),
            "width": vectors.width,
            "pieces": 0 if vectors.subwords is None else len(vectors.subwords.learned),
            "text_words": vocabulary.text,
            "different_words": vocabulary.different,
            "covered": vocabulary.standing / vocabulary.text,
            "words_per_second": round(config.epochs * vocabulary.text / max(train_seconds, 1e-9)),
            "described": _described(config),
        },
        **answers.record(),
        "findings": _findings(config, text),
        "seed": config.seed,
        "train_seconds": round(train_seconds, 2),
        "versions": {**versions(), "gensim": gensim.__version__},
        "wall_seconds": round(time.monotonic() - started, 2),
    }
    text.close()
    _write(folder, record, vectors, answers)
    return _report(record, folder.path, answers)


def _short_name(config: Config) -> str:
    return pipes.name_of(config.data[0].partition("@")[0].replace("*", "")).split(".")[0] or "data"


def _described(config: Config) -> str:
    """How they are learned."""
    pieces = f", pieces of {config.shortest_piece} to {config.longest_piece} characters" if config.subwords else ""
    return (
        f"{config.architecture}{pieces}, window {config.window}, {config.negative} negative, sample {config.sample:g}, "
        f"{counted(config.epochs, 'epoch', 'epochs')}, min count {config.min_count}, learning rate "
        f"{config.learning_rate:g}, {'lower case' if config.lowercase else 'case kept'}, seed {config.seed}"
    )


def _plan(config: Config, corpus: Corpus, folder: RunFolder) -> list[tuple[str, str]]:
    size = f", {human_bytes(corpus.size)}" if corpus.size is not None else ""
    rows = [
        ("data", ", ".join(corpus.specs) + size),
        ("vectors", f"{config.vector_size} dimensions, {_described(config)}"),
    ]
    if config.subwords:
        rows.append(
            ("pieces", f"{config.buckets:,} places, {human_bytes(4 * config.buckets * config.vector_size)} of memory")
        )
    alike = "the same numbers each time" if config.threads == 1 else "other numbers each time"
    return [
        *rows,
        ("threads", f"{config.threads}: {alike}"),
        ("measured on", ", ".join(config.evaluate) or "nothing (--evaluate)"),
        ("output", str(folder.path)),
    ]


def _findings(config: Config, text: Text) -> list[str]:
    """What the user should know of what came out."""
    from nlpkit.word_vectors.training import LONGEST

    found = []
    if text.parted:
        found.append(
            f"{counted(text.parted, 'text has', 'texts have')} more than {LONGEST:,} words: learned from in parts, "
            "without the contexts across their ends"
        )
    if config.threads > 1:
        found.append(f"with {config.threads} threads the same command gives other numbers; --threads 1 repeats them")
    return found


def _write(folder: RunFolder, record: dict[str, Any], vectors: WordVectors, answers: Answers) -> None:
    """The folder: vectors, picture, card, and last the record that says that it is complete."""
    from nlpkit.runs import plots
    from nlpkit.word_vectors import card, files

    with folder.staging() as staged:
        files.write(staged, vectors)
        drawn = plots.draw({"words": answers.plot}, staged / "plots") if answers.plot is not None else []
        with ornament("the card README.md"):
            card.write(staged / "README.md", record, [one.table for one in answers.measured], pictured=bool(drawn))
        folder.finish(record, staged, keep_checkpoints=False)


def _report(record: dict[str, Any], folder: Path, answers: Answers) -> Report:
    for finding in [*record["findings"], *record["unanswered"]]:
        reporting.current().warn(finding)
    about = record["word_vectors"]
    lines = [
        *answers.lines(),
        f"{folder}: {about['words']:,} words, {about['width']} dimensions, from {about['text_words']:,} words in "
        f"{record['train_seconds']:.1f} s ({about['words_per_second']:,} words/s); card README.md, plots/",
    ]
    following = f"nlpkit {COMMAND} --vectors {reporting.typed(folder)} --neighbours WORD"
    return Report({**record, "output": str(folder)}, answers.tables(), lines, next_command=following)
