"""The teachers' predictions: queried once a row, in blocks, or given."""

import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.inspection import (
    DisagreementDisplay,
    LatencyDisplay,
    TeacherWeightDisplay,
    distillation_report,
)
from sk_ekd.model_selection import SemiSupervisedSplit
from sk_ekd.pooling import MeanPool
from sk_ekd.students import _kinds
from sk_ekd.teachers import _predictions
from tests.teachers.kinds import Recorder, Watch, Witness, distill, small_net
from tests.worlds import make_distiller, unfitted_trio

# --- Queried ------------------------------------------------------------------------


KINDS = {
    "array": lambda X: X,
    "integers": lambda X: X.astype(int),
    "csr": sparse.csr_array,
    "frame": lambda X: pd.DataFrame(X, columns=list("abcd")),
    "odd index": lambda X: pd.DataFrame(X, index=np.repeat(["u", "v", "w"], 30)),
    "lists": np.ndarray.tolist,
}


@pytest.mark.parametrize("kind", KINDS)
def test_teacher_sees_the_rows_exactly_as_they_were_given(blobs, partly, kind):
    X, witness = KINDS[kind](blobs[0]), Witness()
    distill([witness], X, np.minimum(partly, 1))
    (asked,) = witness.asked
    assert type(asked) is type(X)
    if kind in ("frame", "odd index"):
        pd.testing.assert_frame_equal(asked, X)
    else:
        assert joblib.hash(asked) == joblib.hash(X)


@pytest.mark.parametrize("kind", KINDS)
def test_block_of_rows_is_of_the_callers_kind(blobs, partly, kind, monkeypatch):
    monkeypatch.setattr(_predictions, "BLOCK_VALUES", 2 * 40)
    X, witness = KINDS[kind](blobs[0]), Witness()
    distill([witness], X, np.minimum(partly, 1))
    assert [type(part) for part in witness.asked] == [type(X)] * 3
    whole = np.concatenate([_dense(part) for part in witness.asked])
    assert_array_equal(whole, _dense(X))


def _dense(X):
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


def test_fitted_teacher_is_never_fitted_and_asked_once_a_row(blobs, partly, log):
    X, y = blobs
    teacher = Recorder(random_state=0).fit(X, y)
    log.clear()
    distiller = distill([teacher], X, partly)
    distiller.predict(X)
    distiller.score(X, partly)
    assert [call for call, _, _ in log] == ["predict_proba"]
    assert_array_equal(log[0][1], X)


def test_row_asked_in_blocks_is_asked_once(blobs, partly, log, monkeypatch):
    monkeypatch.setattr(_predictions, "BLOCK_VALUES", 3 * 7)
    X, y = blobs
    teacher = Recorder(random_state=0).fit(X, y)
    log.clear()
    distill([teacher], X, partly)
    assert {call for call, _, _ in log} == {"predict_proba"}
    assert max(len(rows) for _, rows, _ in log) == 7
    assert_array_equal(np.concatenate([rows for _, rows, _ in log]), X)


def test_row_of_sample_weight_zero_is_not_asked(blobs, partly, log):
    X, y = blobs
    teacher = Recorder(random_state=0).fit(X, y)
    log.clear()
    weight = np.arange(90) % 2
    EnsembleDistiller([teacher], small_net(), weighting="uniform").fit(
        X, partly, sample_weight=weight
    )
    assert_array_equal(log[0][1], X[1::2])


@pytest.mark.parametrize("cv", ["prefit", 3])
@pytest.mark.parametrize("weighting", ["correctness", "unified", "uniform"])
def test_block_size_does_not_matter(blobs, partly, monkeypatch, cv, weighting):
    X, y = blobs
    teachers = [
        RandomForestClassifier(4, max_depth=2, random_state=0),
        KNeighborsClassifier(9),
        DecisionTreeClassifier(max_depth=3, random_state=0),
    ]
    if cv == "prefit":
        teachers = [teacher.fit(X, y) for teacher in teachers]
    targets = []

    def keep_target(student, train, valid, **options):
        targets.append(train[1].mix)
        return fit_student(student, train, valid, **options)

    fit_student = _kinds.fit_student
    monkeypatch.setattr(_kinds, "fit_student", keep_target)
    whole = distill(teachers, X, partly, cv=cv, weighting=weighting)
    for block_values in (1, 9 * 7, 9 * 89):
        monkeypatch.setattr(_predictions, "BLOCK_VALUES", block_values)
        parts = distill(teachers, X, partly, cv=cv, weighting=weighting)
        assert_array_equal(targets[-1], targets[0])
        assert_array_equal(parts.row_weight_, whole.row_weight_)
        pd.testing.assert_frame_equal(parts.teacher_weight_, whole.teacher_weight_)
        pd.testing.assert_series_equal(parts.teacher_accuracy_, whole.teacher_accuracy_)
        assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))


