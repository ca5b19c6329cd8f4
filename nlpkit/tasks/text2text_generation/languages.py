"""Languages of multilingual tokenizers (mBART, M2M100, NLLB): their codes, and where their tokens stand."""

from __future__ import annotations

from typing import Any

from nlpkit.errors import UserError
from nlpkit.options import suggest

SHOWN = 8  # codes that a message lists


def ids(tokenizer: Any) -> dict[str, int]:
    """The codes of the languages that a tokenizer marks texts with, and the ids of their tokens; none of one that marks
    none."""
    if not hasattr(tokenizer, "src_lang"):
        return {}
    known = getattr(tokenizer, "lang_code_to_id", None)
    if known is None:  # NLLB's are the special tokens that have no other role
        roles = set(map(str, tokenizer.special_tokens_map.values()))
        codes = [str(token) for token in tokenizer.all_special_tokens if str(token) not in roles]
        known = dict(zip(codes, tokenizer.convert_tokens_to_ids(codes), strict=True))
    return {code: int(number) for code, number in known.items() if number != tokenizer.unk_token_id}


def mark(tokenizer: Any, source: str | None, target: str | None) -> None:
    """Have a tokenizer mark texts with the language that they are in, and what is written with its own.

    Args:
        tokenizer: changed in place.
        source, target: codes; None: those that it was opened with.
    """
    if not hasattr(tokenizer, "src_lang"):
        return
    if not hasattr(tokenizer, "nlpkit_languages"):
        tokenizer.nlpkit_languages = tokenizer.src_lang, tokenizer.tgt_lang
    for name, code, own in zip(("src_lang", "tgt_lang"), (source, target), tokenizer.nlpkit_languages, strict=True):
        if getattr(tokenizer, name) != (code or own):
            setattr(tokenizer, name, code or own)


def require(tokenizer: Any, source: str | None, target: str | None) -> None:
    """Check that a tokenizer knows the languages that are asked for.

    Raises:
        UserError: it knows no such language.
    """
    for code, flag in ((source, "--source-language"), (target, "--target-language")):
        if code is None:
            continue
        known = ids(tokenizer)
        if not known:
            raise UserError(
                f"{flag} {code}: the tokenizer has no such language, as it marks none",
                "Such a model is told by what stands before a text: --prefix.",
            )
        if code not in known:
            listed = ", ".join(sorted(known)[:SHOWN]) + (", ..." if len(known) > SHOWN else "")
            raise UserError(
                f"{flag} {code}: the tokenizer has no such language",
                " ".join(filter(None, [suggest(code, known), f"It has {len(known)}: {listed}"])),
            )


def begins(tokenizer: Any, code: str) -> bool:
    """Whether the token of a language is the first that is written (mBART-50, NLLB), and not what a decoder begins with
    (mBART, whose texts end with their language)."""
    first: int = tokenizer(text_target="a")["input_ids"][0]
    return first == ids(tokenizer)[code]


def unnamed(tokenizer: Any, source: str | None, target: str | None) -> str:
    """What is said where a tokenizer marks texts with languages that nobody has named; "" where that is not so."""
    if not ids(tokenizer) or (source and target):
        return ""
    written = tokenizer.tgt_lang or tokenizer.src_lang
    return (
        f"the tokenizer marks texts with their language: what is read with {tokenizer.src_lang} (--source-language), "
        f"what is written with {written} (--target-language)"
    )
