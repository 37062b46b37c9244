"""Make tables and figures from the results of quality.py.

The unit of every statistic is the set: the seeds of a set share its rows, so they are
not independent, and are averaged first. An interval resamples sets, and seeds within
them; a test is Wilcoxon's over the means of the sets, with Holm's correction over all
lines of a table; ranks are those of the means of the sets.

``python benchmarks/quality_report.py`` writes quality.md and its figures next to the
results.
"""

import argparse
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
from scipy.stats import studentized_range, wilcoxon

RESULTS = Path(__file__).parent / "results" / "quality.csv"
DRAWS = 10_000  # of a bootstrap
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


# --- Statistics -----------------------------------------------------------------------


def pair(table, method, reference, measure):
    """Subtract the reference's measure, pair by pair -> (sets, seeds), NaN if missing.

    >>> units = {"set": "iris", "seed": [0, 0, 1], "method": ["a", "b", "a"]}
    >>> pair(pd.DataFrame({**units, "ece": [0.3, 0.1, 0.3]}), "a", "b", "ece")
    seed    0   1
    set
    iris  0.2 NaN
    """
    values = table.pivot(index=["set", "seed"], columns="method", values=measure)
    values = values.reindex(columns=[method, reference])
    return (values[method] - values[reference]).unstack("seed").dropna(how="all")


def bootstrap_interval(difference, *, level=0.95, draws=DRAWS, seed=0):
    """Return the interval of the mean over sets, of (sets, seeds) differences.

    >>> bootstrap_interval(np.array([[1.0, 1.0], [1.0, 1.0]]))
    (1.0, 1.0)
    """
    rng, values = (
        np.random.default_rng(seed),
        [row[~np.isnan(row)] for row in difference],
    )
    count = np.array([len(row) for row in values])
    padded = np.array([np.resize(row, count.max()) for row in values])  # (s, k)
    sets = rng.integers(len(values), size=(draws, len(values)))  # (b, s)
    seeds = rng.random((*sets.shape, count.max())) * count[sets][..., np.newaxis]
    means = padded[sets[..., np.newaxis], seeds.astype(int)].mean(axis=(1, 2))  # (b,)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def signed_rank_p(means):
    """Return Wilcoxon's p over the sets' mean differences; 1 where all are zero."""
    if not np.any(means):
        return 1.0
    return float(wilcoxon(means, zero_method="zsplit").pvalue)


