"""What index.json says of an index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from nlpkit import nearby
from nlpkit.errors import UserError
from nlpkit.runs.files import small_text, write_json
from nlpkit.vectors.made import Made

FILE = "index.json"
SCHEMA = 1
AGAIN = "Make it again: nlpkit index --data FILE --output {} --overwrite"

Mode = Literal["dense", "bm25", "hybrid"]
Fusion = Literal["average", "rrf"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, protected_namespaces=(), frozen=True)


class Chance(_Part):
    """How alike the best document is to questions that have no answer: what a score is worth.

    Attributes:
        best: the best score of each such question, in ascending order.
        source: what these questions were, in words.
    """

    best: list[float]
    source: str


class QuickSettings(_Part):
    """How questions are embedded without torch, see `quick`.

    Attributes:
        prompt: stands before each question.
        max_length: tokens that are read, None for all.
        lower_case: whether texts are in lower case before the tokenizer sees them.
    """

    prompt: str
    max_length: int | None
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
    weight: float
    figures: dict[str, Any]
    source: str


class IndexRecord(_Part):
    """See the module's docstring.

    Attributes:
        schema_version: of this record.
        version: of nlpkit.
        parts: the folder, inside that of the index, with the files that belong to this record.
        measure: how vectors are compared.
        model: the options that its model is opened with.
        digest: SHA-256 of the model's weights and vocabulary.
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
    """

    schema_version: int
    version: str
    parts: str
    made: dict[str, Any]
    measure: Literal["cosine", "dot"]
    model: dict[str, Any]
    prompts: dict[str, str]
    documents: int
    passages: int
    empty: int
    passage_tokens: int | None
    overlap: int
    graph: float | None
    loss: dict[str, Any] | None
    ways: Ways
    chance: dict[str, Chance]
    max_false_answers: float
    quick: QuickSettings | None
    config: dict[str, Any]
    settled: dict[str, Any]

    def made_with(self, where: object) -> Made:
        """What its vectors were made with."""
        return Made.of(self.made, where)

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
        found.made_with(path)
        if Path(found.parts).name != found.parts:
            raise ValueError(f"{found.parts!r} is no name of a folder in it")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path} is damaged: {place}: {first['msg']}", AGAIN.format(folder)) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}", AGAIN.format(folder)) from None
    return found
