"""Compare ways to learn one small network from few labels and many unlabeled rows.

The experiment, for each set, label budget and seed (a *unit*):

- 2.5 % or 10 % of the training rows of each class keep their label (at least five a
  class), the others are unlabeled; the test part is looked at once, by the measures.
- Rows are encoded once, without labels, for all teachers and students alike.
- Eight teachers of different kinds are fitted on the labeled rows, the parameters of
  three of them chosen there by cross-validation. They are asked once: labeled rows
  out of fold (and in sample, for the comparison), unlabeled and test rows by the
  teachers that saw all labeled rows. These are also the ensemble that is compared with.
- Every method trains the built-in student for the same number of steps, on the same
  encoded rows, from the same answers, by the same seed.

``python benchmarks/quality.py --data-dir DIR`` runs what the results lack, and can be
stopped at any time; ``python benchmarks/quality_report.py`` makes tables and figures.
To add a method, add a line to METHODS: the next run computes it for the old units too.
"""

import argparse
import os
import pickle
import sys
import time
import traceback
import warnings
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed, parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC

from sk_ekd import EnsembleDistiller, UnifiedWeighting, ask_teachers
from sk_ekd.inspection import expected_calibration_error
from sk_ekd.pooling import CalibratedPool
from sk_ekd.students import default_student
from sk_ekd.weighting import disagreement

BUDGETS = 0.025, 0.1
LEAST_LABELS = 5  # of a class, so that each of five folds has seen it
KEYS = ["set", "budget", "seed", "method"]
MEASURES = ["accuracy", "balanced_accuracy", "roc_auc", "log_loss", "ece"]
COSTS = ["bytes", "us_per_row"]  # the last is the only one that differs between runs
RESULTS = Path(__file__).parent / "results" / "quality.csv"
QUICK_RESULTS = Path("build") / "quality_quick.csv"


@dataclass(frozen=True)
class Settings:
    """What a run can afford."""

    data_dir: str | None = None
    cache: str | None = None  # a folder for the teachers' answers
    steps: int = 2000  # of the optimizer, for every student
    trees: int = 200


# --- The student ----------------------------------------------------------------------


