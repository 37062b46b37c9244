import numpy as np
import pandas as pd
import pytest

from benchmarks import harness, pools

# for CalibratedClassifierCV(method="temperature")
pytest.importorskip("sklearn", minversion="1.8")


@pytest.fixture(scope="module")
def predictions():
    """Two teachers of three classes: one knows and is too certain, one guesses."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=600)
    knows = np.eye(3)[y] * 4 + rng.normal(size=(600, 3)) * 4
    guesses = rng.normal(size=(600, 3))
    proba = np.exp(np.stack([knows, guesses], axis=1))
    proba = (proba / proba.sum(axis=2, keepdims=True)).astype(np.float32)
    fold, test = np.split(proba, 2)
    return pools.Predictions(fold, fold, y[:300], test, y[300:])


@pytest.mark.parametrize("name", pools.POOLS)
def test_pools_are_probabilities(predictions, name):
    proba = pools.POOLS[name](predictions)
    assert proba.shape == (300, 3)
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)


def test_what_is_not_fitted_stays_even(predictions):
    knows = predictions._replace(
        out_of_fold=predictions.out_of_fold[:, :1], test=predictions.test[:, :1]
    )
    by_weight = pools.POOLS["weights only"](knows)
    np.testing.assert_allclose(by_weight, knows.test[:, 0], atol=1e-6)
    by_temperature = pools.POOLS["temperatures only"](knows)
    both = pools.POOLS["calibrated"](knows)
    np.testing.assert_allclose(by_temperature, both, atol=1e-4)
    assert np.abs(by_temperature - knows.test[:, 0]).max() > 0.1


def test_the_whole_path_and_what_a_second_run_adds(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pools, "make_teachers", make_two_teachers)
    path = tmp_path / "pools.csv"
    arguments = ["--sets", "breast_cancer", "--seeds", "1", "--jobs", "1"]
    arguments += ["--out", str(path), "--cache", str(tmp_path / "cache")]

    def main(*args):
        with pytest.raises(SystemExit) as exit_:
            harness.main(pools.BENCHMARK, pools.__doc__, [*arguments, *args])
        assert not exit_.value.code

    main("--methods", "mean", "calibrated")
    table = pd.read_csv(path)
    assert table["pool"].tolist() == ["mean", "calibrated"] * 2
    monkeypatch.setattr(pools, "make_teachers", None)  # the predictions are kept
    main()
    assert len(pd.read_csv(path)) == 2 * len(pools.POOLS)
    capsys.readouterr()
    main("--report")
    printed = capsys.readouterr().out
    assert "all sets (1), 3% labeled; per cent" in printed
    assert "greedy selection" in printed


def make_two_teachers(seed):
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB

    return [("bayes", GaussianNB()), ("linear", LogisticRegression())]


def test_gains_are_positive_where_the_pool_is_better():
    table = pd.DataFrame(
        [
            {"set": name, "share": 0.1, "seed": seed, "pool": pool,
             "accuracy": 0.8 + better, "log_loss": 0.5 - better, "ece": 0.1}
            for name in ("iris", "wine")
            for seed in (0, 1)
            for pool, better in (("mean", 0), ("calibrated", 0.1))
        ]
    )  # fmt: skip
    found = pools.compare(table)
    assert found.index.tolist() == ["mean", "calibrated"]
    assert found.loc["mean", "accuracy gain"] == ""
    gain = "+10.00 [+10.00, +10.00] p=0.500 2/0/0"
    assert found.loc["calibrated", ["accuracy gain", "log_loss gain"]].eq(gain).all()
    assert found.loc["calibrated", "ece gain"].endswith("p=1.000 0/2/0")


def test_every_class_keeps_five_labels_of_three_thousand_rows():
    y = np.repeat([0, 1, 2], [5000, 900, 100])
    labeled = pools.choose_labeled(y, 0.1, seed=0)
    assert np.bincount(y[labeled]).tolist() == [250, 45, 5]
    assert len(set(labeled)) == 300
