"""Labels that may be one and the same, spelt in two ways, and labels that may be several in one cell."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nlpkit.data.findings import SHOWN, Finding
from nlpkit.data.labels import as_number
from nlpkit.data.spelling import folded
from nlpkit.reporting import counted

# A name one letter away from another is a slip of the pen when it is this many times rarer, and long enough; short
# codes (neg and neu, A1 and A2) are near each other by their nature.
RARER = 5
LONG = 4
DELIMITERS = ",;|/+&"


def alike(names: Sequence[str], counts: Mapping[str, int], what: str, *, slips: bool = True) -> list[Finding]:
    """Pairs of names that look alike, with the number of each.

    Args:
        names: of labels.
        counts: how often each occurs in all splits together.
        what: they are called in messages.
        slips: whether the names are words, in which a letter may have slipped, and no codes such as NNP and NNPS.
    """
    words = [name for name in names if as_number(name) is None]
    pairs = _same(words, _key) + _same([name for name in names if as_number(name) is not None], as_number)
    told = {frozenset(pair) for pair in pairs}
    pairs += [pair for pair in _slips(words, counts) if slips and frozenset(pair) not in told]
    if not pairs:
        return []
    shown = [f"{_shown(a)} ({counts[a]:,}) and {_shown(b)} ({counts[b]:,}){_why(a, b)}" for a, b in pairs]
    message = f"{counted(len(pairs), 'pair', 'pairs')} of {what} look alike, and may be the same"
    return [Finding("warning", "alike-labels", message, len(pairs), shown)]


def several_in_one(names: Sequence[str], counts: Mapping[str, int]) -> list[Finding]:
    """Names that look like several labels in one cell; arguments as for `alike`."""
    joined = _joined(names)
    if joined is None:
        return []
    delimiter, cells = joined
    rows = sum(counts[name] for name in cells)
    message = (
        f"{len(cells)} of {len(names)} labels ({rows:,} rows) look like several in one cell: "
        f"{'; '.join(_shown(name) for name in cells[:SHOWN])} (--label-delimiter '{delimiter}')"
    )
    return [Finding("warning", "joined-labels", message, rows, cells)]


def _shown(name: str) -> str:
    """A name with what cannot be seen made visible."""
    unseen = any(unicodedata.category(char) in ("Cf", "Cc", "Zs") and char != " " for char in name)
    if unseen or unicodedata.normalize("NFC", name) != name:
        return ascii(name)
    return f"'{name}'"


def _why(one: str, other: str) -> str:
    if as_number(one) is not None:
        return ", which are one number"
    if one.casefold() == other.casefold():
        return ", which differ in case"
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return ", which differ in how an accent is written"
    if _key(one) == _key(other):
        return ", which differ in blanks or marks"
    return ", one letter apart"


def _key(name: str) -> str:
    """What is left of a name when case, accents' writing, invisible marks, and what joins words are of no account."""
    return re.sub(r"(?<=\w)[\s_-]+(?=\w)", "", folded(name).replace("_", " "))


def _same(names: Sequence[str], key_of: Callable[[str], Any]) -> list[tuple[str, str]]:
    groups: dict[Any, list[str]] = defaultdict(list)
    for name in names:
        groups[key_of(name)].append(name)
    return [pair for key, group in groups.items() if key != "" for pair in itertools.combinations(group, 2)]


def _slips(names: Sequence[str], counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Pairs of a rare and a frequent name that one letter makes of each other: one more, another, or two swapped."""
    near: dict[str, list[str]] = defaultdict(list)
    for name in names:
        # what slips is a letter: of numbered names all would be near each other
        for key in {name, *(name[:i] + name[i + 1 :] for i in range(len(name)) if name[i].isalpha())}:
            near[key].append(name)
    pairs = set()
    for group in near.values():
        often = sorted(group, key=lambda name: (-counts[name], name))
        for rare in often:
            if counts[rare]:
                pairs |= {(rare, name) for name in _until(often, counts, counts[rare] * RARER)}
    slips = [pair for pair in pairs if _is_slip(*pair)]
    return sorted(slips, key=lambda pair: sorted(pair))


def _until(often: Sequence[str], counts: Mapping[str, int], least: int) -> Iterator[str]:
    """The first names that occur at least so many times, the most frequent first."""
    return itertools.takewhile(lambda name: counts[name] >= least, often)


def _is_slip(one: str, other: str) -> bool:
    if max(len(one), len(other)) < LONG:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    a, b = one[start : len(one) - end], other[start : len(other) - end]
    swapped = len(a) == 2 and a == b[::-1]
    if not ((max(len(a), len(b)) == 1 or swapped) and (a + b).isalpha()):
        return False
    # a letter that stands alone is a name in itself: class_a, class_b
    around = one[max(start - 1, 0) : start] + one[len(one) - end :][:1]
    return any(char.isalpha() for char in around)


def _joined(names: Sequence[str]) -> tuple[str, list[str]] | None:
    """The delimiter, and the names that it splits into parts which all are names, or parts of other such names."""
    known = set(names)
    for delimiter in DELIMITERS:
        together = [name for name in names if delimiter in name.strip() and as_number(name) is None]
        parts = {name: [part.strip() for part in name.split(delimiter)] for name in together}
        parts = {name: cell_parts for name, cell_parts in parts.items() if all(cell_parts)}
        often = Counter(part for cell_parts in parts.values() for part in set(cell_parts))
        cells = [
            name for name, cell_parts in parts.items() if all(part in known or often[part] > 1 for part in cell_parts)
        ]
        alone = sum(part in known for name in cells for part in set(parts[name]))
        if cells and (alone or len(cells) > 2):
            return delimiter, cells
    return None
