import doctest

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

# for CalibratedClassifierCV(method="temperature")
pytest.importorskip("sklearn", minversion="1.8")

BENCHMARKS = [
    "datasets",
    "quality",
    "quality_report",
]  # those that `modules` of conftest.py imports


@pytest.fixture(scope="module")
def datasets(modules):
    return modules["datasets"]


@pytest.fixture(scope="module")
def quality(modules):
    return modules["quality"]


@pytest.fixture(scope="module")
def report(modules):
    return modules["quality_report"]


def test_examples(modules):
    for module in modules.values():
        found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
        assert found.attempted
        assert not found.failed


# --- Data -----------------------------------------------------------------------------


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


def test_a_folder_is_read_as_its_readme_says(datasets, folder):
    assert datasets.names(folder) == ["breast_cancer", "digits", "toy"]
    data = datasets.load("toy", folder)
    assert data.X.columns.tolist() == ["size", "color"]
    assert data.X["color"].dtype == "category"
    assert np.unique(data.y).tolist() == [0, 1, 2]  # the rare class is left out
    assert (len(data.X), len(data.X_test)) == (199, 100)


def test_test_rows_that_stand_in_train_are_removed(datasets, folder):
    X, y, X_test, y_test = datasets.split(datasets.load("toy", folder), seed=0)
    assert (len(X_test), len(y_test)) == (81, 81)  # the 20th was of the rare class
    assert not X_test["size"].isin(X["size"]).any()
    assert len(X) == len(y) == 199


