"""Compare ways to pool teachers, without a student.

A unit is a set, a share of labeled rows and a seed. Six teachers are fitted on the
labeled rows; a pool learns from what they predict there out of fold (one of them in
sample, to show the harm), and is measured on test rows.

``python -m benchmarks.pools DATA`` computes what the results lack, ``--report`` prints
tables of them. To add a pool, add a line to POOLS: the next run computes it for the old
units too, at once where ``--cache`` has kept the teachers' predictions.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from benchmarks import harness, sets
from sk_ekd import ask_teachers
from sk_ekd.inspection import expected_calibration_error
from sk_ekd.pooling import CalibratedPool, StackedPool

ROWS, SHARES, LEAST_LABELS = 3000, (0.03, 0.1), 5
SMALLEST = np.finfo(np.float32).eps
RIDGE_CHOSEN_ON = [  # the library's default; the other sets were not looked at
    "adult", "diabetes130", "fashion_mnist", "heart2020", "letter", "optdigits",
    "satimage", "spambase", "wine_quality",
]  # fmt: skip
KEYS = "set", "share", "seed", "pool"
MEASURES = {"accuracy": 1, "log_loss": -1, "ece": -1}  # 1: the more, the better
TIE = 0.005  # per cent; the tables do not show less


# --- A unit of work -------------------------------------------------------------------


class Predictions(NamedTuple):
    """The teachers' probabilities, and the labels."""

    out_of_fold: np.ndarray  # (n, t, c), labeled rows
    in_sample: np.ndarray  # (n, t, c), the same rows
    y: np.ndarray  # (n,)
    test: np.ndarray  # (m, t, c)
    y_test: np.ndarray  # (m,)


@dataclass
class Unit:
    """A set, a share of labeled rows and a seed."""

    name: str
    share: float
    seed: int
    settings: harness.Settings

    @cached_property
    def predictions(self):
        """Ask the teachers, or read what they predicted in an earlier run."""
        path = self.settings.cache and Path(
            self.settings.cache, f"{self.name}-{self.share}-{self.seed}.npz"
        )
        return harness.cached(Predictions, path, self._predict)

    def _predict(self):
        data = sets.load(self.name, self.settings.data_dir)
        X, y, X_test, y_test = sets.split(data, self.seed)
        X, X_test = sets.encode(X, X_test)
        labeled = choose_labeled(y, self.share, self.seed)
        X, y = X[labeled], y[labeled]
        # the labeled rows once more, without labels: these are predicted in sample
        proba = ask_teachers(
            make_teachers(self.seed),
            np.concatenate([X, X, X_test]),
            np.concatenate([y, np.full(len(X) + len(X_test), -1)]),
            cv=5,
            random_state=self.seed,
        )
        out_of_fold, in_sample, test = np.split(proba, [len(X), 2 * len(X)])
        return Predictions(out_of_fold, in_sample, y, test, y_test)


def make_teachers(seed):
    """Return six classifiers of six kinds."""
    return [
        ("forest", RandomForestClassifier(random_state=seed)),
        ("extra_trees", ExtraTreesClassifier(random_state=seed)),
        ("boosting", HistGradientBoostingClassifier(max_iter=50, random_state=seed)),
        ("linear", LogisticRegression(max_iter=500)),
        ("svm", SVC()),  # margins, read as logits
        ("knn", KNeighborsClassifier()),
    ]


def choose_labeled(y, share, seed):
    """Draw a share of each class, of 3,000 rows in all; at least five of a class."""
    share *= min(1, ROWS / len(y))
    order = np.random.RandomState(seed).permutation(len(y))
    of_class = [order[y[order] == value] for value in np.unique(y)]
    chosen = [rows[: max(LEAST_LABELS, round(share * len(rows)))] for rows in of_class]
    return np.concatenate(chosen)


# --- The pools: Predictions -> (m, c) -------------------------------------------------


def mean(predictions):
    """Take the plain mean."""
    return predictions.test.mean(axis=1, dtype=np.float64)


