"""Distill five classifiers into one small network, look at it, and ship it.

scikit-learn's handwritten digits, 150 of 1,078 training rows labeled. Prints a report
with intervals, and saves a figure and the file that ships. It takes less than a minute,
and nothing is downloaded.
"""

import argparse
from pathlib import Path
from timeit import timeit

import matplotlib as mpl
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sk_ekd import EnsembleDistiller, serving
from sk_ekd.export import save
from sk_ekd.inspection import LatencyDisplay, distillation_report, recommend

N_LABELED = 150
TEACHERS = [
    ("random forest", RandomForestClassifier(200, random_state=0)),
    ("boosted trees", HistGradientBoostingClassifier(max_iter=30, random_state=0)),
    ("SVM", SVC()),
    ("k-nearest neighbors", KNeighborsClassifier()),
    (
        "logistic regression",
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    ),
]
NAMES = {
    "ensemble": "mean of the five",
    "pool": "fitted pool of the five",
    "student": "student: the network",
    "baseline": "network, labels only",
}


def show(report):
    """Write the columns of the report that matter first."""
    points = 100 * report[["difference", "difference_low", "difference_high"]]
    costs = report["us_per_row"], report["bytes"].astype(float) / 1000
    columns = {
        "accuracy (%)": (100 * report["accuracy"]).map("{:.1f}".format),
        "student minus it [95 % interval]": [
            f"{d:+.1f} [{low:+.1f}, {high:+.1f}]" for d, low, high in points.to_numpy()
        ],
        "log-loss": report["log_loss"].map("{:.2f}".format),
        "µs per row": costs[0].map("{:.1f}".format),
        "kB": costs[1].map("{:,.0f}".format),
    }
    table = pd.DataFrame(columns, index=report.index).replace("nan", "")
    table.loc["student", "student minus it [95 % interval]"] = ""
    return table.rename(index=NAMES).to_string()


def main():
    """Tell the whole story."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=".", help="where files go")
    folder = parser.parse_args().folder
    mpl.use("Agg")

    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.4, stratify=y, random_state=0
    )
    y[N_LABELED:] = -1  # the label is unknown
    print(f"Digits: {len(X):,} rows to learn from, {N_LABELED} of them labeled.\n")

    print("1. Fit five classifiers, and distill them into one network\n")
    distiller = EnsembleDistiller(TEACHERS, cv=5, random_state=0, verbose=1)
    distiller.fit(X, y)

    print(f"\n2. Compare them on {len(X_test)} other rows: who is right more often?\n")
    # the same network without teachers: alpha=0 leaves nothing but the label
    labels_only = EnsembleDistiller(TEACHERS, cv=2, alpha=0, random_state=0)
    labels_only.fit(X[:N_LABELED], y[:N_LABELED])
    report = distillation_report(distiller, X_test, y_test, baseline=labels_only)
    print(show(report))
    print(f"\n{recommend(report)}")
    figure = folder / "quickstart.png"
    LatencyDisplay.from_report(report).plot().figure_.savefig(figure, dpi=150)

    print("\n3. Ship the network as a file without code, which NumPy alone can read\n")
    path = folder / "student.npz"
    save(distiller, path)
    student = serving.load(path)
    rows = np.resize(X_test, (1000, X.shape[1]))
    single = timeit(lambda: student.predict_proba(rows[:1]), number=1000) * 1e3
    batch = timeit(lambda: student.predict_proba(rows), number=20) / 20 * 1e3
    five = report.loc["ensemble", "us_single"]
    gap = abs(student.predict_proba(X_test) - distiller.predict_proba(X_test)).max()
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    print(f"one row takes {single:.0f} µs, where the five classifiers take {five:,.0f}")
    print(f"a row of 1,000 takes {batch:.1f} µs")
    print(f"its probabilities are those of the network, to {gap:.0e}")
    print(f"\nFigure: {figure}")


if __name__ == "__main__":
    main()
