from dataclasses import replace

import pandas as pd
import pytest

from benchmarks import harness, sets, shift
from benchmarks.harness import Settings

# for CalibratedClassifierCV(method="temperature")
pytest.importorskip("sklearn", minversion="1.8")


def test_rows_to_come_lie_beyond_those_that_train():
    rows = shift.ShiftUnit("breast_cancer", 1.0, 0, Settings()).rows
    assert (rows.X_test.min(axis=0) >= rows.X.max(axis=0)).any()
    assert set(rows.y) == set(rows.y_test)


def test_the_whole_path(few_teachers, tmp_path):
    path, names = tmp_path / "shift.csv", ["default", "no_limit", "quantiles"]
    methods = {name: shift.METHODS[name] for name in names}
    benchmark = replace(shift.BENCHMARK, methods=methods)
    units = [("breast_cancer", 1.0, 0)]
    assert harness.run(benchmark, path, units, Settings(effort=0.02)) == 0
    table = pd.read_csv(path)
    assert table["method"].tolist() == names
    assert "no_limit" in benchmark.report(table, path)


def test_only_sets_to_choose_on_are_asked():
    assert set(shift.BENCHMARK.sets) <= set(sets.CHOSEN_ON)
