import pytest

from benchmarks import quality, quality_report
from tests.benchmarks.test_harness import results

# for CalibratedClassifierCV(method="temperature")
pytest.importorskip("sklearn", minversion="1.8")


def test_summary_states_retention_and_recovered_share():
    table = results(
        ensemble=[(0.9, 0.9)], labels_only=[(0.7, 0.7)], mean=[(0.85, 0.85)]
    )
    for name in ("balanced_accuracy", "roc_auc", "log_loss", "ece"):
        table[name] = 0.5
    mean = quality_report.summarize(table.assign(bytes=1000, us_per_row=1.0))
    assert mean.loc["mean", "retention"] == pytest.approx(0.85 / 0.9)
    assert mean["recovered"].tolist() == pytest.approx([1, 0, 0.75])


def test_goals_are_those_of_the_sets_that_the_student_was_not_chosen_on():
    table = results(
        ensemble=[(0.8, 0.8), (0.6, 0.6), (0.9, 0.9)],
        labels_only=[(0.7, 0.7), (0.6, 0.6), (0.1, 0.1)],
        mean=[(0.8, 0.84), (0.5, 0.7), (0.0, 0.0)],
    )
    table["roc_auc"] = table["accuracy"]
    table["bytes"] = table["method"].map({"ensemble": 900, "mean": 3})
    table["us_per_row"] = 1.0
    table["set"] = table["set"].replace("set 2", "letter")
    found = quality_report.goals(table, "mean")
    assert found["accuracy, share of the ensemble's (%)"] == (
        "101.43, 1 of 2 sets ahead"
    )
    assert found["recovered gain, median set (%)"] == "120, of 1 sets with a gain"
    assert found["accuracy over labels_only (points)"].startswith("+6.00, p=")
    assert found["times smaller than the ensemble, median set"] == "300 (300 to 300)"
    assert not any("pseudo" in goal for goal in found)


def test_comparisons_name_methods_that_exist():
    others = {"autogluon", "autogluon_distilled", "tabtune_distilled"}
    known = {*quality.METHODS, *others}
    named = {
        name
        for pairs in quality_report.COMPARISONS.values()
        for p in pairs
        for name in p
    }
    assert (
        named
        | {*quality_report.RANKED, *quality_report.RIVALS, *quality_report.STUDENTS}
        <= known
    )
