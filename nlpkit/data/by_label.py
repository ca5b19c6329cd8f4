"""A JSON file of a value for each label."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nlpkit.errors import UserError
from nlpkit.nearby import expanded
from nlpkit.runs.files import small_text
from nlpkit.runs.records import each_once


def read(path: str, names: Sequence[str], flag: str, hint: str) -> dict[str, Any]:
    """The value of each label, whatever it is.

    Args:
        names: of the labels; the file names each once, and no other.
        flag: the option, for messages.
        hint: what else the option takes.

    Raises:
        UserError: there is no such file, it is no JSON, or its labels are others.
    """
    try:
        given = json.loads(small_text(expanded(path)), object_pairs_hook=each_once)
    except OSError as error:
        raise UserError(f"{flag}: cannot read {path}: {error.strerror}", hint) from None
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise UserError(f"{flag}: {path} is not JSON: {reason}") from None
    if not isinstance(given, dict) or set(given) != set(names):
        actual = ", ".join(given) if isinstance(given, dict) else type(given).__name__
        raise UserError(f"{flag}: {path} names {actual}; the labels are {', '.join(names)}")
    return given
