"""Teachers of every kind, and how to query them."""

import warnings

import numpy as np
import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.base import ClassifierMixin
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from sk_ekd import EnsembleDistiller
from sk_ekd.teachers._predict import stack_proba
from sk_ekd.weighting import uniform
from tests.worlds import make_net

CLASSES = np.arange(3)
LETTERS = np.array(["a", "b", "c"])


def small_net(**params):
    """Return a net of few epochs that holds out no rows by itself."""
    return make_net(**{"max_epochs": 2, "train_split": None, **params})


UNFITTED = {
    "forest": RandomForestClassifier(n_estimators=5, random_state=0),
    "boosting": HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "svc": SVC(),
    "linear_svc": LinearSVC(random_state=0),
    "ridge": RidgeClassifier(),
    "neighbors": KNeighborsClassifier(5),
    "votes": VotingClassifier([("tree", DecisionTreeClassifier(random_state=0))]),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "lightgbm": LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1),
    "xgboost": XGBClassifier(n_estimators=5, n_jobs=1),
    "catboost": CatBoostClassifier(
        iterations=5, allow_writing_files=False, verbose=0, thread_count=1
    ),
    "skorch": small_net(module__in_features=4, module__out_features=3),
}
WITH_PROBA = [name for name in UNFITTED if hasattr(UNFITTED[name], "predict_proba")]
every_teacher = pytest.mark.parametrize("name", UNFITTED)


def ask(teacher, X, classes=CLASSES):
    """Return one teacher's answer -> (n, c)."""
    return stack_proba({"teacher": teacher}, X, np.asarray(classes))[:, 0]


def distill(teachers, X, y, *, student=None, **params):
    params = {"random_state": 0, **params}
    with warnings.catch_warnings():
        # these tests are about the answers, not about how good the teachers are
        warnings.filterwarnings("ignore", "The fitted teachers are all but")
        return EnsembleDistiller(teachers, student or small_net(), **params).fit(X, y)


class Remote:
    """A model from elsewhere: answers and `classes_`, nothing of scikit-learn."""

    def __init__(self, classes, **answers):
        self.classes_ = classes
        answers.setdefault("predict", None)
        for method, answer in answers.items():
            setattr(self, method, lambda X, answer=answer: answer)


class Recorder(DecisionTreeClassifier):
    """A tree that logs what it is fitted on and asked; clones share the log."""

    log = []

    def fit(self, X, y, sample_weight=None):
        self.log.append(("fit", X, sample_weight))
        return super().fit(X, y, sample_weight=sample_weight)

    def predict_proba(self, X):
        self.log.append(("predict_proba", X, None))
        return super().predict_proba(X)


class Witness(ClassifierMixin):
    """A fitted classifier that keeps the rows it is asked, of whatever kind."""

    def __init__(self):
        self.classes_ = np.array([0, 1])
        self.asked = []

    def predict_proba(self, X):
        self.asked.append(X)
        n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
        return np.full((n_samples, 2), 0.5)

    def predict(self, X):
        raise AssertionError("asked for votes, although there are probabilities")


class Watch:
    """The uniform weighting, which keeps the rows it has seen."""

    def __init__(self):
        self.rows = []

    def __call__(self, rows):
        self.rows.append(rows)
        return uniform(rows)

    @property
    def proba(self):
        return np.concatenate([rows.proba for rows in self.rows])
