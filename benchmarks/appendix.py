"""Write the page of all tables, and the figures of the pages, from the results files.

``python -m benchmarks.appendix`` writes docs/evidence_appendix.md and the figures
beside it. Nothing is measured anew: change a results file, and write the page again.
"""

import re
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks import (
    deep,
    figures,
    groups,
    pools,
    quality_report,
    seeds,
    sets,
    students,
    systems,
    trust,
)
from benchmarks.harness import read, show_differences, show_p
from benchmarks.names import POOLS, SHIFTS, VARIANTS, spell

ROOT = Path(__file__).parents[1]
RESULTS, DOCS = Path("benchmarks/results"), ROOT / "docs"
PAGE = DOCS / "evidence_appendix.md"
INTRODUCTION = """\
# Appendix: all tables

`python -m benchmarks.appendix` writes this page from the files in `benchmarks/results`,
which hold one line for each method, data set, share of labels and seed. [Does it
help?](does_it_help.md) says what was measured, and what follows from it.

Unless a section says otherwise, differences are means over data sets [95 % bootstrap
interval over sets, and over seeds within them], and p is of Wilcoxon's signed-rank test
over sets, in brackets with Holm's correction for all lines of a table. Accuracy and ROC
AUC are in per cent, their differences in points, log-loss and the expected calibration
error (ECE) are times 100. Times per row are of raw rows in batches of 1,000 on one
thread.
"""
SHIPPED = [
    "ensemble", "pool", "best_teacher", "lightgbm", "logistic", "labels_only",
    "pseudo_labels", "mean", "default", "default_in_sample",
]  # fmt: skip
STUDENTS = [
    "tree_alone", "tree", "booster_alone", "booster", "lightgbm", "default", "pool",
]  # fmt: skip


# --- Text -----------------------------------------------------------------------------


def load(name):
    """Return a results file."""
    return read(ROOT / RESULTS / f"{name}.csv")


def write_table(frame):
    """Write a frame as a table, its index as the first column -> lines."""
    rows = [["", *frame.columns], *frame.itertuples()]
    head, *lines = [tidy(f"| {' | '.join(map(str, row))} |") for row in rows]
    return [head, "|---" * (1 + len(frame.columns)) + "|", *lines, ""]


def tidy(text):
    """Take the padding out of the tables that a report has aligned.

    >>> print(tidy(pd.DataFrame({"a": [1.5]}, index=["b"]).to_markdown()))
    | | a |
    |---|---|
    | b | 1.5 |
    """
    lines = re.sub(r":?-{3,}:?", "---", text).split("\n")
    return "\n".join(
        re.sub(" {2,}", " ", line) if line.startswith("|") else line for line in lines
    )


def labeled(share):
    """Write a share of labeled rows.

    >>> labeled(0.025), labeled(1.0)
    ('2.5 % of the rows labeled', 'All rows labeled')
    """
    return (
        "All rows labeled" if share == 1 else f"{100 * share:g} % of the rows labeled"
    )


# --- Sections: -> lines ---------------------------------------------------------------


def write_pools():
    """Write what pools of six teachers come to, without a student."""
    lines = [
        "## Pools of teachers, no student",
        "",
        f"`python -m benchmarks.pools DATA`. {describe(load('pools'))}, six teachers. "
        "Gains over the plain mean: more accuracy, less log-loss, less ECE; p; sets "
        "won/tied/lost. The seeds of a set are not drawn anew by these intervals. The "
        "ridge was chosen on nine of the sets.",
        "",
    ]
    table = load("pools")
    for share, rows in table.groupby("share"):
        lines += [f"### Pools, {share:.0%} of the rows labeled", ""]
        lines += write_pool_table(rows)
        chosen = rows["set"].isin(pools.RIDGE_CHOSEN_ON)
        two = rows["pool"].isin(["mean", "calibrated"])
        for title, half in (("the ridge was", chosen), ("nothing was", ~chosen)):
            n_sets = rows.loc[half, "set"].nunique()
            lines += [f"The {n_sets} sets on which {title} chosen:", ""]
            lines += write_pool_table(rows[half & two])
    return lines


def write_pool_table(rows):
    """Write the pools at one share of labels."""
    found = pools.compare(rows).rename(index=POOLS)
    found.columns = [
        name.replace("log_loss", "log-loss").replace("ece", "ECE") for name in found
    ]
    return write_table(found)


