"""Make the tables and figures of quality.py from its results.

The statistics are harness.py's, with Holm's correction over all lines of a table; ranks
are those of the means of the sets.
"""

import numpy as np
import pandas as pd

from benchmarks import figures, sets, systems
from benchmarks.harness import (
    RESULTS,
    bootstrap_interval,
    compare,
    pair,
    read,
    show_differences,
    signed_rank_p,
)
from benchmarks.names import NAMES, spell

TIE = 0.001  # a smaller difference of a set's means is a tie
LEAST_GAIN = 0.005  # of the ensemble over labels only, to speak of a share of it

# what is asked -> two methods, of which the first differs in this one thing -> words
WHAT_SHIPS = {
    "the default, against": {
        ("default", "ensemble"): "mean of the teachers",
        ("default", "pool"): "stacked pool of the teachers",
        ("default", "best_teacher"): "best teacher",
        ("default", "lightgbm"): "LightGBM, tuned",
        ("default", "logistic"): "logistic regression, tuned",
        ("default", "labels_only"): "same network, labels only",
        ("default", "pseudo_labels"): "same network, pseudo-labels",
        ("default", "mean"): "same network, mean distilled",
    },
    "the stacked pool, against": {
        ("pool", "ensemble"): "mean of the teachers",
        ("pool", "lightgbm"): "LightGBM, tuned",
    },
}
IN_SAMPLE = {
    "teachers fitted on the same rows, against": {
        ("default_in_sample", "default"): "teachers out of fold",
        ("default_in_sample", "labels_only"): "no teachers",
    },
}
MADE_OF = {
    "the default, against itself without": {
        ("default", "no_synthetic"): "synthetic rows",
        ("default", "calibrated"): "stacked pool",
        ("default", "before"): "synthetic rows, stacked pool",
    },
    "variants, against the default": {
        ("uniform", "default"): "no weights",
        ("unified", "default"): "weights by disagreement, too",
        ("alpha_0.75", "default"): "alpha=0.75",
        ("alpha_1", "default"): "alpha=1",
    },
}
OTHER_STUDENTS = {
    "distilled, against labels only": {
        ("tree", "tree_alone"): "one tree of 64 leaves",
        ("booster", "booster_alone"): "LightGBM, not tuned",
    },
    "a distilled LightGBM, against": {
        ("booster", "default"): "the default",
        ("booster", "pool"): "stacked pool of the teachers",
    },
}
NO_SYNTHETIC = {
    "a calibrated pool distilled, no synthetic rows, against": {
        ("before", "mean"): "the mean, synthetic rows where most are labeled",
    },
}
COMPARISONS = WHAT_SHIPS | IN_SAMPLE | MADE_OF | NO_SYNTHETIC | OTHER_STUDENTS
OTHER_LIBRARIES = ["autogluon", "autogluon_distilled", "tabtune_distilled"]
COSTLY = [
    "default", "labels_only", "ensemble", "pool", "best_teacher", "lightgbm",
    "logistic",
]  # fmt: skip
RANKED = [
    "ensemble", "pool", "best_teacher", "logistic", "lightgbm", "labels_only",
    "pseudo_labels", "mean", "default",
]  # fmt: skip
RIVALS = "labels_only", "pseudo_labels", "mean"  # of the student, one by one
STUDENT = "default"  # held against the goals


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


def costs(table):
    """Return accuracy against the ensemble's, and costs -> DataFrame by method.

    At one budget, means over sets; of the units that all methods have.
    """
    table = of_common_units(table, COSTLY)
    present = [name for name in COSTLY if name in set(table["method"])]
    pairs = [(name, "ensemble") for name in present]
    found = compare(table, pairs, "accuracy").set_index("method")
    by_set = table.groupby(["method", "set"])[["bytes", "us_per_row"]].mean()
    return found[["difference", "low", "high"]].join(by_set.groupby("method").mean())


def by_set(table):
    """Return accuracies in percent by set, mean ± deviation of the seeds."""
    chosen = table[table["method"].isin(RANKED)]
    seeds = 100 * chosen.set_index(["set", "method", "seed"])["accuracy"].unstack()
    text = [
        f"{m:.1f} ± {s:.1f}"
        for m, s in zip(seeds.mean(axis=1), seeds.std(axis=1), strict=True)
    ]
    found = pd.Series(text, index=seeds.index).unstack().fillna("")
    return found[[name for name in RANKED if name in found]]


