"""Measure the library's speed side by side with what people would write themselves.

Every figure is a ratio of two things that were run in turn in one process, the median
of several pairs. ``python -m benchmarks.speed`` runs all goals, ``--goals 1 4`` two of
them; ``--quick`` takes two minutes and shows the path, not the figures. The file needs
no other of this folder: it may be copied beside another version of the library.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNet, NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

from sk_ekd import EnsembleDistiller, OnlineDistiller, ask_teachers
from sk_ekd.model_selection import SemiSupervisedSplit
from sk_ekd.students import MLP, default_student

COLUMNS, CLASSES, HIDDEN = 50, 10, (128, 128)


@dataclass
class Result:
    """One line of the table."""

    goal: int
    what: str
    against: str
    ours: str
    theirs: str
    ratio: float  # ours / theirs, the median of the pairs
    spread: str  # the lowest and the highest
    wanted: str
    met: bool | None


def seconds(run):
    """Return how long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def repeat(predict, rows, calls):
    """Predict several times: a single call is too short to time."""
    for _ in range(calls):
        predict(rows)


def compare(goal, what, ours, against, theirs, *, wanted, pairs, at_least=None):
    """Run ours and theirs in turn -> Result, of theirs / ours with `at_least`."""
    ours(), theirs()  # warm up
    a, b = np.array([(seconds(ours), seconds(theirs)) for _ in range(pairs)]).T
    ratio = b / a if at_least else a / b
    middle = float(np.median(ratio))
    return Result(
        goal, what, against, shown(np.median(a)), shown(np.median(b)), round(middle, 3),
        f"{ratio.min():.2f} to {ratio.max():.2f}",
        f">= {at_least}" if at_least else f"<= {wanted}",
        middle >= at_least if at_least else middle <= wanted,
    )  # fmt: skip


def shown(duration):
    """Write a duration in a readable unit."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if duration >= size:
            return f"{duration / size:.3g} {unit}"
    return f"{duration / 1e-6:.3g} µs"


# --- Data, nets, loops ----------------------------------------------------------------


def make_rows(n_samples, n_columns=COLUMNS, n_classes=CLASSES):
    """Return rows, labels, nine in ten unknown, and the predictions of two teachers."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_columns), dtype=np.float32)
    y = hide(rng.integers(n_classes, size=n_samples))
    proba = rng.dirichlet(np.ones(n_classes), (n_samples, 2)).astype(np.float32)
    return X, y, proba


def make_problem(n_samples, n_columns=20, n_classes=5):
    """Return rows that teachers can learn something from."""
    X, y = make_classification(
        n_samples, n_columns, n_informative=n_columns // 2, n_classes=n_classes,
        random_state=0,
    )  # fmt: skip
    return X.astype(np.float32), y


def fit_teachers(X, y):
    """Fit five scikit-learn teachers of different kinds."""
    teachers = [
        RandomForestClassifier(100, random_state=0),
        ExtraTreesClassifier(100, random_state=0),
        HistGradientBoostingClassifier(max_iter=50, random_state=0),
        LogisticRegression(max_iter=500),
        KNeighborsClassifier(),
    ]
    return [teacher.fit(X, y) for teacher in teachers]


def make_ensemble(n_rows, n_fitted=2_000, **params):
    """Return X and y of a problem, and five teachers fitted on rows of their own."""
    X, y = make_problem(n_rows + n_fitted, **params)
    teachers = fit_teachers(X[n_rows:], y[n_rows:])
    return X[:n_rows], y[:n_rows], teachers


def hide(y, keep=10):
    """Keep the label of one row in `keep`, and mark the others as unlabeled."""
    return np.where(np.arange(len(y)) % keep, -1, y)


def make_net(
    kind=NeuralNetClassifier,
    criterion=nn.CrossEntropyLoss,
    *,
    batch_size,
    epochs,
    **params,
):
    """Return the small net of goals 1 to 3."""
    return kind(
        MLP,
        criterion=criterion,
        module__hidden=HIDDEN,
        module__dropout=0.0,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=batch_size,
        max_epochs=epochs,
        train_split=None,
        verbose=0,
        **params,
    )


