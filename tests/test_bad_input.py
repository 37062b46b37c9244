"""Whatever is wrong, the error says what came and what to do about it."""

import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, ShuffleSplit, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils._param_validation import InvalidParameterError
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import BatchScoring, EpochScoring
from skorch.dataset import Dataset
from torch import nn

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.students import default_student
from sk_ekd.weighting import UnifiedWeighting

N_SAMPLES, N_FEATURES, N_CLASSES = 60, 4, 3
COLUMNS = ["age", "height", "weight", "income"]
WORDS = ["yes", "no", "perhaps"]

# --- What the cases are made of -----------------------------------------------------


class Ending(nn.Sequential):
    """A linear layer, and what the module ends in."""

    def __init__(self, in_features, out_features, end=None):
        super().__init__(nn.Linear(in_features, out_features), end or nn.Identity())


class OwnCrossEntropy(nn.CrossEntropyLoss):
    """A loss that may do anything on top."""


def net(module=nn.Linear, kind=NeuralNetClassifier, **params):
    params = {"criterion": nn.CrossEntropyLoss, "max_epochs": 1, "verbose": 0} | params
    return kind(module, **params)


def binary_net(**params):
    params = {"criterion": nn.BCEWithLogitsLoss} | params
    return net(kind=NeuralNetBinaryClassifier, **params)


def ending_in(end, criterion):
    return net(Ending, module__end=end, criterion=criterion)


def stub(name="stub", classes=(0, 1, 2), **methods):
    """Name a fitted teacher of another library, which takes any X."""
    methods = {"predict": lambda X: np.resize(classes, len(X))} | methods
    return name, SimpleNamespace(classes_=np.array(classes), **methods)


def answering(answer, method="predict_proba", **options):
    """Name a teacher that gives the same answer for each row."""
    return stub(**{method: lambda X: np.array([answer] * len(X))}, **options)


@pytest.fixture(scope="module")
def world():
    """Rows with every second label unknown, and teachers fitted on other rows."""
    X, y = make_classification(
        3 * N_SAMPLES, N_FEATURES, n_informative=4, n_redundant=0, n_classes=N_CLASSES,
        n_clusters_per_class=1, class_sep=0.5, flip_y=0.2, random_state=0,
    )  # fmt: skip
    seen, rows = slice(N_SAMPLES, None), slice(None, N_SAMPLES)
    teachers = [GaussianNB().fit(X[seen], y[seen])]
    teachers += [DecisionTreeClassifier(max_depth=2).fit(X[seen], y[seen])]
    world = SimpleNamespace(X=X[rows].astype(np.float32), y=y[rows], teachers=teachers)
    world.partly = np.where(np.arange(N_SAMPLES) % 2, world.y, -1)
    world.frame = pd.DataFrame(world.X, columns=COLUMNS)
    world.fitted = fit(world)
    world.fitted_to_frame = fit(
        world,
        X=world.frame,
        teachers=[stub()],
        student=default_student(world.frame).set_params(net__max_epochs=1),
    )
    return world


def distiller(world, **params):
    params = {"teachers": world.teachers, "student": net(), "random_state": 0} | params
    return EnsembleDistiller(**params)


def fit(world, *, X=None, y=None, sample_weight=None, teacher_proba=None, **params):
    X = world.X if X is None else X
    y = world.partly if y is None else y
    return distiller(world, **params).fit(
        X, y, sample_weight=sample_weight, teacher_proba=teacher_proba
    )


def fit_given(world, change, *, teachers=None, **args):
    """Fit to given answers, two teachers' of 1/3, after a change."""
    proba = np.full((N_SAMPLES, 2, N_CLASSES), 1 / 3, dtype=np.float32)
    return fit(world, teachers=teachers, teacher_proba=change(proba), **args)


def with_answer(answer):
    """Return the change that makes the second teacher answer so to row 3."""

    def change(proba):
        proba[3, 1] = answer
        return proba

    return change


def fit_unfitted(world, *, cv=3, teachers=None, **args):
    teachers = teachers or [GaussianNB(), LogisticRegression()]
    return fit(world, cv=cv, teachers=teachers, **args)


def fit_stub(world, teacher=None, **args):
    return fit(world, teachers=[teacher or stub()], **args)


def fit_bare(world, X, **args):
    """Let rows that suit any teacher meet a net without preprocessing."""
    return fit_stub(world, X=X, **args)


def fit_built_in(world, X, **args):
    return fit_stub(world, X=X, student=None, **args)


def fit_weighting(world, weighting, **args):
    return fit(world, weighting=weighting, **args)


PLAIN_SPLIT = ShuffleSplit(1, random_state=0)


def firsts(world):
    """Label the first row of each class only."""
    y = np.full(N_SAMPLES, -1)
    first = np.unique(world.y, return_index=True)[1]
    y[first] = world.y[first]
    return y


def unknown(world):
    return np.full(N_SAMPLES, -1)


def with_value(X, value):
    X = X.copy()
    X[3, 1] = value
    return X


def colored(world):
    colors = np.resize(["red", "green", "blue"], N_SAMPLES)
    return world.frame.assign(color=colors)


def dated(world):
    return world.frame.assign(day=pd.date_range("2024", periods=N_SAMPLES))


def many_outputs(world):
    """A forest that predicts two labels a row, of 3 and of 2 classes."""
    y = np.column_stack([world.y, world.y > 0])
    return RandomForestClassifier(2, random_state=0).fit(world.X, y)


def pairwise_svc(world):
    y = np.arange(N_SAMPLES) % 4
    return SVC(decision_function_shape="ovo").fit(world.X, y)


def initialized_dataset(world):
    return net(dataset=Dataset(world.X, world.y))


def two_classes(world):
    return world.y.clip(max=1)


# --- Errors -------------------------------------------------------------------------

