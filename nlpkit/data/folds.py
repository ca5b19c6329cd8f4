"""Rows in folds: each is judged by a model that was trained on the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nlpkit.data import draws
from nlpkit.errors import UserError

if TYPE_CHECKING:
    import numpy as np

LEAST = 2  # rows that a model can be trained on when one of them is held out


@dataclass(frozen=True)
class Rows:
    """What decides about the folds of some rows.

    Attributes:
        groups: a number for each row, from 0 without gaps; rows of one number stay together; shape (rows,).
        strata: the class of each row, of which each fold has its share; None where rows have none.
        named: the name of a class, for messages.
    """

    groups: np.ndarray
    strata: np.ndarray | None
    named: Callable[[int], str] = str

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def together(self) -> int:
        """How many rows stand in a group with others."""
        import numpy as np

        sizes = np.bincount(self.groups)
        return int(sizes[sizes > 1].sum())

    def drawn(self, count: int, seed: int) -> np.ndarray:
        """The fold of each row, from 0, shape (rows,): whole groups, of like size, and with like shares of classes.

        Without groups of several rows these are the folds of scikit-learn's StratifiedKFold, or of its KFold where rows
        have no class; else those of its StratifiedGroupKFold, for which all rows are of one class where they have none.

        Args:
            count: of folds.
            seed: of the draw.

        Raises:
            UserError: there are fewer groups than folds, or fewer rows of a class.
        """
        import numpy as np
        from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

        self._require_enough(count)
        rows, strata = np.zeros(len(self)), self.strata
        shuffled = {"n_splits": count, "shuffle": True, "random_state": seed}
        if self.together:
            parts = StratifiedGroupKFold(**shuffled).split(rows, rows if strata is None else strata, self.groups)
        elif strata is not None:
            parts = StratifiedKFold(**shuffled).split(rows, strata)
        else:
            parts = KFold(**shuffled).split(rows)
        fold = np.empty(len(self), np.int64)
        for number, (_, judged) in enumerate(parts):
            fold[judged] = number
        sizes = np.bincount(fold, minlength=count)
        if not sizes.all() or len(self) - sizes.max() < LEAST:
            raise UserError(
                f"--cv {count}: one of the groups of rows that stay together is too large: a fold is left without rows",
                "Choose fewer folds.",
            )
        return fold

    def held_out(self, rows: np.ndarray, share: float, seed: int) -> np.ndarray:
        """Which of `rows` (sorted indices) choose the checkpoint of a model that is trained on the rest of them.

        Args:
            share: of them.
            seed: of the draw.
        """
        import numpy as np
        from datasets import Dataset

        columns = {"row": rows} | ({} if self.strata is None else {"class": self.strata[rows]})
        _, held = draws.hold_out(
            Dataset.from_dict(columns),
            share,
            stratify_by=None if self.strata is None else "class",
            groups=np.unique(self.groups[rows], return_inverse=True)[1].reshape(-1),
            seed=seed,
        )
        return np.asarray(held["row"][:])

    def _require_enough(self, count: int) -> None:
        import numpy as np

        groups = int(self.groups.max()) + 1
        if groups < count:
            rows = f"{len(self):,} rows" + (f" in {groups:,} groups that stay together" if groups < len(self) else "")
            raise UserError(
                f"--cv {count}: there are {rows}, and each fold needs one",
                f"Choose --cv {groups} or less." if groups >= LEAST else "Leave --cv out, or add rows.",
            )
        if self.strata is None:
            return
        present, sizes = np.unique(self.strata, return_counts=True)
        rarest, least = int(present[sizes.argmin()]), int(sizes.min())
        if least < count:
            fewer = f"Choose --cv {least} or less, or add" if least >= LEAST else "Leave --cv out, or add"
            have = "row has" if least == 1 else "rows have"
            raise UserError(
                f"--cv {count}: {least} {have} the label {self.named(rarest)!r}, and each fold needs one of them",
                f"{fewer} rows of it.",
            )
