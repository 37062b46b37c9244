"""Choose the built-in student: variants of it learn from the same pool of teachers.

A unit is one of units.py: a set, a label budget and a seed, with the same rows, encoded
once for all, and, by the same ``--cache``, the same predictions of the teachers. The
base is an MLP of two layers of 256 units, trained for 2,000 steps of 64 rows at a
learning rate of 3e-3: the built-in student before this choice. A variant differs from
it in the one thing that its line in VARIANTS names; all train on the calibrated pool of
the teachers. The built-in student is ``hidden_128_lr_and_batch_by_rows``.

``python -m benchmarks.students DATA --cache DIR`` runs what the results lack,
``--report`` makes tables of them. Choose by the first half of the sets
(``sets.CHOSEN_ON``), and report the other. Numerical embeddings need ``pip install
rtdl_num_embeddings``; without it, they are left out.
"""

import importlib.util
import time
from functools import partial

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    QuantileTransformer,
    RobustScaler,
)
from torch import nn

from benchmarks import harness, sets, units
from benchmarks import student_parts as parts
from sk_ekd import EnsembleDistiller
from sk_ekd.pooling import CalibratedPool
from sk_ekd.students import default_student

BASE = "base"
STEPS = 2000  # of the optimizer
ABOUT = (
    "Means over sets, the label budgets and seeds of a set averaged first. "
    "Differences: mean over sets [95 % bootstrap interval over sets, and units within "
    "them]; p: Wilcoxon's signed-rank test over sets, Holm's correction over the "
    "variants. KL and agreement: with the pool, on test rows. Retained: the share of "
    "the plain ensemble's on the same units. `ensemble` is the teachers' mean, `pool` "
    "the calibrated one, which all students learn from."
)
COMPARED = {"accuracy": (100, 2), "roc_auc": (100, 2), "log_loss": (1, 4), "kl": (1, 4)}


# --- Training -------------------------------------------------------------------------


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


def train(unit, *, steps=1, prepare=None, adapt=None, **params):
    """Train a variant of the base on the pool -> EnsembleDistiller.

    `steps` is a multiple of STEPS, `prepare` maps rows to parameters of the net,
    `adapt` the net and rows to another student.
    """
    X, y = unit.encoded.X, unit.rows.y
    params = {"lr": 3e-3} | params | (prepare(X) if prepare else {})
    if "module" not in params:
        params = {"module__hidden": (256, 256)} | params
    student = make_net(X, round(STEPS * steps * unit.settings.effort), **params)
    student = adapt(student, X) if adapt else student
    model = EnsembleDistiller(
        None, student, pooling="calibrated", weighting="uniform", classes=unit.classes,
        random_state=unit.seed,
    )  # fmt: skip
    return model.fit(X, y, teacher_proba=unit.predictions.out_of_fold)


def plain(**params):
    """Return a variant with another form of the MLP."""
    params = {f"module__{name}": value for name, value in params.items()}
    return partial(train, module=parts.Plain, **params)


def scaled(*scalers):
    """Return a variant with numerical columns scaled anew."""
    return partial(
        train,
        adapt=lambda net, X: make_pipeline(
            parts.scale_numbers(X, make_pipeline(*scalers)), net
        ),
    )


def scheduled(shape, **params):
    """Return a variant with this schedule in place of the cosine by epochs."""
    return partial(train, callbacks=[parts.Schedule(shape)], **params)


def averaged(decay, **params):
    """Return a variant that ends with an average of its weights."""
    return partial(
        train,
        adapt=lambda net, X: net.set_params(
            callbacks=[*(net.callbacks or []), parts.Average(decay)]
        ),
        **params,
    )


def with_losses_apart(net, X):
    """Give each member of the net a loss of its own."""
    return parts.MembersNet(**net.get_params(deep=False)).set_params(module__apart=True)


def by_rows(X):
    """Return the batch size that the built-in student has for so many rows."""
    return {"batch_size": default_student(X)["net"].batch_size}


def lr_by_rows(X):
    """Return the learning rate that the built-in student has for so many rows."""
    return {"lr": default_student(X)["net"].lr}


