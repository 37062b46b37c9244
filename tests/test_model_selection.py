"""The split, and scikit-learn's tools with it around a distiller."""

import pickle

import numpy as np
import optuna
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from optuna_integration import OptunaSearchCV
from scipy.sparse import coo_array
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import StackingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, get_scorer, get_scorer_names
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    HalvingGridSearchCV,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    RandomizedSearchCV,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.naive_bayes import GaussianNB

from sk_ekd import EnsembleDistiller
from sk_ekd.model_selection import SemiSupervisedSplit
from tests.worlds import make_distiller, make_net

N = 120
LABELED = np.arange(N) % 3 == 0  # 40 rows
GROUPS = np.arange(N) // 3 % 6


def make_data(n_classes):
    return make_classification(
        N,
        n_features=5,
        n_informative=4,
        n_redundant=0,
        n_classes=n_classes,
        n_clusters_per_class=1,
        flip_y=0.1,
        random_state=0,
    )


X, TRUTH = make_data(2)
NAMES = np.array(["ant", "bee", "cat"])
Y = np.where(LABELED, TRUTH, -1)
GIVEN = [(np.arange(40, N), np.arange(40)), (np.arange(50), np.arange(50, N))]

PARTITIONS = {
    "int": 4,
    "KFold": KFold(4),
    "KFold, shuffled": KFold(4, shuffle=True, random_state=0),
    "StratifiedKFold": StratifiedKFold(3),
    "GroupKFold": GroupKFold(3),
    "StratifiedGroupKFold": StratifiedGroupKFold(3),
    "LeaveOneGroupOut": LeaveOneGroupOut(),
    "LeaveOneOut": LeaveOneOut(),
    "PredefinedSplit": PredefinedSplit(np.arange(LABELED.sum()) % 3),
    "PredefinedSplit over X": PredefinedSplit(np.arange(N) // 7 % 3),
    "SemiSupervisedSplit": SemiSupervisedSplit(3),
}
SPLITTERS = {
    **PARTITIONS,
    "ShuffleSplit": ShuffleSplit(3, random_state=0),
    "StratifiedShuffleSplit": StratifiedShuffleSplit(3, random_state=0),
    "GroupShuffleSplit": GroupShuffleSplit(3, random_state=0),
    "RepeatedStratifiedKFold": RepeatedStratifiedKFold(
        n_splits=3, n_repeats=2, random_state=0
    ),
    "TimeSeriesSplit": TimeSeriesSplit(3),
    "iterable": GIVEN,
}
COUNT_LABELED_ROWS = sorted(
    set(SPLITTERS) - {"int", "PredefinedSplit over X", "iterable"}
)
GROUPED = (GroupKFold, StratifiedGroupKFold, LeaveOneGroupOut, GroupShuffleSplit)


def by_name(splitters):
    return pytest.mark.parametrize(
        "cv", [pytest.param(splitters[name], id=name) for name in splitters]
    )


def groups_for(cv):
    return GROUPS if isinstance(cv, GROUPED) else None


def splits(cv, y=Y, groups=None, X=X, **params):
    return list(SemiSupervisedSplit(cv, **params).split(X, y, groups))


def assert_same_splits(found, expected):
    for parts, expected_parts in zip(found, expected, strict=True):
        for part, expected_part in zip(parts, expected_parts, strict=True):
            assert_array_equal(part, expected_part)


@by_name(SPLITTERS)
def test_unlabeled_rows_train_in_every_split_and_are_tested_in_none(cv):
    for train, test in splits(cv, groups=groups_for(cv)):
        assert set(np.flatnonzero(~LABELED)) <= set(train)
        assert LABELED[test].all()
        assert len(test)


@by_name(SPLITTERS)
def test_parts_are_positions_and_train_is_sorted_and_apart_from_test(cv):
    for train, test in splits(cv, groups=groups_for(cv)):
        assert train.dtype == test.dtype == np.int64
        assert (np.diff(train) > 0).all()
        assert not set(train) & set(test)


@by_name(PARTITIONS)
def test_each_labeled_row_is_tested_once(cv):
    tested = np.concatenate([test for _, test in splits(cv, groups=groups_for(cv))])
    assert_array_equal(np.sort(tested), np.flatnonzero(LABELED))


@by_name({name: SPLITTERS[name] for name in COUNT_LABELED_ROWS})
def test_labeled_rows_are_split_as_the_wrapped_splitter_splits_them_alone(cv):
    groups = groups_for(cv)
    known = np.flatnonzero(LABELED)
    alone = cv.split(X[known], TRUTH[known], None if groups is None else groups[known])
    found = splits(cv, groups=groups)
    assert_same_splits(
        [(train[LABELED[train]], test) for train, test in found],
        [(known[np.sort(train)], known[test]) for train, test in alone],
    )


@by_name(SPLITTERS)
def test_n_splits_is_the_number_of_splits(cv):
    groups = groups_for(cv)
    n_splits = SemiSupervisedSplit(cv).get_n_splits(X, Y, groups)
    assert n_splits == len(splits(cv, groups=groups))


def test_n_splits_needs_no_rows_where_the_wrapped_splitter_needs_none():
    assert SemiSupervisedSplit(4).get_n_splits() == 4
    assert SemiSupervisedSplit(KFold(3)).get_n_splits(X) == 3
    assert SemiSupervisedSplit(GIVEN).get_n_splits() == 2


def test_an_int_is_stratified_over_the_labels():
    counts = [np.bincount(TRUTH[test]) for _, test in splits(4)]
    assert np.ptp(counts, axis=0).max() <= 1


@by_name({name: PARTITIONS[name] for name in ("int", "KFold", "LeaveOneOut")})
def test_with_every_row_labeled_it_is_the_wrapped_splitter(cv):
    alone = StratifiedKFold(cv) if isinstance(cv, int) else cv
    assert_same_splits(splits(cv, TRUTH), alone.split(X, TRUTH))


@pytest.mark.parametrize(
    "rows",
    [
        None,
        pd.DataFrame(X),
        coo_array(X),
        X.tolist(),
        ["text"] * N,
        np.zeros((N, 2, 2)),
    ],
    ids=["none", "frame", "sparse", "lists", "texts", "images"],
)
def test_only_the_number_of_rows_is_looked_at(rows):
    assert_same_splits(splits(4, X=rows), splits(4))


def marked(labels, mark=None, dtype=object):
    """Return an array of objects with the mark where there is no label."""
    y = labels.astype(dtype)
    y[~LABELED] = mark
    return y


STRING_LABELS = {
    "objects, -1": marked(NAMES[TRUTH], -1),
    "objects, None": marked(NAMES[TRUTH]),
    "list, -1": marked(NAMES[TRUTH], -1).tolist(),
    "Series of objects": pd.Series(marked(NAMES[TRUTH]), dtype=object),
    "string": pd.Series(marked(NAMES[TRUTH])).astype("string"),
    "inferred": pd.Series(marked(NAMES[TRUTH]).tolist()),
    "category": pd.Series(marked(NAMES[TRUTH])).astype("category"),
}
NUMBER_LABELS = {
    "int": Y,
    "list": Y.tolist(),
    "list, None": marked(TRUTH).tolist(),
    "float": marked(TRUTH, np.nan, float),
    "Series": pd.Series(marked(TRUTH, np.nan, float), index=np.arange(N)[::-1]),
    "Int64": pd.Series(marked(TRUTH)).astype("Int64"),
    "Int64, -1": pd.Series(Y).astype("Int64"),
    "boolean": pd.Series(marked(TRUTH == 1)).astype("boolean"),
    "category of int": pd.Series(marked(TRUTH)).astype("category"),
}
OBJECT_NUMBERS = {
    "objects, None": marked(TRUTH),
    "objects, NaN": marked(TRUTH, np.nan),
    "objects, -1": marked(TRUTH, -1),
    "Series of objects": pd.Series(marked(TRUTH), dtype=object),
    "bool objects": marked(TRUTH == 1),
}


def by_kind(*kinds):
    return pytest.mark.parametrize(
        "y", [pytest.param(kind[name], id=name) for kind in kinds for name in kind]
    )


@by_kind(STRING_LABELS, NUMBER_LABELS, OBJECT_NUMBERS)
def test_split_is_the_same_however_labels_are_written(y):
    assert_same_splits(splits(StratifiedKFold(3), y), splits(StratifiedKFold(3)))


def test_the_mark_can_be_chosen():
    y = np.where(LABELED, NAMES[TRUTH], "?")
    assert_same_splits(splits(4, y, unlabeled_label="?"), splits(4))


def test_without_a_mark_minus_one_is_a_class():
    y = np.where(TRUTH == 1, 1.0, -1.0)
    y[~LABELED] = np.nan
    assert_same_splits(splits(4, y, unlabeled_label=None), splits(4))


def test_groups_stay_together_except_for_unlabeled_rows():
    for train, test in splits(StratifiedGroupKFold(3), groups=GROUPS):
        assert not set(GROUPS[train[LABELED[train]]]) & set(GROUPS[test])
        assert set(GROUPS[test]) <= set(GROUPS[train[~LABELED[train]]])


@pytest.mark.parametrize(
    "groups",
    [
        GROUPS.tolist(),
        NAMES[GROUPS // 2].tolist(),
        np.where(LABELED, GROUPS, np.nan),
        pd.Series(marked(GROUPS), index=np.arange(N)[::-1]).astype("Int64"),
    ],
    ids=["list", "strings", "nan where unlabeled", "NA where unlabeled"],
)
def test_groups_of_unlabeled_rows_are_ignored(groups):
    found = splits(LeaveOneGroupOut(), groups=groups)
    assert len(found) == len(set(np.asarray(groups)[LABELED]))


def test_a_generator_of_splits_survives_several_rounds():
    cv = SemiSupervisedSplit(parts for parts in GIVEN)
    assert_same_splits(cv.split(X, Y), cv.split(X, Y))
    assert cv.get_n_splits(X, Y) == 2


def test_positions_of_an_iterable_are_those_of_rows_in_x():
    for (train, test), (given_train, given_test) in zip(
        splits(GIVEN), GIVEN, strict=True
    ):
        assert set(test) == set(given_test[LABELED[given_test]])
        assert set(train) == set(given_train) | set(np.flatnonzero(~LABELED))


def test_masks_lists_and_positions_are_alike():
    masks = [tuple(np.isin(np.arange(N), part) for part in pair) for pair in GIVEN]
    lists = [tuple(part.tolist() for part in pair) for pair in GIVEN]
    assert_same_splits(splits(masks), splits(GIVEN))
    assert_same_splits(splits(lists), splits(GIVEN))


def test_a_given_train_part_may_be_empty():
    ((train, _),) = splits([([], [0, 3])])
    assert_array_equal(train, np.flatnonzero(~LABELED))


def test_a_row_drawn_twice_trains_twice():
    ((train, _),) = splits([([0, 0, 3, 1, 1], [6])])
    assert (train == 0).sum() == 2
    assert (train == 1).sum() == 1  # unlabeled rows are not drawn, all are there


def test_predefined_split_keeps_its_rows_that_are_never_tested():
    fold = np.where(np.arange(N) < 60, -1, 0)
    ((train, test),) = splits(PredefinedSplit(fold))
    assert_array_equal(test, np.flatnonzero(LABELED & (fold == 0)))
    assert_array_equal(np.union1d(train, test), np.arange(N))


def test_same_seed_same_split_and_a_pickle_splits_alike():
    cv = SemiSupervisedSplit(ShuffleSplit(3, random_state=0))
    assert_same_splits(cv.split(X, Y), cv.split(X, Y))
    assert_same_splits(pickle.loads(pickle.dumps(cv)).split(X, Y), cv.split(X, Y))


def test_inputs_are_not_written_to():
    frozen = [np.array(a) for a in (Y, GROUPS)]
    for a in frozen:
        a.flags.writeable = False
    splits(GroupKFold(3), frozen[0], frozen[1])


def test_repr_shows_the_wrapped_splitter():
    shown = repr(SemiSupervisedSplit(TimeSeriesSplit(n_splits=3)))
    assert shown.startswith("SemiSupervisedSplit(cv=TimeSeriesSplit(")
    assert (
        repr(SemiSupervisedSplit()) == "SemiSupervisedSplit(cv=5, unlabeled_label=-1)"
    )


FEW = np.where(np.arange(N) < 3, TRUTH, -1)


@pytest.mark.parametrize(
    ("cv", "error", "match"),
    [
        (None, TypeError, "must be an int, a splitter .* got None"),
        ("5", TypeError, "got '5'"),
        (2.5, TypeError, "got 2.5"),
        (KFold, TypeError, r"got the class KFold: write KFold\(\)"),
        ([1, 2], TypeError, r"iterable of \(train, test\), got \[1, 2\]"),
        ([([0], [1], [2])], TypeError, r"iterable of \(train, test\)"),
        (1, ValueError, "at least 2 folds, got 1"),
        (0, ValueError, "at least 2 folds, got 0"),
        ([], ValueError, "has no split"),
    ],
)
def test_constructor_says_what_is_wrong(cv, error, match):
    with pytest.raises(error, match=match):
        SemiSupervisedSplit(cv)


@pytest.mark.parametrize(
    ("cv", "y", "match"),
    [
        (5, None, "y is None"),
        (5, np.full(N, -1), "no labeled row to split: each of its 120 values"),
        (5, np.full(N, None), "no labeled row"),
        (5, np.array([]), "inconsistent numbers of samples"),
        (5, Y[:-1], r"inconsistent numbers of samples: \[120, 119\]"),
        (5, FEW, "cv=5 needs 5 labeled rows in at least one class, got at most 2"),
        (KFold(5), FEW, "n_splits=5 greater than the number of samples"),
        ([([0], [1])], Y, "test part of split 0 .* has no labeled row"),
        ([([0], [3]), ([0], [])], Y, "test part of split 1 .* has no labeled row"),
        ([([0], [3, N])], Y, "from 0 to 119, got 3 to 120: is `cv` made for another X"),
        ([([-1], [3])], Y, "from 0 to 119, got -1 to -1"),
        ([(np.ones(9, bool), [3])], Y, "masks of length 120, got bool of shape"),
        ([([0.5], [3])], Y, "got float64 of shape"),
        ([(["a"], [3])], Y, "got <U1 of shape"),
        ([([[0]], [3])], Y, r"1-D arrays .* got int64 of shape \(1, 1\)"),
        (PredefinedSplit([0, 1]), Y, "each of the 120 rows of X, or .* 40 .* got 2"),
        (PredefinedSplit([-1] * 119 + [0]), Y, "test part of split 0"),
        (5, np.random.default_rng(0).normal(size=N), "continuous"),
    ],
)
def test_split_says_what_is_wrong(cv, y, match):
    with pytest.raises(ValueError, match=match):
        splits(cv, y)


def test_as_many_folds_as_the_largest_class_has_labels_are_allowed():
    with pytest.warns(UserWarning, match="least populated class"):
        assert len(splits(2, FEW)) == 2


def test_searches_hear_of_too_few_labels_before_the_first_fit():
    with pytest.raises(ValueError, match="cv=5 needs 5 labeled rows"):
        SemiSupervisedSplit(5).get_n_splits(X, FEW)


# scikit-learn's tools


def make_refitting(**params):
    """Return a distiller that fits its one teacher in every fit."""
    net = make_net(module__hidden=(8,), lr=0.05, batch_size=32)
    return make_distiller([GaussianNB()], net, cv=2, **params)


GRID = {"alpha": [0.2, 0.8], "student__lr": [0.001, 0.05]}


def score(y, scoring="accuracy", cv=3, **params):
    return cross_val_score(
        make_refitting(),
        X,
        y,
        cv=SemiSupervisedSplit(cv),
        scoring=scoring,
        error_score="raise",
        **params,
    )


def test_a_plain_split_takes_unlabeled_rows_for_errors():
    found = cross_validate(
        make_refitting(),
        X,
        Y,
        cv=StratifiedKFold(3),
        scoring="accuracy",
        return_estimator=True,
        return_indices=True,
    )
    truth = [
        accuracy_score(TRUTH[test], student.predict(X[test]))
        for student, test in zip(
            found["estimator"], found["indices"]["test"], strict=True
        )
    ]
    assert found["test_score"].mean() < 0.4  # no more than the share of labeled rows
    assert np.mean(truth) > 0.7
    assert score(Y).mean() > 0.7


def applicable_scorers(X, y):
    """Yield the names of the scorers that an ordinary classifier can be scored with."""
    classifier = LogisticRegression().fit(X, y)
    for name in get_scorer_names():
        try:
            get_scorer(name)(classifier, X, y)
        except (ValueError, TypeError, AttributeError):
            continue
        yield name


@pytest.mark.parametrize("names", [np.arange(3), NAMES], ids=["numbers", "strings"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_scorer_that_applies_gives_the_value_computed_by_hand(n_classes, names):
    X, codes = make_data(n_classes)
    truth = names[codes]
    y = truth.astype(object if names is NAMES else int)
    y[~LABELED] = -1
    scorers = list(applicable_scorers(X[LABELED], truth[LABELED]))
    assert {"accuracy", "neg_log_loss", "roc_auc_ovr", "adjusted_rand_score"} < {
        *scorers
    }
    found = cross_validate(
        make_refitting(),
        X,
        y,
        cv=SemiSupervisedSplit(2),
        scoring=scorers,
        return_estimator=True,
        error_score="raise",
    )
    tests = [test for _, test in SemiSupervisedSplit(2).split(X, y)]
    for name in scorers:
        by_hand = [
            get_scorer(name)(student, X[test], truth[test])
            for student, test in zip(found["estimator"], tests, strict=True)
        ]
        assert_allclose(found[f"test_{name}"], by_hand, err_msg=name)


@by_kind(STRING_LABELS, NUMBER_LABELS)
def test_scorers_work_however_labels_are_written(y):
    assert_array_equal(score(y), score(Y))
    assert_allclose(score(y, "neg_log_loss"), score(Y, "neg_log_loss"))


@by_kind(OBJECT_NUMBERS)
def test_numbers_as_objects_are_of_an_unknown_type_to_scorers_but_the_default(y):
    assert_array_equal(score(y, None), score(Y))
    with pytest.raises(ValueError, match="unknown"):
        score(y)


@by_name(SPLITTERS)
def test_every_splitter_scores_a_distiller(cv):
    class_prior = EnsembleDistiller([GaussianNB()], make_refitting().student, cv=2)
    scores = cross_val_score(
        class_prior,
        X,
        Y,
        groups=groups_for(cv),
        cv=SemiSupervisedSplit(cv),
        scoring="accuracy",
        error_score="raise",
    )
    assert ((scores >= 0) & (scores <= 1)).all()


def search(cls, cv=3, y=Y, grid=GRID, **params):
    return cls(
        make_refitting(),
        grid,
        cv=SemiSupervisedSplit(cv),
        scoring="accuracy",
        error_score="raise",
        return_train_score=False,
        **params,
    ).fit(X, y)


@pytest.mark.parametrize("y", [Y, marked(NAMES[TRUTH], -1)], ids=["int", "strings"])
@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (GridSearchCV, {}),
        (RandomizedSearchCV, {"n_iter": 3, "random_state": 0}),
        (HalvingGridSearchCV, {"factor": 2, "min_resources": 60, "random_state": 0}),
        (
            HalvingGridSearchCV,
            {"factor": 2, "resource": "student__max_epochs", "max_resources": 6},
        ),
    ],
    ids=["grid", "random", "halving rows", "halving epochs"],
)
def test_search_finds_the_parameters_that_learn(cls, params, y):
    found = search(cls, y=y, **params)
    assert found.best_params_["student__lr"] == 0.05
    assert found.best_score_ > 0.7
    assert found.n_splits_ == 3
    assert set(found.predict(X)) == set(y) - {-1}


def test_grid_search_scores_what_a_loop_by_hand_scores():
    found = search(GridSearchCV, grid={"alpha": [0.2, 0.8]})
    for alpha, mean in zip(
        [0.2, 0.8], found.cv_results_["mean_test_score"], strict=True
    ):
        scores = [
            accuracy_score(
                TRUTH[test],
                make_refitting(alpha=alpha).fit(X[train], Y[train]).predict(X[test]),
            )
            for train, test in splits(3)
        ]
        assert_allclose(mean, np.mean(scores))


def test_a_cloned_search_splits_alike():
    found = search(GridSearchCV, cv=(parts for parts in GIVEN))
    again = clone(found).fit(X, Y)
    assert_array_equal(
        found.cv_results_["mean_test_score"], again.cv_results_["mean_test_score"]
    )


def test_nested_cross_validation():
    inner = GridSearchCV(
        make_refitting(), {"alpha": [0.2, 0.8]}, cv=SemiSupervisedSplit(2)
    )
    scores = cross_val_score(
        inner, X, Y, cv=SemiSupervisedSplit(2), scoring="accuracy", error_score="raise"
    )
    assert scores.mean() > 0.7


def is_refused(cv):
    """Return whether a halving search refuses `cv` as one that changes."""
    halving = HalvingGridSearchCV(
        GaussianNB(), {"var_smoothing": [1e-9, 1e-8]}, cv=cv, min_resources=60
    )
    try:
        halving.fit(X, TRUTH)
    except ValueError as error:
        return "must yield consistent folds" in str(error)
    return False


@pytest.mark.parametrize(
    "cv",
    [
        KFold(3),
        KFold(3, shuffle=True),
        KFold(3, shuffle=True, random_state=0),
        KFold(3, shuffle=True, random_state=np.random.RandomState(0)),
        ShuffleSplit(3),
        ShuffleSplit(3, random_state=0),
        RepeatedStratifiedKFold(n_splits=2, n_repeats=2),
        TimeSeriesSplit(2),
        3,
        GIVEN,
        SemiSupervisedSplit(KFold(3, shuffle=True)),
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_halving_refuses_what_it_refuses_unwrapped(cv):
    assert is_refused(SemiSupervisedSplit(cv)) == is_refused(cv)


def test_halving_over_rows_needs_min_resources_where_y_cannot_be_sorted():
    with pytest.raises(TypeError, match="not supported between"):
        search(HalvingGridSearchCV, y=marked(NAMES[TRUTH], -1))
    with pytest.raises(ValueError, match="NaN"):
        search(HalvingGridSearchCV, y=marked(TRUTH, np.nan, float))
    search(HalvingGridSearchCV, y=marked(TRUTH, np.nan, float), min_resources=60)


def test_train_scores_count_unlabeled_rows_as_errors_but_by_default():
    params = {"cv": SemiSupervisedSplit(3), "return_train_score": True}
    accuracy = cross_validate(make_refitting(), X, Y, scoring="accuracy", **params)
    default = cross_validate(make_refitting(), X, Y, **params)
    assert_array_equal(accuracy["test_score"], default["test_score"])
    assert accuracy["train_score"].max() < 0.4  # the share of labeled rows
    assert default["train_score"].min() > 0.6


def test_cross_val_predict_needs_every_row_labeled():
    cv = SemiSupervisedSplit(2)
    proba = cross_val_predict(make_refitting(), X, TRUTH, cv=cv, method="predict_proba")
    train, test = next(cv.split(X, TRUTH))
    student = make_refitting().fit(X[train], TRUTH[train])
    assert_allclose(proba[test], student.predict_proba(X[test]))
    with pytest.raises(ValueError, match="only works for partitions"):
        cross_val_predict(make_refitting(), X, Y, cv=cv)


def test_out_of_fold_predictions_of_the_labeled_rows():
    found = cross_validate(
        make_refitting(),
        X,
        Y,
        cv=SemiSupervisedSplit(3),
        return_estimator=True,
        return_indices=True,
    )
    predicted = np.full(N, -1)
    for student, test in zip(found["estimator"], found["indices"]["test"], strict=True):
        predicted[test] = student.predict(X[test])
    assert_array_equal(predicted >= 0, LABELED)
    assert accuracy_score(TRUTH[LABELED], predicted[LABELED]) > 0.7


def test_learning_and_validation_curves():
    params = {"cv": SemiSupervisedSplit(3), "scoring": "accuracy"}
    sizes, _, scores = learning_curve(
        make_refitting(),
        X,
        Y,
        train_sizes=[0.5, 1.0],
        shuffle=True,
        random_state=0,
        error_score="raise",
        **params,
    )
    assert sizes[-1] == len(splits(3)[0][0])  # labeled and unlabeled rows
    assert scores.shape == (2, 3)
    _, scores = validation_curve(
        make_refitting(),
        X,
        Y,
        param_name="alpha",
        param_range=[0.2, 0.8],
        error_score="raise",
        **params,
    )
    assert scores.min() > 0.5
    value, permuted, _ = permutation_test_score(
        make_refitting(), X, Y, n_permutations=3, random_state=0, **params
    )
    assert value > permuted.max()


@pytest.mark.parametrize("routing", [False, True])
def test_groups_reach_the_wrapped_splitter(routing):
    with sklearn.config_context(enable_metadata_routing=routing):
        passed = {"params": {"groups": GROUPS}} if routing else {"groups": GROUPS}
        found = cross_validate(
            make_refitting(),
            X,
            Y,
            cv=SemiSupervisedSplit(LeaveOneGroupOut()),
            return_indices=True,
            **passed,
        )
        searched = GridSearchCV(
            make_refitting(),
            {"alpha": [0.2]},
            cv=SemiSupervisedSplit(LeaveOneGroupOut()),
            error_score="raise",
        ).fit(X, Y, groups=GROUPS)
    assert_same_splits(
        [found["indices"]["test"]],
        [[test for _, test in splits(LeaveOneGroupOut(), groups=GROUPS)]],
    )
    assert searched.n_splits_ == 6


def test_grouped_splitter_without_groups_says_so():
    with pytest.raises(ValueError, match="'groups' parameter should not be None"):
        search(GridSearchCV, cv=GroupKFold(3))


# its FutureWarning is about a module that OptunaSearchCV itself calls
@pytest.mark.filterwarnings("ignore:`optuna.terminator`:FutureWarning")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("y", [Y, marked(NAMES[TRUTH], -1)], ids=["int", "strings"])
@pytest.mark.parametrize("cv", [3, GroupKFold(3)], ids=["int", "groups"])
def test_optuna_search(cv, y):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = OptunaSearchCV(
        make_refitting(),
        {
            "alpha": optuna.distributions.FloatDistribution(0.1, 0.9),
            "student__lr": optuna.distributions.FloatDistribution(1e-3, 0.1, log=True),
        },
        cv=SemiSupervisedSplit(cv),
        scoring="accuracy",
        n_trials=3,
        random_state=0,
        error_score="raise",
    ).fit(X, y, groups=groups_for(cv))
    by_hand = cross_val_score(
        make_refitting().set_params(**found.best_params_),
        X,
        y,
        groups=groups_for(cv),
        cv=SemiSupervisedSplit(cv),
        scoring="accuracy",
    )
    assert_allclose(found.best_score_, by_hand.mean())
    assert found.n_splits_ == 3
    assert set(found.predict(X)) == set(y) - {-1}


def test_stacking_may_seed_the_wrapped_splitter():
    X, truth = make_data(2)
    for cv in (3, StratifiedKFold(3, shuffle=True)):
        split = SemiSupervisedSplit(cv)
        StackingClassifier([("bayes", GaussianNB())], cv=split).fit(X, truth)
    assert cv.random_state is None
