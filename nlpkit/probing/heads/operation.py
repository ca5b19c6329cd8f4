"""`probe --what heads` and `probe --what attention`, from the options to a folder."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.markdown import code, text
from nlpkit.models import attention
from nlpkit.nearby import nearest
from nlpkit.probing.heads import pictures, reading, study, told
from nlpkit.probing.heads.relations import FEWEST
from nlpkit.probing.opened import Opened, open_model
from nlpkit.probing.told import unread_lines
from nlpkit.probing.written import as_markdown
from nlpkit.reporting import Report, Table, counted
from nlpkit.runs import plots
from nlpkit.runs.files import ornament, write_json
from nlpkit.runs.folder import RunFolder, versions

if TYPE_CHECKING:
    from nlpkit.probing.heads.reading import Split
    from nlpkit.probing.heads.study import Heads, Parsed
    from nlpkit.probing.options import ProbeOptions
    from nlpkit.runs.plots import Plot

CARD = "README.md"


@dataclass(frozen=True)
class Shown:
    """What came out, in all the forms that it has.

    Attributes:
        tables, lines: for people.
        record: JSON values.
        metrics: the figures of nlpkit.json.
        drawings: by the name of the picture, with what stands below it.
        meant: what the figures mean, for the card.
    """

    tables: Sequence[Table]
    lines: Sequence[str]
    record: Mapping[str, Any]
    metrics: Mapping[str, float]
    drawings: Mapping[str, tuple[Plot, str]]
    meant: str


def probe(config: ProbeOptions, command: str, folder: RunFolder, started: float) -> Report:
    """Look at the heads of a model, write the folder; returns its tables and figures.

    Raises:
        UserError: the architecture has no attention, the data have no dependencies, or there are too few of them.
    """
    opened = open_model(config)
    attention.require(opened.model, config.model)
    given = reading.open_texts(config) if config.what == "heads" else reading.open_sentences(config)
    train, validation = given.train, given.validation
    _require_relations(config.label, train, validation)
    reporting.current().plan(command, _plan(config, opened, train, validation, folder))
    for split, part in (("train", train), ("validation", validation)):
        for line in unread_lines(split, part.unread):
            reporting.current().warn(line)
        if (usable := part.rows - sum(map(len, part.unread.values()))) > len(part.sentences):
            reporting.current().note(
                f"{split}: {len(part.sentences):,} of {usable:,} rows drawn, with {part.words:,} words "
                f"(--max-words {config.max_words:,})"
            )
    sentences = [*train.sentences, *validation.sentences]
    of_train = np.arange(len(sentences)) < len(train.sentences)
    if config.what == "heads":
        shown = _heads(study.heads(opened, sentences, of_train, given.kind), config)
    else:
        shown = _parsed(study.attention(opened, sentences, of_train, config.seed))
    head = {
        "what": config.what,
        "model": config.model,
        "described": opened.described,
        "data": config.data or ", ".join(config.train_file),
        "seed": config.seed,
    }
    record = {
        "command": command,
        "config": config.record(),
        "parents": {"model": {"given": config.model, "revision": config.model_revision}},
        "data": given.loaded.source.to_record(),
        "metrics": {"validation": shown.metrics},
        "rows": {"train": len(train.sentences), "validation": len(validation.sentences)},
        "probed": {"train": _counts(train), "validation": _counts(validation)},
        "device": opened.weights.device.described,
        "seed": config.seed,
        "versions": versions(),
        "wall_seconds": round(time.monotonic() - started, 2),
    }
    folder.start({"command": command, "config": config.record()}, overwrite=config.overwrite, resume=False)
    with folder.staging() as staged:
        write_json(staged / f"{config.what}.json", {**head, **shown.record})
        drawn = plots.draw({name: plot for name, (plot, _) in shown.drawings.items()}, staged / "plots")
        with ornament(f"the card {CARD}"):
            (staged / CARD).write_text(_card(shown, head, drawn), encoding="utf-8")
        folder.finish(record, staged, keep_checkpoints=False)
    first = next(iter(shown.drawings))
    lines = [*shown.lines, f"{config.what}.json, plots/{first}.png, {CARD} in {folder.path}"]
    report = {
        "command": command,
        "metrics": record["metrics"],
        **head,
        **shown.record,
        "rows": record["rows"],
        "probed": record["probed"],
    }
    return Report({**report, "output": str(folder.path)}, list(shown.tables), lines)


def _require_relations(named: Sequence[str], train: Split[Any], validation: Split[Any]) -> None:
    """Raises UserError: there is no such relation in the data, or there is too little of it."""
    counts = [Counter(name for one in part.sentences for name in one.sought) for part in (train, validation)]
    known = counts[0].keys() | counts[1].keys()
    for name in named:
        if name not in known:
            meant = nearest(name, known)
            raise UserError(
                f"--label {name}: there is nothing of this name to find{f'; did you mean {meant}?' if meant else ''}",
                f"There are {', '.join(sorted(known))}.",
            )
        if min(of_part[name] for of_part in counts) < FEWEST:
            words = " and ".join(f"{of_part[name]:,}" for of_part in counts)
            raise UserError(
                f"--label {name}: {words} words in train and validation are too few to judge by; {FEWEST} are needed",
                "Give more sentences, or a larger --max-words.",
            )


def _counts(split: Split) -> dict[str, Any]:
    left_out = {why: len(places) for why, places in split.unread.items()}
    return {"rows": split.rows, "drawn": len(split.sentences), "left_out": left_out, "words": split.words}


def _plan(
    config: ProbeOptions, opened: Opened, train: Split, validation: Split, folder: RunFolder
) -> list[tuple[str, str]]:
    used = ("heads are chosen on", "judged on") if config.what == "heads" else ("learnt from", "judged on")
    rows = (
        f"{how} {counted(len(part.sentences), 'sentence', 'sentences')} with {part.words:,} words"
        for how, part in zip(used, (train, validation), strict=True)
    )
    return [
        ("model", f"{config.model}: {opened.described}"),
        ("data", ", ".join(rows)),
        ("device", opened.weights.device.described),
        ("output", str(folder.path)),
    ]


def _heads(found: Heads, config: ProbeOptions) -> Shown:
    drawings: dict[str, tuple[Plot, str]] = {
        "relations": (
            pictures.against_distance(found.best),
            "The best head of each relation beside the best fixed guess, with 95 % intervals.",
        ),
        "relation-heads": (
            pictures.heat_maps(found.heads, found.best),
            "What each head finds of the relations in which heads gain most; white is what the best fixed guess finds.",
        ),
        "patterns": (pictures.by_layer(found.patterns), "What heads look at, whatever the sentence says."),
    }
    known = {best.relation: best for best in found.best}
    for name in config.label:
        if name not in known:  # words without tokens are found out by the model's tokenizer alone
            reporting.current().warn(f"--label {name}: too few of its words have tokens for a picture")
            continue
        safe = "".join(letter if letter.isalnum() else "-" for letter in name)
        drawings[f"heads-{safe}"] = (pictures.heat_map(found.heads, known[name]), f"How often each head finds {name}.")
    metrics = {f"{best.relation}_found": round(best.found.value, 5) for best in found.best if best is not found.every}
    if found.every is not None:
        metrics["found"] = round(found.every.found.value, 5)
    return Shown(
        [told.relations_table(found), told.patterns_table(found)],
        [*told.relations_lines(found), *told.left_lines(found.left)],
        told.heads_record(found),
        metrics,
        drawings,
        told.HEADS_MEAN,
    )


def _parsed(found: Parsed) -> Shown:
    drawing = pictures.parsers([way.name for way in found.ways], [way.found for way in found.ways])
    return Shown(
        [told.parsed_table(found)],
        told.parsed_lines(found),
        told.parsed_record(found),
        {f"uas_{way.key}": round(way.found.value, 5) for way in found.ways},
        {"uas": (drawing, "Which share of the heads of words each way finds, with 95 % intervals.")},
        told.PARSED_MEAN,
    )


def _card(shown: Shown, head: Mapping[str, Any], drawn: Sequence[str]) -> str:
    about = "what its attention heads do" if head["what"] == "heads" else "heads of words by its attention"
    parts = [
        f"# {text(str(head['model']))}: {about}",
        f"{text(str(head['described']))}. Data: {code(str(head['data']))}.",
        "\n".join(f"- {text(line)}" for line in shown.lines),
        *(f"![{name}](plots/{name}.png)\n\n{text(shown.drawings[name][1])}" for name in drawn),
        *(as_markdown(table) for table in shown.tables),
        f"## What the figures mean\n\n{shown.meant}",
    ]
    return "\n\n".join(parts) + "\n"
