"""Draw the figures of quality_report.py."""

import numpy as np
import pandas as pd
from scipy.stats import studentized_range

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
        "default": ("C1", "*"), "labels_only": ("C2", "o"), "ensemble": ("C0", "D"),
        "pool": ("C0", "d"), "best_teacher": ("0.5", "s"), "lightgbm": ("C3", "^"),
        "logistic": ("C4", "v"), "calibrated": ("C1", "P"),
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