def write_quality():
    """Write what ships against everything else."""
    table = quality_report.reported(load("quality"))
    lines = [
        "## The default against everything else",
        "",
        f"`python -m benchmarks.quality DATA --cache DIR`. {describe(table)}, those on "
        "which nothing was chosen; eight teachers.",
        "",
    ]
    for budget, rows in table.groupby("budget"):
        lines += [f"### {labeled(budget)}: means", ""]
        lines += write_means(rows, SHIPPED)
        lines += ["Other students (two seeds):", "", *write_means(rows, STUDENTS)]
    for budget, rows in table.groupby("budget"):
        lines += [f"### {labeled(budget)}: differences", "", *write_pairs(rows)]
    lines += ["### The goals", "", *write_goals(table)]
    for budget, rows in table.groupby("budget"):
        lines += [f"### {labeled(budget)}: accuracy by set", "", *write_sets(rows)]
    return lines


def write_means(rows, methods):
    """Write means over sets of the units that all of these methods have."""
    mean = quality_report.summarize(quality_report.of_common_units(rows, methods))
    shown = pd.DataFrame(index=mean.index)
    for name, title in (
        ("accuracy", "accuracy (%)"), ("roc_auc", "ROC AUC (%)"),
        ("log_loss", "log-loss x 100"), ("ece", "ECE (%)"),
    ):  # fmt: skip
        shown[title] = (100 * mean[name]).map("{:.1f}".format)
    shown["kB"] = (mean["bytes"] / 1000).map("{:,.0f}".format)
    shown["µs per row"] = mean["us_per_row"].map("{:.0f}".format)
    return write_table(shown.loc[methods].rename(index=spell_in_table))


def spell_in_table(name):
    """Write the name of a method, the default's in bold."""
    return f"**{spell(name)}**" if name == quality_report.STUDENT else spell(name)


def write_pairs(rows):
    """Write what all pairs of methods differ by, in three measures."""
    columns, words = {}, {}
    for pairs in quality_report.COMPARISONS.values():
        words |= pairs
    for measure, title in (
        ("accuracy", "accuracy"), ("roc_auc", "ROC AUC"), ("log_loss", "log-loss x 100")
    ):  # fmt: skip
        found = quality_report.compare_methods(rows, measure)
        columns[title] = show_differences(found, scale=100)
        if measure != "roc_auc":
            columns[f"p, {title.removesuffix(' x 100')}"] = [
                f"{p:.3f} ({corrected:.3f})"
                for p, corrected in zip(found["p"], found["p_holm"], strict=True)
            ]
    pairs = zip(found["topic"], found["method"], found["against"], strict=True)
    names = [f"{topic}: {words[method, other]}" for topic, method, other in pairs]
    return write_table(
        pd.DataFrame(columns, index=names).assign(sets=list(found["sets"]))
    )


def write_goals(table):
    """Write how far the default reached the goals."""
    reached = {
        labeled(budget): quality_report.goals(rows)
        for budget, rows in table.groupby("budget")
    }
    return write_table(pd.DataFrame(reached))


def write_sets(rows):
    """Write accuracies by set, mean ± standard deviation of the seeds."""
    found = quality_report.by_set(rows).rename(columns=spell_in_table)
    return write_table(found.rename_axis(None))


def write_shift():
    """Write log-loss and accuracy where rows drift."""
    table = load("shift").set_index(["method", "set"])
    shown = (100 * table["log_loss"]).map("{:.1f}".format)
    shown += (100 * table["accuracy"]).map(" ({:.1f} %)".format)
    shown = shown.unstack().loc[list(SHIFTS)].rename(index=SHIFTS)
    return [
        "## Where rows drift",
        "",
        f"`python -m benchmarks.shift DATA`. {describe(load('shift'))}, of those to "
        "choose on, all rows labeled: log-loss x 100 (accuracy).",
        "",
        *write_table(shown),
    ]


def write_students():
    """Write what variants of the built-in student differ by from the base."""
    table = load("students")
    chosen = table["set"].isin(sets.CHOSEN_ON)
    lines = [
        "## Variants of the built-in student",
        "",
        "`python -m benchmarks.students DATA --cache DIR`. Two shares of labels, 2.5 "
        "and 10 %, one seed. Differences from the base; the smallest p of a table's "
        "log-losses is corrected for the number of variants. Then the pickle, the time "
        "per row and the CPU time of a fit, on a busy machine.",
        "",
    ]
    halves = ("sets to choose on", table[chosen]), ("other sets", table[~chosen])
    for title, rows in halves:
        lines += [f"### Variants on the {rows['set'].nunique()} {title}", ""]
        lines += write_variants(rows)
    return lines


