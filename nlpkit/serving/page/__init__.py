"""The pages that a service shows to people: `/`, where a model is asked, and `/docs`, which says how programs do it.

Plain HTML, CSS and JavaScript modules, which load nothing from elsewhere and need no build. What a model answers and
what a user types is only ever set as the text of an element, which no browser reads as HTML.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

from nlpkit import page

FOLDER = "/page/"  # of the address of what the pages load
PAGES = {"index.html": "/", "docs.html": "/docs"}
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# Should ever a text be read as HTML, nothing of it runs, loads or sends anything, and no other site frames the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # a service that was started anew may be of another version
}
"""Of every answer that holds a file of the pages."""


def files() -> dict[str, tuple[bytes, str]]:
    """What the pages are made of: path of the address -> content, media type."""
    found = {f"{FOLDER}look.css": (page.LOOK.encode(), MEDIA_TYPES[".css"])}
    for file in resources.files(__name__).iterdir():
        media_type = MEDIA_TYPES.get(file.name[file.name.rfind(".") :])
        if media_type is not None:
            found[PAGES.get(file.name, FOLDER + file.name)] = (file.read_bytes(), media_type)
    return found
