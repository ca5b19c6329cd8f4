"""Tag schemes: how the tags of words write down which words make an entity.

Whatever scheme a file has, inside there are two: BIO (Ramshaw and Marcus 1995, as IOB2 in CoNLL-2002) for entities, and
plain tags, one per word, as for parts of speech.

| scheme | "Jane Doe" "Acme" | |
|---|---|---|
| bio | B-PER I-PER B-ORG | the first word of each entity has B |
| iob1 | I-PER I-PER I-ORG | B only where an entity touches another of its type (CoNLL-2003 as published) |
| bioes | B-PER E-PER S-ORG | the last word has E, a single one S; also written BILOU and BMES |
| ioe | I-PER E-PER E-ORG | the last word has E (IOE2), or only one that touches another of its type (IOE1) |
| io | I-PER I-PER I-ORG, or PER PER ORG | entities of one type that touch are one |

Letters may be small ones (b-per, o); converted tags have capitals. Tags that are spelled otherwise (B_PER, B:PER,
PER-B) are respelled first, see `spelling`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

Scheme = Literal["bio", "iob1", "bioes", "ioe", "io", "plain"]
OUTSIDE = "O"

# BILOU calls the last word L and a single one U, BMES the inner ones M
_LETTERS = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S", "M": "I"}
_ALLOWED = {"bio": "BI", "iob1": "BI", "bioes": "BIES", "ioe": "IE", "io": "I"}
# the letters of an entity that a strict reader counts; in the others whatever is read is one
_WHOLE = {"bio": re.compile("BI*"), "bioes": re.compile("S|BI*E")}
_WELL_FORMED = 0.9  # share of the tags but O that must be B-X, I-X, ... for the rest to count as slips


class Span(NamedTuple):
    """An entity: words from `start` up to, without, `end`, and its type."""

    start: int
    end: int
    type: str


_MARK = r"(?P<mark>\s*[-_.:/=|]\s*)"
_PREFIXED = re.compile(rf"(?P<letter>[BIESLUM]){_MARK}(?P<type>.+)", re.IGNORECASE)
_SUFFIXED = re.compile(rf"(?P<type>.+?){_MARK}(?P<letter>[BIESLUM])", re.IGNORECASE)
# how words of no entity are tagged where nobody wrote O
_NOTHING = frozenset(("0", "_", "-", "*", "NONE", "NULL", "NIL", "OTHER", "OUT", "OUTSIDE", "NA", "N/A"))
_OPENS = "BSU"  # letters that begin an entity


def spelling(tags: Iterable[str], known: Collection[str] = ()) -> dict[str, str]:
    """For each tag of a set its spelling as B-PER; empty where they are spelled so already, or are no such tags.

    A type may look like a tag (I_CARD, B_cell), so the whole set decides: every tag but O has a letter and a mark, and
    letters come in pairs, B or S beside I, E, L or M of one type.

    Args:
        tags: all that there are.
        known: types of a model, which need no pairs.
    """
    # in their order, so that the same tag is shown whenever it is told
    written = list(dict.fromkeys(tag for tag in tags if tag))
    inside = [tag for tag in written if tag.upper() not in (OUTSIDE, *_LETTERS)]
    nothing = [tag for tag in inside if tag.upper() in _NOTHING]
    if len(nothing) == 1 and len(inside) == len(written):
        named = [tag for tag in inside if tag != nothing[0]]
        matches = {tag: match for tag in named if (match := _PREFIXED.fullmatch(tag))}
        kinds = {match["type"] for match in matches.values()}
        if len(matches) == len(named) and (_pairs(matches.values()) or (known and kinds <= set(known))):
            read = {tag: f"{match['letter']}-{match['type']}" for tag, match in matches.items()}
            return {**read, nothing[0]: OUTSIDE}
    for pattern in (_PREFIXED, _SUFFIXED):
        matches = {tag: match for tag in inside if (match := pattern.fullmatch(tag))}
        if not inside or len(matches) < len(inside):
            continue
        if pattern is _PREFIXED and all(match["mark"] == "-" for match in matches.values()):
            return {}
        if _pairs(matches.values()) or {match["type"] for match in matches.values()} <= set(known):
            return {tag: f"{match['letter']}-{match['type']}" for tag, match in matches.items()}
    return {}


def unread_pairs(tags: Iterable[str]) -> list[str]:
    """Types of tags that look like B_PER and I_PER in a set that `spelling` could not read, as others do not."""
    inside = {tag for tag in tags if (prefixed := _PREFIXED.fullmatch(tag)) is None or prefixed["mark"] != "-"}
    for pattern in (_PREFIXED, _SUFFIXED):
        if pairs := _pairs(match for tag in inside if (match := pattern.fullmatch(tag))):
            return sorted(pairs)
    return []


def _pairs(matches: Iterable[re.Match[str]]) -> set[str]:
    """The types that stand with a letter that begins an entity and with one that does not."""
    letters: dict[str, set[bool]] = {}
    for match in matches:
        letters.setdefault(match["type"], set()).add(match["letter"].upper() in _OPENS)
    return {name for name, kinds in letters.items() if len(kinds) == 2}


def detect(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme in which these tags are most legal.

    Data that fit several schemes give the same entities in each: nothing but I- is called `io`, nothing but B- `bio`.
    Tags without a prefix are `io` where most are O, else `plain`. Missing tags ("") tell nothing.
    """
    tags: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for sentence in sentences:
        tags.update(sentence)
        pairs.update(pairwise((OUTSIDE, *sentence)))
    inside = {tag: count for tag, count in tags.items() if tag and tag.upper() != OUTSIDE}
    prefixed = {
        tag: count for tag, count in inside.items() if tag[0].upper() in _LETTERS and tag[1:2] == "-" and tag[2:]
    }
    bare = {tag for tag in inside if tag.upper() in _LETTERS}
    if len(bare) < len(inside) and sum(prefixed.values()) < max(_WELL_FORMED * sum(inside.values()), 1):
        return "io" if tags[OUTSIDE] + tags[OUTSIDE.lower()] > sum(inside.values()) else "plain"
    letters = {_LETTERS[tag[0].upper()] for tag in prefixed or bare}
    if letters & {"E", "S"}:
        return "ioe" if letters <= {"I", "E"} else "bioes"
    if letters <= {"I"}:
        return "io"
    # an I- that opens an entity is legal in IOB1 only, a B- that follows no entity of its type in BIO only
    wrong: dict[Scheme, int] = {
        scheme: sum(count for pair, count in pairs.items() if problem(*pair, scheme)) for scheme in ("bio", "iob1")
    }
    return min(wrong, key=wrong.__getitem__)


