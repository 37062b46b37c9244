import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, wilcoxon

from benchmarks import harness
from benchmarks.harness import Benchmark, Settings

ROOT = Path(__file__).parents[2]
UNITS = [(name, 0.1, seed) for seed in (0, 1) for name in ("iris", "wine")]


# --- A toy: what its methods were asked stands in a file ------------------------------


@dataclass
class Unit:
    name: str
    budget: float
    seed: int
    settings: Settings


def measure(unit, method):
    with open(unit.settings.cache, "a") as file:
        file.write(f"{unit.name} {unit.seed}\n")
    return {"accuracy": method(unit)}


TOY = Benchmark(
    "toy",
    keys=("set", "budget", "seed", "method"),
    columns=("n_labeled", "accuracy"),
    methods={"seed": lambda unit: unit.seed, "half": lambda unit: 0.5},
    unit=Unit,
    measure=measure,
    report=lambda table, path: f"{len(table)} rows in {path.name}",
)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results" / "toy.csv"


@pytest.fixture
def run(path, log):
    """Run the toy, with some of its methods -> rows that were computed."""

    def run(**methods):
        log.write_text("")
        benchmark = replace(TOY, methods=methods or TOY.methods)
        assert harness.run(benchmark, path, UNITS, Settings(cache=str(log))) == 0
        return len(log.read_text().splitlines())

    return run


# --- The run --------------------------------------------------------------------------


def test_rows_are_sorted_by_unit_with_methods_in_order(run, path):
    assert run() == 8
    assert path.read_text().splitlines() == [
        "set,budget,seed,method,n_labeled,accuracy",
        "iris,0.1,0,seed,,0",
        "iris,0.1,0,half,,0.5",
        "iris,0.1,1,seed,,1",
        "iris,0.1,1,half,,0.5",
        "wine,0.1,0,seed,,0",
        "wine,0.1,0,half,,0.5",
        "wine,0.1,1,seed,,1",
        "wine,0.1,1,half,,0.5",
    ]


def test_a_second_run_adds_only_what_is_missing(run, path):
    run()
    first = path.read_text()
    assert run() == 0
    assert path.read_text() == first
    assert run(**TOY.methods, one=lambda unit: 1.0) == 4
    lines = path.read_text().splitlines()
    assert set(first.splitlines()) < set(lines)
    assert lines[1:4] == ["iris,0.1,0,seed,,0", "iris,0.1,0,half,,0.5",
                          "iris,0.1,0,one,,1.0"]  # fmt: skip


@pytest.mark.parametrize("cut", [1, 8, 30, 60])
def test_a_line_that_was_cut_off_is_computed_again(run, path, cut):
    run()
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    lost = whole[-cut - 1 :].count(b"\n")
    assert len(harness.read(path)) == 8 - lost
    assert run() == lost
    assert path.read_bytes() == whole


def test_a_header_that_was_cut_off_is_written_again(run, path):
    run()
    whole = path.read_bytes()
    path.write_bytes(whole[:10])
    assert harness.read(path, ["set"]).columns.tolist() == ["set"]
    assert run() == 8
    assert path.read_bytes() == whole


def test_half_a_unit_is_completed(run, path):
    run()
    whole = path.read_text()
    path.write_text("".join(whole.splitlines(keepends=True)[:4]))
    assert run() == 5
    assert sorted(path.read_text().splitlines()) == sorted(whole.splitlines())


