"""Teachers of every kind: asked once per row, aligned by value, honest out of fold."""

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin, clone
from sklearn.datasets import make_blobs
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from skorch import NeuralNetClassifier
from threadpoolctl import threadpool_info, threadpool_limits
from xgboost import XGBClassifier

from sk_ekd import EnsembleDistiller, _ask, _distiller
from sk_ekd._student import limited
from sk_ekd._teachers import fit_teachers, known_classes, name_teachers, stack_proba
from sk_ekd.students import MLP
from sk_ekd.weighting import uniform

CLASSES = np.arange(3)
LETTERS = np.array(["a", "b", "c"])


def small_net(**params):
    options = {
        "criterion": torch.nn.CrossEntropyLoss,
        "module__hidden": (8,),
        "max_epochs": 2,
        "train_split": None,
        "verbose": 0,
    }
    return NeuralNetClassifier(MLP, **{**options, **params})


UNFITTED = {
    "forest": RandomForestClassifier(n_estimators=5, random_state=0),
    "boosting": HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "svc": SVC(),
    "linear_svc": LinearSVC(random_state=0),
    "ridge": RidgeClassifier(),
    "neighbors": KNeighborsClassifier(5),
    "votes": VotingClassifier([("tree", DecisionTreeClassifier(random_state=0))]),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "lightgbm": LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1),
    "xgboost": XGBClassifier(n_estimators=5, n_jobs=1),
    "catboost": CatBoostClassifier(
        iterations=5, allow_writing_files=False, verbose=0, thread_count=1
    ),
    "skorch": small_net(module__in_features=4, module__out_features=3),
}
WITH_PROBA = [name for name in UNFITTED if hasattr(UNFITTED[name], "predict_proba")]
every_teacher = pytest.mark.parametrize("name", UNFITTED)


class Remote:
    """A model from elsewhere: answers and `classes_`, nothing of scikit-learn."""

    def __init__(self, classes, **answers):
        self.classes_ = classes
        answers.setdefault("predict", None)
        for method, answer in answers.items():
            setattr(self, method, lambda X, answer=answer: answer)


class Recorder(DecisionTreeClassifier):
    """A tree that logs what it is fitted on and asked; clones share the log."""

    log = []

    def fit(self, X, y, sample_weight=None):
        self.log.append(("fit", X, sample_weight))
        return super().fit(X, y, sample_weight=sample_weight)

    def predict_proba(self, X):
        self.log.append(("predict_proba", X, None))
        return super().predict_proba(X)


class Witness(ClassifierMixin):
    """A fitted classifier that keeps the rows it is asked, of whatever kind."""

    def __init__(self):
        self.classes_ = np.array([0, 1])
        self.asked = []

    def predict_proba(self, X):
        self.asked.append(X)
        n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
        return np.full((n_samples, 2), 0.5)

    def predict(self, X):
        raise AssertionError("asked for votes, although there are probabilities")


class Watch:
    """The uniform weighting, which keeps the rows it has seen."""

    def __init__(self):
        self.rows = []

    def __call__(self, rows):
        self.rows.append(rows)
        return uniform(rows)

    @property
    def proba(self):
        return np.concatenate([rows.proba for rows in self.rows])


@pytest.fixture(scope="module")
def data():
    X, y = make_blobs(
        90, n_features=4, centers=3, cluster_std=4, shuffle=True, random_state=0
    )
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def partly(data):
    """Labels of two rows in three; the others are unknown."""
    y = data[1].copy()
    y[::3] = -1
    return y


@pytest.fixture(scope="module")
def fitted(data):
    torch.manual_seed(0)
    return {name: clone(teacher).fit(*data) for name, teacher in UNFITTED.items()}


@pytest.fixture
def log(monkeypatch):
    monkeypatch.setattr(Recorder, "log", [])
    return Recorder.log


def ask(teacher, X, classes=CLASSES):
    """Return one teacher's answer -> (n, c)."""
    return stack_proba({"teacher": teacher}, X, np.asarray(classes))[:, 0]


def distill(teachers, X, y, *, student=None, **params):
    params = {"random_state": 0, **params}
    with warnings.catch_warnings():
        # these tests are about the answers, not about how good the teachers are
        warnings.filterwarnings("ignore", "The fitted teachers are right on")
        return EnsembleDistiller(teachers, student or small_net(), **params).fit(X, y)


def text_of(error):
    """Return the message of an exception, and the notes on it."""
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


# --- Names --------------------------------------------------------------------------


def test_teachers_are_named_by_class_and_keep_their_order():
    teachers = [SVC(), GaussianNB(), SVC()]
    named = name_teachers(teachers)
    assert list(named) == ["svc-1", "gaussiannb", "svc-2"]
    assert all(a is b for a, b in zip(named.values(), teachers, strict=True))


def test_callers_names_are_kept():
    assert list(name_teachers([("b", SVC()), ("a", SVC()), SVC()])) == ["b", "a", "svc"]


def test_tuple_of_two_teachers_is_no_pair():
    assert list(name_teachers((SVC(), GaussianNB()))) == ["svc", "gaussiannb"]


@pytest.mark.parametrize(
    "teachers",
    [
        [("svc", SVC()), ("svc", GaussianNB())],
        [("svc", SVC()), SVC()],
        [("svc-1", SVC()), SVC(), SVC()],
        [SVC(), SVC(), ("svc-1", SVC())],
    ],
)
def test_name_that_stands_twice_is_an_error_that_shows_it(teachers):
    twice = "svc-1" if len(teachers) == 3 else "svc"
    with pytest.raises(ValueError, match=f"must be unique, got '{twice}' twice"):
        name_teachers(teachers)