TEACHERS = [
    (
        "unfitted teacher",
        lambda w: fit(w, teachers=[*w.teachers, ("novice", GaussianNB())]),
        NotFittedError,
        r"Teacher 'novice' is not fitted: fit it first, or set cv=5",
    ),
    (
        "no teachers",
        lambda w: fit(w, teachers=[]),
        ValueError,
        r"`teachers` is empty: pass at least one classifier",
    ),
    (
        "bare teacher to be fitted",
        lambda w: fit(w, teachers=GaussianNB(), cv=5),
        ValueError,
        r"cv=5 fits a list of teachers, got a bare GaussianNB: pass \[GaussianNB",
    ),
    (
        "teachers in a dict",
        lambda w: fit(w, teachers={"bayes": w.teachers[0]}),
        TypeError,
        r"`teachers` must be a list of classifiers, of \(name, classifier\), .*got \{",
    ),
    (
        "teacher's class",
        lambda w: fit(w, teachers=[GaussianNB]),
        TypeError,
        r"must be a classifier, got <class .*GaussianNB'>, a class: pass an instance",
    ),
    (
        "named teacher's class",
        lambda w: fit_unfitted(w, teachers=[("bayes", GaussianNB)]),
        TypeError,
        r"Teacher 'bayes' must be a classifier.*pass an instance",
    ),
    (
        "fitted regressor",
        lambda w: fit(w, teachers=[LinearRegression().fit(w.X, w.y)]),
        TypeError,
        r"Teacher 'linearregression' .*expected a .*classifier, got LinearRegression",
    ),
    (
        "unfitted regressor",
        lambda w: fit_unfitted(w, teachers=[LinearRegression()]),
        TypeError,
        r"Teacher 'linearregression' .*expected a .*classifier, got LinearRegression",
    ),
    (
        "unfitted regressor and strings",
        lambda w: fit_unfitted(w, teachers=[LinearRegression()], y=np.take(WORDS, w.y)),
        TypeError,
        r"Teacher 'linearregression' .*expected a .*classifier, got LinearRegression",
    ),
    (
        "transformer",
        lambda w: fit(w, teachers=[StandardScaler().fit(w.X)]),
        TypeError,
        r"Teacher 'standardscaler' must be a classifier, got StandardScaler\(\)",
    ),
    (
        "no way to ask the teacher",
        lambda w: fit(w, teachers=[("mute", SimpleNamespace(classes_=np.arange(3)))]),
        TypeError,
        r"Teacher 'mute' .*predict_proba, decision_function or predict",
    ),
    (
        "teacher without classes_",
        lambda w: fit(w, teachers=[("plain", SimpleNamespace(predict=np.ravel))]),
        TypeError,
        r"Teacher 'plain' has no `classes_`: expected a fitted classifier",
    ),
    (
        "teacher of many outputs",
        lambda w: fit(w, teachers=[("grove", many_outputs(w))]),
        ValueError,
        r"Teacher 'grove' must predict one label a row",
    ),
    (
        "same name twice",
        lambda w: fit(w, teachers=[("twin", teacher) for teacher in w.teachers]),
        ValueError,
        r"names must be unique, got 'twin' twice",
    ),
    (
        "name is a number",
        lambda w: fit(w, teachers=[(7, w.teachers[0])]),
        TypeError,
        r"name must be a string, got 7",
    ),
    (
        "name after the teacher",
        lambda w: fit(w, teachers=[(w.teachers[0], "bayes")]),
        TypeError,
        r"name must be a string, got GaussianNB\(\)",
    ),
    (
        "teachers without a common class",
        lambda w: fit(w, teachers=[stub("low"), stub("high", (10, 11))], y=unknown(w)),
        ValueError,
        r"teacher 'low', \[0, 1, 2\], have nothing in common .*\[10, 11\].*Encode",
    ),
    (
        "teachers of strings and of numbers",
        lambda w: fit(w, teachers=[stub("digits"), stub("words", WORDS)], y=unknown(w)),
        ValueError,
        r"all numbers or all strings.*digits: \[0, 1, 2\]; words: \['yes'.*Encode",
    ),
    (
        "teacher knows the mark",
        lambda w: fit(w, teachers=[stub("signed", (-1, 1))], y=unknown(w)),
        ValueError,
        r"'signed' knows the class -1, which marks unlabeled .*`unlabeled_label`",
    ),
]

LABELS = [
    (
        "y None",
        lambda w: distiller(w).fit(w.X, None),
        ValueError,
        r"EnsembleDistiller estimator requires y to be passed",
    ),
    (
        "y of strings, teachers of ints",
        lambda w: fit(w, y=np.take(WORDS, w.y)),
        ValueError,
        r"all numbers or all strings.* y: \['no', .*gaussiannb: \[0, 1, 2\].*Encode",
    ),
    (
        "y and teachers disjoint",
        lambda w: fit(w, y=w.y + 10),
        ValueError,
        r"labels in y, \[10, 11, 12\], have nothing in common .*\[0, 1, 2\].*Encode",
    ),
    (
        "nothing labeled to fit teachers on",
        lambda w: fit_unfitted(w, y=unknown(w)),
        ValueError,
        r"cv=3 fits the teachers on labeled rows, but y has none: label some rows",
    ),
    (
        "-1 is a class",
        lambda w: fit_unfitted(w, y=2 * two_classes(w) - 1),
        ValueError,
        r"one class, \[1\], .*mark -1\. If the mark is one of your classes, set unlab",
    ),
    (
        "one class",
        lambda w: fit_unfitted(w, y=np.zeros(N_SAMPLES)),
        ValueError,
        r"Expected at least 2 classes, got one class, \[0\.0\], in y",
    ),
    (
        "one class in y and the teacher",
        lambda w: fit(w, teachers=[DummyClassifier().fit(w.X, 0 * w.y)], y=unknown(w)),
        ValueError,
        r"Expected at least 2 classes, got one class, \[0\], in y and the teachers",
    ),
    (
        "mark turned into text",
        lambda w: fit_unfitted(w, y=np.where(w.partly < 0, "-1", np.take(WORDS, w.y))),
        ValueError,
        r'y holds the string "-1".*dtype=object',
    ),
    (
        "strings and numbers",
        lambda w: fit_unfitted(w, y=["yes", "no", 3] * 20),
        ValueError,
        r"labels in y must be all numbers or all strings, got \[3, 'yes'\]",
    ),
    (
        "dates",
        lambda w: fit_unfitted(w, y=pd.Series(pd.date_range("2024", periods=60))),
        ValueError,
        r"labels in y must be all numbers or all strings, got \[?datetime",
    ),
    (
        "bytes",
        lambda w: fit_unfitted(w, y=np.take(WORDS, w.y).astype(bytes)),
        ValueError,
        r"labels in y must be all numbers or all strings, got \|S",
    ),
    (
        "continuous y",
        lambda w: fit_unfitted(w, y=w.X[:, 0]),
        ValueError,
        r"Unknown label type: continuous.*expects discrete classes",
    ),
    (
        "infinite y",
        lambda w: fit(w, y=np.where(w.partly < 0, np.inf, w.y)),
        ValueError,
        r"y contains infinity: expected class labels, .*missing value",
    ),
    (
        "complex y",
        lambda w: fit(w, y=w.y + 1j),
        ValueError,
        r"Complex data not supported: y must hold class labels",
    ),
    (
        "y one-hot",
        lambda w: fit(w, y=np.eye(N_CLASSES)[w.y]),
        ValueError,
        r"y should be a 1d array, got an array of shape \(60, 3\)",
    ),
    (
        "y two columns of a frame",
        lambda w: fit(w, y=pd.DataFrame({"a": w.y, "b": w.y})),
        ValueError,
        r"y should be a 1d array, got an array of shape \(60, 2\)",
    ),
    (
        "y sparse",
        lambda w: fit(w, y=sparse.csr_array(w.y[:, np.newaxis])),
        TypeError,
        r"y .*sparse.*\.toarray\(\)",
    ),
    (
        "y too short",
        lambda w: fit(w, y=w.y[:-1]),
        ValueError,
        r"inconsistent numbers of samples: \[60, 59\]",
    ),
    (
        "mark is a list",
        lambda w: fit(w, unlabeled_label=[-1, -2]),
        InvalidParameterError,
        r"'unlabeled_label' parameter of EnsembleDistiller must be .* Got \[-1, -2\]",
    ),
]

