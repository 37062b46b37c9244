"""Distill networks and classical models of texts, and of images, into small networks.

Texts are the intents of banking77 and clinc150, 5 or 20 of each class labeled, all
other training texts unlabeled. Teachers are three linear models of TF-IDF, a linear
model on embeddings (a truncated SVD of the TF-IDF of all training texts), and two
networks on token ids. Images are those of fashion_mnist: 20,000 drawn for training, of
which 1 or 10 % are labeled; the teachers are three convolutional networks of different
kinds, extra trees, and an SVM. All learn out of fold, in five parts. Students are small
networks, and each of them is trained by the labels alone as well.

``python -m benchmarks.deep DATA`` runs what the results lack, texts first; ``--report``
makes the tables, ``--quick`` takes a few minutes for one set and seed of each.
"""

import pickle
import sys
import time
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC, LinearSVC

from benchmarks import deep_nets as nets
from benchmarks.deep_figure import plot_accuracy
from benchmarks.harness import (
    Benchmark,
    Settings,
    compare,
    read,
    read_options,
    results_path,
    rounded,
    run_options,
    show_differences,
)
from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.students import MLP

KEYS = ("set", "labeled", "seed", "method")
COLUMNS = ("accuracy", "log_loss", "kb", "ms_single", "fit_s")
FOLDS = 5
N_IMAGES = 20_000
MOST_EPOCHS = 80  # on labels alone, of which there are few
CALLS = 30  # with one row, to time it


@dataclass
class Unit:
    """One set, number of labels and seed; what all methods share is computed once."""

    name: str
    labeled: float
    seed: int
    settings: Settings

    @cached_property
    def teachers(self):
        """Fit the teachers on all labeled rows -> dict."""
        X, y = self.known
        return {name: t.fit(X, y) for name, t in self.make_teachers().items()}

    @property
    def known(self):
        """The labeled rows, and their labels."""
        X, y, *_ = self.data
        index = np.flatnonzero(y >= 0)
        rows = [X[i] for i in index] if isinstance(X, list) else X[index]
        return rows, y[index]

    def ask(self):
        """Fit the teachers, and let them predict, if that is not done."""
        return self.teachers, self.proba

    @cached_property
    def proba(self):
        """Predict all rows out of fold -> train (n, t, c), test (m, t, c)."""
        X, y, X_test, y_test = self.data
        both = [*X, *X_test] if isinstance(X, list) else np.concatenate([X, X_test])
        unknown = np.full(len(y_test), -1)
        proba = ask_teachers(
            list(self.make_teachers().items()),
            both,
            np.concatenate([y, unknown]),
            cv=FOLDS,
            random_state=self.seed,
        )
        return proba[: len(y)], proba[len(y) :]

    def distill(self, student, **params):
        """Fit the distiller as it ships, with predictions that are shared."""
        X, y, *_ = self.data
        teachers = list(self.make_teachers().items())
        model = EnsembleDistiller(
            teachers, student, cv=FOLDS, random_state=self.seed, **params
        )
        return model.fit(X, y, teacher_proba=self.proba[0])

    def epochs(self, number):
        """Return a number of epochs, fewer in a quick run."""
        return max(1, round(self.settings.effort * number))

    def learn_labels(self, make_student, max_epochs, **options):
        """Fit the student on labels only, in as many steps if that is not too many."""
        y = self.data[1]
        n_known = np.count_nonzero(y >= 0)
        epochs = min(MOST_EPOCHS, max_epochs * len(y) // n_known)
        known = self.known
        model = EnsembleDistiller(
            None, make_student(epochs, **options), alpha=0, random_state=self.seed
        )
        blank = np.full((len(known[1]), 1, y.max() + 1), 1 / (y.max() + 1))
        return model.fit(*known, teacher_proba=blank)


# --- Texts ----------------------------------------------------------------------------


class TextUnit(Unit):
    """Texts, `labeled` of each class with a label."""

    @cached_property
    def data(self):
        """Read and draw -> texts, labels or -1, test texts, test labels."""
        folder = Path(self.settings.data_dir) / self.name
        frame = pd.read_parquet(folder / f"{self.name}.parquet")
        target = "category" if "category" in frame else "intent"
        frame = frame[frame["split"].isin(["train", "test"])]
        train, test = (frame[frame["split"] == part] for part in ("train", "test"))
        test = test[~test["text"].isin(train["text"])]
        classes, codes = np.unique(train[target], return_inverse=True)
        rng = np.random.default_rng(self.seed)
        y = np.full(len(codes), -1)
        for code in range(len(classes)):
            members = np.flatnonzero(codes == code)
            y[rng.choice(members, int(self.labeled), replace=False)] = code
        y_test = np.searchsorted(classes, test[target])
        return train["text"].tolist(), y, test["text"].tolist(), y_test

    def make_teachers(self):
        """Return the teachers, not fitted."""
        few = partial(
            nets.make_net,
            max_epochs=self.epochs(40),
            batch_size=32,
            module__out_features=self.data[1].max() + 1,
        )
        return {
            "SVM, words": make_pipeline(words(), LinearSVC(random_state=0)),
            "SVM, letters": make_pipeline(letters(), LinearSVC(random_state=0)),
            "logistic": make_pipeline(words(), LogisticRegression(C=10, max_iter=300)),
            "embedding": make_pipeline(
                FunctionTransformer(self.embed), LogisticRegression(C=30, max_iter=300)
            ),
            "bag": make_pipeline(bag_ids(), few(nets.Bag, lr=1e-2)),
            "CNN": make_pipeline(nets.TokenIds(), few(nets.TextCNN)),
        }

    @cached_property
    def embed(self):
        """Embed texts by what all training texts have in common, without a label."""
        X = self.data[0]
        steps = make_pipeline(words(min_df=2), TruncatedSVD(200, random_state=0))
        return steps.fit(X).transform


def words(**options):
    """Return TF-IDF of words and pairs of words."""
    return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), **options)