def distill(X, y, proba, net):
    """Fit a student to given predictions, by the library."""
    model = EnsembleDistiller(None, net, weighting="uniform", random_state=0)
    return model.fit(X, y, teacher_proba=proba)


def train_by_hand(X, y, ask, *, batch_size, epochs, hidden=HIDDEN, device="cpu"):
    """Train the same net with the same loss, as one would write it in PyTorch.

    `ask` returns soft targets for the positions of a batch.
    """
    torch.manual_seed(0)
    module = MLP(X.shape[1], CLASSES, hidden, dropout=0.0).to(device)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    inputs, labels = torch.from_numpy(X).to(device), torch.from_numpy(y).to(device)
    module.train()
    for _ in range(epochs):
        total = torch.zeros((), device=device)
        for index in torch.randperm(len(X), device=device).split(batch_size):
            output, target = module(inputs[index]), ask(index)
            label = F.cross_entropy(
                output, labels[index], ignore_index=-1, reduction="none"
            )
            log_student = F.log_softmax(output, dim=1)
            kl = F.kl_div(log_student, target, reduction="none").sum(dim=1)
            loss = 0.5 * label.mean() + 0.5 * kl.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()  # waits for the device
    return module


class SoftLoss(nn.Module):
    """The same loss, for skorch by itself: `y` holds the label and the soft target."""

    def forward(self, output, y):
        """Return the mean loss of a batch."""
        label = F.cross_entropy(
            output, y[:, 0].long(), ignore_index=-1, reduction="none"
        )
        log_student = F.log_softmax(output, dim=1)
        kl = F.kl_div(log_student, y[:, 1:], reduction="none").sum(dim=1)
        return 0.5 * label.mean() + 0.5 * kl.mean()


def train_by_skorch(X, y, proba, *, batch_size, epochs):
    """Train the same net with the same loss by skorch, its loader and its steps."""
    torch.manual_seed(0)
    net = make_net(
        NeuralNet,
        SoftLoss,
        batch_size=batch_size,
        epochs=epochs,
        module__in_features=X.shape[1],
        module__out_features=CLASSES,
        iterator_train__shuffle=True,
    )
    target = proba.mean(axis=1)
    return net.fit(X, np.column_stack([y, target]).astype(np.float32))


# --- The goals ------------------------------------------------------------------------


def fit_against_a_loop(quick):
    """Goal 1: a hand-written loop over the same batches."""
    n_samples, epochs, pairs = (10_000, 2, 3) if quick else (50_000, 5, 9)
    X, y, proba = make_rows(n_samples)
    for batch_size in (128, 256, 1024):
        target = torch.from_numpy(proba.mean(axis=1))
        yield compare(
            1,
            f"fit, batch {batch_size}",
            lambda b=batch_size: distill(
                X, y, proba, make_net(batch_size=b, epochs=epochs)
            ),
            "PyTorch loop",
            lambda b=batch_size, t=target: train_by_hand(
                X, y, t.__getitem__, batch_size=b, epochs=epochs
            ),
            wanted=1.05,
            pairs=pairs,
        )


def default_against_a_good_loop(quick):
    """Goal 15: the default student, by a good loop and by scikit-learn's MLP."""
    for n_samples, wanted in ((1_000, 0.35), (10_000, 0.7), (100_000, 1.0)):
        if quick and n_samples > 1_000:
            return
        X, y, proba = make_rows(n_samples)
        student = default_student(X)
        net = student["net"].set_params(device="cpu")
        epochs = min(net.max_epochs, 4 if quick else 10)
        net.set_params(max_epochs=epochs)
        model = EnsembleDistiller(None, net, weighting="uniform", random_state=0)
        target = torch.from_numpy(proba.mean(axis=1))
        classifier = MLPClassifier(
            HIDDEN, batch_size=net.batch_size, max_iter=epochs, tol=0,
            n_iter_no_change=epochs,
        )  # fmt: skip
        rivals = {
            "a good PyTorch loop": (
                wanted, partial(train_well, X, y, target, net.batch_size, epochs)
            ),
            "MLPClassifier": (1.0, partial(fit_quietly, classifier, X, abs(y))),
        }  # fmt: skip
        for name, (limit, run) in rivals.items():
            yield compare(
                15,
                f"fit, default student, {n_samples:,} rows, batch {net.batch_size}",
                lambda model=model, rows=(X, y, proba): model.fit(
                    *rows[:2], teacher_proba=rows[2]
                ),
                name,
                run,
                wanted=limit,
                pairs=2 if quick else 5,
            )


