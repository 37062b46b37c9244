"""Draw the figures of quality_report.py."""

import numpy as np
import pandas as pd
from scipy.stats import studentized_range

from benchmarks.names import spell
from examples import looks

# --- Ranks ----------------------------------------------------------------------------


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


# --- Figures --------------------------------------------------------------------------
# Upright and narrow, so that their text can be read on a phone.

WIDTH = 4.0  # inches
SMALL, USUAL = 8, 9  # points
FILLS = "white", "0.6", "black"  # the more labels, the darker


def plot_differences(by_budget, path, *, topics, measure, scale=1, linear_to=None):
    """Draw each comparison's mean difference and its interval, a fill a budget.

    `topics` maps a heading to pairs of methods, and those to words.
    """
    import matplotlib.pyplot as plt

    drawn = pd.concat(by_budget.values())[["method", "against"]]
    drawn = set(drawn.itertuples(index=False, name=None))
    lines = []  # of text, from above; a heading has no pair
    for topic, pairs in topics.items():
        pairs = {pair: words for pair, words in pairs.items() if pair in drawn}
        if pairs:
            lines += [(None, topic), *pairs.items()]
    height = {pair: y for y, (pair, _) in enumerate(lines) if pair}
    figure, axes = plt.subplots(
        figsize=(WIDTH, 0.31 * len(lines) + 1.2), layout="constrained"
    )
    axes.axvline(0, color="0.5", linewidth=1, zorder=0)
    for position, (budget, found) in enumerate(by_budget.items()):
        found = found[[pair in height for pair in _pairs(found)]]
        shift = 0.26 * (position - (len(by_budget) - 1) / 2)
        y = [height[pair] + shift for pair in _pairs(found)]
        x = scale * found["difference"]
        axes.errorbar(
            x, y, xerr=[x - scale * found["low"], scale * found["high"] - x], fmt="o",
            ms=4.5, mfc=FILLS[position % 3], mec="black", mew=0.9, ecolor="0.25",
            lw=1.2, label=f"{100 * budget:.3g} %",
        )  # fmt: skip
    texts = [words if pair else "" for pair, words in lines]
    axes.set_yticks(range(len(lines)), texts, fontsize=SMALL)
    axes.tick_params(axis="y", length=0)
    for y, (pair, words) in enumerate(lines):
        if pair is None:
            axes.annotate(
                words, (0, y), xycoords=("figure fraction", "data"), va="center",
                xytext=(3, 0), textcoords="offset points", fontsize=SMALL,
                fontweight="bold", annotation_clip=False,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
    axes.set_ylim(len(lines) - 0.4, -0.6)
    if linear_to is not None:  # beyond, a logarithmic axis
        axes.set_xscale("symlog", linthresh=linear_to)
    axes.set_xlabel(
        f"difference of {measure},\nmean over data sets, 95 % interval", fontsize=SMALL
    )
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.grid(axis="x", alpha=0.25)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(
        title="rows labeled", loc="outside upper right", ncols=len(by_budget),
        fontsize=SMALL, title_fontsize=SMALL, frameon=False, handletextpad=0.1,
        columnspacing=1,
    )  # fmt: skip
    save(figure, path)


def _pairs(found):
    return list(found[["method", "against"]].itertuples(index=False, name=None))


def plot_costs(panels, path, *, title="", side_by_side=False):
    """Draw accuracy against time a row or size, with intervals: what each model costs.

    A panel is what `quality_report.costs` returns, a column of it, and a title.
    """
    import matplotlib.pyplot as plt

    shape = (1, len(panels)) if side_by_side else (len(panels), 1)
    size = (8.4, 3.9) if side_by_side else (WIDTH, 2.3 * len(panels) + 1.2)
    figure, axes = plt.subplots(
        *shape, figsize=size, sharey=side_by_side, layout="constrained", squeeze=False
    )
    for ax, (costs, column, panel_title) in zip(axes.flat, panels, strict=True):
        scale, label = COSTS[column]
        ax.axhline(0, color=looks.LOOKS[looks.MEAN][0], lw=0.8, ls=":", zorder=0)
        for method, line in costs.iterrows():
            y, low, high = 100 * line[["difference", "low", "high"]]
            error = [[y - low], [high - y]] if low < high else None
            looks.scatter(ax, line[column] / scale, y, spell(method), error=error)
        ax.set_title(panel_title, fontsize=USUAL, loc="left")
        ax.set_xlabel(label, fontsize=USUAL)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:,g}")
        ax.tick_params(labelsize=USUAL)
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy, points over\nthe mean of the teachers", fontsize=USUAL)
    figure.suptitle(title, fontsize=USUAL + 1)
    legend = figure.legend(
        *axes.flat[0].get_legend_handles_labels(), loc="outside lower center",
        ncols=4 if side_by_side else 2, frameon=False,
        fontsize=USUAL if side_by_side else SMALL,
        handletextpad=0.3, columnspacing=1.2,
    )  # fmt: skip
    for text in legend.get_texts():
        if text.get_text() == looks.DEFAULT:
            text.set_fontweight("bold")
    save(figure, path)


COSTS = {  # of a unit, and what an axis says
    "us_per_row": (1, "time per row (µs, log scale)"),
    "bytes": (1000, "size on disk (kB, log scale)"),
}


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


def save(figure, path):
    """Write and close a figure, on white: a dark page shows it, too."""
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=170, facecolor="white", bbox_inches="tight")
    plt.close(figure)