@pytest.mark.parametrize(
    ("teachers", "error", "words"),
    [
        (SVC(), TypeError, "must be a list of classifiers"),
        ({"svc": SVC()}, TypeError, "must be a list"),
        ([], ValueError, "`teachers` is empty"),
        ([SVC], TypeError, "pass an instance"),
        ([StandardScaler()], TypeError, "'standardscaler' must be a classifier"),
        ([(1, SVC())], TypeError, "name must be a string, got 1"),
    ],
)
def test_what_is_no_list_of_classifiers_is_an_error(teachers, error, words):
    with pytest.raises(error, match=words):
        name_teachers(teachers)


# --- Classes ------------------------------------------------------------------------


def test_known_classes_are_the_teachers_own(fitted):
    for name, classes in known_classes(fitted).items():
        assert_array_equal(classes, CLASSES, err_msg=name)


@every_teacher
def test_unfitted_teacher_is_an_error_that_names_it(name):
    with pytest.raises(NotFittedError, match=r"Teacher 'mine' is not fitted.*cv=5"):
        known_classes({"mine": clone(UNFITTED[name])})


def test_unfitted_frozen_teacher_is_an_error_that_names_it():
    with pytest.raises(NotFittedError, match="Teacher 'mine' is not fitted"):
        known_classes({"mine": FrozenEstimator(SVC())})


def test_regressor_is_an_error_that_names_it(data):
    with pytest.raises(TypeError, match=r"'ridge' has no `classes_`.*got Ridge"):
        known_classes({"ridge": Ridge().fit(*data)})


def test_teacher_of_many_labels_a_row_is_an_error_that_names_it(data):
    X, y = data
    tree = DecisionTreeClassifier().fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="'tree' must predict one label a row"):
        known_classes({"tree": tree})


def test_model_from_elsewhere_is_taken_at_its_classes():
    assert_array_equal(known_classes({"m": Remote([2, 5])})["m"], [2, 5])


def test_model_from_elsewhere_may_have_a_fit_method():
    # scikit-learn's check_is_fitted wants tags of whatever has a `fit`
    class Trainable(Remote):
        def fit(self, X, y):
            raise AssertionError("a prefit teacher was fitted")

    model = Trainable([2, 5])
    assert_array_equal(known_classes({"m": model})["m"], [2, 5])


# --- Answers ------------------------------------------------------------------------


@every_teacher
def test_rows_of_every_teacher_sum_to_one(fitted, data, name):
    proba = stack_proba({name: fitted[name]}, data[0], CLASSES)
    assert proba.shape == (90, 1, 3)
    assert proba.dtype == np.float32
    assert proba.min() >= 0
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)


@every_teacher
def test_most_probable_class_is_the_teachers_prediction(fitted, data, name):
    prediction = np.ravel(fitted[name].predict(data[0]))
    assert_array_equal(ask(fitted[name], data[0]).argmax(axis=1), prediction)


@pytest.mark.parametrize("name", WITH_PROBA)
def test_probabilities_are_taken_as_they_are(fitted, data, name):
    # a softmax of probabilities is a classic mistake
    expected = fitted[name].predict_proba(data[0])
    assert_allclose(ask(fitted[name], data[0]), expected, atol=1e-6)


@every_teacher
def test_frozen_teacher_answers_as_the_teacher_itself(fitted, data, name):
    frozen = FrozenEstimator(fitted[name])
    assert_array_equal(known_classes({"frozen": frozen})["frozen"], CLASSES)
    assert_array_equal(ask(frozen, data[0]), ask(fitted[name], data[0]))


@every_teacher
def test_answer_depends_on_its_own_row_only(fitted, data, name):
    X = data[0]
    everywhere_else = np.roll(X, 1, axis=0)
    everywhere_else[7] = X[7]
    expected = ask(fitted[name], X)[7]
    assert_allclose(ask(fitted[name], everywhere_else)[7], expected, atol=1e-6)
    assert_allclose(ask(fitted[name], X[7:8])[0], expected, atol=1e-6)


def test_teachers_are_stacked_in_order_whatever_n_jobs(fitted, data):
    proba = stack_proba(fitted, data[0], CLASSES)
    assert proba.shape == (90, len(fitted), 3)
    for t, name in enumerate(fitted):
        assert_array_equal(proba[:, t], ask(fitted[name], data[0]), err_msg=name)
    assert_array_equal(stack_proba(fitted, data[0], CLASSES, n_jobs=2), proba)


@pytest.mark.parametrize("teacher", [RidgeClassifier(), LinearSVC(), SVC()])
def test_margins_of_many_classes_are_read_as_logits(teacher, data):
    teacher.fit(*data)
    expected = softmax(teacher.decision_function(data[0]), axis=1)
    assert_allclose(ask(teacher, data[0]), expected, atol=1e-6)