ROWS = [
    (
        "no rows",
        lambda w: fit(w, X=w.X[:0], y=w.y[:0]),
        ValueError,
        r"X and y with 0 samples: at least 1 is required",
    ),
    (
        "one column as a vector",
        lambda w: fit(w, X=w.X[:, 0]),
        ValueError,
        r"Expected a 2D array of rows, got an array of shape \(60,\)\. Reshape",
    ),
    (
        "X None",
        lambda w: distiller(w).fit(None, w.y),
        ValueError,
        r"Expected a 2D array of rows, got .*None",
    ),
    (
        "3-D X and the built-in student",
        lambda w: fit_built_in(w, w.X.reshape(60, 2, 2)),
        ValueError,
        r"student=None .*\(60, 2, 2\).*student",
    ),
    (
        "strings and the built-in student",
        lambda w: fit_built_in(w, ["a text"] * N_SAMPLES),
        ValueError,
        r"student=None takes tables.*list of str.*TfidfVectorizer",
    ),
    (
        "series of strings and the built-in student",
        lambda w: fit_built_in(w, pd.Series(["a text"] * N_SAMPLES)),
        ValueError,
        r"student=None takes tables.* of str.*TfidfVectorizer",
    ),
    (
        "dates and the built-in student",
        lambda w: fit_built_in(w, dated(w)),
        ValueError,
        r"student=None cannot read columns of dates.*\['day'\]: turn them into num",
    ),
    (
        "array of dates and the built-in student",
        lambda w: fit_built_in(w, dated(w)[["day"]].to_numpy()),
        ValueError,
        r"student=None cannot read .*dates.*turn them into numbers",
    ),
    (
        "infinity and the built-in student",
        lambda w: fit_built_in(w, with_value(w.X, np.inf)),
        ValueError,
        r"X contains infinity",
    ),
    (
        "infinity in a frame and the built-in student",
        lambda w: fit_built_in(w, w.frame.where(w.frame > 0, np.inf)),
        ValueError,
        r"X contains infinity",
    ),
    (
        "NaN and a bare net",
        lambda w: fit_bare(w, with_value(w.X, np.nan)),
        ValueError,
        r"X contains NaN .*the student's net.*SimpleImputer\(\), net\)",
    ),
    (
        "infinity and a bare net",
        lambda w: fit_bare(w, with_value(w.X, np.inf)),
        ValueError,
        r"X contains infinity .*the student's net cannot take\. (Clip|Replace)",
    ),
    (
        "too large for float32",
        lambda w: fit_bare(w, with_value(w.X.astype(float), 1e300)),
        ValueError,
        r"X contains .*too large for dtype\('float32'\).* (Clip|Replace)",
    ),
    (
        "NaN in a sparse matrix and a bare net",
        lambda w: fit(
            w,
            X=sparse.csr_array(with_value(w.X, np.nan)),
            teachers=[stub(predict=lambda X: np.zeros(X.shape[0]))],
        ),
        ValueError,
        r"X contains NaN .*the student's net.*SimpleImputer\(\), net\)",
    ),
    (
        "string column and a bare net",
        lambda w: fit_bare(w, colored(w)),
        ValueError,
        r"net takes numbers only.*\['color'\].*encoder before the net.*student=None",
    ),
    (
        "dates and a bare net",
        lambda w: fit_bare(w, dated(w)),
        ValueError,
        r"net takes numbers only.*\['day'\]",
    ),
    (
        "string column of an array and a bare net",
        lambda w: fit_bare(w, colored(w).to_numpy()),
        ValueError,
        r"net takes numbers only.*encoder before the net.*student=None",
    ),
    (
        "list of strings and a bare net",
        lambda w: fit_bare(w, ["a text"] * N_SAMPLES),
        ValueError,
        r"net takes numbers only, but X is a list of strings.*TfidfVectorizer\(\), net",
    ),
    (
        "array of strings and a bare net",
        lambda w: fit_bare(w, np.array(["a text"] * N_SAMPLES, dtype=object)),
        ValueError,
        r"net takes numbers only.*strings.*TfidfVectorizer\(\), net",
    ),
    (
        "series of strings and a bare net",
        lambda w: fit_bare(w, pd.Series(["a text"] * N_SAMPLES)),
        ValueError,
        r"net takes numbers only.*strings.*TfidfVectorizer\(\), net",
    ),
    (
        "complex X and a bare net",
        lambda w: fit_bare(w, w.X + 1j),
        ValueError,
        r"Complex data not supported",
    ),
]

SAMPLE_WEIGHT = [
    (
        "weights too short",
        lambda w: fit(w, sample_weight=np.ones(59)),
        ValueError,
        r"`sample_weight` must be a 1D array of one weight a row, shape \(60,\), got .*"
        r"shape \(59,\)",
    ),
    (
        "weight negative",
        lambda w: fit(w, sample_weight=np.linspace(-1, 1, N_SAMPLES)),
        ValueError,
        r"Sample weights must be non-negative .*from -1\.0 to 1\.0",
    ),
    (
        "weights all zero",
        lambda w: fit(w, sample_weight=np.zeros(N_SAMPLES)),
        ValueError,
        r"Sample weights .*must not all be zero",
    ),
    (
        "weight NaN",
        lambda w: fit(w, sample_weight=np.full(N_SAMPLES, np.nan)),
        ValueError,
        r"sample_weight contains NaN",
    ),
    (
        "weights 2-D",
        lambda w: fit(w, sample_weight=np.ones((N_SAMPLES, 2))),
        ValueError,
        r"`sample_weight` must be a 1D array.*\(60, 2\)",
    ),
    (
        "weight a scalar",
        lambda w: fit(w, sample_weight=2.0),
        ValueError,
        r"`sample_weight` must be a 1D array.*\(\)",
    ),
]

