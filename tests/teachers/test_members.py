"""A fitted ensemble opened: its members answer alone, in the ensemble's labels."""

import pickle
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd.inspection import distillation_report
from sk_ekd.students import _kinds
from sk_ekd.teachers import _members
from sk_ekd.teachers._members import Member, open_ensemble, read_once, weigh_members
from sk_ekd.teachers._open import known_classes
from sk_ekd.teachers._predict import stack_proba
from tests.errors import check_errors, check_warnings
from tests.worlds import linear_net

RESPONSES = ("predict_proba", "decision_function", "predict")
LABELS = {
    "codes": np.arange(3),
    "shifted": np.array([3, 5, 9]),
    "ambiguous": np.array([1, 2, 3]),  # 1 and 2 are codes as well
    "strings": np.array(["a", "b", "c"]),
    "string_codes": np.array(["0", "1", "2"]),
}
every_label = pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)


class Voter(ClassifierMixin, BaseEstimator):
    """A classifier that has votes only."""

    def fit(self, X, y):
        self.tree_ = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)
        self.classes_ = self.tree_.classes_
        return self

    def predict(self, X):
        return self.tree_.predict(X)


class Grove(RandomForestClassifier):
    """A forest of another library."""


def named():
    return [
        ("tree", DecisionTreeClassifier(max_depth=2, random_state=0)),
        ("bayes", GaussianNB()),
        ("logistic", LogisticRegression()),
    ]


def marginal():
    return [("svc", LinearSVC(random_state=0)), ("ridge", RidgeClassifier())]


UNFITTED = {
    "forest": RandomForestClassifier(8, max_depth=3, random_state=0),
    "extra_trees": ExtraTreesClassifier(8, max_depth=3, random_state=0),
    "bagging": BaggingClassifier(
        DecisionTreeClassifier(max_depth=3),
        n_estimators=8,
        max_samples=0.5,
        random_state=0,
    ),
    "bagging_subsets": BaggingClassifier(
        DecisionTreeClassifier(max_depth=3),
        n_estimators=8,
        max_features=2,
        random_state=0,
    ),
    "bagging_drawn_twice": BaggingClassifier(
        GaussianNB(), n_estimators=8, bootstrap_features=True, random_state=0
    ),
    "soft_voting": VotingClassifier(named(), voting="soft"),
    "hard_voting": VotingClassifier([*named(), *marginal(), ("voter", Voter())]),
    "stacking": StackingClassifier([*named(), *marginal()], cv=3),
    "calibrated": CalibratedClassifierCV(GaussianNB(), cv=3),
    "calibrated_once": CalibratedClassifierCV(GaussianNB(), cv=3, ensemble=False),
}
MEANS = [  # their probabilities are the plain mean of their members'
    name
    for name in UNFITTED
    if name.startswith(("forest", "extra", "bagging", "soft", "calibrated"))
]
READ_ONCE = ["forest", "extra_trees", "bagging", "bagging_subsets"]
every_ensemble = pytest.mark.parametrize("name", UNFITTED)


@pytest.fixture(scope="module")
def data(blobs):
    X, y = blobs
    return X.astype(np.float64), y


@pytest.fixture(scope="module")
def fitted(data):
    """Return each ensemble fitted, by its name and the first of its labels."""
    X, y = data
    return {
        (name, labels[0]): clone(ensemble).fit(X, labels[y])
        for name, ensemble in UNFITTED.items()
        for labels in LABELS.values()
    }


def open_read(ensemble):
    """Return the members, and what reads rows once for all of them."""
    members = open_ensemble(ensemble)
    return members, partial(read_once, members)


def ask(ensemble, X, classes=None):
    """Return the members' predictions -> (n, t, c)."""
    classes = ensemble.classes_ if classes is None else classes
    return stack_proba(open_ensemble(ensemble), X, classes)


def ask_forest(fitted):
    return lambda X: ask(fitted["forest", 0], X)


def models(ensemble):
    return [member.model for member in open_ensemble(ensemble).values()]


# --- Names and kinds ----------------------------------------------------------------