@pytest.mark.parametrize("teacher", [RidgeClassifier(), LinearSVC(), SVC()])
def test_margins_of_two_classes_are_read_as_logits(teacher, data):
    X, y = data
    teacher.fit(X, y > 0)
    positive = expit(teacher.decision_function(X))
    expected = np.column_stack([1 - positive, positive])
    assert_allclose(ask(teacher, X, [False, True]), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_huge_margins_do_not_overflow(shape):
    margins = np.array([-1e4, 1e4]).reshape(shape)
    binary = Remote([0, 1], decision_function=margins)
    assert_array_equal(ask(binary, [[0], [0]], [0, 1]), [[1, 0], [0, 1]])


@pytest.mark.parametrize("n_classes", [3, 4])
@pytest.mark.parametrize("wrap", [lambda teacher: teacher, FrozenEstimator])
def test_one_against_one_margins_are_an_error(n_classes, wrap):
    # three classes have three pairs: the shape alone does not tell
    X, y = make_blobs(60, centers=n_classes, random_state=0)
    teacher = wrap(SVC(decision_function_shape="ovo").fit(X, y))
    with pytest.raises(ValueError, match="decision_function_shape='ovr'"):
        ask(teacher, X, range(n_classes))


def test_one_against_one_of_two_classes_is_fine(data):
    X, y = data
    teacher = SVC(decision_function_shape="ovo").fit(X, y > 0)
    assert_array_equal(ask(teacher, X, [0, 1]).argmax(axis=1), teacher.predict(X))


@pytest.mark.parametrize(
    "votes",
    [
        np.array([2, 0, 0]),
        np.array([[2], [0], [0]]),
        np.array([2.0, 0.0, 0.0]),
        [2, 0, 0],
        pd.Series([2, 0, 0], index=[5, 5, 5]),
        pd.DataFrame({"prediction": [2, 0, 0]}),
    ],
    ids=["array", "column", "floats", "list", "series", "frame"],
)
def test_votes_are_one_hot(votes):
    answer = ask(Remote([0, 2], predict=votes), [[0]] * 3)
    assert_array_equal(answer, [[0, 0, 1], [1, 0, 0], [1, 0, 0]])


def test_catboosts_column_of_votes_is_one_hot(data):
    # its multiclass predict is (n, 1)
    X, y = data
    cat = clone(UNFITTED["catboost"]).fit(X, LETTERS[y])
    votes = cat.predict(X)
    assert votes.shape == (90, 1)
    answer = ask(Remote(cat.classes_, predict=votes), X, LETTERS)
    assert_array_equal(answer, votes == LETTERS)


def test_probabilities_come_before_margins_and_margins_before_votes():
    every = {
        "predict_proba": np.array([[0.2, 0.8]]),
        "decision_function": np.array([0.0]),
        "predict": np.array([0]),
    }
    assert_allclose(ask(Remote([0, 1], **every), [[0]], [0, 1]), [[0.2, 0.8]])
    del every["predict_proba"]
    assert_allclose(ask(Remote([0, 1], **every), [[0]], [0, 1]), [[0.5, 0.5]])


@pytest.mark.parametrize(
    "convert",
    [pd.DataFrame, np.ndarray.tolist, torch.tensor, np.float16, np.asfortranarray],
)
def test_odd_containers_of_probabilities_work(convert):
    answer = convert(np.array([[0.25, 0.75], [1.0, 0.0]]))
    proba = ask(Remote([0, 1], predict_proba=answer), [[0], [0]], [0, 1])
    assert_array_equal(proba, [[0.25, 0.75], [1.0, 0.0]])


@pytest.mark.parametrize("off", [-1e-6, 1e-6, 1e-4])
def test_rows_that_are_slightly_off_are_renormalized(off):
    answer = np.array([[0.5, 0.5], [0.1, 0.9]]) * (1 + off)
    proba = ask(Remote([0, 1], predict_proba=answer), [[0], [0]], [0, 1])
    assert_allclose(proba, [[0.5, 0.5], [0.1, 0.9]], atol=1e-7)
    assert_allclose(proba.sum(axis=1), 1, atol=1e-7)


def test_tiny_negative_probability_is_rounding():
    answer = np.array([[-1e-9, 1 + 1e-9]])
    assert_array_equal(
        ask(Remote([0, 1], predict_proba=answer), [[0]], [0, 1]), [[0, 1]]
    )


def test_answers_are_not_written_to():
    answer = np.array([[0.5, 0.5 + 1e-6]])
    before = answer.copy()
    ask(Remote([0, 1], predict_proba=answer), [[0]], [0, 1])
    assert_array_equal(answer, before)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"predict_proba": [[0.5, 0.5], [np.nan, 0.5]]}, "NaN or infinite in 1 of 2"),
        ({"predict_proba": [[0.5, 0.5], [np.inf, 0.5]]}, "first in row 1"),
        ({"predict_proba": [[3.0, -1.0], [0.0, 1.0]]}, "from -1 to 3"),
        ({"predict_proba": [[2.0, 1.0], [0.0, 1.0]]}, "end in a softmax"),
        ({"predict_proba": [[1.0], [0.0]]}, "one column for each of its 2 classes"),
        ({"predict_proba": [0.2, 0.7]}, "one column for each of its 2 classes"),
        ({"predict_proba": [["a", "b"], ["c", "d"]]}, "must return one array of num"),
        ({"decision_function": [np.nan, 1.0]}, "NaN or infinite in 1 of 2 rows"),
        ({"decision_function": [[1, 2, 3], [4, 5, 6]]}, "each of its 2 classes"),
        ({"predict": [0, 4]}, "returned .*4.*, which is not among its classes_"),
        ({"predict": ["0", "1"]}, "returned .*'0'.*, which is not among its classes_"),
    ],
)
def test_senseless_answer_is_an_error_that_names_the_teacher(answers, words):
    with pytest.raises(ValueError, match=words) as caught:
        ask(Remote([0, 1], **answers), [[0], [0]], [0, 1])
    assert "'teacher'" in str(caught.value)


@pytest.mark.parametrize("n_answers", [1, 2, 4])
@pytest.mark.parametrize("method", ["predict_proba", "decision_function", "predict"])
def test_wrong_number_of_answers_is_an_error_that_names_the_teacher(method, n_answers):
    # one answer for three rows would be broadcast to all of them
    answers = {
        "predict_proba": np.full((n_answers, 2), 0.5),
        "decision_function": np.zeros(n_answers),
        "predict": np.zeros(n_answers),
    }
    teacher = Remote([0, 1], **{method: answers[method]})
    with pytest.raises(ValueError, match=r"\b3\b") as caught:
        ask(teacher, [[0], [0], [0]], [0, 1])
    assert "'teacher'" in str(caught.value)
    assert str(n_answers) in str(caught.value)


def test_teacher_that_fails_when_asked_is_named(data):
    net = clone(UNFITTED["skorch"]).fit(*data)
    with pytest.raises(RuntimeError) as caught:  # float64 rows, float32 net
        stack_proba({"my net": net}, data[0].astype(np.float64), CLASSES)
    assert "'my net'" in text_of(caught.value)


