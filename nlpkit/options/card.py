"""Options of what a model card says of a model and no run knows: its license, and the language of its texts."""

from __future__ import annotations

import re

from pydantic import field_validator

from nlpkit.options.declaring import Config, option
from nlpkit.options.values import Names

# ISO 639-1, https://www.loc.gov/standards/iso639-2/php/code_list.php
_LANGUAGES = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg
ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta
te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
LANGUAGES = frozenset(_LANGUAGES.split())
NO_LANGUAGE = ("code", "multilingual")  # what the hub has instead of one


def is_language(code: object) -> bool:
    """Whether the hub takes it for a language: ISO 639-1, three letters as in ISO 639-2 and 639-3, or with a region."""
    if not isinstance(code, str):
        return False
    if code in NO_LANGUAGE:
        return True
    shape = re.fullmatch(r"([a-z]{2,3})(-[A-Za-z0-9]{2,8})*", code)
    return shape is not None and (len(shape[1]) == 3 or shape[1] in LANGUAGES)


class CardOptions(Config):
    """What the model card says beside what the run knows."""

    license: str | None = option(
        None,
        "License of the model, for its card: apache-2.0, mit, cc-by-4.0, ...",
        panel="Output",
        metavar="NAME",
        shown_default="that of the base model's card",
    )
    language: Names = option(
        [],
        "Language of the texts, for the card: en, de, ..., multilingual.",
        panel="Output",
        metavar="CODE,CODE",
        shown_default="that of the base model's card",
    )

    @field_validator("license")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9][\w .+()-]{0,99}", value):
            raise ValueError("write the name of a license, as apache-2.0")
        return value

    @field_validator("language")
    @classmethod
    def _are_codes(cls, value: list[str]) -> list[str]:
        for code in value:
            if not is_language(code):
                raise ValueError(f"'{code}' is no code of a language; write en, de, tr, ... (ISO 639)")
        return value