def test_trees_are_named_by_class_and_number(fitted):
    members = open_ensemble(fitted["forest", 0])
    assert list(members) == [f"decisiontreeclassifier-{i}" for i in range(1, 9)]
    assert list(open_ensemble(fitted["extra_trees", 0]))[-1] == (
        "extratreeclassifier-8"
    )


def test_callers_names_are_kept_in_their_order(fitted):
    assert list(open_ensemble(fitted["soft_voting", 0])) == [
        "tree",
        "bayes",
        "logistic",
    ]
    assert list(open_ensemble(fitted["stacking", 0])) == [
        *("tree", "bayes", "logistic"),
        *("svc", "ridge"),
    ]


def test_calibrated_members_are_named_so(fitted):
    assert list(open_ensemble(fitted["calibrated", 0])) == [
        f"calibrated-{i}" for i in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("ensemble", "name"),
    [
        (UNFITTED["calibrated_once"], "calibrated"),
        (RandomForestClassifier(1, random_state=0), "decisiontreeclassifier"),
        (BaggingClassifier(GaussianNB(), n_estimators=1), "gaussiannb"),
    ],
)
def test_only_member_has_no_number(ensemble, name, data):
    assert list(open_ensemble(clone(ensemble).fit(*data))) == [name]


@pytest.mark.parametrize("kind", [VotingClassifier, StackingClassifier])
def test_dropped_members_are_left_out(kind, data):
    ensemble = kind(named()).set_params(bayes="drop").fit(*data)
    members = open_ensemble(ensemble)
    assert list(members) == ["tree", "logistic"]
    assert models(ensemble) == ensemble.estimators_


def test_member_dropped_after_the_fit_is_still_one(data):
    voting = VotingClassifier(named()).fit(*data).set_params(tree="drop")
    assert list(open_ensemble(voting)) == ["tree", "bayes", "logistic"]


def test_final_estimator_is_no_member(fitted):
    stacking = fitted["stacking", 0]
    assert all(model is not stacking.final_estimator_ for model in models(stacking))


@every_ensemble
def test_members_hold_the_fitted_models_themselves(name, fitted):
    ensemble = fitted[name, 0]
    own = getattr(ensemble, "estimators_", None) or ensemble.calibrated_classifiers_
    assert all(a is b for a, b in zip(models(ensemble), own, strict=True))


def test_subclass_is_opened(data):
    assert len(open_ensemble(Grove(4, random_state=0).fit(*data))) == 4


def test_frozen_ensemble_is_opened(fitted, data):
    forest = fitted["forest", "a"]
    frozen = FrozenEstimator(FrozenEstimator(forest))
    assert_array_equal(ask(frozen, data[0]), ask(forest, data[0]))


@pytest.mark.parametrize(
    "classifier",
    [
        SVC(),
        AdaBoostClassifier(n_estimators=3),
        GradientBoostingClassifier(n_estimators=3),
        make_pipeline(StandardScaler(), RandomForestClassifier(3)),
        FrozenEstimator(SVC().fit([[0], [1]], [0, 1])),
    ],
)
def test_any_other_classifier_is_one_teacher_and_sees_x_as_given(classifier, data):
    teachers, read = open_read(classifier.fit(*data))
    assert teachers == {type(classifier).__name__.lower(): classifier}
    assert read(data[0]) is data[0]


def test_pipeline_around_a_forest_does_not_disagree(data):
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(9)).fit(*data)
    assert ask(pipeline, data[0]).shape == (90, 1, 3)


# --- Labels -------------------------------------------------------------------------


@every_ensemble
@every_label
def test_members_speak_the_ensembles_labels(name, labels, fitted):
    members = open_ensemble(fitted[name, labels[0]])
    for classes in known_classes(members).values():
        assert isinstance(classes, np.ndarray)
        assert_array_equal(classes, labels)
        assert classes.dtype == labels.dtype