# --- Alignment ----------------------------------------------------------------------


@every_teacher
def test_columns_follow_the_classes_by_value(fitted, data, name):
    order = [2, 0, 1]
    expected = ask(fitted[name], data[0])[:, order]
    assert_array_equal(ask(fitted[name], data[0], order), expected)


@every_teacher
def test_class_unknown_to_a_teacher_gets_exactly_zero(fitted, data, name):
    answer = ask(fitted[name], data[0], [-5, 0, 1, 2, 9])
    assert_array_equal(answer[:, [0, 4]], 0)
    assert_array_equal(answer[:, 1:4], ask(fitted[name], data[0]))


@pytest.mark.parametrize("name", set(UNFITTED) - {"xgboost", "skorch"})
def test_string_classes_give_the_same_answers_as_codes(fitted, data, name):
    X, y = data
    teacher = clone(UNFITTED[name]).fit(X, LETTERS[y])
    # 1e-3: the solvers of the linear models may stop elsewhere
    assert_allclose(ask(teacher, X, LETTERS), ask(fitted[name], X), atol=1e-3)


def test_permuted_subset_and_superset_of_classes_are_aligned_together():
    answers = np.array([[0.7, 0.2, 0.1]])
    teachers = {
        "permuted": Remote(np.array([2, 0, 1]), predict_proba=answers),
        "subset": Remote(np.array([2, 1]), predict_proba=answers[:, :2] / 0.9),
        "superset": Remote(np.array([1, 3, 0]), predict_proba=answers),
        "floats": Remote(np.array([0.0, 1.0, 2.0]), predict_proba=answers),
        "votes": Remote(np.array([3, 1]), predict=np.array([1])),
    }
    proba = stack_proba(teachers, [[0]], np.arange(4))
    expected = [
        [0.2, 0.1, 0.7, 0],
        [0, 0.2 / 0.9, 0.7 / 0.9, 0],
        [0.1, 0.7, 0, 0.2],
        [0.7, 0.2, 0.1, 0],
        [0, 1, 0, 0],
    ]
    assert_allclose(proba[0], expected, atol=1e-7)


def test_numbers_of_any_type_are_one_class():
    proba = ask(Remote(np.array([False, True]), predict_proba=[[0.3, 0.7]]), [[0]])
    assert_allclose(proba, [[0.3, 0.7, 0]], atol=1e-7)


def test_teachers_of_different_classes_distill_into_their_union(data):
    X, y = data
    low = SVC().fit(X[y < 2], y[y < 2])
    high = GaussianNB().fit(X[y > 0], y[y > 0])
    watch = Watch()
    distiller = distill([low, high], X, np.full(90, -1), weighting=watch)
    assert_array_equal(distiller.classes_, [0, 1, 2])
    assert_array_equal(watch.proba[:, 0, 2], 0)
    assert_array_equal(watch.proba[:, 1, 0], 0)
    assert_allclose(watch.proba[:, 1, 1:], high.predict_proba(X), atol=1e-6)


def test_class_that_no_teacher_knows_is_learned_from_labels_alone():
    X, y = make_blobs(240, centers=[[-8, 0], [8, 0], [0, 12]], random_state=0)
    X = X.astype(np.float32)
    known = y < 2
    teachers = [
        KNeighborsClassifier().fit(X[known][:80], y[known][:80]),
        GaussianNB().fit(X[known][:80], y[known][:80]),
    ]
    partly = np.where(known & (np.arange(240) % 4 > 0), -1, y)
    net = small_net(max_epochs=30, lr=0.1, batch_size=16)
    distiller = distill(teachers, X[:200], partly[:200], student=net)
    assert_array_equal(distiller.classes_, [0, 1, 2])
    assert_array_equal(distiller.predict(X[200:]), y[200:])


# --- Through the distiller, fitted --------------------------------------------------


@every_teacher
def test_every_teacher_distills(fitted, data, partly, name):
    X, y = data
    watch = Watch()
    distiller = distill([(name, fitted[name])], X, partly, weighting=watch)
    assert_array_equal(watch.proba[:, 0], ask(fitted[name], X))
    labeled = partly >= 0
    accuracy = accuracy_score(y[labeled], fitted[name].predict(X[labeled]))
    assert_allclose(distiller.teacher_accuracy_[name], accuracy)
    assert distiller.teachers_[0] is fitted[name]
    assert distiller.named_teachers_[name] is fitted[name]
    assert_allclose(distiller.predict_proba(X).sum(axis=1), 1, atol=1e-6)


def test_all_teachers_distill_together_and_pickle(fitted, data, partly):
    distiller = distill(list(fitted.items()), data[0], partly)
    assert list(distiller.teacher_weight_.columns) == list(fitted)
    assert distiller.teacher_weight_.shape == (60, len(fitted))
    twin = pickle.loads(pickle.dumps(distiller))
    assert_array_equal(twin.predict_proba(data[0]), distiller.predict_proba(data[0]))
    for teacher, copy in zip(distiller.teachers_, twin.teachers_, strict=True):
        assert_array_equal(ask(copy, data[0]), ask(teacher, data[0]))


