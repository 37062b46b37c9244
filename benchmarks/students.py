"""Choose the built-in student: variants of it learn from the same pool of teachers.

A *unit* is one of quality.py: a set, a label budget and a seed, with the same rows
and, by the same ``--cache``, the same teachers' answers. The base is an MLP of two
layers of 256 units, trained for 2,000 steps of 64 rows at a learning rate of 3e-3: the
built-in student before this choice. A variant differs from it in the one thing that its
line in VARIANTS names; all train on the calibrated pool of the teachers. The built-in
student now is ``hidden_128_lr_and_batch_by_rows``.

``python benchmarks/students.py --data-dir DIR --cache DIR`` runs what the results lack,
and can be stopped at any time; ``--report`` makes tables of them. Choose by the first
half of the sets (datasets.CHOSEN_ON), and report the other. Numerical embeddings need
``pip install rtdl_num_embeddings``; without it, they are left out.
"""

import argparse
import importlib.util
import sys
import time
import traceback
import warnings
from functools import partial
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import quality
import quality_report
import torch
from joblib import Parallel, delayed, parallel_config
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    QuantileTransformer,
    RobustScaler,
)
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn
from torch.optim.swa_utils import AveragedModel

from sk_ekd import EnsembleDistiller
from sk_ekd.pooling import CalibratedPool
from sk_ekd.students import MLP, default_student

RESULTS = Path(__file__).parent / "results" / "students.csv"
BASE = "base"
ABOUT = (
    "Means over sets, the label budgets and seeds of a set averaged first. "
    "Differences: mean over sets [95 % bootstrap interval over sets, and units within "
    "them]; p: Wilcoxon's signed-rank test over sets, Holm's correction over the "
    "variants. KL and agreement: with the pool, on test rows. Retained: the share of "
    "the plain ensemble's on the same units. `ensemble` is the teachers' mean, `pool` "
    "the calibrated one, which all students learn from."
)
COMPARED = {"accuracy": (100, 2), "roc_auc": (100, 2), "log_loss": (1, 4), "kl": (1, 4)}


# --- Modules --------------------------------------------------------------------------


class Plain(nn.Sequential):
    """The base's MLP with another activation, or a norm before it."""

    def __init__(
        self, in_features, out_features, *, activation=nn.ReLU, norm=nn.Identity
    ):
        layers = []
        for _ in range(2):
            layers += [nn.Linear(in_features, 256), norm(256)]
            layers += [activation(), nn.Dropout(0.1)]
            in_features = 256
        super().__init__(*layers, nn.Linear(in_features, out_features))


class Residual(nn.Module):
    """Blocks that add to what they are given, each of two linear layers."""

    def __init__(self, in_features, out_features, width=256, n_blocks=2):
        super().__init__()
        self.first = nn.Linear(in_features, width)
        self.blocks = nn.ModuleList(self.block(width) for _ in range(n_blocks))
        self.last = nn.Sequential(
            nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, out_features)
        )

    @staticmethod
    def block(width):
        """Return a block that starts with a norm."""
        return nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(),
            nn.Dropout(0.1), nn.Linear(width, width),
        )  # fmt: skip

    def forward(self, X):
        """Return logits (b, c)."""
        hidden = self.first(X)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.last(hidden)


class Embedded(nn.Module):
    """The MLP on numerical columns as vectors, and on the other columns."""

    def __init__(self, in_features, out_features, is_number, make_embedding):
        super().__init__()
        self.register_buffer("numbers", torch.from_numpy(np.flatnonzero(is_number)))
        self.register_buffer("others", torch.from_numpy(np.flatnonzero(~is_number)))
        self.embedding = make_embedding()
        n_columns, size = self.embedding.get_output_shape()
        width = n_columns * size + len(self.others)
        self.mlp = MLP(width, out_features, hidden=(256, 256))

    def forward(self, X):
        """Return logits (b, c)."""
        vectors = self.embedding(X[:, self.numbers]).flatten(1)
        return self.mlp(torch.cat([vectors, X[:, self.others]], dim=1))