@every_ensemble
@every_label
def test_answers_do_not_depend_on_how_labels_are_written(name, labels, fitted, data):
    proba = ask(fitted[name, labels[0]], data[0])
    assert proba.shape[::2] == (90, 3)
    assert_allclose(proba.sum(axis=2), 1, rtol=1e-6)
    assert_allclose(proba, ask(fitted[name, 0], data[0]), atol=1e-6)


@pytest.mark.parametrize("name", MEANS)
@every_label
def test_mean_of_the_members_is_the_ensembles_answer(name, labels, fitted, data):
    ensemble = fitted[name, labels[0]]
    mean = ask(ensemble, data[0]).mean(axis=1)
    assert_allclose(mean, ensemble.predict_proba(data[0]), atol=1e-6)


@every_label
def test_votes_of_the_members_elect_what_hard_voting_does(labels, fitted, data):
    voting = fitted["hard_voting", labels[0]]
    members, read = open_read(voting)
    votes = np.array([member.predict(read(data[0])) for member in members.values()])
    assert votes.dtype == labels.dtype
    # on a tie, both take the first
    elected = [labels[(v[:, None] == labels).sum(axis=0).argmax()] for v in votes.T]
    assert_array_equal(elected, voting.predict(data[0]))


@every_ensemble
def test_predict_is_the_most_probable_label(name, fitted, data):
    members, read = open_read(fitted[name, 3])
    for member in members.values():
        if hasattr(member, "predict_proba") and hasattr(member, "predict"):
            codes = member.predict_proba(read(data[0])).argmax(axis=1)
            assert_array_equal(member.predict(read(data[0])), member.classes_[codes])


@every_ensemble
def test_member_has_exactly_the_answers_of_its_model(name, fitted):
    for member in open_ensemble(fitted[name, 0]).values():
        for response in RESPONSES:
            assert hasattr(member, response) == hasattr(member.model, response)


def test_answers_of_every_kind_stand_in_for_one_another(fitted):
    members = open_ensemble(fitted["hard_voting", 0])
    first = {
        name: next(r for r in RESPONSES if hasattr(member, r))
        for name, member in members.items()
    }
    assert first["tree"] == "predict_proba"
    assert first["svc"] == first["ridge"] == "decision_function"
    assert first["voter"] == "predict"


def test_two_classes_have_one_margin(data):
    X, y = data
    labels = np.array(["no", "yes"])[np.minimum(y, 1)]
    voting = VotingClassifier(marginal()).fit(X, labels)
    proba = ask(voting, X)
    for t, model in enumerate(models(voting)):
        assert_array_equal(proba[:, t].argmax(axis=1), model.predict(X))


def test_margins_of_class_pairs_are_an_error(data):
    pairs = SVC(decision_function_shape="ovo")
    voting = VotingClassifier([("pairs", make_pipeline(pairs))]).fit(*data)
    with pytest.raises(ValueError, match="'pairs' must have one column for each class"):
        ask(voting, data[0])


@every_label
def test_class_that_a_small_bag_missed_gets_probability_zero(labels, data):
    X, y = data
    bagging = BaggingClassifier(
        KNeighborsClassifier(1), n_estimators=20, max_samples=3, random_state=0
    ).fit(X, labels[y])
    known = [model.classes_.tolist() for model in models(bagging)]
    assert [1, 2] in known
    assert [0, 2] in known
    proba = ask(bagging, X)
    for t, codes in enumerate(known):
        assert proba[:, t, codes].sum(axis=1) == pytest.approx(1)
    assert_allclose(proba.mean(axis=1), bagging.predict_proba(X), atol=1e-6)
    members = open_ensemble(bagging)
    for member, codes in zip(members.values(), known, strict=True):
        assert_array_equal(member.classes_, labels[codes])
        assert np.isin(member.predict(X), labels[codes]).all()


def test_calibrated_member_that_missed_a_class_answers_over_all(data):
    X, y = data
    y = LABELS["strings"][y]
    first = np.flatnonzero(y != "b"), np.arange(90)
    ensemble = CalibratedClassifierCV(
        GaussianNB(), cv=[first, (np.arange(90), np.arange(90))]
    ).fit(X, y)
    proba = ask(ensemble, X)
    assert (proba[:, 0, 1] == 0).all()
    assert (proba[:, 1, 1] > 0).any()
    assert_allclose(proba.mean(axis=1), ensemble.predict_proba(X), atol=1e-6)