STUDENT = [
    (
        "module",
        lambda w: fit(w, student=nn.Linear(4, 3)),
        TypeError,
        r"`student` must be a skorch .*got Linear: .*wrap the module: NeuralNetClass",
    ),
    (
        "student's class",
        lambda w: fit(w, student=NeuralNetClassifier),
        TypeError,
        r"`student` must be a skorch .*a class: pass an instance",
    ),
    (
        "student a string",
        lambda w: fit(w, student="mlp"),
        TypeError,
        r"`student` must be a skorch .*got str: .*None for the built-in network",
    ),
    (
        "forest",
        lambda w: fit(w, student=RandomForestClassifier()),
        TypeError,
        r"`student` must be a skorch .*got RandomForestClassifier: .*None for the",
    ),
    (
        "pipeline that ends in a forest",
        lambda w: fit(w, student=make_pipeline(StandardScaler(), SVC())),
        TypeError,
        r"`student` must be a skorch .*got SVC: .*Pipeline that ends in one",
    ),
    (
        "regressor",
        lambda w: fit(w, student=net(kind=NeuralNetRegressor, criterion=nn.MSELoss)),
        TypeError,
        r"`student` must be a skorch NeuralNetClassifier .*got NeuralNetRegressor",
    ),
    (
        "criterion MSELoss",
        lambda w: fit(w, student=net(criterion=nn.MSELoss)),
        TypeError,
        r"criterion of the student.* must be torch\.nn\.CrossEntropyLoss or .*MSELoss",
    ),
    (
        "criterion of one's own",
        lambda w: fit(w, student=net(criterion=OwnCrossEntropy)),
        TypeError,
        r"criterion of the student.* must be torch\.nn\.CrossEntropyLoss or .*OwnCr",
    ),
    (
        "criterion of a binary net",
        lambda w: fit(w, student=binary_net(criterion=nn.CrossEntropyLoss)),
        TypeError,
        r"NeuralNetBinaryClassifier, must be torch\.nn\.BCEWithLogitsLoss, got Cross",
    ),
    (
        "binary net and three classes",
        lambda w: fit(w, student=binary_net()),
        ValueError,
        r"BinaryClassifier is for 2 classes, there are 3: use NeuralNetClassifier",
    ),
    (
        "binary net with two outputs",
        lambda w: fit_stub(
            w,
            stub(classes=(0, 1)),
            y=two_classes(w),
            student=binary_net(module__out_features=2),
        ),
        ValueError,
        r"student's module must return one .*\(8, 2\).*`module__out_features` unset",
    ),
    (
        "too few inputs",
        lambda w: fit(w, student=net(module__in_features=3)),
        ValueError,
        r"module cannot take float32 rows of shape \(4,\).*`module__in_features` unset",
    ),
    (
        "too many outputs",
        lambda w: fit(w, student=net(module__out_features=5)),
        ValueError,
        r"each of the 3 classes.*got \(8, 5\).*leave `module__out_features` unset",
    ),
    (
        "initialized module of another width",
        lambda w: fit(w, student=net(nn.Linear(4, 2))),
        ValueError,
        r"each of the 3 classes.*got \(8, 2\)\. Give it that width",
    ),
    (
        "3-D output",
        lambda w: fit(
            w, student=ending_in(nn.Unflatten(1, (3, 1)), nn.CrossEntropyLoss)
        ),
        ValueError,
        r"each of the 3 classes.*got \(8, 3, 1\)",
    ),
    (
        "logits under NLLLoss",
        lambda w: fit(w, student=net(criterion=nn.NLLLoss)),
        ValueError,
        r"NLLLoss, .*returns probabilities.*softmax, or .*CrossEntropyLoss",
    ),
    (
        "log_softmax under NLLLoss",
        lambda w: fit(w, student=ending_in(nn.LogSoftmax(dim=1), nn.NLLLoss)),
        ValueError,
        r"NLLLoss, .*returns probabilities.*softmax, or .*CrossEntropyLoss",
    ),
    (
        "initialized Dataset",
        lambda w: fit(w, student=initialized_dataset(w)),
        ValueError,
        r"student's `dataset` is an initialized Dataset.*pass its class",
    ),
]

PARAMETERS = [
    (
        "alpha above 1",
        lambda w: fit(w, alpha=1.5),
        InvalidParameterError,
        r"'alpha' parameter of EnsembleDistiller must be .*\[0\.0, 1\.0\]\. Got 1\.5",
    ),
    (
        "alpha below 0",
        lambda w: fit(w, alpha=-0.1),
        InvalidParameterError,
        r"'alpha' parameter .*\[0\.0, 1\.0\]\. Got -0\.1",
    ),
    (
        "alpha text",
        lambda w: fit(w, alpha="half"),
        InvalidParameterError,
        r"'alpha' parameter .*must be a float .*Got 'half'",
    ),
    (
        "alpha NaN",
        lambda w: fit(w, alpha=np.nan),
        InvalidParameterError,
        r"'alpha' parameter .*\[0\.0, 1\.0\]\. Got nan",
    ),
    (
        "temperature 0",
        lambda w: fit(w, temperature=0),
        InvalidParameterError,
        r"'temperature' parameter .*\(0\.0, inf\)\. Got 0",
    ),
    (
        "temperature negative",
        lambda w: fit(w, temperature=-2.0),
        InvalidParameterError,
        r"'temperature' parameter .*\(0\.0, inf\)\. Got -2\.0",
    ),
    (
        "temperature infinite",
        lambda w: fit(w, temperature=np.inf),
        InvalidParameterError,
        r"'temperature' parameter .*\(0\.0, inf\)\. Got inf",
    ),
    (
        "random_state text",
        lambda w: fit(w, random_state="seed"),
        InvalidParameterError,
        r"'random_state' parameter .*must be .*Got 'seed'",
    ),
    (
        "n_jobs text",
        lambda w: fit(w, n_jobs="all"),
        InvalidParameterError,
        r"'n_jobs' parameter .*must be .*int.*Got 'all'",
    ),
    (
        "alpha 0 without labels",
        lambda w: fit(w, alpha=0, y=unknown(w)),
        ValueError,
        r"alpha=0 learns from labels only, .*no labeled row: raise `alpha`",
    ),
    (
        "alpha 1 without weights",
        lambda w: fit_weighting(w, lambda rows: 0 * rows.proba[:, :, 0], alpha=1),
        ValueError,
        r"alpha=1 learns from the teachers only, .*weight of zero: lower `alpha`",
    ),
    (
        "neither labels nor weights",
        lambda w: fit_weighting(w, lambda rows: 0 * rows.proba[:, :, 0], y=unknown(w)),
        ValueError,
        r"no labeled row.*weight of zero.*change `weighting`",
    ),
]

