"""Teachers of every kind: asked once per row, aligned by value, honest out of fold."""

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_info, threadpool_limits

from sk_ekd import EnsembleDistiller
from sk_ekd.teachers._fit import fit_teachers
from sk_ekd.teachers._open import known_classes
from sk_ekd.teachers._predict import stack_proba
from tests.errors import check_errors, text_of
from tests.teachers.kinds import (
    CLASSES,
    LETTERS,
    UNFITTED,
    WITH_PROBA,
    Remote,
    Watch,
    ask,
    distill,
    every_teacher,
    small_net,
)
from tests.worlds import stub

# --- Answers ------------------------------------------------------------------------


@every_teacher
def test_rows_of_every_teacher_sum_to_one(fitted_teachers, blobs, name):
    proba = stack_proba({name: fitted_teachers[name]}, blobs[0], CLASSES)
    assert proba.shape == (90, 1, 3)
    assert proba.dtype == np.float32
    assert proba.min() >= 0
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)


@every_teacher
def test_most_probable_class_is_the_teachers_prediction(fitted_teachers, blobs, name):
    prediction = np.ravel(fitted_teachers[name].predict(blobs[0]))
    assert_array_equal(ask(fitted_teachers[name], blobs[0]).argmax(axis=1), prediction)


@pytest.mark.parametrize("name", WITH_PROBA)
def test_probabilities_are_taken_as_they_are(fitted_teachers, blobs, name):
    # a softmax of probabilities is a classic mistake
    expected = fitted_teachers[name].predict_proba(blobs[0])
    assert_allclose(ask(fitted_teachers[name], blobs[0]), expected, atol=1e-6)


@every_teacher
def test_frozen_teacher_answers_as_the_teacher_itself(fitted_teachers, blobs, name):
    frozen = FrozenEstimator(fitted_teachers[name])
    assert_array_equal(known_classes({"frozen": frozen})["frozen"], CLASSES)
    assert_array_equal(ask(frozen, blobs[0]), ask(fitted_teachers[name], blobs[0]))


@every_teacher
def test_answer_depends_on_its_own_row_only(fitted_teachers, blobs, name):
    X = blobs[0]
    everywhere_else = np.roll(X, 1, axis=0)
    everywhere_else[7] = X[7]
    expected = ask(fitted_teachers[name], X)[7]
    assert_allclose(ask(fitted_teachers[name], everywhere_else)[7], expected, atol=1e-6)
    assert_allclose(ask(fitted_teachers[name], X[7:8])[0], expected, atol=1e-6)


def test_teachers_are_stacked_in_order_whatever_n_jobs(fitted_teachers, blobs):
    proba = stack_proba(fitted_teachers, blobs[0], CLASSES)
    assert proba.shape == (90, len(fitted_teachers), 3)
    for t, name in enumerate(fitted_teachers):
        assert_array_equal(
            proba[:, t], ask(fitted_teachers[name], blobs[0]), err_msg=name
        )
    assert_array_equal(stack_proba(fitted_teachers, blobs[0], CLASSES, n_jobs=2), proba)


@pytest.mark.parametrize("teacher", [RidgeClassifier(), LinearSVC(), SVC()])
def test_margins_of_many_classes_are_read_as_logits(teacher, blobs):
    teacher.fit(*blobs)
    expected = softmax(teacher.decision_function(blobs[0]), axis=1)
    assert_allclose(ask(teacher, blobs[0]), expected, atol=1e-6)


@pytest.mark.parametrize("teacher", [RidgeClassifier(), LinearSVC(), SVC()])
def test_margins_of_two_classes_are_read_as_logits(teacher, blobs):
    X, y = blobs
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


def test_one_against_one_of_two_classes_is_fine(blobs):
    X, y = blobs
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


def test_catboosts_column_of_votes_is_one_hot(blobs):
    # its multiclass predict is (n, 1)
    X, y = blobs
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


@pytest.mark.parametrize("none", [0.0, np.nan])
def test_row_of_nothing_is_no_prediction(none):
    # labelling functions abstain
    rows = [[0.2, 0.8], [none, none], [1.0, 0.0]]
    proba = ask(Remote(["b", "a"], predict_proba=rows), [[0]] * 3, LETTERS)
    assert_allclose(proba, [[0.8, 0.2, 0], [0, 0, 0], [0, 1, 0]], atol=1e-7)


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
        ({"predict_proba": [[np.nan] * 2, [np.nan, 1]]}, "infinite in 1 of 2.*row 1"),
        ({"predict_proba": [[0.0, 0.0], [0.2, 0.2]]}, "that sum to 0.4 to 0.4"),
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


