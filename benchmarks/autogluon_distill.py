"""Run AutoGluon's ensemble, and its own distillation, on the units of quality.py.

In an environment of its own, whose versions do not bind the library::

    pip install "autogluon.tabular[all]==1.6.3" torch==2.13.0 skorch==1.4.0
    python -m benchmarks.autogluon_distill DATA

It has the same options, and two methods: the ensemble that AutoGluon builds by itself
from the labeled rows, and the student that `distill` makes of it from the labeled and
the unlabeled rows; without unlabeled rows, AutoGluon makes rows up. A network, a forest
and a LightGBM are trained, and the one that is best on AutoGluon's own validation rows
counts. (Its CatBoost student took five minutes for 5,000 rows, and is left out.) All
else is AutoGluon's default: this compares two ways to one model, not two ways to
weight. ``--report`` compares them with the results of quality.py.
"""

import tempfile
from dataclasses import replace

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor

from benchmarks import quality, quality_report, sets
from benchmarks.harness import main

STUDENTS = {"NN_TORCH": {}, "GBM": {}, "RF": {}}
SECONDS = 300  # at most, for the teachers, and again for the students


class Predictor:
    """One of AutoGluon's models as a classifier."""

    def __init__(self, predictor, model=None):
        self.predictor, self.model = predictor, model

    def predict_proba(self, X):
        """Predict, with columns in the order of the codes."""
        proba = self.predictor.predict_proba(as_frame(X), model=self.model)
        return proba[sorted(proba)].to_numpy()

    def predict(self, X):
        """Predict codes."""
        return self.predictor.predict(as_frame(X), model=self.model).to_numpy()

    def __reduce__(self):
        raise TypeError("AutoGluon's models are files: a pickle has none of them.")


def as_frame(X, y=None):
    """Return a DataFrame as AutoGluon reads it."""
    frame = pd.DataFrame(X).set_axis([f"x{i}" for i in range(X.shape[1])], axis=1)
    return frame if y is None else frame.assign(label=y)


def fit_ensemble(unit):
    """Let AutoGluon fit its ensemble to the labeled rows, once a unit."""
    if hasattr(unit, "predictor"):
        return unit.predictor
    X, y = unit.known
    predictor = TabularPredictor(
        "label", path=tempfile.mkdtemp(dir=FOLDER.name), verbosity=0
    )
    unit.predictor = predictor.fit(
        as_frame(X, y), time_limit=SECONDS, num_cpus=1, fit_strategy="sequential"
    )
    return unit.predictor


def distill(unit):
    """Let AutoGluon distill it, on the unlabeled rows too."""
    predictor = fit_ensemble(unit)
    unlabeled = np.flatnonzero(unit.rows.y < 0)
    rows = as_frame(sets.take(unit.rows.X, unlabeled)) if len(unlabeled) else None
    students = predictor.distill(
        augmentation_data=rows, hyperparameters=STUDENTS, time_limit=SECONDS,
        verbosity=0,
    )  # fmt: skip
    board = predictor.leaderboard()  # the best on its validation rows comes first
    return Predictor(predictor, next(n for n in board["model"] if n in students))


FOLDER = tempfile.TemporaryDirectory()
METHODS = {
    "autogluon": lambda unit: Predictor(fit_ensemble(unit)),
    "autogluon_distilled": distill,
}
BENCHMARK = replace(
    quality.BENCHMARK, name="autogluon", methods=METHODS, budgets=(0.1,), quick=None,
    report=quality_report.write_others,
)  # fmt: skip

if __name__ == "__main__":
    from benchmarks import autogluon_distill  # by its name, as in quality.py

    main(autogluon_distill.BENCHMARK, __doc__)
