"""What quality.py and students.py share: a unit's rows, teachers, student and measures.

- 2.5 %, 10 % or all of the training rows of each class keep their label (at least five
  a class, and twenty), the others are unlabeled; the test part is looked at once, by
  the measures.
- Rows are raw tables, as a user has them; texts are turned into 100 columns without
  labels, since the built-in student takes none. At most 5,000 rows train, so that a run
  over all sets takes hours, not days.
- Eight teachers of different kinds are fitted on the labeled rows, each with the
  built-in student's preprocessing before it. They predict once: labeled rows out of
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
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from benchmarks import harness, sets
from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.inspection import expected_calibration_error
from sk_ekd.pooling import StackedPool
from sk_ekd.students import default_student

LEAST_LABELS = 5  # of a class, so that each of five folds has seen it
LEAST_ROWS = 20  # with a label, so that k-NN has enough neighbors in a fold
MAX_ROWS = 5_000  # that train
LEAST_PROBA = 1e-7  # a float32 softmax may be zero
KEYS = "set", "budget", "seed", "method"
MEASURES = "accuracy", "balanced_accuracy", "roc_auc", "log_loss", "ece"
COSTS = "bytes", "us_per_row"  # the last is the only one that differs between runs


# --- The student ----------------------------------------------------------------------


def make_student(X, settings):
    """Return the student as it ships: None, which builds it; in a quick run less of it.

    >>> make_student(np.zeros((640, 3)), harness.Settings()) is None
    True
    """
    if settings.effort == 1:
        return None
    student = default_student(X)
    epochs = max(1, round(settings.effort * student["net"].max_epochs))
    return student.set_params(net__max_epochs=epochs)


class LabelsOnly(ClassifierMixin, BaseEstimator):
    """A student that learns from labels alone, by the code that trains the others."""

    def __init__(self, make_student, random_state=None):
        self.make_student = make_student  # (X) -> student
        self.random_state = random_state

    def fit(self, X, y):
        """Train on hard labels."""
        self.classes_ = np.unique(y)
        silent = np.full((len(y), 1, len(self.classes_)), 1 / len(self.classes_))
        self.distiller_ = EnsembleDistiller(
            None, self.make_student(X), weighting="uniform", pooling="mean", alpha=0,
            random_state=self.random_state,
        ).fit(X, y, teacher_proba=silent)  # fmt: skip
        return self

    def predict_proba(self, X):
        """Predict by the student."""
        return self.distiller_.predict_proba(X)

    def predict(self, X):
        """Predict by the student."""
        return self.distiller_.predict(X)


# --- The teachers ---------------------------------------------------------------------


def make_large_net(X):
    """Return a large network, regularized, for 250 steps of 64 rows, or ten passes."""
    return default_student(X)["net"].set_params(
        module__hidden=(256, 256), module__dropout=0.5, optimizer__weight_decay=1.0,
        lr=2e-3, batch_size=64, max_epochs=int(np.clip(250 * 64 // len(X), 10, 50)),
    )  # fmt: skip


def make_teachers(X, settings, seed):
    """Return eight classifiers of different kinds, not fitted -> dict of str to it."""
    from catboost import CatBoostClassifier

    trees = settings.trees
    teachers = {
        "forest": RandomForestClassifier(trees, random_state=seed),
        "extra_trees": ExtraTreesClassifier(trees, random_state=seed),
        "lightgbm": make_lightgbm(seed, n_estimators=trees),
        "catboost": CatBoostClassifier(
            iterations=trees, learning_rate=0.2, depth=4, border_count=32, rsm=0.3,
            random_seed=seed, thread_count=1, allow_writing_files=False, verbose=0,
        ),
        "svm": CalibratedClassifierCV(
            SVC(C=3.0), method="temperature", cv=3, ensemble=False
        ),
        "knn": KNeighborsClassifier(10, weights="distance"),
        "linear": LogisticRegression(C=0.1, max_iter=200),
        "large_net": LabelsOnly(make_large_net, seed),
    }  # fmt: skip
    return {name: on_table(X, teacher) for name, teacher in teachers.items()}


def on_table(X, classifier):
    """Put the built-in student's preprocessing before a classifier."""
    return make_pipeline(default_student(X)["preprocessing"], classifier)


def make_lightgbm(seed, **params):
    """Return LightGBM, the same whatever the number of cores."""
    from lightgbm import LGBMClassifier

    usual = {
        "learning_rate": 0.1, "num_leaves": 15, "min_child_samples": 5,
        "colsample_bytree": 0.5, "reg_lambda": 1.0,
    }  # fmt: skip
    return LGBMClassifier(
        **usual | params, random_state=seed, n_jobs=1, deterministic=True,
        force_col_wise=True, verbose=-1,
    )  # fmt: skip


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

    def predict(self, X):
        """Ask every teacher, mix, and choose."""
        return self.classes[self.predict_proba(X).argmax(axis=1)]


