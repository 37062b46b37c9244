import joblib
import numpy as np
import pandas as pd
from sklearn.naive_bayes import GaussianNB

from benchmarks import scale
from benchmarks.harness import append, read


def test_the_whole_path_and_what_is_there_is_not_run_again(tmp_path, capsys):
    names = [f"x{i}" for i in range(scale.N_COLUMNS)]
    X = pd.DataFrame(np.eye(6, scale.N_COLUMNS, dtype=np.float32), columns=names)
    teachers = [("bayes", GaussianNB().fit(X, [0, 1, 2, 0, 1, 2]))]
    joblib.dump(teachers, tmp_path / "teachers.joblib")
    path = tmp_path / "scale.csv"
    how = path, tmp_path, {200: 1}, None, 50
    done = {"rows": 200, "round": 0, "way": scale.ONE, "seconds": 2, "peak_mb": 300}
    append(path, [done], scale.COLUMNS)
    scale.run(*how)
    scale.run(*how)
    table = read(path, scale.COLUMNS)
    ways = [scale.ONE, scale.ONE_THREAD, scale.BY_HAND, scale.TWO]
    assert table["way"].tolist() == ways
    assert (table["seconds"] > 0).all()
    assert (table["peak_mb"] > 10).all()
    capsys.readouterr()
    scale.report(path)
    assert "| 200    | one process " in capsys.readouterr().out


def test_ratios_are_those_of_the_same_round(tmp_path, capsys):
    seconds = {scale.ONE: [10, 30], scale.TWO: [5, 10]}
    lines = [
        {"rows": 100, "round": r, "way": way, "seconds": s, "peak_mb": 1}
        for way, both in seconds.items()
        for r, s in enumerate(both)
    ]
    append(tmp_path / "scale.csv", lines, scale.COLUMNS)
    scale.report(tmp_path / "scale.csv")
    assert "2.50 (2.00 to 3.00)" in capsys.readouterr().out