def test_teacher_that_fails_when_asked_is_named(blobs):
    net = clone(UNFITTED["skorch"]).fit(*blobs)
    with pytest.raises(RuntimeError) as caught:  # fewer columns than it has inputs
        stack_proba({"my net": net}, blobs[0][:, :3], CLASSES)
    assert "'my net'" in text_of(caught.value)


# --- Alignment ----------------------------------------------------------------------


@every_teacher
def test_columns_follow_the_classes_by_value(fitted_teachers, blobs, name):
    order = [2, 0, 1]
    expected = ask(fitted_teachers[name], blobs[0])[:, order]
    assert_array_equal(ask(fitted_teachers[name], blobs[0], order), expected)


@every_teacher
def test_class_unknown_to_a_teacher_gets_exactly_zero(fitted_teachers, blobs, name):
    answer = ask(fitted_teachers[name], blobs[0], [-5, 0, 1, 2, 9])
    assert_array_equal(answer[:, [0, 4]], 0)
    assert_array_equal(answer[:, 1:4], ask(fitted_teachers[name], blobs[0]))


@pytest.mark.parametrize("name", sorted(set(UNFITTED) - {"xgboost", "skorch"}))
def test_string_classes_give_the_same_answers_as_codes(fitted_teachers, blobs, name):
    X, y = blobs
    teacher = clone(UNFITTED[name]).fit(X, LETTERS[y])
    # 1e-3: the solvers of the linear models may stop elsewhere
    assert_allclose(ask(teacher, X, LETTERS), ask(fitted_teachers[name], X), atol=1e-3)


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


def test_teachers_of_different_classes_distill_into_their_union(blobs):
    X, y = blobs
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
def test_every_teacher_distills(fitted_teachers, blobs, partly, name):
    X, y = blobs
    watch = Watch()
    distiller = distill([(name, fitted_teachers[name])], X, partly, weighting=watch)
    assert_array_equal(watch.proba[:, 0], ask(fitted_teachers[name], X))
    labeled = partly >= 0
    accuracy = accuracy_score(y[labeled], fitted_teachers[name].predict(X[labeled]))
    assert_allclose(distiller.teacher_accuracy_[name], accuracy)
    assert distiller.teachers_[0] is fitted_teachers[name]
    assert distiller.named_teachers_[name] is fitted_teachers[name]
    assert_allclose(distiller.predict_proba(X).sum(axis=1), 1, atol=1e-6)


def test_all_teachers_distill_together_and_pickle(fitted_teachers, blobs, partly):
    distiller = distill(list(fitted_teachers.items()), blobs[0], partly)
    assert list(distiller.teacher_weight_.columns) == list(fitted_teachers)
    assert distiller.teacher_weight_.shape == (60, len(fitted_teachers))
    twin = pickle.loads(pickle.dumps(distiller))
    assert_array_equal(twin.predict_proba(blobs[0]), distiller.predict_proba(blobs[0]))
    for teacher, copy in zip(distiller.teachers_, twin.teachers_, strict=True):
        assert_array_equal(ask(copy, blobs[0]), ask(teacher, blobs[0]))