def make_net(X, steps, *, batch_size=64, **params):
    """Return the built-in student's net, trained for so many steps, whatever the rows.

    >>> net = make_net(np.zeros((640, 3)), 2000)
    >>> net.batch_size, net.max_epochs
    (64, 200)
    """
    batches = -(-len(X) // batch_size)  # an epoch
    epochs = -(-steps // batches)
    return default_student(X)["net"].set_params(
        batch_size=batch_size, max_epochs=epochs, device="cpu", **params
    )


class LabelsOnly(ClassifierMixin, BaseEstimator):
    """A net that learns from labels alone, by the code that trains the students."""

    def __init__(self, steps, params=None, random_state=None):
        self.steps = steps
        self.params = params  # of the net
        self.random_state = random_state

    def fit(self, X, y):
        """Train on hard labels."""
        net = make_net(X, self.steps, **(self.params or {}))
        self.classes_ = np.unique(y)
        silent = np.full((len(y), 1, len(self.classes_)), 1 / len(self.classes_))
        self.distiller_ = EnsembleDistiller(
            None, net, weighting="uniform", alpha=0, random_state=self.random_state
        ).fit(X, y, teacher_proba=silent)
        return self

    def predict_proba(self, X):
        """Ask the net."""
        return self.distiller_.predict_proba(X)

    def predict(self, X):
        """Ask the net."""
        return self.distiller_.predict(X)


# --- The teachers ---------------------------------------------------------------------


LARGE = {
    "module__hidden": (512, 512),
    "module__dropout": 0.5,
    "optimizer__weight_decay": 1.0,
    "lr": 2e-3,
}


def make_teachers(settings, seed):
    """Return eight classifiers of different kinds, not fitted -> dict of str to it."""
    from catboost import CatBoostClassifier
    from lightgbm import LGBMClassifier

    trees = settings.trees
    return {
        "forest": RandomForestClassifier(trees, random_state=seed),
        "extra_trees": ExtraTreesClassifier(trees, random_state=seed),
        "lightgbm": LGBMClassifier(
            n_estimators=trees, learning_rate=0.05, num_leaves=15, min_child_samples=5,
            colsample_bytree=0.5, reg_lambda=1.0, random_state=seed, n_jobs=1,
            deterministic=True, force_col_wise=True, verbose=-1,
        ),
        "catboost": CatBoostClassifier(
            iterations=trees, learning_rate=0.1, depth=4, border_count=32, rsm=0.3,
            random_seed=seed, thread_count=1, allow_writing_files=False, verbose=0,
        ),
        "svm": CalibratedClassifierCV(
            search(SVC(), "accuracy", C=[1.0, 10.0]),
            method="temperature", cv=3, ensemble=False,
        ),
        "knn": search(
            KNeighborsClassifier(weights="distance"), "accuracy", n_neighbors=[3, 5, 10]
        ),
        "linear": search(
            LogisticRegression(max_iter=300), "neg_log_loss", C=[0.01, 0.1, 1.0]
        ),
        "large_net": LabelsOnly(settings.steps // 8, LARGE, seed),
    }  # fmt: skip


def search(estimator, scoring, **grid):
    """Choose parameters on the rows that the teacher is fitted on."""
    return GridSearchCV(estimator, grid, scoring=scoring, cv=3)


class Ensemble:
    """The fitted teachers as one classifier: their plain mean, or a pool of them."""

    def __init__(self, teachers, classes, pool=None):
        self.teachers, self.classes = teachers, classes
        self.pool = pool  # maps (n, t, c) to (n, c)

    def predict_proba(self, X):
        """Ask every teacher, and mix."""
        proba = ask_teachers(list(self.teachers.items()), X, classes=self.classes)
        pool = self.pool or partial(np.mean, axis=1)
        return pool(proba)


# --- A unit of work -------------------------------------------------------------------


class Rows(NamedTuple):
    """The rows of a unit, encoded."""

    X: np.ndarray  # (n, d), labeled and unlabeled
    y: np.ndarray  # (n,), code of the label, -1 unlabeled
    X_test: np.ndarray  # (m, d)
    y_test: np.ndarray  # (m,)


class Answers(NamedTuple):
    """What the teachers say, asked once for all methods."""

    out_of_fold: np.ndarray  # (n, t, c), labeled rows by teachers that saw others
    in_sample: np.ndarray  # (n, t, c), all rows by teachers that saw all labeled rows
    test: np.ndarray  # (m, t, c)


@dataclass
class Unit:
    """A set, a label budget and a seed, and what all methods share there."""

    name: str
    budget: float
    seed: int
    settings: Settings

    @property
    def key(self):
        """What names the unit in the results."""
        return self.name, self.budget, self.seed

    @cached_property
    def rows(self):
        """Split, encode, and take labels away -> Rows."""
        data = datasets.load(self.name, self.settings.data_dir)
        X, y, X_test, y_test = datasets.split(data, self.seed)
        X, X_test = datasets.encode(X, X_test)
        labeled = choose_labeled(y, self.budget, self.seed)
        return Rows(X, np.where(labeled, y, -1), X_test, y_test)

    @cached_property
    def labeled(self):
        """Positions of the labeled rows."""
        return np.flatnonzero(self.rows.y >= 0)

    @cached_property
    def classes(self):
        """All classes; each has labeled rows."""
        return np.unique(self.rows.y[self.labeled])

    @cached_property
    def teachers(self):
        """The teachers, fitted on all labeled rows -> dict of str to classifier."""
        X, y = self.rows.X[self.labeled], self.rows.y[self.labeled]
        teachers = make_teachers(self.settings, self.seed)
        return {name: teacher.fit(X, y) for name, teacher in teachers.items()}

    @cached_property
    def answers(self):
        """Ask the teachers, or read what they said in an earlier run -> Answers."""
        if self.settings.cache is None:
            return self._ask()
        path = Path(self.settings.cache) / "-".join(
            map(str, (*self.key, "answers.npz"))
        )
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part.npz")
            np.savez_compressed(part, **self._ask()._asdict())
            os.replace(part, path)
        with np.load(path) as file:
            return Answers(**file)

    def _ask(self):
        X, y, X_test, _ = self.rows
        fitted = list(self.teachers.items())
        in_sample = ask_teachers(fitted, X, classes=self.classes)  # (n, t, c)
        out_of_fold = in_sample.copy()
        out_of_fold[self.labeled] = ask_teachers(
            list(make_teachers(self.settings, self.seed).items()),
            X[self.labeled], y[self.labeled], cv=5, random_state=self.seed,
        )  # fmt: skip
        test = ask_teachers(fitted, X_test, classes=self.classes)  # (m, t, c)
        return Answers(out_of_fold, in_sample, test)

    def best_teacher(self):
        """Return the position of the teacher that is right most often out of fold."""
        proba, y = self.answers.out_of_fold[self.labeled], self.rows.y[self.labeled]
        return (proba.argmax(axis=2) == y[:, np.newaxis]).mean(axis=0).argmax()


def choose_labeled(y, budget, seed):
    """Draw the share of each class that stays labeled, at least five rows -> (n,).

    >>> choose_labeled(np.repeat([0, 1], [100, 1000]), 0.025, seed=0).sum()
    np.int64(30)
    """
    count = np.bincount(y)
    wanted = np.maximum(np.round(budget * count), LEAST_LABELS)
    order = np.random.default_rng(seed).permutation(len(y))
    rank = np.empty(len(y), dtype=int)  # among the rows of the class
    rank[order] = pd.Series(y[order]).groupby(y[order]).cumcount()
    return rank < wanted[y]


# --- The methods: a unit -> a fitted classifier ---------------------------------------


def fit_labels_only(unit):
    """Train on the labeled rows."""
    X, y = unit.rows.X[unit.labeled], unit.rows.y[unit.labeled]
    return labels_only(unit).fit(X, y).distiller_


def fit_pseudo_labels(unit):
    """Take the ensemble's most probable class for the label, where there is none."""
    y = np.where(
        unit.rows.y < 0, unit.answers.in_sample.mean(axis=1).argmax(axis=1), unit.rows.y
    )
    return labels_only(unit).fit(unit.rows.X, y).distiller_


def fit_self_training(unit):
    """Take the student's own class where it is sure; at most three rounds of it."""
    model = SelfTrainingClassifier(labels_only(unit), threshold=0.75, max_iter=3)
    return model.fit(unit.rows.X, unit.rows.y).estimator_.distiller_


def labels_only(unit):
    """Return the student that learns from labels."""
    return LabelsOnly(unit.settings.steps, random_state=unit.seed)


def distill(
    unit, *, rows="all", teachers="all", answers="out_of_fold", pooling="mean", **params
):
    """Train the student on the teachers' answers, by the library."""
    proba = getattr(unit.answers, answers)
    if teachers == "best":
        proba = proba[:, [unit.best_teacher()]]
    index = unit.labeled if rows == "labeled" else np.arange(len(unit.rows.y))
    X, y, proba = unit.rows.X[index], unit.rows.y[index], proba[index]
    net = make_net(X, unit.settings.steps)
    model = EnsembleDistiller(
        None, net, pooling=pooling, classes=unit.classes, random_state=unit.seed,
        **params,
    )  # fmt: skip
    return model.fit(X, y, teacher_proba=proba)


def agreement(proba):
    """Weigh a row by how much the teachers agree: 1 - divergence / its maximum."""
    return 1 - disagreement(proba) / np.log(min(proba.shape[1:]))


def root(proba):
    """Weigh a row by the square root of the disagreement."""
    return np.sqrt(disagreement(proba))


def clipped(proba):
    """Weigh a row by its disagreement, at most 0.1 nats."""
    return np.minimum(disagreement(proba), 0.1)


def one_plus(proba):
    """Weigh a row by one and its disagreement."""
    return 1 + disagreement(proba)


def weigh(**weights):
    """Return a distilling method with these of the three weights, the others even."""
    even = dict.fromkeys(("teacher", "labeled", "unlabeled"), "uniform")
    return partial(distill, weighting=UnifiedWeighting(**{**even, **weights}))


def calibrate(**params):
    """Return a distilling method with the calibrated pool."""
    return partial(distill, pooling="calibrated", **params)


def fit_calibrated_ensemble(unit):
    """Pool the fitted teachers, the pool fitted out of fold."""
    proba, y = unit.answers.out_of_fold[unit.labeled], unit.rows.y[unit.labeled]
    return Ensemble(
        unit.teachers, unit.classes, CalibratedPool().fit(proba, y).predict_proba
    )


A = {"teacher": "correctness"}
B = {"labeled": "correctness"}
C = {"unlabeled": "disagreement"}
EVEN = {"teacher": "uniform", "labeled": "uniform"}
ONLY_C = UnifiedWeighting(**EVEN)
METHODS = {
    "ensemble": lambda unit: Ensemble(unit.teachers, unit.classes),
    "best_teacher": lambda unit: list(unit.teachers.values())[unit.best_teacher()],
    **{
        f"teacher_{name}": lambda unit, name=name: unit.teachers[name]
        for name in make_teachers(Settings(), 0)
    },
    "labels_only": fit_labels_only,
    "pseudo_labels": fit_pseudo_labels,
    "self_training": fit_self_training,
    "best_distilled": partial(distill, weighting="uniform", teachers="best"),
    "mean_labeled": partial(distill, weighting="uniform", rows="labeled"),
    "mean": partial(distill, weighting="uniform"),
    "unified": partial(distill, weighting="unified"),
    "only_a": weigh(**A),
    "only_b": weigh(**B),
    "only_c": weigh(**C),
    "without_a": weigh(**B, **C),
    "without_b": weigh(**A, **C),
    "without_c": weigh(**A, **B),
    "agreement": weigh(**A, **B, unlabeled=agreement),
    "mean_in_sample": partial(distill, weighting="uniform", answers="in_sample"),
    "unified_in_sample": partial(distill, weighting="unified", answers="in_sample"),
    "unified_alpha_0.1": partial(distill, weighting="unified", alpha=0.1),
    "unified_alpha_0.9": partial(distill, weighting="unified", alpha=0.9),
    "unified_alpha_1": partial(distill, weighting="unified", alpha=1.0),
    "unified_temperature_2": partial(distill, weighting="unified", temperature=2.0),
    "unified_temperature_4": partial(distill, weighting="unified", temperature=4.0),
    "ensemble_calibrated": fit_calibrated_ensemble,
    "calibrated": calibrate(weighting="uniform"),
    "calibrated_correctness": calibrate(weighting="correctness"),
    "calibrated_unified": calibrate(weighting="unified"),
    "calibrated_c": calibrate(weighting=ONLY_C),
    "calibrated_in_sample": calibrate(weighting="uniform", answers="in_sample"),
    "calibrated_alpha_0.9": calibrate(weighting="uniform", alpha=0.9),
    "calibrated_alpha_1": calibrate(weighting="uniform", alpha=1.0),
    "calibrated_sqrt_c": calibrate(weighting=UnifiedWeighting(**EVEN, unlabeled=root)),
    "calibrated_clipped_c": calibrate(
        weighting=UnifiedWeighting(**EVEN, unlabeled=clipped)
    ),
    "calibrated_one_plus_c": calibrate(
        weighting=UnifiedWeighting(**EVEN, unlabeled=one_plus)
    ),
}


# --- Measures -------------------------------------------------------------------------


def measure(proba, y):
    """Return the measures of test probabilities (m, c)."""
    proba = np.asarray(proba, dtype=np.float64)
    proba /= proba.sum(axis=1, keepdims=True)
    right = proba.argmax(axis=1) == y
    score = proba[:, 1] if proba.shape[1] == 2 else proba
    return {
        "accuracy": right.mean(),
        "balanced_accuracy": pd.Series(right).groupby(y).mean().mean(),
        "roc_auc": roc_auc_score(y, score, multi_class="ovr"),
        # a float32 softmax may be zero
        "log_loss": -np.log(proba[np.arange(len(y)), y].clip(1e-7)).mean(),
        "ece": expected_calibration_error(proba, y),
    }


def weigh_and_time(model, X):
    """Return the length of the pickle, and microseconds a row in a batch of 1,000."""
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        model.predict_proba(X[:1000])
        seconds.append(time.perf_counter() - start)
    return {
        "bytes": pickled_bytes(getattr(model, "student_", model)),
        "us_per_row": round(1e6 * np.median(seconds) / len(X[:1000]), 1),
    }


def pickled_bytes(model):
    """Return the length of the pickle, None if there can be none."""
    try:
        return len(pickle.dumps(model))
    except TypeError:
        return None


def run_unit(unit, methods):
    """Run methods on a unit -> list of dict, one a method, and the seconds of each.

    The first method that needs the teachers waits for them.
    """
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    results, seconds = [], {}
    for name, method in methods.items():
        start = time.perf_counter()
        model = method(unit)
        quality = measure(model.predict_proba(unit.rows.X_test), unit.rows.y_test)
        results.append(
            dict(zip(KEYS, (*unit.key, name), strict=True))
            | {"n_labeled": len(unit.labeled)}
            | {key: round(float(value), 5) for key, value in quality.items()}
            | weigh_and_time(model, unit.rows.X_test)
        )
        seconds[name] = time.perf_counter() - start
    return results, seconds


def try_unit(unit, methods):
    """Run a unit in a worker -> its key, results, seconds, error."""
    try:
        return unit.key, *run_unit(unit, methods), ""
    except Exception:  # reported by the caller, who goes on with the other units
        return unit.key, [], {}, traceback.format_exc()


# --- The run --------------------------------------------------------------------------


def read_results(path):
    """Return what an earlier run left."""
    if Path(path).exists():
        return pd.read_csv(path)
    return pd.DataFrame(columns=[*KEYS, "n_labeled", *MEASURES, *COSTS])


def write_results(table, path):
    """Write all results, sorted, in one go: a kill leaves the old file or the new."""
    order = {name: position for position, name in enumerate(METHODS)}
    keys = table["method"].map(order).fillna(len(order))
    table = table.assign(_order=keys).sort_values([*KEYS[:3], "_order", "method"])
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    table = table.drop(columns="_order").astype({"bytes": "Int64"})
    table.to_csv(part, index=False)
    os.replace(part, path)


def plan(table, names, budgets, seeds, methods, settings):
    """List the units with the methods that the results lack, all sets of a seed first.

    A run that is stopped early has thus seen all sets equally often.
    """
    done = set(zip(*(table[key] for key in KEYS), strict=True))
    units = [
        Unit(name, budget, seed, settings)
        for seed in range(seeds)
        for name in names
        for budget in budgets
    ]
    for unit in units:
        missing = {k: v for k, v in methods.items() if (*unit.key, k) not in done}
        if missing:
            yield unit, missing


def run(path, names, budgets, seeds, methods, settings, *, jobs):
    """Run what the results lack, and write them after each unit -> errors."""
    table = read_results(path)
    todo = list(plan(table, names, budgets, seeds, methods, settings))
    errors, start = 0, time.monotonic()
    with parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
        work = Parallel(return_as="generator_unordered", pre_dispatch=jobs)(
            delayed(try_unit)(unit, missing) for unit, missing in todo
        )
        for count, (key, results, seconds, error) in enumerate(work, 1):
            errors += bool(error)
            if results:
                new = pd.DataFrame(results)
                table = pd.concat([table, new]) if len(table) else new
                write_results(table, path)
            minutes = (time.monotonic() - start) / 60
            print(
                f"{count} of {len(todo)}, {minutes:.0f} min: {key}: {show(seconds)}",
                error, file=sys.stderr, flush=True,
            )  # fmt: skip
    return errors


def show(seconds, most=6):
    """Write the total, and the longest stages."""
    longest = sorted(seconds, key=seconds.get, reverse=True)[:most]
    stages = ", ".join(f"{name} {seconds[name]:.0f}" for name in longest)
    return f"{sum(seconds.values()):.0f} s ({stages})"


def main(methods=METHODS):
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help='folder of sets, or "openml"')
    parser.add_argument("--csv", type=Path, help=f"results, by default {RESULTS}")
    parser.add_argument("--cache", help="folder that keeps the teachers' answers")
    parser.add_argument("--sets", nargs="*", help="by default all")
    parser.add_argument("--budgets", nargs="*", type=float, default=BUDGETS)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--methods", nargs="*", default=list(methods))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--quick", action="store_true", help="the whole path, bundled sets, few steps"
    )
    options = parser.parse_args()
    settings = Settings(options.data_dir, options.cache)
    names, path = options.sets or datasets.names(options.data_dir), RESULTS
    if options.quick:
        settings = Settings(steps=200, trees=50)
        names, path, options.seeds = datasets.names(), QUICK_RESULTS, 2
    path = options.csv or path
    errors = run(
        path, names, options.budgets, options.seeds,
        {name: methods[name] for name in options.methods}, settings, jobs=options.jobs,
    )  # fmt: skip
    if options.quick:
        import quality_report

        quality_report.write(path, path.parent)
    sys.exit(bool(errors))


if __name__ == "__main__":
    import quality  # by its name: workers cannot be sent what is in __main__

    quality.main()