def train_well(inputs, y, target, batch_size, epochs, module=None):
    """Train a net by a loop that wastes little: rows in order, fused.

    The net is the default's, or one that takes several arrays as `inputs`.
    """
    torch.manual_seed(0)
    inputs = [inputs] if module is None else inputs
    module = module or MLP(inputs[0].shape[1], CLASSES)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, fused=True)
    tensors = [*map(torch.from_numpy, inputs), torch.from_numpy(y), target]
    for _ in range(epochs):
        order, total = torch.randperm(len(y)), torch.zeros(())
        parts = (part[order].split(batch_size) for part in tensors)
        for *rows, label, mix in zip(*parts, strict=True):
            log_student = F.log_softmax(module(*rows), dim=1)
            each = F.nll_loss(log_student, label, ignore_index=-1, reduction="none")
            kl = F.kl_div(log_student, mix, reduction="none").sum(dim=1)
            loss = 0.5 * each.mean() + 0.5 * kl.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()


def fit_quietly(model, X, y):
    """Fit a model that is to stop before it has converged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)


class Bag(nn.Module):
    """The mean of the embeddings of token ids, and a layer."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10_000, 64, padding_idx=0)
        self.layer = nn.Linear(64, CLASSES)

    def forward(self, ids, mask=None):
        """Return the logits -> (b, c)."""
        words = self.embed(ids)
        if mask is None:
            return self.layer(words.mean(dim=1))
        return self.layer((words * mask.unsqueeze(2)).sum(dim=1) / mask.sum(1, True))


def token_ids_against_a_good_loop(quick):
    """Goal 16: a net of token ids, passed as an array and as a dict with a mask."""
    n_samples, epochs, pairs = (2_000, 2, 2) if quick else (20_000, 3, 7)
    _, y, proba = make_rows(n_samples)
    ids = np.random.default_rng(0).integers(1, 10_000, (n_samples, 24))
    mask = np.ones((n_samples, 24), dtype=np.float32)
    target = torch.from_numpy(proba.mean(axis=1))
    net = NeuralNetClassifier(
        Bag, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.AdamW,
        optimizer__fused=True, lr=1e-3, batch_size=64, max_epochs=epochs,
        iterator_train__shuffle=True, train_split=None, verbose=0,
    )  # fmt: skip
    forms = {
        "an array": (ids, [ids]),
        "a dict": ({"ids": ids, "mask": mask}, [ids, mask]),
    }
    for name, (X, inputs) in forms.items():
        yield compare(
            16,
            f"fit, token ids as {name}, batch 64",
            lambda X=X: distill(X, y, proba, net),
            "a good PyTorch loop",
            lambda inputs=inputs: train_well(inputs, y, target, 64, epochs, Bag()),
            wanted=1.1,
            pairs=pairs,
        )


def four_students_against_one(quick):
    """Goal 17: students that train together, against one, and one after the other."""
    sizes, pairs = ((300,), 2) if quick else ((1_000, 10_000), 5)
    for n_rows in sizes:
        X, y, _ = make_rows(n_rows, n_columns=20, n_classes=5)
        fit = partial(fit_together, X, y)
        for share in ("trunk", "nothing"):
            yield compare(
                17, f"fit of four students, share={share!r}, {n_rows:,} rows",
                partial(fit, share=share), "fit of one", partial(fit, n_students=1),
                wanted=2, pairs=pairs,
            )  # fmt: skip
        yield compare(
            17, f"fit of five independent students, {n_rows:,} rows",
            partial(fit, n_students=5, alpha=0), "one after the other",
            lambda fit=fit: [fit(n_students=1) for _ in range(5)],
            wanted=None, at_least=1.5, pairs=pairs,
        )  # fmt: skip


def fit_together(X, y, **params):
    """Fit students without teachers."""
    return OnlineDistiller(random_state=0, **params).fit(X, y)