class SharedLinear(nn.Module):
    """A linear layer of k members that share the matrix, as in TabM."""

    def __init__(self, k, in_features, out_features, *, first):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=False)
        bound = in_features**-0.5
        start = torch.randint(2, (k, in_features)) * 2.0 - 1 if first else 1.0
        self.before = nn.Parameter(torch.ones(k, in_features) * start)
        self.after = nn.Parameter(torch.ones(k, out_features))
        self.bias = nn.Parameter(torch.empty(k, out_features).uniform_(-bound, bound))

    def forward(self, X):
        """Map (b, k, d) or (b, 1, d) -> (b, k, w)."""
        return self.linear(X * self.before) * self.after + self.bias


class Members(nn.Module):
    """k MLPs that share their matrices (TabM), averaged; logits are the mean's logs.

    With `apart`, a training batch of b rows has b * k answers, see `MembersNet`.

    >>> Members(4, 3)(torch.zeros(5, 4)).exp().sum(dim=1).round(decimals=4)
    tensor([1., 1., 1., 1., 1.], grad_fn=<RoundBackward1>)
    """

    def __init__(self, in_features, out_features, *, k=8, apart=False):
        super().__init__()
        layers = []
        for _ in range(2):
            layers += [SharedLinear(k, in_features, 256, first=not layers)]
            layers += [nn.ReLU(), nn.Dropout(0.1)]
            in_features = 256
        self.body = nn.Sequential(*layers)
        heads = [nn.Linear(in_features, out_features) for _ in range(k)]
        self.weight = nn.Parameter(torch.stack([head.weight.T for head in heads]))
        self.bias = nn.Parameter(torch.stack([head.bias for head in heads]))
        self.apart = apart

    def forward(self, X):
        """Return logits (b, c)."""
        hidden = self.body(X.unsqueeze(1))  # (b, k, w)
        logits = torch.einsum("bkw,kwc->bkc", hidden, self.weight) + self.bias
        if self.apart and self.training:
            return logits.flatten(0, 1)
        return logits.log_softmax(dim=2).logsumexp(dim=1) - np.log(logits.shape[1])