WEIGHTING = [
    (
        "weighting misspelled",
        lambda w: fit_weighting(w, "unfied"),
        InvalidParameterError,
        r"'weighting' parameter .*'unified'.*callable.* Got 'unfied'",
    ),
    (
        "weighting's class",
        lambda w: fit_weighting(w, UnifiedWeighting),
        TypeError,
        r"`weighting` must be an instance.*write UnifiedWeighting\(\)",
    ),
    (
        "weight a misspelled",
        lambda w: fit_weighting(w, UnifiedWeighting(teacher="typo")),
        ValueError,
        r"`teacher` of UnifiedWeighting must be .*'correctness', 'uniform'.*got 'typo'",
    ),
    (
        "weight b takes no disagreement",
        lambda w: fit_weighting(w, UnifiedWeighting(labeled="disagreement")),
        ValueError,
        r"`labeled` of UnifiedWeighting must be .*'correctness', 'uniform'.*got 'disa",
    ),
    (
        "weight c misspelled and no unlabeled row",
        lambda w: fit_weighting(w, UnifiedWeighting(unlabeled="typo"), y=w.y),
        ValueError,
        r"`unlabeled` of UnifiedWeighting must be .*'disagreement'.*got 'typo'",
    ),
    (
        "weight a not a string",
        lambda w: fit_weighting(w, UnifiedWeighting(teacher=["correctness"])),
        ValueError,
        r"`teacher` of UnifiedWeighting must be .*'correctness', 'uniform'.*got \['",
    ),
    (
        "weight b for each teacher",
        lambda w: fit_weighting(w, UnifiedWeighting(labeled=lambda p, y: p[:, :, 0])),
        ValueError,
        r"`labeled` of UnifiedWeighting must return .*\(n_samples,\).*got .*\(30, 2\)",
    ),
    (
        "weight a for each row only",
        lambda w: fit_weighting(w, UnifiedWeighting(teacher=lambda p, y: p[:, 0, 0])),
        ValueError,
        r"`teacher` of UnifiedWeighting must return .*n_samples, n_teachers.*\(30,\)",
    ),
    (
        "weights negative",
        lambda w: fit_weighting(w, lambda rows: -rows.proba[:, :, 0]),
        ValueError,
        r"weighting must return finite, non-negative numbers, got .* from -",
    ),
    (
        "weights NaN",
        lambda w: fit_weighting(w, lambda rows: np.nan * rows.proba[:, :, 0]),
        ValueError,
        r"weighting must return finite, non-negative numbers, got .* from nan",
    ),
    (
        "weights text",
        lambda w: fit_weighting(w, lambda rows: np.full((len(rows.y), 2), "much")),
        ValueError,
        r"weighting must return finite, non-negative numbers, got <U4",
    ),
    (
        "weights for each row only",
        lambda w: fit_weighting(w, lambda rows: np.ones(len(rows.y))),
        ValueError,
        r"weighting must return .*n_samples, n_teachers.*\(60, 2\) here, got \(60,\)",
    ),
    (
        "weights forgotten",
        lambda w: fit_weighting(w, lambda rows: None),
        ValueError,
        r"weighting must return .*\(n_samples, n_teachers\), \(60, 2\) here, got \(\)",
    ),
]

CV = [
    (
        "teachers saw what they answer",
        lambda w: fit_unfitted(w, cv=[(np.arange(N_SAMPLES), np.arange(N_SAMPLES))]),
        ValueError,
        r"Split 0 of `cv` .*trains on 30 of the 30 rows that it tests",
    ),
    (
        "position beyond X",
        lambda w: fit_unfitted(w, cv=[([1, 999], [3])]),
        ValueError,
        r"Positions in `cv` must be from 0 to 59, got 1 to 999",
    ),
    (
        "mask of another length",
        lambda w: fit_unfitted(w, cv=[(np.ones(9, bool), np.ones(9, bool))]),
        ValueError,
        r"masks of length 60, got bool of shape \(9,\)",
    ),
    (
        "cv misspelled",
        lambda w: fit(w, cv="pre-fit"),
        InvalidParameterError,
        r"'cv' parameter .*'prefit'.* Got 'pre-fit'",
    ),
    (
        "one fold",
        lambda w: fit_unfitted(w, cv=1),
        InvalidParameterError,
        r"'cv' parameter .*\[2, inf\).* Got 1",
    ),
    (
        "cv tests some rows never",
        lambda w: fit_unfitted(w, cv=ShuffleSplit(3, random_state=0)),
        ValueError,
        r"`cv` must test every labeled row once, as KFold .*never and \d+ more than",
    ),
    (
        "cv of one split",
        lambda w: fit_unfitted(w, cv=[(np.arange(30), np.arange(30, 60))]),
        ValueError,
        r"`cv` must test every labeled row once, as KFold .*15 of 30 rows never",
    ),
    (
        "cv empty",
        lambda w: fit_unfitted(w, cv=[]),
        ValueError,
        r"`cv` must test every labeled row once, as KFold .*30 of 30 rows never",
    ),
    (
        "more folds than labeled rows",
        lambda w: fit_unfitted(w, cv=5, y=np.where(np.arange(60) < 4, w.y % 2, -1)),
        ValueError,
        r"`cv` as StratifiedKFold\(n_splits=5.* the 4 labeled rows.*lower `cv`",
    ),
    (
        "one class in a fold's training part",
        lambda w: fit_unfitted(w, cv=KFold(2), y=np.repeat([0, 1], 30)),
        ValueError,
        r"Teacher 'logisticregression' .*one class|one class.*Teacher 'logisticregr",
    ),
    (
        "teacher that cannot be cloned",
        lambda w: fit_unfitted(w, teachers=[stub("foreign")]),
        TypeError,
        r"'foreign'.*cv='prefit'",
    ),
]

