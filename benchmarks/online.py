"""Compare students that teach each other with one that learns from labels alone.

Each set gives 1,500 training rows, 3 % or 10 % of them labeled (at least two a class),
and its test part; the built-in student is trained on them by OnlineDistiller in several
ways. The share of the distillation term is chosen on ``sets.CHOSEN_ON``; the other sets
confirm it.

``python -m benchmarks.online DATA`` prints accuracy and log-loss of each way, the means
over the sets and seeds, and how far they are from one network; ``--confirm`` does so
for the other sets. ``--cost`` prints the seconds of a fit instead.
"""

import argparse
import time

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import train_test_split

from benchmarks import sets
from sk_ekd import OnlineDistiller

ROWS, LEAST_LABELS = 1500, 2
LEAST_PROBA = 1e-7
BASE = "one"
WAYS = {
    BASE: {"n_students": 1, "alpha": 0},
    "independent": {"share": "nothing", "alpha": 0},
    **{f"trunk {a}": {"share": "trunk", "alpha": a} for a in (0.25, 0.5, 0.75)},
    **{f"nothing {a}": {"share": "nothing", "alpha": a} for a in (0.25, 0.5, 0.75)},
}
HELD_OUT = {
    f"{name}, held out": {**WAYS[name], "validation_fraction": 0.2}
    for name in (BASE, "trunk 0.5")
}


def draw_rows(name, data_dir, budget, seed):
    """Return X, partly labeled y, and the test part."""
    X, y, X_test, y_test = sets.split(sets.load(name, data_dir), seed)
    if len(y) > ROWS:
        rows = np.arange(len(y))
        kept, _ = train_test_split(rows, train_size=ROWS, stratify=y, random_state=seed)
        X, y = sets.take(X, kept), y[kept]
    rng = np.random.default_rng(seed)
    labeled = np.zeros(len(y), dtype=bool)
    for c in np.unique(y):
        of_class = rng.permutation(np.flatnonzero(y == c))
        labeled[of_class[: max(LEAST_LABELS, round(budget * len(of_class)))]] = True
    return X, np.where(labeled, y, -1), X_test, y_test


def measure(way, rows, seed):
    """Fit one way -> accuracy and log-loss, times 100, seconds, and temperature."""
    X, y, X_test, y_test = rows
    start = time.perf_counter()
    distiller = OnlineDistiller(random_state=seed, **way).fit(X, y)
    seconds = time.perf_counter() - start
    proba = np.zeros((len(y_test), max(y_test.max(), y.max()) + 1))
    proba[:, distiller.classes_] = distiller.predict_proba(X_test)
    right = proba[np.arange(len(y_test)), y_test].clip(min=LEAST_PROBA)
    return {
        "accuracy": 100 * np.mean(proba.argmax(axis=1) == y_test),
        "log_loss": -100 * np.log(right).mean(),
        "seconds": seconds,
        "temperature": distiller.temperature_,
    }


def compare(names, data_dir, ways, budgets, seeds):
    """Fit each way on each set -> DataFrame, an entry a fit."""
    found = []
    for name in names:
        for budget in budgets:
            for seed in seeds:
                rows = draw_rows(name, data_dir, budget, seed)
                for way, params in ways.items():
                    key = {"set": name, "budget": budget, "seed": seed, "way": way}
                    found.append({**key, **measure(params, rows, seed)})
        print(name, "done", flush=True)
    return pd.DataFrame(found)


def summarize(found):
    """Print the means by way, and by how much each is ahead of one network."""
    units = found.groupby(["set", "budget", "way"])[["accuracy", "log_loss"]].mean()
    table = units.unstack("way")
    for measure_name in ("accuracy", "log_loss"):
        print(measure_name)
        print(table[measure_name].round(1).to_string())
        ahead = table[measure_name].sub(table[measure_name][BASE], axis=0)
        means = ahead.groupby("budget").mean()
        print("ahead of one network, mean and standard error over the sets")
        error = ahead.groupby("budget").sem()
        print(means.round(2).to_string(), error.round(2).to_string(), sep="\n")


def time_fits(n_rows, repeats=5):
    """Time fits of one and of four students, side by side -> seconds, medians."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 20)).astype(np.float32)
    y = np.where(rng.random(n_rows) < 0.5, -1, (X[:, 0] + X[:, 1] > 0).astype(int))
    ways = {name: WAYS[name] for name in (BASE, "trunk 0.5", "nothing 0.5")}
    seconds = {name: [] for name in ways}
    for _ in range(repeats):
        for name, params in ways.items():
            start = time.perf_counter()
            OnlineDistiller(random_state=0, **params).fit(X, y)
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def main():
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?")
    parser.add_argument("--confirm", action="store_true")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.cost:
        for n_rows in (1_000, 10_000):
            print(n_rows, time_fits(n_rows))
        return
    names = args.sets or [
        name
        for name in sets.names(args.data)
        if (name in sets.CHOSEN_ON) != args.confirm
    ]
    ways = {**WAYS, **HELD_OUT}
    found = compare(names, args.data, ways, (0.03, 0.1), range(args.seeds))
    summarize(found)


if __name__ == "__main__":
    main()