# --- Goals ----------------------------------------------------------------------------


def reported(table):
    """Return the results of the sets that nothing was chosen on, all without any."""
    others = table[~table["set"].isin(sets.CHOSEN_ON)]
    return others if len(others) else table


def goals(table):
    """Say how far the student reached the goals, at one budget -> dict of str to str.

    The seeds of a set are averaged first.
    """
    by_set = table.groupby(["method", "set"]).mean(numeric_only=True)
    loss = by_set["log_loss"].unstack("method")  # (s, m)
    auc = by_set["roc_auc"].unstack("method")
    found = {
        f"accuracy over the {spell('ensemble')} (points)": lead(
            table, STUDENT, "ensemble"
        ),
        "log-loss against the pool's (%)": f"{100 * (mean_ratio(loss) - 1):+.1f}",
        "ROC AUC, share of the pool's (%)": f"{100 * mean_ratio(auc):.2f}",
        "log-loss below the tuned LightGBM's": ahead(loss, "lightgbm"),
    }
    for rival in RIVALS:
        found[f"accuracy over {spell(rival)} (points)"] = lead(table, STUDENT, rival)
    if "default_in_sample" in loss:
        name = "teachers fitted on the same rows: accuracy over labels only (points)"
        found[name] = lead(table, "default_in_sample", "labels_only")
    for cost, word in (("us_per_row", "faster"), ("bytes", "smaller")):
        ratio = by_set[cost]["ensemble"] / by_set[cost][STUDENT]
        name = f"times {word} than the ensemble, median set"
        found[name] = f"{ratio.median():.0f} ({ratio.min():.0f} to {ratio.max():.0f})"
    return found


def mean_ratio(by_set):
    """Return the student's mean over sets as a share of the pool's."""
    return by_set[STUDENT].mean() / by_set["pool"].mean()


def ahead(loss, rival):
    """Say on how many sets the student has the lower loss."""
    return f"{(loss[STUDENT] < loss[rival]).sum()} of {len(loss)} sets"


def lead(table, student, rival):
    """Say how far the student is ahead of a rival."""
    difference = pair(table, student, rival, "accuracy")
    low, high = bootstrap_interval(difference.to_numpy())
    means = difference.mean(axis=1)
    return (
        f"{100 * means.mean():+.2f} [{100 * low:+.2f}, {100 * high:+.2f}], "
        f"p={signed_rank_p(means):.3f}, ahead on {(means > 0).sum()} of {len(means)}"
    )


# --- The report -----------------------------------------------------------------------


MEASURED = {  # measure: scale, unit, digits, where a logarithmic axis begins
    "accuracy": (100, " (points)", 2, None),
    "roc_auc": (100, " (points)", 2, None),
    "log_loss": (1, "", 3, 0.03),
}


