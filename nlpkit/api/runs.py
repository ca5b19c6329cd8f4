"""A finished run, opened again as the report that its command returned."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from nlpkit.api.functions import in_callers_words
from nlpkit.errors import UserError
from nlpkit.reporting import Report, Table
from nlpkit.runs.folder import read_record


def open_run(run: str | PathLike[str]) -> Report:
    """The report of a finished run: its metrics, its record, its plots.

    Args:
        run: its folder.

    Raises:
        UserError: it is no run of nlpkit, its record cannot be read, or it has not finished.
    """
    folder = Path(run)
    with in_callers_words({}):
        record = read_record(folder)
    if not record:
        raise UserError(f"{folder}: there is no finished run in it", "Name a folder with a nlpkit.json.")
    if record.get("status") != "complete":
        raise UserError(f"{folder}: this run has not finished", "resume=True goes on with it.")
    report = Report({**record, "output": str(folder)})
    if report.metrics:
        found = {name for values in report.metrics.values() for name in values}
        names = [name for name in record.get("table_metrics") or sorted(found) if name in found]
        judged = record.get("judged") or record.get("rows") or {}
        rows = [
            [split, judged.get(split), *(values.get(name) for name in names)]
            for split, values in report.metrics.items()
        ]
        report.tables.append(Table("result", ["split", "rows", *names], rows))
    report.warnings = [
        finding["message"] for finding in record.get("findings") or [] if finding.get("level") == "warning"
    ]
    return report