def test_boosters_distill_from_a_data_frame_without_a_warning(data, partly):
    X, y = data
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.zeros(90, dtype=int))
    names = ["lightgbm", "xgboost", "catboost", "boosting", "pipeline"]
    teachers = [clone(UNFITTED[name]).fit(frame, y) for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EnsembleDistiller(teachers, small_net(), weighting="uniform").fit(frame, partly)


def test_boosters_distill_from_sparse_rows(data, partly):
    X, y = sparse.csr_matrix(data[0].clip(min=0)), data[1]
    teachers = [
        clone(UNFITTED[name]).fit(X, y) for name in ("lightgbm", "xgboost", "catboost")
    ]
    distiller = distill(teachers, X, partly)
    assert (distiller.teacher_accuracy_ > 0.4).all()


@pytest.mark.parametrize("name", ["catboost", "lightgbm", "forest", "linear_svc"])
def test_teachers_of_string_classes_distill(data, partly, name):
    X, y = data
    teacher = clone(UNFITTED[name]).fit(X, LETTERS[y])
    letters = np.where(partly < 0, None, LETTERS[partly])
    distiller = distill([teacher], X, letters)
    assert_array_equal(distiller.classes_, LETTERS)
    assert set(distiller.predict(X)) <= set(LETTERS)


@pytest.mark.parametrize("cv", ["prefit", 2])
def test_text_pipeline_distills_a_list_of_strings(cv):
    texts = ["red apple", "green apple", "red car", "fast car"] * 10
    y = np.array([0, 0, 1, 1] * 10)
    teacher = make_pipeline(TfidfVectorizer(), LogisticRegression())
    if cv == "prefit":
        teacher.fit(texts, y)
    net = make_pipeline(
        TfidfVectorizer(dtype=np.float32),
        small_net(max_epochs=40, lr=0.5, batch_size=8),
    )
    partly = np.where(np.arange(40) % 3, y, -1)
    distiller = distill([teacher], texts, partly, student=net, cv=cv)
    assert_array_equal(distiller.predict(["a fast car", "an apple"]), [1, 0])


KINDS = {
    "array": lambda X: X,
    "integers": lambda X: X.astype(int),
    "csr": sparse.csr_array,
    "frame": lambda X: pd.DataFrame(X, columns=list("abcd")),
    "odd index": lambda X: pd.DataFrame(X, index=np.repeat(["u", "v", "w"], 30)),
    "lists": np.ndarray.tolist,
}


@pytest.mark.parametrize("kind", KINDS)
def test_teacher_sees_the_rows_exactly_as_they_were_given(data, partly, kind):
    X, witness = KINDS[kind](data[0]), Witness()
    distill([witness], X, np.minimum(partly, 1))
    (asked,) = witness.asked
    assert type(asked) is type(X)
    if kind in ("frame", "odd index"):
        pd.testing.assert_frame_equal(asked, X)
    else:
        assert joblib.hash(asked) == joblib.hash(X)


@pytest.mark.parametrize("kind", KINDS)
def test_block_of_rows_is_of_the_callers_kind(data, partly, kind, monkeypatch):
    monkeypatch.setattr(_ask, "BLOCK_VALUES", 2 * 40)
    X, witness = KINDS[kind](data[0]), Witness()
    distill([witness], X, np.minimum(partly, 1))
    assert [type(part) for part in witness.asked] == [type(X)] * 3
    whole = np.concatenate([_dense(part) for part in witness.asked])
    assert_array_equal(whole, _dense(X))


def _dense(X):
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


def test_fitted_teacher_is_never_fitted_and_asked_once_a_row(data, partly, log):
    X, y = data
    teacher = Recorder(random_state=0).fit(X, y)
    log.clear()
    distiller = distill([teacher], X, partly)
    distiller.predict(X)
    distiller.score(X, partly)
    assert [call for call, _, _ in log] == ["predict_proba"]
    assert_array_equal(log[0][1], X)


def test_row_asked_in_blocks_is_asked_once(data, partly, log, monkeypatch):
    monkeypatch.setattr(_ask, "BLOCK_VALUES", 3 * 7)
    X, y = data
    teacher = Recorder(random_state=0).fit(X, y)
    log.clear()
    distill([teacher], X, partly)
    assert {call for call, _, _ in log} == {"predict_proba"}
    assert max(len(rows) for _, rows, _ in log) == 7
    assert_array_equal(np.concatenate([rows for _, rows, _ in log]), X)


def test_row_of_sample_weight_zero_is_not_asked(data, partly, log):
    X, y = data
    teacher = Recorder(random_state=0).fit(X, y)
    log.clear()
    weight = np.arange(90) % 2
    EnsembleDistiller([teacher], small_net(), weighting="uniform").fit(
        X, partly, sample_weight=weight
    )
    assert_array_equal(log[0][1], X[1::2])


def test_fitted_teachers_are_not_changed(fitted, data, partly):
    # those that no answer changes: a k-d tree counts its calls
    names = ["forest", "boosting", "svc", "linear_svc", "ridge", "votes"]
    before = {name: joblib.hash(fitted[name]) for name in names}
    distill([fitted[name] for name in names], data[0], partly).predict(data[0])
    assert {name: joblib.hash(fitted[name]) for name in names} == before


def test_fitted_teachers_survive_clone_and_search(data, partly, log):
    X, y = data
    teacher = Recorder(random_state=0).fit(X, y)
    log.clear()
    distiller = EnsembleDistiller([("tree", teacher)], small_net(), weighting="uniform")
    twin = clone(distiller)
    assert twin.teachers[0][1] is teacher
    assert twin.student is not distiller.student
    search = GridSearchCV(twin, {"alpha": [0.1, 0.9]}, cv=2, error_score="raise")
    search.fit(X, y)
    assert search.best_estimator_.teachers_[0] is teacher
    assert {call for call, _, _ in log} == {"predict_proba"}


def test_unfitted_teachers_are_cloned(data, partly):
    teacher = DecisionTreeClassifier(max_depth=2, random_state=0)
    distiller = EnsembleDistiller([teacher], small_net(), cv=2, weighting="uniform")
    twin = clone(distiller)
    assert twin.teachers[0] is not teacher
    assert twin.teachers[0].max_depth == 2
    distiller.fit(data[0], partly)
    assert not hasattr(teacher, "classes_")
    assert distiller.teachers_[0] is not teacher


# --- Blocks -------------------------------------------------------------------------


@pytest.mark.parametrize("cv", ["prefit", 3])
@pytest.mark.parametrize("weighting", ["correctness", "unified", "uniform"])
def test_block_size_does_not_matter(data, partly, monkeypatch, cv, weighting):
    X, y = data
    teachers = [
        RandomForestClassifier(4, max_depth=2, random_state=0),
        KNeighborsClassifier(9),
        DecisionTreeClassifier(max_depth=3, random_state=0),
    ]
    if cv == "prefit":
        teachers = [teacher.fit(X, y) for teacher in teachers]
    targets = []

    def keep_target(student, train, valid, **options):
        targets.append(train.target)
        return fit_student(student, train, valid, **options)

    fit_student = _distiller.fit_student
    monkeypatch.setattr(_distiller, "fit_student", keep_target)
    whole = distill(teachers, X, partly, cv=cv, weighting=weighting)
    for block_values in (1, 9 * 7, 9 * 89):
        monkeypatch.setattr(_ask, "BLOCK_VALUES", block_values)
        parts = distill(teachers, X, partly, cv=cv, weighting=weighting)
        assert_array_equal(targets[-1], targets[0])
        assert_array_equal(parts.row_weight_, whole.row_weight_)
        pd.testing.assert_frame_equal(parts.teacher_weight_, whole.teacher_weight_)
        pd.testing.assert_series_equal(parts.teacher_accuracy_, whole.teacher_accuracy_)
        assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))