def write(table, path):
    """Write a Markdown file and its figures beside the results -> its path.

    On the sets that nothing was chosen on, unless there are only others.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    path.parent.mkdir(parents=True, exist_ok=True)
    table = reported(table)
    budgets = dict(list(table.groupby("budget")))
    lines = ["# Quality", "", describe(table), *write_goals(budgets)]
    for measure in MEASURED:
        lines += write_comparisons(budgets, measure, path)
    for budget, rows in budgets.items():
        figure = path.with_name(f"{path.stem}_{budget}")
        lines += write_budget(rows, f"{budget:.1%} labeled", figure)
    path = path.with_suffix(".md")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def write_others(table, path):
    """Compare another library with the default -> Markdown; `path` is not used.

    The default and the mean of the teachers are those of quality.py, on the sets and
    seeds that the other library's results have, too.
    """
    ours = read(RESULTS / "quality.csv")
    ours = ours[ours["method"].isin(["ensemble", STUDENT])]
    methods = [STUDENT, "ensemble", *OTHER_LIBRARIES]
    lines = [systems.TITLE, ""]
    for budget, rows in table.groupby("budget"):
        rows = pd.concat([rows, ours[ours["budget"] == budget]])
        rows = of_common_units(rows, methods)
        n_sets, n_seeds = rows["set"].nunique(), rows["seed"].nunique()
        lines += [f"{100 * budget:g} % labeled, {n_sets} sets, {n_seeds} seeds:", ""]
        lines += systems.compare_table(rows, methods, STUDENT, NAMES)
    return "\n".join(lines)


def write_comparisons(budgets, measure, path):
    """Write what the pairs of methods differ by in a measure -> lines."""
    scale, unit, digits, linear_to = MEASURED[measure]
    found = {b: compare_methods(rows, measure) for b, rows in budgets.items()}
    found = {budget: rows for budget, rows in found.items() if len(rows)}
    if not found:
        return []
    path = path.with_name(f"{path.stem}_{measure}.png")
    words = measure.replace("_", " ") + unit
    figures.plot_differences(
        found, path, topics=COMPARISONS, measure=words, scale=scale,
        linear_to=linear_to,
    )  # fmt: skip
    lines = [f"## Differences of {measure}{unit}", "", f"![]({path.name})", ""]
    for budget, rows in found.items():
        shown = show_comparisons(rows, scale=scale, digits=digits)
        lines += [f"{budget:.1%} labeled:", "", shown, ""]
    return lines


def write_goals(budgets):
    """Write how far the student reached the goals -> lines."""
    needed = {STUDENT, "ensemble", "pool", "lightgbm", *RIVALS}
    reached = {
        f"{budget:.1%} labeled": goals(rows)
        for budget, rows in budgets.items()
        if needed <= set(rows["method"])
    }
    if not reached:
        return []
    shown = pd.DataFrame(reached).fillna("").to_markdown()
    return ["", "## Goals", "", shown, ""]


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
    if "ensemble" in methods:
        path = figure.with_name(f"{figure.name}_costs.png")
        found = costs(table)
        panels = [(found, column, "") for column in figures.COSTS]
        figures.plot_costs(panels, path, title=title)
        lines += [f"![]({path.name})", ""]
    ranked = of_common_units(table, RANKED)
    scores = ranked.groupby(["set", "method"])["accuracy"].mean().unstack()
    if scores.shape[0] > 1 and scores.shape[1] > 1:
        path = figure.with_name(f"{figure.name}_ranks.png")
        figures.plot_ranks(scores, path, title=f"accuracy, {title}")
        lines += [f"![]({path.name})", ""]
    return [*lines, "Accuracy (%) by set:", "", by_set(table).to_markdown(), ""]


def write_quick(table, committed):
    """Write the means of a quick run beside those of the same units in the results."""
    keys = ["set", "budget", "seed", "method"]
    both = table.merge(committed, on=keys, suffixes=("", " expected"))
    both = of_common_units(both, both["method"].unique())
    if not len(both):
        return "The results have none of these units: there is nothing to expect."
    by_set = both.groupby(["method", "set"], sort=False).mean(numeric_only=True)
    mean = 100 * by_set.groupby("method", sort=False).mean()
    shown = pd.DataFrame(index=mean.index.map(spell))
    for name, title in (("accuracy", "accuracy (%)"), ("log_loss", "log-loss x 100")):
        for column in (name, f"{name} expected"):
            text = column.replace(name, title)
            shown[text] = mean[column].map("{:.1f}".format).to_numpy()
    units = both.groupby(["set", "budget", "seed"]).ngroups
    head = f"Means over {both['set'].nunique()} sets, {units} units, and what to expect"
    return f"{head} by the committed results:\n\n{shown.to_markdown()}"


def describe(table):
    """Say what the results hold."""
    seeds = table.groupby(["set", "budget"])["seed"].nunique()
    return (
        "Averages are of the seeds that all methods of a table have, differences of "
        f"all that both have. {table['set'].nunique()} sets "
        f"({', '.join(sorted(table['set'].unique()))}), "
        f"{table['budget'].nunique()} label budgets, "
        f"{seeds.min()} to {seeds.max()} seeds, {table['method'].nunique()} methods, "
        f"{len(table):,} results. Difference: mean over sets [95 % bootstrap interval "
        f"over sets and seeds]; p: Wilcoxon's signed-rank test over sets, Holm's "
        f"correction in each table; a set whose means differ by at most {TIE} is a tie."
    )
