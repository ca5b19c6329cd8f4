"""What `explain` needs of an extra."""

from __future__ import annotations

from typing import Any

from nlpkit.errors import UserError


def captum(method: str) -> Any:
    """captum.attr, imported where a method asks for it.

    Raises:
        UserError: it is not installed.
    """
    try:
        import captum.attr
    except ImportError:
        raise UserError(
            f"--method {method} needs captum",
            "pip install 'nlpkit[explain]', or use --method erasure, without it.",
        ) from None
    return captum.attr