# --- Members that were fitted beforehand --------------------------------------------


def beforehand(X, y):
    return [(name, model.fit(X, y)) for name, model in named()]


@every_label
def test_prefit_stack_knows_the_labels_already(labels, data):
    X, y = data[0], labels[data[1]]
    pairs = [*beforehand(X, y), ("svc", LinearSVC(random_state=0).fit(X, y))]
    stacking = StackingClassifier(pairs, cv="prefit").fit(X, y)
    members = open_ensemble(stacking)
    for name, model in pairs:
        assert_array_equal(members[name].classes_, labels)
        assert_array_equal(members[name].predict(X), model.predict(X))
    assert_array_equal(ask(stacking, X), stack_proba(dict(pairs), X, labels))


@pytest.mark.parametrize("kind", [VotingClassifier, StackingClassifier])
@every_label
def test_frozen_member_knows_the_labels_already(kind, labels, data):
    X, y = data[0], labels[data[1]]
    frozen = GaussianNB().fit(X, y)
    ensemble = kind([("frozen", FrozenEstimator(frozen)), ("fresh", GaussianNB())]).fit(
        X, y
    )
    members = open_ensemble(ensemble)
    for member in members.values():
        assert_array_equal(member.classes_, labels)
        assert_array_equal(member.predict(X), frozen.predict(X))
    proba = ask(ensemble, X)
    assert_array_equal(proba[:, 0], proba[:, 1])


@every_label
def test_member_that_knew_two_labels_beforehand_keeps_them(labels, data):
    X, y = data
    some = y < 2
    two = GaussianNB().fit(X[some], labels[y[some]])
    everything = GaussianNB().fit(X, labels[y])
    voting = VotingClassifier([("two", FrozenEstimator(two)), ("all", GaussianNB())])
    stacking = StackingClassifier([("two", two), ("all", everything)], cv="prefit")
    for ensemble in (voting, stacking):
        members = open_ensemble(ensemble.fit(X, labels[y]))
        assert_array_equal(members["two"].classes_, labels[:2])
        assert_array_equal(members["two"].predict(X), two.predict(X))


@every_label
def test_frozen_member_inside_a_pipeline_is_told_by_its_labels(labels, data):
    X, y = data
    frozen = FrozenEstimator(GaussianNB().fit(X, labels[y]))
    voting = VotingClassifier([("pipeline", make_pipeline("passthrough", frozen))])
    members = open_ensemble(voting.fit(X, labels[y]))
    assert_array_equal(members["pipeline"].classes_, labels)
    assert_array_equal(members["pipeline"].predict(X), frozen.predict(X))


@every_label
def test_prefit_member_may_know_codes_of_the_labels(labels, data):
    X, y = data  # as XGBoost wants them
    pairs = beforehand(X, y)
    stacking = StackingClassifier(pairs, cv="prefit").fit(X, labels[y])
    members = open_ensemble(stacking)
    assert_array_equal(members["bayes"].classes_, labels)
    assert_array_equal(
        members["bayes"].predict(X), labels[stacking.estimators_[1].predict(X)]
    )


@every_label
def test_frozen_classifier_in_a_bagging_keeps_its_labels(labels, data):
    X, y = data[0], labels[data[1]]
    frozen = FrozenEstimator(GaussianNB().fit(X, y))
    bagging = BaggingClassifier(frozen, n_estimators=2).fit(X, y)
    for member in open_ensemble(bagging).values():
        assert_array_equal(member.classes_, labels)


# --- Disagreement -------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in UNFITTED if n != "calibrated_once"])
def test_members_disagree_where_the_ensemble_is_one_teacher(name, fitted, data):
    ensemble = fitted[name, 0]
    assert ask(ensemble, data[0]).std(axis=1).mean() > 0.01
    as_one = stack_proba({"one": ensemble}, data[0], ensemble.classes_)
    assert (as_one.std(axis=1) == 0).all()


