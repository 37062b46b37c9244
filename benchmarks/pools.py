"""Compare ways to pool teachers, without a student.

A *unit* is a set, a share of labeled rows and a seed. Six teachers are fitted on the
labeled rows; a pool learns from what they answered there out of fold (one of them in
sample, to show the harm), and is measured on test rows.

``python benchmarks/pools.py --data-dir DIR`` computes what the results lack, and can be
stopped at any time; ``--tables`` prints them. ``--quick`` takes two minutes. To add a
pool, add a line to POOLS: the next run computes it for the old units too, at once
where ``--cache`` has kept the teachers' answers.
"""

import argparse
import itertools
import os
import warnings
from functools import partial
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import softmax
from scipy.stats import wilcoxon
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from sk_ekd import ask_teachers
from sk_ekd.inspection import expected_calibration_error
from sk_ekd.pooling import CalibratedPool, _loss_and_gradient

ROWS, SHARES, LEAST_LABELS = 3000, (0.03, 0.1), 5
SMALLEST = np.finfo(np.float32).eps
RIDGE_CHOSEN_ON = [  # the library's default; the other sets were not looked at
    "adult", "diabetes130", "fashion_mnist", "heart2020", "letter", "optdigits",
    "satimage", "spambase", "wine_quality",
]  # fmt: skip
KEYS = ["set", "share", "seed", "pool"]
MEASURES = {"accuracy": 1, "log_loss": -1, "ece": -1}  # 1: the more, the better
RESULTS = Path(__file__).parent / "results" / "pools.csv"
QUICK_RESULTS = Path("build") / "pools_quick.csv"


# --- The teachers ---------------------------------------------------------------------


class Answers(NamedTuple):
    """What the teachers say."""

    out_of_fold: np.ndarray  # (n, t, c), labeled rows
    in_sample: np.ndarray  # (n, t, c), the same rows
    y: np.ndarray  # (n,)
    test: np.ndarray  # (m, t, c)
    y_test: np.ndarray  # (m,)


def make_teachers(seed):
    """Return six classifiers of six kinds."""
    return [
        ("forest", RandomForestClassifier(random_state=seed)),
        ("extra_trees", ExtraTreesClassifier(random_state=seed)),
        ("boosting", HistGradientBoostingClassifier(max_iter=50, random_state=seed)),
        ("linear", LogisticRegression(max_iter=500)),
        ("svm", SVC()),  # margins, read as logits
        ("knn", KNeighborsClassifier()),
    ]


def choose_labeled(y, share, seed):
    """Draw a share of each class, of 3,000 rows in all; at least five of a class."""
    share *= min(1, ROWS / len(y))
    order = np.random.RandomState(seed).permutation(len(y))
    of_class = [order[y[order] == value] for value in np.unique(y)]
    chosen = [rows[: max(LEAST_LABELS, round(share * len(rows)))] for rows in of_class]
    return np.concatenate(chosen)


def ask(name, share, seed, data_dir):
    """Fit and ask the teachers -> Answers."""
    X, y, X_test, y_test = datasets.split(datasets.load(name, data_dir), seed)
    X, X_test = datasets.encode(X, X_test)
    labeled = choose_labeled(y, share, seed)
    X, y = X[labeled], y[labeled]
    # the labeled rows once more, without their labels: these are answered in sample
    proba = ask_teachers(
        make_teachers(seed),
        np.concatenate([X, X, X_test]),
        np.concatenate([y, np.full(len(X) + len(X_test), -1)]),
        cv=5,
        random_state=seed,
    )
    out_of_fold, in_sample, test = np.split(proba, [len(X), 2 * len(X)])
    return Answers(out_of_fold, in_sample, y, test, y_test)


def read_or_ask(name, share, seed, data_dir, cache):
    """Return Answers, those of an earlier run if there are any."""
    if cache is None:
        return ask(name, share, seed, data_dir)
    path = Path(cache) / f"{name}-{share}-{seed}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez_compressed(part, **ask(name, share, seed, data_dir)._asdict())
        os.replace(part, path)
    with np.load(path) as file:
        return Answers(**file)


# --- The pools: Answers -> (m, c) -----------------------------------------------------


def mean(answers):
    """Take the plain mean."""
    return answers.test.mean(axis=1, dtype=np.float64)


