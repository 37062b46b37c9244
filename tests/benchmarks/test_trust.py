"""The benchmark of what a student knows of its own errors."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from benchmarks import harness, trust
from benchmarks.harness import Settings, append, read, run_unit

# for CalibratedClassifierCV(method="temperature")
pytest.importorskip("sklearn", minversion="1.8")


def test_risk_area_is_between_that_of_the_ideal_and_that_of_chance():
    rng = np.random.RandomState(0)
    bad = rng.rand(500) < 0.2
    found = trust.risk_area(bad, bad + rng.randn(500))
    ideal, chance = trust.risk_area(bad, bad), trust.risk_area(bad, np.zeros(500))
    assert ideal < found < chance
    assert_allclose(chance, bad.mean())


def test_order_of_tied_rows_changes_no_risk_area():
    rng = np.random.RandomState(0)
    bad, unsure = rng.rand(200) < 0.3, rng.randint(5, size=200)
    order = rng.permutation(200)
    assert_allclose(
        trust.risk_area(bad[order], unsure[order]), trust.risk_area(bad, unsure)
    )


def write_texts(folder):
    """Write texts whose first word tells the class, and some that have no such word."""
    rng = np.random.RandomState(0)

    def text(first):
        return " ".join([first, *(f"w{w}" for w in rng.choice(300, 6))])

    rows = [
        {
            "split": "test" if i % 4 == 0 else "train",
            "text": text(f"c{i % 3}"),
            "intent": f"class {i % 3}",
        }
        for i in range(240)
    ]
    rows += [
        {"split": "oos_test", "text": text("other"), "intent": "oos"} for _ in range(50)
    ]
    (folder / "clinc150").mkdir()
    path = folder / "clinc150" / "clinc150.parquet"
    pd.DataFrame(rows).to_parquet(path)


def test_texts_of_no_known_intent_are_tested_on_and_not_learned_from(tmp_path):
    write_texts(tmp_path)
    unit = trust.TextUnit("clinc150", 20, 0, Settings(str(tmp_path)))
    X, y, X_test, y_test = unit.data
    assert not any(text.startswith("other") for text in X)
    assert len(X_test) == len(y_test)
    strange = np.array([text.startswith("other") for text in X_test])
    assert np.array_equal(unit.bad, strange)
    assert strange.sum() == 50
    assert set(y) == {-1, 0, 1, 2}


def test_the_whole_path_of_texts(tmp_path):
    write_texts(tmp_path)
    benchmark, path = trust.TEXTS, tmp_path / "results.csv"
    settings = Settings(str(tmp_path), effort=0.01)
    key = ("clinc150", 8, 0)
    _, rows, _, errors = run_unit(benchmark, key, list(benchmark.methods), settings)
    assert not errors
    append(path, rows, [*benchmark.keys, *benchmark.columns])
    table = read(path)
    assert set(table["method"]) == set(trust.TEXT_METHODS)
    assert table["auroc"].between(0, 1).all()
    assert "| bag, energy " in benchmark.report(table, path)


def test_the_whole_path_of_tables(few_teachers, tmp_path):
    benchmark = replace(trust.TABLES, sets=("breast_cancer",))
    path, units = tmp_path / "results.csv", [("breast_cancer", 0.1, 0)]
    assert harness.run(benchmark, path, units, Settings(effort=0.02)) == 0
    table = pd.read_csv(path).set_index("method")
    assert list(table.index) == list(trust.TABLE_METHODS)
    assert table.loc["ideal", "auroc"] == 1
    assert table.loc["at random", "auroc"] == 0.5
    assert (table["kept_error"] >= table.loc["ideal", "kept_error"]).all()
    # two classes: all three sort the rows alike, but for ties of rounding
    assert_allclose(
        table.loc["entropy", "auroc"],
        table.loc["highest probability", "auroc"],
        atol=1e-3,
    )
    assert "ideal" in benchmark.report(table.reset_index(), path)