SMALL = {"lr": 1e-2, "module__hidden": (128, 128)}
VARIANTS = {
    BASE: train,
    # the network
    "hidden_64": partial(train, module__hidden=(64, 64)),
    "hidden_128": partial(train, module__hidden=(128, 128)),
    "hidden_512": partial(train, module__hidden=(512, 512)),
    "one_layer": partial(train, module__hidden=(256,)),
    "three_layers": partial(train, module__hidden=(256, 256, 256)),
    "dropout_0": partial(train, module__dropout=0.0),
    "dropout_0.25": partial(train, module__dropout=0.25),
    "silu": plain(activation=nn.SiLU),
    "layer_norm": plain(norm=nn.LayerNorm),
    "residual": partial(train, module=parts.Residual),
    "piecewise": partial(train, prepare=parts.piecewise),
    "periodic": partial(train, prepare=parts.periodic),
    "periodic_0.01": partial(train, prepare=partial(parts.periodic, scale=0.01)),
    "tabm": partial(train, module=parts.Members, adapt=with_losses_apart),
    "tabm_one_loss": partial(train, module=parts.Members),
    # preprocessing
    "quantile": scaled(QuantileTransformer(output_distribution="normal")),
    "robust": scaled(RobustScaler()),
    "robust_bent": scaled(RobustScaler(), FunctionTransformer(parts.bend)),
    "clip_3": scaled(parts.clip(3)),
    "clip_5": scaled(parts.clip(5)),
    # optimizer and schedule
    "lr_1e-3": partial(train, lr=1e-3),
    "lr_1e-2": partial(train, lr=1e-2),
    "lr_2e-2": partial(train, lr=2e-2),
    "decay_0": partial(train, optimizer__weight_decay=0.0),
    "decay_1e-1": partial(train, optimizer__weight_decay=1e-1),
    "constant": partial(train, callbacks=None),
    "cosine_by_step": scheduled(parts.cosine),
    "warm_up": scheduled(parts.warm_up),
    "one_cycle": scheduled(parts.one_cycle),
    "one_cycle_1e-2": scheduled(parts.one_cycle, lr=1e-2),
    "average_0.99": averaged(0.99),
    "average_0.998": averaged(0.998),
    "constant_average": averaged(0.998, callbacks=None),
    # steps and batches
    "steps_1000": partial(train, steps=1 / 2),
    "steps_4000": partial(train, steps=2),
    "steps_8000": partial(train, steps=4),
    "batch_32": partial(train, batch_size=32),
    "batch_128": partial(train, batch_size=128),
    "batch_256": partial(train, batch_size=256),
    "batch_32_same_epochs": partial(train, batch_size=32, steps=2),
    "batch_128_same_epochs": partial(train, batch_size=128, steps=1 / 2),
    "batch_256_same_epochs": partial(train, batch_size=256, steps=1 / 4),
    "batch_by_rows": partial(train, prepare=by_rows),
    # with the best of the others that costs nothing
    "lr_1e-2_hidden_128": partial(train, **SMALL),
    "lr_1e-2_hidden_128_batch_by_rows": partial(train, prepare=by_rows, **SMALL),
    "hidden_128_lr_by_rows": partial(
        train, prepare=lr_by_rows, module__hidden=(128, 128)
    ),
    "hidden_128_lr_and_batch_by_rows": partial(
        train,
        prepare=lambda X: by_rows(X) | lr_by_rows(X),
        module__hidden=(128, 128),
    ),
    "lr_1e-2_three_layers": partial(train, lr=1e-2, module__hidden=(256, 256, 256)),
    "lr_1e-2_batch_128": partial(train, lr=1e-2, batch_size=128),
    "lr_1e-2_layer_norm": partial(
        train, lr=1e-2, module=parts.Plain, module__norm=nn.LayerNorm
    ),
}
NEED_RTDL = ["piecewise", "periodic", "periodic_0.01"]
if not importlib.util.find_spec("rtdl_num_embeddings"):
    VARIANTS = {k: v for k, v in VARIANTS.items() if k not in NEED_RTDL}


# --- Measures -------------------------------------------------------------------------


def predict_by_mean(unit):
    """Return the plain mean of the teachers on the test rows -> (m, c)."""
    return unit.predictions.test.mean(axis=1)


def predict_by_pool(unit):
    """Return the calibrated pool, which all students learn from -> (m, c)."""
    pool = CalibratedPool().fit(unit.out_of_fold, unit.known[1])
    return pool.predict_proba(unit.predictions.test)


def agree(proba, pool):
    """Return how close predictions (m, c) are to the pool's.

    >>> agree(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
    {'kl': 0.6931, 'agreement': 1.0}
    """
    # float32 probabilities may be zero
    logs = np.log(pool.clip(1e-7)) - np.log(proba.clip(1e-7))
    same = proba.argmax(axis=1) == pool.argmax(axis=1)
    kl = (pool * logs).sum(axis=1, dtype=np.float64)
    return {"kl": round(float(kl.mean()), 4), "agreement": round(float(same.mean()), 4)}