def test_boosters_distill_from_a_data_frame_without_a_warning(blobs, partly):
    X, y = blobs
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.zeros(90, dtype=int))
    names = ["lightgbm", "xgboost", "catboost", "boosting", "pipeline"]
    teachers = [clone(UNFITTED[name]).fit(frame, y) for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EnsembleDistiller(teachers, small_net(), weighting="uniform").fit(frame, partly)


def test_boosters_distill_from_sparse_rows(blobs, partly):
    X, y = sparse.csr_matrix(blobs[0].clip(min=0)), blobs[1]
    teachers = [
        clone(UNFITTED[name]).fit(X, y) for name in ("lightgbm", "xgboost", "catboost")
    ]
    distiller = distill(teachers, X, partly)
    assert (distiller.teacher_accuracy_ > 0.4).all()


@pytest.mark.parametrize("name", ["catboost", "lightgbm", "forest", "linear_svc"])
def test_teachers_of_string_classes_distill(blobs, partly, name):
    X, y = blobs
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


def test_teachers_asked_at_once_share_the_cores(blobs, many_threads):
    teachers = {name: CoreCounter().fit(*blobs) for name in "ab"}
    before = torch.get_num_threads(), most_threads("blas")
    stack_proba(teachers, blobs[0], CLASSES, n_jobs=2)
    share = max(1, joblib.cpu_count() // 2)
    for teacher in teachers.values():
        assert teacher.seen_ == {"joblib": 1, "blas": share, "torch": share}
    assert (torch.get_num_threads(), most_threads("blas")) == before


def test_teachers_asked_one_by_one_have_all_cores(blobs, many_threads):
    teachers = {name: CoreCounter().fit(*blobs) for name in "ab"}
    stack_proba(teachers, blobs[0], CLASSES)
    assert teachers["b"].seen_["torch"] == joblib.cpu_count() + 1
    assert teachers["b"].seen_["joblib"] == joblib.cpu_count()
    # one teacher has nobody to share with
    stack_proba({"a": teachers["a"]}, blobs[0], CLASSES, n_jobs=2)
    assert teachers["a"].seen_["joblib"] == joblib.cpu_count()


def test_threads_are_restored_after_an_error(blobs, many_threads):
    class Broken(GaussianNB):
        def predict_proba(self, X):
            raise ZeroDivisionError

    teachers = {name: Broken().fit(*blobs) for name in "ab"}
    before = torch.get_num_threads(), most_threads("blas")
    with pytest.raises(ZeroDivisionError):
        stack_proba(teachers, blobs[0], CLASSES, n_jobs=2)
    assert (torch.get_num_threads(), most_threads("blas")) == before


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_teachers_fitted_at_once_share_the_cores(blobs, backend):
    with joblib.parallel_config(backend=backend):
        fitted, _ = fit_teachers(
            {"a": CoreCounter(), "b": CoreCounter()},
            *blobs,
            CLASSES,
            KFold(3),
            n_jobs=2,
        )
    assert [teacher.at_fit_ for teacher in fitted.values()] == [1, 1]


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_any_backend_of_joblib_asks_the_teachers(fitted_teachers, blobs, backend):
    teachers = {name: fitted_teachers[name] for name in ("svc", "forest", "neighbors")}
    expected = stack_proba(teachers, blobs[0], CLASSES)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        assert_array_equal(stack_proba(teachers, blobs[0], CLASSES), expected)


# --- Errors -------------------------------------------------------------------------


def constant(row, method="predict_proba", **options):
    """Name a teacher that predicts the same for each row."""
    return stub(**{method: lambda X: np.array([row] * len(X))}, **options)


def pairwise_svc(world):
    return SVC(decision_function_shape="ovo").fit(world.X, np.arange(60) % 4)


test_senseless_prediction_of_a_teacher_is_an_error = check_errors(
    {
        "proba NaN": (
            lambda w: w.fit_stub(constant([np.nan, 0.5, 0.5])),
            ValueError,
            "predict_proba of teacher 'stub' is NaN",
            "in 60 of 60 rows, first in row 0",
        ),
        "nothing but NaN": (
            lambda w: w.fit(teachers=[*w.teachers, constant([np.nan] * 3)]),
            ValueError,
            "Teachers ['stub'] predict none of the rows",
            "leave them out",
        ),
        "nothing but zeros": (
            lambda w: w.fit_stub(constant([0.0] * 3)),
            ValueError,
            "Teachers ['stub'] predict none of the rows",
            "leave them out",
        ),
        "proba are logits": (
            lambda w: w.fit_stub(constant([3.0, -1.0, 0.5])),
            ValueError,
            "predict_proba of teacher 'stub' must return probabilities",
            "let its predict_proba end in a softmax",
        ),
        "proba too wide": (
            lambda w: w.fit_stub(constant([0.25] * 4)),
            ValueError,
            "predict_proba of teacher 'stub' must have one column",
            "for each of its 3 classes, got an array of shape (60, 4)",
        ),
        "proba of the second class only": (
            lambda w: w.fit_stub(constant(0.5, classes=(0, 1)), y=w.y.clip(max=1)),
            ValueError,
            "predict_proba of teacher 'stub' must have one column",
            "for each of its 2 classes, got an array of shape (60,)",
        ),
        "proba text": (
            lambda w: w.fit_stub(constant(["much", "some", "little"])),
            ValueError,
            "dtype <U6",
            "predict_proba of teacher 'stub' must return one array of numbers",
        ),
        "proba of too few rows": (
            lambda w: w.fit(
                teachers=[*w.teachers, stub(predict_proba=lambda X: np.eye(3))]
            ),
            ValueError,
            "predict_proba of teacher 'stub'",
            "all 60 rows, got an array of shape (3, 3)",
        ),
        "decision NaN": (
            lambda w: w.fit_stub(constant([np.nan] * 3, "decision_function")),
            ValueError,
            "decision_function of teacher 'stub' is NaN",
            "leave it out",
        ),
        "decision of pairs": (
            lambda w: w.fit(teachers=[("pairs", pairwise_svc(w))]),
            ValueError,
            "decision_function of teacher 'pairs' must have one column",
            "not one for each pair: set decision_function_shape='ovr'",
        ),
        "stranger among the votes": (
            lambda w: w.fit_stub(constant(9, "predict")),
            ValueError,
            "predict of teacher 'stub' returned",
            "not among its classes_ [0, 1, 2]",
        ),
        "teacher fitted to other columns": (
            lambda w: w.fit(X=w.X[:, :3]),
            ValueError,
            "X has 3 features",
            "GaussianNB is expecting 4 features",
        ),
    }
)
