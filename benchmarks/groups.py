"""Measure the worst group: students of teachers some of whom learned a likeness.

A unit is a set, a case and a seed. In the training rows of both sets something is
spuriously alike within a class:

- adult: nine in ten women with a high income are left out of 4,000 training rows, so
  that sex says more of income than it does in the test rows. Groups: sex and income.
- digits: ten columns, a color, name the class of 95 % of the training rows, of half of
  the test rows, and another class elsewhere; the pixels are blurred by noise. Groups:
  whether the color is that of the class.

A careful teacher is fitted with weights that make the groups of a class count alike, a
plain one without. Cases: four careful forests of different seeds ("debiased"), two
careful and two plain ones ("half"), and two of each of four kinds of models ("kinds").
One more plain forest is the biased teacher of `GroupRobust`. Half of the rows have
their labels hidden from the student.

``python -m benchmarks.groups DATA`` computes what the results lack, ``--report`` prints
a table of them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression

from benchmarks import harness, sets
from benchmarks.units import on_table
from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.dynamic import AgreeToDisagree, GroupRobust

KEYS = "set", "case", "seed", "method"
MEASURES = "accuracy", "worst_group"
CASES = "debiased", "half", "kinds"
ADULT_ROWS, ADULT_TEST_ROWS = 4_000, 6_000
KEPT_WOMEN = 0.1  # of those with a high income, in training
ALIKE, ALIKE_IN_TEST = 0.95, 0.5  # share of rows whose color is that of the class
NOISE = 0.3
BIASED = "biased"
TITLE = (
    "Accuracy and accuracy in the worst group on test rows, per cent, means over seeds "
    "[lowest and highest of them]. alpha is 1, but for the default and the last line: "
    "the labels are spuriously alike, too."
)


class Rows(NamedTuple):
    """Rows with their groups."""

    X: object
    y: np.ndarray
    group: np.ndarray
    X_test: object
    y_test: np.ndarray
    group_test: np.ndarray


def load_adult(data_dir, seed):
    """Leave most women with a high income out of the training rows -> Rows."""
    rng = np.random.default_rng(seed)
    data = sets.load("adult", data_dir, max_rows=10**6)
    parts = []
    for X, y in ((data.X, data.y), (data.X_test, data.y_test)):
        group = X["sex"].astype(str).str.strip() + np.where(y == 1, " high", " low")
        parts.append((X, y, group.to_numpy()))
    (X, y, group), test = parts
    rare = (group == "Female high") & (rng.random(len(y)) > KEPT_WOMEN)
    train = rng.permutation(np.flatnonzero(~rare))[:ADULT_ROWS]
    in_test = rng.permutation(len(test[1]))[:ADULT_TEST_ROWS]
    return Rows(*_take(X, y, group, train), *_take(*test, in_test))


def load_colored_digits(data_dir, seed):
    """Add a color that names the class of most training rows -> Rows."""
    rng = np.random.default_rng(seed)
    X, y = load_digits(return_X_y=True)
    order = rng.permutation(len(y))
    train, test = np.split(order, [2 * len(y) // 3])
    alike = rng.random(len(y)) < ALIKE
    alike[test] = rng.random(len(test)) < ALIKE_IN_TEST
    color = np.where(alike, y, (y + rng.integers(1, 10, len(y))) % 10)
    pixels = X / 16 + NOISE * rng.standard_normal(X.shape)
    X = np.hstack([pixels, 2 * np.eye(10)[color]])
    group = np.where(alike, "color alike", "other color")
    return Rows(*_take(X, y, group, train), *_take(X, y, group, test))


def _take(X, y, group, index):
    return sets.take(X, index), y[index], group[index]


LOADERS = {"adult": load_adult, "digits": load_colored_digits}


# --- A unit of work -------------------------------------------------------------------


@dataclass
class Unit:
    """A set, a case and a seed, and what all methods share there."""

    name: str
    case: str
    seed: int
    settings: harness.Settings

    @cached_property
    def rows(self):
        """The rows with their groups -> Rows."""
        return LOADERS[self.name](self.settings.data_dir, self.seed)

    @cached_property
    def y(self):
        """The labels that the student sees."""
        hidden = np.random.default_rng(self.seed).random(len(self.rows.y)) < 0.5
        return np.where(hidden, -1, self.rows.y)

    @cached_property
    def teachers(self):
        """The teachers, fitted, the biased one last -> list of (str, classifier)."""
        kinds = make_kinds(self.settings.trees, self.seed)
        if self.case != "kinds":
            kinds = {
                f"forest-{i + 1}": make_forest(self.settings.trees, self.seed + i)
                for i in range(4)
            }
        careful = 4 if self.case == "debiased" else 2
        weight = balance(self.rows.y, self.rows.group)
        fitted = [
            (name, self._fit(model, weight if i < careful else None))
            for i, (name, model) in enumerate(kinds.items())
        ]
        biased = make_forest(self.settings.trees, self.seed + 100)
        return [*fitted, (BIASED, self._fit(biased, None))]

    def _fit(self, model, weight):
        pipeline = on_table(self.rows.X, model)
        name = pipeline.steps[-1][0]
        weights = {} if weight is None else {f"{name}__sample_weight": weight}
        return pipeline.fit(self.rows.X, self.rows.y, **weights)

    @cached_property
    def proba(self):
        """What all teachers predict for training rows -> (n, t + 1, c)."""
        return ask_teachers(self.teachers, self.rows.X)

    def distill(self, *, with_biased=False, **params):
        """Fit a student, of the teachers without the biased one, or with it."""
        n_teachers = len(self.teachers) if with_biased else len(self.teachers) - 1
        params = {"random_state": self.seed, "alpha": 1.0, **params}
        distiller = EnsembleDistiller(self.teachers[:n_teachers], **params)
        proba = self.proba[:, :n_teachers]
        return distiller.fit(self.rows.X, self.y, teacher_proba=proba)


def make_forest(trees, seed):
    """Return a forest, not fitted."""
    return RandomForestClassifier(trees, min_samples_leaf=3, random_state=seed)


def make_kinds(trees, seed):
    """Return four kinds of models, not fitted; the first two are the careful ones."""
    return {
        "forest": make_forest(trees, seed),
        "linear": LogisticRegression(C=0.1, max_iter=300),
        "boosting": HistGradientBoostingClassifier(max_iter=30, random_state=seed),
        "extra_trees": ExtraTreesClassifier(
            trees, min_samples_leaf=3, random_state=seed
        ),
    }


def balance(y, group):
    """Weigh rows so that the groups of a class count alike, the mean is one -> (n,).

    >>> balance(np.array([0, 0, 0, 1]), np.array(["a", "a", "b", "a"]))
    array([0.66666667, 0.66666667, 1.33333333, 1.33333333])
    """
    cell = pd.Series(list(zip(y, group, strict=True)))
    weight = (1 / cell.map(cell.value_counts())).to_numpy()
    return weight / weight.mean()


# --- Methods --------------------------------------------------------------------------


class Mean:
    """The teachers, the biased one left out, as a classifier."""

    def __init__(self, unit):
        self.teachers = unit.teachers[:-1]

    def predict(self, X):
        """Ask all, and average."""
        return ask_teachers(self.teachers, X).mean(axis=1).argmax(axis=1)


METHODS = {
    "teachers": Mean,
    "default": lambda unit: unit.distill(alpha=0.5),
    "mean": lambda unit: unit.distill(weighting="uniform", pooling="mean"),
    "agree": lambda unit: unit.distill(weighting=AgreeToDisagree()),
    "robust": lambda unit: unit.distill(
        weighting=GroupRobust(BIASED), with_biased=True
    ),
    "robust_rows": lambda unit: unit.distill(
        weighting=GroupRobust(BIASED, per="row"), with_biased=True
    ),
    "robust_labels": lambda unit: unit.distill(
        weighting=GroupRobust(BIASED), with_biased=True, alpha=0.5
    ),
}
NAMES = {
    "teachers": "the teachers' mean, no student",
    "default": "the default, alpha=0.5",
    "mean": "average of the teachers",
    "agree": "AgreeToDisagree()",
    "robust": "GroupRobust",
    "robust_rows": 'GroupRobust(per="row")',
    "robust_labels": "GroupRobust, alpha=0.5",
}


def measure(unit, method):
    """Fit, and measure on the test rows of every group."""
    right = method(unit).predict(unit.rows.X_test) == unit.rows.y_test
    of_group = pd.Series(right).groupby(unit.rows.group_test).mean()
    values = {"accuracy": right.mean(), "worst_group": of_group.min()}
    return harness.rounded(values)


def report(table, path):
    """Return a table of means over seeds, in Markdown."""
    lines = [TITLE, ""]
    for name, of_set in table.groupby("set", sort=True):
        cases = [case for case in CASES if case in set(of_set["case"])]
        heads = [f"{case}: all | worst group" for case in cases]
        lines += [
            f"| {name} | {' | '.join(heads)} |",
            "|---" * (1 + 2 * len(cases)) + "|",
        ]
        for method in METHODS:
            cells = [_cells(of_set, case, method) for case in cases]
            lines.append(f"| {NAMES[method]} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _cells(table, case, method):
    values = (
        100
        * table[(table["case"] == case) & (table["method"] == method)][list(MEASURES)]
    )
    return " | ".join(
        f"{values[m].mean():.1f} [{values[m].min():.0f}, {values[m].max():.0f}]"
        for m in MEASURES
    )


BENCHMARK = harness.Benchmark(
    name="groups",
    keys=KEYS,
    columns=MEASURES,
    methods=METHODS,
    unit=Unit,
    measure=measure,
    report=report,
    budgets=CASES,
    sets=tuple(LOADERS),
)

if __name__ == "__main__":
    harness.main(BENCHMARK, __doc__)
