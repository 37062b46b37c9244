"""Long work can be followed: by printed lines, or by scikit-learn's callbacks."""

import re
import subprocess
import sys
from contextlib import nullcontext
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skorch.callbacks import Callback

from sk_ekd import (
    EnsembleDistiller,
    OnlineDistiller,
    SeedEnsemble,
    _progress,
    ask_teachers,
)
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


# --- Lines and bars -------------------------------------------------------------------

FITS = 4  # of one teacher, with three folds


class Terminal(StringIO):
    """What is printed to somebody who looks on."""

    def isatty(self):
        return True


class OutStream(StringIO):
    """What is printed in a notebook: no terminal, but a class of ipykernel's."""

    __module__ = "ipykernel.iostream"


def print_fit(monkeypatch, out, student=None, *, error=None, **params):
    """Fit, and return what is printed."""
    monkeypatch.setattr(sys, "stdout", out)
    student = make_net(max_epochs=EPOCHS) if student is None else student
    params = {"cv": 3, "verbose": 1, "random_state": 0, **params}
    distiller = EnsembleDistiller([GaussianNB()], student, **params)
    with nullcontext() if error is None else pytest.raises(error):
        distiller.fit(X, y)
    return out.getvalue()


def stages_of(text):
    """Return the lines without their times."""
    return [re.sub(r" +\d+\.\d s +", ": ", line) for line in text.splitlines()]


LINES = [
    "fit teachers: 1 teacher on 30 labeled rows",
    "fit pool: StackedPool",
    "ask teachers: 90 rows in all",
    f"train student: {EPOCHS} epochs",
]


def test_each_stage_is_one_line(monkeypatch):
    assert stages_of(print_fit(monkeypatch, StringIO())) == LINES


def test_lines_are_enough_for_what_stands_for_a_file(monkeypatch):
    texts = []
    writer = SimpleNamespace(write=texts.append, flush=lambda: None)
    monkeypatch.setattr(sys, "stdout", writer)
    make_followed(make_net(max_epochs=EPOCHS), verbose=1).fit(X, y)
    assert stages_of("".join(texts))[-1] == LINES[-1]


@pytest.mark.parametrize("out", [StringIO, Terminal, OutStream])
def test_nothing_is_printed_unless_asked_for(monkeypatch, out):
    assert print_fit(monkeypatch, out(), verbose=0) == ""


@pytest.mark.parametrize("out", [Terminal, OutStream])
def test_a_bar_is_drawn_where_somebody_looks_on(monkeypatch, out):
    shown = re.split(r"[\r\n]+", print_fit(monkeypatch, out()))
    bars = [line for line in shown if " of " in line and "█" not in line]
    assert f"0 of {FITS} fits" in bars[0]
    assert f"0 of {EPOCHS} epochs" in bars[-1]
    lines = [line for line in shown if re.search(r"\d s   ", line)]
    assert stages_of("\n".join(lines)) == LINES


def test_a_bar_is_wiped_away(monkeypatch):
    text = print_fit(monkeypatch, Terminal())
    for line in text.split("\n"):
        before, _, last = line.rpartition("\r")
        wiped = before.rpartition("\r")[2]
        assert not wiped.strip()
        assert "left" not in last


def test_the_bar_of_a_training_that_fails_is_wiped_away(monkeypatch):
    net = make_net(max_epochs=EPOCHS, callbacks=[Failing()])
    text = print_fit(monkeypatch, Terminal(), net, error=ZeroDivisionError)
    assert text.endswith("\r")
    assert not text.split("\r")[-2].strip()
    assert f"of {EPOCHS} epochs" in text.split("\r")[-3]


class Failing(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise ZeroDivisionError


def test_no_bar_runs_through_the_lines_of_a_net(monkeypatch):
    net = make_net(max_epochs=EPOCHS).set_params(verbose=1)
    text = print_fit(monkeypatch, Terminal(), net)
    assert "train_loss" in text
    assert "epochs," not in text


def test_fits_at_the_same_time_move_the_bar(monkeypatch):
    reached = []
    monkeypatch.setattr(_progress.Stage, "reach", lambda stage, n: reached.append(n))
    with parallel_config("threading"):
        print_fit(monkeypatch, StringIO(), n_jobs=2)
    assert FITS in reached


def test_a_student_without_epochs_is_named(monkeypatch):
    text = print_fit(monkeypatch, StringIO(), DecisionTreeClassifier())
    assert stages_of(text)[-1] == "train student: DecisionTreeClassifier"


def test_training_that_stops_early_says_after_how_many_epochs(monkeypatch):
    net = make_net(max_epochs=EPOCHS, callbacks=[Stopping()])
    text = print_fit(monkeypatch, StringIO(), net)
    assert stages_of(text)[-1] == "train student: 2 epochs"


class Stopping(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt  # which ends the training of a skorch net


def test_a_net_without_callbacks_says_its_epochs(monkeypatch):
    net = make_net(max_epochs=EPOCHS, callbacks="disable")
    text = print_fit(monkeypatch, StringIO(), net)
    assert stages_of(text)[-1] == f"train student: {EPOCHS} epochs"


def test_chunks_are_followed_alike(capsys):
    net, teacher = make_net(), GaussianNB().fit(X, truth)
    EnsembleDistiller([teacher], net, verbose=1).partial_fit(X, y)
    lines = stages_of(capsys.readouterr().out)
    assert lines == ["ask teachers: 90 rows in all", "train student: 1 epoch"]


def test_networks_that_train_together_are_counted(capsys):
    net = make_net(max_epochs=EPOCHS)
    OnlineDistiller(net, n_students=3, verbose=1).fit(X, y)
    SeedEnsemble(net, n_seeds=2, verbose=1).fit(X, truth)
    assert stages_of(capsys.readouterr().out) == [
        f"train student: {EPOCHS} epochs of 3 networks",
        f"train student: {EPOCHS} epochs of 2 networks",
    ]


def test_asking_all_teachers_is_one_line(trio, capsys, monkeypatch):
    X, y, _, teachers = trio
    monkeypatch.setattr(_predictions, "BLOCK_VALUES", 9 * 100)
    ask_teachers(teachers, X, y)
    assert capsys.readouterr().out == ""
    ask_teachers(teachers, X, y, verbose=1)
    assert stages_of(capsys.readouterr().out) == ["ask teachers: 240 rows"]
