"""Run TabTune's distiller on the units of quality.py, with the same teachers.

In an environment of its own, whose versions do not bind the library::

    pip install tabtune torch skorch lightgbm catboost
    python -m benchmarks.tabtune_distill DATA --cache DIR

It has the same options, and one method, which ``--report`` compares with the results of
quality.py. TabTune's own teachers are large pretrained models; here its distiller gets
the mean of the eight teachers, asked out of fold, in their place. It knows no unlabeled
rows: their label is the one that the teachers' mean gives the most probability, as it
does for its augmented rows. The rest are its defaults: an MLP of residual blocks,
temperature 3 adapted to each row, rows weighted by the teachers' confidence, 300 epochs
at most, and weights averaged at the end.
"""

import os
from dataclasses import replace

os.environ["HF_HUB_OFFLINE"] = "1"  # there is nothing to fetch

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tabtune.distillation import TabDistiller

from benchmarks import quality, quality_report
from benchmarks.harness import main
from benchmarks.units import on_table


class AskedBefore:
    """A teacher that has predicted: TabTune asks it once, about the training rows."""

    tuning_strategy = "fitted"  # or it would be fitted again, fold by fold

    def __init__(self, proba):
        self.proba = proba  # (n, c)

    def predict_proba(self, X):
        """Return what was predicted."""
        if len(X) != len(self.proba):
            raise ValueError(f"Expected {len(self.proba)} rows, got {len(X)}.")
        return self.proba


def distill(unit):
    """Let TabTune distill the mean of the teachers into its network."""
    X, y = unit.rows.X, unit.rows.y
    proba = unit.predictions.out_of_fold.mean(axis=1, dtype=np.float64)  # (n, c)
    y = np.where(y < 0, proba.argmax(axis=1), y)
    model = TabDistiller([AskedBefore(proba)], random_state=unit.seed)
    model = make_pipeline(FunctionTransformer(pd.DataFrame), model)
    return on_table(X, model).fit(X, pd.Series(y))


METHODS = {"tabtune_distilled": distill}
BENCHMARK = replace(
    quality.BENCHMARK, name="tabtune", methods=METHODS, quick=None,
    report=quality_report.write_others,
)  # fmt: skip

if __name__ == "__main__":
    from benchmarks import tabtune_distill  # by its name, as in quality.py

    main(tabtune_distill.BENCHMARK, __doc__)