def calibrated(predictions, *, ridge=1.0, rows="out_of_fold"):
    """Fit weights and temperatures."""
    pool = CalibratedPool(ridge=ridge).fit(getattr(predictions, rows), predictions.y)
    return pool.predict_proba(predictions.test)


def stacked(predictions):
    """Fit the mean of the calibrated pool and a stacker."""
    pool = StackedPool().fit(predictions.out_of_fold, predictions.y)
    return pool.predict_proba(predictions.test)


def calibrated_in_part(predictions, *, free):
    """Fit the weights or the temperatures, as `CalibratedPool`, and not the others."""
    y, test = predictions.y, log(predictions.test)
    out_of_fold = log(predictions.out_of_fold)
    n_rows, n_teachers, _ = out_of_fold.shape
    even = np.zeros(n_teachers)

    def pool(log_proba, params):
        by_weight, by_temperature = (
            (params, even) if free == "weight" else (even, params)
        )
        power = np.exp(-by_temperature)[:, np.newaxis]
        softened = softmax(log_proba * power, axis=2)
        return np.einsum("ntc,t->nc", softened, softmax(by_weight))

    def loss(params):
        correct = pool(out_of_fold, params)[np.arange(n_rows), y]
        return (-np.log(correct).sum() + params @ params / 2) / n_rows

    bounds = [(-3, 3)] * n_teachers
    return pool(test, minimize(loss, even, method="L-BFGS-B", bounds=bounds).x)


def logarithmic(predictions, *, fitted):
    """Multiply the teachers' powers; the powers are 1 / t, or fitted by log-loss."""
    log_proba, y = log(predictions.out_of_fold), predictions.y
    n_rows, n_teachers, _ = log_proba.shape
    correct = log_proba[np.arange(n_rows), :, y]  # (n, t)
    even = np.full(n_teachers, 1 / n_teachers)

    def loss_and_gradient(power):
        pool = softmax(np.einsum("ntc,t->nc", log_proba, power), axis=1)
        expected = np.einsum("nc,ntc->nt", pool, log_proba)
        away = n_teachers * (power - even)  # relative to the power of the mean
        loss = -np.log(pool[np.arange(n_rows), y]).sum() + away @ away / 2
        return loss, (expected - correct).sum(axis=0) + n_teachers * away

    power = even
    if fitted:
        bounds = [(0, None)] * n_teachers
        power = minimize(
            loss_and_gradient, even, jac=True, method="L-BFGS-B", bounds=bounds
        ).x
    return softmax(np.einsum("ntc,t->nc", log(predictions.test), power), axis=1)


def greedy(predictions, *, rounds=50):
    """Add the teacher that helps most, again and again (Caruana et al., 2004)."""
    proba, y = predictions.out_of_fold.astype(np.float64), predictions.y
    correct = proba[np.arange(len(y)), :, y].T  # (t, n)
    count, best, best_loss = np.zeros(len(correct)), None, np.inf
    for size in range(1, rounds + 1):
        bags = (count @ correct + correct) / size  # (t, n), with each of them added
        losses = -np.log(bags.clip(SMALLEST)).mean(axis=1)
        count[losses.argmin()] += 1
        if losses.min() < best_loss:
            best, best_loss = count / size, losses.min()
    return np.einsum("ntc,t->nc", predictions.test, best)


class PassOn(ClassifierMixin, BaseEstimator):
    """A classifier whose rows are the predictions themselves."""

    def fit(self, X, y):
        """Learn the classes."""
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        """Return the rows."""
        return X

    def predict(self, X):
        """Return the most probable classes."""
        return self.classes_[X.argmax(axis=1)]


def calibrated_alone(predictions):
    """Give each teacher scikit-learn's temperature, and take the mean."""
    pool = np.zeros(predictions.test[:, 0].shape)
    for t in range(predictions.test.shape[1]):
        X = predictions.out_of_fold[:, t]
        teacher = FrozenEstimator(PassOn().fit(X, predictions.y))
        model = CalibratedClassifierCV(teacher, method="temperature")
        pool += model.fit(X, predictions.y).predict_proba(predictions.test[:, t])
    return pool / pool.sum(axis=1, keepdims=True)


