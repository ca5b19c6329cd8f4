"""Web pages that nlpkit writes: one file each, legible on light and dark screens, that load nothing and run nothing."""

from __future__ import annotations

from html import escape

# A page shows what others wrote: where escaping should ever fail, no browser runs or fetches it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_STYLE = """:root { color-scheme: light dark; --line: color-mix(in srgb, currentcolor 15%, transparent) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem }
"""


def head(title: str, style: str = "") -> str:
    """What a page begins with; paragraphs follow, and nothing need be closed.

    Args:
        title: plain text.
        style: CSS beside what all pages have: the font, and `--line`, the colour of thin lines.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<style>
{_STYLE}{style}</style>
<body>
"""
