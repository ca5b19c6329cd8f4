"""A finished run, opened again as the report that its command returned."""

from __future__ import annotations

from os import PathLike

from nlpkit.api.functions import in_callers_words
from nlpkit.errors import UserError
from nlpkit.overview.run import Run
from nlpkit.reporting import Report, Table, figures, titled
from nlpkit.runs.few import with_figures


def open_run(run: str | PathLike[str]) -> Report:
    """The report of a finished run: its metrics, its record, its plots.

    Args:
        run: its folder.

    Raises:
        UserError: it is no run of nlpkit, its record cannot be read, or it has not finished.
    """
    with in_callers_words({}):
        made = Run.open(str(run))
    if not made.complete:
        raise UserError(f"{made.path}: this run has not finished", "resume=True goes on with it.")
    record = dict(made.record)
    report = Report({**record, "output": str(made.path)})
    if made.metrics:
        found = {name for values in made.metrics.values() for name in values}
        names = [name for name in record.get("table_metrics") or sorted(found) if name in found]
        judged = record.get("judged") or made.rows
        between = record.get("metric_intervals") or {}
        rows = [
            [split, judged.get(split), *figures(made.metrics[split], between.get(split), names)]
            for split in with_figures(made.metrics, names)
        ]
        header = ["split", "rows", *titled(names, record.get("metric_notes") or {})]
        report.tables.append(Table("result", header, rows))
    report.warnings = [str(found["message"]) for found in made.findings if found["level"] == "warning"]
    return report
