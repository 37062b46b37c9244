"""Choose how far the built-in student lets a number reach: a limit, or none.

Each set that choices are made on (``sets.CHOSEN_ON``) gives 1,500 training rows, a
tenth of them labeled (at least five a class), and its test part. Three teachers, a
forest, boosted trees and a linear model, are fitted on the labeled rows out of fold.
Students that differ in how they read the table learn from the same predictions, by the
same seeds. "scikit-learn" is an imputer, a StandardScaler for all numbers and a
OneHotEncoder, without a limit.

``python -m benchmarks.tables DATA`` prints a line a way of reading, with differences
from no limit in points of accuracy and in log-loss, and their standard error over sets.
"""

import argparse

import numpy as np
import pandas as pd
import torch
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks import sets, units
from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.students import default_student

ROWS, LABELED = 1500, 0.1
BASE = "no limit"


def plain_encoder(X):
    """Return scikit-learn's transformers for numbers and for all else."""
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )
    if not isinstance(X, pd.DataFrame):
        return numbers
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=64, sparse_output=False
    )
    is_number = [
        pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
        for dtype in X.dtypes
    ]
    return ColumnTransformer(
        [
            ("numbers", numbers, np.flatnonzero(is_number)),
            ("others", one_hot, np.flatnonzero(~np.array(is_number))),
        ]
    )


def limited(bound):
    """Return the built-in encoder with this limit."""
    return lambda X: default_student(X)["preprocessing"].set_params(bound=bound)


WAYS = {
    BASE: limited(None),
    "scikit-learn": plain_encoder,
    **{f"limit {bound:g}": limited(bound) for bound in (3.0, 5.0, 10.0, 30.0)},
}


def measure(name, data_dir, seed):
    """Train a student for each way of reading -> a dict each."""
    X, y, X_test, y_test = sets.split(sets.load(name, data_dir), seed)
    if sets.is_text(X):
        X, X_test = sets.encode(X, X_test)
    if len(y) > ROWS:
        X, _, y, _ = train_test_split(
            X, y, train_size=ROWS, stratify=y, random_state=seed
        )
    labeled = units.choose_labeled(y, LABELED, seed)
    y = np.where(labeled, y, -1)
    teachers = [
        ExtraTreesClassifier(200, random_state=seed),
        HistGradientBoostingClassifier(max_iter=50, random_state=seed),
        LogisticRegression(max_iter=300),
    ]
    encoded, _ = sets.encode(X, X_test)
    proba = ask_teachers(teachers, encoded, y, cv=5, random_state=seed)
    for way, make_encoder in WAYS.items():
        net = default_student(X)["net"].set_params(device="cpu")
        student = Pipeline([("preprocessing", make_encoder(X)), ("net", net)])
        distiller = EnsembleDistiller(None, student, cv=5, random_state=seed)
        distiller.fit(X, y, teacher_proba=proba)
        found = units.measure_proba(distiller.predict_proba(X_test), y_test)
        yield {"set": name, "seed": seed, "way": way, **found}


def report(table):
    """Write means over sets, and differences from no limit."""
    by_set = table.groupby(["way", "set"])[["accuracy", "log_loss"]].mean()
    lines = ["| | accuracy (%) | log-loss | difference, points | in log-loss |"]
    lines += ["|---|---|---|---|---|"]
    for way in WAYS:
        mean, difference = by_set.loc[way].mean(), by_set.loc[way] - by_set.loc[BASE]
        error = difference.std() / np.sqrt(len(difference))
        lines += [
            f"| {way} | {100 * mean['accuracy']:.2f} | {mean['log_loss']:.4f} "
            f"| {100 * difference['accuracy'].mean():+.2f} "
            f"± {100 * error['accuracy']:.2f} "
            f"| {difference['log_loss'].mean():+.4f} ± {error['log_loss']:.4f} |"
        ]
    return "\n".join(lines)


def main():
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", help="folder of sets, or openml")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--sets", nargs="+", default=sets.CHOSEN_ON)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in args.sets:
        for seed in range(args.seeds):
            rows += measure(name, args.data, seed)
            print(pd.DataFrame(rows[-len(WAYS) :]).round(4).to_string(), flush=True)
    print(report(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
