"""Make the tables and figures of quality.py from its results.

The statistics are harness.py's, with Holm's correction over all lines of a table; ranks
are those of the means of the sets.
"""

import numpy as np
import pandas as pd

from benchmarks import figures, sets
from benchmarks.harness import compare, pair, show_differences, signed_rank_p

TIE = 0.001  # a smaller difference of a set's means is a tie
LEAST_GAIN = 0.005  # of the ensemble over labels only, to speak of a share of it

# what is asked, and the method that differs in this one thing
COMPARISONS = {
    "distilling": [
        ("mean", "labels_only"),
        ("mean", "self_training"),
        ("mean", "pseudo_labels"),
        ("mean", "best_distilled"),
        ("mean", "mean_labeled"),
        ("mean", "ensemble"),
        ("mean", "best_teacher"),
    ],
    "the three weights": [
        ("unified", "mean"),
        ("only_a", "mean"),
        ("only_b", "mean"),
        ("only_c", "mean"),
        ("without_c", "mean"),
        ("without_a", "unified"),
        ("without_b", "unified"),
        ("without_c", "unified"),
        ("agreement", "unified"),
    ],
    "honest answers": [
        ("mean_in_sample", "mean"),
        ("unified_in_sample", "unified"),
        ("calibrated_in_sample", "calibrated"),
    ],
    "the calibrated pool": [
        ("ensemble_calibrated", "ensemble"),
        ("calibrated", "mean"),
        ("calibrated", "ensemble"),
        ("calibrated", "best_teacher"),
        ("calibrated", "labels_only"),
        ("calibrated", "pseudo_labels"),
        ("calibrated_c", "calibrated"),
        ("calibrated_sqrt_c", "calibrated"),
        ("calibrated_clipped_c", "calibrated"),
        ("calibrated_one_plus_c", "calibrated"),
        ("calibrated_unified", "calibrated"),
        ("calibrated_correctness", "calibrated"),
        ("calibrated_correctness", "calibrated_unified"),
        ("calibrated_alpha_0.9", "calibrated"),
        ("calibrated_alpha_1", "calibrated"),
    ],
    "other distillers": [
        ("calibrated_correctness", "autogluon_distilled"),
        ("ensemble", "autogluon"),
        ("mean", "tabtune_distilled"),
        ("calibrated_correctness", "tabtune_distilled"),
    ],
    "alpha (0.5) and temperature (1)": [
        ("unified_alpha_0.1", "unified"),
        ("unified_alpha_0.9", "unified"),
        ("unified_alpha_1", "unified"),
        ("unified_temperature_2", "unified"),
        ("unified_temperature_4", "unified"),
    ],
}
STUDENTS = "mean", "calibrated", "calibrated_correctness"  # held against the goals
RANKED = [
    "ensemble", "ensemble_calibrated", "best_teacher", "labels_only", "self_training",
    "pseudo_labels", "best_distilled", "mean_labeled", "mean", "unified", "calibrated",
    "calibrated_correctness",
]  # fmt: skip


# --- Tables ---------------------------------------------------------------------------


def compare_methods(table, measure="accuracy"):
    """Compare the pairs of COMPARISONS at one budget -> DataFrame, one row a pair."""
    topics = {pair: topic for topic, pairs in COMPARISONS.items() for pair in pairs}
    found = compare(table, topics, measure, tie=TIE)
    keys = zip(found["method"], found["against"], strict=True)
    return found.assign(topic=[topics[key] for key in keys])


def show_comparisons(found, *, scale, digits):
    """Write comparisons as a table."""
    shown = found[["method", "against"]].copy()
    shown["difference"] = show_differences(found, scale=scale, digits=digits)
    shown["p"] = found["p"].map("{:.3f}".format)
    shown["p (Holm)"] = found["p_holm"].map("{:.3f}".format)
    counts = found[["higher", "tie", "lower"]].astype(str)
    shown["sets higher/tie/lower"] = counts.agg("/".join, axis=1)
    return shown.to_markdown(index=False)


