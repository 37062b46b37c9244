import numpy as np
import pandas as pd
import pytest

from benchmarks import sets


@pytest.fixture
def folder(tmp_path):
    """Return a folder of one set: 200 train rows, 100 test rows, 20 of them both."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=300),
            "color": pd.Categorical(rng.choice(["red", "green"], 300)),
            "class": np.resize(["a", "b", "c"], 300),
            "split": np.repeat(["train", "test"], [200, 100]),
        }
    )
    frame.loc[280:, ["size", "color"]] = frame.loc[:19, ["size", "color"]].to_numpy()
    frame.loc[1, "class"] = "rare"
    (tmp_path / "toy").mkdir()
    frame.to_parquet(tmp_path / "toy" / "toy.parquet")
    readme = "# Toy\n\n- **target**: class (a, b, c)\n- **split**: official\n"
    (tmp_path / "toy" / "README.md").write_text(readme)
    return tmp_path


def test_a_folder_is_read_as_its_readme_says(folder):
    assert sets.names(folder) == ["breast_cancer", "digits", "toy"]
    data = sets.load("toy", folder)
    assert data.X.columns.tolist() == ["size", "color"]
    assert data.X["color"].dtype == "category"
    assert np.unique(data.y).tolist() == [0, 1, 2]  # the rare class is left out
    assert (len(data.X), len(data.X_test)) == (199, 100)


def test_test_rows_that_stand_in_train_are_removed(folder):
    X, y, X_test, y_test = sets.split(sets.load("toy", folder), seed=0)
    assert (len(X_test), len(y_test)) == (81, 81)  # the 20th was of the rare class
    assert not X_test["size"].isin(X["size"]).any()
    assert len(X) == len(y) == 199


def test_an_unofficial_split_is_drawn_anew(folder):
    path = folder / "toy" / "README.md"
    path.write_text(path.read_text().replace("official", "not official"))
    data = sets.load("toy", folder)
    assert data.X_test is None
    assert len(data.X) == 299
    drawn = [sets.split(data, seed)[2]["size"].sum() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_draws_are_stratified_and_limited(monkeypatch):
    monkeypatch.setattr(sets, "MAX_TEST_ROWS", 50)
    y = np.repeat(["a", "b", "c"], [800, 790, 10])
    X, y, _, y_test = sets._limit(np.arange(1600), y, np.arange(1600), y, 100)
    assert np.bincount(y).tolist() == [50, 50]
    assert np.bincount(y_test).tolist() == [25, 25]
    assert (np.diff(X) > 0).all()