def write_variants(rows):
    """Write the variants that these sets have."""
    by_set = rows.groupby(["method", "set"])[["bytes", "us_per_row", "seconds"]].mean()
    costs = by_set.groupby("method").mean()
    shown = pd.DataFrame(index=[name for name in VARIANTS if name in costs.index])
    for measure, title in (
        ("accuracy", "accuracy"), ("roc_auc", "ROC AUC"), ("log_loss", "log-loss x 100")
    ):  # fmt: skip
        found = students.compare(rows, measure)
        differences = pd.Series(show_differences(found, scale=100), found.index)
        shown[title] = differences.reindex(shown.index).fillna("")
    shown["kB"] = (costs["bytes"] / 1000).map("{:,.0f}".format)
    shown["µs per row"] = costs["us_per_row"].map("{:.1f}".format)
    shown["fit, s"] = costs["seconds"].map("{:.1f}".format)
    smallest = f"Smallest {show_p(found['p_holm'].min())} (Holm) of the log-losses."
    return [*write_table(shown.rename(index=VARIANTS)), smallest, ""]


def write_report(title, about, name, report):
    """Write what a benchmark's own report says of its results."""
    text = report(load(name), RESULTS / f"{name}.csv")
    return [f"## {title}", "", about, "", tidy(text).strip(), ""]


def describe(table):
    """Say what results hold, for the beginning of a section."""
    n_sets, n_seeds = table["set"].nunique(), table["seed"].nunique()
    return f"{n_sets} data sets, {n_seeds} seed{'s' * (n_seeds > 1)}"


DEEP = "`python -m benchmarks.deep DATA`; what it is, and what follows: [{}]({}). "
OTHERS = "[other methods](guide/other_methods.md)"
TRUST = (
    "`python -m benchmarks.trust DATA`; what it is, and what follows: [which rows not "
    "to trust](guide/trust.md). "
)
SECTIONS = [
    write_quality,
    partial(
        write_report, "AutoGluon",
        "`python -m benchmarks.autogluon_distill DATA`; what it is, and what follows: "
        "[compared with alternatives](guide/alternatives.md#autogluon).",
        "autogluon", quality_report.write_others,
    ),
    write_pools,
    write_students,
    write_shift,
    partial(
        write_report, "Texts",
        DEEP.format("texts", "guide/text.md") + "With 5 or 20 labels a class.",
        "deep_texts", deep.write_tables,
    ),
    partial(
        write_report, "Images",
        DEEP.format("images", "guide/images.md") + "With 1 or 10 % of rows labeled.",
        "deep_images", deep.write_tables,
    ),
    partial(
        write_report, "The worst group",
        f"`python -m benchmarks.groups DATA`; {OTHERS}.", "groups", groups.report,
    ),
    partial(
        write_report, "Neighboring methods",
        f"`python -m benchmarks.systems DATA`; {OTHERS}.", "systems", systems.report,
    ),
    partial(
        write_report, "Seeds and self-distillation",
        f"`python -m benchmarks.seeds DATA`; {OTHERS}.", "seeds", seeds.report,
    ),
    partial(
        write_report, "Rows not to trust: texts",
        TRUST + "Area under the ROC curve of telling texts of no known intent.",
        "trust_texts", trust.TEXTS.report,
    ),
    partial(
        write_report, "Rows not to trust: tables",
        TRUST + "Mean error rate of the rows that are kept.",
        "trust_tables", trust.TABLES.report,
    ),
]  # fmt: skip


def write_page():
    """Return the page."""
    lines = [INTRODUCTION, *(line for write in SECTIONS for line in write())]
    return "\n".join(lines).strip() + "\n"


# --- Figures --------------------------------------------------------------------------


def draw_figures(folder):
    """Draw the figures of the pages."""
    import matplotlib as mpl

    mpl.use("Agg")
    table = quality_report.reported(load("quality"))
    budgets = dict(list(table.groupby("budget")))
    few, full = (quality_report.costs(budgets[budget]) for budget in (0.1, 1.0))
    title = f"10 % of the rows labeled, {table['set'].nunique()} data sets"
    panels = [(few, column, "") for column in figures.COSTS]
    figures.plot_costs(panels, folder / "hero.png", title=title, side_by_side=True)
    figures.plot_costs(panels, folder / "hero_narrow.png", title=title)
    panels = [(few, "us_per_row", labeled(0.1)), (full, "us_per_row", labeled(1))]
    figures.plot_costs(panels, folder / "quality_costs.png")
    found = {b: quality_report.compare_methods(rows) for b, rows in budgets.items()}
    made_of = quality_report.MADE_OF | quality_report.IN_SAMPLE
    for name, topics in (
        ("quality_accuracy", quality_report.WHAT_SHIPS),
        ("quality_parts", made_of | quality_report.OTHER_STUDENTS),
    ):
        path = folder / f"{name}.png"
        figures.plot_differences(
            found, path, topics=topics, measure="accuracy (points)", scale=100
        )
    deep.plot_accuracy(load("deep_texts"), folder / "text_accuracy.png")
    deep.plot_accuracy(load("deep_images"), folder / "images_accuracy.png")


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
    draw_figures(DOCS)