def holm(p):
    """Correct p-values for their number, in their order.

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p, dtype=float)
    order = p.argsort(kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = stepped.clip(max=1)
    return corrected


def mean_ranks(scores):
    """Rank the methods on every set, the highest score first -> mean over the sets.

    >>> mean_ranks(pd.DataFrame({"a": [0.9, 0.8], "b": [0.7, 0.8]})).to_dict()
    {'a': 1.25, 'b': 1.75}
    """
    return scores.rank(axis=1, ascending=False).mean().sort_values()


def critical_difference(n_methods, n_sets, *, level=0.95):
    """Return Nemenyi's: mean ranks that differ by less may do so by chance.

    >>> round(critical_difference(5, 30), 3)
    1.114
    """
    q = studentized_range.ppf(level, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_sets)))


def cliques(ranks, width):
    """Return the longest runs of sorted ranks no wider than `width`, as positions.

    >>> cliques([1.0, 1.5, 2.2, 4.0], 1.0)
    [(0, 1), (1, 2)]
    """
    runs, reached = [], 0
    for first, rank in enumerate(ranks):
        last = int(np.searchsorted(ranks, rank + width, side="right")) - 1
        if last > max(first, reached):
            runs.append((first, last))
            reached = last
    return runs


# --- Tables ---------------------------------------------------------------------------


def compare(table, measure="accuracy"):
    """Compare the pairs of methods at one budget -> DataFrame, one row a comparison."""
    lines = []
    for topic, pairs in COMPARISONS.items():
        for method, reference in pairs:
            difference = pair(table, method, reference, measure)  # (s, k)
            if not len(difference):
                continue
            means = difference.mean(axis=1).to_numpy()
            low, high = bootstrap_interval(difference.to_numpy())
            lines.append(
                {
                    "topic": topic,
                    "method": method,
                    "against": reference,
                    "difference": means.mean(),
                    "low": low,
                    "high": high,
                    "p": signed_rank_p(means),
                    "higher": int((means > TIE).sum()),
                    "tie": int((np.abs(means) <= TIE).sum()),
                    "lower": int((means < -TIE).sum()),
                    "pairs": int(difference.count().sum()),
                }
            )
    found = pd.DataFrame(lines)
    return found.assign(p_holm=holm(found["p"])) if len(found) else found


def show_comparisons(found, *, scale, digits):
    """Write comparisons as they are read: difference [interval]."""
    shown = found[["method", "against"]].copy()
    numbers = scale * found[["difference", "low", "high"]]
    shown["difference"] = [
        f"{middle:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
        for middle, low, high in numbers.itertuples(index=False)
    ]
    shown["p"] = found["p"].map("{:.3f}".format)
    shown["p (Holm)"] = found["p_holm"].map("{:.3f}".format)
    shown["sets higher/tie/lower"] = [
        f"{a}/{b}/{c}"
        for a, b, c in zip(found["higher"], found["tie"], found["lower"], strict=True)
    ]
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
    table = table[~table["set"].isin(datasets.CHOSEN_ON)]
    by_set = table.groupby(["method", "set"]).mean(numeric_only=True)
    found = {}
    for measure in ("accuracy", "roc_auc"):
        ours, ensemble = by_set[measure][student], by_set[measure]["ensemble"]
        found[f"{measure}, share of the ensemble's (%)"] = (
            f"{100 * ours.mean() / ensemble.mean():.2f}, "
            f"{(ours > ensemble).sum()} of {len(ours)} sets ahead"
        )
    floor = by_set["accuracy"]["labels_only"]
    gain = by_set["accuracy"]["ensemble"] - floor
    gain = gain[gain > LEAST_GAIN]  # elsewhere there is nothing to recover
    recovered = ((by_set["accuracy"][student] - floor) / gain).loc[gain.index]
    found["recovered gain, median set (%)"] = (
        f"{100 * recovered.median():.0f}, of {len(gain)} sets with a gain"
    )
    for rival in RIVALS:
        difference = pair(table, student, rival, "accuracy").mean(axis=1)
        if len(difference) and rival != student:
            found[f"accuracy over {rival} (points)"] = (
                f"{100 * difference.mean():+.2f}, p={signed_rank_p(difference):.3f}, "
                f"{(difference > 0).sum()} of {len(difference)} sets ahead"
            )
    for cost, word in (("us_per_row", "faster"), ("bytes", "smaller")):
        ratio = by_set[cost]["ensemble"] / by_set[cost][student]
        found[f"times {word} than the ensemble, median set"] = (
            f"{ratio.median():.0f} ({ratio.min():.0f} to {ratio.max():.0f})"
        )
    return found


# --- Figures --------------------------------------------------------------------------


def plot_differences(by_budget, path, *, measure, scale, unit, linear_to):
    """Draw each comparison's mean difference and its interval, a color a budget."""
    import matplotlib.pyplot as plt

    by_budget = {budget: found for budget, found in by_budget.items() if len(found)}
    order = pd.concat(by_budget.values())[["topic", "method", "against"]]
    order = order.drop_duplicates().reset_index(drop=True)
    gaps = (order["topic"] != order["topic"].shift()).cumsum() - 1
    keys = zip(order["method"], order["against"], strict=True)
    height = dict(zip(keys, order.index + gaps, strict=True))
    figure, axes = plt.subplots(figsize=(8, 0.27 * (len(order) + gaps.max()) + 1.2))
    axes.axvline(0, color="0.6", linewidth=1)
    for position, (budget, found) in enumerate(by_budget.items()):
        shift = 0.24 * (position - (len(by_budget) - 1) / 2)
        keys = zip(found["method"], found["against"], strict=True)
        y = [height[key] + shift for key in keys]
        x = scale * found["difference"]
        error = [x - scale * found["low"], scale * found["high"] - x]
        axes.errorbar(x, y, xerr=error, fmt="o", ms=4, lw=1.3, label=f"{budget:.1%}")
    for topic, lines in order.groupby("topic", sort=False):
        top = lines.index[0] + gaps[lines.index[0]] - 0.75
        axes.text(1.01, top + 0.75, topic, transform=axes.get_yaxis_transform(),
                  va="center", fontsize=8, color="0.4")  # fmt: skip
        axes.axhline(top - 0.15, color="0.9", linewidth=0.8, zorder=0)
    labels = [f"{spell(method)} − {spell(against)}" for method, against in height]
    axes.set_yticks(list(height.values()), labels, fontsize=8)
    axes.invert_yaxis()
    if linear_to is not None:  # beyond, a logarithmic axis
        axes.set_xscale("symlog", linthresh=linear_to)
    axes.set_xlabel(f"difference of {measure}{unit}, mean over sets, 95 % interval")
    axes.legend(
        title="labeled", fontsize=8, title_fontsize=8,
        loc="lower left", bbox_to_anchor=(1.01, 0),
    )  # fmt: skip
    save(figure, path)