def summarize(table):
    """Average each method over sets, at one budget -> DataFrame by method.

    Retention and recovered share are ratios of these averages: single sets where the
    ensemble gains nothing would make a mean of ratios meaningless.
    """
    methods = table["method"].drop_duplicates()
    numbers = ["accuracy", "balanced_accuracy", "roc_auc", "log_loss", "ece"]
    by_set = table.groupby(["method", "set"])[[*numbers, "bytes", "us_per_row"]].mean()
    mean = by_set.groupby("method").mean().reindex(methods)
    accuracy = mean["accuracy"]
    retention = accuracy / accuracy.get("ensemble", np.nan)
    floor = accuracy.get("labels_only", np.nan)
    gain = accuracy.get("ensemble", np.nan) - floor
    gain = gain if gain > LEAST_GAIN else np.nan
    return mean.assign(retention=retention, recovered=(accuracy - floor) / gain)


def show_summary(mean):
    """Write the averages in their usual units."""
    shown = pd.DataFrame(index=mean.index)
    for name in ("accuracy", "balanced_accuracy", "roc_auc"):
        shown[f"{name} (%)"] = (100 * mean[name]).map("{:.2f}".format)
    shown["log_loss"] = mean["log_loss"].map("{:.3f}".format)
    for name in ("ece", "retention", "recovered"):
        shown[f"{name} (%)"] = (100 * mean[name]).map("{:.1f}".format)
    shown["kB"] = (mean["bytes"] / 1000).map("{:,.0f}".format)
    shown["µs per row"] = mean["us_per_row"].map("{:.1f}".format)
    return shown.to_markdown()


def by_set(table):
    """Return accuracies in percent by set, mean ± deviation of the seeds."""
    chosen = table[table["method"].isin(RANKED)]
    seeds = 100 * chosen.set_index(["set", "method", "seed"])["accuracy"].unstack()
    text = [
        f"{m:.1f} ± {s:.1f}"
        for m, s in zip(seeds.mean(axis=1), seeds.std(axis=1), strict=True)
    ]
    found = pd.Series(text, index=seeds.index).unstack().fillna("")
    return found[[name for name in RANKED if name in found]].to_markdown()


# --- Goals ----------------------------------------------------------------------------

RIVALS = [
    "labels_only", "pseudo_labels", "mean", "autogluon_distilled", "tabtune_distilled",
]  # fmt: skip


def goals(table, student):
    """Say how far a student reached the goals, at one budget -> dict of str to str.

    On the sets that the student was not chosen on; the seeds of a set are averaged
    first.
    """
    table = table[~table["set"].isin(sets.CHOSEN_ON)]
    by_set = table.groupby(["method", "set"]).mean(numeric_only=True)
    found = {}
    for measure in ("accuracy", "roc_auc"):
        name = f"{measure}, share of the ensemble's (%)"
        found[name] = retained(by_set[measure], student)
    found["recovered gain, median set (%)"] = recovered(by_set["accuracy"], student)
    for rival in RIVALS:
        if rival != student and rival in set(table["method"]):
            name = f"accuracy over {rival} (points)"
            found[name] = lead(table, student, rival)
    for cost, word in (("us_per_row", "faster"), ("bytes", "smaller")):
        name = f"times {word} than the ensemble, median set"
        found[name] = saved(by_set[cost], student)
    return found


def retained(by_set, student):
    """Say which share of the ensemble's measure the student has."""
    ours, ensemble = by_set[student], by_set["ensemble"]
    return (
        f"{100 * ours.mean() / ensemble.mean():.2f}, "
        f"{(ours > ensemble).sum()} of {len(ours)} sets ahead"
    )


def recovered(by_set, student):
    """Say which share of the ensemble's gain over labels only the student has."""
    floor = by_set["labels_only"]
    gain = by_set["ensemble"] - floor
    gain = gain[gain > LEAST_GAIN]  # elsewhere there is nothing to recover
    share = ((by_set[student] - floor) / gain).loc[gain.index]
    return f"{100 * share.median():.0f}, of {len(gain)} sets with a gain"


def lead(table, student, rival):
    """Say how far the student is ahead of a rival."""
    difference = pair(table, student, rival, "accuracy").mean(axis=1)
    return (
        f"{100 * difference.mean():+.2f}, p={signed_rank_p(difference):.3f}, "
        f"{(difference > 0).sum()} of {len(difference)} sets ahead"
    )


def saved(by_set, student):
    """Say how many times the cost of the student the ensemble has."""
    ratio = by_set["ensemble"] / by_set[student]
    return f"{ratio.median():.0f} ({ratio.min():.0f} to {ratio.max():.0f})"


# --- The report -----------------------------------------------------------------------


MEASURED = {  # measure: scale, unit, digits, where a logarithmic axis begins
    "accuracy": (100, " (points)", 2, None),
    "roc_auc": (100, " (points)", 2, None),
    "log_loss": (1, "", 3, 0.03),
}


