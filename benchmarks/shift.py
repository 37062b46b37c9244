"""Ask how the student fares where the rows to come are not like those that train.

A unit is one of units.py, but for its test part: the rows of a set are sorted, by time
where they are in order of time, else by the column that says most about the class, and
the last quarter is the test part. All rows that train are labeled. The methods differ
in the limit of the built-in student's numbers, in their scale, and in `alpha`.

``python -m benchmarks.shift DATA`` runs what the results lack, ``--report`` makes a
table. Only sets to choose on are asked: nothing here is reported as a result of others.
"""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import QuantileTransformer, RobustScaler
from sklearn.tree import DecisionTreeClassifier

from benchmarks import sets
from benchmarks.harness import Benchmark, compare, main, rounded, show_differences
from benchmarks.quality import distill, fit_labels_only, fit_mean, fit_pool
from benchmarks.units import KEYS, MEASURES, Rows, Unit, measure_proba
from sk_ekd.students import default_student

IN_TIME = ["bank_marketing"]  # its rows are in order of date
SORTED = ["covtype20k", "magic", "spambase"]  # by a column: all are numbers
TEST_SHARE = 1 / 4


@dataclass
class ShiftUnit(Unit):
    """A unit whose test part lies beyond the rows that train."""

    @cached_property
    def rows(self):
        """Sort, cut, and draw the rows that train -> Rows."""
        data = sets.load(self.name, self.settings.data_dir, 20_000)
        X, y = data.X, data.y
        order = np.arange(len(y))
        if self.name not in IN_TIME:
            order = np.argsort(_leading_column(X, y), kind="stable")
        cut = round((1 - TEST_SHARE) * len(y))
        rng = np.random.default_rng(self.seed)
        train = np.sort(rng.choice(order[:cut], min(cut, 5000), replace=False))
        test = np.sort(rng.choice(order[cut:], min(len(y) - cut, 5000), replace=False))
        known = np.intersect1d(y[train], y[test])  # classes that come in both
        train, test = train[np.isin(y[train], known)], test[np.isin(y[test], known)]
        code = np.searchsorted(known, y)
        return Rows(sets.take(X, train), code[train], sets.take(X, test), code[test])


def _leading_column(X, y):
    """Return the column that a tree looks at most -> (n,)."""
    X = np.asarray(X, dtype=float)
    tree = DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, y)
    return X[:, tree.feature_importances_.argmax()]


def encode_by(step, unit, **params):
    """Distill into the built-in student with another preprocessing."""
    student = default_student(unit.rows.X, synthetic=params.get("synthetic", 5))
    if isinstance(step, dict):
        student.set_params(**step)
    else:
        scale = ("scale", step.set_output(transform="default"))
        encoder = student.steps[0]
        student = Pipeline([encoder, scale, student.steps[1]])
    return distill(unit, student=student, **params)


METHODS = {
    "default": distill,
    "ensemble": fit_mean,
    "pool": fit_pool,
    "labels_only": fit_labels_only,
    "no_synthetic": partial(distill, synthetic=0),
    "alpha_0.75": partial(distill, alpha=0.75),
    "alpha_1": partial(distill, alpha=1.0),
    "no_synthetic_alpha_1": partial(distill, synthetic=0, alpha=1.0),
    "limit_2": partial(encode_by, {"preprocessing__bound": 2.0}),
    "limit_20": partial(encode_by, {"preprocessing__bound": 20.0}),
    "no_limit": partial(encode_by, {"preprocessing__bound": None}),
    "robust": partial(encode_by, RobustScaler()),
    "quantiles": partial(
        encode_by, QuantileTransformer(output_distribution="normal", random_state=0)
    ),
}


def measure(unit, method):
    """Fit by a method, and measure it on the rows to come."""
    proba = method(unit).predict_proba(unit.rows.X_test)
    measures = rounded(measure_proba(proba, unit.rows.y_test))
    return {"n_labeled": len(unit.labeled)} | measures


def report(table, path):
    """Write means, and differences from the default -> the text."""
    mean = table.groupby(["method", "set"])[["accuracy", "log_loss"]].mean()
    shown = (100 * mean.groupby("method").mean()).round(2)
    pairs = [(name, "default") for name in METHODS if name != "default"]
    for measure_, digits in (("accuracy", 2), ("log_loss", 2)):
        found = compare(table, pairs, measure_).set_index("method")
        shown[f"{measure_} - default's"] = pd.Series(
            show_differences(found, scale=100, digits=digits), found.index
        )
    return shown.to_markdown()


BENCHMARK = Benchmark(
    "shift",
    keys=KEYS,
    columns=("n_labeled", *MEASURES),
    methods=METHODS,
    unit=ShiftUnit,
    measure=measure,
    report=report,
    budgets=(1.0,),
    seeds=1,
    sets=(*IN_TIME, *SORTED),
)

if __name__ == "__main__":
    from benchmarks import shift  # by its name, as in quality.py

    main(shift.BENCHMARK, __doc__)
