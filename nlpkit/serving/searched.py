"""An index that is served: opened once, searched by requests that may each set how."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.options import flag_of
from nlpkit.searching import record, table
from nlpkit.searching.asking import Outcome, Searcher
from nlpkit.searching.options import SearchOptions
from nlpkit.serving import form
from nlpkit.serving.contract import Key, Served, options_refused
from nlpkit.serving.options import ServedModelOptions
from nlpkit.serving.refusals import in_json
from nlpkit.serving.values import kind_of

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

# What a request may set: nothing that names a file or a model, which a client could have the service open.
OPTIONS = ("top_k", "mode", "filter", "fusion", "weight", "max_false_answers")
OWN = ("device", "precision", "threads", "allow_pickle", "trust_remote_code")  # what an index takes of the command
EXAMPLE_WORDS = 8  # of a document, that are looked for
EXAMPLE_OPTIONS: Mapping[str, Any] = {"top_k": 5}
# Work, in the measure of a model that reads a question: what it costs besides, and characters a token.
QUESTION_COST, CHARACTERS = 16, 4


def is_index(run: str) -> bool:
    """Whether a folder is an index that `nlpkit index` made."""
    return (Path(run) / record.FILE).is_file()


@dataclass(frozen=True)
class Question:
    """One question of a request; its tokens are not counted.

    Attributes:
        key: see `contract.Key`.
        text: what is asked.
    """

    key: Key
    text: str
    tokens: int = 0
    rows: int = 1
    written: int = 0

    @property
    def work(self) -> int:
        """What it costs, about."""
        return QUESTION_COST + len(self.text) // CHARACTERS


@dataclass(frozen=True, eq=False)
class Search:
    """An index with the options of a request.

    Attributes:
        key: equal of equal options.
        searcher: with them.
        warnings: what was said of the options.
    """

    key: str
    searcher: Searcher
    warnings: Sequence[str]


class ServedIndex(Served[Search, Question]):
    """An index behind a name.

    Args:
        name: in addresses.
        searcher: of the index, as it is searched where a request says nothing.
        words_alone: why it is searched by words alone; "": it is not.
    """

    def __init__(self, name: str, searcher: Searcher, words_alone: str = "") -> None:
        super().__init__(name)
        self.searcher, self.words_alone = searcher, words_alone

    @classmethod
    def open(cls, name: str, run: str, options: ServedModelOptions) -> ServedIndex:
        """Open an index with its model.

        Args:
            name: in addresses.
            run: its folder.
            options: how models are opened; an index says for itself which it has, and how much that reads.

        Raises:
            UserError: it is damaged, or cannot be searched as it is by default.
        """
        if unread := [flag_of(name) for name in sorted(options.given) if name in _of_models()]:
            reporting.current().note(f"{run}: an index, of which {', '.join(unread)} says nothing")
        given = {name: getattr(options, name) for name in OWN if name in options.given}
        searcher = Searcher.of(SearchOptions(index=Path(run), **given))
        words_alone = ""
        try:
            _ = searcher.asked  # opened here and not when the first one asks
        except UserError as error:
            if searcher.way.reads_vectors:
                raise
            words_alone = error.message
            reporting.current().note(f"{run}: searched by words alone: {words_alone}")
        return cls(name, searcher, words_alone)

    @property
    def kind(self) -> str:
        return "search"

    @property
    def runs_on(self) -> str:
        return f"{self.searcher.index.entry.documents:,} documents, {self.searcher.way}"

    @property
    def routes(self) -> Sequence[str]:
        return ("search",)

    @property
    def options(self) -> Mapping[str, FieldInfo]:
        """The options that a request may set, by name."""
        return {name: SearchOptions.model_fields[name] for name in OPTIONS}

    @cached_property
    def form(self) -> form.Form:
        first = table.at(self.searcher.index.passages.select(["text"]), [0]).column("text")[0].as_py()
        return form.of_index(" ".join(first.split()[:EXAMPLE_WORDS]), self.options, EXAMPLE_OPTIONS)

    def _made(self, key: str, options: Mapping[str, Any]) -> Search:
        with options_refused(options), reporting.silent(), reporting.listening() as heard:
            config = self.searcher.config.changed(**options)
            config.refuse_unread()
            searcher = self.searcher.configured(config)
            if self.words_alone and searcher.way.reads_vectors:
                raise UserError(f"--mode {searcher.way.mode}: {self.words_alone}")
        return Search(key, searcher, [in_json(message) for message in heard.warnings])

    def _read(self, variant: Search, given: Any, place: list[str | int]) -> dict[str, Any]:
        if not isinstance(given, str):
            raise ValueError(f"is {kind_of(given)}; give a text")
        if not given.strip():
            raise ValueError("is empty")
        return {"query": given}

    def prepared(
        self, variant: Search, keys: Sequence[Key], read: Sequence[Mapping[str, Any]], *, wait: bool = True
    ) -> list[Question]:
        return [Question(key, one["query"]) for key, one in zip(keys, read, strict=True)]

    def computed(
        self, variant: Search, units: Sequence[Question], writing: Any = None
    ) -> Iterator[list[tuple[int, dict[str, Any]]]]:
        searcher, texts = variant.searcher, [unit.text for unit in units]
        before = searcher.cut
        outcomes = searcher.outcomes(texts)
        long = [bool(searcher.asked.cut([text])) for text in texts] if searcher.cut > before else [False] * len(texts)
        yield [(i, _told(outcome, cut=cut)) for i, (outcome, cut) in enumerate(zip(outcomes, long, strict=True))]

    def example(self) -> str:
        query: str = self.form["example"]["query"]
        return query

    @property
    def example_options(self) -> Mapping[str, Any]:
        return EXAMPLE_OPTIONS


def _of_models() -> set[str]:
    """The options of the command that are of models alone."""
    return ServedModelOptions.model_fields.keys() - set(OWN)


def _told(outcome: Outcome, *, cut: bool) -> dict[str, Any]:
    """What came of a question: `found`, `chance` (null: nothing is known of it), and whether its end was not read."""
    told = outcome.record()
    chance = {name: told[name] for name in ("best", "threshold", "false_answer", "estimate") if name in told}
    made = {"found": [_numbers(hit) for hit in told["found"]], "chance": chance or None}
    return {**made, "cut": True} if cut else made


def _numbers(value: Any) -> Any:
    """A value of a column as JSON has it, which knows no number that is none."""
    if isinstance(value, Mapping):
        return {name: _numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
