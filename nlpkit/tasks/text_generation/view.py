"""What people see of models that write: the size of texts, and what was written behind each prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from nlpkit.reporting import Shaded, Table, typed
from nlpkit.tasks import usage
from nlpkit.tasks.running_text import RunningTextView
from nlpkit.tasks.text_generation.task import TextGeneration
from nlpkit.tasks.view import Shown

EXAMPLE_TOKENS = 60  # that an example asks for
EXAMPLE_TEMPERATURE = 0.8
FACTS = ["tokens", "up to", "probability per token"]


def _facts(one: Mapping[str, Any]) -> list[Any]:
    return [one["tokens"], "its end" if one["ended"] else "the limit", one["score"]]


def _shaded(one: Mapping[str, Any]) -> str | Shaded:
    """A text, with the probabilities of its tokens where they are there and the tokens make it up."""
    pieces = [(token["text"], token["probability"]) for token in one.get("probabilities") or ()]
    whole = "".join(piece for piece, _ in pieces)
    return Shaded(pieces) if pieces and whole == one["prediction"] else one["prediction"]


def _token_tables(answer: Mapping[str, Any]) -> list[Table]:
    """A row for each token of an answer, or of its several texts."""
    tables = []
    for one in answer.get("texts") or [answer]:
        listed = any("runners_up" in token for token in one.get("probabilities") or ())
        body = []
        for token in one.get("probabilities") or ():
            others = [f"{_quoted(other['token'])} {other['probability']:.4f}" for other in token.get("runners_up", ())]
            body.append([_quoted(token["token"]), token["probability"], *(["  ".join(others)] if listed else [])])
        if body:
            tables.append(
                Table("tokens", ["token", "probability", *(["runners-up"] if listed else [])], body, to_left=True)
            )
    return tables


def _quoted(token: str) -> str:
    """A token with what marks its blanks."""
    return f"'{token}'"


class TextGenerationView(RunningTextView[TextGeneration]):
    """See the module's docstring."""

    shown_as: ClassVar[Shown] = "texts"
    example_inputs: ClassVar[Sequence[Sequence[str]]] = (("Once upon a time",),)

    def example_options(self) -> dict[str, Any]:
        return {"max_new_tokens": EXAMPLE_TOKENS, "temperature": EXAMPLE_TEMPERATURE}

    def answer_tables(self, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
        """One table: each prompt with what was written behind it."""
        return written("prompt", rows, answers)

    def watched_tables(self, answer: Mapping[str, Any]) -> list[Table]:
        return written_tables(answer)

    @classmethod
    def example_call(cls, folder: Path) -> str:
        return f'nlpkit predict {typed(folder)} "Once upon a time" --temperature {EXAMPLE_TEMPERATURE}'

    @classmethod
    def purpose(cls, recorded: Mapping[str, Any]) -> str:
        return "Goes on with a text."

    @classmethod
    def longer_texts(cls, recorded: Mapping[str, Any]) -> str:
        return "of a longer prompt the end is read; longer texts are judged in windows"

    @classmethod
    def transformers_code(cls, recorded: Mapping[str, Any]) -> list[str]:
        return usage.pipeline_code("text-generation", ['print(model("Once upon a time", max_new_tokens=50))'])

    @classmethod
    def onnx_code(cls, recorded: Mapping[str, Any], file: str) -> list[str]:
        return usage.onnx_writing_code(file, '"Once upon a time"')


def written(what: str, rows: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> list[Table]:
    """One table of what was written.

    Args:
        what: the rows hold, as a heading.
    """
    body: list[list[Any]] = []
    for row, answer in zip(rows, answers, strict=True):
        if answer.get("error"):
            body.append([row["text"], answer["error"], None, None, None])
            continue
        for one in answer.get("texts") or [answer]:
            body.append([row["text"], _shaded(one), *_facts(one)])
    tables = [Table("written", [what, "written", *FACTS], body)]
    return tables + [table for answer in answers if not answer.get("error") for table in _token_tables(answer)]


def written_tables(answer: Mapping[str, Any]) -> list[Table]:
    """What stands below a text that was seen while it was written."""
    return [Table("written", FACTS, [_facts(answer)]), *_token_tables(answer)]