class MembersNet(NeuralNetClassifier):
    """A net whose members have a loss each, as TabM's."""

    def get_loss(self, y_pred, y_true, *args, **kwargs):
        """Return the mean of the members' losses."""
        y_true = y_true.repeat_interleave(len(y_pred) // len(y_true), dim=0)
        return super().get_loss(y_pred, y_true, *args, **kwargs)


# --- Preprocessing: training rows -> a transformer, or parameters of the net ----------


def find_numbers(X):
    """Return which columns have more than two values: the others are one-hot, or flags.

    >>> find_numbers(np.array([[0, 1], [1, 2], [0, 3]]))
    array([False,  True])
    """
    return np.array([len(np.unique(column)) > 2 for column in X.T])


def scale_numbers(X, scaler):
    """Return a transformer of the numerical columns, which are standardized already.

    Neither quantiles nor robust scales depend on what they were scaled by before.
    """
    return ColumnTransformer(
        [("numbers", scaler, np.flatnonzero(find_numbers(X)))], remainder="passthrough"
    )


def clip(at):
    """Return a transformer that cuts values off beyond ±at."""
    return FunctionTransformer(partial(np.clip, a_min=-at, a_max=at))


def bend(X):
    """Let large values approach ±3 (RealMLP's smooth clipping)."""
    return X / np.sqrt(1 + (X / 3) ** 2)


def piecewise(X, *, size=8, n_bins=48):
    """Return the net's parameters for piecewise-linear embeddings."""
    from rtdl_num_embeddings import PiecewiseLinearEmbeddings, compute_bins

    is_number = find_numbers(X)
    bins = compute_bins(torch.from_numpy(X[:, is_number]), n_bins)
    return embed(
        is_number,
        partial(PiecewiseLinearEmbeddings, bins, size, activation=False, version="B"),
    )


def periodic(X, *, size=8, n_frequencies=16, scale=0.1):
    """Return the net's parameters for periodic embeddings."""
    from rtdl_num_embeddings import PeriodicEmbeddings

    is_number = find_numbers(X)
    return embed(
        is_number,
        partial(
            PeriodicEmbeddings, int(is_number.sum()), size, lite=False,
            n_frequencies=n_frequencies, frequency_init_scale=scale,
        ),
    )  # fmt: skip


def embed(is_number, make_embedding):
    """Return the net's parameters for an embedding of these columns."""
    return {
        "module": Embedded,
        "module__is_number": is_number,
        "module__make_embedding": make_embedding,
    }


# --- Training -------------------------------------------------------------------------


class Schedule(Callback):
    """Set the learning rate before each step, by the training's progress in [0, 1).

    By a hook of the optimizer: one of skorch's would take the net off the fast path.
    """

    def __init__(self, shape):
        self.shape = shape

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Start to set the rate."""
        n_steps, step = net.max_epochs * -(-len(X) // net.batch_size), 0

        def set_rate(optimizer, args, kwargs):
            nonlocal step
            for group in optimizer.param_groups:
                group["lr"] = net.lr * self.shape(step / n_steps)
            step += 1

        self.hook_ = net.optimizer_.register_step_pre_hook(set_rate)

    def on_train_end(self, net, **kwargs):
        """Leave the optimizer as it was."""
        self.hook_.remove()
        del self.hook_


class Average(Callback):
    """Average the weights after each step, exponentially, and end with the average."""

    def __init__(self, decay):
        self.decay = decay

    def on_train_begin(self, net, **kwargs):
        """Start to average."""
        averaged = AveragedModel(net.module_, multi_avg_fn=self.update)

        def average(optimizer, args, kwargs):
            averaged.update_parameters(net.module_)

        self.averaged_ = averaged
        self.hook_ = net.optimizer_.register_step_post_hook(average)

    @torch.no_grad()
    def update(self, averaged, current, n_averaged):
        """Move the average; at first faster, to forget the start."""
        decay = min(self.decay, (1 + float(n_averaged)) / (10 + float(n_averaged)))
        torch._foreach_lerp_(averaged, current, 1 - decay)

    def on_train_end(self, net, **kwargs):
        """Give the net the average."""
        self.hook_.remove()
        net.module_.load_state_dict(self.averaged_.module.state_dict())
        del self.hook_, self.averaged_


def cosine(progress):
    """Fall from 1 to 0."""
    return 0.5 * (1 + np.cos(np.pi * progress))


def warm_up(progress, *, share=0.1):
    """Rise for a share of the steps along a line, then fall along a cosine."""
    if progress < share:
        return (progress + 1e-3) / (share + 1e-3)
    return cosine((progress - share) / (1 - share))


def one_cycle(progress):
    """Rise along a cosine for 30 % of the steps, from 1/25, then fall along another."""
    if progress < 0.3:
        return 1 - (1 - 1 / 25) * cosine(progress / 0.3)
    return cosine((progress - 0.3) / 0.7)


def train(unit, *, steps=1, prepare=None, adapt=None, **params):
    """Train a variant of the base on the pool -> EnsembleDistiller.

    `steps` is a multiple of the unit's, `prepare` maps rows to parameters of the net,
    `adapt` the net and rows to another student.
    """
    X, y = unit.rows.X, unit.rows.y
    params = {"lr": 3e-3} | params | (prepare(X) if prepare else {})
    if "module" not in params:
        params = {"module__hidden": (256, 256)} | params
    student = quality.make_net(X, round(steps * unit.settings.steps), **params)
    student = adapt(student, X) if adapt else student
    model = EnsembleDistiller(
        None, student, pooling="calibrated", weighting="uniform", classes=unit.classes,
        random_state=unit.seed,
    )  # fmt: skip
    return model.fit(X, y, teacher_proba=unit.answers.out_of_fold)


def plain(**params):
    """Return a variant with another form of the MLP."""
    params = {f"module__{name}": value for name, value in params.items()}
    return partial(train, module=Plain, **params)


def scaled(*scalers):
    """Return a variant with numerical columns scaled anew."""
    return partial(
        train,
        adapt=lambda net, X: make_pipeline(
            scale_numbers(X, make_pipeline(*scalers)), net
        ),
    )


def scheduled(shape, **params):
    """Return a variant with this schedule in place of the cosine by epochs."""
    return partial(train, callbacks=[Schedule(shape)], **params)


def averaged(decay, **params):
    """Return a variant that ends with an average of its weights."""
    return partial(
        train,
        adapt=lambda net, X: net.set_params(
            callbacks=[*(net.callbacks or []), Average(decay)]
        ),
        **params,
    )


def with_losses_apart(net, X):
    """Give each member of the net a loss of its own."""
    return MembersNet(**net.get_params(deep=False)).set_params(module__apart=True)


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
    "residual": partial(train, module=Residual),
    "piecewise": partial(train, prepare=piecewise),
    "periodic": partial(train, prepare=periodic),
    "periodic_0.01": partial(train, prepare=partial(periodic, scale=0.01)),
    "tabm": partial(train, module=Members, adapt=with_losses_apart),
    "tabm_one_loss": partial(train, module=Members),
    # preprocessing
    "quantile": scaled(QuantileTransformer(output_distribution="normal")),
    "robust": scaled(RobustScaler()),
    "robust_bent": scaled(RobustScaler(), FunctionTransformer(bend)),
    "clip_3": scaled(clip(3)),
    "clip_5": scaled(clip(5)),
    # optimizer and schedule
    "lr_1e-3": partial(train, lr=1e-3),
    "lr_1e-2": partial(train, lr=1e-2),
    "lr_2e-2": partial(train, lr=2e-2),
    "decay_0": partial(train, optimizer__weight_decay=0.0),
    "decay_1e-1": partial(train, optimizer__weight_decay=1e-1),
    "constant": partial(train, callbacks=None),
    "cosine_by_step": scheduled(cosine),
    "warm_up": scheduled(warm_up),
    "one_cycle": scheduled(one_cycle),
    "one_cycle_1e-2": scheduled(one_cycle, lr=1e-2),
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
        train, lr=1e-2, module=Plain, module__norm=nn.LayerNorm
    ),
}
NEED_RTDL = ["piecewise", "periodic", "periodic_0.01"]
if not importlib.util.find_spec("rtdl_num_embeddings"):
    VARIANTS = {k: v for k, v in VARIANTS.items() if k not in NEED_RTDL}


# --- Measures -------------------------------------------------------------------------


def ask_pool(unit):
    """Return the pool's answers to the test rows -> (m, c)."""
    proba, y = unit.answers.out_of_fold[unit.labeled], unit.rows.y[unit.labeled]
    return CalibratedPool().fit(proba, y).predict_proba(unit.answers.test)


def agree(proba, pool):
    """Return how close answers (m, c) are to the pool's.

    >>> agree(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))
    {'kl': 0.6931, 'agreement': 1.0}
    """
    # float32 probabilities may be zero
    logs = np.log(pool.clip(1e-7)) - np.log(proba.clip(1e-7))
    same = proba.argmax(axis=1) == pool.argmax(axis=1)
    kl = (pool * logs).sum(axis=1, dtype=np.float64)
    return {"kl": round(float(kl.mean()), 4), "agreement": round(float(same.mean()), 4)}


def judge(unit, name, proba, pool):
    """Return what the results say of answers to the test rows."""
    measures = quality.measure(proba, unit.rows.y_test)
    return (
        dict(zip(quality.KEYS, (*unit.key, name), strict=True))
        | {"n_labeled": len(unit.labeled), "n_rows": len(unit.rows.y)}
        | {key: round(float(value), 5) for key, value in measures.items()}
        | agree(proba, pool)
    )


def run_variant(unit, name, variant, pool):
    """Train a variant, and measure it -> dict."""
    start = time.process_time()  # of a worker with one thread: others do not count
    model = variant(unit)
    seconds = time.process_time() - start
    return (
        judge(unit, name, model.predict_proba(unit.rows.X_test), pool)
        | quality.weigh_and_time(model, unit.rows.X_test)
        | {"seconds": round(seconds, 2)}
    )


def run_unit(unit, variants):
    """Run variants on a unit in a worker -> its key, results, what failed.

    The mean of the teachers and their pool come along as references.
    """
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    try:
        pool = ask_pool(unit)
        references = {"ensemble": unit.answers.test.mean(axis=1), "pool": pool}
        results = [
            judge(unit, name, proba, pool) | {"bytes": None}
            for name, proba in references.items()
        ]
    except Exception:
        return unit.key, [], traceback.format_exc()
    errors = []
    for name, variant in variants.items():
        try:
            results.append(run_variant(unit, name, variant, pool))
        except Exception:  # reported by the caller; the others go on
            errors.append(f"{name}: {traceback.format_exc()}")
    return unit.key, results, "\n".join(errors)


# --- The run --------------------------------------------------------------------------


def run(path, units, *, jobs):
    """Run units with their variants, and write the results after each -> errors."""
    table, errors = quality.read_results(path), 0
    with parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
        work = Parallel(return_as="generator_unordered", pre_dispatch=jobs)(
            delayed(run_unit)(unit, variants) for unit, variants in units
        )
        for count, (key, results, error) in enumerate(work, 1):
            errors += bool(error)
            if results:
                table = add(table, results)
                quality.write_results(table, path)
            seconds = {row["method"]: row.get("seconds", 0) for row in results}
            print(
                f"{count} of {len(units)}: {key}: {quality.show(seconds)}", error,
                file=sys.stderr, flush=True,
            )  # fmt: skip
    return errors


def add(table, results):
    """Append results; the references come again with every run of a unit."""
    new = pd.DataFrame(results)
    table = pd.concat([table, new]) if len(table) else new
    return table.drop_duplicates(quality.KEYS, keep="last")


# --- The report -----------------------------------------------------------------------


def compare(table, measure):
    """Compare the variants with the base -> DataFrame, one row a variant.

    The budgets and seeds of a set are averaged first: its units are not independent.
    """
    table = table.assign(seed=[*zip(table["budget"], table["seed"], strict=True)])
    lines = []
    for name in [name for name in VARIANTS if name != BASE]:
        difference = quality_report.pair(table, name, BASE, measure)  # (s, k)
        if len(difference):
            means = difference.mean(axis=1).to_numpy()
            low, high = quality_report.bootstrap_interval(difference.to_numpy())
            p = quality_report.signed_rank_p(means)
            lines.append([name, means.mean(), low, high, p, len(means)])
    columns = ["variant", "difference", "low", "high", "p", "sets"]
    found = pd.DataFrame(lines, columns=columns).set_index("variant")
    return found.assign(p=quality_report.holm(found["p"]))


def show_differences(table):
    """Write the differences from the base, of all measures, a line a variant."""
    shown = {}
    for measure, (scale, digits) in COMPARED.items():
        found = compare(table, measure)
        numbers = scale * found[["difference", "low", "high"]]
        unit = " (points)" if scale == 100 else ""
        shown["sets"] = found["sets"]
        shown[f"{measure}{unit}"] = [
            f"{middle:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}] p {p:.2f}"
            for (middle, low, high), p in zip(
                numbers.itertuples(index=False), found["p"], strict=True
            )
        ]
    return pd.DataFrame(shown).to_markdown()


def show_means(table):
    """Write means over sets, retention against the ensemble, and costs."""
    unit, retained = quality.KEYS[:3], ["accuracy", "roc_auc"]
    ensemble = table.loc[table["method"] == "ensemble", [*unit, *retained]]
    table = table.merge(ensemble, on=unit, suffixes=("", "_ensemble"))
    by_set = table.groupby(["method", "set"]).mean(numeric_only=True)
    mean = by_set.groupby("method").mean()
    order = [name for name in ("ensemble", "pool", *VARIANTS) if name in mean.index]
    mean, units = mean.loc[order], table["method"].value_counts()
    shown = pd.DataFrame({"units": units[order]}, index=mean.index)
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


def report(path, budgets=quality.BUDGETS):
    """Write tables of the half that is chosen on, and of the other -> path."""
    table = pd.read_csv(path)
    table = table[table["budget"].isin(budgets)]
    chosen_on = table["set"].isin(datasets.CHOSEN_ON)
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


def main():
    """Run the benchmark, or write its report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help='folder of sets, or "openml"')
    parser.add_argument("--cache", help="folder that keeps the teachers' answers")
    parser.add_argument("--out", type=Path, default=RESULTS, help="results")
    parser.add_argument("--sets", nargs="*", help="by default all")
    parser.add_argument("--budgets", nargs="*", type=float, default=quality.BUDGETS)
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument(
        "--variants", nargs="*", choices=VARIANTS, default=list(VARIANTS)
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--report", action="store_true", help="no run, only tables")
    options = parser.parse_args()
    if options.report:
        print(report(options.out, options.budgets))
        return
    settings = quality.Settings(options.data_dir, options.cache)
    units = quality.plan(
        quality.read_results(options.out),
        options.sets or datasets.names(options.data_dir),
        options.budgets,
        options.seeds,
        {name: VARIANTS[name] for name in options.variants},
        settings,
    )
    sys.exit(bool(run(options.out, list(units), jobs=options.jobs)))


if __name__ == "__main__":
    import students  # by its name: workers cannot be sent what is in __main__

    students.main()
