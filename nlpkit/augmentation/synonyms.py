"""Words that may stand for one another: the table that ships, files of others, and inflected words."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from nlpkit.errors import UserError
from nlpkit.runs.files import LARGEST, small_text

SHIPPED = Path(__file__).with_name("english.tsv")
Ending = Literal["s", "ed", "ing"]
SENSES, IN_SENSE = ";", "|"  # of Open English WordNet, as a table by sense


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Words of the grammar, which are not replaced even where a table has them ("in" as indium, "a" as an amount).
STOP_WORDS = _listed(
    """
    a about above after again against ain all am an and any are aren as at be because been before being below
    between both but by can could couldn did didn do does doesn doing don down during each few for from further had
    hadn has hasn have haven having he her here hers herself him himself his how i if in into is isn it its itself
    just ll may me might mightn more most must mustn my myself needn no nor not now o of off on once only or other
    our ours ourselves out over own re s same shan she should shouldn so some such t than that the their theirs them
    themselves then there these they this those through to too under until up us ve very was wasn we were weren what
    when where which while who whom why will with won would wouldn y you your yours yourself yourselves
    """
)
# verbs without a regular past, which gets no -ed; and those whose last letter may be doubled or not
IRREGULAR = _listed(
    """
    be become begin bend bet bind bite bleed blow break breed bring build burst buy catch choose cling come cost
    creep cut deal dig do draw drink drive eat fall feed feel fight find flee fly forbid forget forgive freeze get
    give go grow hang have hear hide hit hold hurt keep know lay lead leave lend let lie lose make mean meet
    overcome pay put quit read ride ring rise run say see seek sell send set shake shed shine shoot show shrink shut
    sing sink sit sleep slide speak spend spin split spread spring stand steal stick sting strike swear sweep swim
    swing take teach tear tell think throw understand wake wear weep win wind withdraw write
    """
)
_STRESSED = _listed(
    """
    admit begin commit compel confer control excel forget infer occur omit permit prefer propel rebel refer regret
    repel submit transfer upset
    """
)
_VOWELS = "aeiou"


@dataclass(frozen=True)
class Synonyms:
    """Looks words up.

    Attributes:
        table: word in lower case -> words that may stand for it.
        inflected: what may stand for those with -s, and for those with -ed and -ing: of nouns and verbs, and of verbs
            alone, where the table tells them apart.
    """

    table: Mapping[str, Sequence[str]]
    inflected: Mapping[Ending, Mapping[str, Sequence[str]]]

    def of(self, word: str) -> list[str]:
        """What may stand for a word, inflected and with capitals as it is; empty where nothing is known.

        Only regular forms are made: what would need an irregular one is left.
        """
        lower = word.lower()
        if lower in STOP_WORDS or not word[:1].isalpha():
            return []
        found = list(self.table.get(lower, ())) or self._inflected(lower)
        return [_capitals(other, word) for other in dict.fromkeys(found) if other.lower() != lower]

    def _inflected(self, word: str) -> list[str]:
        for base, ending in _bases(word):
            if base not in STOP_WORDS and (others := self.inflected[ending].get(base)):
                return [form for other in others if (form := _FORMS[ending](other))]
        return []


def _capitals(word: str, like: str) -> str:
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def _bases(word: str) -> Iterator[tuple[str, Ending]]:
    """What a word may be a form of, with its ending."""
    if word.endswith("s") and not word.endswith("ss"):
        yield word[:-1], "s"
        if word.endswith("es"):
            yield word[:-2], "s"
        if word.endswith("ies"):
            yield f"{word[:-3]}y", "s"
    endings: tuple[Ending, ...] = ("ed", "ing")
    for ending in endings:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 2:
            continue
        yield stem, ending
        yield f"{stem}e", ending
        if ending == "ed" and stem.endswith("i"):
            yield f"{stem[:-1]}y", ending
        if stem[-1] == stem[-2]:
            yield stem[:-1], ending


def plural(word: str) -> str | None:
    """A word with -s, as a noun in the plural or a verb; None of several words."""
    if not word.isalpha():
        return None
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return f"{word[:-1]}ies"
    return f"{word}s"


def past(word: str) -> str | None:
    """A verb with -ed; None where that is not regular."""
    if not word.isalpha() or word in IRREGULAR:
        return None
    if word.endswith("e"):
        return f"{word}d"
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return f"{word[:-1]}ied"
    return None if (stem := _doubled(word)) is None else f"{stem}ed"


def present(word: str) -> str | None:
    """A verb with -ing; None where that is not regular."""
    if not word.isalpha():
        return None
    if word.endswith("ie"):
        return f"{word[:-2]}ying"
    if word.endswith("e") and not word.endswith(("ee", "oe", "ye")):
        return f"{word[:-1]}ing"
    return None if (stem := _doubled(word)) is None else f"{stem}ing"


def _doubled(word: str) -> str | None:
    """A verb before an ending with a vowel: the last consonant of a stressed syllable stands twice; None where there
    is no telling."""
    short = len(word) > 2 and word[-1] not in "aeiouwxyh" and word[-2] in _VOWELS and word[-3] not in _VOWELS
    if not short:
        return word
    syllables = sum(
        letter in _VOWELS and before not in _VOWELS for before, letter in zip(" " + word, word, strict=False)
    )
    if syllables == 1 or word in _STRESSED:
        return word + word[-1]
    return word if word.endswith(("en", "er", "or", "on", "it", "et", "op", "ish")) else None


_FORMS: Mapping[Ending, Callable[[str], str | None]] = {"s": plural, "ed": past, "ing": present}


# --- tables ---


@functools.cache
def of_file(path: Path | None) -> Synonyms:
    """The table of a file, see `read`; None: the one that ships.

    Raises:
        UserError: see `read`.
    """
    entries = list(_entries(path or SHIPPED))
    kinds: Mapping[Ending, str] = {"s": "nv", "ed": "v", "ing": "v"}
    inflected = {
        ending: _joined(entry for entry in entries if not entry.part or entry.part in parts)
        for ending, parts in kinds.items()
    }
    return Synonyms(_joined(entries), inflected)


def read(path: Path) -> dict[str, list[str]]:
    """A table of synonyms, of lines in one of three forms; names that end in .gz are unpacked.

    - a word, a tab, and its synonyms with commas between them, which may hold blanks;
    - lemma, part of speech and synonyms by sense, parted by tabs, senses by `;`, words by `|`, below a line that
      begins with `lemma`: of each part of speech the first sense that has some is taken, as the most usual one;
    - a word and its synonyms with blanks between them.

    Returns:
        Word in lower case -> its synonyms.

    Raises:
        UserError: it cannot be read, or a line has one word only.
    """
    return _joined(_entries(path))


class _Entry(NamedTuple):
    """A line of a table; `part` of speech is empty where the table does not tell it, else n, v, a or r."""

    word: str
    part: str
    others: list[str]


def _joined(entries: Iterable[_Entry]) -> dict[str, list[str]]:
    synonyms: dict[str, list[str]] = {}
    for word, _, others in entries:
        synonyms.setdefault(word.lower(), []).extend(others)
    return synonyms


def _entries(path: Path) -> Iterator[_Entry]:
    try:
        text = _unpacked(path) if path.suffix == ".gz" else small_text(path)
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UserError(f"--synonyms {path}: cannot be read: {reason}") from None
    lines = text.split("\n")
    by_sense = lines[0].split("\t")[0] == "lemma"
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (by_sense and number == 1):
            continue
        entry = _by_sense(line) if by_sense else _alone(line)
        if not entry.others:
            raise UserError(
                f"--synonyms {path}, line {number}: '{entry.word}' has no synonym", "Write: word synonym ..."
            )
        yield entry


def _unpacked(path: Path) -> str:
    with gzip.open(path, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"unpacked it is larger than {LARGEST >> 20} MB, which is too large for a table of words")
    return content.decode("utf-8-sig").replace("\r\n", "\n")


def _by_sense(line: str) -> _Entry:
    lemma, part, senses = (*line.split("\t"), "", "")[:3]
    first = next((sense for sense in senses.split(SENSES) if sense.strip()), "")
    return _Entry(lemma, part.strip()[:1], [word.strip() for word in first.split(IN_SENSE) if word.strip()])


def _alone(line: str) -> _Entry:
    word, tab, rest = line.partition("\t")
    if tab and "," in rest:
        return _Entry(word.strip(), "", [other.strip() for other in rest.split(",") if other.strip()])
    word, *others = line.split()
    return _Entry(word, "", others)
