"""Long work can be followed: by printed lines, or by scikit-learn's callbacks."""

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

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.model_selection import SemiSupervisedSplit
from sk_ekd.teachers import _predictions
from tests.worlds import make_net

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


@pytest.fixture
def callback():
    return pytest.importorskip("sklearn.callback", reason="scikit-learn >= 1.9 only")


def make_followed(student=None, **params):
    net = make_net(max_epochs=EPOCHS)
    return EnsembleDistiller(
        [GaussianNB().fit(X[::2], truth[::2])],
        make_pipeline(StandardScaler(), net) if student is None else student,
        random_state=0,
        **params,
    )


@pytest.mark.usefixtures("callback")
def test_blocks_and_epochs_are_tasks_of_the_fit(monkeypatch):
    monkeypatch.setattr(_predictions, "BLOCK_VALUES", 2 * 40)
    log = Log()
    make_followed().set_callbacks(log).fit(X, y)
    assert log.names() == [
        "fit teachers",
        *["block of rows"] * 3,
        "ask teachers",
        *["epoch"] * EPOCHS,
        "train student",
        "fit",
    ]
    assert sorted(log.begun) == sorted(log.ended)


@pytest.mark.usefixtures("callback")
def test_following_changes_nothing():
    followed = make_followed().set_callbacks(Log()).fit(X, y)
    assert_array_equal(
        followed.predict_proba(X), make_followed().fit(X, y).predict_proba(X)
    )


@pytest.mark.usefixtures("callback")
def test_callback_can_stop_the_training():
    log = Log(stop_after=2)
    distiller = make_followed().set_callbacks(log).fit(X, y)
    assert len(distiller.history_) == 2
    assert log.names()[-2:] == ["train student", "fit"]


@pytest.mark.usefixtures("callback")
def test_bars_of_fits_nest_under_those_of_a_search():
    log = Log()
    grid = {"alpha": [0.2, 0.8]}
    search = GridSearchCV(make_followed(), grid, cv=SemiSupervisedSplit(3))
    search.set_callbacks(log).fit(X, y)
    assert log.names().count("epoch") == (2 * 3 + 1) * EPOCHS
    assert ("GridSearchCV", "fit") in log.ended


def test_progress_bar_is_drawn(callback, capfd):
    pytest.importorskip("rich")
    make_followed().set_callbacks(callback.ProgressBar()).fit(X, y)
    shown = capfd.readouterr().out
    assert "EnsembleDistiller" in shown
    assert "train student" in shown


def test_labeled_rows_can_be_scored_after_each_epoch(callback):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    distiller = make_followed().set_callbacks(monitor).fit(X, y)
    scores = [entry["accuracy"] for entry in monitor.get_logs().data]
    assert len(scores) == EPOCHS
    assert scores[-1] == distiller.score(X, y)


@pytest.mark.usefixtures("callback")
def test_older_releases_do_without():
    code = (
        "import sys\n"
        "import skorch, sklearn.ensemble, sklearn.compose\n"
        "from sklearn.datasets import load_iris\n"
        "from sklearn.naive_bayes import GaussianNB\n"
        "sys.modules['sklearn.callback'] = None\n"
        "from sk_ekd import EnsembleDistiller\n"
        "assert not hasattr(EnsembleDistiller, 'set_callbacks')\n"
        "X, y = load_iris(return_X_y=True)\n"
        "distiller = EnsembleDistiller([GaussianNB()], cv=3).fit(X, y)\n"
        "print(distiller.score(X, y) > 0.9)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert run.stdout == "True\n", run.stderr


def test_progress_is_printed_on_demand(trio, capsys, monkeypatch):
    X, y, _, teachers = trio
    monkeypatch.setattr(_predictions, "BLOCK_VALUES", 9 * 100)
    ask_teachers(teachers, X, y)
    assert capsys.readouterr().out == ""
    ask_teachers(teachers, X, y, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" in ")[0] for line in lines] == [
        "teachers predicted 100 of 240 rows",
        "teachers predicted 200 of 240 rows",
        "teachers predicted 240 of 240 rows",
    ]
