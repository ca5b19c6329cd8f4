"""What `mkdocs build` needs beside mkdocs.yml: the menu, and the pages of the repository that stand outside docs/.

The menu is that of docs/index.md, its headings and its list items, so that a page is listed once. README.md,
SECURITY.md and their like stay where people and GitHub look for them; the site shows them under project/. Links to
them, and to files that are no pages, lead there.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
OUTSIDE = {
    "README.md": "project/readme.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
    "recipes/README.md": "project/recipes.md",
    "recipes/accelerate/README.md": "project/accelerate.md",
    "benchmarks/README.md": "project/benchmarks.md",
}
"""Pages outside docs/, and where the site has them."""

_ITEM = re.compile(r"^- \[(.+?)\]\(([^)#\s]+\.(?:md|ipynb))\)")
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)

Menu = list[dict[str, Any]]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The menu, from docs/index.md."""
    config.nav = menu((ROOT / "docs" / "index.md").read_text(encoding="utf-8"))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages outside docs/, and the files that any page links to."""
    for path, place in OUTSIDE.items():
        files.append(File.generated(config, place, content=(ROOT / path).read_text(encoding="utf-8")))
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        source = f"files/{posixpath.basename(notebook.src_uri)}"
        files.append(File.generated(config, source, content=notebook.content_bytes))
        place = _place(f"docs/{notebook.src_uri}")
        content = _page_of_notebook(notebook.content_string, posixpath.relpath(source, posixpath.dirname(place)))
        files.remove(notebook)
        files.append(File.generated(config, place, content=content))
    linked = set()
    for file in files.documentation_pages():
        for _, target, _ in _LINK.findall(_CODE.sub("", file.content_string)):
            path = _in_repository(target, _home(file.src_uri))
            if path and _is_plain_file(path):
                linked.add(path)
    for path in sorted(linked):
        files.append(File.generated(config, f"files/{path}", content=(ROOT / path).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page whose links are those of the site; commands are found first, and what has changed is not searched."""
    if page.file.src_uri == OUTSIDE["CHANGELOG.md"]:
        page.meta["search"] = {"exclude": True}
    if page.file.src_uri.startswith("reference/commands/"):
        page.meta["search"] = {"boost": 2}
    parts = _CODE.split(markdown)
    parts[::2] = [_LINK.sub(lambda link: _moved(link, page.file.src_uri), part) for part in parts[::2]]
    return "".join(parts)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page whose options are marked as such, see docs/assets/site.css."""
    return re.sub(r"<code>(--[\w-]{1,30}(?: [\w.-]{1,12})?)</code>", r'<code class="option">\1</code>', html)


def menu(index: str) -> Menu:
    """Sections by heading; lines that end with a colon open a part of one.

    Args:
        index: text of docs/index.md.

    Returns:
        mkdocs' `nav`: names with a page, or with a list of such.
    """
    part: Menu = [{"nlpkit": "index.md"}]
    below: Menu = []
    sections: Menu = [{"Start": part}]
    for line in index.splitlines():
        if line.startswith("## "):
            below = []
            sections.append({line[3:]: below})
            part = below
        elif line.endswith(":") and len(sections) > 1:
            part = []
            below.append({line.rstrip(":").partition(",")[0]: part})
        elif item := _ITEM.match(line):
            path = posixpath.normpath(posixpath.join("docs", item[2]))
            part.append({item[1]: _place(path)})
    return sections


def _page_of_notebook(notebook: str, source: str) -> str:
    """The cells of a notebook as a page; `source` is where the notebook itself can be fetched from it."""
    parts = []
    for cell in json.loads(notebook)["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    parts.insert(1, f"[The notebook]({source}) shows tables and plots when it is run.")
    return "\n\n".join(parts) + "\n"


def _place(path: str) -> str:
    """Where the site has a page of the repository; a notebook is a page there."""
    return OUTSIDE.get(path) or re.sub(r"\.ipynb$", ".md", posixpath.relpath(path, "docs"))


def _home(src_uri: str) -> str:
    """Where a page of the site stands in the repository."""
    places = {place: path for path, place in OUTSIDE.items()}
    return places.get(src_uri, f"docs/{src_uri}")


def _in_repository(target: str, home: str) -> str | None:
    """The path that a link of a page leads to; None where it leads to the web or stays on the page."""
    path = target.partition("#")[0]
    if not path or re.match(r"[a-z]+:", target):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(home), path))


def _is_plain_file(path: str) -> bool:
    return not path.startswith("docs/") and path not in OUTSIDE and (ROOT / path).is_file()


def _moved(link: re.Match[str], src_uri: str) -> str:
    before, target, after = link.groups()
    path = _in_repository(target, _home(src_uri))
    if path is None or path.startswith("docs/files/"):
        return link[0]
    place = _place(path) if path.startswith("docs/") or path in OUTSIDE else f"files/{path}"
    _, mark, anchor = target.partition("#")
    return f"{before}{os.path.relpath(place, posixpath.dirname(src_uri) or '.')}{mark}{anchor}{after}"