ANSWERS = [
    (
        "proba NaN",
        lambda w: fit_stub(w, answering([np.nan] * 3)),
        ValueError,
        r"predict_proba of teacher 'stub' is NaN .* in 60 of 60 rows, first in row 0",
    ),
    (
        "proba are logits",
        lambda w: fit_stub(w, answering([3.0, -1.0, 0.5])),
        ValueError,
        r"predict_proba of teacher 'stub' must return probabilities, got .*softmax",
    ),
    (
        "proba all zero",
        lambda w: fit_stub(w, answering([0.0, 0.0, 0.0])),
        ValueError,
        r"predict_proba of teacher 'stub' must return probabilities, got .*sum to 0",
    ),
    (
        "proba too wide",
        lambda w: fit_stub(w, answering([0.25] * 4)),
        ValueError,
        r"predict_proba of teacher 'stub' must have one column .* 3 classes.*\(60, 4\)",
    ),
    (
        "proba of the second class only",
        lambda w: fit_stub(w, answering(0.5, classes=(0, 1)), y=two_classes(w)),
        ValueError,
        r"predict_proba of teacher 'stub' must have one column .* 2 classes.*\(60,\)",
    ),
    (
        "proba text",
        lambda w: fit_stub(w, answering(["much", "some", "little"])),
        ValueError,
        r"predict_proba of teacher 'stub' must return one array of numbers",
    ),
    (
        "proba of too few rows",
        lambda w: fit(
            w, teachers=[*w.teachers, stub(predict_proba=lambda X: np.eye(3))]
        ),
        ValueError,
        r"predict_proba of teacher 'stub' .*60 rows.*\(3, 3\)",
    ),
    (
        "decision NaN",
        lambda w: fit_stub(w, answering([np.nan] * 3, "decision_function")),
        ValueError,
        r"decision_function of teacher 'stub' is NaN",
    ),
    (
        "decision of pairs",
        lambda w: fit(w, teachers=[("pairs", pairwise_svc(w))]),
        ValueError,
        r"decision_function of teacher 'pairs' .*for each pair.*function_shape='ovr'",
    ),
    (
        "stranger among the votes",
        lambda w: fit_stub(w, answering(9, "predict")),
        ValueError,
        r"predict of teacher 'stub' returned .*9.*not among its classes_ \[0, 1, 2\]",
    ),
    (
        "teacher fitted to other columns",
        lambda w: fit(w, X=w.X[:, :3]),
        ValueError,
        r"X has 3 features, but GaussianNB is expecting 4 features",
    ),
]

PREDICTION = [
    (
        "predict before fit",
        lambda w: distiller(w).predict(w.X),
        NotFittedError,
        r"EnsembleDistiller instance is not fitted yet\. Call 'fit'",
    ),
    (
        "predict_proba before fit",
        lambda w: distiller(w).predict_proba(w.X),
        NotFittedError,
        r"EnsembleDistiller instance is not fitted yet\. Call 'fit'",
    ),
    (
        "score before fit",
        lambda w: distiller(w).score(w.X, w.y),
        NotFittedError,
        r"EnsembleDistiller instance is not fitted yet\. Call 'fit'",
    ),
    (
        "column missing",
        lambda w: w.fitted_to_frame.predict(w.frame.drop(columns="age")),
        ValueError,
        r"seen at fit time, yet now missing:\n- age",
    ),
    (
        "column too many",
        lambda w: w.fitted_to_frame.predict(w.frame.assign(color="red")),
        ValueError,
        r"names unseen at fit time:\n- color",
    ),
    (
        "columns in another order",
        lambda w: w.fitted_to_frame.predict(w.frame[COLUMNS[::-1]]),
        ValueError,
        r"Feature names must be in the same order as they were in fit",
    ),
    (
        "array of another width",
        lambda w: w.fitted.predict(w.X[:, :3]),
        ValueError,
        r"X has 3 features, but EnsembleDistiller is expecting 4 features",
    ),
    (
        "one row as a vector",
        lambda w: w.fitted.predict(w.X[0]),
        ValueError,
        r"Expected a 2D array of rows, got .*\(4,\)\. Reshape",
    ),
    (
        "NaN that fit has not seen",
        lambda w: w.fitted.predict(with_value(w.X, np.nan)),
        ValueError,
        r"X contains NaN .*the student's net.*SimpleImputer\(\), net\)",
    ),
    (
        "no rows to predict",
        lambda w: w.fitted.predict(w.X[:0]),
        ValueError,
        r"0 sample",
    ),
    (
        "nothing to score",
        lambda w: w.fitted.score(w.X, unknown(w)),
        ValueError,
        r"y has no labeled row to score: every label is unknown",
    ),
    (
        "score too few labels",
        lambda w: w.fitted.score(w.X, w.y[:-1]),
        ValueError,
        r"inconsistent numbers of samples: \[60, 59\]",
    ),
    (
        "score labels of another kind",
        lambda w: w.fitted.score(w.X, np.take(WORDS, w.y)),
        ValueError,
        r"labels in y .*all numbers or all strings.*\['no', .*\[0, 1, 2\]",
    ),
]

TEACHER_PROBA = [
    (
        "neither teachers nor answers",
        lambda w: distiller(w, teachers=None).fit(w.X, w.partly),
        ValueError,
        r"`teachers` is None: pass classifiers, or their answers .*teacher_proba=",
    ),
    (
        "one row missing",
        lambda w: fit_given(w, lambda p: p[1:]),
        ValueError,
        r"`teacher_proba` must have shape \(60, n_teachers, n_classes\), got "
        r"\(59, 2, 3\)",
    ),
    (
        "teachers first",
        lambda w: fit_given(w, lambda p: p.transpose(1, 0, 2)),
        ValueError,
        r"must have shape \(60, .*got \(2, 60, 3\).*rows come first",
    ),
    (
        "one teacher, no axis for it",
        lambda w: fit_given(w, lambda p: p[:, 0]),
        ValueError,
        r"must have shape \(60, n_teachers, n_classes\), got \(60, 3\)",
    ),
    (
        "no teacher",
        lambda w: fit_given(w, lambda p: p[:, :0]),
        ValueError,
        r"must have shape .*got \(60, 0, 3\)",
    ),
    (
        "fewer teachers than passed",
        lambda w: fit_given(w, lambda p: p[:, :1], teachers=w.teachers),
        ValueError,
        r"must have shape \(60, 2, n_classes\), got \(60, 1, 3\)",
    ),
    (
        "NaN",
        lambda w: fit_given(w, with_answer(np.nan)),
        ValueError,
        r"`teacher_proba` must hold probabilities.*1 of 60 rows.*first row 3, teacher "
        r"1, which sums to nan: \[nan, nan, nan\]",
    ),
    (
        "infinite",
        lambda w: fit_given(w, with_answer([np.inf, 0, 0])),
        ValueError,
        r"1 of 60 rows that do not, first row 3, teacher 1, which sums to inf",
    ),
    (
        "negative",
        lambda w: fit_given(w, with_answer([1.5, -0.5, 0])),
        ValueError,
        r"first row 3, teacher 1, which sums to 1: \[1\.5, -0\.5, 0\]",
    ),
    (
        "logits",
        lambda w: fit_given(w, lambda p: 5 * p),
        ValueError,
        r"60 of 60 rows that do not, first row 0, teacher 0, which sums to 5",
    ),
    (
        "percentages",
        lambda w: fit_given(w, with_answer([50, 30, 20])),
        ValueError,
        r"first row 3, teacher 1, which sums to 100: \[50, 30, 20\]",
    ),
    (
        "words",
        lambda w: fit_given(w, lambda p: p.astype(str)),
        ValueError,
        r"`teacher_proba` must hold numbers, got dtype <U",
    ),
    (
        "ragged",
        lambda w: fit_given(w, lambda p: [[[1.0]], [[0.5, 0.5]]]),
        ValueError,
        r"inhomogeneous shape",
    ),
    (
        "more columns than classes",
        lambda w: fit_given(w, lambda p: p, y=np.where(w.partly == 2, -1, w.partly)),
        ValueError,
        r"has 3 columns, but there are 2 classes, \[0, 1\].*name all of them in "
        r"`classes`",
    ),
    (
        "fewer columns than classes",
        lambda w: fit_given(w, lambda p: p[:, :, :2] * 1.5),
        ValueError,
        r"has 2 columns, but there are 3 classes, \[0, 1, 2\]",
    ),
]

