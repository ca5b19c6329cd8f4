"""A run as one web page that can be handed on: what it is, how good, where it is wrong, how to repeat it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlpkit import page
from nlpkit.experiment import calibration, spreads
from nlpkit.metrics.selective import COVERAGE
from nlpkit.options import flag_of
from nlpkit.overview import mistakes
from nlpkit.overview.found import Found
from nlpkit.overview.run import Run, parameters
from nlpkit.reporting import counted, duration
from nlpkit.runs import costs, standing
from nlpkit.runs.few import few_rows, interval_notes, with_figures
from nlpkit.runs.files import ornament
from nlpkit.runs.folder import baselines_of, human_bytes

SHOWN_MISTAKES = 20
OPEN_MISTAKES = 5  # the others unfold
SHOWN_CONFUSED = 20
LONGEST_OPEN = 20  # groups of a table that is open: what is below a longer one would not be found
LARGEST_PICTURE = 2_000_000  # bytes of a picture that the page holds

_STYLE = """
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .6rem; margin: 1.2rem 0 }
.facts div { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .8rem }
.facts b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums }
.facts span { font-size: .85rem; opacity: .75 }
.mistake { border-bottom: 1px solid var(--line); padding: .6rem 0 }
.mistake p.text { white-space: pre-wrap; overflow-wrap: anywhere }
.answer { display: flex; flex-wrap: wrap; gap: .1rem 1.4rem; overflow-wrap: anywhere }
.said { font-size: .9rem; opacity: .8; overflow-wrap: anywhere }
mark { color: inherit; padding: .1em .2em; border-radius: .25em; background: var(--mark) }
mark b { font-size: .7em; margin-left: .4em }
.label { --mark: #4d9a5744 } .prediction { --mark: #b8505a44 } .both { --mark: #e0803a55 }
pre { background: color-mix(in srgb, currentcolor 6%, transparent); padding: .7rem .9rem; border-radius: .4rem;
  white-space: pre-wrap; overflow-wrap: anywhere; font: .85rem/1.45 ui-monospace, monospace }
summary { cursor: pointer; margin: .5rem 0 }
@media print { .mistake, .facts div, pre { break-inside: avoid } }
"""


@dataclass(frozen=True)
class Told:
    """What a page says besides what the folder holds.

    Attributes:
        options: those that the user set, by name.
        repeat: the command line that repeats the run, None where its command is not known.
        use: snippets by what they are for: how to use the model.
        written: by whom and when, for the foot of the page.
    """

    options: Mapping[str, Any]
    repeat: str | None
    use: Mapping[str, str]
    written: str


def html(found: Found, told: Told) -> str:
    """The page."""
    return "".join(_parts(found, told))


def _parts(found: Found, told: Told) -> Iterator[str]:
    run = found.run
    yield page.head(f"{run.name}: nlpkit {run.command or 'run'}", page.DOCUMENT + _STYLE)
    yield f"<h1>{page.text(run.name)}</h1>\n<p class=verdict>{page.text(_is(run))}\n"
    if not run.complete:
        yield from _unfinished(found)
    yield _facts(found)
    yield from _figures(run)
    yield from _several(run)
    yield from _before_and_after(run)
    yield from _details(run)
    yield from _pictures(run)
    wrong = run.mistakes()
    yield from _confused(wrong)
    yield from _mistakes(wrong)
    yield from _data(run)
    yield from _options(run, told)
    yield from _environment(run)
    yield from _use(told)
    yield f"<footer>{page.text(told.written)}</footer>\n"


def _heading(title: str) -> str:
    return f"<h2>{page.text(title)}</h2>\n"


def _is(run: Run) -> str:
    """What the run is, in one sentence."""
    kind = f" ({run.problem})" if run.problem else ""
    labels = (run.record.get("task") or {}).get("labels") or []
    parts = [f"{run.task}{kind}" if run.task else str(run.command or "a run")]
    parts += [counted(len(labels), "label", "labels")] if labels else []
    parts += [f"made with nlpkit {run.command}"] if run.command and run.task else []
    parts += [f"from {run.model}"] if run.model else []
    parts += [f"on {run.data}"] if run.data else []
    parts += [f"{run.date:%Y-%m-%d %H:%M %z}"] if run.date else []
    return ", ".join(parts)


def _unfinished(found: Found) -> Iterator[str]:
    said = {"running": "This run is still at work", "interrupted": "This run has not come to its end"}
    said |= {"failed": "This run was ended by an error"}
    message = said.get(found.status, "This run is not complete")
    yield f"<div class=warning><h3><b class=level>{found.status}</b></h3><p>{message}: {page.text(found.note)}</div>\n"


def _facts(found: Found) -> str:
    """The few figures that are looked for first."""
    run, metric = found.run, found.run.main_metric
    facts: list[tuple[str, str]] = []
    split = next((name for name in ("test", "validation", *run.metrics) if name in run.metrics), None)
    if metric is not None and split is not None and (figure := run.figure(split, metric)) is not None:
        value, _, bounds = str(figure).partition(" (")
        facts.append((value, f"{metric} on {split}" + (f" ({bounds}" if bounds else "")))
    if run.parameters is not None:
        facts.append((parameters(run.parameters), "parameters"))
    facts.append((human_bytes(found.size), "on disk"))
    if run.seconds is not None:
        facts.append((duration(run.seconds), "of training" if run.record.get("train_seconds") else "of work"))
    return f"<div class=facts>{''.join(map(_fact, facts))}</div>\n"


def _fact(fact: tuple[str, str]) -> str:
    value, name = map(page.text, fact)
    return f"<div><b>{value}</b><span>{name}</span></div>"


def _figures(run: Run) -> Iterator[str]:
    record, metrics = run.record, run.metrics
    if not metrics:
        return
    asked = record.get("table_metrics") or list(dict.fromkeys(name for each in metrics.values() for name in each))
    names = [name for name in asked if any(name in figures for figures in metrics.values())]
    judged, bases = record.get("judged") or {}, baselines_of(record)
    rows: list[list[Any]] = []
    for split in with_figures(metrics, names):
        cells = [figure and str(figure) for figure in (run.figure(split, name) for name in names)]
        named = standing.title(split, standing.drawn_in(record, split))
        rows.append([named, "this model" if bases else None, judged.get(split), *cells])
        for base in bases:
            beside = base["metrics"].get(split) or {}
            rows.append([split, base["name"], judged.get(split), *(beside.get(name) for name in names)])
    header = ["split", "model", "rows", *names]
    if not bases:
        header, rows = ["split", "rows", *names], [[row[0], *row[2:]] for row in rows]
    yield _heading("Figures") + page.table("", header, rows, bars=False)
    said = few_rows({split: count for split, count in judged.items() if split != "train"})
    said += [f"{name}: {note}" for name, note in (record.get("metric_notes") or {}).items() if name in names]
    said += interval_notes(record)
    said += calibration.lines(record)
    said += [_beside_baseline(split, found) for split, found in (record.get("differences") or {}).items()]
    yield page.listed(said, "said")
    if (cost := costs.table(record)) is not None:
        yield _heading("What they cost") + page.table("", cost.header, [list(row) for row in cost.rows], bars=False)
        yield page.listed(costs.lines(record), "said")
    more = {split: {n: v for n, v in figures.items() if n not in names} for split, figures in metrics.items()}
    if others := list(dict.fromkeys(name for figures in more.values() for name in figures)):
        body = [[name, *(more[split].get(name) for split in metrics)] for name in others]
        yield _folded("All other metrics", page.table("", ["metric", *metrics], body, bars=False))
    if later := record.get("evaluations"):
        body = [
            [str(entry.get("date", ""))[:16], ((entry.get("data") or {}).get("spec") or ""), split, name, value]
            for entry in later
            if isinstance(entry, dict)
            for split, figures in (entry.get("metrics") or {}).items()
            for name, value in figures.items()
            if name in (*names, COVERAGE)
        ]
        yield page.table("Judged later", ["when", "data", "split", "metric", "value"], body, texts=True)


def _several(run: Run) -> Iterator[str]:
    """The figures of folds and of seeds, where the run has some."""
    said = {"cv": (spreads.of_folds, spreads.said_of_folds), "seeds": (spreads.of_seeds, spreads.said_of_seeds)}
    for name, (table_of, lines_of) in said.items():
        if run.complete and run.record.get(name):
            table = table_of(run.record)
            body = [
                [cell if cell is None or isinstance(cell, int | float) else str(cell) for cell in row]
                for row in table.rows
            ]
            yield _heading(table.title[0].upper() + table.title[1:]) + page.table("", table.header, body, bars=False)
            yield page.listed(lines_of(run.record), "said")


def _beside_baseline(split: str, found: Mapping[str, Any]) -> str:
    """Whether the model is better than its baseline by more than the draw of rows."""
    said = {"model": "better than the baseline", "baseline": "worse than the baseline"}
    verdict = said.get(str(found.get("better")), "not told apart from the baseline")
    return f"{split}: {verdict} ({found['metric']} {found['value']:+.4f}, {found['test']})"


def _folded(title: str, inner: str) -> str:
    return f"<details><summary>{page.text(title)}</summary>\n{inner}</details>\n"


def _before_and_after(run: Run) -> Iterator[str]:
    """What a smaller model costs, and where it comes from."""
    price, lineage = run.record.get("price"), run.record.get("lineage")
    if price:
        metric = price["main_metric"]
        yield _heading("Before and after")
        timed = all(side.get("p50_ms") is not None for side in price["sides"])
        header = ["model", metric, "points lost", "parameters", "size", *(["p50 ms", "rows/s"] if timed else [])]
        body = [[side["name"], side["metrics"].get(metric), *_sized(side, timed)] for side in price["sides"]]
        of = standing.title(price["split"], price.get("drawn_from"))
        yield page.table(f"{of}, {price['rows']:,} rows", header, body, bars=False)
        measured = f"measured on {', '.join(dict.fromkeys(price['device']))}, {price['date'][:16]}"
        yield page.listed([*standing.lines(price), measured], "said")
    if lineage:
        metric = str(run.main_metric)
        header = ["made by", "model", metric, "parameters", "size"]
        body = [
            [step.get("command") or "", step["name"], step["metrics"].get(metric), _millions(step), _size(step)]
            for step in lineage
        ]
        yield page.table("What it comes from, the first model first", header, body, bars=False)
    if isinstance(front := run.record.get("front"), list):
        body = [[f"{point['sparsity']:g}", point["run"], _last_figure(point["price"])] for point in front]
        metric = front[0]["price"]["main_metric"] if front else "figure"
        yield _heading("Its runs") + page.table("", ["sparsity", "folder", metric], body, bars=False)


def _sized(side: Mapping[str, Any], timed: bool) -> list[Any]:
    lost = side.get("points_lost")
    cells = [None if lost is None else f"{lost:.2f}", _millions(side), _size(side)]
    return [*cells, f"{side['p50_ms']:.2f}", f"{side['rows_per_second']:,.0f}"] if timed else cells


def _millions(side: Mapping[str, Any]) -> str:
    return parameters(side["parameters"])


def _size(side: Mapping[str, Any]) -> str:
    return human_bytes(side["bytes"])


def _last_figure(price: Mapping[str, Any]) -> Any:
    return price["sides"][-1]["metrics"].get(price["main_metric"])


def _details(run: Run) -> Iterator[str]:
    """Figures by class, or by what else the task breaks them down; those of the split that was held out are open, but
    for long ones."""
    details = {split: list(_tables_of(values)) for split, values in (run.record.get("details") or {}).items()}
    details = {split: tables for split, tables in details.items() if tables}
    if not details:
        return
    yield _heading("In detail")
    held_out = next((split for split in ("test", "validation") if split in details), next(iter(details)))
    for split in sorted(details, key=lambda name: name != held_out):
        tables = "".join(_groups(f"{split}, {name}", header, rows) for name, header, rows in details[split])
        yield tables if split == held_out else _folded(f"{split}, the same", tables)


def _groups(title: str, header: list[str], rows: list[list[Any]]) -> str:
    if len(rows) <= LONGEST_OPEN:
        return page.table(title, header, rows)
    return _folded(f"{title}: {len(rows):,}", page.table("", header, rows))


def _tables_of(details: Any) -> Iterator[tuple[str, list[str], list[list[Any]]]]:
    """The details of a split that are figures by group: name, header and rows of each table."""
    for name, groups in details.items() if isinstance(details, Mapping) else ():
        if not isinstance(groups, Mapping):
            continue
        named = {group: values for group, values in groups.items() if isinstance(values, Mapping)}
        columns = list(dict.fromkeys(column for values in named.values() for column in values))
        if named and columns:
            rows = [[group, *(values.get(column) for column in columns)] for group, values in named.items()]
            yield name.replace("_", " "), ["", *columns], rows


def _pictures(run: Run) -> Iterator[str]:
    files = sorted((run.path / "plots").glob("*.png")) if (run.path / "plots").is_dir() else []
    if not files:
        return
    yield _heading("Pictures")
    for file in files:
        title = file.stem.replace("_", " ")
        picture: str | None = None
        with ornament(f"the picture of {title}"):
            picture = _inlined(file)
        if picture is not None:
            yield f"<h3>{page.text(title)}</h3>\n{picture}\n"


def _inlined(file: Path) -> str | None:
    """A picture as the page holds it; None for one that is empty."""
    size = file.stat().st_size
    if not size:
        return None
    if size > LARGEST_PICTURE:
        return f"<p class=said>{page.text(file.name)} is {human_bytes(size)}, too large for a page: it is in plots/"
    content = base64.b64encode(file.read_bytes()).decode()
    return f'<img alt="{page.text(file.stem)}" src="data:image/png;base64,{content}">'


def _confused(wrong: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    pairs = mistakes.confused(wrong)
    if not pairs:
        return
    body = [[pair.label, pair.prediction, pair.times] for pair in pairs]
    yield _heading("Most confused")
    yield page.table("", ["label", "answered", "how often"], body[:SHOWN_CONFUSED])
    if rest := body[SHOWN_CONFUSED:]:
        yield _folded(f"{len(rest):,} more pairs", page.table("", ["label", "answered", "how often"], rest))


def _mistakes(wrong: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not wrong:
        return
    yield _heading("Most confident mistakes")
    split = wrong[0].get("split")
    yield (
        f"<p class=said>{min(len(wrong), SHOWN_MISTAKES):,} of {len(wrong):,} on {page.text(str(split))}; all are in "
        "errors.jsonl. Some of these labels may be wrong themselves."
    )
    if any(len(mistakes.parts(each)) > 1 for each in wrong[:SHOWN_MISTAKES]):
        yield "<p class=said><mark class=label>labelled</mark> <mark class=prediction>answered</mark> "
        yield "<mark class=both>both</mark>\n"
    shown = [_mistake(each) for each in wrong[:SHOWN_MISTAKES]]
    yield "".join(shown[:OPEN_MISTAKES])
    if rest := shown[OPEN_MISTAKES:]:
        yield _folded(f"{len(rest):,} more", "".join(rest))


def _mistake(mistake: Mapping[str, Any]) -> str:
    lines = ["<div class=mistake>"]
    if mistake.get("text"):
        lines.append(f"<p class=text dir=auto>{''.join(map(_part, mistakes.parts(mistake)))}")
    told = mistakes.others(mistake)
    if "label" in mistake:
        told = {"labelled": mistakes.named(mistake["label"]), **told}
    told["answered"] = mistakes.named(mistake.get("prediction"))
    if isinstance(score := mistake.get("score"), int | float):
        told["score"] = f"{score:.4f}"
    said = [f"<span>{page.text(name)} <b dir=auto>{page.text(value)}</b></span>" for name, value in told.items()]
    lines.append(f"<p class=answer>{' '.join(said)}")
    lines.append(f"<p class=said>{page.text(str(mistake.get('where', '')))}</div>\n")
    return "\n".join(lines)


def _part(part: mistakes.Part) -> str:
    if not part.kind:
        return page.text(part.text)
    return f"<mark class={part.kind}>{page.text(part.text)}<b>{page.text(part.name)}</b></mark>"


def _data(run: Run) -> Iterator[str]:
    record = run.record
    data = (record.get("parents") or {}).get("data") or {}
    files = data.get("files") or {}
    by_split = files if isinstance(files, dict) else {"text": files}
    body = [
        [split, file["path"], file["bytes"], file["sha256"][:16]] for split, given in by_split.items() for file in given
    ]
    if not (run.rows or body or run.findings):
        return
    yield _heading("Data")
    if run.rows:
        yield page.table("Rows", ["split", "rows"], [[split, count] for split, count in run.rows.items()])
    if body:
        yield page.table("Files", ["split", "file", "bytes", "SHA-256 begins"], body, texts=True)
    labels = [str(label) for label in (record.get("task") or {}).get("labels") or []]
    if labels:
        yield _folded(counted(len(labels), "label", "labels"), page.listed(labels))
    for finding in run.findings:
        yield page.finding(finding)


def _options(run: Run, told: Told) -> Iterator[str]:
    if not run.config:
        return
    yield _heading("Options")
    body = [[flag_of(name), _option(value)] for name, value in told.options.items()]
    yield page.table("Set by the user", ["option", "value"], body, texts=True) if body else "<p>Nothing was set.\n"
    others = [[flag_of(name), _option(value)] for name, value in run.config.items() if name not in told.options]
    yield _folded("All others, as they are by default", page.table("", ["option", "value"], others, texts=True))


def _option(value: Any) -> str:
    """The value of an option as it is written in a file of options."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _environment(run: Run) -> Iterator[str]:
    record = run.record
    told = {"device": record.get("device"), "seed": record.get("seed"), "processes": record.get("processes")}
    told |= {"steps": record.get("steps"), "best step": record.get("best_step"), "epochs": record.get("epochs")}
    told |= record.get("versions") or {}
    body = [[name, str(value)] for name, value in told.items() if value is not None]
    if body:
        yield _heading("Where it was made") + page.table("", ["what", "value"], body, texts=True)


def _use(told: Told) -> Iterator[str]:
    if told.use:
        yield _heading("How to use it")
    for title, snippet in told.use.items():
        yield f"<h3>{page.text(title)}</h3>\n<pre>{page.text(snippet)}</pre>\n"
    if told.repeat:
        yield f"{_heading('How to repeat it')}<pre>{page.text(told.repeat)}</pre>\n"