def fit_against_the_loader(quick):
    """Goal 2: the same net by skorch, with its default loader."""
    n_samples, pairs = (5_000, 2) if quick else (50_000, 5)
    X, y, proba = make_rows(n_samples)
    yield compare(
        2,
        "fit, batch 128",
        lambda: distill(X, y, proba, make_net(batch_size=128, epochs=2)),
        "skorch by itself",
        lambda: train_by_skorch(X, y, proba, batch_size=128, epochs=2),
        wanted=None,
        at_least=3,
        pairs=pairs,
    )


def fit_against_asking_in_batches(quick):
    """Goal 3: the usual loop, which asks the teachers in every batch of every epoch."""
    n_samples, epochs = (1_000, 2) if quick else (5_000, 20)
    X, y, teachers = make_ensemble(n_samples, 1_000, n_classes=CLASSES)
    y = hide(y)

    def ask(index):
        rows = X[index.numpy()]
        proba = [teacher.predict_proba(rows) for teacher in teachers]
        return torch.from_numpy(np.mean(proba, axis=0).astype(np.float32))

    net = make_net(batch_size=128, epochs=epochs)
    model = EnsembleDistiller(teachers, net, weighting="uniform", random_state=0)
    yield compare(
        3,
        f"fit with five teachers, {epochs} epochs",
        lambda: model.fit(X, y),
        "teachers asked in every batch",
        lambda: train_by_hand(X, y, ask, batch_size=128, epochs=epochs),
        wanted=None,
        at_least=20,
        pairs=1 if quick else 3,
    )


def predict_against_the_module(quick):
    """Goal 4: the bare module under inference_mode, and a softmax."""
    X, y, proba = make_rows(100_000)
    model = distill(
        X[:2000], y[:2000], proba[:2000], make_net(batch_size=256, epochs=1)
    )
    module = model.student_.module_.eval()

    def bare(rows):
        with torch.inference_mode():
            return module(torch.from_numpy(rows)).softmax(dim=1).numpy()

    for n_rows, wanted, calls in ((1, 3, 300), (100, 3, 300), (100_000, 1.1, 1)):
        rows = X[:n_rows]
        yield compare(
            4,
            f"predict_proba, {n_rows:,} rows" + (f" x {calls}" if calls > 1 else ""),
            partial(repeat, model.predict_proba, rows, calls),
            "bare module",
            partial(repeat, bare, rows, calls),
            wanted=wanted,
            pairs=3 if quick else 11,
        )


def predict_against_the_ensemble(quick):
    """Goal 5: the ensemble that the student came from."""
    n_rows = 10_000 if quick else 100_000
    X, y, teachers = make_ensemble(n_rows)
    model = EnsembleDistiller(
        teachers, make_net(batch_size=256, epochs=1), weighting="uniform"
    ).fit(X[:2000], y[:2000])

    def ensemble(rows):
        return np.mean([teacher.predict_proba(rows) for teacher in teachers], axis=0)

    for rows, calls in ((X[:1], 20), (X, 1)):
        yield compare(
            5,
            f"predict_proba, {len(rows):,} rows" + (f" x {calls}" if calls > 1 else ""),
            partial(repeat, model.predict_proba, rows, calls),
            "five teachers",
            partial(repeat, ensemble, rows, calls),
            wanted=None,
            at_least=100,
            pairs=3,
        )


def labeling_against_the_teachers(quick):
    """Goal 6: from X to soft targets and weights, against the teachers alone."""
    n_rows = 5_000 if quick else 30_000
    X, y, teachers = make_ensemble(n_rows)
    y, net = hide(y), make_net(batch_size=len(X), epochs=1)
    net.set_params(module__hidden=(1,))  # the least of a fit
    model = EnsembleDistiller(teachers, net, random_state=0)
    yield compare(
        6,
        "labeling, five teachers (and one step)",
        lambda: model.fit(X, y),
        "their predict_proba",
        lambda: [teacher.predict_proba(X) for teacher in teachers],
        wanted=1.10,
        pairs=1 if quick else 3,
    )