def test_a_killed_run_is_resumed(run, path, log):
    code = (
        "import os, signal\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from tests.benchmarks.test_harness import TOY, UNITS, harness, Settings\n"
        "def die(unit):\n"
        "    if (unit.name, unit.seed) == ('iris', 1):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return 0.5\n"
        "toy = replace(TOY, methods=TOY.methods | {'half': die})\n"
        f"settings = Settings(cache={str(log)!r})\n"
        f"harness.run(toy, Path({str(path)!r}), UNITS, settings)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert process.returncode == -signal.SIGKILL
    assert len(harness.read(path)) == 4  # of the first two units
    assert run() == 4
    assert len(harness.read(path)) == 8
    assert not harness.read(path).duplicated(list(TOY.keys)).any()


def test_results_of_another_benchmark_are_left_as_they_are(run, path):
    path.parent.mkdir()
    path.write_text("set,pool\niris,me")
    with pytest.raises(ValueError, match=r"toy\.csv has the columns \['set', 'pool'\]"):
        run()
    assert path.read_text() == "set,pool\niris,me"


def test_a_measure_without_a_column_is_an_error(path):
    with pytest.raises(ValueError, match="recall"):
        harness.append(path, [{"recall": 1.0}], ["accuracy"])
    assert not path.exists()


def test_a_failing_method_leaves_the_others_and_is_run_again(run, path, log, capsys):
    benchmark = replace(TOY, methods={"bad": lambda unit: 1 / 0} | TOY.methods)
    assert harness.run(benchmark, path, UNITS, Settings(cache=str(log))) == 4
    assert "bad: Traceback" in capsys.readouterr().err
    assert set(harness.read(path)["method"]) == {"seed", "half"}
    assert run(bad=lambda unit: 1.0) == 4


def test_workers_write_the_same_file(run, path, log, tmp_path):
    run()
    other = tmp_path / "other.csv"
    settings = Settings(cache=str(log))
    assert harness.run(TOY, other, UNITS, settings, jobs=2) == 0
    assert other.read_text() == path.read_text()


def test_committed_results_have_the_columns_of_their_benchmarks():
    pytest.importorskip("sklearn", minversion="1.8")
    from benchmarks import pools, quality, students

    for module in (pools, quality, students):
        benchmark = module.BENCHMARK
        path = harness.RESULTS / f"{benchmark.name}.csv"
        table = harness.read(path)
        assert list(table) == [*benchmark.keys, *benchmark.columns]
        assert not table.duplicated(list(benchmark.keys)).any()
        assert path.read_bytes().endswith(b"\n")


# --- The command line -----------------------------------------------------------------


def main(*args, benchmark=TOY):
    with pytest.raises(SystemExit) as exit_:
        harness.main(benchmark, "A toy.", [str(arg) for arg in args])
    return exit_.value.code


def test_the_command_line_chooses_what_is_run_and_reported(path, log, capsys):
    options = "--out", path, "--cache", log, "--jobs", 1
    chosen = "--sets", "digits", "--budgets", 0.2, "--methods", "half"
    assert main(*options, *chosen, "--seeds", 3) == 0
    table = harness.read(path)
    assert len(table) == 3
    assert set(table["method"]) == {"half"}
    assert main(*options, "--sets", "digits", "--seeds", 1) == 0
    assert len(harness.read(path)) == 3 + 4
    assert set(harness.read(path)["budget"]) == {0.025, 0.1, 0.2}
    capsys.readouterr()
    assert main(*options, "--report") == 0
    assert capsys.readouterr().out == "7 rows in toy.csv\n"
    main(*options, *chosen, "--report")
    assert capsys.readouterr().out == "3 rows in toy.csv\n"


def test_quick_runs_the_bundled_sets_beside_the_results(log, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main("--quick", "--cache", log, "--jobs", 1) == 0
    table = harness.read(Path("build") / "toy_quick.csv")
    assert set(table["set"]) == {"breast_cancer", "digits"}
    assert len(table) == 2 * 2 * 2 * 2


def test_a_quick_subset_is_run_in_full_beside_the_results(
    path, log, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(harness, "RESULTS", path.parent)
    harness.append(path, [{"set": "digits", "accuracy": 0.5}], ["set", "accuracy"])
    subset = harness.Subset(
        sets=("digits", "not there"), budgets=(0.3,), methods=("half",),
        report=lambda table, committed: f"{len(table)} beside {len(committed)}",
    )  # fmt: skip
    efforts = []

    def measure_effort(unit, method):
        efforts.append(unit.settings.effort)
        return {"accuracy": 1.0}

    toy = replace(TOY, quick=subset, measure=measure_effort)
    assert main("--quick", "--cache", log, "--jobs", 1, benchmark=toy) == 0
    assert capsys.readouterr().out == "1 beside 1\n"
    table = harness.read(Path("build") / "toy_quick.csv")
    assert table[["set", "budget", "seed"]].to_numpy().tolist() == [["digits", 0.3, 0]]
    assert efforts == [1.0]


def test_a_failure_is_the_exit_status(path, monkeypatch):
    monkeypatch.setitem(TOY.methods, "half", lambda unit: 1 / 0)
    options = "--sets", "digits", "--cache", os.devnull, "--jobs", 1
    assert main("--out", path, *options) == 1


# --- Paired statistics ----------------------------------------------------------------


def results(**accuracy):
    """Return results of methods on sets of two seeds each."""
    return pd.DataFrame(
        [
            {"set": f"set {i}", "seed": seed, "method": method, "accuracy": value}
            for method, values in accuracy.items()
            for i, seeds in enumerate(values)
            for seed, value in enumerate(seeds)
        ]
    )


def test_pairs_are_matched_by_set_and_seed():
    table = results(a=[(0.9, 0.8), (0.5, 0.5)], b=[(0.7, 0.7), (0.5, 0.6)])
    table = table.sample(frac=1, random_state=0)
    found = harness.pair(table, "a", "b", "accuracy")
    np.testing.assert_allclose(found, [[0.2, 0.1], [0.0, -0.1]], atol=1e-12)
    assert harness.pair(table, "a", "missing", "accuracy").empty


def test_interval_of_sets_without_spread_is_that_of_their_bootstrap():
    rng = np.random.default_rng(0)
    means = rng.normal(1, 2, size=40)
    low, high = harness.bootstrap_interval(np.column_stack([means, means]))
    error = 1.96 * means.std() / np.sqrt(len(means))
    assert low == pytest.approx(means.mean() - error, abs=0.1)
    assert high == pytest.approx(means.mean() + error, abs=0.1)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        sets = rng.normal(0.5, 1.0, size=(30, 1))
        low, high = harness.bootstrap_interval(
            sets + rng.normal(0, 1.0, size=(30, 5)), draws=500
        )
        hits += low <= 0.5 <= high
    assert 0.9 <= hits / 200 <= 1


def test_interval_skips_missing_seeds():
    values = np.array([[1.0, np.nan], [2.0, 2.0]])
    low, high = harness.bootstrap_interval(values)
    assert (low, high) == (1.0, 2.0)


def test_signed_rank_is_scipys_and_one_without_any_difference():
    means = np.array([0.3, -0.1, 0.5, 0.2, 0.4, 0.6])
    assert harness.signed_rank_p(means) == wilcoxon(means).pvalue
    assert harness.signed_rank_p(np.zeros(6)) == 1


def test_holm_keeps_the_order_and_stays_below_one():
    p = np.array([0.5, 0.001, 0.04, 0.6])
    corrected = harness.holm(p)
    np.testing.assert_allclose(corrected, [1, 0.004, 0.12, 1])
    assert (corrected >= p).all()


def test_holm_rejects_no_more_than_benjamini_and_hochberg():
    p = np.random.default_rng(0).uniform(size=20) ** 3
    assert (harness.holm(p) >= false_discovery_control(p)).all()


def test_comparisons_are_those_of_scipy_over_the_means_of_sets():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 12, 3))
    a[0], b[0] = 0.5, 0.5
    table = results(a=a, b=b, c=b + 0.2)
    found = harness.compare(table, [("a", "b"), ("c", "b"), ("d", "b")], "accuracy")
    assert found["method"].tolist() == ["a", "c"]  # there is no d
    means = (a - b).mean(axis=1)
    first = found.iloc[0]
    assert first["difference"] == pytest.approx(means.mean())
    assert first["p"] == wilcoxon(means, zero_method="zsplit").pvalue
    assert (first["higher"], first["tie"]) == ((means > 0).sum(), 1)
    assert first[["higher", "tie", "lower"]].sum() == 12
    assert first["pairs"] == 36
    assert first["low"] < first["difference"] < first["high"]
    np.testing.assert_allclose(found.iloc[1][["low", "high"]].astype(float), 0.2)
    np.testing.assert_array_equal(found["p_holm"], harness.holm(found["p"]))


def test_interval_of_means_is_about_that_of_scipys_bootstrap():
    from scipy.stats import bootstrap

    means = np.random.default_rng(0).gamma(2, size=30)
    low, high = harness.bootstrap_interval(means[:, np.newaxis])
    theirs = bootstrap([means], np.mean, method="percentile", rng=0)
    np.testing.assert_allclose([low, high], theirs.confidence_interval, rtol=0.02)
