"""Distill five fitted classifiers into one small network, on scikit-learn's digits.

One training row in ten is labeled. Prints a table over several seeds, and saves a
figure. It takes about a minute on two cores, and nothing is downloaded.
"""

import argparse
import pickle
import sys
import time
import warnings
from functools import partial

import looks
import numpy as np
import pandas as pd
from scipy.stats import t, ttest_1samp
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.extmath import softmax

from sk_ekd import EnsembleDistiller

UNLABELED = -1


def make_teachers(seed):
    """Return five unfitted classifiers of different kinds."""
    return [
        ("random forest", RandomForestClassifier(200, random_state=seed)),
        ("boosted trees", HistGradientBoostingClassifier(max_iter=30)),
        ("SVM", SVC(C=10)),
        ("k-nearest neighbors", KNeighborsClassifier(5, weights="distance")),
        (
            "logistic regression",
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        ),
    ]


def ask(model, X):
    """Return the model's probabilities; an SVM's margins go through a softmax."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)
    return softmax(model.decision_function(X))


def measure(name, ask_model, shipped, X_test, y_test):
    """Return the accuracy, log-loss, size on disk and time per row of one model."""
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        proba = ask_model(X_test)
        durations.append(time.perf_counter() - start)
    return {
        "model": name,
        "accuracy": accuracy_score(y_test, proba.argmax(axis=1)),
        "log-loss": log_loss(y_test, proba),
        "size (kB)": len(pickle.dumps(shipped)) / 1000,
        "µs per row": np.median(durations) / len(X_test) * 1e6,
    }


def run(seed, notes):
    """Compare the teachers, their mean and the students on one split of the digits."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=seed
    )
    labeled, _ = train_test_split(
        np.arange(len(y_train)), train_size=0.1, stratify=y_train, random_state=seed
    )
    y_few = np.full_like(y_train, UNLABELED)
    y_few[labeled] = y_train[labeled]

    teachers = make_teachers(seed)
    for _, teacher in teachers:
        teacher.fit(X_train[labeled], y_train[labeled])

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        distilled = EnsembleDistiller(teachers, random_state=seed).fit(X_train, y_few)
    notes.update(str(warning.message) for warning in caught)
    out_of_fold = EnsembleDistiller(teachers, cv=5, random_state=seed)
    out_of_fold.fit(X_train, y_few)
    labels_only = EnsembleDistiller(teachers, alpha=0, random_state=seed)
    labels_only.fit(X_train[labeled], y_train[labeled])

    def ask_ensemble(X):
        return np.mean([ask(teacher, X) for _, teacher in teachers], axis=0)

    models = [
        *((name, partial(ask, model), model) for name, model in teachers),
        ("mean of the five", ask_ensemble, [model for _, model in teachers]),
        ("network, labels only", labels_only.predict_proba, labels_only.student_),
        ("network, distilled", distilled.predict_proba, distilled.student_),
        ("same, teachers cv=5", out_of_fold.predict_proba, out_of_fold.student_),
    ]
    measured = [measure(*model, X_test, y_test) for model in models]
    return pd.DataFrame(measured).assign(seed=seed)


def summarize(runs):
    """Return the mean and standard deviation over the seeds, one line per model."""
    grouped = runs.drop(columns="seed").groupby("model", sort=False)
    return grouped.mean(), grouped.std()


def print_table(mean, std):
    """Print one line per model."""
    table = pd.DataFrame(
        {
            "accuracy (%)": [
                f"{100 * m:.1f} ± {100 * s:.1f}"
                for m, s in zip(mean["accuracy"], std["accuracy"], strict=True)
            ],
            "log-loss": [
                f"{m:.3f} ± {s:.3f}"
                for m, s in zip(mean["log-loss"], std["log-loss"], strict=True)
            ],
            "size (kB)": [f"{v:,.0f}" for v in mean["size (kB)"]],
            "µs per row": [f"{v:.1f}" for v in mean["µs per row"]],
        },
        index=mean.index.rename(None),
    )
    print(table.to_string())


def print_paired(runs):
    """Print what distilling adds to the same network, seed by seed."""
    accuracy = 100 * runs.pivot(index="seed", columns="model", values="accuracy")
    for other in ("network, labels only", "mean of the five"):
        difference = accuracy["network, distilled"] - accuracy[other]
        p_value = ttest_1samp(difference, 0).pvalue
        print(
            f"network, distilled - {other}: {difference.mean():+.1f} ± "
            f"{difference.std():.1f} points, ahead on {(difference > 0).sum()} of "
            f"{len(difference)} seeds (paired t-test: p = {p_value:.2f})"
        )


def save_figure(mean, std, n_seeds, path):
    """Plot the accuracy against time and size, one point per model."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    named = {
        "network, distilled": looks.DEFAULT,
        "network, labels only": looks.LABELS_ONLY,
        "mean of the five": looks.MEAN,
    } | {name: name for name in looks.TEACHERS}
    interval = 100 * std["accuracy"] * t.ppf(0.975, n_seeds - 1) / np.sqrt(n_seeds)
    figure, axes = plt.subplots(
        2, 1, figsize=(4, 6.2), sharey=True, layout="constrained"
    )
    for axis, column in zip(axes, ["µs per row", "size (kB)"], strict=True):
        for name, look in named.items():
            x, y = mean.loc[name, column], 100 * mean.loc[name, "accuracy"]
            looks.scatter(axis, x, y, look, error=interval[name])
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:,g}")
        axis.set_ylabel("accuracy on test rows (%)")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_title("Digits, one training row in ten labeled", fontsize=10)
    axes[0].set_xlabel("time per row (µs, log scale)")
    axes[1].set_xlabel(f"size on disk (kB, log scale)\n95 % intervals, {n_seeds} seeds")
    handles, _ = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, list(named), loc="outside lower center", ncols=2, frameon=False,
        fontsize=8,
    )  # fmt: skip
    figure.savefig(path, dpi=170)
    plt.close(figure)


def main():
    """Run all seeds, print the table and save the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--figure", default="digits.png")
    options = parser.parse_args()

    start, notes, runs = time.perf_counter(), set(), []
    for seed in range(options.seeds):
        runs.append(run(seed, notes))
        print(f"seed {seed}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    runs = pd.concat(runs)
    mean, std = summarize(runs)
    print(f"Digits, 10 % of the training rows labeled, {options.seeds} seeds:\n")
    print_table(mean, std)
    print()
    print_paired(runs)
    for note in notes:
        print(f"\nThe library warns: {note}")
    save_figure(mean, std, options.seeds, options.figure)
    print(f"\nFigure: {options.figure}")


if __name__ == "__main__":
    main()