CLASSES = [
    (
        "not sorted",
        lambda w: fit(w, classes=[2, 1, 0]),
        ValueError,
        r"`classes` must be sorted and unique.*got \[2, 1, 0\]: sort it, and the "
        r"columns",
    ),
    (
        "repeated",
        lambda w: fit(w, classes=[0, 1, 1, 2]),
        ValueError,
        r"`classes` must be sorted and unique.*\[0, 1, 1, 2\]",
    ),
    (
        "one",
        lambda w: fit(w, classes=[0]),
        ValueError,
        r"`classes` must be a 1D array of at least 2 classes.*\(1,\)",
    ),
    (
        "too few",
        lambda w: fit(w, classes=[0, 1]),
        ValueError,
        r"must name all classes of y and the teachers, got \[0, 1\] without \[2\]",
    ),
    (
        "of another kind",
        lambda w: fit(w, classes=WORDS[1::-1]),
        ValueError,
        r"all numbers or all strings.*\[0, 1, 2\] and \['no', 'yes'\]",
    ),
    (
        "mixed",
        lambda w: fit(w, classes=np.array([0, "1", 2], dtype=object)),
        ValueError,
        r"`classes` must be all numbers or all strings, got \[0, '1', 2\]",
    ),
    (
        "NaN",
        lambda w: fit(w, classes=[0, 1, 2, np.nan]),
        ValueError,
        r"`classes` must be all numbers or all strings, got \[0\.0, 1\.0, 2\.0, nan\]",
    ),
    (
        "with the mark",
        lambda w: fit(w, classes=[-1, 0, 1, 2]),
        ValueError,
        r"`classes` holds -1, which marks unlabeled rows",
    ),
    (
        "a number",
        lambda w: fit(w, classes=3),
        InvalidParameterError,
        r"'classes' parameter.*array-like or None\. Got 3",
    ),
]

CLASS_WEIGHT = [
    (
        "a misspelt name",
        lambda w: fit(w, class_weight="balance"),
        InvalidParameterError,
        r"'class_weight' parameter.*'balanced'.*Got 'balance'",
    ),
    (
        "a class that is not there",
        lambda w: fit(w, class_weight={7: 2.0}),
        ValueError,
        r"`class_weight` .*to classes among \[0, 1, 2\], got \{7: 2\.0\}",
    ),
    (
        "the mark",
        lambda w: fit(w, class_weight={-1: 0.5, 0: 2.0}),
        ValueError,
        r"`class_weight` .*to classes among \[0, 1, 2\], got \{-1: 0\.5",
    ),
    (
        "negative",
        lambda w: fit(w, class_weight={0: -1.0}),
        ValueError,
        r"must give finite, non-negative weights .*got \{0: -1\.0\}",
    ),
    (
        "NaN",
        lambda w: fit(w, class_weight={0: np.nan}),
        ValueError,
        r"must give finite, non-negative weights .*got \{0: nan\}",
    ),
    (
        "nothing left",
        lambda w: fit(w, y=w.y, class_weight={0: 0, 1: 0, 2: 0}),
        ValueError,
        r"`class_weight` .* leaves no row any weight",
    ),
]

VALIDATION = [
    (
        "all rows",
        lambda w: fit(w, validation_fraction=1.0),
        InvalidParameterError,
        r"'validation_fraction' .*\(0\.0, 1\.0\).*Got 1\.0",
    ),
    (
        "a percentage",
        lambda w: fit(w, validation_fraction=20),
        InvalidParameterError,
        r"'validation_fraction' .*Got 20",
    ),
    (
        "less than a row",
        lambda w: fit(w, validation_fraction=0.001),
        ValueError,
        r"validation_fraction=0\.001 holds out none of the 60 rows .*of which 4, the "
        r"first of each label, train: raise it",
    ),
    (
        "nothing but the first row of each class",
        lambda w: fit(
            w, y=firsts(w), alpha=0.0, weighting="uniform", validation_fraction=0.9
        ),
        ValueError,
        r"holds out none of the 3 rows .*of which 3, .*label more rows",
    ),
    (
        "callbacks disabled",
        lambda w: fit(w, validation_fraction=0.2, student=net(callbacks="disable")),
        ValueError,
        r"`validation_fraction` stops the training by a callback.*'disable'",
    ),
    (
        "scores by name",
        lambda w: fit(
            w, validation_fraction=0.2, student=net(callbacks=[EpochScoring("f1")])
        ),
        ValueError,
        r"EpochScoring\('f1'\) cannot score.*monitor valid_loss or valid_acc",
    ),
    (
        "scores of cached answers",
        lambda w: fit(
            w,
            validation_fraction=0.2,
            student=net(callbacks=[EpochScoring(lambda net, X, y: 0)]),
        ),
        ValueError,
        r"EpochScoring\(.*\) cannot score.*its own rows, and use_caching=False",
    ),
    (
        "scores of batches",
        lambda w: fit(
            w, validation_fraction=0.2, student=net(callbacks=[BatchScoring("f1")])
        ),
        ValueError,
        r"BatchScoring\('f1'\) cannot score",
    ),
    (
        "scores of train rows by name",
        lambda w: fit(
            w, student=net(callbacks=[EpochScoring("accuracy", on_train=True)])
        ),
        ValueError,
        r"EpochScoring\('accuracy'\) cannot score.*validation_fraction",
    ),
]

