"""A trained model, opened once, that answers as often as it is asked."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from nlpkit.api import manners, signatures, speech, wording
from nlpkit.api.functions import in_callers_words, in_memory
from nlpkit.cli.registry import COMMANDS
from nlpkit.data import memory
from nlpkit.errors import UserError
from nlpkit.options import ReadingOptions
from nlpkit.recipes import predict
from nlpkit.reporting import counted

if TYPE_CHECKING:
    import numpy as np
    from pydantic.fields import FieldInfo

    from nlpkit.inference.predictor import Predictor as Opened
    from nlpkit.tasks.features import Truncation
    from nlpkit.tasks.reading import Reader

CHUNK = 1_024  # inputs of a stream that are answered together
OF_FILES = ("texts", "input", "output", "overwrite", "max_errors")  # options of `predict` that this has no use for
SCORE = "score_"  # what stands before a label in the name of its score
SHOWN = 3  # positions that a warning names


class Predictor:
    """A trained model that answers: opened once, for any task that nlpkit knows, whatever it runs on.

    Of a run that was exported to ONNX no weights of torch are read. Threads may share one: their calls take turns.

    >>> with nlpkit.Predictor("runs/reviews") as predictor:  # doctest: +SKIP
    ...     predictor.predict(["What a film!", "I left after ten minutes."])
    ['positive', 'negative']

    Args:
        run: run folder, model folder or hub name.
        verbose: let the libraries say what they say unasked.
        keywords: options of `nlpkit.predict` about the model, the device and the answers, which stand below.

    Raises:
        UserError: the model cannot be opened, or an option is wrong.
    """

    __signature__: ClassVar[inspect.Signature]

    def __init__(self, run: str | PathLike[str], *, verbose: bool = False, **keywords: Any) -> None:
        from nlpkit.inference.predictor import open_predictor

        fields = predict.Config.known_fields()
        with in_callers_words(fields), manners.quiet(verbose=verbose, keep_threads=keywords.get("threads") is not None):
            if foreign := sorted(keywords.keys() & set(OF_FILES)):
                raise UserError(
                    f"{', '.join(foreign)}: a Predictor is given its texts when it is asked",
                    "For a file: nlpkit.predict(model, input=..., output=...).",
                )
            config = predict.Config(model=str(run), **in_memory(keywords, fields))
            opened = open_predictor(config, predict.NEEDS)
            self._config = config.for_task(type(opened.task))
            self._config.refuse_unread()
            self._opened: Opened[Any] | None = opened.configured(self._config)
        self._run = str(run)
        self._labels: list[str] | None = None
        self._scoring: Opened[Any] | None = None
        self._turn = threading.Lock()

    # --- what it is ---

    @property
    def task(self) -> str:
        """The name of the model's task."""
        return str(self._model().task.name)

    @property
    def device(self) -> str:
        """Where it runs, and in which arithmetic."""
        return str(self._model().device.described)

    @property
    def record(self) -> dict[str, Any]:
        """What nlpkit.json of the run says; {} of a model without one."""
        return dict(self._model().record or {})

    @property
    def labels(self) -> list[str]:
        """The labels that `predict_proba` has a column for, in its order.

        Raises:
            UserError: the model's answers are no labels.
        """
        self._with_scores()
        return list(self._labels or [])

    def __repr__(self) -> str:
        return f"<Predictor {self._run}: {'closed' if self._opened is None else f'{self.task}, {self.device}'}>"

    # --- answers ---

    def predict(self, inputs: Any) -> Any:
        """The answer to each input: a label, a number, a text, or what else the task answers with.

        What cannot be answered (an empty text) has None, and a warning says how many those are.

        Args:
            inputs: a text, a list of texts, of pairs, or of dicts by column; a DataFrame or Dataset with the columns of
                training, or with a column whose name says that it holds text.

        Returns:
            A list in the order of the inputs; of one text its answer; of a DataFrame or Dataset the same with columns
            behind its own: `prediction`, `prediction_score`, ..., `prediction_error`.
        """
        if _is_table(inputs):
            return self._with_columns(inputs)
        if isinstance(inputs, str):
            return self.answers([inputs])[0]["prediction"]
        return [answer["prediction"] for answer in self.answers(inputs)]

    def answers(self, inputs: Any) -> list[dict[str, Any]]:
        """All that is known of the answer to each input: `prediction`, `score`, and what the task adds; of one that
        cannot be answered `error`, and of a text that was not read to its end `cut`, the tokens that were left out.

        Args:
            inputs: as for `predict`.
        """
        rows, reader = self._rows(self._model(), inputs)
        return self._ask(self._model(), rows, reader)

    def predict_proba(self, inputs: Any) -> np.ndarray:
        """The probability of each label; NaN for what cannot be answered.

        Args:
            inputs: as for `predict`.

        Returns:
            float64, shape (inputs, labels); the columns are those of `labels`.

        Raises:
            UserError: the model's answers are no labels.
        """
        import numpy as np

        scoring = self._with_scores()
        labels = self._labels or []
        rows, reader = self._rows(scoring, [inputs] if isinstance(inputs, str) else inputs)
        answers = self._ask(scoring, rows, reader)
        made = [[answer[f"{SCORE}{name}"] for name in labels] for answer in answers]
        return np.array(made, dtype=float).reshape(len(answers), len(labels))

    def stream(self, inputs: Iterable[Any], size: int = CHUNK) -> Iterator[dict[str, Any]]:
        """The answers to any number of inputs, one after the other, as `answers` gives them.

        Args:
            inputs: any iterable of what `predict` takes a list of.
            size: inputs that are in memory, and answered, together.
        """
        chunk: list[Any] = []
        for one in inputs:
            chunk.append(one)
            if len(chunk) == size:
                yield from self.answers(chunk)
                chunk = []
        if chunk:
            yield from self.answers(chunk)

    # --- its life ---

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a Predictor cannot be copied or sent to another process; open {self._run} there")

    def close(self) -> None:
        """Let go of the model and its memory; afterwards nothing is answered."""
        self._opened = self._scoring = None

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _model(self) -> Opened[Any]:
        if self._opened is None:
            raise UserError(f"the Predictor of {self._run} is closed", "Open another one.")
        return self._opened

    def _with_scores(self) -> Opened[Any]:
        """The same model, whose answers have the score of every label."""
        opened = self._model()
        if self._scoring is None:
            task = opened.task
            if "all_scores" in type(self._config).model_fields:
                with in_callers_words(type(self._config).model_fields):
                    scoring = opened.configured(self._config.changed(all_scores="columns"))
                columns = scoring.task.no_answer()
                self._labels = [name.removeprefix(SCORE) for name in columns if name.startswith(SCORE)]
            if not self._labels:
                raise UserError(f"{self._run} is a model for {task.describe()}: it gives no probabilities of labels")
            self._scoring = scoring
        return self._scoring

    def _rows(self, opened: Opened[Any], inputs: Any) -> tuple[list[dict[str, Any]], Reader[Any]]:
        """The inputs as rows, and what reads them.

        Raises:
            UserError: they are nothing that the model reads.
        """
        several = memory.is_rows(inputs) or isinstance(inputs, Iterable)
        if isinstance(inputs, bytes) or not several or getattr(inputs, "ndim", 1) == 0:
            raise UserError(
                f"{type(inputs).__name__} is no input, nor several",
                "Give a text, a list of texts, dicts by column, or a DataFrame.",
            )
        if isinstance(inputs, tuple) and memory.is_pair(inputs) and not _is_pair_of_texts(inputs):
            raise UserError(
                "a tuple of two lists was given: are they texts with labels, or the two sides of pairs?",
                "Give the list of texts alone, or a list of pairs: list(zip(first, second)).",
            )
        if memory.is_rows(inputs) and not _is_pair_of_texts(inputs):
            with in_callers_words(predict.Config.known_fields()):
                rows = memory.rows_of(inputs)
                return rows, opened.task.reader(list(rows[0]) if rows else None, self._config, labelled=False)
        given = [inputs] if isinstance(inputs, str) or _is_pair_of_texts(inputs) else list(inputs)
        if (position := next((i for i, one in enumerate(given) if isinstance(one, bytes)), None)) is not None:
            raise UserError(f"position {position} is bytes, not text", "Decode it: text.decode('utf-8').")
        columns = opened.task.reader().input_columns
        if any(isinstance(one, tuple) for one in given):
            if wrong := next((one for one in given if not isinstance(one, tuple) or len(one) != len(columns)), None):
                raise _takes(columns, wrong)
            return [dict(zip(columns, one, strict=True)) for one in given], opened.task.reader()
        try:
            (template,), reader = opened.task.reader().typed(self._config.changed(texts=["text"]))
        except UserError:
            raise _takes(columns, given[0] if given else "") from None
        (column,) = template
        return [{column: memory.plain(one)} for one in given], reader

    def _ask(self, opened: Opened[Any], rows: Sequence[Mapping[str, Any]], reader: Reader[Any]) -> list[dict[str, Any]]:
        if not rows:
            return []
        with self._turn, in_callers_words(predict.Config.known_fields()):
            ((_, answers, cut),) = opened.answered([(None, reader, rows)])
        self._tell(answers, cut, reader)
        return answers

    def _tell(self, answers: Sequence[Mapping[str, Any]], cut: Truncation, reader: Reader[Any]) -> None:
        """Log what is not as it looks: what has no answer, what was not read to its end."""
        failed = [i for i, answer in enumerate(answers) if answer.get("error")]
        if failed:
            speech.LOGGER.warning(
                "%s of %s have no answer (%s: %s)",
                counted(len(failed), "input", "inputs"),
                f"{len(answers):,}",
                f"position {failed[0]}",
                answers[failed[0]]["error"],
            )
        if (finding := cut.finding(reader.task, "input")) is not None:
            places = [i for i, answer in enumerate(answers) if answer.get("cut")]
            finding.examples = [f"position {i}" for i in places[:SHOWN]]
            said = wording.in_python(str(finding), predict.Config.known_fields(), COMMANDS)
            speech.LOGGER.warning("%s", said)

    def _with_columns(self, inputs: Any) -> Any:
        """A DataFrame or Dataset with the columns of its answers."""
        names = [str(name) for name in (inputs.column_names if hasattr(inputs, "column_names") else inputs.columns)]
        if not names:
            raise UserError("the table has no columns", "Give one with the columns of training.")
        prefix = predict.free_prefix(names)
        made = [predict.answer_columns(answer, prefix) for answer in self.answers(inputs)]
        found = made or [predict.answer_columns(self._model().task.no_answer(), prefix)]
        columns = {name: [row.get(name) for row in made] for name in dict.fromkeys(k for row in found for k in row)}
        if hasattr(inputs, "iloc"):
            import pandas

            return pandas.concat([inputs, pandas.DataFrame(columns, index=inputs.index)], axis=1)
        if hasattr(inputs, "with_columns"):
            import polars

            return inputs.with_columns([polars.Series(name, values) for name, values in columns.items()])
        for name, values in columns.items():
            if hasattr(inputs, "append_column"):  # arrow
                import pyarrow

                inputs = inputs.append_column(name, pyarrow.array(values))
            else:
                inputs = inputs.add_column(name, values)
        return inputs


