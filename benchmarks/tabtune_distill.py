"""Run TabTune's distiller on the units of quality.py, with the same teachers.

In an environment of its own, whose versions do not bind the library::

    pip install tabtune torch skorch lightgbm catboost
    PYTHONPATH=. python benchmarks/tabtune_distill.py --data-dir DIR --cache DIR

It has the same options, and adds one method to the same results. TabTune's own
teachers are large pretrained models; here its distiller gets the mean of the eight
teachers, asked out of fold, in their place. It knows no unlabeled rows: their label is
the one that the teachers' mean gives the most probability, as it does for its augmented
rows. The rest are its defaults: an MLP of residual blocks, temperature 3 adapted to
each row, rows weighted by the teachers' confidence, 300 epochs at most, and weights
averaged at the end.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # there is nothing to fetch

import numpy as np
import pandas as pd
import quality
from tabtune.distillation import TabDistiller


class AskedBefore:
    """A teacher that has answered: TabTune asks it once, about the training rows."""

    tuning_strategy = "fitted"  # or it would be fitted again, fold by fold

    def __init__(self, proba):
        self.proba = proba  # (n, c)

    def predict_proba(self, X):
        """Answer."""
        if len(X) != len(self.proba):
            raise ValueError(f"Expected {len(self.proba)} rows, got {len(X)}.")
        return self.proba


def distill(unit):
    """Let TabTune distill the mean of the teachers into its network."""
    X, y = unit.rows.X, unit.rows.y
    proba = unit.answers.out_of_fold.mean(axis=1, dtype=np.float64)  # (n, c)
    y = np.where(y < 0, proba.argmax(axis=1), y)
    model = TabDistiller([AskedBefore(proba)], random_state=unit.seed)
    return model.fit(pd.DataFrame(X), pd.Series(y))


METHODS = {"tabtune_distilled": distill}

if __name__ == "__main__":
    import tabtune_distill  # by its name: workers cannot be sent what is in __main__

    quality.main(tabtune_distill.METHODS)