def scheme_of_names(names: Sequence[str]) -> Scheme:
    """The scheme that the class names of a model are written in.

    It is `bio` where every type has a B- and an I-, which is what names of IOB1 may be, too; see `opening`. Where a
    type comes with two letters, names without one (X, [CLS], [PAD]) are no types.
    """
    inside = [name for name in names if name.upper() != OUTSIDE]
    parsed = [parse(name, "bio") for name in inside]
    if len(inside) in (0, len(names)):
        return "plain"
    pairs = {pair for pair in parsed if pair}
    if None in parsed and len({kind for _, kind in pairs}) == len(pairs):
        return "io"
    letters = {letter for letter, _ in pairs}
    if letters & {"E", "S"}:
        return "ioe" if letters <= {"I", "E"} else "bioes"
    if letters == {"I"}:
        return "io"
    # a type that no word begins: only where entities of it never touched
    begun, inside_ = ({kind for own, kind in pairs if own == letter} for letter in "BI")
    return "bio" if inside_ <= begun else "iob1"


def opening(sentences: Iterable[Sequence[str]]) -> tuple[int, int]:
    """How many entities begin with I-, and how many with B- where none of their type stands before them.

    The former are illegal in BIO, the latter in IOB1.
    """
    inside = begun = 0
    for tags in sentences:
        before = Span(-1, -1, "")
        for span in spans(tags):
            if (parse(tags[span.start], "bio") or OUTSIDE)[0] == "I":
                inside += 1
            elif (before.end, before.type) != (span.start, span.type):
                begun += 1
            before = span
    return inside, begun


@lru_cache(maxsize=100_000)
def parse(tag: str, scheme: Scheme) -> tuple[str, str] | None:
    """Letter (B, I, E, S or O) and type of a tag; None where it is no tag of an entity scheme.

    The type of the bare tags B, I, ... is empty. In IO, where types may stand alone, E-MAIL is one.
    """
    if tag.upper() == OUTSIDE:
        return OUTSIDE, ""
    first = tag[:1].upper()
    if (first in "BI" if scheme == "io" else first in _LETTERS) and (len(tag) == 1 or (tag[1:2] == "-" and tag[2:])):
        return _LETTERS[first], tag[2:]
    return ("I", tag) if scheme == "io" and tag else None


@lru_cache(maxsize=100_000)
def problem(before: str, tag: str, scheme: Scheme) -> str | None:
    """What is illegal about a tag behind another, in a few words; `before` is O at the start of a sentence."""
    if scheme == "plain":
        return None if tag else "no tag"
    parsed = parse(tag, scheme)
    letters = _ALLOWED[scheme]
    if parsed is None or (parsed[0] != OUTSIDE and parsed[0] not in letters):
        return f"{tag!r} is no tag of {scheme.upper()}" if tag else "no tag"
    letter, kind = parsed
    previous, previous_kind = parse(before, scheme) or (OUTSIDE, "")
    open_ = previous in (("B", "I") if scheme == "bioes" else ("B", "I", "E", "S"))
    continues = open_ and kind == previous_kind
    if scheme == "bioes":
        if open_ and (letter in "OBS" or not continues):
            return f"{before} is not closed before {tag}"
        return None if letter in "OBS" or continues else f"{tag} after {before}"
    must_continue = {"bio": "I", "iob1": "B"}.get(scheme, "")
    return f"{tag} after {before}" if letter in must_continue and not continues else None


