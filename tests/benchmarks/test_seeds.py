"""The benchmark of ensembles of seeds."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from benchmarks import harness, seeds, sets
from benchmarks.harness import Settings

pytestmark = pytest.mark.filterwarnings("ignore:The fitted teachers are all but")


def load_digits(name, data_dir, max_rows):
    return sets.load("digits")


@pytest.fixture(scope="module")
def unit():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeds, "sets", PatchedSets)
        unit = seeds.Unit("letter", 200, 0, Settings(effort=0.02))
        assert unit.proba  # now, while the sets are patched
        yield unit


class PatchedSets:
    """Reads digits under any name."""

    load, split = staticmethod(load_digits), staticmethod(sets.split)


def test_seeds_differ_and_learn_all_rows_or_those_of_other_folds(unit):
    X, y, X_test, _ = unit.data
    proba = unit.proba
    assert proba.out_of_fold.shape == proba.in_sample.shape == (200, 5, 10)
    assert proba.test.shape == (len(X_test), 5, 10)
    assert abs(proba.test[:, 0] - proba.test[:, 1]).max() > 0.01
    assert not np.allclose(proba.in_sample, proba.out_of_fold, atol=0.01)
    assert len(X) == len(y) == 200


def test_single_is_the_mean_over_nets_and_ensemble_their_mean(unit):
    y, test = unit.data[3], unit.proba.test
    found = seeds.measure(unit, seeds.METHODS["single"])
    each = [(test[:, t].argmax(axis=1) == y).mean() for t in range(5)]
    assert_allclose(found["accuracy"], np.mean(each), atol=1e-5)
    found = seeds.measure(unit, seeds.METHODS["ensemble"])
    expected = (test.mean(axis=1).argmax(axis=1) == y).mean()
    assert_allclose(found["accuracy"], expected, atol=1e-5)


def test_the_whole_path(unit, tmp_path):
    rows = [
        {"set": "letter", "rows": 200, "seed": seed, "method": name}
        | seeds.measure(unit, method)
        for seed in (0, 1)
        for name, method in seeds.METHODS.items()
    ]
    path = tmp_path / "seeds.csv"
    harness.append(path, rows, [*seeds.KEYS, *seeds.BENCHMARK.columns])
    shown = seeds.report(pd.read_csv(path), path)
    assert all(f"| {method} " in shown for method in seeds.METHODS)