def test_features_of_each_bagged_member_are_its_own(fitted, data):
    bagging = fitted["bagging_subsets", 0]
    assert len({tuple(columns) for columns in bagging.estimators_features_}) > 1
    members, read = open_read(bagging)
    for member, columns in zip(
        members.values(), bagging.estimators_features_, strict=True
    ):
        other = data[0].copy()
        other[:, np.setdiff1d(np.arange(4), columns)] = 1e6
        answers = [member.predict_proba(read(X)) for X in (data[0], other)]
        assert_array_equal(*answers)


# --- Rows ---------------------------------------------------------------------------


def as_frame(X):
    return pd.DataFrame(X, columns=["a", "b", "c", "d"])


KINDS_OF_ROWS = {
    "frame": as_frame,
    "frame32": lambda X: as_frame(X.astype(np.float32)),
    "fortran": np.asfortranarray,
    "lists": np.ndarray.tolist,
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "coo": sparse.coo_matrix,
    "csr_array": sparse.csr_array,
}


@pytest.mark.parametrize("name", READ_ONCE)
@pytest.mark.parametrize("convert", KINDS_OF_ROWS.values(), ids=KINDS_OF_ROWS)
def test_kind_of_rows_does_not_matter(name, convert, data):
    X, y = data
    X = np.round(X).clip(min=0)
    ensemble = clone(UNFITTED[name]).fit(convert(X), y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        proba = ask(ensemble, convert(X))
        assert_allclose(
            proba.mean(axis=1), ensemble.predict_proba(convert(X)), atol=1e-6
        )
    plain = clone(UNFITTED[name]).fit(X, y)
    assert_allclose(proba, ask(plain, X), atol=1e-6)


@every_ensemble
def test_columns_with_names_warn_of_nothing(name, data):
    X, y = data
    ensemble = clone(UNFITTED[name]).fit(as_frame(X), y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        proba = ask(ensemble, as_frame(X))
    assert_array_equal(proba, ask(clone(ensemble).fit(X, y), X))


@pytest.mark.parametrize("name", READ_ONCE)
def test_names_that_are_missing_warn_once(name, data):
    X, y = data
    ensemble = clone(UNFITTED[name]).fit(as_frame(X), y)
    with pytest.warns(UserWarning, match="X does not have valid feature") as caught:
        ask(ensemble, X)
    assert len(caught) == 1


@every_ensemble
@pytest.mark.parametrize(
    "change", [lambda X: X[["b", "a", "c", "d"]], lambda X: X[["a", "b", "c"]]]
)
def test_columns_that_are_reordered_or_missing_are_an_error(name, change, data):
    X, y = data
    ensemble = clone(UNFITTED[name]).fit(as_frame(X), y)
    with pytest.raises(ValueError, match="feature names should match"):
        ask(ensemble, change(as_frame(X)))


@every_ensemble
def test_wrong_number_of_columns_is_an_error(name, fitted, data):
    with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 4"):
        ask(fitted[name, 0], data[0][:, :3])


@pytest.mark.parametrize("name", READ_ONCE)
def test_missing_values_go_where_the_ensemble_sends_them(name, data):
    X, y = data
    X = X.copy()
    X[::7, 1] = np.nan
    ensemble = clone(UNFITTED[name]).fit(X, y)
    assert_allclose(
        ask(ensemble, X).mean(axis=1),
        ensemble.predict_proba(X),
        atol=1e-6,
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_a_forest_refuses_are_its_error(bad, fitted, data):
    X = data[0].copy()
    X[0, 0] = bad
    rows = sparse.csr_matrix(X) if np.isnan(bad) else X
    for answer in (fitted["forest", 0].predict_proba, ask_forest(fitted)):
        with pytest.raises(ValueError, match="Input X contains"):
            answer(rows)


def test_sparse_rows_with_large_indices_are_an_error_as_for_the_forest(fitted, data):
    X = sparse.csr_matrix(data[0].astype(np.float32))
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    for answer in (fitted["forest", 0].predict_proba, ask_forest(fitted)):
        with pytest.raises(ValueError, match=r"int64|long"):
            answer(X)


@pytest.mark.parametrize("convert", KINDS_OF_ROWS.values(), ids=KINDS_OF_ROWS)
def test_rows_for_trees_are_cast_once(convert, data):
    X, y = data
    _, read = open_read(RandomForestClassifier(3).fit(convert(X), y))
    rows = read(convert(X)).rows
    assert rows.dtype == np.float32
    if sparse.issparse(rows):
        assert rows.format == "csr"
        assert rows.indices.dtype == rows.indptr.dtype == np.intc
    else:
        assert type(rows) is np.ndarray
        assert rows.flags["C_CONTIGUOUS"]


def test_trees_do_not_check_rows_again(fitted, data, monkeypatch):
    members, read = open_read(fitted["forest", 0])
    rows = read(data[0])
    monkeypatch.setattr(_members, "validate_data", None)
    for member in members.values():
        member.predict_proba(rows)


@every_ensemble
def test_member_reads_other_rows_by_itself(name, fitted, data):
    members, read = open_read(fitted[name, 0])
    for member in members.values():
        response = next(r for r in RESPONSES if hasattr(member, r))
        alone, among = (getattr(member, response)(X) for X in (data[0], read(data[0])))
        assert_array_equal(alone, among)


def test_rows_that_need_no_cast_are_not_copied(fitted, data):
    X = data[0].astype(np.float32)
    assert np.shares_memory(open_read(fitted["forest", 0])[1](X).rows, X)


def test_rows_are_not_written_to(fitted, data):
    for name in UNFITTED:
        X = data[0].copy()
        ask(fitted[name, 0], X)
        assert_array_equal(X, data[0])


@pytest.mark.parametrize(
    "name", ["soft_voting", "hard_voting", "stacking", "calibrated"]
)
def test_members_of_meta_estimators_see_x_as_given(name, fitted):
    _, read = open_read(fitted[name, 0])
    rows = object()
    assert read(rows) is rows


def test_bagged_members_may_read_words(data):
    X = np.array(["low", "mid", "high"], dtype=object)[data[1]].reshape(-1, 1)
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    bagging = BaggingClassifier(model, n_estimators=3, random_state=0).fit(X, data[1])
    proba = ask(bagging, X)
    assert_allclose(proba.mean(axis=1), bagging.predict_proba(X), atol=1e-6)


def test_members_may_read_texts():
    texts, y = ["good fun", "bad fun", "good film", "bad film"] * 3, [1, 0] * 6
    bayes = make_pipeline(TfidfVectorizer(), LogisticRegression())
    voting = VotingClassifier([("bayes", bayes), ("same", bayes)], voting="soft")
    voting.fit(texts, np.array(["bad", "good"])[y])
    proba = ask(voting, texts)
    assert_allclose(proba.mean(axis=1), voting.predict_proba(texts), atol=1e-6)


def test_members_may_choose_columns_by_name(data):
    X, y = as_frame(data[0]), data[1]
    chosen = make_column_transformer((StandardScaler(), ["a", "c"]))
    voting = VotingClassifier(
        [("chosen", make_pipeline(chosen, GaussianNB()))], voting="soft"
    ).fit(X, y)
    wider = X.assign(e=0.0)  # which the ensemble itself takes
    assert_allclose(ask(voting, wider)[:, 0], voting.predict_proba(wider), atol=1e-6)


# --- Objects ------------------------------------------------------------------------


@every_ensemble
def test_members_pickle(name, fitted, data):
    ensemble = fitted[name, "a"]
    members = pickle.loads(pickle.dumps(open_ensemble(ensemble)))
    proba = stack_proba(members, data[0], ensemble.classes_)
    assert_array_equal(proba, ask(ensemble, data[0]))


def test_repr_is_short_and_tells_the_model(fitted):
    members = open_ensemble(fitted["forest", 0])
    shown = repr(members["decisiontreeclassifier-1"])
    assert shown == "Member(DecisionTreeClassifier(...))"


def test_members_may_be_asked_in_threads(fitted, data):
    members = open_ensemble(fitted["forest", 0])
    proba = stack_proba(members, data[0], np.arange(3), n_jobs=2)
    assert_array_equal(proba, ask(fitted["forest", 0], data[0]))


def test_member_without_methods_has_none():
    member = Member(object(), None, np.arange(2))
    assert not any(hasattr(member, name) for name in (*RESPONSES, "get_params"))


# --- Through the distiller ----------------------------------------------------------


def test_bare_ensemble_stands_for_its_members(world):
    forest = RandomForestClassifier(7, max_depth=4, random_state=0)
    forest.fit(world.X, world.truth)
    members = world.distill(teachers=forest, weighting="unified")
    assert len(members.teachers_) == 7
    assert members.teachers is forest
    assert members.row_weight_[world.y < 0].std() > 0.1  # trees disagree
    alone = world.distill(teachers=[forest], weighting="unified")
    assert len(alone.teachers_) == 1
    assert_allclose(alone.row_weight_[world.y < 0], 1)
    # their mean is the forest
    for weighted in (members, alone):
        weighted.set_params(weighting="uniform").fit(world.X, world.y)
    assert_allclose(
        members.predict_proba(world.X), alone.predict_proba(world.X), atol=1e-4
    )


def test_bare_ensemble_with_its_answers_and_in_a_clone(world):
    voting = VotingClassifier(
        [("nb", GaussianNB()), ("tree", DecisionTreeClassifier(max_depth=3))]
    ).fit(world.X, world.truth)
    asked = world.distill(teachers=voting)
    assert list(asked.named_teachers_) == ["nb", "tree"]
    proba = ask_teachers(voting, world.X)
    given = clone(asked).fit(world.X, world.y, teacher_proba=proba)
    assert_array_equal(given.predict_proba(world.X), asked.predict_proba(world.X))
    assert given.teachers is voting


def test_columns_of_a_forest_must_stay_in_order(world):
    frame = pd.DataFrame(world.X, columns=list("abcdef"))
    forest = RandomForestClassifier(5, random_state=0).fit(frame, world.truth)
    with pytest.raises(ValueError, match="same order"):
        world.distill(X=frame[list("fedcba")], teachers=forest)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        world.distill(X=frame, teachers=forest, weighting="uniform")


# --- Errors and warnings ------------------------------------------------------------


@every_ensemble
def test_unfitted_ensemble_is_an_error_that_names_it(name):
    kind = type(UNFITTED[name]).__name__
    with pytest.raises(NotFittedError, match=f"{kind} is not fitted: fit it first"):
        open_ensemble(clone(UNFITTED[name]))


def test_forest_whose_fit_failed_is_not_fitted(data):
    forest = RandomForestClassifier(class_weight="nonsense")
    with pytest.raises(ValueError, match="class_weight"):
        forest.fit(*data)
    with pytest.raises(NotFittedError, match="is not fitted"):
        open_ensemble(forest)


def test_frozen_unfitted_ensemble_is_an_error_that_names_it():
    with pytest.raises(NotFittedError, match="RandomForestClassifier is not fitted"):
        open_ensemble(FrozenEstimator(RandomForestClassifier()))


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_forest_of_several_outputs_is_an_error(kind, data):
    X, y = data
    forest = kind(3, random_state=0).fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match=r"one label a row.*several outputs"):
        open_ensemble(forest)


def test_stack_of_several_outputs_is_an_error(data):
    X, y = data
    members = [("neighbors", KNeighborsClassifier())]
    final = DecisionTreeClassifier()
    many = StackingClassifier(members, final, cv=3).fit(X, np.eye(3, dtype=int)[y])
    with pytest.raises(ValueError, match="StackingClassifier must predict one label"):
        open_ensemble(many)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([1, 2, 3], [1, 2, 3]), ([2, 2, 2], None), (None, None), ([0, 0, 4], [0, 0, 4])],
)
def test_members_know_the_weights_of_their_voting(weights, expected, data):
    ensemble = VotingClassifier(named(), weights=weights).fit(*data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        members = open_ensemble(ensemble)
    assert weigh_members(members.values()) == expected


def test_member_that_was_dropped_has_no_weight(data):
    voting = VotingClassifier(named(), weights=[1, 2, 3]).set_params(bayes="drop")
    assert weigh_members(open_ensemble(voting.fit(*data)).values()) == [1, 3]


def test_weights_do_not_move_the_members(data):
    plain = VotingClassifier(named(), voting="soft").fit(*data)
    weighted = VotingClassifier(named(), voting="soft", weights=[9, 1, 1]).fit(*data)
    assert_array_equal(ask(weighted, data[0]), ask(plain, data[0]))


def weighted_voting(data):
    return VotingClassifier(named(), voting="soft", weights=[5, 1, 2]).fit(*data)


def test_soft_targets_are_what_a_weighted_voting_predicts(data, monkeypatch):
    kept = []
    fit_student = _kinds.fit_student

    def keep(student, train, *args, **kwargs):
        kept.append(train[1])
        return fit_student(student, train, *args, **kwargs)

    monkeypatch.setattr(_kinds, "fit_student", keep)
    voting, (X, y) = weighted_voting(data), data
    options = {"student": linear_net(), "pooling": "mean", "random_state": 0}
    distiller = EnsembleDistiller(voting, weighting="uniform", **options).fit(X, y)
    assert_allclose(kept[0].mix, voting.predict_proba(X), atol=1e-6)
    assert_allclose(distiller.row_weight_, 1)
    assert_allclose(distiller.pool_.weight_, [5 / 8, 1 / 8, 2 / 8])
    assert_allclose(distiller.teacher_weight_, [distiller.pool_.weight_] * 90)
    given = EnsembleDistiller(voting, weighting="uniform", **options)
    given.fit(X, y, teacher_proba=ask_teachers(voting, X))
    assert_array_equal(given.predict_proba(X), distiller.predict_proba(X))


def test_ensemble_of_the_report_is_the_weighted_voting(data):
    voting = weighted_voting(data)
    distiller = EnsembleDistiller(voting, linear_net(), random_state=0)
    report = distillation_report(distiller.fit(*data), *data)
    expected = log_loss(data[1], voting.predict_proba(data[0]))
    assert report.loc["ensemble", "log_loss"] == pytest.approx(expected, abs=1e-5)


def test_members_in_a_list_keep_the_weights_of_their_voting(data):
    voting = weighted_voting(data)
    distiller = EnsembleDistiller(voting, linear_net(), random_state=0)
    for _ in range(2):
        distiller.partial_fit(*data)
    again = EnsembleDistiller(distiller.teachers_, linear_net()).fit(*data)
    assert_array_equal(again.pool_.weight_, distiller.pool_.weight_)
    beside = [*distiller.teachers_, GaussianNB().fit(*data)]
    weight = EnsembleDistiller(beside, linear_net()).fit(*data).pool_.weight_
    assert_allclose(weight, np.array([5, 1, 2, 1]) / 9)


# --- Errors and warnings ------------------------------------------------------------


test_what_is_no_fitted_ensemble_is_an_error = check_errors(
    {
        "unfitted forest": (
            lambda w: w.fit(teachers=RandomForestClassifier()),
            NotFittedError,
            "`teachers` as RandomForestClassifier is not fitted",
            "fit it first",
        ),
        "forest of several outputs": (
            lambda w: w.fit(
                teachers=RandomForestClassifier(3).fit(w.X, np.c_[w.y, w.y])
            ),
            ValueError,
            "`teachers` as RandomForestClassifier",
            "must predict one label a row",
        ),
    }
)


test_warning_of_the_members_names_the_cure = check_warnings(
    {
        "weights of an ensemble": (
            lambda w: w.fit(
                teachers=VotingClassifier(
                    [("a", GaussianNB()), ("b", LogisticRegression())], weights=[1, 2]
                ).fit(w.X, w.y),
                pooling="calibrated",
            ),
            UserWarning,
            "The ensemble's own `weights`, [1.0, 2.0], are not used",
            "Set pooling='mean'",
        ),
    }
)