def letters():
    """Return TF-IDF of parts of words."""
    return TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5))


def bag_ids():
    """Return ids of words and of pairs of words."""
    return nets.TokenIds(pairs=True, length=48)


def make_bag(max_epochs):
    """Return the smallest student: a mean of embeddings."""
    net = nets.make_net(nets.Bag, max_epochs=max_epochs, lr=1e-2)
    return make_pipeline(bag_ids(), net)


def make_transformer(max_epochs):
    """Return a transformer of two layers, from scratch."""
    net = nets.make_net(nets.Transformer, max_epochs=max_epochs, lr=1e-3)
    return make_pipeline(nets.TokenIds(), net)


def make_tfidf(max_epochs):
    """Return a perceptron on TF-IDF."""
    net = nets.make_net(
        MLP, max_epochs=max_epochs, module__hidden=(128,), module__dropout=0.3
    )
    return make_pipeline(words(max_features=2000), net)


# --- Images ---------------------------------------------------------------------------


class ImageUnit(Unit):
    """Images, `labeled` a share of them with a label."""

    @cached_property
    def data(self):
        """Read and draw -> images, labels or -1, test images, test labels."""
        path = Path(self.settings.data_dir) / "fashion_mnist" / "fashion_mnist.npz"
        with np.load(path) as file:
            X, y, X_test, y_test = (
                file[key] for key in ("X_train", "y_train", "X_test", "y_test")
            )
        rng = np.random.default_rng(self.seed)
        drawn = rng.permutation(len(y))[:N_IMAGES]
        X, truth = flat(X[drawn]), y[drawn].astype(int)
        y = np.full(N_IMAGES, -1)
        n_each = round(self.labeled * N_IMAGES / 10)
        for code in range(10):
            y[np.flatnonzero(truth == code)[:n_each]] = code
        return X, y, flat(X_test), y_test.astype(int)

    def make_teachers(self):
        """Return the teachers, not fitted."""
        epochs = 100 if self.labeled < 0.05 else 40
        few = partial(nets.make_net, max_epochs=self.epochs(epochs), batch_size=32)
        changed = {"module__augmented": True}
        return {
            "plain CNN": few(nets.PlainCNN, **changed),
            "residual CNN": few(nets.ResidualCNN, **changed),
            "patch mixer": few(nets.PatchMixer, **changed),
            "extra trees": ExtraTreesClassifier(200, random_state=0),
            "SVM": make_pipeline(PCA(60, random_state=0), SVC(C=5)),
        }