# --- A unit of work -------------------------------------------------------------------


class Rows(NamedTuple):
    """The rows of a unit."""

    X: object  # (n, d), a table as it comes, labeled and unlabeled
    y: np.ndarray  # (n,), code of the label, -1 unlabeled
    X_test: object  # (m, d)
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
    max_rows = MAX_ROWS  # that train; another benchmark may take fewer

    @property
    def key(self):
        """What names the unit in the results."""
        return self.name, self.budget, self.seed

    @cached_property
    def rows(self):
        """Split, and take labels away -> Rows."""
        data = sets.load(self.name, self.settings.data_dir, self.max_rows)
        X, y, X_test, y_test = sets.split(data, self.seed)
        if sets.is_text(X):
            X, X_test = sets.encode(X, X_test)
        labeled = choose_labeled(y, self.budget, self.seed)
        return Rows(X, np.where(labeled, y, -1), X_test, y_test)

    @cached_property
    def encoded(self):
        """The rows as the built-in student's network sees them -> Rows."""
        X, X_test = sets.encode(self.rows.X, self.rows.X_test)
        return self.rows._replace(X=X, X_test=X_test)

    @cached_property
    def labeled(self):
        """Positions of the labeled rows."""
        return np.flatnonzero(self.rows.y >= 0)

    @property
    def known(self):
        """The labeled rows, and their labels."""
        return sets.take(self.rows.X, self.labeled), self.rows.y[self.labeled]

    @cached_property
    def classes(self):
        """All classes; each has labeled rows."""
        return np.unique(self.rows.y[self.labeled])

    def make_teachers(self, X):
        """Make the teachers, not fitted; another benchmark may have its own."""
        return make_teachers(X, self.settings, self.seed)

    @cached_property
    def teachers(self):
        """The teachers, fitted on all labeled rows -> dict of str to classifier."""
        X, y = self.known
        teachers = self.make_teachers(X)
        return {name: teacher.fit(X, y) for name, teacher in teachers.items()}

    @cached_property
    def predictions(self):
        """Ask the teachers, or read what they predicted in an earlier run."""
        path = self.settings.cache and Path(
            self.settings.cache, "-".join(map(str, (*self.key, "answers.npz")))
        )
        return harness.cached(Predictions, path, self._predict)

    def _predict(self):
        X, _, X_test, _ = self.rows
        fitted = list(self.teachers.items())
        in_sample = ask_teachers(fitted, X, classes=self.classes)  # (n, t, c)
        out_of_fold = in_sample.copy()
        out_of_fold[self.labeled] = ask_teachers(
            list(self.make_teachers(X).items()),
            *self.known, cv=5, random_state=self.seed,
        )  # fmt: skip
        test = ask_teachers(fitted, X_test, classes=self.classes)  # (m, t, c)
        return Predictions(out_of_fold, in_sample, test)

    @property
    def out_of_fold(self):
        """The teachers' predictions for the labeled rows -> (n_labeled, t, c)."""
        return self.predictions.out_of_fold[self.labeled]

    @cached_property
    def pool(self):
        """The pool that the default distills, fitted out of fold."""
        return StackedPool().fit(self.out_of_fold, self.known[1])

    def best_teacher(self):
        """Return the position of the teacher with the least log-loss out of fold."""
        y = self.known[1]
        correct = self.out_of_fold[np.arange(len(y)), :, y]  # (n_labeled, t)
        return np.log(correct.clip(LEAST_PROBA)).mean(axis=0).argmax()


def choose_labeled(y, budget, seed):
    """Draw the share of each class that stays labeled -> (n,).

    At least five rows of a class, and about twenty in all.

    >>> choose_labeled(np.repeat([0, 1], [100, 1000]), 0.025, seed=0).sum()
    np.int64(35)
    """
    count = np.bincount(y)
    least = max(LEAST_LABELS, -(-LEAST_ROWS // len(count)))
    wanted = np.maximum(np.round(budget * count), least)
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
        "log_loss": -np.log(proba[np.arange(len(y)), y].clip(LEAST_PROBA)).mean(),
        "ece": expected_calibration_error(proba, y),
    }


def measure_costs(model, X):
    """Return the length of the pickle, and microseconds a row in a batch of 1,000.

    Of the processor: a worker has one thread, and others do not count.
    """
    seconds = []
    for _ in range(5):
        start = time.process_time()
        model.predict(X[:1000])
        seconds.append(time.process_time() - start)
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