def calibrated(answers, *, ridge=1.0, rows="out_of_fold"):
    """Fit weights and temperatures."""
    pool = CalibratedPool(ridge=ridge).fit(getattr(answers, rows), answers.y)
    return pool.predict_proba(answers.test)


def calibrated_in_part(answers, *, free):
    """Fit the weights or the temperatures, and leave the others as they are."""
    log_proba = list(log(answers.out_of_fold).swapaxes(0, 1))
    n_rows, n_teachers = len(answers.y), len(log_proba)
    is_free = np.repeat([free == "weight", free == "temperature"], n_teachers)

    def part(params):
        args = log_proba, answers.y, np.ones(n_rows), 1 / n_rows
        loss, gradient = _loss_and_gradient(params, *args)
        return loss, gradient * is_free

    start = np.zeros(2 * n_teachers)
    bounds = [(-3, 3)] * len(start)
    params = minimize(part, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    pool = CalibratedPool()
    pool.weight_ = softmax(params[:n_teachers])
    pool.temperature_ = np.exp(params[n_teachers:])
    return pool.predict_proba(answers.test)


def logarithmic(answers, *, fitted):
    """Multiply the teachers' powers; the powers are 1 / t, or fitted by log-loss."""
    log_proba, y = log(answers.out_of_fold), answers.y
    n_rows, n_teachers, _ = log_proba.shape
    correct = log_proba[np.arange(n_rows), :, y]  # (n, t)
    even = np.full(n_teachers, 1 / n_teachers)

    def loss_and_gradient(power):
        pool = softmax(np.einsum("ntc,t->nc", log_proba, power), axis=1)
        expected = np.einsum("nc,ntc->nt", pool, log_proba)
        away = n_teachers * (power - even)  # relative to the power of the mean
        loss = -np.log(pool[np.arange(n_rows), y]).sum() + away @ away / 2
        return loss, (expected - correct).sum(axis=0) + n_teachers * away

    power = even
    if fitted:
        bounds = [(0, None)] * n_teachers
        power = minimize(
            loss_and_gradient, even, jac=True, method="L-BFGS-B", bounds=bounds
        ).x
    return softmax(np.einsum("ntc,t->nc", log(answers.test), power), axis=1)


def greedy(answers, *, rounds=50):
    """Add the teacher that helps most, again and again (Caruana et al., 2004)."""
    proba, y = answers.out_of_fold.astype(np.float64), answers.y
    correct = proba[np.arange(len(y)), :, y].T  # (t, n)
    count, best, best_loss = np.zeros(len(correct)), None, np.inf
    for size in range(1, rounds + 1):
        bags = (count @ correct + correct) / size  # (t, n), with each of them added
        losses = -np.log(bags.clip(SMALLEST)).mean(axis=1)
        count[losses.argmin()] += 1
        if losses.min() < best_loss:
            best, best_loss = count / size, losses.min()
    return np.einsum("ntc,t->nc", answers.test, best)


class PassOn(ClassifierMixin, BaseEstimator):
    """A classifier whose rows are the answers themselves."""

    def fit(self, X, y):
        """Learn the classes."""
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        """Return the rows."""
        return X

    def predict(self, X):
        """Return the most probable classes."""
        return self.classes_[X.argmax(axis=1)]


def calibrated_alone(answers):
    """Give each teacher scikit-learn's temperature, and take the mean."""
    pool = np.zeros(answers.test[:, 0].shape)
    for t in range(answers.test.shape[1]):
        X = answers.out_of_fold[:, t]
        teacher = FrozenEstimator(PassOn().fit(X, answers.y))
        model = CalibratedClassifierCV(teacher, method="temperature")
        pool += model.fit(X, answers.y).predict_proba(answers.test[:, t])
    return pool / pool.sum(axis=1, keepdims=True)


def log(proba):
    """Read an exact zero as the resolution of float32."""
    return np.log(np.maximum(proba, SMALLEST, dtype=np.float64))


POOLS = {
    "mean": mean,
    "calibrated": calibrated,
    "calibrated, in sample": partial(calibrated, rows="in_sample"),
    "weights only": partial(calibrated_in_part, free="weight"),
    "temperatures only": partial(calibrated_in_part, free="temperature"),
    "each calibrated alone": calibrated_alone,
    "greedy selection": greedy,
    "logarithmic": partial(logarithmic, fitted=True),
    "logarithmic, even": partial(logarithmic, fitted=False),
    **{
        f"calibrated, ridge {ridge:g}": partial(calibrated, ridge=ridge)
        for ridge in (0, 0.1, 0.3, 3, 10, 30)
    },
}


# --- The run --------------------------------------------------------------------------


def measure(proba, y):
    """Return the accuracy, log-loss and calibration error of test probabilities."""
    correct = proba[np.arange(len(y)), y]
    return {
        "accuracy": (proba.argmax(axis=1) == y).mean(),
        "log_loss": -np.log(np.maximum(correct, SMALLEST)).mean(),
        "ece": expected_calibration_error(proba, y),
    }


def run(units, args):
    """Append to the results what they lack."""
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done = set()
    if args.out.exists():
        done = set(pd.read_csv(args.out)[KEYS].itertuples(index=False, name=None))
    for unit in units:
        missing = [pool for pool in POOLS if (*unit, pool) not in done]
        if not missing:
            continue
        answers = read_or_ask(*unit, args.data_dir, args.cache)
        lines = pd.DataFrame(
            dict(zip(KEYS, (*unit, pool), strict=True))
            | measure(POOLS[pool](answers), answers.y_test)
            for pool in missing
        )
        lines.to_csv(args.out, mode="a", header=not args.out.exists(), index=False)
        print(*unit, f"{len(answers.y)} labeled rows", flush=True)


# --- The tables -----------------------------------------------------------------------


def compare(results, against="mean"):
    """Return one line a pool: means, and paired differences over the sets."""
    by_set = results.groupby(["pool", "set"])[list(MEASURES)].mean()  # over the seeds
    table = by_set.groupby("pool").mean().mul(100)
    for measure, sign in MEASURES.items():
        wide = by_set[measure].unstack("pool")
        for pool in wide.columns.drop(against):
            gain = 100 * sign * (wide[pool] - wide[against]).to_numpy()
            table.loc[pool, f"{measure} gain"] = describe(gain)
    order = [pool for pool in POOLS if pool in table.index]
    return table.loc[order].round(2).fillna("")


def describe(gain, n_draws=10_000):
    """Return "mean [95 % bootstrap interval] p wins/ties/losses" of gains of sets."""
    draws = np.random.RandomState(0).choice(gain, (n_draws, len(gain))).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    tied = np.abs(gain) < 0.005  # what the tables do not show
    p = 1.0 if tied.all() else wilcoxon(gain).pvalue
    wins, losses = (~tied & (gain > 0)).sum(), (~tied & (gain < 0)).sum()
    counts = f"{wins}/{tied.sum()}/{losses}"
    return f"{gain.mean():+.2f} [{low:+.2f}, {high:+.2f}] p={p:.3f} {counts}"


def print_tables(results):
    """Print all sets, and the halves on which the ridge was and was not chosen."""
    chosen = results["set"].isin(RIDGE_CHOSEN_ON)
    halves = {"all sets": chosen | ~chosen, "chosen on": chosen, "others": ~chosen}
    with pd.option_context("display.width", None, "display.max_columns", None):
        for (title, half), share in itertools.product(halves.items(), SHARES):
            part = results[half & (results["share"] == share)]
            if len(part):
                count = part["set"].nunique()
                print(f"\n{title} ({count}), {share:.0%} labeled; per cent\n")
                print(compare(part).to_string())


def main():
    """Run, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", help='a folder of sets, or "openml"')
    parser.add_argument("--out", type=Path, help="a CSV file")
    parser.add_argument("--cache", help="a folder for the teachers' answers")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="four sets, one seed")
    parser.add_argument("--tables", action="store_true", help="print, do not run")
    args = parser.parse_args()
    args.out = args.out or (QUICK_RESULTS if args.quick else RESULTS)
    names, seeds = datasets.names(args.data_dir), range(args.seeds)
    if args.quick:
        names, seeds = names[:4], range(1)
    units = [(n, share, seed) for seed in seeds for share in SHARES for n in names]
    if not args.tables:
        warnings.filterwarnings("ignore", category=UserWarning)  # rare classes in folds
        run(units, args)
    print_tables(pd.read_csv(args.out))


if __name__ == "__main__":
    main()
