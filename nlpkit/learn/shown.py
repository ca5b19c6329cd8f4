"""What a topic has to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nlpkit.reporting import Table

if TYPE_CHECKING:
    from nlpkit.runs.plots import Plot


@dataclass(frozen=True)
class Shown:
    """What a topic has found.

    Attributes:
        record: JSON values, for `--json` and nlpkit.json.
        tables, lines: what people are told.
        plots: by name of the file in plots/, without its suffix.
    """

    record: dict[str, Any]
    tables: list[Table] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    plots: Mapping[str, Plot] = field(default_factory=dict)