@pytest.mark.parametrize("cv", ["prefit", 3])
def test_all_rows_of_all_teachers_are_never_held_at_once(data, partly, monkeypatch, cv):
    monkeypatch.setattr(_ask, "BLOCK_VALUES", 100)
    X, y = data
    teachers = [GaussianNB(), DecisionTreeClassifier(max_depth=2), GaussianNB()]
    if cv == "prefit":
        teachers = [teacher.fit(X, y) for teacher in teachers]
    watch = Watch()
    distill(teachers, X, partly, cv=cv, weighting=watch)
    assert max(rows.proba.size for rows in watch.rows) <= 100
    assert all(len(rows.X) == len(rows.y) == len(rows.proba) for rows in watch.rows)
    assert sum(len(rows.y) for rows in watch.rows) == 90


def test_more_teachers_than_a_block_holds_are_asked_row_by_row(
    data, partly, monkeypatch
):
    monkeypatch.setattr(_ask, "BLOCK_VALUES", 5)
    watch = Watch()
    teacher = GaussianNB().fit(*data)
    distill([teacher] * 4, data[0], partly, weighting=watch)
    assert {rows.proba.shape for rows in watch.rows} == {(1, 4, 3)}


# --- Out of fold --------------------------------------------------------------------


@every_teacher
def test_every_teacher_fits_out_of_fold(data, name):
    X, y = data
    teacher = clone(UNFITTED[name])
    refitted, proba = fit_teachers({name: teacher}, X, y, CLASSES, StratifiedKFold(3))
    assert proba.shape == (90, 1, 3)
    assert proba.dtype == np.float32
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)
    assert_array_equal(known_classes(refitted)[name], CLASSES)
    with pytest.raises(NotFittedError):  # clones were fitted, not the caller's
        known_classes({name: teacher})


@pytest.mark.parametrize(
    "teacher",
    [
        KNeighborsClassifier(1),
        RandomForestClassifier(5, random_state=3),
        LogisticRegression(),
    ],
)
@pytest.mark.parametrize(
    "cv", [StratifiedKFold(3), KFold(4, shuffle=True, random_state=0)]
)
def test_out_of_fold_answers_are_those_of_cross_val_predict(data, teacher, cv):
    X, y = data
    _, proba = fit_teachers({"t": teacher}, X, y, CLASSES, cv)
    expected = cross_val_predict(teacher, X, y, cv=cv, method="predict_proba")
    assert_allclose(proba[:, 0], expected, atol=1e-6)


def test_teacher_that_memorizes_is_perfect_in_sample_and_honest_out_of_fold(data):
    X, y = data
    refitted, proba = fit_teachers(
        {"nearest": KNeighborsClassifier(1)}, X, y, CLASSES, StratifiedKFold(3)
    )
    assert_array_equal(ask(refitted["nearest"], X).argmax(axis=1), y)
    assert (proba[:, 0].argmax(axis=1) == y).mean() < 0.95


def test_labeled_rows_are_answered_out_of_fold_and_others_by_the_refit(data, partly):
    X, y = data
    labeled = partly >= 0
    teacher, watch = KNeighborsClassifier(1), Watch()
    distiller = distill([teacher], X, partly, cv=3, pooling="mean", weighting=watch)
    answer = {}  # of a row, by its values
    for rows in watch.rows:
        answer |= zip(map(bytes, rows.X), rows.proba[:, 0], strict=True)
    answer = np.array([answer[bytes(x)] for x in X])
    out_of_fold = cross_val_predict(
        teacher, X[labeled], y[labeled], cv=3, method="predict_proba"
    )
    refit = teacher.fit(X[labeled], y[labeled])
    assert_array_equal(answer[labeled], out_of_fold)
    assert_array_equal(answer[~labeled], refit.predict_proba(X[~labeled]))
    accuracy = accuracy_score(y[labeled], out_of_fold.argmax(axis=1))
    assert_allclose(distiller.teacher_accuracy_, accuracy)
    assert_array_equal(distiller.teachers_[0].predict(X), refit.predict(X))


def test_only_labeled_rows_are_fitted_on_and_the_refit_takes_them_all(
    data, partly, log
):
    X, labeled = data[0], partly >= 0
    distill([Recorder(max_depth=3)], X, partly, cv=3)
    fits = [rows for call, rows, _ in log if call == "fit"]
    assert [len(rows) for rows in fits] == [40, 40, 40, 60]
    assert_array_equal(fits[-1], X[labeled])


def test_each_row_is_answered_once_out_of_fold(data, partly, log):
    distill([Recorder(max_depth=3)], data[0], partly, cv=3)
    asked = np.concatenate([rows for call, rows, _ in log if call == "predict_proba"])
    assert len(asked) == 90
    assert len(np.unique(asked, axis=0)) == 90


