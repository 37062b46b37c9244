import itertools
import re
from dataclasses import replace

import pandas as pd
import pytest

from benchmarks import harness, quality
from benchmarks.harness import Settings
from sk_ekd import EnsembleDistiller
from tests.benchmarks.conftest import make_two_teachers

# for CalibratedClassifierCV(method="temperature")
pytest.importorskip("sklearn", minversion="1.8")


def test_the_whole_path_and_what_a_second_run_adds(few_teachers, tmp_path):
    path = tmp_path / "quality.csv"
    settings = Settings(cache=str(tmp_path / "cache"), effort=0.01)
    units = itertools.product(["breast_cancer", "digits"], [0.1], range(2))
    units, methods = list(units), ["ensemble", "labels_only"]

    def run(names):
        methods = {name: quality.METHODS[name] for name in names}
        benchmark = replace(quality.BENCHMARK, methods=methods)
        return harness.run(benchmark, path, units, settings)

    assert run(methods) == 0
    first = path.read_text()
    assert len(first.splitlines()) == 1 + 8
    assert run(methods) == 0
    assert path.read_text() == first  # all was there
    assert run([*methods, "default"]) == 0
    table = pd.read_csv(path)
    assert len(table) == 12
    assert set(first.splitlines()) <= set(path.read_text().splitlines())
    assert table["method"].tolist()[:3] == ["ensemble", "labels_only", "default"]

    written = quality.BENCHMARK.report(table, tmp_path / "report" / "quality.csv")
    text = written.read_text()
    assert re.search(r"\| default +\| labels_only ", text)
    assert {file.name for file in (tmp_path / "report").iterdir()} == {
        "quality.md", "quality_accuracy.png", "quality_log_loss.png",
        "quality_roc_auc.png",
        "quality_0.1_costs.png",
    }  # fmt: skip


def test_a_failing_method_is_reported_and_run_again(tmp_path, capsys):
    path, settings = tmp_path / "quality.csv", Settings(effort=0.01)
    fit = quality.METHODS["labels_only"]
    for method, failed in ((lambda unit: 1 / 0, 1), (fit, 0)):
        benchmark = replace(quality.BENCHMARK, methods={"method": method})
        units = [("breast_cancer", 0.1, 0)]
        assert harness.run(benchmark, path, units, settings) == failed
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert pd.read_csv(path)["method"].tolist() == ["method"]


@pytest.mark.parametrize("budget", [0.1, 1.0])
def test_the_default_is_what_cv_would_choose(few_teachers, budget):
    unit = quality.Unit("breast_cancer", budget, 0, Settings(effort=0.01))
    ours = quality.distill(unit)
    teachers = make_two_teachers(None, None, None)
    shipped = EnsembleDistiller(list(teachers.items()), cv=5)
    shipped.fit(unit.rows.X, unit.rows.y)
    assert type(ours.pool_) is type(shipped.pool_)
    assert ours.synthetic_ == shipped.synthetic_
    same = {"alpha", "weighting", "temperature", "validation_fraction"}
    assert all(getattr(ours, name) == getattr(shipped, name) for name in same)
