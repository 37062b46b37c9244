import doctest
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

# for CalibratedClassifierCV(method="temperature")
pytest.importorskip("sklearn", minversion="1.8")

BENCHMARKS = [
    "datasets",
    "quality",
    "quality_report",
    "students",
]  # those that `modules` of conftest.py imports


@pytest.fixture(scope="module")
def students(modules):
    return modules["students"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def units(modules, cache):
    """Two units of a small set, of two teachers, with their answers in the cache."""
    quality = modules["quality"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "make_teachers", few_teachers)
        settings = quality.Settings(cache=str(cache), steps=20)
        units = [quality.Unit("breast_cancer", 0.1, seed, settings) for seed in (0, 1)]
        assert all(unit.answers for unit in units)
    return units


def few_teachers(settings, seed):
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    return {"knn": KNeighborsClassifier(), "linear": LogisticRegression()}


def test_examples(students):
    found = doctest.testmod(students)
    assert found.attempted
    assert not found.failed


def test_the_whole_path_and_what_a_second_run_adds(students, modules, units, tmp_path):
    path = tmp_path / "students.csv"

    def run(*names):
        plan = modules["quality"].plan(
            modules["quality"].read_results(path), ["breast_cancer"], [0.1], 2,
            {name: students.VARIANTS[name] for name in names}, units[0].settings,
        )  # fmt: skip
        assert students.run(path, list(plan), jobs=1) == 0
        return pd.read_csv(path)

    table = run("base", "clip_3")
    assert set(table["method"]) == {"ensemble", "pool", "base", "clip_3"}
    assert len(table) == 8
    assert table.loc[table["method"] == "pool", "kl"].eq(0).all()
    first = path.read_text()
    run("base", "clip_3")
    assert path.read_text() == first  # all was there
    assert len(run("base", "clip_3", "silu")) == 10
    text = students.report(path).read_text()
    assert "## Sets to choose on: breast_cancer" in text
    assert "| silu " in text


def test_a_failing_variant_is_reported_and_the_others_go_on(students, units):
    variants = {"bad": lambda unit: 1 / 0, "base": students.VARIANTS["base"]}
    _, results, error = students.run_unit(units[0], variants)
    assert [row["method"] for row in results] == ["ensemble", "pool", "base"]
    assert error.startswith("bad: ")
    assert "ZeroDivisionError" in error


@pytest.mark.parametrize(
    "name",
    ["residual", "piecewise", "periodic", "tabm", "tabm_one_loss", "quantile",
     "one_cycle", "average_0.99", "constant_average"],
)  # fmt: skip
def test_variants_differ_from_the_base_and_can_be_pickled(students, units, name):
    if name in students.NEED_RTDL:
        pytest.importorskip("rtdl_num_embeddings")
    base, model = (students.VARIANTS[key](units[0]) for key in ("base", name))
    X = units[0].rows.X_test
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert not np.allclose(proba, base.predict_proba(X), atol=1e-4)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), proba)


def test_the_pool_is_the_one_that_students_learn_from(students, units):
    pool = students.train(units[0]).pool_
    expected = pool.predict_proba(units[0].answers.test)
    np.testing.assert_allclose(students.ask_pool(units[0]), expected, atol=1e-6)


def test_one_member_of_tabm_has_the_same_loss_either_way(students):
    torch.manual_seed(0)
    model = students.Members(4, 3, k=1, apart=True)
    X = torch.randn(5, 4)
    for layer in model.body:
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    apart = model.train()(X).log_softmax(dim=1)
    torch.testing.assert_close(apart, model.eval()(X))


def test_an_average_of_weights_lies_between_them(students):
    average = students.Average(0.9)
    mean = [torch.zeros(1)]
    average.update(mean, [torch.ones(1)], torch.tensor(100))
    torch.testing.assert_close(mean[0], torch.tensor([0.1]))
    average.update(mean, [torch.ones(1)], torch.tensor(1))  # early: 2 / 11 stays
    torch.testing.assert_close(mean[0], torch.tensor([1 - 0.9 * 2 / 11]))


@pytest.mark.parametrize("shape", ["cosine", "warm_up", "one_cycle"])
def test_schedules_peak_at_one_and_end_near_zero(students, shape):
    rates = [getattr(students, shape)(p) for p in np.linspace(0, 1, 1001)[:-1]]
    assert max(rates) == pytest.approx(1, abs=1e-3)
    assert min(rates) >= 0
    assert rates[-1] < 1e-4


def test_differences_are_those_of_the_sets_means(students):
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


def test_retention_is_that_of_the_units_which_a_variant_has_seen(students):
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


def test_the_built_in_student_is_the_chosen_variant(students, units):
    variant = students.VARIANTS["hidden_128_lr_and_batch_by_rows"](units[0])
    chosen = variant.student_
    built_in = students.default_student(units[0].rows.X)["net"]
    assert (built_in.lr, built_in.batch_size) == (chosen.lr, chosen.batch_size)
    size = units[0].rows.X.shape[1], len(units[0].classes)
    assert str(built_in.module(*size)) == str(chosen.module_)