def test_teachers_are_fitted_on_the_labels_themselves(data):
    X, y = data
    refitted, _ = fit_teachers(
        {"cat": UNFITTED["catboost"], "tree": DecisionTreeClassifier()},
        X, y, LETTERS, StratifiedKFold(2),
    )  # fmt: skip
    for classes in known_classes(refitted).values():
        assert_array_equal(classes, LETTERS)


@pytest.mark.parametrize(
    "teacher",
    [
        RandomForestClassifier(3),
        BaggingClassifier(DecisionTreeClassifier(splitter="random"), 3),
        make_pipeline(StandardScaler(), DecisionTreeClassifier(splitter="random")),
        VotingClassifier([("t", DecisionTreeClassifier(max_features=1))]),
        UNFITTED["skorch"],
    ],
    ids=["forest", "nested", "pipeline", "named", "skorch"],
)
def test_unseeded_teachers_are_reproducible(data, partly, teacher):
    # a skorch net has no random_state: it draws from torch's global generator
    once, again, other = (
        distill([teacher], data[0], partly, cv=2, random_state=seed)
        for seed in (0, 0, 1)
    )
    for a, b in zip(once.teachers_, again.teachers_, strict=True):
        assert_array_equal(ask(a, data[0]), ask(b, data[0]))
    assert_array_equal(once.predict_proba(data[0]), again.predict_proba(data[0]))
    assert (ask(once.teachers_[0], data[0]) != ask(other.teachers_[0], data[0])).any()


@pytest.mark.parametrize("cv", ["prefit", 2])
@pytest.mark.parametrize("name", ["forest", "skorch"])
def test_global_generators_are_untouched(data, partly, cv, name):
    # torch's DataLoader draws from it even where a fitted skorch net only answers
    teacher = clone(UNFITTED[name])
    if name == "forest":
        teacher.set_params(random_state=None)
    if cv == "prefit":
        teacher.fit(*data)
    generator = np.random.mtrand._rand  # what random_state=None draws from
    before = joblib.hash(generator.get_state()), torch.get_rng_state()
    distill([teacher], data[0], partly, cv=cv)
    assert joblib.hash(generator.get_state()) == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_seed_of_the_caller_is_kept(data):
    X, y = data
    forest = RandomForestClassifier(3, random_state=5)
    refitted, _ = fit_teachers(
        {"forest": forest}, X, y, CLASSES, StratifiedKFold(2), random_state=0
    )
    assert refitted["forest"].random_state == 5
    assert_array_equal(ask(refitted["forest"], X), ask(clone(forest).fit(X, y), X))


def test_unseeded_teachers_of_one_kind_differ(data):
    X, y = data
    forest = RandomForestClassifier(3)
    refitted, proba = fit_teachers(
        {"a": forest, "b": forest}, X, y, CLASSES, StratifiedKFold(2), random_state=0
    )
    assert (proba[:, 0] != proba[:, 1]).any()
    assert (ask(refitted["a"], X) != ask(refitted["b"], X)).any()
    assert forest.random_state is None


@pytest.mark.parametrize(
    "name", ["forest", "svc", "votes", "lightgbm", "catboost", "boosting", "pipeline"]
)
def test_class_that_a_fold_lacks_gets_a_zero_column_there(data, name):
    X, y = data
    y = np.where(y == 2, 1, y)
    y[:3] = 2  # all of them in the first test part
    _, proba = fit_teachers({name: UNFITTED[name]}, X, y, CLASSES, KFold(3))
    assert_array_equal(proba[:30, 0, 2], 0)
    assert (proba[30:, 0, 2] > 0).any() or name == "votes"
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["boosting", "lightgbm", "ridge", "pipeline"])
def test_train_part_of_a_single_class_is_an_error_that_says_so(data, name):
    # some teachers raise an error of their own, others answer in two columns
    X, y = data
    y = np.sort((y > 0).astype(int))  # the first 30 are 0
    with pytest.raises(ValueError, match=r"(one|single) class"):
        fit_teachers({name: UNFITTED[name]}, X, y, np.arange(2), KFold(3))


def test_sample_weight_reaches_the_teachers_that_take_it(data):
    X, y = data
    weight = np.random.RandomState(0).rand(90) + 0.1
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    neighbors = KNeighborsClassifier()
    refitted, proba = fit_teachers(
        {"tree": tree, "neighbors": neighbors},
        X, y, CLASSES, StratifiedKFold(3), sample_weight=weight,
    )  # fmt: skip
    for train, test in StratifiedKFold(3).split(X, y):
        part = clone(tree).fit(X[train], y[train], sample_weight=weight[train])
        assert_allclose(proba[test, 0], part.predict_proba(X[test]), atol=1e-6)
    whole = clone(tree).fit(X, y, sample_weight=weight)
    assert_array_equal(ask(refitted["tree"], X), ask(whole, X))
    unweighted = cross_val_predict(neighbors, X, y, cv=3, method="predict_proba")
    assert_allclose(proba[:, 1], unweighted, atol=1e-6)


def test_sample_weight_of_the_labeled_rows_reaches_the_teachers(data, partly, log):
    weight = np.linspace(0, 2, 90)  # the first row counts as removed
    EnsembleDistiller([Recorder(max_depth=2)], small_net(), cv=2).fit(
        data[0], partly, sample_weight=weight
    )
    fits = [given for call, _, given in log if call == "fit"]
    assert_array_equal(fits[-1], weight[(partly >= 0) & (weight > 0)])


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_number_of_jobs_does_not_matter(data, backend):
    X, y = data
    teachers = {
        "tree": DecisionTreeClassifier(splitter="random"),
        "neighbors": KNeighborsClassifier(3),
    }
    options = {"random_state": 0, "sample_weight": np.linspace(1, 2, 90)}
    cv = StratifiedKFold(3)
    one, expected = fit_teachers(teachers, X, y, CLASSES, cv, **options)
    with joblib.parallel_config(backend=backend):
        two, proba = fit_teachers(teachers, X, y, CLASSES, cv, n_jobs=2, **options)
    assert_array_equal(proba, expected)
    assert list(two) == list(one) == list(teachers)
    assert_array_equal(stack_proba(two, X, CLASSES), stack_proba(one, X, CLASSES))