def test_an_unofficial_split_is_drawn_anew(datasets, folder):
    path = folder / "toy" / "README.md"
    path.write_text(path.read_text().replace("official", "not official"))
    data = datasets.load("toy", folder)
    assert data.X_test is None
    assert len(data.X) == 299
    drawn = [datasets.split(data, seed)[2]["size"].sum() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_draws_are_stratified_and_limited(datasets, monkeypatch):
    monkeypatch.setattr(datasets, "MAX_ROWS", 100)
    monkeypatch.setattr(datasets, "MAX_TEST_ROWS", 50)
    y = np.repeat(["a", "b", "c"], [800, 790, 10])
    X, y, _, y_test = datasets._limit(np.arange(1600), y, np.arange(1600), y)
    assert np.bincount(y).tolist() == [50, 50]
    assert np.bincount(y_test).tolist() == [25, 25]
    assert (np.diff(X) > 0).all()


# --- The experiment -------------------------------------------------------------------


def test_every_class_keeps_five_labels(quality):
    y = np.repeat([0, 1, 2], [1000, 100, 20])
    labeled = quality.choose_labeled(y, 0.1, seed=0)
    assert np.bincount(y[labeled]).tolist() == [100, 10, 5]
    assert (labeled == quality.choose_labeled(y, 0.1, seed=0)).all()
    assert (labeled != quality.choose_labeled(y, 0.1, seed=1)).any()


@pytest.mark.parametrize("n_rows", [30, 64, 1000, 10_000])
def test_every_student_takes_the_same_number_of_steps(quality, n_rows):
    net = quality.make_net(np.zeros((n_rows, 2)), 2000)
    steps = net.max_epochs * -(-n_rows // net.batch_size)
    assert 2000 <= steps < 2000 * 1.1


def test_agreement_is_one_where_teachers_agree_and_zero_where_they_oppose(quality):
    agree, oppose = [[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]
    np.testing.assert_allclose(
        quality.agreement(np.array([agree, oppose])), [1, 0], atol=1e-7
    )


def test_measures_of_perfect_and_of_ignorant_answers(quality):
    y = np.array([0, 0, 0, 1])
    perfect = quality.measure(np.eye(2)[y], y)
    assert perfect == pytest.approx(
        {"accuracy": 1, "balanced_accuracy": 1, "roc_auc": 1, "log_loss": 0, "ece": 0}
    )
    ignorant = quality.measure(np.full((4, 2), 0.5), y)
    assert ignorant == pytest.approx(
        {"accuracy": 0.75, "balanced_accuracy": 0.5, "roc_auc": 0.5,
         "log_loss": np.log(2), "ece": 0.25}
    )  # fmt: skip


def few_teachers(settings, seed):
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    return {"knn": KNeighborsClassifier(), "linear": LogisticRegression()}


def test_the_whole_path_and_what_a_second_run_adds(
    quality, report, tmp_path, monkeypatch
):
    monkeypatch.setattr(quality, "make_teachers", few_teachers)
    path = tmp_path / "quality.csv"
    settings = quality.Settings(cache=str(tmp_path / "cache"), steps=20)
    names, methods = ["breast_cancer", "digits"], ["ensemble", "labels_only"]

    def run(names_of_methods):
        methods = {name: quality.METHODS[name] for name in names_of_methods}
        return quality.run(path, names, [0.1], 2, methods, settings, jobs=1)

    assert run(methods) == 0
    first = path.read_text()
    assert len(first.splitlines()) == 1 + 8
    assert run(methods) == 0
    assert path.read_text() == first  # all was there
    assert run([*methods, "mean"]) == 0
    table = pd.read_csv(path)
    assert len(table) == 12
    assert set(first.splitlines()) <= set(path.read_text().splitlines())
    assert table["method"].tolist()[:3] == ["ensemble", "labels_only", "mean"]

    text = report.write(path, tmp_path / "report").read_text()
    assert "| mean     | labels_only" in text
    assert {file.name for file in (tmp_path / "report").iterdir()} == {
        "quality.md", "quality_accuracy.png", "quality_log_loss.png",
        "quality_roc_auc.png",
        "quality_0.1_costs.png", "quality_0.1_ranks.png",
    }  # fmt: skip


def test_a_failing_unit_is_reported_and_the_others_go_on(quality, tmp_path, capsys):
    path, settings = tmp_path / "quality.csv", quality.Settings(steps=20)
    fit = quality.METHODS["labels_only"]
    for method, errors in ((lambda unit: 1 / 0, 1), (fit, 0)):
        found = quality.run(
            path, ["breast_cancer"], [0.1], 1, {"method": method}, settings, jobs=1
        )
        assert found == errors
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert pd.read_csv(path)["method"].tolist() == ["method"]


def test_answers_are_out_of_fold_for_labeled_rows_only(quality, monkeypatch):
    monkeypatch.setattr(quality, "make_teachers", few_teachers)
    unit = quality.Unit("breast_cancer", 0.1, 0, quality.Settings(steps=20))
    rows, answers = unit.rows, unit.answers
    assert (rows.y[unit.labeled] >= 0).all()
    unlabeled = rows.y < 0
    np.testing.assert_array_equal(
        answers.out_of_fold[unlabeled], answers.in_sample[unlabeled]
    )
    assert (answers.out_of_fold[~unlabeled] != answers.in_sample[~unlabeled]).any()
    assert answers.test.shape == (len(rows.y_test), 2, 2)
    ensemble = quality.METHODS["ensemble"](unit).predict_proba(rows.X_test)
    np.testing.assert_allclose(ensemble, answers.test.mean(axis=1), atol=1e-7)


# --- Statistics -----------------------------------------------------------------------


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


def test_pairs_are_matched_by_set_and_seed(report):
    table = results(a=[(0.9, 0.8), (0.5, 0.5)], b=[(0.7, 0.7), (0.5, 0.6)])
    table = table.sample(frac=1, random_state=0)
    found = report.pair(table, "a", "b", "accuracy")
    np.testing.assert_allclose(found, [[0.2, 0.1], [0.0, -0.1]], atol=1e-12)
    assert report.pair(table, "a", "missing", "accuracy").empty


def test_interval_of_sets_without_spread_is_that_of_their_bootstrap(report):
    rng = np.random.default_rng(0)
    means = rng.normal(1, 2, size=40)
    low, high = report.bootstrap_interval(np.column_stack([means, means]))
    error = 1.96 * means.std() / np.sqrt(len(means))
    assert low == pytest.approx(means.mean() - error, abs=0.1)
    assert high == pytest.approx(means.mean() + error, abs=0.1)


def test_interval_covers_the_truth_about_as_often_as_it_says(report):
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        sets = rng.normal(0.5, 1.0, size=(30, 1))
        low, high = report.bootstrap_interval(
            sets + rng.normal(0, 1.0, size=(30, 5)), draws=500
        )
        hits += low <= 0.5 <= high
    assert 0.9 <= hits / 200 <= 1


def test_interval_skips_missing_seeds(report):
    values = np.array([[1.0, np.nan], [2.0, 2.0]])
    low, high = report.bootstrap_interval(values)
    assert (low, high) == (1.0, 2.0)


def test_signed_rank_is_scipys_and_one_without_any_difference(report):
    means = np.array([0.3, -0.1, 0.5, 0.2, 0.4, 0.6])
    assert report.signed_rank_p(means) == wilcoxon(means).pvalue
    assert report.signed_rank_p(np.zeros(6)) == 1


def test_holm_keeps_the_order_and_stays_below_one(report):
    p = np.array([0.5, 0.001, 0.04, 0.6])
    corrected = report.holm(p)
    np.testing.assert_allclose(corrected, [1, 0.004, 0.12, 1])
    assert (corrected >= p).all()


@pytest.mark.parametrize(
    ("n_methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)]
)
def test_critical_difference_is_that_of_demsars_table(report, n_methods, q):
    expected = q * np.sqrt(n_methods * (n_methods + 1) / (6 * 20))
    assert report.critical_difference(n_methods, 20) == pytest.approx(
        expected, rel=1e-3
    )


def test_cliques_are_maximal(report):
    assert report.cliques([1, 2, 3, 4], 10) == [(0, 3)]
    assert report.cliques([1, 2, 3, 4], 0.5) == []
    assert report.cliques([1, 1.2, 1.4, 3, 3.1], 0.5) == [(0, 2), (3, 4)]


def test_summary_states_retention_and_recovered_share(report):
    table = results(
        ensemble=[(0.9, 0.9)], labels_only=[(0.7, 0.7)], mean=[(0.85, 0.85)]
    )
    for name in ("balanced_accuracy", "roc_auc", "log_loss", "ece"):
        table[name] = 0.5
    mean = report.summarize(table.assign(bytes=1000, us_per_row=1.0))
    assert mean.loc["mean", "retention"] == pytest.approx(0.85 / 0.9)
    assert mean["recovered"].tolist() == pytest.approx([1, 0, 0.75])


def test_goals_are_those_of_the_sets_that_the_student_was_not_chosen_on(report):
    table = results(
        ensemble=[(0.8, 0.8), (0.6, 0.6), (0.9, 0.9)],
        labels_only=[(0.7, 0.7), (0.6, 0.6), (0.1, 0.1)],
        mean=[(0.8, 0.84), (0.5, 0.7), (0.0, 0.0)],
    )
    table["roc_auc"] = table["accuracy"]
    table["bytes"] = table["method"].map({"ensemble": 900, "mean": 3})
    table["us_per_row"] = 1.0
    table["set"] = table["set"].replace("set 2", "letter")
    found = report.goals(table, "mean")
    assert found["accuracy, share of the ensemble's (%)"] == (
        "101.43, 1 of 2 sets ahead"
    )
    assert found["recovered gain, median set (%)"] == "120, of 1 sets with a gain"
    assert found["accuracy over labels_only (points)"].startswith("+6.00, p=")
    assert found["times smaller than the ensemble, median set"] == "300 (300 to 300)"
    assert not any("pseudo" in goal for goal in found)


def test_comparisons_name_methods_that_exist(quality, report):
    others = {"autogluon", "autogluon_distilled", "tabtune_distilled"}
    known = {*quality.METHODS, *others}
    named = {name for pairs in report.COMPARISONS.values() for p in pairs for name in p}
    assert named | {*report.RANKED, *report.RIVALS, *report.STUDENTS} <= known