def plot_ranks(scores, path, *, title):
    """Draw the critical-difference plot: bars join what may differ by chance."""
    import matplotlib.pyplot as plt

    ranks = mean_ranks(scores)
    width = critical_difference(len(ranks), len(scores))
    n, half = len(ranks), -(-len(ranks) // 2)
    figure, axes = plt.subplots(figsize=(8, 0.28 * half + 1.6))
    runs = cliques(ranks.to_numpy(), width)
    floor = 0.6 + 0.22 * len(runs)
    for position, (name, rank) in enumerate(ranks.items()):
        left = position < half
        level = floor + 0.45 * (position if left else n - 1 - position)
        end = 0.6 if left else n + 0.4
        axes.plot([rank, rank, end], [0, level, level], color="black", linewidth=0.8)
        axes.text(end + (-0.1 if left else 0.1), level, f"{spell(name)} ({rank:.2f})",
                  ha="right" if left else "left", va="center", fontsize=8)  # fmt: skip
    for level, (first, last) in enumerate(runs):
        ends = [ranks.iloc[first] - 0.05, ranks.iloc[last] + 0.05]
        axes.plot(ends, [0.3 + 0.22 * level] * 2, color="C3", linewidth=3)
    axes.plot([1, min(1 + width, n)], [-1.0, -1.0], color="C3", linewidth=3)
    axes.text(1, -1.15, f"critical difference {width:.2f}", fontsize=8, va="bottom")
    axes.plot([1, n], [0, 0], color="black", linewidth=1)
    for tick in range(1, n + 1):
        axes.plot([tick, tick], [0, -0.12], color="black", linewidth=0.8)
        axes.text(tick, -0.2, tick, ha="center", va="bottom", fontsize=8)
    axes.set(xlim=(-2.2, n + 3.2), ylim=(floor + 0.45 * half, -1.8), title=title)
    axes.axis("off")
    save(figure, path)


def plot_costs(mean, path, *, title):
    """Draw accuracy against size and time a row: teachers, ensemble, students."""
    import matplotlib.pyplot as plt

    looks = {
        "calibrated": ("C1", "*"), "labels_only": ("C2", "o"), "ensemble": ("C0", "D"),
    }  # fmt: skip
    teachers = [name for name in mean.index if name.startswith("teacher_")]
    looks |= {
        name: ("0.6", marker)
        for name, marker in zip(teachers, "s^v<>pXP", strict=False)
    }
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
    for axes, column, label, unit in zip(
        panels, ("bytes", "us_per_row"), ("size (kB)", "time (µs per row)"), (1e3, 1),
        strict=True,
    ):  # fmt: skip
        for name, (color, marker) in looks.items():
            if name in mean.index:
                x, y = mean.loc[name, column] / unit, 100 * mean.loc[name, "accuracy"]
                size, text = 180 if marker == "*" else 50, spell(name)
                axes.scatter(x, y, s=size, color=color, marker=marker, label=text)
        axes.set(xscale="log", xlabel=label)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy (%), mean over sets")
    panels[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.suptitle(title)
    save(figure, path)


def spell(name):
    """Write the name of a method for a figure.

    >>> spell("teacher_extra_trees"), spell("labels_only")
    ('extra trees', 'labels only')
    """
    return name.removeprefix("teacher_").replace("_", " ")


def save(figure, path):
    """Write and close a figure."""
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=130, bbox_inches="tight")
    plt.close(figure)


# --- The report -----------------------------------------------------------------------


def write(csv, folder):
    """Write quality.md and its figures -> path of the former."""
    import matplotlib as mpl

    mpl.use("Agg")
    table, folder, stem = pd.read_csv(csv), Path(folder), Path(csv).stem
    folder.mkdir(parents=True, exist_ok=True)
    budgets = dict(list(table.groupby("budget")))
    lines = ["# Quality", "", describe(table), ""]
    for measure, scale, unit, digits, linear_to in (
        ("accuracy", 100, " (points)", 2, None),
        ("roc_auc", 100, " (points)", 2, None),
        ("log_loss", 1, "", 3, 0.03),
    ):
        found = {budget: compare(rows, measure) for budget, rows in budgets.items()}
        if any(map(len, found.values())):
            path = folder / f"{stem}_{measure}.png"
            plot_differences(
                found, path, measure=measure, scale=scale, unit=unit,
                linear_to=linear_to,
            )  # fmt: skip
            lines += [f"## Differences of {measure}{unit}", "", f"![]({path.name})", ""]
        for budget, comparisons in found.items():
            if len(comparisons):
                shown = show_comparisons(comparisons, scale=scale, digits=digits)
                lines += [f"{budget:.1%} labeled:", "", shown, ""]
    reached = {
        f"{name}, {budget:.1%}": goals(rows, name)
        for name in STUDENTS
        for budget, rows in budgets.items()
        if name in set(rows["method"])
    }
    if reached:
        lines += ["## Goals, on the sets that the student was not chosen on", ""]
        lines += [pd.DataFrame(reached).fillna("").to_markdown(), ""]
    for budget, rows in budgets.items():
        lines += write_budget(rows, f"{budget:.1%} labeled", folder, f"{stem}_{budget}")
    path = folder / f"{stem}.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


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


def write_budget(table, title, folder, stem):
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
    plot_costs(mean, folder / f"{stem}_costs.png", title=title)
    lines += [f"![]({stem}_costs.png)", ""]
    ranked = of_common_units(table, RANKED)
    scores = ranked.groupby(["set", "method"])["accuracy"].mean().unstack()
    if scores.shape[0] > 1 and scores.shape[1] > 1:
        plot_ranks(scores, folder / f"{stem}_ranks.png", title=f"accuracy, {title}")
        lines += [f"![]({stem}_ranks.png)", ""]
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


def main():
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, default=RESULTS)
    parser.add_argument(
        "--out", type=Path, help="folder, by default that of the results"
    )
    options = parser.parse_args()
    print(write(options.csv, options.out or options.csv.parent))


if __name__ == "__main__":
    main()
