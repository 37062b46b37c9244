"""Compare the default with what scikit-learn has for unlabeled rows, and with stacking.

A unit is one of systems.py: a set, a share of labeled rows, a seed, and six teachers,
but 2,000 rows that train. The alternatives see the rows as the built-in student's
network does, scaled and encoded:

- ``SelfTrainingClassifier``, with its defaults, around the built-in network, and around
  the teacher that has the least log-loss out of fold, of the five with probabilities;
- ``LabelSpreading`` and ``LabelPropagation`` over nearest neighbors, of which a search
  in three folds of the labeled rows chooses how many (and, for spreading, `alpha`);
- stacking: a logistic regression on what the six teachers predict out of fold, as
  ``StackingClassifier`` has it. It needs all six to predict.

``python -m benchmarks.alternatives DATA`` computes what the results lack, ``--report``
prints a table of them.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.semi_supervised import (
    LabelPropagation,
    LabelSpreading,
    SelfTrainingClassifier,
)

from benchmarks import harness, systems, units
from sk_ekd.model_selection import SemiSupervisedSplit
from sk_ekd.students import default_student

SETS = (  # those on which nothing was chosen, as in quality.py
    "adult", "clinc150", "diabetes130", "dry_bean", "fashion_mnist", "german_credit",
    "heart2020", "optdigits", "wine_quality",
)  # fmt: skip
NEIGHBORS = [3, 7, 15, 30]
TITLE = (
    "Difference to the default, mean over sets [95 % bootstrap interval over sets, and "
    "seeds within them]; p: Wilcoxon's signed-rank test over sets, Holm's correction "
    "over the methods; sets on which the mean is higher and lower."
)


class Unit(systems.Unit):
    """A unit of few rows."""

    max_rows = 2_000

    def best_with_proba(self):
        """Return the best teacher of those that have probabilities, not fitted."""
        y = self.known[1]
        teachers = self.make_teachers(self.encoded.X).values()
        correct = self.out_of_fold[np.arange(len(y)), :, y]  # (n_labeled, t)
        score = np.log(correct.clip(units.LEAST_PROBA)).mean(axis=0)
        able = [hasattr(teacher, "predict_proba") for teacher in teachers]
        return list(teachers)[np.where(able, score, -np.inf).argmax()][-1]


# --- A unit -> probabilities of the test rows -----------------------------------------


def distill(unit):
    """Distill the six teachers as the library does by default."""
    return unit.distill().predict_proba(unit.rows.X_test)


def average(unit):
    """Take the plain mean of the teachers."""
    return unit.predictions.test.mean(axis=1)


def stack(unit):
    """Fit a logistic regression to what the teachers predict out of fold."""
    X, y = unit.out_of_fold, unit.known[1]
    final = LogisticRegression(max_iter=500).fit(X.reshape(len(X), -1), y)
    test = unit.predictions.test
    return final.predict_proba(test.reshape(len(test), -1))


def on_labels(make_classifier):
    """Fit a classifier to the labeled rows."""

    def predict(unit):
        X, y = unit.encoded.X[unit.labeled], unit.known[1]
        return make_classifier(unit).fit(X, y).predict_proba(unit.encoded.X_test)

    return predict


def self_train(make_classifier):
    """Let a classifier label rows that it is sure of, and learn from these."""

    def predict(unit):
        model = SelfTrainingClassifier(make_classifier(unit))
        model.fit(unit.encoded.X, unit.rows.y)
        return model.predict_proba(unit.encoded.X_test)

    return predict


def spread(model, **grid):
    """Let labels run along nearest neighbors; what none reaches, is even."""

    def predict(unit):
        X, y, X_test, _ = unit.encoded
        grid_ = {"n_neighbors": NEIGHBORS, **grid}
        cv = SemiSupervisedSplit(3)
        search = GridSearchCV(model, grid_, cv=cv, scoring="accuracy").fit(X, y)
        proba = search.predict_proba(X_test)
        return np.where(np.isfinite(proba), proba, 1 / proba.shape[1])

    return predict


def make_network(unit):
    """Return the network of the built-in student, for rows that are encoded."""
    return units.LabelsOnly(make_net, unit.seed)


def make_net(X):
    """Return the built-in student without its preprocessing."""
    return default_student(X)["net"]


METHODS = {
    "default": distill,
    "mean": average,
    "stacking": stack,
    "network": on_labels(make_network),
    "network_self": self_train(make_network),
    "best": on_labels(Unit.best_with_proba),
    "best_self": self_train(Unit.best_with_proba),
    "spreading": spread(LabelSpreading("knn"), alpha=[0.2, 0.8]),
    "propagation": spread(LabelPropagation("knn")),
}
NAMES = {
    "default": "**the default**: one network",
    "mean": "the mean of the six teachers",
    "stacking": "stacking of the six teachers",
    "network": "the same network, labels only",
    "network_self": "SelfTrainingClassifier around it",
    "best": "the best teacher, labels only",
    "best_self": "SelfTrainingClassifier around it",
    "spreading": "LabelSpreading, tuned",
    "propagation": "LabelPropagation, tuned",
}


def measure(unit, method):
    """Fit, and measure on the test rows."""
    values = units.measure_proba(method(unit), unit.rows.y_test)
    return harness.rounded({name: values[name] for name in systems.MEASURES})


def report(table, path):
    """Return a table of differences to the default, in Markdown."""
    lines = [TITLE, ""]
    for budget, rows in table.groupby("budget"):
        lines += [f"{budget:.0%} labeled, {rows['set'].nunique()} sets:", ""]
        lines += systems.compare_table(rows, list(METHODS), "default", NAMES)
    return "\n".join(lines)


BENCHMARK = harness.Benchmark(
    name="alternatives",
    keys=units.KEYS,
    columns=systems.MEASURES,
    methods=METHODS,
    unit=Unit,
    measure=measure,
    report=report,
    budgets=systems.BUDGETS,
    sets=SETS,
)

if __name__ == "__main__":
    harness.main(BENCHMARK, __doc__)
