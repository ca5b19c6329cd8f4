"""What stands in the files: each value is of its type, or refused by the name of the file and the key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlpkit.errors import UserError
from nlpkit.runs.files import small_text
from nlpkit.tasks.sentence_embedding.folder.names import POOLINGS, SETTINGS
from nlpkit.tasks.sentence_embedding.vectors import SIMILARITIES

DAMAGED = "The file is damaged; copy it again."
SHOWN = 60  # letters of a prompt that one line shows


def parsed(path: Path, where: object) -> Any:
    """What a JSON file holds.

    Raises:
        UserError: it is no JSON; `where` names it.
    """
    try:
        return json.loads(small_text(path))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise UserError(f"{where} is not JSON: {reason}", DAMAGED) from None


def json_object(document: Any, where: object) -> Mapping[str, Any]:
    """A JSON object; an empty one where there is no file.

    Raises:
        UserError: it is something else.
    """
    if document is not None and not isinstance(document, dict):
        raise UserError(f"{where} holds no JSON object", DAMAGED)
    return document or {}


def cut(value: object) -> str:
    """A value of someone else's file, as short as a message needs it."""
    shown = repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."


def whole(document: Mapping[str, Any], key: str, where: object) -> int | None:
    """A number of tokens or dimensions; None where none is given.

    Raises:
        UserError: it is no whole number above 0: what is read of a text, or kept of a vector, would be a guess.
    """
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UserError(f"{where}: {key} {cut(value)} is no whole number above 0", DAMAGED)
    return value


def switch(document: Mapping[str, Any], key: str, where: object, *, default: bool) -> bool:
    """What is on or off.

    Raises:
        UserError: it is neither: the text "false" would be taken for on.
    """
    value = document.get(key)
    if value is not None and not isinstance(value, bool):
        raise UserError(f"{where}: {key} {cut(value)} is neither true nor false", DAMAGED)
    return default if value is None else value


def names_pooling(document: Mapping[str, Any]) -> bool:
    """Whether a 1_Pooling/config.json names a way, or says of any that it is on or off."""
    switches = (switch for _, switch in POOLINGS.values())
    return any(document.get(key) is not None for key in ("pooling_mode", *switches))


def pooling(document: Mapping[str, Any], where: object) -> tuple[str, ...]:
    """The ways of a 1_Pooling/config.json, of any release; the mean where it names none.

    Raises:
        UserError: a way that there is not, or all are switched off.
    """
    named = document.get("pooling_mode")
    if named is None:
        on = tuple(way for way, (_, key) in POOLINGS.items() if switch(document, key, where, default=False))
        if not on and document.get(POOLINGS["mean"][1]) is False:
            raise UserError(f"{where} switches every way of pooling off", DAMAGED)
        return on or ("mean",)
    ours = {theirs: way for way, (theirs, _) in POOLINGS.items()}
    ways = [named] if isinstance(named, str) else named
    if not isinstance(ways, list) or not ways or not all(isinstance(way, str) for way in ways):
        raise UserError(f"{where}: pooling_mode {cut(named)} names no way of pooling", DAMAGED)
    if unknown := [way for way in ways if way not in ours]:
        raise UserError(
            f"{where} asks for the pooling {cut(unknown[0])}, which there is not here",
            f"There are: {', '.join(ours)}.",
        )
    return tuple(ours[way] for way in ways)


def prompts(settings: Mapping[str, Any], name: str) -> dict[str, str]:
    """The prompts of a config_sentence_transformers.json, by name.

    Raises:
        UserError: they are no texts.
    """
    found = settings.get("prompts") or {}
    if not isinstance(found, dict) or not all(isinstance(text, str | None) for text in found.values()):
        raise UserError(f"{name}: {SETTINGS}: prompts {cut(found)} are no texts by name", DAMAGED)
    return {str(key): text for key, text in found.items() if text is not None}


def default_prompt(settings: Mapping[str, Any], name: str) -> str | None:
    """The name of the prompt that is used where none is asked for; None: none is.

    Raises:
        UserError: there is no prompt of this name.
    """
    default = settings.get("default_prompt_name")
    if default is None:
        return None
    if not isinstance(default, str) or default not in prompts(settings, name):
        raise UserError(f"{name}: {SETTINGS}: default_prompt_name {cut(default)} is none of its prompts", DAMAGED)
    return default


def similarity(settings: Mapping[str, Any], name: str) -> str:
    """How vectors are compared, one of `SIMILARITIES`; cosine where nothing says it.

    Raises:
        UserError: in another way.
    """
    found = settings.get("similarity_fn_name") or "cosine"
    if isinstance(found, str):
        found = {"dot_product": "dot", "dot_score": "dot", "cos_sim": "cosine"}.get(found, found)
    if found not in SIMILARITIES:
        raise UserError(
            f"{name}: {SETTINGS} compares vectors by {cut(found)}, which needs several vectors a text or is unknown",
            f"nlpkit compares by {', '.join(SIMILARITIES)}; use sentence-transformers for this model.",
        )
    return str(found)
