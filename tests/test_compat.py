"""Long work can be followed, and stopped, by scikit-learn's callbacks."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier
from torch import nn

from sk_ekd import EnsembleDistiller, _ask
from sk_ekd.model_selection import SemiSupervisedSplit
from sk_ekd.students import MLP

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn >= 1.9 only")

N, EPOCHS = 90, 4


class Log:
    """A callback that keeps what it is told, in the form that scikit-learn asks for."""

    max_propagation_depth = None

    def __init__(self, stop_after=None):
        self.begun, self.ended, self.stop_after = [], [], stop_after

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.begun.append((context.estimator_name, context.task_name))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.ended.append((context.estimator_name, context.task_name))
        if fitted_estimator is not None:
            proba = fitted_estimator.predict_proba(X)
            assert proba.shape == (N, 2)
        return context.task_name == "epoch" and self.names().count("epoch") == (
            self.stop_after
        )

    def names(self):
        return [task for name, task in self.ended if name == "EnsembleDistiller"]


X, truth = make_classification(N, flip_y=0.2, random_state=0)
y = np.where(np.arange(N) % 3, -1, truth)


def make_distiller(student=None, **params):
    net = NeuralNetClassifier(
        MLP, criterion=nn.CrossEntropyLoss, max_epochs=EPOCHS, verbose=0
    )
    return EnsembleDistiller(
        [GaussianNB().fit(X[::2], truth[::2])],
        make_pipeline(StandardScaler(), net) if student is None else student,
        random_state=0,
        **params,
    )


def test_blocks_and_epochs_are_tasks_of_the_fit(monkeypatch):
    monkeypatch.setattr(_ask, "BLOCK_VALUES", 2 * 40)
    log = Log()
    make_distiller().set_callbacks(log).fit(X, y)
    assert log.names() == [
        "fit teachers",
        *["block of rows"] * 3,
        "ask teachers",
        *["epoch"] * EPOCHS,
        "train student",
        "fit",
    ]
    assert sorted(log.begun) == sorted(log.ended)


def test_following_changes_nothing():
    followed = make_distiller().set_callbacks(Log()).fit(X, y)
    assert_array_equal(
        followed.predict_proba(X), make_distiller().fit(X, y).predict_proba(X)
    )


def test_callback_can_stop_the_training():
    log = Log(stop_after=2)
    distiller = make_distiller().set_callbacks(log).fit(X, y)
    assert len(distiller.history_) == 2
    assert log.names()[-2:] == ["train student", "fit"]


def test_bars_of_fits_nest_under_those_of_a_search():
    log = Log()
    grid = {"alpha": [0.2, 0.8]}
    search = GridSearchCV(make_distiller(), grid, cv=SemiSupervisedSplit(3))
    search.set_callbacks(log).fit(X, y)
    assert log.names().count("epoch") == (2 * 3 + 1) * EPOCHS
    assert ("GridSearchCV", "fit") in log.ended


def test_progress_bar_is_drawn(capfd):
    pytest.importorskip("rich")
    make_distiller().set_callbacks(callback.ProgressBar()).fit(X, y)
    shown = capfd.readouterr().out
    assert "EnsembleDistiller" in shown
    assert "train student" in shown


def test_labeled_rows_can_be_scored_after_each_epoch():
    monitor = callback.ScoringMonitor(scoring="accuracy")
    distiller = make_distiller().set_callbacks(monitor).fit(X, y)
    scores = [entry["accuracy"] for entry in monitor.get_logs().data]
    assert len(scores) == EPOCHS
    assert scores[-1] == distiller.score(X, y)


def test_older_releases_do_without():
    code = (
        "import sys\n"
        "import skorch, sklearn.ensemble, sklearn.compose\n"
        "from sklearn.datasets import load_iris\n"
        "from sklearn.naive_bayes import GaussianNB\n"
        "sys.modules['sklearn.callback'] = None\n"
        "from sk_ekd import EnsembleDistiller, _progress\n"
        "assert not hasattr(_progress.CallbackSupportMixin, 'set_callbacks')\n"
        "X, y = load_iris(return_X_y=True)\n"
        "distiller = EnsembleDistiller([GaussianNB()], cv=3).fit(X, y)\n"
        "print(distiller.score(X, y) > 0.9)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert run.stdout == "True\n", run.stderr