ENSEMBLES = [
    (
        "parameter of a fitted teacher",
        lambda w: distiller(w, teachers=w.teachers[0]).set_params(
            teachers__var_smoothing=1
        ),
        ValueError,
        r"'teachers__var_smoothing' would change a teacher that is fitted: set `teach",
    ),
    (
        "unfitted forest",
        lambda w: fit(w, teachers=RandomForestClassifier()),
        NotFittedError,
        r"`teachers` as RandomForestClassifier is not fitted: fit it first",
    ),
    (
        "unfitted pipeline",
        lambda w: fit(w, teachers=make_pipeline(StandardScaler(), GaussianNB())),
        NotFittedError,
        r"'pipeline' is not fitted",
    ),
    (
        "forest to be fitted",
        lambda w: fit(w, teachers=RandomForestClassifier(), cv=3),
        ValueError,
        r"cv=3 fits a list of teachers, got a bare RandomForestClassifier.*pass \[Ran",
    ),
    (
        "forest of several outputs",
        lambda w: fit(w, teachers=RandomForestClassifier(3).fit(w.X, np.c_[w.y, w.y])),
        ValueError,
        r"must predict one label a row",
    ),
    (
        "regressor",
        lambda w: fit(w, teachers=LinearRegression().fit(w.X, w.y)),
        TypeError,
        r"is a regressor: expected a classifier",
    ),
    (
        "class of a forest",
        lambda w: fit(w, teachers=RandomForestClassifier),
        TypeError,
        r"`teachers` must be a list of classifiers.*RandomForestClassifier",
    ),
]

ASKING = [
    (
        "cv misspelt",
        lambda w: ask_teachers(w.teachers, w.X, cv="pre-fit"),
        ValueError,
        r"`cv` must be 'prefit', an int, a splitter or an iterable, got 'pre-fit'",
    ),
    (
        "no teachers",
        lambda w: ask_teachers(None, w.X),
        ValueError,
        r"`teachers` is None: pass classifiers to ask",
    ),
    (
        "labels too short",
        lambda w: ask_teachers(w.teachers, w.X, w.partly[1:]),
        ValueError,
        r"inconsistent numbers of samples: \[60, 59\]",
    ),
    (
        "unfitted",
        lambda w: ask_teachers([GaussianNB()], w.X),
        NotFittedError,
        r"'gaussiannb' is not fitted: fit it first, or set cv=5",
    ),
    (
        "no labels to fit on",
        lambda w: ask_teachers([GaussianNB()], w.X, cv=5),
        ValueError,
        r"cv=5 fits the teachers on labeled rows, but y has none",
    ),
    (
        "folder that is not there",
        lambda w: ask_teachers(w.teachers, w.X, out="/no/such/folder/proba.npy"),
        FileNotFoundError,
        r"No such file",
    ),
]

GROUPS = {
    "teachers": TEACHERS,
    "labels": LABELS,
    "rows": ROWS,
    "sample_weight": SAMPLE_WEIGHT,
    "student": STUDENT,
    "parameters": PARAMETERS,
    "weighting": WEIGHTING,
    "cv": CV,
    "answers": ANSWERS,
    "prediction": PREDICTION,
    "teacher_proba": TEACHER_PROBA,
    "classes": CLASSES,
    "class_weight": CLASS_WEIGHT,
    "validation": VALIDATION,
    "ensembles": ENSEMBLES,
    "asking": ASKING,
}


@pytest.mark.parametrize(
    ("do", "error", "message"),
    [
        pytest.param(*case, id=f"{group}: {name}")
        for group, cases in GROUPS.items()
        for name, *case in cases
    ],
)
def test_error_names_the_culprit_and_the_cure(world, do, error, message):
    with pytest.raises(error, match=re.compile(message, re.DOTALL)) as caught:
        do(world)
    assert caught.type is error


def test_every_error_has_a_name_of_its_own():
    for group, cases in GROUPS.items():
        names = [name for name, *_ in cases]
        assert len(names) == len(set(names)), group


# --- Warnings -----------------------------------------------------------------------

WARNINGS = [
    (
        "softmax under CrossEntropyLoss",
        lambda w: fit(w, student=ending_in(nn.Softmax(dim=1), nn.CrossEntropyLoss)),
        UserWarning,
        r"end in a softmax, but CrossEntropyLoss expects logits.*Drop the softmax",
    ),
    (
        "training diverges",
        lambda w: fit(w, student=net(lr=1e38, max_epochs=3)),
        ConvergenceWarning,
        r"training diverged.* last train_loss is.*Lower its lr \(now 1e\+38\) or scale",
    ),
    (
        "teachers have seen the rows",
        lambda w: fit(w, teachers=[DecisionTreeClassifier().fit(w.X, w.y)]),
        UserWarning,
        r"right on 100\.0% of the labeled rows.*unfitted teachers and cv=5",
    ),
    (
        "y a column",
        lambda w: fit(w, y=w.partly[:, np.newaxis]),
        DataConversionWarning,
        r"column-vector y was passed when a 1d array was expected.*ravel\(\)",
    ),
    (
        "weights of an ensemble",
        lambda w: fit(
            w,
            teachers=VotingClassifier(
                [("a", GaussianNB()), ("b", LogisticRegression())], weights=[1, 2]
            ).fit(w.X, w.y),
        ),
        UserWarning,
        r"`weights` of the VotingClassifier are not used.*Pass it in a list",
    ),
    (
        "unlabeled rows in a test part",
        lambda w: cross_val_score(distiller(w), w.X, w.partly, cv=PLAIN_SPLIT),
        UserWarning,
        r"takes -1, the mark of an unknown label, for a class.*SemiSupervised",
    ),
    (
        "array for a frame",
        lambda w: fit(w, X=w.frame, teachers=[stub()]).predict(w.X),
        UserWarning,
        r"X does not have valid feature names, but EnsembleDistiller was fitted with",
    ),
]


@pytest.mark.parametrize(
    ("do", "category", "message"),
    [pytest.param(*case, id=name) for name, *case in WARNINGS],
)
def test_warning_comes_once_and_names_the_cure(world, do, category, message):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        do(world)
    assert [warning.category for warning in caught] == [category]
    if caught[0].category in (UserWarning, ConvergenceWarning):
        assert Path(caught[0].filename).parent.name != "sk_ekd"  # the caller's line
    assert re.search(message, str(caught[0].message), re.DOTALL)


def test_good_input_neither_raises_nor_warns(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(world)
        fit_unfitted(world)
        fit_bare(world, world.X)
