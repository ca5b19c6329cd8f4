"""What nlpkit.json keeps of token classification."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nlpkit.runs.records import Part
from nlpkit.tasks.recorded import LabelledRecord, Length
from nlpkit.tasks.token_classification.tags import Scheme


class TokenColumns(Part):
    """Of the user's rows."""

    text: str
    tags: str | None


class TokenRecord(LabelledRecord):
    """Token classification."""

    labels: Annotated[list[str], Field(min_length=1)]
    scheme: Scheme
    columns: TokenColumns
    max_length: Length
    training_length: Length = None
