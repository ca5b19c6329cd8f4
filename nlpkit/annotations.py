"""What the annotation of an option says of its values.

Help and command lines are made of it, so nothing is imported here that takes time.
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin


def kinds_of(annotation: Any) -> set[type]:
    """The types that an option's value may have, without None: {bool}, {list}, {str}, ..."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return kinds_of(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        parts = (part for part in get_args(annotation) if part is not type(None))
        return {kind for part in parts for kind in kinds_of(part)}
    if origin is Literal:
        return {str}
    return {origin or annotation}