class TwoByTwo(KFold):
    """Two folds, each of them twice."""

    def split(self, X, y):
        return [*super().split(X, y)] * 2


@pytest.mark.parametrize(
    ("cv", "never", "often"),
    [(ShuffleSplit(1, test_size=30, random_state=0), 60, 0), (TwoByTwo(2), 0, 90)],
)
def test_splitter_that_is_no_partition_is_an_error(data, cv, never, often):
    words = f"tests {never} of 90 rows never and {often} more than once"
    with pytest.raises(ValueError, match=words):
        fit_teachers({"nb": GaussianNB()}, *data, CLASSES, cv)


def test_frozen_teacher_stays_as_it_is_out_of_fold(data, partly):
    # as in scikit-learn's StackingClassifier: one that never saw these rows
    X, y = data
    frozen = FrozenEstimator(DecisionTreeClassifier(max_depth=2).fit(X[::3], y[::3]))
    watch = Watch()
    distiller = distill(
        [("frozen", frozen), ("nb", GaussianNB())], X, partly, cv=2, weighting=watch
    )
    assert_array_equal(ask(distiller.teachers_[0], X), ask(frozen, X))
    labeled = partly >= 0
    accuracy = frozen.score(X[labeled], y[labeled])
    assert_allclose(distiller.teacher_accuracy_["frozen"], accuracy)


def test_classes_of_a_frozen_teacher_count_out_of_fold(data):
    X, y = data
    frozen = FrozenEstimator(GaussianNB().fit(X, y))
    partly = np.where(y < 2, y, -1)
    distiller = distill([frozen, DecisionTreeClassifier(max_depth=2)], X, partly, cv=2)
    assert_array_equal(distiller.classes_, [0, 1, 2])


def test_teacher_that_cannot_be_fitted_is_named(data):
    X, y = data
    booster = clone(UNFITTED["xgboost"])  # takes no string labels
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the message is XGBoost's
        fit_teachers({"booster": booster}, X, y, LETTERS, StratifiedKFold(2))
    assert "'booster'" in text_of(caught.value)


# --- Cores --------------------------------------------------------------------------


class CoreCounter(GaussianNB):
    """A teacher whose answers are the numbers of threads that it could start."""

    def predict_proba(self, X):
        self.seen_ = {
            "joblib": joblib.effective_n_jobs(-1),
            "blas": most_threads("blas"),
            "torch": torch.get_num_threads(),
        }
        return super().predict_proba(X)

    def fit(self, X, y):
        self.at_fit_ = joblib.effective_n_jobs(-1)
        return super().fit(X, y)


def most_threads(api):
    pools = threadpool_info()
    return max(pool["num_threads"] for pool in pools if pool["user_api"] == api)


@pytest.fixture
def many_threads():
    """Let torch and BLAS have more threads than any machine has here for one worker."""
    before = torch.get_num_threads()
    torch.set_num_threads(joblib.cpu_count() + 1)
    with threadpool_limits(joblib.cpu_count() + 1, "blas"):
        yield
    torch.set_num_threads(before)


def test_teachers_asked_at_once_share_the_cores(data, many_threads):
    teachers = {name: CoreCounter().fit(*data) for name in "ab"}
    before = torch.get_num_threads(), most_threads("blas")
    stack_proba(teachers, data[0], CLASSES, n_jobs=2, limited=limited)
    share = max(1, joblib.cpu_count() // 2)
    for teacher in teachers.values():
        assert teacher.seen_ == {"joblib": 1, "blas": share, "torch": share}
    assert (torch.get_num_threads(), most_threads("blas")) == before


def test_teachers_asked_one_by_one_have_all_cores(data, many_threads):
    teachers = {name: CoreCounter().fit(*data) for name in "ab"}
    stack_proba(teachers, data[0], CLASSES, limited=limited)
    assert teachers["b"].seen_["torch"] == joblib.cpu_count() + 1
    assert teachers["b"].seen_["joblib"] == joblib.cpu_count()
    # one teacher has nobody to share with
    stack_proba({"a": teachers["a"]}, data[0], CLASSES, n_jobs=2, limited=limited)
    assert teachers["a"].seen_["joblib"] == joblib.cpu_count()


def test_threads_are_restored_after_an_error(data, many_threads):
    class Broken(GaussianNB):
        def predict_proba(self, X):
            raise ZeroDivisionError

    teachers = {name: Broken().fit(*data) for name in "ab"}
    before = torch.get_num_threads(), most_threads("blas")
    with pytest.raises(ZeroDivisionError):
        stack_proba(teachers, data[0], CLASSES, n_jobs=2, limited=limited)
    assert (torch.get_num_threads(), most_threads("blas")) == before


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_teachers_fitted_at_once_share_the_cores(data, backend):
    with joblib.parallel_config(backend=backend):
        fitted, _ = fit_teachers(
            {"a": CoreCounter(), "b": CoreCounter()}, *data, CLASSES, KFold(3), n_jobs=2
        )
    assert [teacher.at_fit_ for teacher in fitted.values()] == [1, 1]


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_any_backend_of_joblib_asks_the_teachers(fitted, data, backend):
    teachers = {name: fitted[name] for name in ("svc", "forest", "neighbors")}
    expected = stack_proba(teachers, data[0], CLASSES)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        assert_array_equal(stack_proba(teachers, data[0], CLASSES), expected)
