"""The benchmark of what scikit-learn has for unlabeled rows, on its whole path."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

from benchmarks import alternatives, harness, sets, units


def make_three_teachers(unit, X):
    teachers = {"svm": SVC(), "bayes": GaussianNB(), "line": LogisticRegression()}
    return {name: units.on_table(X, model) for name, model in teachers.items()}


@pytest.fixture(autouse=True)
def three_teachers(monkeypatch):
    monkeypatch.setattr(alternatives.Unit, "make_teachers", make_three_teachers)


def test_the_whole_path(tmp_path, capsys):
    path = tmp_path / "alternatives.csv"
    arguments = ["--sets", "breast_cancer", "--jobs", "1", "--out", str(path)]
    with pytest.raises(SystemExit) as exit_:
        harness.main(
            alternatives.BENCHMARK, alternatives.__doc__, [*arguments, "--quick"]
        )
    assert not exit_.value.code
    table = pd.read_csv(path)
    assert table["method"].tolist() == 2 * list(alternatives.METHODS)
    assert table["accuracy"].between(0.5, 1).all()
    text = capsys.readouterr().out
    assert all(f"| {name} |" in text for name in alternatives.NAMES.values())


def test_the_best_teacher_for_self_training_has_probabilities():
    unit = alternatives.Unit("breast_cancer", 0.1, 0, harness.Settings())
    assert unit.best_with_proba().__class__ in (GaussianNB, LogisticRegression)


def test_no_set_was_chosen_on():
    assert not set(alternatives.SETS) & set(sets.CHOSEN_ON)


def test_rows_that_no_label_reaches_are_even():
    class Silent(LogisticRegression):
        n_neighbors = 1

        def set_params(self, **params):
            return self

        def predict_proba(self, X):
            return np.full((len(X), 2), np.nan)

    unit = alternatives.Unit("breast_cancer", 0.1, 0, harness.Settings())
    assert (alternatives.spread(Silent())(unit) == 0.5).all()
