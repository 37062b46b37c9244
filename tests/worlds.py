"""The nets, teachers and small data sets that several test files share."""

from functools import cached_property
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import make_blobs, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNetClassifier
from torch import nn

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.inspection import distillation_report
from sk_ekd.students import MLP, default_student

# --- Nets ---------------------------------------------------------------------------


class OneLogit(MLP):
    """A module that returns one logit a row."""

    def forward(self, X):
        return super().forward(X).squeeze(1)


class Normed(nn.Sequential):
    """A module with batch normalization, which fails on a batch of one row."""

    def __init__(self, in_features, out_features):
        super().__init__(
            nn.BatchNorm1d(in_features), nn.Linear(in_features, out_features)
        )


def make_net(module=MLP, kind=NeuralNetClassifier, **params):
    """Return an unfitted net that trains for a few epochs without printing."""
    defaults = {"max_epochs": 5, "lr": 0.01, "optimizer": torch.optim.Adam}
    if isinstance(module, type) and issubclass(module, MLP):
        defaults["module__hidden"] = (16,)
    if kind is NeuralNetClassifier:
        defaults["criterion"] = nn.CrossEntropyLoss
    return kind(module, **{**defaults, "verbose": 0, **params})


def linear_net(module=nn.Linear, kind=NeuralNetClassifier, **params):
    """Return an unfitted net of one layer that trains for one epoch."""
    params = {"max_epochs": 1, "optimizer": torch.optim.SGD, **params}
    return make_net(module, kind, **params)


# --- Teachers -----------------------------------------------------------------------


class CountingNB(GaussianNB):
    """A teacher that counts its fits and the rows that it predicts."""

    fits = 0
    rows = 0

    def fit(self, X, y, sample_weight=None):
        CountingNB.fits += 1
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        CountingNB.rows += len(X)
        return super().predict_proba(X)


def stub(name="stub", classes=(0, 1, 2), **methods):
    """Name a fitted teacher of another library, which takes any X."""
    methods = {"predict": lambda X: np.resize(classes, len(X))} | methods
    return name, SimpleNamespace(classes_=np.array(classes), **methods)


def unfitted_trio():
    """Return three teachers that are not fitted."""
    return [CountingNB(), RandomForestClassifier(10), LogisticRegression()]


def make_distiller(teachers=None, student=None, **params):
    """Return an unfitted, seeded distiller into a small net."""
    student = make_net() if student is None else student
    return EnsembleDistiller(teachers, student, **{"random_state": 0, **params})


# --- Rows ---------------------------------------------------------------------------


def with_value(X, value):
    """Return a copy of X with a value in its fourth row and second column."""
    X = X.copy()
    X[3, 1] = value
    return X


def with_dates(frame):
    """Return a copy of a frame with a column of dates."""
    return frame.assign(day=pd.date_range("2024", periods=len(frame)))


def make_three_blobs():
    """Return 90 rows of three classes that overlap, and their labels."""
    X, y = make_blobs(90, n_features=4, centers=3, cluster_std=4, random_state=0)
    return X.astype(np.float32), y


def make_trio():
    """Return X, partly labeled y, truth, and named teachers fitted on other rows."""
    X, truth = make_classification(
        480, n_features=5, n_informative=4, n_redundant=0, n_classes=3,
        class_sep=0.9, flip_y=0.05, n_clusters_per_class=1, random_state=0,
    )  # fmt: skip
    others = X[240:], truth[240:]
    teachers = [
        ("bayes", CountingNB().fit(*others)),
        ("forest", RandomForestClassifier(10, random_state=0).fit(*others)),
        ("neighbors", KNeighborsClassifier().fit(*others)),
    ]
    y = np.where(np.arange(240) % 4, -1, truth[:240])
    return X[:240], y, truth[:240], teachers


# --- Worlds -------------------------------------------------------------------------


