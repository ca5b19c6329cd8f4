"""What index.json says of an index."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nlpkit import nearby
from nlpkit.errors import UserError
from nlpkit.runs.files import small_text, write_json
from nlpkit.vectors.made import Made

FILE = "index.json"
PART = "part-"  # begins the name of a folder of files that belong together
SCHEMA = 1
AGAIN = "Make it again: nlpkit index --data FILE --output {} --overwrite"

Mode = Literal["dense", "bm25", "hybrid"]
Fusion = Literal["average", "rrf"]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    """The index may be someone else's: whatever it says is looked at."""

    model_config = ConfigDict(extra="ignore", strict=True, protected_namespaces=(), frozen=True, allow_inf_nan=False)


class Chance(_Part):
    """How alike the best document is to questions that have no answer: what a score is worth.

    Attributes:
        best: the best score of each such question, in ascending order.
        source: what these questions were, in words.
        estimate: whether they stand in for what is really asked: then no share of false answers is promised.
    """

    best: Annotated[list[float], Field(min_length=1)]
    source: str
    estimate: bool = False

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if any(later < earlier for earlier, later in itertools.pairwise(self.best)):
            raise ValueError("the scores of `best` do not ascend")
        return self


class QuickSettings(_Part):
    """How questions are embedded without torch, see `quick`.

    Attributes:
        prompt: stands before each question.
        max_length: tokens that are read, None for all.
        lower_case: whether texts are in lower case before the tokenizer sees them.
    """

    prompt: str
    max_length: Annotated[int, Field(ge=1)] | None
    lower_case: bool


class Ways(_Part):
    """How lists of both searches are joined, and what that is known by.

    Attributes:
        mode: how this index is searched where nothing else is asked for.
        fusion: of a hybrid search.
        weight: of vectors in the average, from 0 to 1; words have the rest.
        figures: of each mode on judged questions, with intervals; empty: there were none.
        source: what was judged.
    """

    mode: Mode
    fusion: Fusion
    weight: Share
    figures: dict[str, Any]
    source: str


class IndexRecord(_Part):
    """See the module's docstring.

    Attributes:
        schema_version: of this record.
        version: of nlpkit.
        parts: name of the folder, inside that of the index, with the files that belong to this record.
        made: what its vectors are made with, see `vectors.made.Made`.
        measure: how they are compared.
        model: the options that its model is opened with.
        prompts: what stands before each "query" and each "document".
        documents, passages: how many there are.
        empty: documents without a text, which are left out.
        passage_tokens, overlap: of long documents; None: documents are whole.
        graph: recall at 10 of the graph of neighbours; None: there is none, search is exact.
        loss: what smaller codes change, see `vectors.codes.Loss`.
        ways: how it is searched.
        chance: of the "dense" and the "bm25" scores; what is not there is not known.
        max_false_answers: share of questions without an answer here that may get one.
        quick: how questions are embedded without torch; None: they are not.
        config: the options that were given.
        settled: all that decides what is stored of a text.
        words: different words of all passages; None in an index of before this was kept.
        shown: columns that every answer shows, as they are the text or the id.
    """

    schema_version: Annotated[int, Field(ge=1)]
    version: str
    parts: Annotated[str, Field(pattern=f"^{PART}[0-9]+$")]
    made: dict[str, Any]
    measure: Literal["cosine", "dot"]
    model: dict[str, Any]
    prompts: dict[str, str]
    documents: Annotated[int, Field(ge=1)]
    passages: Annotated[int, Field(ge=1)]
    empty: Count
    passage_tokens: Annotated[int, Field(ge=1)] | None
    overlap: Count
    graph: Share | None
    loss: dict[str, Any] | None
    ways: Ways
    chance: dict[Literal["dense", "bm25"], Chance]
    max_false_answers: Annotated[float, Field(gt=0, le=1)]
    quick: QuickSettings | None
    config: dict[str, Any]
    settled: dict[str, Any]
    words: Count | None = None
    shown: list[str] = []

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.documents > self.passages:
            raise ValueError(f"{self.documents:,} documents in {self.passages:,} passages")
        return self

    def made_with(self, folder: Path) -> Made:
        """What its vectors were made with.

        Args:
            folder: of the index, for the message.

        Raises:
            UserError: it does not say so, or tells of other vectors than the rest of the record.
        """
        path = folder / FILE
        try:
            made = Made.of(self.made, path)
        except UserError as error:
            raise UserError(error.message, AGAIN.format(folder)) from None
        if made.rows != self.passages:
            raise UserError(
                f"{path} is damaged: {made.rows:,} vectors of {self.passages:,} passages", AGAIN.format(folder)
            )
        return made

    def write(self, folder: Path) -> None:
        """Write it: from then on the index is what it says."""
        write_json(folder / FILE, self.model_dump(mode="json"))


def read(folder: Path) -> IndexRecord:
    """Read the record of an index.

    Raises:
        UserError: the folder is none, its record is damaged, or a later nlpkit has written it.
    """
    path = folder / FILE
    if not path.is_file():
        if not folder.exists() and (meant := nearby.nearest_path(folder)) is not None and (meant / FILE).is_file():
            raise UserError(f"there is no index {folder}", f"Did you mean {meant}?")
        if folder.is_file():
            raise UserError(
                f"{folder} is a file, and an index is a folder",
                f"Make one of it: nlpkit index --data {folder} --output {folder.with_suffix('.index')}",
            )
        what = "is no index: it has no index.json" if folder.is_dir() else "does not exist"
        raise UserError(f"{folder} {what}", f"Make one: nlpkit index --data FILE --output {folder}")
    try:
        document = json.loads(small_text(path))
        if isinstance(document, dict) and isinstance(later := document.get("schema_version"), int) and later > SCHEMA:
            raise UserError(
                f"{path} was written by a later nlpkit ({document.get('version')})", "Upgrade nlpkit to search it."
            )
        found = IndexRecord.model_validate(document)
        found.made_with(folder)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}: " for part in [".".join(str(part) for part in first["loc"])] if part)
        raise UserError(f"{path} is damaged: {place}{first['msg']}", AGAIN.format(folder)) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}", AGAIN.format(folder)) from None
    return found
