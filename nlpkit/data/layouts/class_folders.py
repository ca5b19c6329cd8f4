"""One folder per class, one file per text: pos/1.txt, neg/1.txt (IMDb's reviews, 20 Newsgroups)."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from nlpkit import reporting
from nlpkit.data.layouts.base import SHOWN, Texts
from nlpkit.errors import UserError
from nlpkit.reporting import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from nlpkit.data.inputs import Reading

SHAPE = "one folder per class: train/pos/1.txt, train/neg/1.txt (or pos/, neg/)"
SUFFIXES = (".txt", ".text")
_UNLABELLED = frozenset(("unsup", "unsupervised", "unlabeled", "unlabelled"))  # IMDb has such a one
_NO_CLASS = frozenset(("train", "training", "test", "testing", "valid", "validation", "val", "dev", "eval", "data"))
_CHUNK = 1_000  # files turned into one arrow chunk
_MANY_LINES = 50  # a file with more may hold a text a line
_LONGEST = 2**26  # bytes; no text that somebody labelled is longer


def classes_of(folder: Path) -> list[Path]:
    """The folders of the classes, two at least, where a folder holds nothing but such; else none."""
    inner = [path for path in _visible(folder) if path.is_dir()] if folder.is_dir() else []
    labelled = [path for path in inner if path.name.lower() not in _UNLABELLED]
    if len(labelled) < 2 or any(path.name.lower() in _NO_CLASS for path in inner):
        return []
    return inner if all(map(_holds_texts, inner)) else []


def _holds_texts(folder: Path) -> bool:
    """Whether half of the files are texts, at least; a folder of code has a text file or two as well."""
    entries = _visible(folder)
    return 2 * sum(map(_is_text, entries)) >= len(entries) > 0


def _is_text(path: Path) -> bool:
    named = path.suffix.lower() in SUFFIXES or path.name.isdecimal()  # 20 Newsgroups has numbers for names
    return named and path.is_file()


def _visible(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if path.name[0] not in "._"), key=_by_number)


def read(folder: Path, reading: Reading) -> Texts:
    """All texts of the classes; who is not read is said with counts.

    Raises:
        UserError: a file does not decode, or is too long for a text.
    """
    import pyarrow as pa

    from nlpkit.data.places import LINE

    digest, size = hashlib.sha256(), 0
    files: list[Path] = []
    chunks: list[pa.Table] = []
    counts: dict[str, int] = {}
    for place in classes_of(folder):
        entries = _visible(place)
        own = list(filter(_is_text, entries))
        if len(own) < len(entries):
            others = next(path.name for path in entries if not _is_text(path))
            reporting.current().warn(
                f"{place}: {len(entries) - len(own):,} of {len(entries):,} entries are no text files and are left out, "
                f"such as {others}"
            )
        if place.name.lower() in _UNLABELLED:
            reporting.current().note(f"{place}: {counted(len(own), 'text', 'texts')} without a label, left out")
            continue
        counts[place.name] = len(own)
        for start in range(0, len(own), _CHUNK):
            batch = own[start : start + _CHUNK]
            texts = [_text(path, reading) for path in batch]
            for path, text in zip(batch, texts, strict=True):
                digest.update(f"{place.name}/{path.name}\0{text}\0".encode())
            size += sum(path.stat().st_size for path in batch)
            lines = pa.array([1] * len(batch), pa.int64())
            chunks.append(pa.table({"text": texts, "label": [place.name] * len(batch), LINE: lines}))
        files += own
        if len(own) == 1 and chunks[-1]["text"][0].as_py().count("\n") > _MANY_LINES:
            reporting.current().warn(f"{own[0]}: read as one text of many lines, the only one of its class")
    if loose := [path.name for path in _visible(folder) if _is_text(path)]:
        named = ", ".join(loose[:SHOWN]) + (", ..." if len(loose) > SHOWN else "")
        left_out = counted(len(loose), "text file beside the folders is", "text files beside the folders are")
        reporting.current().note(f"{folder}: {left_out} left out: {named}")
    shown = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    reporting.current().note(f"{folder}: one folder per class, one text per file: {shown}")
    return Texts(pa.concat_tables(chunks), files, digest.hexdigest(), size)


def _text(path: Path, reading: Reading) -> str:
    from nlpkit.data.inputs import Input

    if path.stat().st_size > _LONGEST:
        raise UserError(
            f"{path}: {path.stat().st_size:,} bytes are too many for one text in a folder per class",
            "If it is a file of rows, name the file itself.",
        )
    source = Input.of(path, dataclasses.replace(reading, format="txt", columns=()))
    return source.whole().strip("\r\n")


def _by_number(path: Path) -> list[tuple[int, str]]:
    """2.txt before 10.txt."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.name)]
