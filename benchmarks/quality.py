"""Compare ways to learn one small network from few labels and many unlabeled rows.

The experiment, for each set, label budget and seed, is that of units.py. Every method
trains the built-in student for the same number of steps, on the same encoded rows, from
the same predictions of the teachers, by the same seed.

``python -m benchmarks.quality DATA --cache DIR`` runs what the results lack,
``--report`` makes the tables and figures of quality_report.py. To add a method, add a
line to METHODS: the next run computes it for the old units too.
"""

from functools import partial

import numpy as np
from sklearn.semi_supervised import SelfTrainingClassifier

from benchmarks import quality_report
from benchmarks.harness import Benchmark, Settings, main, rounded
from benchmarks.units import (
    COSTS,
    KEYS,
    MEASURES,
    Ensemble,
    LabelsOnly,
    Unit,
    make_net,
    make_teachers,
    measure_costs,
    measure_proba,
)
from sk_ekd import EnsembleDistiller, UnifiedWeighting
from sk_ekd.weighting import disagreement

# --- The methods: a unit -> a fitted classifier ---------------------------------------


def fit_labels_only(unit):
    """Train on the labeled rows."""
    X, y = unit.rows.X[unit.labeled], unit.rows.y[unit.labeled]
    return labels_only(unit).fit(X, y).distiller_


def fit_pseudo_labels(unit):
    """Take the ensemble's most probable class for the label, where there is none."""
    ensemble = unit.predictions.in_sample.mean(axis=1)  # (n, c)
    y = np.where(unit.rows.y < 0, ensemble.argmax(axis=1), unit.rows.y)
    return labels_only(unit).fit(unit.rows.X, y).distiller_


def fit_self_training(unit):
    """Take the student's own class where it is sure; at most three rounds of it."""
    model = SelfTrainingClassifier(labels_only(unit), threshold=0.75, max_iter=3)
    return model.fit(unit.rows.X, unit.rows.y).estimator_.distiller_


def labels_only(unit):
    """Return the student that learns from labels."""
    return LabelsOnly(unit.settings.steps, random_state=unit.seed)


def distill(
    unit, *, rows="all", teachers="all", asked="out_of_fold", pooling="mean", **params
):
    """Train the student on the teachers' predictions, by the library."""
    proba = getattr(unit.predictions, asked)
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
    return Ensemble(unit.teachers, unit.classes, unit.pool.predict_proba)


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
    "mean_in_sample": partial(distill, weighting="uniform", asked="in_sample"),
    "unified_in_sample": partial(distill, weighting="unified", asked="in_sample"),
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
    "calibrated_in_sample": calibrate(weighting="uniform", asked="in_sample"),
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


def measure(unit, method):
    """Fit by a method, and measure it on the test rows."""
    model = method(unit)
    proba = model.predict_proba(unit.rows.X_test)
    return (
        {"n_labeled": len(unit.labeled)}
        | rounded(measure_proba(proba, unit.rows.y_test))
        | measure_costs(model, unit.rows.X_test)
    )


BENCHMARK = Benchmark(
    "quality",
    keys=KEYS,
    columns=("n_labeled", *MEASURES, *COSTS),
    methods=METHODS,
    unit=Unit,
    measure=measure,
    report=quality_report.write,
)

if __name__ == "__main__":
    from benchmarks import quality  # by its name: workers are not sent what is in main

    main(quality.BENCHMARK, __doc__)