def flat(images):
    """Return images as rows of float32 from 0 to 1."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def make_cnn(max_epochs, *, augmented=False):
    """Return the student: a plain CNN of half the teacher's width."""
    return nets.make_net(
        nets.PlainCNN,
        max_epochs=max_epochs,
        module__width=8,
        module__augmented=augmented,
    )


# --- Methods --------------------------------------------------------------------------


def fit_mean(unit):
    """Average the teachers."""
    return Asked(unit, lambda proba: proba.mean(axis=1))


def fit_pool(unit):
    """Pool the teachers as the students' targets are."""
    make = make_bag if isinstance(unit, TextUnit) else make_cnn
    model = unit.distill(make(1))  # whose pool is that of all students
    return Asked(unit, model.pool_.predict_proba)


def fit_best(unit):
    """Take the teacher that is right most often out of fold."""
    train, _ = unit.proba
    y = unit.data[1]
    known = y >= 0
    right = (train[known].argmax(axis=2) == y[known, np.newaxis]).mean(axis=0)
    best = right.argmax()
    return Asked(unit, lambda proba: proba[:, best], best)


class Asked:
    """The teachers themselves, mixed in some way."""

    def __init__(self, unit, mix, chosen=None):
        teachers = list(unit.teachers.values())
        self.student_ = teachers if chosen is None else [teachers[chosen]]
        self.proba = mix(unit.proba[1])  # of the test part

    def predict_proba(self, X):
        """Ask each of them about other rows, for the time that it takes."""
        for teacher in self.student_:
            responses = "predict_proba", "decision_function"
            getattr(teacher, next(r for r in responses if hasattr(teacher, r)))(X)


def student(make, epochs, unit, **options):
    """Distill into a student."""
    return unit.distill(make(unit.epochs(epochs), **options))


def on_labels(make, epochs, unit, **options):
    """Train the same student on labels only."""
    return unit.learn_labels(make, unit.epochs(epochs), **options)


BAG, TRANSFORMER, TFIDF, CNN = 30, 15, 12, 20  # epochs over all rows

TEXT_METHODS = {
    "bag": partial(student, make_bag, BAG),
    "bag, labels only": partial(on_labels, make_bag, BAG),
    "transformer": partial(student, make_transformer, TRANSFORMER),
    "transformer, labels only": partial(on_labels, make_transformer, TRANSFORMER),
    "TF-IDF + MLP": partial(student, make_tfidf, TFIDF),
    "TF-IDF + MLP, labels only": partial(on_labels, make_tfidf, TFIDF),
    "best teacher": fit_best,
    "mean of teachers": fit_mean,
    "pool of teachers": fit_pool,
}
IMAGE_METHODS = {
    "CNN": partial(student, make_cnn, CNN),
    "CNN, augmented": partial(student, make_cnn, CNN, augmented=True),
    "CNN, labels only": partial(on_labels, make_cnn, CNN),
    "CNN, labels only, augmented": partial(on_labels, make_cnn, CNN, augmented=True),
    "best teacher": fit_best,
    "mean of teachers": fit_mean,
    "pool of teachers": fit_pool,
}


def measure(unit, method):
    """Fit a method, and measure it on the test part -> dict."""
    unit.ask()  # now: the teachers' time is not the student's
    *_, X_test, y_test = unit.data
    start = time.process_time()
    model = method(unit)
    seconds = time.process_time() - start
    is_asked = isinstance(model, Asked)
    proba = np.float64(model.proba if is_asked else model.predict_proba(X_test))
    proba /= proba.sum(axis=1, keepdims=True)
    measures = {
        "accuracy": (proba.argmax(axis=1) == y_test).mean(),
        "log_loss": log_loss(y_test, proba.clip(1e-7), labels=range(proba.shape[1])),
        "kb": len(pickle.dumps(model.student_)) / 1024,
        "ms_single": 1e3 * time_single(model.predict_proba, X_test),
        "fit_s": seconds,
    }
    return rounded(measures)


