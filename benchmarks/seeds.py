"""Distill networks of one kind that differ in their seed, or a network into itself.

Allen-Zhu and Li (arXiv 2012.09816) find on CIFAR-100 that an ensemble of seeds (84.7 %)
is ahead of its student (83.8 %), which is ahead of a net that is distilled into itself
(83.6 %), which is ahead of a single net (81.5 %), each the same ResNet on all rows. The
teachers predict rows that they were fitted on, as there ("in sample"), or out of fold.

The unit is a number of labeled training rows of a set and a seed. Five networks differ
in their seed: convolutional ones for fashion_mnist, halved to 14 x 14 pixels, and
perceptrons for letter. They train for 1,200 steps, after which they are right on 95 %
of their own rows (images) or more. Every student is the same network, trained for as
many steps. T is the temperature.

``python -m benchmarks.seeds DATA`` runs what the results lack, ``--report`` makes the
tables.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from benchmarks import deep_nets as nets
from benchmarks import sets
from benchmarks.harness import (
    Benchmark,
    Settings,
    compare,
    main,
    rounded,
    show_differences,
)
from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.students import MLP

KEYS = "set", "rows", "seed", "method"
N_NETS, FOLDS = 5, 5
EPOCHS = 20


class CNN(nn.Module):
    """Two convolutions with pooling, and a linear layer."""

    def __init__(self, out_features=10, width=8):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(2 * width * 49, out_features),
        )  # fmt: skip

    def forward(self, X):
        """Return the logits -> (b, c)."""
        return self.layers(X)


def halve(images):
    """Return flat images as squares of half the width -> (n, 1, 14, 14), 0 to 1."""
    return images.reshape(-1, 1, 14, 2, 14, 2).mean(axis=(3, 5)) / 255


@dataclass
class Unit:
    """A set, a number of rows and a seed; what all methods share is computed once."""

    name: str
    n_rows: float
    seed: int
    settings: Settings

    @cached_property
    def data(self):
        """Read and draw -> X, y, X_test, y_test."""
        data = sets.load(self.name, self.settings.data_dir, max_rows=20_000)
        X, y, X_test, y_test = sets.split(data, self.seed)
        X, X_test = (np.asarray(part, dtype=np.float32) for part in (X, X_test))
        if self.name == "fashion_mnist":
            X, X_test = halve(X), halve(X_test)
        X, _, y, _ = train_test_split(
            X, y, train_size=int(self.n_rows), stratify=y, random_state=self.seed
        )
        return X, y, X_test, y_test

    def make_net(self):
        """Return the network of the set, not fitted."""
        epochs = max(1, round(self.settings.effort * EPOCHS))
        if self.name == "fashion_mnist":
            return nets.make_net(CNN, max_epochs=2 * epochs, lr=4e-3)
        net = nets.make_net(
            MLP,
            max_epochs=4 * epochs,
            lr=4e-3,
            batch_size=128,
            module__in_features=self.data[0].shape[1],
            module__out_features=self.data[1].max() + 1,
        )
        return make_pipeline(StandardScaler(), net)

    @cached_property
    def proba(self):
        """Fit five seeds, and predict -> Predictions of train and test rows."""
        X, y, X_test, _ = self.data
        again = np.full(len(X) + len(X_test), -1)  # by nets that saw all of X
        proba = ask_teachers(
            [self.make_net() for _ in range(N_NETS)],
            np.concatenate([X, X, X_test]),
            np.concatenate([y, again]),
            cv=FOLDS,
            random_state=self.seed,
        )
        return Predictions(*np.split(proba, [len(X), 2 * len(X)]))


class Predictions(NamedTuple):
    """What the nets predict."""

    out_of_fold: np.ndarray  # (n, t, c), of rows that they were not fitted on
    in_sample: np.ndarray  # (n, t, c), of the rows that they were fitted on
    test: np.ndarray  # (m, t, c)


# --- Methods: a unit -> test probabilities of one model (m, c), or several (k, m, c) --


def ask_singles(unit):
    """Ask each net by itself."""
    return unit.proba.test.swapaxes(0, 1)


def ask_ensemble(unit):
    """Average the nets."""
    return unit.proba.test.mean(axis=1)


def distill(unit, *, teachers, source, temperature):
    """Distill nets into one, by what they predict of the rows that train."""
    X, y, X_test, _ = unit.data
    proba = getattr(unit.proba, source)[:, :teachers]
    model = EnsembleDistiller(
        None, unit.make_net(), temperature=temperature, random_state=100 + unit.seed
    )
    return model.fit(X, y, teacher_proba=proba).predict_proba(X_test)


SOURCES = {"in sample": "in_sample", "out of fold": "out_of_fold"}
METHODS = {"single": ask_singles, "ensemble": ask_ensemble} | {
    f"{name}, {where}, T={temperature}": partial(
        distill, teachers=teachers, source=source, temperature=temperature
    )
    for name, teachers in (("distilled", N_NETS), ("self-distilled", 1))
    for where, source in SOURCES.items()
    for temperature in (1, 3)
}


def measure(unit, method):
    """Measure a method on the test part, the mean over its models -> dict."""
    y, proba = unit.data[3], np.float64(method(unit))
    proba = proba.clip(1e-7) / proba.clip(1e-7).sum(axis=-1, keepdims=True)
    each = proba if proba.ndim == 3 else proba[np.newaxis]
    labels = range(each.shape[2])
    measures = {
        "accuracy": np.mean([(p.argmax(axis=1) == y).mean() for p in each]),
        "log_loss": np.mean([log_loss(y, p, labels=labels) for p in each]),
    }
    return rounded(measures)


# --- Report ---------------------------------------------------------------------------


def report(table, path):
    """Write means and ranges over seeds, and paired differences -> the text."""
    lines = [f"{path}, {len(table)} rows: accuracy (%), mean and range of seeds\n"]
    grouped = table.groupby(["method", "set"], sort=False)
    found = 100 * grouped["accuracy"].agg(["mean", "min", "max"])
    shown = found["mean"].map("{:.1f}".format) + found["min"].map(" ({:.1f} to ".format)
    shown = (shown + found["max"].map("{:.1f})".format)).unstack()
    losses = grouped["log_loss"].mean().unstack().map("{:.3f}".format)
    shown = shown.join(losses.add_suffix(", log-loss"))
    lines.append(shown.to_markdown(disable_numparse=True))
    pairs = [(name, "single") for name in METHODS if name != "single"]
    for name, rows in table.groupby("set"):
        differences = compare(rows, pairs, "accuracy")
        points = show_differences(differences, scale=100)
        column = pd.Series(points, differences["method"], name=f"{name}, - single")
        lines.append("\n" + column.to_frame().to_markdown())
    return "\n".join(lines)


BENCHMARK = Benchmark(
    name="seeds",
    keys=KEYS,
    columns=("accuracy", "log_loss"),
    methods=METHODS,
    unit=Unit,
    measure=measure,
    report=report,
    sets=("letter", "fashion_mnist"),
    budgets=(2000,),
)

if __name__ == "__main__":
    from benchmarks import seeds  # by its name, as in quality.py

    main(seeds.BENCHMARK, __doc__)