@pytest.mark.parametrize("cv", ["prefit", 3])
def test_all_rows_of_all_teachers_are_never_held_at_once(
    blobs, partly, monkeypatch, cv
):
    monkeypatch.setattr(_predictions, "BLOCK_VALUES", 100)
    X, y = blobs
    teachers = [GaussianNB(), DecisionTreeClassifier(max_depth=2), GaussianNB()]
    if cv == "prefit":
        teachers = [teacher.fit(X, y) for teacher in teachers]
    watch = Watch()
    distill(teachers, X, partly, cv=cv, weighting=watch)
    assert max(rows.proba.size for rows in watch.rows) <= 100
    assert all(len(rows.X) == len(rows.y) == len(rows.proba) for rows in watch.rows)
    assert sum(len(rows.y) for rows in watch.rows) == 90


def test_more_teachers_than_a_block_holds_are_asked_row_by_row(
    blobs, partly, monkeypatch
):
    monkeypatch.setattr(_predictions, "BLOCK_VALUES", 5)
    watch = Watch()
    teacher = GaussianNB().fit(*blobs)
    distill([teacher] * 4, blobs[0], partly, weighting=watch)
    assert {rows.proba.shape for rows in watch.rows} == {(1, 4, 3)}


# --- Given --------------------------------------------------------------------------


def assert_same(first, second, X):
    assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert_array_equal(first.row_weight_, second.row_weight_)
    assert_array_equal(first.teacher_weight_, second.teacher_weight_)
    assert_array_equal(first.teacher_accuracy_, second.teacher_accuracy_)


@pytest.mark.parametrize("weighting", ["correctness", "unified", "uniform"])
@pytest.mark.parametrize("kind", ["array", "list", "float64", "memmap", "torch"])
def test_given_answers_are_asked_answers_bit_for_bit(trio, tmp_path, kind, weighting):
    X, y, _, teachers = trio
    proba = ask_teachers(teachers, X, y, out=tmp_path / "proba.npy")
    given = {
        "array": np.array,
        "list": lambda p: p.tolist(),
        "float64": lambda p: p.astype(np.float64),
        "memmap": lambda p: p,
        "torch": lambda p: torch.tensor(np.array(p)),
    }[kind](proba)
    asked = make_distiller(teachers, weighting=weighting).fit(X, y)
    for given_teachers in (teachers, None):
        looked_up = make_distiller(given_teachers, weighting=weighting)
        assert_same(looked_up.fit(X, y, teacher_proba=given), asked, X)
    assert list(looked_up.teacher_accuracy_.index) == [
        "teacher-1",
        "teacher-2",
        "teacher-3",
    ]
    assert looked_up.teachers_ == []


@pytest.mark.parametrize("cv", [4, StratifiedKFold(3, shuffle=True, random_state=0)])
@pytest.mark.parametrize("weighted", [False, True])
def test_out_of_fold_answers_are_those_of_fit_bit_for_bit(trio, counted, cv, weighted):
    X, y, _, _ = trio
    weight = np.arange(240) % 3 if weighted else None  # zeros are removed rows
    options = {"cv": cv, "random_state": 0}
    proba = ask_teachers(unfitted_trio(), X, y, sample_weight=weight, **options)
    assert_allclose(proba.sum(axis=2), 1, atol=1e-6)  # the removed rows' too
    asked = make_distiller(unfitted_trio(), **options).fit(X, y, sample_weight=weight)
    counted.fits = 0
    given = make_distiller(unfitted_trio(), **options)
    given.fit(X, y, sample_weight=weight, teacher_proba=proba)
    assert counted.fits == 0
    assert_same(given, asked, X)
    assert given.teachers_ == []
    assert list(given.teacher_weight_) == list(asked.teacher_weight_)


