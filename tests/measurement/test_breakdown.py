"""Figures of groups of rows: by a column, a file that is aligned line by line, or the files of the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import every_task
import pytest
from conftest import RunOf, rows, write_jsonl

from nlpkit.errors import UserError
from nlpkit.recipes import evaluate
from nlpkit.reporting import Report
from nlpkit.tasks.roles import Judged

CPU: dict[str, Any] = {"device": "cpu", "threads": 1, "save": False}


def measured(folder: Path, data: object, **options: Any) -> Report:
    return evaluate.run(evaluate.Config(model=str(folder), data=str(data), **CPU, **options))


def languages(folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    """Rows in two languages, one of them without a text, and one of no language."""
    made = [{**row, "language": ("en", "de", "en")[i % 3]} for i, row in enumerate(rows(24, 5))]
    made[4]["text"], made[7]["language"] = "", ""
    return write_jsonl(folder / "rows.jsonl", made), made


@pytest.mark.parametrize("kind", every_task.kinds(Judged))
def test_the_figures_of_a_group_are_those_of_its_rows_alone(kind: str, run_of: RunOf, tmp_path: Path) -> None:
    data = next((run_of(kind).parent / "data").glob("validation.*"))
    whole = measured(run_of(kind), data)
    ((split, all_rows),) = whole.record["rows"].items()
    lines = ["a" if i % 3 else "b" for i in range(all_rows)]
    (tmp_path / "groups.txt").write_text("\n".join(lines) + "\n")
    report = measured(run_of(kind), data, breakdown_by=str(tmp_path / "groups.txt"))
    assert report.metrics == whole.metrics
    groups = report.record["breakdown"]["groups"][split]
    assert {name: group["rows"] for name, group in groups.items()} == {"a": lines.count("a"), "b": lines.count("b")}
    if data.suffix != ".jsonl":
        return
    parts = data.read_text().splitlines()
    for name, group in groups.items():
        some = tmp_path / f"{name}.jsonl"
        some.write_text("\n".join(row for row, of in zip(parts, lines, strict=True) if of == name) + "\n")
        (alone,) = measured(run_of(kind), some).metrics.values()
        wanted = {metric: alone[metric] for metric in group["metrics"]}
        assert group["metrics"] == pytest.approx(wanted, rel=1e-3, abs=1e-4, nan_ok=True)  # in other batches
        assert {cut.split(" of ")[0] for cut in report.tables[1].header[2:]} <= set(alone)
        assert set(group["metric_intervals"]) <= set(wanted)


def test_each_row_is_in_one_group_and_those_left_out_are_counted(trained: Path, tmp_path: Path) -> None:
    data, made = languages(tmp_path)
    report = measured(trained, data, breakdown_by="Language")
    (groups,) = report.record["breakdown"]["groups"].values()
    assert {name: (group["rows"], group["rows_left_out"]) for name, group in groups.items()} == {
        "en": (16, 0),
        "de": (6, 1),
        "(none)": (1, 0),
    }
    assert sum(group["rows"] for group in groups.values()) == sum(report.record["rows"].values()) == len(made) - 1
    assert report.tables[1].header[:3] == ["group", "rows", "left out"]
    assert any(line.endswith("23 rows in 3 groups") for line in report.lines)


def test_each_group_has_its_share_of_answers_that_are_sure(trained: Path, tmp_path: Path) -> None:
    data, _ = languages(tmp_path)
    whole = measured(trained, data, min_score=0).record
    (details,) = whole["details"].values()
    least = details["coverage"]["table"][-1]["min_score"]
    report = measured(trained, data, breakdown_by="language", min_score=least)
    (metrics,) = report.record["metrics"].values()
    (groups,) = report.record["breakdown"]["groups"].values()
    judged = {"en": 16, "de": 6, "(none)": 1}
    shares = {name: group["metrics"]["coverage"] for name, group in groups.items()}
    assert shares == {name: groups[name]["rows"] / count for name, count in judged.items()}
    assert sum(group["rows"] for group in groups.values()) == round(metrics["coverage"] * 23)
    assert groups["de"]["rows_left_out"] == 1  # the row without a text: one whose answer is not sure enough was judged


def test_groups_are_the_files_of_the_data(trained: Path, tmp_path: Path) -> None:
    for name, count in (("de", 6), ("en", 12)):
        write_jsonl(tmp_path / f"{name}.jsonl", rows(count, count))
    report = measured(trained, tmp_path / "*.jsonl", breakdown_by="files")
    (groups,) = report.record["breakdown"]["groups"].values()
    assert {Path(name).stem: group["rows"] for name, group in groups.items()} == {"de": 6, "en": 12}
    (alone,) = measured(trained, tmp_path / "de.jsonl").metrics.values()
    german = next(group["metrics"] for name, group in groups.items() if name.endswith("de.jsonl"))
    assert german["accuracy"] == pytest.approx(alone["accuracy"])


def test_a_sample_keeps_the_groups_of_its_rows(trained: Path, tmp_path: Path) -> None:
    data, made = languages(tmp_path)
    (tmp_path / "groups.txt").write_text("".join(f"{row['language'] or 'none'}\n" for row in made))
    sampled = {"max_eval_samples": 9}
    by_file = measured(trained, data, breakdown_by=str(tmp_path / "groups.txt"), **sampled)
    by_column = measured(trained, data, breakdown_by="language", **sampled)
    (groups,) = by_file.record["breakdown"]["groups"].values()
    (wanted,) = by_column.record["breakdown"]["groups"].values()
    assert json.dumps(groups) == json.dumps({name.strip("()"): group for name, group in wanted.items()})
    assert sum(group["rows"] + group["rows_left_out"] for group in groups.values()) == 9


def test_what_makes_no_groups(trained: Path, tmp_path: Path) -> None:
    data, _ = languages(tmp_path)
    (tmp_path / "short.txt").write_text("en\nde\n")
    for by, message in (
        (str(tmp_path / "short.txt"), "has 2 lines, and rows.jsonl 24 rows"),
        ("langage", "there is no --breakdown-by column 'langage'"),
        (str(tmp_path / "none.txt"), "there is no --breakdown-by column"),
    ):
        with pytest.raises(UserError) as error:
            measured(trained, data, breakdown_by=by)
        assert message in error.value.message
    many = write_jsonl(tmp_path / "many.jsonl", [{**row, "id": i} for i, row in enumerate(rows(1_001, 1))])
    with pytest.raises(UserError, match="would have 1,001 groups of 1,001 rows"):
        measured(trained, many, breakdown_by="id")


def test_questions_of_a_search_are_grouped_too(run_of: RunOf, tmp_path: Path) -> None:
    documents = [{"_id": f"d{i}", "text": row["text"]} for i, row in enumerate(rows(12, 3))]
    queries = [{"_id": f"q{i}", "text": row["text"]} for i, row in enumerate(rows(4, 4))]
    write_jsonl(tmp_path / "corpus.jsonl", documents)
    write_jsonl(tmp_path / "queries.jsonl", queries)
    (tmp_path / "qrels").mkdir()
    judged = "".join(f"q{i}\td{i}\t1\n" for i in range(4))
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    kinds = tmp_path.parent / "kinds.txt"
    kinds.write_text("a\nb\na\nb\n")
    report = measured(run_of("embedding"), tmp_path, breakdown_by=str(kinds))
    (whole,) = report.metrics.values()
    (groups,) = report.record["breakdown"]["groups"].values()
    means = [groups[name]["metrics"]["ndcg@10"] for name in ("a", "b")]
    assert sum(means) / 2 == pytest.approx(whole["ndcg@10"])
    json.dumps(report.record)