def options() -> dict[str, FieldInfo]:
    """The options of a Predictor: those of `predict` that are about the model, the device and the answers."""
    fields = predict.Config.known_fields()
    typed = {name for name, info in fields.items() if info.json_schema_extra["panel"] == "Input"}  # type: ignore[index]
    left_out = {"model", *OF_FILES, *typed, *ReadingOptions.model_fields}
    return {name: info for name, info in fields.items() if name not in left_out}


def _document() -> None:
    """Show the options where `help()` and editors look."""
    owners = dict(signatures.options_of_tasks(predict.Config))
    fields = options()
    run = inspect.Parameter(
        "run", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=signatures.TypeText("str | PathLike[str]")
    )
    named = [parameter for parameter in signatures.parameters(fields) if parameter.name not in ("config", "progress")]
    Predictor.__signature__ = inspect.Signature([run, *named])
    lines = [
        line
        for name, info in fields.items()
        for line in signatures.entry(name, signatures.described(info, owners.get(name, "")))
    ]
    Predictor.__doc__ = "\n".join([inspect.getdoc(Predictor) or "", "", "Options:", *lines])


def _is_table(inputs: Any) -> bool:
    """Whether what is asked about has columns, so that answers can stand beside them."""
    return (
        not isinstance(inputs, Mapping)
        and memory.is_rows(inputs)
        and (hasattr(inputs, "column_names") or hasattr(inputs, "columns"))
    )


def _is_pair_of_texts(inputs: Any) -> bool:
    """One pair, which is no table of texts and labels here."""
    return isinstance(inputs, tuple) and all(isinstance(part, str) for part in inputs)


def _takes(columns: Sequence[str], given: object) -> UserError:
    """What is said of an input that a model cannot read."""
    shape = f"a tuple ({', '.join(columns)})" if len(columns) > 1 else f"a text ({columns[0]})"
    return UserError(
        f"this model reads {shape} for each input, and was given {type(given).__name__}",
        "Or give dicts by column, or a DataFrame.",
    )


_document()
