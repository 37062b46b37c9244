"""Problems to draw: whatever a distiller is fitted to, without a flaw."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNetBinaryClassifier
from torch import nn

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.students import default_student
from sk_ekd.weighting import UnifiedWeighting
from tests.students.training import SoftmaxMLP
from tests.worlds import OneLogit, linear_net, make_net

# --- Labels -------------------------------------------------------------------------

NAMES = {  # sorted, as classes are; the last one is a spare
    "ints": [0, 1, 2, 3, 4],
    "other ints": [-7, 3, 5, 40, 2**40],
    "floats": [0.0, 1.0, 2.0, 5.0, 6.0],
    "text": ["bad", "fair", "good", "very good", "ü"],
    "bools": [False, True],
}
NULLABLE = {
    "ints": "Int64",
    "other ints": "Int64",
    "text": "string",
    "bools": "boolean",
}
MISSING = [None, float("nan"), pd.NA]
FORMS = ["array", "list", "objects", "Series", "nullable", "category"]


@dataclass(frozen=True)
class Labels:
    """How y is written: what the classes are called, the mark, and the container."""

    kind: str
    mark: object  # in y
    unlabeled_label: object  # the parameter
    form: str

    @property
    def names(self):
        return NAMES[self.kind]

    def write(self, codes):
        """Write codes (n,), -1 where unknown, as y."""
        values = [self.names[code] if code >= 0 else self.mark for code in codes]
        if self.form == "list":
            return values
        objects = np.empty(len(values), dtype=object)
        objects[:] = values
        if self.form in ("nullable", "category"):
            unknown = np.array([code < 0 for code in codes])
            objects[unknown] = None
            dtype = NULLABLE[self.kind] if self.form == "nullable" else "category"
            return pd.Series(objects, dtype=dtype)
        if self.form == "array" and self._is_plain(codes):
            return np.array(values)
        index = np.arange(len(values))[::-1]  # not that of the rows
        return pd.Series(objects, index) if self.form == "Series" else objects

    def _is_plain(self, codes):
        """Return whether NumPy writes y as it is meant."""
        number = not isinstance(self.mark, (str, type(None), type(pd.NA)))
        return min(codes) >= 0 or (number and self.kind not in ("text", "bools"))


@st.composite
def labels(draw, n_classes=2):
    """Draw how y is written."""
    kinds = [kind for kind in NAMES if kind != "bools" or n_classes == 2]
    kind = draw(st.sampled_from(kinds))
    form = draw(st.sampled_from(FORMS))
    form = "objects" if form == "nullable" and kind not in NULLABLE else form
    own = "?" if kind == "text" else -99
    unlabeled_label = draw(st.sampled_from([-1, own, None]))
    marks = MISSING if unlabeled_label is None else [unlabeled_label, *MISSING]
    return Labels(kind, draw(st.sampled_from(marks)), unlabeled_label, form)


# --- Teachers -----------------------------------------------------------------------


class Guess:
    """A fitted teacher of any X, which is right about most rows.

    It reads the first two numbers of a row, and knows the classes at `known`.
    """

    def __init__(self, names, known, seed):
        self.classes_ = np.array(names)[list(known)]
        self.n_classes, self.known, self.seed = len(names), known, seed

    def margins(self, X):
        """Return a margin (n, c) for each class that it knows."""
        place = self.n_classes * rank(X)[:, np.newaxis] - 0.5
        noise = np.sin(1e3 * (self.seed + 1) * place)
        return 2 * noise - 2 * abs(place - np.array(self.known))


class ProbaGuess(Guess):
    def predict_proba(self, X):
        return softmax(self.margins(X), axis=1)


class MarginGuess(Guess):
    def decision_function(self, X):
        margins = self.margins(X)
        return margins if margins.shape[1] != 2 else margins[:, 1] - margins[:, 0]


class VoteGuess(Guess):
    def predict(self, X):
        return self.classes_[self.margins(X).argmax(axis=1)]


GUESSES = [ProbaGuess, MarginGuess, VoteGuess]
CLASSIFIERS = [
    GaussianNB(),
    DecisionTreeClassifier(max_depth=2, random_state=0),
    LogisticRegression(),
]


def rank(X):
    """Return where a row stands between the first and the last class, 0 to 1."""
    numbers = first_numbers(X)
    return 1 / (1 + np.exp(-(numbers[:, 0] + numbers[:, 1] / 2)))


def first_numbers(X):
    """Return the first two columns of any X."""
    if sparse.issparse(X):
        return X[:, :2].toarray()
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, :2].to_numpy(dtype=float)
    return np.array([row[:2] for row in X], dtype=float)


# --- Rows ---------------------------------------------------------------------------


def _as_frame(X):
    names = [f"x{i}" for i in range(X.shape[1])]
    return pd.DataFrame(X, columns=names, index=np.arange(len(X)) // 2)  # no position


def _as_mixed(X):
    frame = _as_frame(X)
    frame["word"] = np.where(X[:, 0] > 0.5, "yes", np.where(X[:, 1] > 0, "no", "?"))
    frame["flag"] = X[:, 1] > 0.5
    frame["gaps"] = frame["x0"].where(X[:, 1] < 0.7)
    return frame


ROWS = {
    "float64": lambda X: X,
    "float32": np.float32,
    "float16": np.float16,
    "int": lambda X: X.round().astype(int),
    "int8": lambda X: X.round().astype(np.int8),
    "Fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=0)[::2],
    "frame": _as_frame,
    "frame of floats and ints": lambda X: _as_frame(X).assign(x0=X[:, 0].round()),
    "list": lambda X: X.tolist(),
    "objects": lambda X: X.astype(object),
    "sparse": lambda X: sparse.csr_matrix(X * (X > -0.5)),
    "mixed": _as_mixed,
}
# what scikit-learn's classifiers read; in float16, GaussianNB's rows sum to 0.99
DENSE = [kind for kind in ROWS if kind not in ("sparse", "mixed", "float16")]


def take(X, index):
    """Return some rows of any X, in any order."""
    if isinstance(X, list):
        return [X[i] for i in index]
    return X.iloc[index] if isinstance(X, pd.DataFrame) else X[index]


# --- Students -----------------------------------------------------------------------

STUDENTS = {
    "logits": lambda X: linear_net(),
    "proba": lambda X: make_net(SoftmaxMLP, criterion=nn.NLLLoss, max_epochs=2),
    "binary": lambda X: make_net(OneLogit, NeuralNetBinaryClassifier, max_epochs=2),
    "pipeline": lambda X: make_pipeline(StandardScaler(), linear_net(batch_size=16)),
    "built-in": lambda X: default_student(X).set_params(net__max_epochs=2),
}


# --- Problems -----------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """What a distiller is fitted to, and how."""

    labels: Labels
    rows: str
    student: str
    n_samples: int
    n_features: int
    n_classes: int
    share: float  # of the rows that are labeled, beside eight of each class
    teachers: tuple  # (position in GUESSES, known classes), or one in CLASSIFIERS
    n_named: int  # of the classes in `classes`, 0 where that is None
    weighs_rows: bool
    weighs_classes: object
    params: dict
    seed: int

    @cached_property
    def numbers(self):
        size = self.n_samples, self.n_features
        return np.random.RandomState(self.seed).normal(size=size)

    @cached_property
    def X(self):
        return ROWS[self.rows](self.numbers)

    @cached_property
    def truth(self):
        """The classes (n,): as many rows of each, one in ten the next class."""
        place = rank(self.X).argsort(kind="stable").argsort(kind="stable")
        truth = place * self.n_classes // self.n_samples
        truth[self.is_noise] = (truth[self.is_noise] + 1) % self.n_classes
        return truth

    @property
    def is_noise(self):
        """The rows (n,) that no teacher is right on by more than chance."""
        return np.arange(self.n_samples) % 10 == 0

    @cached_property
    def codes(self):
        """The label (n,) of each row, -1 where it is unknown."""
        rng = np.random.RandomState(self.seed + 2)
        known = rng.rand(self.n_samples) < self.share
        if self.share:  # enough for folds, and not to be right on all of them
            known |= self.is_noise
            for each in range(self.n_classes):
                known[np.flatnonzero(self.truth == each)[:8]] = True
        return np.where(known, self.truth, -1)

    @cached_property
    def y(self):
        return self.labels.write(self.codes.tolist())

    @cached_property
    def sample_weight(self):
        if not self.weighs_rows:
            return None
        rng = np.random.RandomState(self.seed + 3)
        weight = rng.randint(1, 4, self.n_samples) / 2
        weight[(self.codes < 0) & (rng.rand(self.n_samples) < 0.2)] = 0
        return weight

    @property
    def names(self):
        return self.labels.names[: self.n_classes]

    @cached_property
    def teacher_list(self):
        """The teachers, fitted unless `cv` fits them."""
        return [
            self._guess(*teacher) if isinstance(teacher, tuple) else self._fit(teacher)
            for teacher in self.teachers
        ]

    def _guess(self, position, known):
        return GUESSES[position](self.names, known, seed=position)

    def _fit(self, position):
        teacher = clone(CLASSIFIERS[position])
        if self.params["cv"] != "prefit":
            return teacher
        other = replace(self, seed=self.seed // 2 + 1, share=1.0)
        codes = np.append(other.truth, range(self.n_classes))
        index = [*range(self.n_samples), *range(self.n_classes)]
        y = np.array(self.names)[codes]
        return teacher.fit(take(other.X, index), y)

    @property
    def classes(self):
        return self.labels.names[: self.n_named] if self.n_named else None

    def distiller(self, **params):
        """Return an unfitted distiller."""
        weight = self.weighs_classes
        defaults = {
            "classes": self.classes,
            "class_weight": {self.names[0]: 2.5} if weight == "dict" else weight,
            "unlabeled_label": self.labels.unlabeled_label,
        }
        student = STUDENTS[self.student](self.X)
        params = {**self.params, **defaults, **params}
        return EnsembleDistiller(self.teacher_list, student, **params)

    def fit(self, distiller=None, **args):
        """Fit a distiller, by default a new one."""
        distiller = self.distiller() if distiller is None else distiller
        return distiller.fit(self.X, self.y, sample_weight=self.sample_weight, **args)

    def ask(self):
        """Ask the teachers, as a fit would."""
        return ask_teachers(
            self.teacher_list, self.X, self.y, classes=self.classes,
            cv=self.params["cv"], unlabeled_label=self.labels.unlabeled_label,
            sample_weight=self.sample_weight, random_state=self.params["random_state"],
        )  # fmt: skip

    def written(self, labels):
        """Return the same problem, y written otherwise."""
        return replace(self, labels=labels)

    def rows_at(self, index):
        """Return some rows, and their labels."""
        return take(self.X, index), self.labels.write(self.codes[index].tolist())


WEIGHTINGS = st.one_of(
    st.sampled_from(["correctness", "unified", "uniform"]),
    st.builds(
        UnifiedWeighting,
        teacher=st.sampled_from(["correctness", "uniform"]),
        labeled=st.sampled_from(["correctness", "uniform"]),
        unlabeled=st.sampled_from(["disagreement", "uniform"]),
    ),
)


@st.composite
def problems(draw):
    """Draw a problem that the library takes without a warning."""
    n_classes = draw(st.integers(2, 4))
    rows = draw(st.sampled_from(list(ROWS)))
    share = draw(st.sampled_from([0.0, 0.3, 1.0]))
    params = draw(_params(share > 0, rows in DENSE))
    return Problem(
        labels=draw(labels(n_classes)),
        rows=rows,
        student=draw(_students(rows, n_classes)),
        n_samples=draw(st.integers(15 * n_classes, 60)),
        n_features=draw(st.integers(2, 5)),
        n_classes=n_classes,
        share=share,
        teachers=tuple(draw(_teachers(rows, params["cv"], n_classes))),
        n_named=draw(st.sampled_from([0, n_classes, n_classes + (n_classes > 2)])),
        weighs_rows=draw(st.booleans()),
        weighs_classes=draw(st.sampled_from([None, "balanced", "dict"])),
        params=params,
        seed=draw(st.integers(0, 2**16)),
    )


def _params(has_labels, can_fit_teachers):
    has_folds = has_labels and can_fit_teachers
    return st.fixed_dictionaries(
        {
            "cv": st.sampled_from(["prefit", 2, 3] if has_folds else ["prefit"]),
            "alpha": st.sampled_from([0.0, 0.5, 1.0] if has_labels else [0.5, 1.0]),
            "temperature": st.sampled_from([0.5, 1, 3.0]),
            "weighting": WEIGHTINGS,
            "pooling": st.sampled_from(
                ["auto", "mean", "calibrated"] if has_labels else ["auto", "mean"]
            ),
            "validation_fraction": st.sampled_from([None, 0.2]),
            "random_state": st.integers(0, 2**32 - 1),
        }
    )


def _students(rows, n_classes):
    if rows in ("sparse", "mixed"):
        return st.just("built-in")
    forms = [form for form in STUDENTS if form != "binary" or n_classes == 2]
    return st.sampled_from(forms)


@st.composite
def _teachers(draw, rows, cv, n_classes):
    """Draw two or three teachers; the first gives every class some probability."""
    if cv != "prefit":
        return draw(st.lists(_places(CLASSIFIERS), min_size=2, max_size=3))
    every = range(n_classes)
    some = st.lists(st.sampled_from(every), min_size=1, unique=True).map(sorted)
    guess = st.tuples(_places(GUESSES), some.map(tuple))
    others = guess | _places(CLASSIFIERS)
    first = draw(st.sampled_from([0, 1])), tuple(every)
    rest = draw(st.lists(others if rows in DENSE else guess, min_size=1, max_size=2))
    return [first, *rest]


def _places(values):
    return st.integers(0, len(values) - 1)
