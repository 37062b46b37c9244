"""The teachers as a dynamic weighting sees them: members of a large ensemble by groups.

Unmixed predictions are n·t·c numbers. Hundreds of members are alike, and are seen as
the means of at most 16 groups, each with the sum of its members' weights: the mix by
the pool's weights is the same as before.
"""

import numpy as np

from ._step import Teachers

MOST = 16  # groups of the members of one ensemble
STACKER = "stacker"


class Groups:
    """Teachers, some of them averaged.

    Parameters
    ----------
    names : list of str
        The teachers of the distiller.
    weight : ndarray of shape (n_teachers,)
        The pool's weights; one more for its stacker, if it has one.
    n_classes : int
        Number of classes.
    of_one : bool
        Whether the teachers are the members of one ensemble.
    """

    def __init__(self, names, weight, n_classes, *, of_one):
        n_parts = MOST if of_one and len(names) > MOST else len(names)
        self.parts = np.array_split(np.arange(len(names)), n_parts)
        shown = [_name([names[t] for t in part]) for part in self.parts]
        if len(weight) > len(names):
            self.parts.append(np.array([len(names)]))
            shown.append(STACKER if STACKER not in names else f"{STACKER} (pool)")
        self.weight = weight
        pool = np.array([weight[part].sum() for part in self.parts])
        self.teachers = Teachers(shown, pool / pool.sum(), n_classes)

    def merge(self, proba):
        """Average the members of each group that predict a row -> (n, groups, c)."""
        if len(self.parts) == proba.shape[1]:
            return proba
        return np.stack([self._mean(proba[:, part], part) for part in self.parts], 1)

    def _mean(self, proba, part):
        weight = self.weight[part]
        weight = weight if weight.any() else np.ones(len(part))
        total = (proba.any(axis=2) @ weight)[:, np.newaxis]
        mean = np.einsum("ntc,t->nc", proba, weight)
        return np.divide(mean, total, out=np.zeros_like(mean), where=total > 0)


def _name(names):
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