def test_block_size_of_given_answers_does_not_matter(trio, monkeypatch):
    X, y, _, teachers = trio
    proba = ask_teachers(teachers, X, y)
    whole = make_distiller(None).fit(X, y, teacher_proba=proba)
    monkeypatch.setattr(_predictions, "BLOCK_VALUES", 9 * 7)
    assert_same(make_distiller(None).fit(X, y, teacher_proba=proba), whole, X)


def test_rough_answers_are_normalized(trio):
    X, y, _, teachers = trio
    proba = ask_teachers(teachers, X, y)
    exact = make_distiller(None).fit(X, y, teacher_proba=proba)
    rough = make_distiller(None).fit(X, y, teacher_proba=proba * 1.0005)
    assert_allclose(rough.predict_proba(X), exact.predict_proba(X), atol=1e-3)
    half = make_distiller(None).fit(X, y, teacher_proba=proba.astype(np.float16))
    assert_allclose(half.predict_proba(X), exact.predict_proba(X), atol=1e-2)


def test_votes_may_be_booleans(trio):
    X, y, _, teachers = trio
    votes = np.eye(3, dtype=bool)[ask_teachers(teachers, X).argmax(axis=2)]
    numbers = make_distiller(None).fit(X, y, teacher_proba=votes.astype(float))
    assert_same(make_distiller(None).fit(X, y, teacher_proba=votes), numbers, X)


def test_unfitted_teachers_need_no_label_where_answers_are_given(trio):
    X, _, _, teachers = trio
    proba = ask_teachers(teachers, X)
    fitted = make_distiller(unfitted_trio(), cv=5)
    fitted.fit(X, np.full(240, -1), teacher_proba=proba)
    assert fitted.teachers_ == []


def test_answers_are_not_written_to(trio):
    X, y, _, teachers = trio
    proba = ask_teachers(teachers, X, y).astype(np.float64) * 1.0005
    before = proba.copy()
    make_distiller(None).fit(X, y, teacher_proba=proba)
    assert_array_equal(proba, before)


GRID = {"alpha": [0.2, 0.8], "temperature": [1.0, 2.0]}


def test_search_asks_each_teacher_once_a_row(trio, counted):
    X, y, _, teachers = trio
    split = SemiSupervisedSplit(5)
    asked = GridSearchCV(make_distiller(teachers), GRID, cv=split).fit(X, y)
    n_labeled = (y >= 0).sum()
    # of 4 candidates x 5 folds and the last fit; each train part lacks a fifth
    assert counted.rows == 4 * 5 * (240 - n_labeled / 5) + 240
    counted.rows = 0
    proba = ask_teachers(teachers, X, y)
    given = GridSearchCV(make_distiller(teachers), GRID, cv=split)
    given.fit(X, y, teacher_proba=proba)
    assert counted.rows == 240
    assert_array_equal(
        given.cv_results_["mean_test_score"], asked.cv_results_["mean_test_score"]
    )
    assert_array_equal(given.predict_proba(X), asked.predict_proba(X))


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_every_fold_gets_its_own_rows(trio, routing, n_jobs):
    X, y, _, teachers = trio
    proba = ask_teachers(teachers, X, y)
    split = SemiSupervisedSplit(3)
    expected = [
        make_distiller(None)
        .fit(X[train], y[train], teacher_proba=proba[train], sample_weight=w[train])
        .score(X[test], y[test])
        for w in [np.linspace(0, 1, 240)]
        for train, test in split.split(X, y)
    ]
    model = make_distiller(None)
    metadata = {"teacher_proba": proba, "sample_weight": np.linspace(0, 1, 240)}
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:
            model.set_fit_request(teacher_proba=True, sample_weight=True)
            model.set_score_request(sample_weight=False)
        scores = cross_val_score(model, X, y, cv=split, params=metadata, n_jobs=n_jobs)
    assert_array_equal(scores, expected)


