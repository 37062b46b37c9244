import pytest

from benchmarks import names, quality, quality_report
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


def test_costs_are_of_the_units_that_all_methods_have():
    table = results(ensemble=[(0.9, 0.8)], pool=[(0.8, 0.8)], default=[(0.9, 0.7)])
    table = table[(table["method"] != "pool") | (table["seed"] == 1)]
    table["bytes"], table["us_per_row"] = 1000 * (1 + table["seed"]), 1.0
    found = quality_report.costs(table)
    assert list(found.index) == ["default", "ensemble", "pool"]
    assert found["difference"].tolist() == pytest.approx([-0.1, 0, 0])
    assert found["low"].tolist() == found["high"].tolist()  # one set, one seed
    assert found["bytes"].tolist() == [2000] * 3


def test_goals_are_those_of_the_sets_that_nothing_was_chosen_on():
    better = [(0.8, 0.84), (0.5, 0.7), (0.0, 0.0)]
    table = results(
        ensemble=[(0.8, 0.8), (0.6, 0.6), (0.9, 0.9)],
        pool=[(0.8, 0.8), (0.6, 0.6), (0.9, 0.9)],
        lightgbm=[(0.8, 0.8), (0.7, 0.7), (0.9, 0.9)],
        labels_only=[(0.7, 0.7), (0.6, 0.6), (0.1, 0.1)],
        pseudo_labels=better,
        mean=better,
        default=better,
    )
    table["roc_auc"], table["log_loss"] = table["accuracy"], 1 - table["accuracy"]
    table["bytes"] = table["method"].map({"ensemble": 900}).fillna(3)
    table["us_per_row"] = 1.0
    table["set"] = table["set"].replace("set 2", "letter")
    found = quality_report.goals(quality_report.reported(table))
    over = found["accuracy over same network, labels only (points)"]
    assert over.startswith("+6.00 [")
    assert over.endswith("ahead on 1 of 2")
    assert found["ROC AUC, share of the pool's (%)"] == "101.43"
    assert found["log-loss against the pool's (%)"] == "-3.3"
    assert found["log-loss below the tuned LightGBM's"] == "1 of 2 sets"
    assert found["times smaller than the ensemble, median set"] == "300 (300 to 300)"
    assert not any("same rows" in goal for goal in found)


def test_a_quick_run_stands_beside_what_to_expect_of_its_units():
    table = results(ensemble=[(0.9, 0.7)], default=[(0.8, 0.6)])
    committed = table.assign(budget=0.1, log_loss=0.5)
    quick = committed[committed["seed"] == 0]
    quick = quick.assign(accuracy=quick["accuracy"] + 0.01)
    lines = quality_report.write_quick(quick, committed).splitlines()
    assert "1 sets, 1 units" in lines[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[-2:]]
    assert cells[0] == ["mean of the teachers", "91", "90", "50", "50"]
    assert cells[1] == ["distilled, the default", "81", "80", "50", "50"]
    other = quick.assign(set="a set of one's own")
    assert "nothing to expect" in quality_report.write_quick(other, committed)


def test_all_sets_are_reported_where_there_are_no_others():
    table = results(mean=[(0.9, 0.9)]).assign(set="letter")
    assert quality_report.reported(table) is table


def test_comparisons_name_methods_that_exist():
    named = {*quality_report.RANKED, *quality_report.RIVALS, quality_report.STUDENT}
    named |= {*quality_report.COSTLY, *names.NAMES}
    for pairs in quality_report.COMPARISONS.values():
        named.update(name for pair in pairs for name in pair)
    assert named <= {*quality.METHODS, *quality_report.OTHER_LIBRARIES}


def test_another_library_is_compared_on_the_units_that_both_have(tmp_path, monkeypatch):
    def write(path=None, **accuracies):
        table = results(**accuracies).assign(budget=0.1, log_loss=0.5)
        return table if path is None else table.to_csv(path, index=False)

    monkeypatch.setattr(quality_report, "RESULTS", tmp_path)
    ours = [(0.8, 0.8), (0.6, 0.6)]
    write(tmp_path / "quality.csv", default=ours, ensemble=ours, pool=ours)
    theirs = write(autogluon=[(0.7, 0.7)], autogluon_distilled=[(0.9, 0.9)])
    text = quality_report.write_others(theirs, None)
    assert "10 % labeled, 1 sets, 2 seeds" in text
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("|")]
    shown = {name.strip(): (mean.strip(), gap.strip()) for name, mean, gap in rows}
    assert shown["distilled, the default"] == ("80.0", "")
    assert shown["AutoGluon"] == ("70.0", "-10.00 [-10.00, -10.00]")
    assert shown["AutoGluon, distilled"] == ("90.0", "+10.00 [+10.00, +10.00]")
