"""What a model and those beside it cost."""

from __future__ import annotations

from typing import Any

from nlpkit.runs import costs

SVM: dict[str, Any] = {
    "name": "TF-IDF + SVM",
    "described": "on 9 words",
    "seconds": 0.25,
    "rows_per_second": 8000.4,
    "bytes": 12_345,
    "words": {"validation": {"unknown": 1, "all": 8}},
}
RECORD: dict[str, Any] = {
    "parents": {"model": {"name": "tiny"}},
    "train_seconds": 12.34,
    "parameters": 500_000,
    "rows_per_second": 65.0,
}


def test_each_model_has_a_row_that_was_timed() -> None:
    table = costs.table({**RECORD, "baseline": SVM, "baselines": [{"name": "always a", "metrics": {}}]})
    assert table is not None
    assert table.rows == [
        ["tiny", "12.3 s", "2.0 MB", "65", None],
        ["TF-IDF + SVM", "0.2 s", "12.3 kB", "8,000", "12.5%"],
    ]
    assert costs.lines({"baseline": SVM}) == ["TF-IDF + SVM: on 9 words"]


def test_runs_without_baselines_and_of_older_versions_have_no_table() -> None:
    assert costs.table(RECORD) is None
    assert costs.table({**RECORD, "baseline": {"name": "TF-IDF + linear", "seconds": 1.0}}) is None