def problems(tags: Sequence[str], scheme: Scheme) -> list[tuple[int, str]]:
    """The illegal tags of a sentence: index, and what is wrong."""
    messages = [
        (i, message)
        for i, pair in enumerate(pairwise((OUTSIDE, *tags)))
        if (message := problem(*pair, scheme)) is not None
    ]
    # only BIOES minds how a sentence ends
    if scheme == "bioes" and tags and problem(tags[-1], OUTSIDE, scheme):
        messages.append((len(tags) - 1, f"{tags[-1]} is not closed at the end of the sentence"))
    return messages


def spans(tags: Sequence[str], scheme: Scheme = "bio") -> list[Span]:
    """The entities of a sentence, in order.

    Illegal sequences are read as conlleval (https://www.clips.uantwerpen.be/conll2000/chunking/output.html) reads them:
    whatever changes the type or follows O begins an entity. What is no tag counts as O.
    """
    closed: list[Span] = []
    start, kind, before = 0, "", OUTSIDE
    for i, tag in enumerate((*tags, OUTSIDE)):
        letter, type_ = parse(tag, scheme) or (OUTSIDE, "")
        begins = letter in "BS" or before in "OES" or type_ != kind
        if before != OUTSIDE and (begins or letter == OUTSIDE):
            closed.append(Span(start, i, kind))
        if letter != OUTSIDE and begins:
            start = i
        kind, before = type_, letter
    return closed


def bio(entity_spans: Iterable[Span], length: int) -> list[str]:
    """The BIO tags of a sentence of `length` words with these entities; an empty type gives the bare tags B and I."""
    return written(entity_spans, length, "bio")


def written(entity_spans: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """The tags of a sentence of `length` words with these entities, in order, in a scheme with letters or IO.

    IOE is written as IOE2, IO with I-.
    """
    tags = [OUTSIDE] * length
    before = Span(-1, -1, "")
    for span in entity_spans:
        start, end, kind = span
        ending = f"-{kind}" if kind else ""
        behind = end - start - 1  # words of the entity after its first
        if scheme == "bioes":
            letters = "B" + "I" * (behind - 1) + "E" if behind else "S"
        elif scheme == "ioe":
            letters = "I" * behind + "E"
        else:
            touches = (before.end, before.type) == (start, kind)
            letters = ("B" if scheme == "bio" or (scheme == "iob1" and touches) else "I") + "I" * behind
        tags[start:end] = [f"{letter}{ending}" for letter in letters]
        before = span
    return tags


def converted(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Tags of any scheme as BIO, what is illegal repaired; plain tags as they are."""
    return list(tags) if scheme == "plain" else bio(spans(tags, scheme), len(tags))


def answered(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Tags that a model gives, as BIO in which an entity begins with I- where its own scheme has no such entity.

    So what strict figures leave out in one scheme they leave out in all. One that touches an entity of its type begins
    with B-, or the two would be one.
    """
    if scheme not in _WHOLE:
        return converted(tags, scheme)
    entity_spans = spans(tags, scheme)
    out = bio(entity_spans, len(tags))
    before = Span(-1, -1, "")
    for span in entity_spans:
        letters = "".join((parse(tag, scheme) or OUTSIDE)[0] for tag in tags[span.start : span.end])
        touches = (before.end, before.type) == (span.start, span.type)
        if not (_WHOLE[scheme].fullmatch(letters) or touches):
            out[span.start] = f"I{out[span.start][1:]}"
        before = span
    return out


def label_names(kinds: Iterable[str]) -> list[str]:
    """Names of the classes of a model for entities of these types: O, then B and I of each, in alphabetical order."""
    return [OUTSIDE, *(name for kind in sorted(set(kinds)) for name in bio([Span(0, 2, kind)], 2))]


def types(tags: Iterable[str], scheme: Scheme = "bio") -> list[str]:
    """The types that tags of an entity scheme name, in the order of their first."""
    parsed = (parse(tag, scheme) or (OUTSIDE, "") for tag in tags)
    return list(dict.fromkeys(kind for letter, kind in parsed if letter != OUTSIDE))


# fmt: off
Offsets = Literal["characters", "utf-16", "utf-8", "inclusive", "from-1", "from-1-inclusive", "stripped", "crlf", "lf"]