class World:
    """400 rows, one in eight of them labeled, and teachers fitted on other rows."""

    def __init__(self):
        X, y = make_classification(
            600, n_features=6, n_informative=5, n_redundant=0, n_classes=3,
            class_sep=1.5, random_state=0,
        )  # fmt: skip
        self.X, self.truth = X[:400], y[:400]
        self.y = np.where(np.arange(400) % 8, -1, self.truth)
        self.teachers = [
            LogisticRegression().fit(X[400:], y[400:]),
            GaussianNB().fit(X[400:], y[400:]),
            KNeighborsClassifier().fit(X[400:], y[400:]),
        ]

    def distill(self, *, X=None, y=None, sample_weight=None, **params):
        """Fit a distiller of the teachers into a small net."""
        distiller = make_distiller(**{"teachers": self.teachers, **params})
        X, y = self.X if X is None else X, self.y if y is None else y
        return distiller.fit(X, y, sample_weight=sample_weight)


class SmallWorld:
    """60 rows, every second of them labeled, and teachers fitted on other rows."""

    def __init__(self):
        X, y = make_classification(
            180, 4, n_informative=4, n_redundant=0, n_classes=3,
            n_clusters_per_class=1, class_sep=0.5, flip_y=0.2, random_state=0,
        )  # fmt: skip
        self.X, self.y = X[:60].astype(np.float32), y[:60]
        self.partly = np.where(np.arange(60) % 2, self.y, -1)
        self.unlabeled = np.full(60, -1)
        self.words = np.take(["yes", "no", "perhaps"], self.y)
        self.frame = pd.DataFrame(self.X, columns=["age", "height", "weight", "income"])
        self.teachers = [
            GaussianNB().fit(X[60:], y[60:]),
            DecisionTreeClassifier(max_depth=2).fit(X[60:], y[60:]),
        ]

    def distiller(self, **params):
        """Return an unfitted distiller of the teachers into a net of one layer."""
        defaults = {"teachers": self.teachers, "student": linear_net()}
        return EnsembleDistiller(**{**defaults, "random_state": 0, **params})

    def fit(self, *, X=None, y=None, sample_weight=None, teacher_proba=None, **params):
        """Fit the distiller, by default to partly labeled rows."""
        X, y = self.X if X is None else X, self.partly if y is None else y
        return self.distiller(**params).fit(
            X, y, sample_weight=sample_weight, teacher_proba=teacher_proba
        )

    def fit_unfitted(self, *, cv=3, teachers=None, **args):
        """Fit the distiller, which fits its teachers out of fold."""
        teachers = teachers or [GaussianNB(), LogisticRegression()]
        return self.fit(cv=cv, teachers=teachers, **args)

    def fit_stub(self, teacher=None, **args):
        """Fit the distiller of one teacher, which takes any X."""
        return self.fit(teachers=[teacher or stub()], **args)

    @cached_property
    def fitted(self):
        """A distiller that was fitted to an array."""
        return self.fit()

    @cached_property
    def fitted_to_frame(self):
        """A distiller that was fitted to a DataFrame, preprocessing included."""
        student = default_student(self.frame).set_params(net__max_epochs=1)
        return self.fit_stub(X=self.frame, student=student)


class ShownWorld:
    """100 rows that three named teachers and a distiller of them have not seen."""

    def __init__(self):
        X, y = make_classification(
            500, n_features=5, n_informative=5, n_redundant=0, n_classes=3,
            class_sep=0.8, random_state=0,
        )  # fmt: skip
        X = X.astype(np.float32)
        self.X, self.y = X[:100], y[:100]
        self.partly = np.where(np.arange(100) % 2, self.y, -1)
        self.teachers = [
            ("bayes", GaussianNB().fit(X[300:], y[300:])),
            ("logistic", LogisticRegression().fit(X[300:], y[300:])),
            ("neighbors", KNeighborsClassifier().fit(X[300:], y[300:])),
        ]
        self.X_train = X[100:300]
        self.y_train = np.where(np.arange(200) % 2, y[100:300], -1)
        self.distiller = self.distill()
        self.proba = ask_teachers(self.teachers, self.X)
        self.report = distillation_report(self.distiller, self.X, self.y)

    def distill(self, teachers=None, *, X=None, y=None, **params):
        """Fit a distiller, by default of the teachers to rows of its own."""
        teachers = self.teachers if teachers is None else teachers
        X, y = self.X_train if X is None else X, self.y_train if y is None else y
        return make_distiller(teachers, make_net(max_epochs=4), **params).fit(X, y)
