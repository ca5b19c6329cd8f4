"""What groups cost once the vectors are there: time and memory, told before the work, by rates that were measured."""

from __future__ import annotations

from nlpkit import reporting
from nlpkit.clustering import reduction
from nlpkit.runs.folder import human_bytes

# Seconds of one core of 2026, as `cluster` and `topics` took them of texts of 10 to 400 words.
PLACED = 0.004  # of a row that t-SNE places itself
ROW = 0.0002  # of a row that is put into a group, counted into words and written
PRODUCTS = 1.5e10  # multiplications with their additions, a second
COPIES = 4  # of all vectors: as they are, at length 1, and in the hands of a method, which makes one more
HELD = 2_500  # bytes of a row beside its vectors: its text and cells, its words, its pieces of files


def described(rows: int, width: int, *, placed: bool, compared: int = 0) -> list[tuple[str, str]]:
    """Lines of a plan.

    Args:
        rows: that have a text.
        width: of a vector; 0 where it is not known yet.
        placed: whether t-SNE or UMAP places rows.
        compared: rows that each row is compared with besides.
    """
    beside = reduction.PLACED if placed and rows > reduction.PLACED else 0
    seconds = ROW * rows + PLACED * min(rows, reduction.PLACED) * placed
    seconds += rows * (compared + beside) * width / PRODUCTS
    long = f"about {reporting.duration(seconds)}" if seconds >= 1 else "under 1 s"
    told = [("time", f"{long} on one core when the vectors are there")]
    if width:
        needed = human_bytes(rows * (COPIES * 4 * width + HELD))
        told.append(("memory", f"about {needed} for rows and vectors, beside the model"))
    return told
