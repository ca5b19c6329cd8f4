"""How alike the lines of two files are, such as texts and their translations."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlpkit import reporting
from nlpkit.data.inputs import Input, Reading
from nlpkit.embedding.opened import Counts, Opened, tell_of_cuts
from nlpkit.embedding.options import EmbedOptions
from nlpkit.errors import UserError
from nlpkit.reporting import Report, Table
from nlpkit.vectors import compared

CHUNK = 4_096  # pairs that are embedded together


def _lines(config: EmbedOptions, name: str) -> list[str]:
    """The lines of a file, also those that hold nothing: the other file has their partners."""
    source = Input.of(name, dataclasses.replace(Reading.of(config), format="txt"))
    with source.text(newline="\n") as text:
        found = []
        for number, line in enumerate(text, start=1):
            if (problem := text.take_problem()) is not None:
                raise UserError(f"{name}, line {number}: {problem[0]}", problem[1])
            found.append(line.strip())
    return found


def compare_files(opened: Opened, config: EmbedOptions, first: str, second: str) -> Report:
    """How alike the lines of two files are, pair by pair, against pairs whose partners were exchanged."""
    left, right = _lines(config, first), _lines(config, second)
    if len(left) != len(right):
        raise UserError(
            f"--pairs-from: {first} has {len(left):,} lines, {second} {len(right):,}",
            "Line by line they belong together: the same number of lines.",
        )
    whole = [i for i in range(len(left)) if left[i] and right[i]]
    if not whole:
        raise UserError(f"--pairs-from: no line has a text in both {first} and {second}", "Name files of lines.")
    how = config.similarity or opened.task.vectors.similarity
    pairs, counts = compared.Pairs(how), Counts(opened.task.max_length)
    reader = opened.task.reader(["text"], config, labelled=False)
    with reporting.current().progress("embed", len(whole), "pairs") as bar:
        chunks = [whole[start : start + CHUNK] for start in range(0, len(whole), CHUNK)]
        asked = ((chunk, reader, [{"text": side[i]} for side in (left, right) for i in chunk]) for chunk in chunks)
        for chunk, embedded in opened.embedder.embedded(asked):
            counts.longer(embedded)
            count = len(chunk)
            good = [i for i in range(count) if i not in embedded.errors and count + i not in embedded.errors]
            if good and embedded.vectors is not None:
                lines, texts = [chunk[i] + 1 for i in good], [(left[chunk[i]], right[chunk[i]]) for i in good]
                others = [count + i for i in good]
                pairs.add(lines, texts, embedded.vectors[good], embedded.vectors[others])
            bar.advance(count)
    if not pairs.values:
        raise UserError("--pairs-from: no pair has two vectors", "Are the texts longer than the model reads?")
    tell_of_cuts(opened, config, counts)
    figures = pairs.figures()
    if left_out := len(left) - figures["pairs"]:
        reporting.current().warn(f"{left_out:,} of {len(left):,} lines are left out: a text is empty or has no vector")
    if config.plot is not None:
        compared.draw_pairs(config.plot, pairs, (Path(first).name, Path(second).name), overwrite=config.overwrite)
    record = {
        "model": config.model,
        "vectors": opened.task.vectors.record(),
        "pairs_from": [first, second],
        "similarity": how,
        **figures,
        "left_out": left_out,
        "plot": str(config.plot) if config.plot else None,
        "closest": [_pair(entry) for entry in pairs.closest()],
        "farthest": [_pair(entry) for entry in pairs.farthest()],
    }
    return Report(record, _pair_tables(pairs, figures, how), [f"vectors: {opened.how}"])


def _pair(entry: tuple[float, int, str, str]) -> dict[str, Any]:
    value, line, first, second = entry
    return {"similarity": value, "line": line, "first": first, "second": second}


def _pair_tables(pairs: compared.Pairs, figures: Mapping[str, Any], how: str) -> list[Table]:
    """Figures, a histogram, and the pairs at both ends."""
    names = ("mean", "std", "lower_quartile", "median", "upper_quartile")
    body: list[list[Any]] = [["pairs", *(figures[name] for name in names)]]
    if "shuffled" in figures:
        body.append(["partners exchanged", *(figures["shuffled"][name] for name in names)])
    title = f"{compared.named(how)} of {reporting.counted(figures['pairs'], 'pair', 'pairs')}"
    if "above_shuffled" in figures:
        title += f"; a pair is more alike than one of exchanged partners in {figures['above_shuffled']:.1%}"
    tables = [Table(title, ["", *(name.replace("_", " ") for name in names)], body)]
    bins = pairs.histogram()
    most = max(max(count, other) for _, _, count, other in bins)
    bars: list[list[Any]] = [
        [f"{low:.2f} to {high:.2f}", count, other, "#" * round(24 * count / most)] for low, high, count, other in bins
    ]
    tables.append(Table("how many are how alike", ["range", "pairs", "exchanged", "pairs as a bar"], bars))
    for title, entries in (("closest", pairs.closest()), ("farthest", pairs.farthest())):
        rows: list[list[Any]] = [
            [line, round(value, 4), compared.shortened(first, 40), compared.shortened(second, 40)]
            for value, line, first, second in entries
        ]
        tables.append(Table(title, ["line", "similarity", "first", "second"], rows))
    return tables