@pytest.mark.parametrize("routing", [False, True])
def test_answers_pass_through_a_pipeline_in_a_search(trio, routing):
    X, y, _, teachers = trio
    proba = ask_teachers(teachers, X, y)
    with sklearn.config_context(enable_metadata_routing=routing):
        model = make_distiller(None)
        if routing:
            model.set_fit_request(teacher_proba=True)
        pipeline = Pipeline([("scale", StandardScaler()), ("distill", model)])
        grid = {f"distill__{name}": values for name, values in GRID.items()}
        search = GridSearchCV(pipeline, grid, cv=SemiSupervisedSplit(3))
        metadata = {"teacher_proba": proba}
        if not routing:
            metadata = {
                "distill__teacher_proba": proba,
                "distill__sample_weight": np.ones(240),
            }
        search.fit(X, y, **metadata)
        alone = make_distiller(None, **{
            name.removeprefix("distill__"): value
            for name, value in search.best_params_.items()
        })  # fmt: skip
    scaled = StandardScaler().fit_transform(X)
    alone.fit(scaled, y, teacher_proba=proba)
    assert_array_equal(alone.predict_proba(scaled), search.predict_proba(X))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_frames_keep_their_names(trio):
    X, y, _, _ = trio
    frame = pd.DataFrame(X, columns=list("abcde"))
    teachers = [GaussianNB()]
    proba = ask_teachers(teachers, frame, y, cv=3, random_state=0)
    fitted = make_distiller(teachers, cv=3).fit(frame, y, teacher_proba=proba)
    assert_array_equal(fitted.feature_names_in_, list("abcde"))


# --- Teachers that do not predict every row -----------------------------------------


class Rule:
    """A labelling function: it names a class where a column is high, else abstains."""

    def __init__(self, column, label, classes=(0, 1, 2), none=np.nan):
        self.classes_ = np.array(classes)
        self.column, self.label, self.none = column, label, none

    def predict_proba(self, X):
        proba = np.full((len(X), len(self.classes_)), self.none)
        proba[X[:, self.column] > 0] = self.classes_ == self.label
        return proba


def rules_of(blobs):
    """Return three rules, and which rows at least one of them predicts."""
    teachers = [(f"rule-{c}", Rule(c, c)) for c in range(3)]
    return teachers, (blobs[0][:, :3] > 0).any(axis=1)


def rule_distiller(teachers, **params):
    return EnsembleDistiller(teachers, small_net(), random_state=0, **params)


