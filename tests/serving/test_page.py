"""The files of the pages: whole, of this server alone, and allowed by their own policy."""

from __future__ import annotations

import re

import pytest

from nlpkit.serving import page

FILES = {path: content.decode() for path, (content, _) in page.files().items()}
SCRIPTS = sorted(path for path in FILES if path.endswith(".js"))


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_what_a_page_loads_is_there(path: str) -> None:
    loaded = re.findall(r'<(?:script|link)[^>]*(?:src|href)="([^"]*)"', FILES[path])
    assert {"/page/look.css", "/page/page.css"} < set(loaded)
    assert set(loaded) <= FILES.keys()


@pytest.mark.parametrize("path", SCRIPTS)
def test_what_a_module_imports_is_there(path: str) -> None:
    for names, source in re.findall(r'import \{([^}]*)\} from "\./([^"]*)"', FILES[path]):
        exported = re.findall(r"export (?:async )?(?:const|class|function) (\w+)", FILES[f"/page/{source}"])
        assert {name.strip() for name in names.split(",")} <= set(exported)


@pytest.mark.parametrize("path", FILES)
def test_nothing_is_loaded_from_elsewhere(path: str) -> None:
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", FILES[path]))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # the name of SVG, which is not fetched


def test_texts_are_never_read_as_html() -> None:
    readers = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    assert not [path for path in SCRIPTS if re.search(readers, FILES[path])]


def test_nothing_in_the_pages_needs_what_the_policy_forbids() -> None:
    for path in ("/", "/docs"):
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", FILES[path])
    assert "'unsafe" not in page.HEADERS["content-security-policy"]
    assert "default-src 'none'" in page.HEADERS["content-security-policy"]


def test_media_types_are_those_that_a_browser_runs() -> None:
    types = {path: media_type for path, (_, media_type) in page.files().items()}
    assert types["/"].startswith("text/html")
    assert types["/page/page.js"].startswith("text/javascript")  # a module of another type is refused
    assert types["/page/page.css"].startswith("text/css")
