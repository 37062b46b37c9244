import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import harness, students
from benchmarks import student_parts as parts
from benchmarks.harness import Settings
from benchmarks.units import Unit

# for CalibratedClassifierCV(method="temperature")
pytest.importorskip("sklearn", minversion="1.8")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def two_units(few_teachers, cache):
    """Two units of a small set, with two teachers, their predictions in the cache."""
    settings = Settings(cache=str(cache), effort=0.01)
    two = [Unit("breast_cancer", 0.1, seed, settings) for seed in (0, 1)]
    assert all(unit.predictions for unit in two)
    return two


def test_the_whole_path_and_what_a_second_run_adds(two_units, tmp_path):
    path = tmp_path / "students.csv"

    def run(*names):
        methods = {name: students.BENCHMARK.methods[name] for name in names}
        benchmark = replace(students.BENCHMARK, methods=methods)
        keys = [unit.key for unit in two_units]
        assert harness.run(benchmark, path, keys, two_units[0].settings) == 0
        return pd.read_csv(path)

    table = run("ensemble", "pool", "base", "clip_3")
    assert set(table["method"]) == {"ensemble", "pool", "base", "clip_3"}
    assert len(table) == 8
    assert table.loc[table["method"] == "pool", "kl"].eq(0).all()
    first = path.read_text()
    run("ensemble", "pool", "base", "clip_3")
    assert path.read_text() == first  # all was there
    table = run("base", "clip_3", "silu")
    assert len(table) == 10
    text = students.report(table, path).read_text()
    assert "## Sets to choose on: breast_cancer" in text
    assert "| silu " in text


@pytest.mark.parametrize("n_rows", [30, 64, 1000, 10_000])
def test_every_student_takes_the_same_number_of_steps(n_rows):
    net = students.make_net(np.zeros((n_rows, 2)), 2000)
    steps = net.max_epochs * -(-n_rows // net.batch_size)
    assert 2000 <= steps < 2000 * 1.1


def test_a_failing_variant_is_reported_and_the_others_go_on(two_units):
    methods = students.BENCHMARK.methods | {"bad": lambda unit: 1 / 0}
    benchmark = replace(students.BENCHMARK, methods=methods)
    names = ["ensemble", "pool", "bad", "base"]
    _, rows, _, error = harness.run_unit(
        benchmark, two_units[0].key, names, two_units[0].settings
    )
    assert [row["method"] for row in rows] == ["ensemble", "pool", "base"]
    assert error.startswith("bad: ")
    assert "ZeroDivisionError" in error


@pytest.mark.parametrize(
    "name",
    ["residual", "piecewise", "periodic", "tabm", "tabm_one_loss", "quantile",
     "one_cycle", "average_0.99", "constant_average"],
)  # fmt: skip
def test_variants_differ_from_the_base_and_can_be_pickled(two_units, name):
    if name in students.NEED_RTDL:
        pytest.importorskip("rtdl_num_embeddings")
    base, model = (students.VARIANTS[key](two_units[0]) for key in ("base", name))
    X = two_units[0].encoded.X_test
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert not np.allclose(proba, base.predict_proba(X), atol=1e-4)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), proba)


def test_the_pool_is_the_one_that_students_learn_from(two_units):
    pool = students.train(two_units[0]).pool_
    expected = pool.predict_proba(two_units[0].predictions.test)
    np.testing.assert_allclose(
        students.predict_by_pool(two_units[0]), expected, atol=1e-6
    )


def test_one_member_of_tabm_has_the_same_loss_either_way():
    torch.manual_seed(0)
    model = parts.Members(4, 3, k=1, apart=True)
    X = torch.randn(5, 4)
    for layer in model.body:
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    apart = model.train()(X).log_softmax(dim=1)
    torch.testing.assert_close(apart, model.eval()(X))


def test_an_average_of_weights_lies_between_them():
    average = parts.Average(0.9)
    mean = [torch.zeros(1)]
    average.update(mean, [torch.ones(1)], torch.tensor(100))
    torch.testing.assert_close(mean[0], torch.tensor([0.1]))
    average.update(mean, [torch.ones(1)], torch.tensor(1))  # early: 2 / 11 stays
    torch.testing.assert_close(mean[0], torch.tensor([1 - 0.9 * 2 / 11]))


@pytest.mark.parametrize("shape", ["cosine", "warm_up", "one_cycle"])
def test_schedules_peak_at_one_and_end_near_zero(shape):
    rates = [getattr(parts, shape)(p) for p in np.linspace(0, 1, 1001)[:-1]]
    assert max(rates) == pytest.approx(1, abs=1e-3)
    assert min(rates) >= 0
    assert rates[-1] < 1e-4


def test_differences_are_those_of_the_sets_means():
    accuracy = {"base": [0.5, 0.7, 0.5, 0.5], "silu": [0.6, 0.7, 0.7, 0.7]}
    units = {"set": ["a", "a", "b", "b"], "budget": [0.1, 0.2, 0.1, 0.2], "seed": 0}
    table = pd.concat(
        pd.DataFrame(units | {"method": name, "accuracy": values})
        for name, values in accuracy.items()
    )
    found = students.compare(table, "accuracy")
    assert found.index.tolist() == ["silu"]
    assert found.loc["silu", "difference"] == pytest.approx((0.05 + 0.2) / 2)
    assert found.loc["silu", "sets"] == 2


def test_retention_is_that_of_the_units_which_a_variant_has_seen():
    accuracy = {"ensemble": [0.5, 0.8], "base": [0.4, 0.8], "silu": [0.6, None]}
    table = pd.concat(
        pd.DataFrame(
            {"set": ["a", "b"], "budget": 0.1, "seed": 0, "method": name,
             "accuracy": values, "roc_auc": values}
        )
        for name, values in accuracy.items()
    ).dropna()  # fmt: skip
    for name in ("log_loss", "kl", "agreement", "seconds", "us_per_row", "bytes"):
        table[name] = 1.0
    shown = students.show_means(table)
    lines = [line.split("|") for line in shown.splitlines()[2:]]
    retained = {line[1].strip(): float(line[4]) for line in lines}
    assert retained == {"ensemble": 100, "base": 92.31, "silu": 120}


def test_the_built_in_student_is_the_chosen_variant(two_units):
    variant = students.VARIANTS["hidden_128_lr_and_batch_by_rows"](two_units[0])
    chosen = variant.student_
    built_in = students.default_student(two_units[0].encoded.X)["net"]
    assert (built_in.lr, built_in.batch_size) == (chosen.lr, chosen.batch_size)
    size = two_units[0].encoded.X.shape[1], len(two_units[0].classes)
    assert str(built_in.module(*size)) == str(chosen.module_)
