"""Draw the figure of deep.py: accuracy by method, on each set."""

import itertools

import numpy as np
from scipy.stats import t

from benchmarks import figures
from examples import looks


def plot_accuracy(table, path):
    """Draw each method's accuracy and its interval over seeds, a panel a set.

    Filled where more rows are labeled, else hollow.
    """
    import matplotlib.pyplot as plt

    methods = list(table["method"].drop_duplicates())
    panels = [*table.groupby("set")]
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(figures.WIDTH, 0.32 * len(methods) * len(panels) + 1),
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for ax, (name, rows) in zip(axes.flat, panels, strict=True):
        for (place, method), (order, (_, some)) in itertools.product(
            enumerate(methods), enumerate(rows.groupby("labeled"))
        ):
            accuracy = 100 * some.loc[some["method"] == method, "accuracy"]
            color, marker = looks.LOOKS[look_of(method)]
            ax.errorbar(
                accuracy.mean(), place, xerr=half_width(accuracy), fmt=marker,
                color=color, mfc=color if order else "white", lw=1.3,
                ms=10 if marker == "*" else 6,
            )  # fmt: skip
        ax.set_title(name, fontsize=figures.USUAL, loc="left")
        ax.set_yticks(
            range(len(methods)), [FIGURE_NAMES.get(m, m) for m in methods],
            fontsize=figures.SMALL,
        )  # fmt: skip
        ax.invert_yaxis()
        ax.tick_params(axis="x", labelsize=figures.SMALL)
        ax.grid(axis="x", alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel(
        "accuracy on test rows (%), 95 % interval over seeds", fontsize=figures.SMALL
    )
    shares = [*table["labeled"].drop_duplicates().sort_values()]
    for share, face in zip(shares, ("white", "black"), strict=False):
        ax.plot([], [], "ko", mfc=face, ms=6, label=show_labeled(share))
    figure.legend(
        loc="outside lower right", ncols=2, frameon=False, fontsize=figures.SMALL
    )
    figures.save(figure, path)


def half_width(values, level=0.95):
    """Return half the width of the t interval of a mean.

    >>> round(float(half_width(np.array([0.0, 1.0, 2.0]))), 2)
    2.48
    """
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return t.ppf((1 + level) / 2, len(values) - 1) * error


def show_labeled(labeled):
    """Write how many rows have a label.

    >>> show_labeled(0.01), show_labeled(20)
    ('1 % labeled', '20 labels a class')
    """
    return (
        f"{100 * labeled:g} % labeled" if labeled < 1 else f"{labeled:g} labels a class"
    )


def look_of(method):
    """Return the model that a method looks like in a figure."""
    kinds = {"best": looks.BEST, "mean": looks.MEAN, "pool": looks.POOL}
    if "teacher" in method:
        return kinds[method.split()[0]]
    return looks.LABELS_ONLY if "labels only" in method else looks.DEFAULT


FIGURE_NAMES = {
    "bag": "mean of embeddings",
    "bag, labels only": "labels only",
    "transformer, labels only": "labels only",
    "TF-IDF + MLP": "perceptron on TF-IDF",
    "TF-IDF + MLP, labels only": "labels only",
    "CNN": "convolutional network",
    "CNN, augmented": "same, images augmented",
    "CNN, labels only": "labels only",
    "CNN, labels only, augmented": "labels only, images augmented",
    "mean of teachers": looks.MEAN,
    "pool of teachers": looks.POOL,
}