def time_single(ask, X):
    """Return the seconds of the processor for one row, the median of some calls."""
    seconds = []
    for i in range(CALLS):
        start = time.process_time()
        ask(X[i : i + 1])
        seconds.append(time.process_time() - start)
    return np.median(seconds)


# --- Report ---------------------------------------------------------------------------


def report(table, path):
    """Draw a figure beside the results; return tables, and paired differences."""
    plot_accuracy(table, path.with_suffix(".png"))
    return write_tables(table, path)


def write_tables(table, path):
    """Write tables, and paired differences -> the text."""
    order = table["method"].drop_duplicates()
    unit = table["set"] + ", " + table["labeled"].map("{:g}".format)
    grouped = table.assign(unit=unit).groupby(["method", "unit"], sort=False)
    found = grouped[["accuracy", "log_loss"]].agg(["mean", "min", "max"])
    accuracy = 100 * found["accuracy"]
    shown = accuracy["mean"].map("{:.1f}".format) + accuracy["min"].map(
        " ({:.1f} to ".format
    )
    shown = (shown + accuracy["max"].map("{:.1f})".format)).unstack()
    losses = found["log_loss"]["mean"].unstack().map("{:.3f}".format)
    costs = table.groupby("method", sort=False)[["kb", "ms_single", "fit_s"]].mean()
    costs["kb"] = costs["kb"].map("{:,.0f}".format)
    costs.columns = ["kB", "one row, ms", "fit, s"]
    columns = unit.drop_duplicates()
    n_seeds = table["seed"].nunique()
    parts = [
        f"{path}, {len(table)} rows: accuracy (%), mean and range of {n_seeds} seeds\n",
        shown.loc[order, columns].to_markdown(),
        "\nlog-loss\n",
        losses.loc[order, columns].to_markdown(disable_numparse=True),
        "\nwhat a method costs, the mean of all of its fits\n",
        costs.loc[order].to_markdown(floatfmt=".2f"),
    ]
    pairs = [pair for pair in PAIRS if set(pair) <= set(table["method"])]
    table = table.assign(set=table["set"] + " " + table["labeled"].astype(str))
    found = compare(table, pairs, "accuracy")
    found.insert(2, "points", show_differences(found, scale=100))
    kept = ["method", "against", "points", "higher", "lower", "sets", "pairs"]
    parts.append("\n" + found[kept].to_markdown(index=False))
    return "\n".join(parts)


PAIRS = [
    *((name, f"{name}, labels only") for name in (*list(TEXT_METHODS)[:5:2], "CNN")),
    ("bag", "TF-IDF + MLP"),
    ("bag", "TF-IDF + MLP, labels only"),
    ("bag", "mean of teachers"),
    ("bag", "pool of teachers"),
    ("bag", "best teacher"),
    ("transformer", "pool of teachers"),
    ("CNN, augmented", "CNN"),
    ("CNN, augmented", "CNN, labels only, augmented"),
    ("CNN, augmented", "mean of teachers"),
    ("CNN, augmented", "pool of teachers"),
    ("CNN, augmented", "best teacher"),
]
SHARED = {"keys": KEYS, "columns": COLUMNS, "measure": measure, "report": report}
TEXTS = Benchmark(
    name="deep_texts",
    methods=TEXT_METHODS,
    unit=TextUnit,
    sets=("banking77", "clinc150"),
    budgets=(5, 20),
    **SHARED,
)
IMAGES = Benchmark(
    name="deep_images",
    methods=IMAGE_METHODS,
    unit=ImageUnit,
    sets=("fashion_mnist",),
    budgets=(0.01, 0.1),
    **SHARED,
)


def main(args=None):
    """Run or report on the texts, then on the images."""
    failed = 0
    for benchmark in (TEXTS, IMAGES):
        options = read_options(benchmark, __doc__, args)
        if options.sets and not set(options.sets) <= set(benchmark.sets):
            continue  # it is the other that is asked for
        if options.quick:
            options.sets, options.budgets = benchmark.sets[:1], benchmark.budgets[:1]
            options.seeds = 1
        path = results_path(benchmark, options)
        if not options.report:
            failed += run_options(benchmark, path, options)
        print(report(read(path), path), flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
