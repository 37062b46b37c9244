"""Compare what ships with what else one could do with a table and an ensemble.

The experiment, for each set, share of labels and seed, is that of units.py. The student
is the library's default, raw tables in, labels out; its variants differ in what their
line in METHODS says. All learn from the same predictions of the teachers, by the same
seed. "In sample" are predictions of teachers for the rows that they were fitted on, as
with ``cv="prefit"`` on the same rows.

``python -m benchmarks.quality DATA --cache DIR`` runs what the results lack,
``--report`` makes the tables and figures of quality_report.py. ``--quick`` runs nine
sets with 10 % labeled and one seed, in at most ten minutes, and prints what to expect.
To add a method, add a line to METHODS: the next run computes it for the old units too.
"""

from functools import partial

import numpy as np
from scipy.stats import loguniform, randint
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold
from sklearn.tree import DecisionTreeClassifier

from benchmarks import quality_report
from benchmarks.harness import Benchmark, Subset, main, rounded
from benchmarks.units import (
    COSTS,
    KEYS,
    MEASURES,
    Ensemble,
    LabelsOnly,
    Unit,
    make_lightgbm,
    make_student,
    measure_costs,
    measure_proba,
    on_table,
)
from sk_ekd import EnsembleDistiller

COPIES, MOSTLY = 5, 0.5  # what synthetic="auto" makes, where more rows are labeled

# --- Without a teacher: a unit -> a fitted classifier ---------------------------------


def fit_labels_only(unit):
    """Train the student on the labeled rows."""
    return labels_only(unit).fit(*unit.known).distiller_


def fit_pseudo_labels(unit):
    """Take the ensemble's most probable class for the label, where there is none."""
    ensemble = unit.predictions.in_sample.mean(axis=1)  # (n, c)
    y = np.where(unit.rows.y < 0, ensemble.argmax(axis=1), unit.rows.y)
    return labels_only(unit).fit(unit.rows.X, y).distiller_


def labels_only(unit):
    """Return the student that learns from labels."""
    return LabelsOnly(partial(make_student, settings=unit.settings), unit.seed)


def fit_logistic(unit):
    """Choose one of three logistic regressions by log-loss, in three folds."""
    grid = {"C": [0.01, 0.1, 1.0]}
    search = GridSearchCV(LogisticRegression(max_iter=200), grid, **by_log_loss(unit))
    return on_table(unit.rows.X, search).fit(*unit.known)


def fit_lightgbm(unit):
    """Choose one of eight random LightGBMs by log-loss, in three folds."""
    space = {
        "n_estimators": randint(50, 300), "learning_rate": loguniform(0.02, 0.2),
        "num_leaves": randint(4, 64), "min_child_samples": randint(2, 50),
        "colsample_bytree": [0.3, 0.5, 0.8, 1.0], "reg_lambda": loguniform(0.01, 100),
    }  # fmt: skip
    search = RandomizedSearchCV(
        make_lightgbm(unit.seed), space, n_iter=8, random_state=unit.seed,
        **by_log_loss(unit),
    )  # fmt: skip
    return on_table(unit.rows.X, search).fit(*unit.known)


def by_log_loss(unit):
    """Return how a search scores."""
    folds = StratifiedKFold(3, shuffle=True, random_state=unit.seed)
    return {"scoring": "neg_log_loss", "cv": folds}


# --- Ensembles ------------------------------------------------------------------------


def fit_mean(unit):
    """Average the teachers."""
    return Ensemble(unit.teachers, unit.classes)


def fit_pool(unit):
    """Pool the teachers, the pool fitted out of fold."""
    return Ensemble(unit.teachers, unit.classes, unit.pool.predict_proba)


def choose_teacher(unit):
    """Take the teacher with the least log-loss out of fold."""
    return list(unit.teachers.values())[unit.best_teacher()]


# --- Students of teachers -------------------------------------------------------------


def distill(unit, *, in_sample=False, **params):
    """Distill by the library, its default unless told otherwise.

    Teachers that predicted once are passed fitted, so that the pool and the synthetic
    rows, which `cv=5` would choose, are named.
    """
    how = {"pooling": "stacked", "synthetic": COPIES if unit.budget > MOSTLY else 0}
    if in_sample:
        how = {}  # as it ships with fitted teachers
    how |= {"student": make_student(unit.rows.X, unit.settings), **params}
    teachers = list(unit.teachers.items())
    model = EnsembleDistiller(teachers, random_state=unit.seed, **how)
    proba = unit.predictions.in_sample if in_sample else unit.predictions.out_of_fold
    return model.fit(unit.rows.X, unit.rows.y, teacher_proba=proba)


def make_tree(unit):
    """Return a tree that people can read."""
    return DecisionTreeClassifier(max_leaf_nodes=64, random_state=unit.seed)


def make_booster(unit):
    """Return one LightGBM, not tuned."""
    return make_lightgbm(unit.seed, n_estimators=200, learning_rate=0.05)


def distill_to(make, unit):
    """Distill into another student than the built-in one, on synthetic rows too."""
    return distill(unit, student=on_table(unit.rows.X, make(unit)))


def fit_alone(make, unit):
    """Fit that student to the labels."""
    return on_table(unit.rows.X, make(unit)).fit(*unit.known)


METHODS = {
    "ensemble": fit_mean,
    "pool": fit_pool,
    "best_teacher": choose_teacher,
    "logistic": fit_logistic,
    "lightgbm": fit_lightgbm,
    "labels_only": fit_labels_only,
    "pseudo_labels": fit_pseudo_labels,
    "default": distill,
    "default_in_sample": partial(distill, in_sample=True),
    "mean": partial(distill, pooling="mean"),
    "calibrated": partial(distill, pooling="calibrated"),
    "no_synthetic": partial(distill, synthetic=0),
    "before": partial(distill, pooling="calibrated", synthetic=0),
    "uniform": partial(distill, weighting="uniform"),
    "unified": partial(distill, weighting="unified"),
    "alpha_0.75": partial(distill, alpha=0.75),
    "alpha_1": partial(distill, alpha=1.0),
    "tree_alone": partial(fit_alone, make_tree),
    "tree": partial(distill_to, make_tree),
    "booster_alone": partial(fit_alone, make_booster),
    "booster": partial(distill_to, make_booster),
}


def measure(unit, method):
    """Fit by a method, and measure it on the test rows."""
    model = method(unit)
    proba = model.predict_proba(unit.rows.X_test)
    return (
        {"n_labeled": len(unit.labeled)}
        | rounded(measure_proba(proba, unit.rows.y_test))
        | measure_costs(model, unit.rows.X_test)
    )


QUICK_SETS = (  # those that nothing was chosen on
    "german_credit", "wine_quality", "adult", "dry_bean", "optdigits", "heart2020",
    "diabetes130", "clinc150", "fashion_mnist",
)  # fmt: skip
QUICK_METHODS = (
    "ensemble", "pool", "best_teacher", "lightgbm", "labels_only", "pseudo_labels",
    "mean", "default",
)  # fmt: skip
BENCHMARK = Benchmark(
    "quality",
    keys=KEYS,
    columns=("n_labeled", *MEASURES, *COSTS),
    methods=METHODS,
    unit=Unit,
    measure=measure,
    report=quality_report.write,
    budgets=(0.025, 0.1, 1.0),
    quick=Subset(
        sets=QUICK_SETS,
        budgets=(0.1,),
        methods=QUICK_METHODS,
        report=quality_report.write_quick,
    ),
)

if __name__ == "__main__":
    from benchmarks import quality  # by its name: workers are not sent what is in main

    main(quality.BENCHMARK, __doc__)
