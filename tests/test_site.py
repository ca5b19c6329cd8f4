"""The site of the pages: its menu is docs/index.md, its links hold, it is read and searched without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
mkdocs = pytest.importorskip("mkdocs.commands.build", reason="the site needs the extra docs")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does: a warning of mkdocs is an error."""
    from mkdocs.config import load_config

    place = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(place))
    config.plugins.on_startup(command="build", dirty=False)
    mkdocs.build(config)
    return place


def test_the_menu_is_that_of_the_index() -> None:
    import site_pages

    index = "# n\n- [First](../README.md): a\n\n## Use\n\nCommands, in order:\n\n- [x](reference/x.md): b\n"
    assert site_pages.menu(index) == [
        {"Start": [{"nlpkit": "index.md"}, {"First": "project/readme.md"}]},
        {"Use": [{"Commands": [{"x": "reference/x.md"}]}]},
    ]


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    fetched = set()
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", text):
            fetched |= set(re.findall(r'(?:src|href)="((?:https?:)?//[^"]*)"', tag))
    assert not fetched


def test_the_search_finds_commands_and_not_what_has_changed(site: Path) -> None:
    found = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    pages = {entry["location"].partition("#")[0] for entry in found}
    assert "reference/commands/predict.html" in pages
    assert "project/changelog.html" not in pages


def test_a_page_outside_docs_links_to_the_pages_of_the_site(site: Path) -> None:
    text = (site / "project" / "recipes.html").read_text(encoding="utf-8")
    targets = re.findall(r'href="([^"#]+\.(?:html|yaml))', text)
    assert any(target.endswith("benchmark.html") for target in targets)
    assert all((site / "project" / target).exists() for target in targets)


def test_a_notebook_is_a_page_that_leads_to_the_notebook(site: Path) -> None:
    page = site / "tutorials" / "python.html"
    cells = json.loads((ROOT / "docs" / "tutorials" / "python.ipynb").read_text(encoding="utf-8"))["cells"]
    text = page.read_text(encoding="utf-8")
    assert text.count('<div class="highlight">') == [cell["cell_type"] for cell in cells].count("code") > 0
    (source,) = set(re.findall(r'href="([^"]+\.ipynb)"', text))
    assert (page.parent / source).exists()