def log(proba):
    """Read an exact zero as the resolution of float32."""
    return np.log(np.maximum(proba, SMALLEST, dtype=np.float64))


POOLS = {
    "mean": mean,
    "calibrated": calibrated,
    "calibrated, in sample": partial(calibrated, rows="in_sample"),
    "stacked": stacked,
    "weights only": partial(calibrated_in_part, free="weight"),
    "temperatures only": partial(calibrated_in_part, free="temperature"),
    "each calibrated alone": calibrated_alone,
    "greedy selection": greedy,
    "logarithmic": partial(logarithmic, fitted=True),
    "logarithmic, even": partial(logarithmic, fitted=False),
    **{
        f"calibrated, ridge {ridge:g}": partial(calibrated, ridge=ridge)
        for ridge in (0, 0.1, 0.3, 3, 10, 30)
    },
}


# --- Measures -------------------------------------------------------------------------


def measure(unit, pool):
    """Return the measures of a pool on test rows."""
    proba, y = pool(unit.predictions), unit.predictions.y_test
    correct = proba[np.arange(len(y)), y]
    measures = {
        "accuracy": (proba.argmax(axis=1) == y).mean(),
        "log_loss": -np.log(np.maximum(correct, SMALLEST)).mean(),
        "ece": expected_calibration_error(proba, y),
    }
    return harness.rounded(measures)


# --- The report -----------------------------------------------------------------------


def compare(table, against="mean"):
    """Return one line a pool: means, and paired differences over the sets.

    The seeds of a set are averaged first, and not drawn anew by the intervals.
    """
    numbers = [100 * table[name] for name in MEASURES]
    keys = [table["set"], table["pool"].rename("method")]
    by_set = pd.concat(numbers, axis=1).groupby(keys).mean()  # over the seeds
    shown = by_set.groupby("method").mean()
    shown = shown.loc[[pool for pool in POOLS if pool in shown.index]].round(2)
    by_set = by_set.reset_index().assign(seed=0)
    pairs = [(pool, against) for pool in shown.index if pool != against]
    for name, sign in MEASURES.items():
        gains = by_set.assign(gain=sign * by_set[name])
        found = harness.compare(gains, pairs, "gain", tie=TIE)
        shown[f"{name} gain"] = pd.Series(describe(found), index=found["method"])
    return shown.fillna("").rename_axis("pool")


def describe(found):
    """Write "gain [95 % bootstrap interval] p wins/ties/losses" -> list of str."""
    counts = found[["higher", "tie", "lower"]].astype(str).agg("/".join, axis=1)
    return [
        f"{difference} {harness.show_p(p)} {count}"
        for difference, p, count in zip(
            harness.show_differences(found), found["p"], counts, strict=True
        )
    ]


def report(table, path):
    """Show all sets, and the halves on which the ridge was, and was not, chosen."""
    chosen = table["set"].isin(RIDGE_CHOSEN_ON)
    halves = {"all sets": chosen | ~chosen, "chosen on": chosen, "others": ~chosen}
    lines = []
    for (title, half), share in itertools.product(halves.items(), SHARES):
        part = table[half & (table["share"] == share)]
        if len(part):
            title = f"{title} ({part['set'].nunique()}), {share:.0%} labeled; per cent"
            lines += [title, "", compare(part).to_string(), ""]
    return "\n".join(lines)


BENCHMARK = harness.Benchmark(
    "pools",
    keys=KEYS,
    columns=tuple(MEASURES),
    methods=POOLS,
    unit=Unit,
    measure=measure,
    report=report,
    budgets=SHARES,
)

if __name__ == "__main__":
    from benchmarks import pools  # by its name: workers are not sent what is in main

    harness.main(pools.BENCHMARK, __doc__)
