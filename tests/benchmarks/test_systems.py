"""The benchmark of the neighboring systems, on its whole path."""

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from benchmarks import harness, systems, units


def make_two_teachers(unit, X):
    return {
        "bayes": units.on_table(X, GaussianNB()),
        "line": units.on_table(X, LogisticRegression()),
    }


def test_the_whole_path(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(systems.Unit, "make_teachers", make_two_teachers)
    path = tmp_path / "systems.csv"
    arguments = ["--sets", "breast_cancer", "--jobs", "1", "--out", str(path)]
    with pytest.raises(SystemExit) as exit_:
        harness.main(systems.BENCHMARK, systems.__doc__, [*arguments, "--quick"])
    assert not exit_.value.code
    table = pd.read_csv(path)
    assert table["method"].tolist() == 2 * list(systems.METHODS)
    assert table["accuracy"].between(0.5, 1).all()
    text = capsys.readouterr().out
    assert all(f"| {name} |" in text for name in systems.NAMES.values())


def test_differences_are_to_the_default():
    table = pd.DataFrame(
        {
            "set": ["a", "a", "b", "b"], "budget": 0.1, "seed": 0,
            "method": ["default", "agree"] * 2,
            "accuracy": [0.5, 0.6, 0.7, 0.8], "log_loss": [1.0, 0.9, 1.0, 0.8],
        }
    )  # fmt: skip
    text = systems.report(table, None)
    assert "| AgreeToDisagree() | 70.0 | +10.00 [+10.00, +10.00] |" in text
    assert "| 2/0 | 0.850 | -0.150" in text
