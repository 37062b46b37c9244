"""What quality.py and students.py share: a unit's rows, teachers, student and measures.

- 2.5 % or 10 % of the training rows of each class keep their label (at least five a
  class), the others are unlabeled; the test part is looked at once, by the measures.
- Rows are encoded once, without labels, for all teachers and students alike.
- Eight teachers of different kinds are fitted on the labeled rows, the parameters of
  three of them chosen there by cross-validation. They predict once: labeled rows out of
  fold (and in sample, for the comparison), unlabeled and test rows by the teachers that
  saw all labeled rows. These are also the ensemble that is compared with.
"""

import pickle
import time
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from benchmarks import harness, sets
from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.inspection import expected_calibration_error
from sk_ekd.pooling import CalibratedPool
from sk_ekd.students import default_student

LEAST_LABELS = 5  # of a class, so that each of five folds has seen it
KEYS = "set", "budget", "seed", "method"
MEASURES = "accuracy", "balanced_accuracy", "roc_auc", "log_loss", "ece"
COSTS = "bytes", "us_per_row"  # the last is the only one that differs between runs


# --- The student ----------------------------------------------------------------------


def make_net(X, steps, *, batch_size=64, **params):
    """Return the built-in student's net, trained for so many steps, whatever the rows.

    >>> net = make_net(np.zeros((640, 3)), 2000)
    >>> net.batch_size, net.max_epochs
    (64, 200)
    """
    batches = -(-len(X) // batch_size)  # an epoch
    epochs = -(-steps // batches)
    return default_student(X)["net"].set_params(
        batch_size=batch_size, max_epochs=epochs, device="cpu", **params
    )


class LabelsOnly(ClassifierMixin, BaseEstimator):
    """A net that learns from labels alone, by the code that trains the students."""

    def __init__(self, steps, params=None, random_state=None):
        self.steps = steps
        self.params = params  # of the net
        self.random_state = random_state

    def fit(self, X, y):
        """Train on hard labels."""
        net = make_net(X, self.steps, **(self.params or {}))
        self.classes_ = np.unique(y)
        silent = np.full((len(y), 1, len(self.classes_)), 1 / len(self.classes_))
        self.distiller_ = EnsembleDistiller(
            None, net, weighting="uniform", alpha=0, random_state=self.random_state
        ).fit(X, y, teacher_proba=silent)
        return self

    def predict_proba(self, X):
        """Predict by the net."""
        return self.distiller_.predict_proba(X)

    def predict(self, X):
        """Predict by the net."""
        return self.distiller_.predict(X)


# --- The teachers ---------------------------------------------------------------------


LARGE = {
    "module__hidden": (512, 512),
    "module__dropout": 0.5,
    "optimizer__weight_decay": 1.0,
    "lr": 2e-3,
}


def make_teachers(settings, seed):
    """Return eight classifiers of different kinds, not fitted -> dict of str to it."""
    from catboost import CatBoostClassifier
    from lightgbm import LGBMClassifier

    trees = settings.trees
    return {
        "forest": RandomForestClassifier(trees, random_state=seed),
        "extra_trees": ExtraTreesClassifier(trees, random_state=seed),
        "lightgbm": LGBMClassifier(
            n_estimators=trees, learning_rate=0.05, num_leaves=15, min_child_samples=5,
            colsample_bytree=0.5, reg_lambda=1.0, random_state=seed, n_jobs=1,
            deterministic=True, force_col_wise=True, verbose=-1,
        ),
        "catboost": CatBoostClassifier(
            iterations=trees, learning_rate=0.1, depth=4, border_count=32, rsm=0.3,
            random_seed=seed, thread_count=1, allow_writing_files=False, verbose=0,
        ),
        "svm": CalibratedClassifierCV(
            search(SVC(), "accuracy", C=[1.0, 10.0]),
            method="temperature", cv=3, ensemble=False,
        ),
        "knn": search(
            KNeighborsClassifier(weights="distance"), "accuracy", n_neighbors=[3, 5, 10]
        ),
        "linear": search(
            LogisticRegression(max_iter=300), "neg_log_loss", C=[0.01, 0.1, 1.0]
        ),
        "large_net": LabelsOnly(settings.steps // 8, LARGE, seed),
    }  # fmt: skip


def search(estimator, scoring, **grid):
    """Choose parameters on the rows that the teacher is fitted on."""
    return GridSearchCV(estimator, grid, scoring=scoring, cv=3)


class Ensemble:
    """The fitted teachers as one classifier: their plain mean, or a pool of them."""

    def __init__(self, teachers, classes, pool=None):
        self.teachers, self.classes = teachers, classes
        self.pool = pool  # maps (n, t, c) to (n, c)

    def predict_proba(self, X):
        """Ask every teacher, and mix."""
        proba = ask_teachers(list(self.teachers.items()), X, classes=self.classes)
        pool = self.pool or partial(np.mean, axis=1)
        return pool(proba)


# --- A unit of work -------------------------------------------------------------------


class Rows(NamedTuple):
    """The rows of a unit, encoded."""

    X: np.ndarray  # (n, d), labeled and unlabeled
    y: np.ndarray  # (n,), code of the label, -1 unlabeled
    X_test: np.ndarray  # (m, d)
    y_test: np.ndarray  # (m,)


class Predictions(NamedTuple):
    """The teachers' probabilities, asked once for all methods."""

    out_of_fold: np.ndarray  # (n, t, c), labeled rows by teachers that saw others
    in_sample: np.ndarray  # (n, t, c), all rows by teachers that saw all labeled rows
    test: np.ndarray  # (m, t, c)


@dataclass
class Unit:
    """A set, a label budget and a seed, and what all methods share there."""

    name: str
    budget: float
    seed: int
    settings: harness.Settings

    @property
    def key(self):
        """What names the unit in the results."""
        return self.name, self.budget, self.seed

    @cached_property
    def rows(self):
        """Split, encode, and take labels away -> Rows."""
        data = sets.load(self.name, self.settings.data_dir)
        X, y, X_test, y_test = sets.split(data, self.seed)
        X, X_test = sets.encode(X, X_test)
        labeled = choose_labeled(y, self.budget, self.seed)
        return Rows(X, np.where(labeled, y, -1), X_test, y_test)

    @cached_property
    def labeled(self):
        """Positions of the labeled rows."""
        return np.flatnonzero(self.rows.y >= 0)

    @cached_property
    def classes(self):
        """All classes; each has labeled rows."""
        return np.unique(self.rows.y[self.labeled])

    @cached_property
    def teachers(self):
        """The teachers, fitted on all labeled rows -> dict of str to classifier."""
        X, y = self.rows.X[self.labeled], self.rows.y[self.labeled]
        teachers = make_teachers(self.settings, self.seed)
        return {name: teacher.fit(X, y) for name, teacher in teachers.items()}

    @cached_property
    def predictions(self):
        """Ask the teachers, or read what they predicted in an earlier run."""
        path = self.settings.cache and Path(
            self.settings.cache, "-".join(map(str, (*self.key, "answers.npz")))
        )
        return harness.cached(Predictions, path, self._predict)

    def _predict(self):
        X, y, X_test, _ = self.rows
        fitted = list(self.teachers.items())
        in_sample = ask_teachers(fitted, X, classes=self.classes)  # (n, t, c)
        out_of_fold = in_sample.copy()
        out_of_fold[self.labeled] = ask_teachers(
            list(make_teachers(self.settings, self.seed).items()),
            X[self.labeled], y[self.labeled], cv=5, random_state=self.seed,
        )  # fmt: skip
        test = ask_teachers(fitted, X_test, classes=self.classes)  # (m, t, c)
        return Predictions(out_of_fold, in_sample, test)

    @cached_property
    def pool(self):
        """The calibrated pool, fitted out of fold on the labeled rows."""
        proba, y = self.predictions.out_of_fold[self.labeled], self.rows.y[self.labeled]
        return CalibratedPool().fit(proba, y)

    def best_teacher(self):
        """Return the position of the teacher that is right most often out of fold."""
        proba, y = self.predictions.out_of_fold[self.labeled], self.rows.y[self.labeled]
        return (proba.argmax(axis=2) == y[:, np.newaxis]).mean(axis=0).argmax()


def choose_labeled(y, budget, seed):
    """Draw the share of each class that stays labeled, at least five rows -> (n,).

    >>> choose_labeled(np.repeat([0, 1], [100, 1000]), 0.025, seed=0).sum()
    np.int64(30)
    """
    count = np.bincount(y)
    wanted = np.maximum(np.round(budget * count), LEAST_LABELS)
    order = np.random.default_rng(seed).permutation(len(y))
    rank = np.empty(len(y), dtype=int)  # among the rows of the class
    rank[order] = pd.Series(y[order]).groupby(y[order]).cumcount()
    return rank < wanted[y]


# --- Measures -------------------------------------------------------------------------


def measure_proba(proba, y):
    """Return the measures of test probabilities (m, c)."""
    proba = np.asarray(proba, dtype=np.float64)
    proba /= proba.sum(axis=1, keepdims=True)
    right = proba.argmax(axis=1) == y
    score = proba[:, 1] if proba.shape[1] == 2 else proba
    return {
        "accuracy": right.mean(),
        "balanced_accuracy": pd.Series(right).groupby(y).mean().mean(),
        "roc_auc": roc_auc_score(y, score, multi_class="ovr"),
        # a float32 softmax may be zero
        "log_loss": -np.log(proba[np.arange(len(y)), y].clip(1e-7)).mean(),
        "ece": expected_calibration_error(proba, y),
    }


def measure_costs(model, X):
    """Return the length of the pickle, and microseconds a row in a batch of 1,000."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        model.predict_proba(X[:1000])
        seconds.append(time.perf_counter() - start)
    return {
        "bytes": pickled_bytes(getattr(model, "student_", model)),
        "us_per_row": round(1e6 * np.median(seconds) / len(X[:1000]), 1),
    }


def pickled_bytes(model):
    """Return the length of the pickle, None if there can be none."""
    try:
        return len(pickle.dumps(model))
    except TypeError:
        return None