@pytest.mark.parametrize("weighting", ["uniform", "correctness", "unified"])
@pytest.mark.parametrize("pooling", ["mean", "calibrated"])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_rules_distill(blobs, partly, weighting, pooling, temperature):
    X = blobs[0]
    teachers, known = rules_of(blobs)
    params = {"weighting": weighting, "pooling": pooling, "temperature": temperature}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no division by zero, no mean of nothing
        warnings.filterwarnings("ignore", "Teachers are right on fewer|On .* of the l")
        distiller = rule_distiller(teachers, **params).fit(X, partly)
    assert not known.all()
    assert_array_equal(distiller.row_weight_[~known], 0)
    assert np.isfinite(distiller.history_["train_loss"]).all()
    weight = distiller.teacher_weight_
    predicted = X[weight.index, :3] > 0
    assert_array_equal(weight.to_numpy()[~predicted], 0)
    if weighting == "uniform":
        assert_allclose(distiller.row_weight_[known], 1)
    for c, (name, _) in enumerate(teachers):
        mine = (partly >= 0) & (X[:, c] > 0)
        accuracy = (partly[mine] == c).mean()
        assert_allclose(distiller.teacher_accuracy_[name], accuracy)
    assert_allclose(distiller.predict_proba(X).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("none", [0.0, np.nan])
def test_given_predictions_leave_out_rows_as_asked_ones_do(blobs, partly, none):
    X = blobs[0]
    teachers, _ = rules_of(blobs)
    asked = ask_teachers(teachers, X)
    assert_array_equal(asked.any(axis=2), X[:, :3] > 0)
    given = np.where(asked.any(axis=2, keepdims=True), asked, none)
    one = rule_distiller(teachers).fit(X, partly)
    other = rule_distiller(teachers).fit(X, partly, teacher_proba=given)
    again = rule_distiller(teachers).fit(X, partly, teacher_proba=asked)
    for twin in (other, again):
        assert_array_equal(twin.predict_proba(X), one.predict_proba(X))
        assert_array_equal(twin.row_weight_, one.row_weight_)


@pytest.mark.parametrize("weighting", ["uniform", "correctness", "unified"])
def test_row_that_nobody_predicts_has_no_part_unless_it_is_labeled(
    blobs, partly, weighting
):
    X, y = blobs[0].copy(), partly.copy()
    teachers, known = rules_of(blobs)
    nothing = np.flatnonzero(~known)
    y[nothing] = -1
    weight = known.astype(float)
    there = rule_distiller(teachers, alpha=1, weighting=weighting).fit(X, y)
    other = X.copy()
    other[nothing] *= 2  # stays negative
    moved = rule_distiller(teachers, alpha=1, weighting=weighting).fit(other, y)
    assert_array_equal(moved.predict_proba(X), there.predict_proba(X))
    gone = rule_distiller(teachers, alpha=1, weighting=weighting)
    gone.fit(X, y, sample_weight=weight)
    assert_allclose(gone.row_weight_, there.row_weight_)
    labeled = np.where(np.arange(90) == nothing[0], 1, y)
    learned = rule_distiller(teachers, weighting=weighting).fit(X, labeled)
    missed = rule_distiller(teachers, weighting=weighting).fit(X, y)
    assert (learned.predict_proba(X) != missed.predict_proba(X)).any()


def test_weighting_that_knows_nothing_of_it_shares_among_those_that_predict(blobs):
    X, y = blobs
    teachers, known = rules_of(blobs)

    def careless(rows):  # infinite, or NaN, where there is no prediction
        with np.errstate(all="ignore"):
            return np.ones(3) / rows.proba.sum(axis=2)

    distiller = rule_distiller(teachers, weighting=careless).fit(X, y)
    predicted = X[:, :3] > 0
    assert_allclose(distiller.teacher_weight_, predicted.astype(float))
    even = rule_distiller(teachers, weighting=lambda rows: np.ones((len(rows.y), 3)))
    assert_allclose(even.fit(X, y).row_weight_, np.where(known, 3, 0))


def test_chunk_that_a_rule_does_not_predict_is_trained_on(blobs):
    X, y = blobs
    teachers, known = rules_of(blobs)
    distiller = rule_distiller(teachers)
    distiller.partial_fit(X[known], y[known], classes=[0, 1, 2])
    distiller.partial_fit(X[~known], y[~known])  # labels alone
    assert_array_equal(distiller.row_weight_, 0)
    assert distiller.teacher_accuracy_.isna().all()
    assert np.isfinite(distiller.history_["train_loss"]).all()


def test_report_of_rules_says_how_many_rows_they_predict(blobs):
    X, y = blobs
    teachers, known = rules_of(blobs)
    distiller = rule_distiller(teachers).fit(X, y)
    report = distillation_report(distiller, X, y)
    names = [name for name, _ in teachers]
    assert_allclose(report.loc[names, "coverage"], (X[:, :3] > 0).mean(axis=0))
    assert report.loc["ensemble", "coverage"] == known.mean()
    assert report.loc["student", "coverage"] == 1
    assert_allclose(
        report.loc["rule-1", "accuracy"], distiller.teacher_accuracy_["rule-1"]
    )
    proba = ask_teachers(teachers, X)
    right = MeanPool().fit(proba).predict_proba(proba).argmax(axis=1) == y
    assert_allclose(report.loc["ensemble", "accuracy"], right[known].mean())
    every = proba.any(axis=2).all(axis=1)
    assert "coverage" not in distillation_report(distiller, X[every], y[every])
    some = DisagreementDisplay.from_estimator(distiller, X, y)
    assert some.error_rate["n_samples"].sum() == known.sum()
    TeacherWeightDisplay.from_estimator(distiller)
    LatencyDisplay(report).plot()


def test_rule_that_fires_on_no_labeled_row_has_no_accuracy(blobs):
    X, y = blobs
    teachers, _ = rules_of(blobs)
    partly = np.where(X[:, 1] > 0, -1, y)
    distiller = rule_distiller(teachers).fit(X, partly)
    assert np.isnan(distiller.teacher_accuracy_["rule-1"])
    display = TeacherWeightDisplay.from_estimator(distiller)
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert "rule-1" in labels
    assert not any("nan" in label for label in labels)
