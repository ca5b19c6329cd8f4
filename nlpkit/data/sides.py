"""Which files hold the same rows in several languages, or source and target of them, by their names: train.en beside
train.de, src-train.txt beside tgt-train.txt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nlpkit.data.inputs import PACKED
from nlpkit.data.split_names import SPLIT_NAMES
from nlpkit.errors import UserError

SHAPE = "files with a text a line: train.en beside train.de (also train.source, src-train.txt, train/en.txt, packed)"
_CODES = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en "
    "eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv "
    "ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne "
    "ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st "
    "su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)  # of ISO 639-1
_WORDS = (
    "source src target tgt trg document article dialogue text summary sum highlights abstract translation question "
    "answer input output original paraphrase formal informal complex simple"
)
# three letters that say how a file is written or made, and no language
_NO_LANGUAGES = (
    "log cfg ini yml tmp bak old new out err bpe tok spm voc vec bin zip tar tgz doc pdf png jpg svg htm css xml sgm "
    "tex bib php sql rst npy npz pkl ids idx tsv csv"
)
LANGUAGES, WORDS, _NO_LANGUAGE = (frozenset(names.split()) for names in (_CODES, _WORDS, _NO_LANGUAGES))
ENGLISH = ("en", "eng", "english", "en-us", "en-gb", "en_us", "en_gb", "eng_latn")
"""Names of the side that is read, and not written, where one of two languages has to be and nobody says which."""

# a code of ISO 639-1 or 639-3, with a script or a region behind it: en, deu, zh-Hans, pt_BR, eng_Latn
_CODE = re.compile(r"([a-z]{2,3})(?:[-_](?:[A-Z][a-z]{3}|[A-Z]{2}|\d{3}))*")


@dataclass(frozen=True)
class Side:
    """What the name of a file tells: `name` of the side, as it is written there (`de`), and `stem`, the rest of it."""

    name: str
    stem: str


def side_of(path: Path) -> Side | None:
    """The side that a file holds by its name; None where it names none."""
    bare = _bare(path)
    parts = bare.split(".")
    place = len(parts) - (2 if len(parts) > 1 and parts[-1].lower() in SPLIT_NAMES else 1)  # eng_Latn.dev
    if is_side(parts[place]):
        return Side(parts[place], ".".join([*parts[:place], *parts[place + 1 :]]))
    words = re.split(r"[-_.]", bare)
    for place in (len(words) - 1, 0):
        word = words[place].lower()
        if len(words) > 1 and (word in LANGUAGES or word in WORDS):
            rest = words[:-1] if place else words[1:]
            return Side(words[place], "-".join(rest))
    return None


def _bare(path: Path) -> str:
    """The name of a file without what tells how it is packed, or that it is text."""
    name = path.name
    for suffix in (*PACKED, ".txt", ".text"):
        name = name.removesuffix(suffix)
    return name


def is_side(part: str) -> bool:
    """Whether a part of a file's name, or the name of a column, is a code of a language or a word for one side."""
    return part.lower() in WORDS or is_language(part)


def is_language(part: str) -> bool:
    """Whether it is a code of ISO 639-1, or may be one of ISO 639-3."""
    code = _CODE.fullmatch(part)
    if code is None or part in SPLIT_NAMES:
        return False
    return code[1] in LANGUAGES or (len(code[1]) == 3 and code[1] not in _NO_LANGUAGE)


def named(paths: Sequence[Path]) -> dict[str, Path]:
    """The files of the same rows by the names of their sides, in their order; where these do not tell them apart, by
    what stands behind the last point, else by their whole names.

    Raises:
        UserError: a file is named twice.
    """
    found = [side_of(path) for path in paths]
    for names in (
        [side.name if side else "" for side in found],
        [_bare(path).rpartition(".")[2] for path in paths],
        [path.name for path in paths],
    ):
        if "" not in names and len(set(names)) == len(names):
            return dict(zip(names, paths, strict=True))
    raise UserError(f"{paths[0]} is named twice", "Name each file once.")


@dataclass(frozen=True)
class Unit:
    """A file, or files that are read beside one another.

    Attributes:
        stem: what their names have in common; of one file its name.
        paths: one at least.
    """

    stem: str
    paths: tuple[Path, ...]

    @classmethod
    def of(cls, path: Path) -> Unit:
        """A file that is read by itself."""
        return cls(path.name, (path,))


def units(paths: Sequence[Path]) -> list[Unit]:
    """Files of one folder with the same stem and another side each, beside one another, and all others by themselves;
    in the order of their first.

    Raises:
        UserError: two files are the same side of the same rows.
    """
    found: dict[tuple[Path, str | Path], dict[str, Path]] = {}
    for path in paths:
        side = side_of(path)
        files = found.setdefault((path.parent, side.stem if side else path), {})
        name = side.name if side else ""
        if name in files:
            raise UserError(f"{files[name]} and {path} are both '{name}' of the same rows", "Keep one.")
        files[name] = path
    return [
        Unit(str(stem), tuple(files.values())) if len(files) > 1 else Unit.of(*files.values())
        for (_, stem), files in found.items()
    ]
