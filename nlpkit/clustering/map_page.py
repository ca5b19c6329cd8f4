"""One page with a map of texts: every point tells its text, nothing is loaded, and it works from the disk.

Texts stand in a block of JSON in which no character can end it, and the page's policy lets its own script run alone,
known by its checksum: a text that holds HTML is shown as it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nlpkit import page
from nlpkit.clustering.drawing import OUTLIERS, colour_of
from nlpkit.runs.files import whole, writing

SCRIPT = Path(__file__).with_name("map.js")
WHOLE = 65_535  # a coordinate is one of so many steps
MOST_CHARACTERS = 12_000_000  # of all texts in a page
LONGEST = 300  # characters of one
SHORTEST = 40
STYLE = """html, body { height: 100%; margin: 0; max-width: none; padding: 0 }
body { display: grid; grid-template: auto 1fr / minmax(14rem, 20rem) 1fr; background: canvas; color: canvastext }
header { grid-column: 1 / 3; display: flex; gap: 1rem; align-items: baseline; padding: .5rem .8rem;
  border-bottom: 1px solid var(--line) }
h1 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere }
header p { margin: 0; font-size: .85rem; opacity: .75 }
input { margin-left: auto; font: inherit; font-size: .9rem; padding: .2rem .5rem; width: 16rem }
nav { overflow-y: auto; border-right: 1px solid var(--line); padding: .4rem }
nav button { display: flex; gap: .5rem; align-items: center; width: 100%; font: inherit; font-size: .85rem;
  text-align: left; color: inherit; background: none; border: 0; padding: .15rem .3rem; cursor: pointer }
nav button:hover { background: var(--line) }
nav .off { opacity: .4 }
nav i { flex: none; width: .8rem; height: .8rem; border-radius: 50% }
nav span { flex: 1; overflow-wrap: anywhere }
nav b { font-weight: 400; opacity: .7; font-variant-numeric: tabular-nums }
main { position: relative; overflow: hidden; min-height: 0 }
canvas { position: absolute; width: 100%; height: 100%; touch-action: none }
#tip { position: absolute; max-width: 24rem; pointer-events: none; background: canvas; border: 1px solid currentcolor;
  border-radius: .3rem; padding: .3rem .5rem; font-size: .85rem; line-height: 1.35; overflow-wrap: anywhere }
#tip[hidden] { display: none }
#tip b { display: block; font-size: .75rem; opacity: .7 }
"""


def write(
    path: Path,
    points: np.ndarray,
    groups: np.ndarray,
    names: Sequence[str],
    texts: Sequence[str],
    places: Sequence[str],
    *,
    title: str,
    about: str,
    outliers: str = "outliers",
    overwrite: bool = False,
) -> int:
    """Write the page.

    Args:
        path: of the page.
        points: shape (rows, 2).
        groups: the group of each row from 0, -1 for none.
        names: of the groups.
        texts: of the rows; of long ones the page has the beginning.
        places: where each row stands, such as "row 7".
        title: heading of the page.
        about: one sentence on how the map was made.
        outliers: what rows without a group are called.
        overwrite: replace what is there.

    Returns:
        Characters of a text that the page has at most.
    """
    most = _room(texts)
    data = {
        "x": _packed(_steps(points[:, 0]), "<u2"),
        "y": _packed(_steps(points[:, 1]), "<u2"),
        "groups": _packed(groups, "<i2"),
        "names": list(names),
        "colours": [*(colour_of(group) for group in range(len(names))), OUTLIERS],
        "middles": _middles(points, groups, len(names)),
        "texts": [text if len(text) <= most else f"{text[: most - 1]}…" for text in texts],
        "places": list(places),
        "outliers": outliers,
    }
    # As escapes no character of a text can end the block, or begin a comment in it.
    block = json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")
    script = SCRIPT.read_text(encoding="utf-8")
    body = f"""<header><h1>{page.text(title)}</h1><p>{page.text(about)} <span id=said></span></p>
<input id=search type=search placeholder="search the texts" aria-label="search the texts"></header>
<nav id=groups></nav>
<main><canvas id=map></canvas><div id=tip hidden><b></b><span dir=auto></span></div></main>
<script id=data type="application/json">{block}</script>
<script>{script}</script>
"""
    with writing(path), whole(path, overwrite=overwrite) as partial:
        partial.write_text(page.head(title, STYLE, script) + body, encoding="utf-8")
    return most


def _room(texts: Sequence[str]) -> int:
    """Characters of a text at most, so that all of them together make a page that a browser opens at once."""
    return int(np.clip(MOST_CHARACTERS // max(len(texts), 1), SHORTEST, LONGEST))


def _steps(values: np.ndarray) -> np.ndarray:
    """Coordinates as steps; both axes are filled."""
    low, high = float(values.min()), float(values.max())
    return np.asarray(np.rint((values - low) / max(high - low, 1e-12) * WHOLE), np.int64)


def _middles(points: np.ndarray, groups: np.ndarray, count: int) -> list[list[int] | None]:
    """Where the name of each group stands."""
    steps = np.stack([_steps(points[:, 0]), _steps(points[:, 1])], axis=1)
    here = [steps[groups == group] for group in range(count)]
    return [np.median(some, axis=0).astype(int).tolist() if len(some) else None for some in here]


def _packed(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, np.dtype(kind)).tobytes()).decode()
