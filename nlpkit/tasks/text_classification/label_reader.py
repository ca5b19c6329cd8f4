"""Reads the labels of rows, and keeps account of those that cannot be used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nlpkit.data import checks
from nlpkit.data.findings import SHOWN, Finding
from nlpkit.data.ignored import IGNORED
from nlpkit.data.labels import Labels, as_target, is_no_number, text_of
from nlpkit.reporting import counted
from nlpkit.tasks.options import FEW_UNKNOWN
from nlpkit.tasks.text_classification.label_cells import Cells
from nlpkit.tasks.text_classification.label_columns import NOT_PUBLIC
from nlpkit.tasks.unknown_labels import SHOWN_LABELS, Policy, decided, described


@dataclass
class LabelReader:
    """Reads the labels of one split.

    Attributes:
        labels: that the model has, or will have.
        cells: how they are written here.
        column: where, for messages.
        hidden: -1 stands for a label that is kept back.
    """

    labels: Labels
    cells: Cells
    column: str
    hidden: bool = False
    total: int = 0
    _left_out: dict[str, list[str]] = field(default_factory=dict)
    _kept_back: int = 0
    _none: int = 0
    _unknown: Counter[str] = field(default_factory=Counter)
    _unknown_rows: dict[int, str] = field(default_factory=dict)  # number of a row that is read -> where it stands
    _respelt: Counter[tuple[str, str]] = field(default_factory=Counter)
    _read: int = 0

    def leave_out(self, check: str, line: str) -> None:
        """Count a row that cannot be used for another reason than its label."""
        self.total += 1
        self._left_out.setdefault(check, []).append(line)

    def read(self, cell: Any, where: str) -> int | float | list[float] | None:
        """The label of a row as the model needs it; None for a row that is left out.

        A label that the model does not have is the class behind its last: see `settle`.
        """
        if self.hidden or cell is NOT_PUBLIC:
            self.total += 1
            self._kept_back += 1
            return None
        try:
            return self._parsed(self.cells.read(cell), cell, where)
        except ValueError as error:
            check = "unknown-label" if self.labels.numeric else "unreadable-label"
            self.leave_out(check, f"{where}: {self.column}={cell!r} {error}")
            return None

    def _parsed(self, value: Any, cell: Any, where: str) -> int | float | list[float] | None:
        problem = self.labels.problem
        if value is None and problem == "multi-label" and self.cells.form != "flags":
            value = []
            self._none += 1
        alone = value[0] if isinstance(value, list) and len(value) == 1 else value
        nothing = self.labels.numeric and as_target(alone) is None and is_no_number(alone)
        if value is None or nothing:
            empty = cell is None or cell == ""
            shown = f"column '{self.column}' is empty" if empty else f"{self.column}={cell!r}"
            self.leave_out("missing-label", f"{where}: {shown}")
            return None
        unknown = self.labels.unknown(value)
        if problem == "single-label" and isinstance(value, list) and len(value) != 1:
            raise ValueError(f"holds {len(value)} labels")
        parsed: int | float | list[float]
        if unknown:
            self._unknown.update(unknown)
            self._unknown_rows[self._read] = f"{where}: {self.column}={cell!r}"
            parsed = self._with_unknown(value, unknown)
        else:
            parsed = self.labels.parse(value)
            self._account(value)
        self.total += 1
        self._read += 1
        return _no_score_is_ignored(parsed) if self.labels.numeric else parsed

    def _with_unknown(self, value: Any, unknown: list[str]) -> int | list[float]:
        if self.labels.problem == "single-label":
            return self.labels.size
        names = [text_of(item) for item in (value if isinstance(value, list) else [value])]
        vector = self.labels.parse([name for name in names if name not in unknown])
        assert isinstance(vector, list)
        return [*vector, 1.0]

    def _account(self, value: Any) -> None:
        """Labels that were found although they are spelt otherwise."""
        if self.labels.numeric:
            return
        for item in value if isinstance(value, list) else [value]:
            name = text_of(item)
            if not self.labels.is_written_so(name):
                self._respelt[name, self.labels.names[self.labels.id_of(name)]] += 1

    def settle(self, labels: list[Any], split: str, policy: Policy, owner: str) -> tuple[list[int], list[Finding]]:
        """Decide about the labels that the model does not have.

        Args:
            labels: what `read` gave, without None; those of rows that are wrong are made of one width.
            split: for messages.
            policy: `None`: rows up to a share of `FEW_UNKNOWN` are wrong, more are an error.
            owner: of the known labels, for messages.

        Returns:
            Which of the labels are kept, and what was found.
        """
        findings = [self._finding(split, check, lines, policy) for check, lines in sorted(self._left_out.items())]
        rows = len(self._unknown_rows)
        asked = policy != "skip"
        if rows:
            policy = decided(policy, rows, self._read, split)
            findings.append(self._unknown_finding(split, policy, owner, asked=asked))
        if self._respelt:
            pairs = ", ".join(f"{name!r} is {known!r} ({n:,})" for (name, known), n in self._respelt.most_common(SHOWN))
            count = self._respelt.total()
            labels_are = counted(count, "label is", "labels are")
            message = f"{split}: {labels_are} spelt otherwise than those of {owner} and taken for them: {pairs}"
            findings.append(Finding("note", "respelt-label", message, count))
        if self._none:
            message = (
                f"{split}: {self._none:,} of {self.total:,} rows have an empty label cell: read as none of the labels"
            )
            findings.append(Finding("note", "empty-label", message, self._none))
        if self._kept_back:
            message = f"{split}: {counted(self._kept_back, 'row carries', 'rows carry')} the label -1 (not public)"
            findings.append(Finding("note", "unlabelled", message, self._kept_back))
        if split == "train" and self.labels.problem == "relevance" and (over := sum(label > 1 for label in labels)):
            rows_are = counted(over, "label is", "labels are")
            message = f"train: {rows_are} above 1, and a relevance is learned from 0 to 1: divide by the highest grade"
            findings.append(Finding("error", "unreadable-label", message, over))
        chosen = [i for i in range(len(labels)) if policy == "wrong" or i not in self._unknown_rows]
        if self.labels.problem == "multi-label" and policy == "wrong" and rows:
            width = self.labels.size + 1
            labels[:] = [[*vector, *[0.0] * (width - len(vector))] for vector in labels]
        stopped = any(finding.level == "error" for finding in findings)
        if self.total and not chosen and split in ("train", "validation") and not self._kept_back and not stopped:
            findings.append(checks.no_rows(split, self.total, findings))
        return chosen, findings

    def _finding(self, split: str, check: str, lines: list[str], policy: Policy) -> Finding:
        problem = {
            "empty-text": "have no text",
            "unreadable-text": "have a text that cannot be read",
            "missing-label": "have no label",
            "unreadable-label": "have a label that cannot be read",
            "unknown-label": "have a label that is not a number",
        }[check]
        message = f"{split}: {len(lines):,} of {self.total:,} rows {problem}"
        if check == "unreadable-label" and self.cells.form == "flags":
            # which label a number is about is a matter of its place: one row that is odd makes all of them doubtful
            return Finding("error", check, f"{message}: 0 or 1 for each label, in every row", len(lines), lines)
        message += " and are left out"
        many = policy == "error" or (policy is None and len(lines) > FEW_UNKNOWN * self.total)
        if many and check in ("unknown-label", "unreadable-label"):
            return Finding("error", check, f"{message} only with --unknown-labels skip", len(lines), lines)
        return Finding("warning", check, message, len(lines), lines)

    def _unknown_finding(self, split: str, policy: Policy, owner: str, *, asked: bool) -> Finding:
        count = len(self._unknown_rows)
        known = ", ".join(self.labels.names[:SHOWN_LABELS]) + (", ..." if self.labels.size > SHOWN_LABELS else "")
        end = {"wrong": " and count as wrong", "skip": " and are left out"}.get(policy or "", "")
        message = (
            f"{split}: {count:,} of {self.total:,} rows have a label that is not in {owner}{end}: "
            f"{described(self._unknown, self.labels)}; the labels of {owner} are {known}"
        )
        if policy == "error" and asked:
            message += "; write them as the model has them, or choose --unknown-labels wrong or skip"
        level: Any = "error" if policy == "error" else "warning"
        return Finding(level, "unknown-label", message, count, list(self._unknown_rows.values()))


def _no_score_is_ignored(value: Any) -> Any:
    """A score that is by chance the number that losses leave out, moved by the smallest amount there is."""
    return float(np.nextafter(np.float32(IGNORED), np.float32(0))) if value == IGNORED else value
