"""How all pictures look: for a page that is 700 pixels wide, on white, in colours that the colour-blind tell apart."""

from __future__ import annotations

from typing import Any

WIDTH = 7.0  # inches of the widest picture; at `DPI` a page scales it down a little, and its text stays legible
HEIGHT = 3.3  # inches of a picture whose rows do not grow with the data
DPI = 140
PALETTE = 160  # colours of a picture

# Okabe and Ito 2008, https://jfly.uni-koeln.de/color/: without yellow, which is pale on white
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
INK = "#222222"
QUIET = "#888888"  # lines that something is compared with
QUIET_TEXT = "#666666"
FAINT = "#e4e4e4"  # grids
SMALL = 8.0  # points of text within a picture

# Texts in a picture are names of the user's, which no setting of theirs makes formulas of: a label may be `$`.
AS_WRITTEN: dict[Any, Any] = {"text.parse_math": False, "text.usetex": False, "axes.formatter.use_mathtext": False}

# Said in full, as a user's matplotlibrc may say otherwise; the fonts are theirs, as their labels may need them.
STYLE: dict[Any, Any] = {
    **AS_WRITTEN,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",  # a page may be dark
    "axes.facecolor": "white",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": QUIET,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "grid.alpha": 1.0,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.0,
    "hatch.linewidth": 0.6,
}