def measure(unit, method):
    """Train a student and measure it; a reference is predictions alone -> dict."""
    start = time.process_time()  # of a worker with one thread: others do not count
    student, costs = method(unit), {}
    if isinstance(student, np.ndarray):
        proba = student
    else:
        costs = {"seconds": round(time.process_time() - start, 2)}
        proba = student.predict_proba(unit.encoded.X_test)
        costs |= units.measure_costs(student, unit.encoded.X_test)
    return (
        {"n_labeled": len(unit.labeled), "n_rows": len(unit.rows.y)}
        | harness.rounded(units.measure_proba(proba, unit.rows.y_test))
        | agree(proba, predict_by_pool(unit))
        | costs
    )


# --- The report -----------------------------------------------------------------------


def compare(table, measure):
    """Compare the variants with the base -> DataFrame, one row a variant.

    The budgets and seeds of a set are averaged first: its units are not independent.
    """
    table = table.assign(seed=[*zip(table["budget"], table["seed"], strict=True)])
    pairs = [(name, BASE) for name in VARIANTS if name != BASE]
    return harness.compare(table, pairs, measure).set_index("method")


def show_differences(table):
    """Write the differences from the base, of all measures, a line a variant."""
    shown = {}
    for measure, (scale, digits) in COMPARED.items():
        found = compare(table, measure)
        unit = " (points)" if scale == 100 else ""
        shown["sets"] = found["sets"]
        differences = harness.show_differences(found, scale=scale, digits=digits)
        shown[f"{measure}{unit}"] = [
            f"{difference} p {p:.2f}"
            for difference, p in zip(differences, found["p_holm"], strict=True)
        ]
    return pd.DataFrame(shown).rename_axis("variant").to_markdown()


def show_means(table):
    """Write means over sets, retention against the ensemble, and costs."""
    unit, retained = list(units.KEYS[:3]), ["accuracy", "roc_auc"]
    ensemble = table.loc[table["method"] == "ensemble", [*unit, *retained]]
    table = table.merge(ensemble, on=unit, suffixes=("", "_ensemble"))
    by_set = table.groupby(["method", "set"]).mean(numeric_only=True)
    mean = by_set.groupby("method").mean()
    order = [name for name in ("ensemble", "pool", *VARIANTS) if name in mean.index]
    mean, count = mean.loc[order], table["method"].value_counts()
    shown = pd.DataFrame({"units": count[order]}, index=mean.index)
    for name in retained:
        shown[f"{name} (%)"] = (100 * mean[name]).map("{:.2f}".format)
        retention = 100 * mean[name] / mean[f"{name}_ensemble"]
        shown[f"{name} retained (%)"] = retention.map("{:.2f}".format)
    for name in ("log_loss", "kl"):
        shown[name] = mean[name].map("{:.4f}".format)
    shown["agreement (%)"] = (100 * mean["agreement"]).map("{:.1f}".format)
    shown["CPU s"] = mean["seconds"].map("{:.1f}".format)
    shown["µs per row"] = mean["us_per_row"].map("{:.1f}".format)
    shown["kB"] = (mean["bytes"] / 1000).map("{:,.0f}".format)
    return shown.to_markdown()


def report(table, path):
    """Write tables of the half that is chosen on, and of the other -> path."""
    chosen_on = table["set"].isin(sets.CHOSEN_ON)
    lines = ["# Students", "", ABOUT, ""]
    for title, rows in (
        ("Sets to choose on", table[chosen_on]),
        ("Sets to report", table[~chosen_on]),
    ):
        if len(rows):
            lines += [f"## {title}: {', '.join(rows['set'].unique())}", ""]
            lines += [show_means(rows), "", "Differences from the base:", ""]
            lines += [show_differences(rows), ""]
    path = path.with_suffix(".md")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


BENCHMARK = harness.Benchmark(
    "students",
    keys=units.KEYS,
    columns=(
        "n_labeled", "n_rows", *units.MEASURES, "kl", "agreement", *units.COSTS,
        "seconds",
    ),
    methods={"ensemble": predict_by_mean, "pool": predict_by_pool, **VARIANTS},
    unit=units.Unit,
    measure=measure,
    report=report,
    seeds=1,
)  # fmt: skip

if __name__ == "__main__":
    from benchmarks import students  # by its name: workers are not sent what is in main

    harness.main(students.BENCHMARK, __doc__)