def write(table, path):
    """Write a Markdown file and its figures beside the results -> its path."""
    import matplotlib as mpl

    mpl.use("Agg")
    path.parent.mkdir(parents=True, exist_ok=True)
    budgets = dict(list(table.groupby("budget")))
    lines = ["# Quality", "", describe(table), ""]
    for measure in MEASURED:
        lines += write_comparisons(budgets, measure, path)
    lines += write_goals(budgets)
    for budget, rows in budgets.items():
        figure = path.with_name(f"{path.stem}_{budget}")
        lines += write_budget(rows, f"{budget:.1%} labeled", figure)
    path = path.with_suffix(".md")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def write_comparisons(budgets, measure, path):
    """Write what the pairs of methods differ by in a measure -> lines."""
    scale, unit, digits, linear_to = MEASURED[measure]
    found = {b: compare_methods(rows, measure) for b, rows in budgets.items()}
    found = {budget: rows for budget, rows in found.items() if len(rows)}
    if not found:
        return []
    path = path.with_name(f"{path.stem}_{measure}.png")
    figures.plot_differences(
        found, path, measure=measure, scale=scale, unit=unit, linear_to=linear_to
    )
    lines = [f"## Differences of {measure}{unit}", "", f"![]({path.name})", ""]
    for budget, rows in found.items():
        shown = show_comparisons(rows, scale=scale, digits=digits)
        lines += [f"{budget:.1%} labeled:", "", shown, ""]
    return lines


def write_goals(budgets):
    """Write how far the students reached the goals -> lines."""
    reached = {
        f"{name}, {budget:.1%}": goals(rows, name)
        for name in STUDENTS
        for budget, rows in budgets.items()
        if name in set(rows["method"])
    }
    if not reached:
        return []
    shown = pd.DataFrame(reached).fillna("").to_markdown()
    return [
        "## Goals, on the sets that the student was not chosen on", "", shown, ""
    ]  # fmt: skip


def of_common_units(table, methods):
    """Return the results of methods, of the sets and seeds that all of them have.

    >>> units = {"set": "iris", "seed": [0, 1, 0], "method": ["a", "a", "b"]}
    >>> of_common_units(pd.DataFrame(units), ["a", "b"])
        set  seed method
    0  iris     0      a
    2  iris     0      b
    """
    table = table[table["method"].isin(methods)]
    count = table.groupby(["set", "seed"])["method"].transform("nunique")
    return table[count == table["method"].nunique()]


def write_budget(table, title, figure):
    """Write averages, ranks, costs and sets of one label budget -> lines."""
    everywhere = table.groupby("method")["set"].nunique() == table["set"].nunique()
    methods = list(everywhere.index[everywhere])
    mean = summarize(of_common_units(table, methods))
    lines = [f"## {title}", "", show_summary(mean), ""]
    others = [name for name in everywhere.index if name not in methods]
    if others:
        beside = ["ensemble", "labels_only", *STUDENTS, *others]
        lines += ["Where other distillers were run:", ""]
        lines += [show_summary(summarize(of_common_units(table, beside))), ""]
    path = figure.with_name(f"{figure.name}_costs.png")
    figures.plot_costs(mean, path, title=title)
    lines += [f"![]({path.name})", ""]
    ranked = of_common_units(table, RANKED)
    scores = ranked.groupby(["set", "method"])["accuracy"].mean().unstack()
    if scores.shape[0] > 1 and scores.shape[1] > 1:
        path = figure.with_name(f"{figure.name}_ranks.png")
        figures.plot_ranks(scores, path, title=f"accuracy, {title}")
        lines += [f"![]({path.name})", ""]
    return [*lines, "Accuracy (%) by set:", "", by_set(table), ""]


def describe(table):
    """Say what the results hold."""
    seeds = table.groupby(["set", "budget"])["seed"].nunique()
    return (
        "Averages are of the seeds that all methods of a table have, differences of "
        f"all that both have. {table['set'].nunique()} sets, "
        f"{table['budget'].nunique()} label budgets, "
        f"{seeds.min()} to {seeds.max()} seeds, {table['method'].nunique()} methods, "
        f"{len(table):,} results. Difference: mean over sets [95 % bootstrap interval "
        f"over sets and seeds]; p: Wilcoxon's signed-rank test over sets, Holm's "
        f"correction in each table; a set whose means differ by at most {TIE} is a tie."
    )