def memory_of_500_trees(quick):
    """Goal 7: peak memory of labeling, above that of X and the forest."""
    n_rows = 20_000 if quick else 1_000_000
    peak, duration = in_a_process(label_by_forest, n_rows)
    outputs = n_rows * (CLASSES + 1) * 4 / 1e6
    naive = n_rows * 500 * CLASSES * 4 / 1e6
    yield Result(
        7,
        f"labeling {n_rows:,} rows by 500 trees",
        f"(n, 500, {CLASSES}) at once",
        f"{peak:,.0f} MB in {duration:,.0f} s",
        f"{naive:,.0f} MB",
        round(peak / naive, 3),
        f"outputs alone {outputs:,.0f} MB",
        "<= 1000 MB",
        peak <= 1000,
    )


def label_by_forest(n_rows):
    """Label rows by 500 trees -> peak MB above what was there before, seconds."""
    X, truth = make_problem(2_000, n_classes=CLASSES)
    forest = RandomForestClassifier(500, max_depth=8, random_state=0, n_jobs=-1)
    forest.fit(X, truth)
    X = np.tile(X, (n_rows // len(X), 1))
    y = np.full(len(X), -1)
    y[:500] = truth[:500]
    net = make_net(batch_size=8192, epochs=1).set_params(module__hidden=(1,))
    model = EnsembleDistiller(forest, net, random_state=0)
    with PeakMemory() as memory:
        start = time.perf_counter()
        model.fit(X, y)
        duration = time.perf_counter() - start
    return memory.peak, duration


def growth(quick):
    """Goal 8: time and memory a row, over rows, teachers and classes."""
    for axis, sizes in (
        ("rows", (10_000, 30_000) if quick else (10_000, 100_000, 1_000_000)),
        ("teachers", (2, 8) if quick else (2, 8, 32, 128)),
        ("classes", (2, 10) if quick else (2, 10, 100)),
    ):
        each = []
        for size in sizes:
            n_rows = size if axis == "rows" else (2_000 if quick else 20_000)
            n_teachers = size if axis == "teachers" else 4
            n_classes = size if axis == "classes" else 5
            unit = n_rows * (n_teachers if axis == "teachers" else 1)
            unit *= n_classes if axis == "classes" else 1
            each.append(label_duration(n_rows, n_teachers, n_classes) / unit)
        for size, duration in zip(sizes, each, strict=True):
            ratio = duration / each[0]
            yield Result(
                8,
                f"labeling, {size:,} {axis}",
                f"{sizes[0]:,} {axis}",
                f"{shown(duration)} each",
                f"{shown(each[0])} each",
                round(ratio, 3),
                "",
                "<= 1.2",
                ratio <= 1.2,
            )


def label_duration(n_rows, n_teachers, n_classes):
    """Return how long it takes to weigh and mix given predictions."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 5), dtype=np.float32)
    y = hide(rng.integers(n_classes, size=n_rows))
    y[: n_classes * 10 : 10] = np.arange(n_classes)
    proba = rng.random((n_rows, n_teachers, n_classes), dtype=np.float32)
    proba /= proba.sum(axis=2, keepdims=True)
    net = make_net(batch_size=n_rows, epochs=1).set_params(module__hidden=(1,))
    model = EnsembleDistiller(None, net, random_state=0)
    model.fit(X, y, teacher_proba=proba)
    return np.median(
        [seconds(lambda: model.fit(X, y, teacher_proba=proba)) for _ in range(3)]
    )


class CountingNB(GaussianNB):
    """A teacher that counts the rows that it predicts."""

    rows = 0

    def predict_proba(self, X):
        """Predict, and count."""
        CountingNB.rows += len(X)
        return super().predict_proba(X)


def count_rows(search):
    """Return how many rows a search asks a `CountingNB` about."""
    CountingNB.rows = 0
    search()
    return CountingNB.rows


def search_against_asking_again(quick):
    """Goal 9: a grid search of 12 candidates and 5 folds."""
    n_rows = 500 if quick else 2_000
    X, truth = make_problem(n_rows + 1_000)
    teachers = [
        CountingNB().fit(X[n_rows:], truth[n_rows:]),
        *fit_teachers(X[n_rows:], truth[n_rows:]),
    ]
    X, y = X[:n_rows], hide(truth[:n_rows], keep=5)
    net = make_net(batch_size=128, epochs=2)
    grid = {
        "alpha": [0.2, 0.5, 0.8],
        "temperature": [1.0, 2.0],
        "student__lr": [1e-3, 3e-3],
    }
    options = {"cv": SemiSupervisedSplit(5), "refit": False}
    model = EnsembleDistiller(teachers, net, random_state=0)

    def asking_once():
        proba = ask_teachers(teachers, X, y)
        GridSearchCV(model, grid, **options).fit(X, y, teacher_proba=proba)

    def asking_again():
        GridSearchCV(model, grid, **options).fit(X, y)

    counts = [count_rows(search) for search in (asking_once, asking_again)]
    yield compare(
        9,
        f"search, 60 fits: {counts[0]:,} rows asked",
        asking_once,
        f"asked in each fit: {counts[1]:,} rows",
        asking_again,
        wanted=1,
        pairs=1 if quick else 3,
    )


def import_time(quick):
    """Goal 10: the import, against that of scikit-learn and skorch."""

    def run(code):
        command = [sys.executable, "-c", code]
        return lambda: subprocess.run(command, check=True)

    yield compare(
        10,
        "import sk_ekd",
        run("import sk_ekd"),
        "import sklearn.ensemble, skorch",
        run("import sklearn.ensemble, skorch"),
        wanted=1.1,
        pairs=3 if quick else 9,
    )


CHUNK = 100_000


def beyond_memory(quick):
    """Goal 11: 10 million rows on disk: chunk by chunk, and by one fit of a memmap."""
    n_rows = 200_000 if quick else 10_000_000
    size = n_rows * COLUMNS * 4 / 1e6
    for how in ("partial_fit", "fit"):
        peak, duration = in_a_process(train_from_disk, how, n_rows)
        yield Result(
            11,
            f"{how}, {n_rows:,} rows x {COLUMNS} from disk, 1 epoch, batch 1024",
            "X in memory",
            f"{peak:,.0f} MB in {duration:,.0f} s",
            f"{size:,.0f} MB",
            round(peak / size, 3),
            "",
            "bounded",
            None,
        )


def train_from_disk(how, n_rows):
    """Train a student on rows in a file -> peak MB above what was there, seconds."""
    X, truth = make_problem(20_000, COLUMNS)
    teachers = [LogisticRegression().fit(X, truth), GaussianNB().fit(X, truth)]
    model = EnsembleDistiller(
        teachers, make_net(batch_size=1024, epochs=1), random_state=0
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "X.npy")
        rows = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, COLUMNS))
        for start in range(0, n_rows, len(X)):
            rows[start : start + len(X)] = X
        rows = np.load(path, mmap_mode="r")
        y = hide(np.resize(truth, n_rows), keep=100)
        with PeakMemory() as memory:
            start = time.perf_counter()
            if how == "fit":
                model.fit(rows, y)
            else:
                for i in range(0, n_rows, CHUNK):
                    model.partial_fit(rows[i : i + CHUNK], y[i : i + CHUNK])
            duration = time.perf_counter() - start
    return memory.peak, duration


def sparse_rows(quick):
    """Goal 12: TF-IDF-like rows: 100,000 columns, dense a batch at a time only."""
    n_rows = 2_000 if quick else 20_000
    peak, duration = in_a_process(train_sparse, n_rows)
    dense = n_rows * 100_000 * 4 / 1e6
    yield Result(
        12,
        f"fit and predict_proba, CSR {n_rows:,} x 100,000, net 128",
        "X dense",
        f"{peak:,.0f} MB in {duration:,.0f} s",
        f"{dense:,.0f} MB",
        round(peak / dense, 3),
        "",
        "bounded",
        None,
    )


def train_sparse(n_rows):
    """Train on sparse rows and predict them -> peak MB above X, seconds."""
    rng = np.random.default_rng(0)
    X = sparse.random(n_rows, 100_000, 1e-3, "csr", np.float32, rng)
    _, y, proba = make_rows(n_rows, 1)
    net = make_net(batch_size=128, epochs=1).set_params(module__hidden=(128,))
    with PeakMemory() as memory:
        start = time.perf_counter()
        distill(X, y, proba, net).predict_proba(X)
        duration = time.perf_counter() - start
    return memory.peak, duration


def labeling_in_parallel(quick):
    """Goal 13: teachers asked at once, whose own `n_jobs` would take all cores."""
    n_rows = 5_000 if quick else 30_000
    X, _, teachers = make_ensemble(n_rows)
    for teacher in teachers[:2]:
        teacher.set_params(n_jobs=-1)
    yield compare(
        13,
        "ask_teachers, five teachers, n_jobs=2",
        partial(ask_teachers, teachers, X, n_jobs=2),
        "one after the other",
        partial(ask_teachers, teachers, X),
        wanted=1,
        pairs=1 if quick else 5,
    )


def on_a_device(quick):
    """Goal 14: rows on the device, against the hand-written loop there."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    small = quick or device == "cpu"
    n_samples, pairs = (10_000, 2) if small else (1_000_000, 5)
    X, y, proba = make_rows(n_samples)
    target = torch.from_numpy(proba.mean(axis=1)).to(device)
    nets = [HIDDEN] if small else [HIDDEN, (1024,) * 4]
    for hidden in nets:
        for batch_size in (256, 4096) if small else (256, 1024, 4096, 16384, 65536):
            net = make_net(batch_size=batch_size, epochs=3, device=device)
            net.set_params(module__hidden=hidden)
            result = compare(
                14,
                f"fit on {device}, {len(hidden)} x {hidden[0]}, batch {batch_size}",
                partial(distill, X, y, proba, net),
                "PyTorch loop there",
                partial(
                    train_by_hand, X, y, target.__getitem__, batch_size=batch_size,
                    epochs=3, hidden=hidden, device=device,
                ),
                wanted=1.05,
                pairs=pairs,
            )  # fmt: skip
            yield result


GOALS = {
    1: fit_against_a_loop,
    2: fit_against_the_loader,
    3: fit_against_asking_in_batches,
    4: predict_against_the_module,
    5: predict_against_the_ensemble,
    6: labeling_against_the_teachers,
    7: memory_of_500_trees,
    8: growth,
    9: search_against_asking_again,
    10: import_time,
    11: beyond_memory,
    12: sparse_rows,
    13: labeling_in_parallel,
    14: on_a_device,
    15: default_against_a_good_loop,
    16: token_ids_against_a_good_loop,
    17: four_students_against_one,
}


# --- Memory ---------------------------------------------------------------------------


class PeakMemory:
    """The most memory held inside, above what was held before, in MB."""

    def __enter__(self):
        self.before = self.peak_now = resident()
        self.done = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()
        return self

    def _watch(self):
        while not self.done.wait(0.01):
            self.peak_now = max(self.peak_now, resident())

    def __exit__(self, *error):
        self.done.set()
        self.watcher.join()
        self.peak = self.peak_now - self.before


def resident():
    """Return the memory that this process holds in MB, without mapped files."""
    import psutil

    info = psutil.Process().memory_info()
    return (info.rss - getattr(info, "shared", 0)) / 1e6


def in_a_process(function, *args):
    """Run a function of this file in a fresh process -> its numbers."""
    arguments = ", ".join(map(repr, args))
    code = (
        f"import torch; torch.set_num_threads({torch.get_num_threads()})\n"
        f"import runpy; speed = runpy.run_path({__file__!r}, run_name='speed')\n"
        f"print(*speed[{function.__name__!r}]({arguments}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return map(float, run.stdout.split())


# --- The command line -----------------------------------------------------------------


def main():
    """Measure, print the table, save it on demand."""
    options = read_options()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{options.threads} torch threads, Python {platform.python_version()}, "
        f"torch {torch.__version__}\n"
    )
    results = []
    for goal in options.goals:
        for result in GOALS[goal](options.quick):
            results.append(result)
            print(
                f"{result.goal:>2} {result.what}: {result.ratio} ({result.wanted}), "
                f"{result.ours} against {result.theirs}",
                file=sys.stderr,
            )
    table = pd.DataFrame(results, columns=[field.name for field in fields(Result)])
    print(table.to_markdown(index=False))
    if options.csv:
        table.to_csv(options.csv, index=False)


def read_options():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--goals", type=int, nargs="*", default=list(GOALS))
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--csv", help="a file to save the table to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
