"""The three weights of the method, by hand and by property."""

from math import log

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils._param_validation import InvalidParameterError

from sk_ekd.weighting import (
    Rows,
    UnifiedWeighting,
    disagreement,
    ensemble_correctness,
    teacher_correctness,
    uniform,
)
from tests.errors import check_errors

# two teachers, three classes
ROW = np.array([[[0.7, 0.2, 0.1], [0.4, 0.5, 0.1]]])


def entropy(p):
    return -sum(v * log(v) for v in p)


def make_rows(n_samples=40, n_teachers=3, n_classes=4, seed=0):
    rng = np.random.RandomState(seed)
    proba = rng.dirichlet(np.ones(n_classes), (n_samples, n_teachers))
    y = rng.randint(-1, n_classes, n_samples)
    return Rows(rng.randn(n_samples, 2), y, proba.astype(np.float32))


def test_teacher_weight_by_hand():
    assert_allclose(
        teacher_correctness(ROW, np.array([1])), [[0.2 / 0.7, 0.5 / 0.7]], atol=1e-12
    )


def test_labeled_weight_by_hand():
    assert_allclose(
        ensemble_correctness(ROW, np.array([1])), [1 / (1 - log(0.35))], atol=1e-12
    )


def test_unlabeled_weight_by_hand():
    mean = entropy([0.55, 0.35, 0.1])
    each = (entropy([0.7, 0.2, 0.1]) + entropy([0.4, 0.5, 0.1])) / 2
    assert_allclose(disagreement(ROW), [mean - each], atol=1e-12)


def test_unified_weight_by_hand_from_float32():
    rows = Rows(None, np.array([0, -1]), np.repeat(ROW, 2, axis=0).astype(np.float32))
    b = 1 / (1 - log(0.55))
    c = entropy([0.55, 0.35, 0.1]) - (
        (entropy([0.7, 0.2, 0.1]) + entropy([0.4, 0.5, 0.1])) / 2
    )
    expected = [[b * 0.7 / 1.1, b * 0.4 / 1.1], [c / 2, c / 2]]
    assert_allclose(UnifiedWeighting()(rows), expected, atol=1e-6)


def test_teacher_weight_is_the_softmax_of_minus_cross_entropy():
    rows = make_rows()
    labeled = rows.y >= 0
    proba, y = rows.proba[labeled].astype(float), rows.y[labeled]
    cross_entropy = -np.log(proba[np.arange(len(y)), :, y])
    expected = np.exp(-cross_entropy)
    expected /= expected.sum(axis=1, keepdims=True)
    assert_allclose(teacher_correctness(proba, y), expected, rtol=1e-9)


def test_rows_share_sums_to_the_row_weight():
    rows = make_rows()
    labeled = rows.y >= 0
    total = UnifiedWeighting()(rows).sum(axis=1)
    proba = rows.proba.astype(float)
    assert_allclose(
        total[labeled], ensemble_correctness(proba[labeled], rows.y[labeled])
    )
    assert_allclose(total[~labeled], disagreement(proba[~labeled]))


def test_permuting_rows_permutes_weights():
    rows = make_rows()
    order = np.random.RandomState(1).permutation(len(rows.y))
    shuffled = Rows(*(part[order] for part in rows))
    for weighting in (UnifiedWeighting(), uniform):
        assert_array_equal(weighting(shuffled), weighting(rows)[order])


def test_permuting_teachers_permutes_weights():
    rows = make_rows()
    order = [2, 0, 1]
    shuffled = rows._replace(proba=rows.proba[:, order])
    assert_allclose(
        UnifiedWeighting()(shuffled), UnifiedWeighting()(rows)[:, order], rtol=1e-6
    )


def test_permuting_classes_changes_nothing():
    rows = make_rows()
    order = np.array([3, 1, 0, 2])
    y = np.where(rows.y >= 0, order.argsort()[rows.y], -1)
    shuffled = rows._replace(proba=rows.proba[:, :, order], y=y)
    assert_allclose(UnifiedWeighting()(shuffled), UnifiedWeighting()(rows), rtol=1e-6)


def test_disagreement_lies_between_zero_and_log_t():
    rows = make_rows(200)
    c = disagreement(rows.proba.astype(float))
    assert (c > 0).all()
    assert (c < log(3)).all()


@pytest.mark.parametrize("n_teachers", [1, 2, 3, 7])
def test_equal_teachers_disagree_by_exactly_zero(n_teachers):
    proba = np.repeat(make_rows(n_teachers=1).proba, n_teachers, axis=1)
    assert_array_equal(disagreement(proba.astype(float)), 0)


def test_row_that_no_teacher_gets_right_is_shared_evenly_and_weighs_nothing():
    proba = np.array([[[1.0, 0.0], [1.0, 0.0]]])
    assert_array_equal(teacher_correctness(proba, np.array([1])), [[0.5, 0.5]])
    assert_array_equal(ensemble_correctness(proba, np.array([1])), [0.0])


def with_silence(rows, seed=2):
    """Return rows of which some teachers do not predict some, and nobody the last."""
    proba = rows.proba.copy()
    proba[np.random.RandomState(seed).rand(*proba.shape[:2]) < 0.4] = 0
    proba[-1] = 0
    return rows._replace(proba=proba)


@pytest.mark.parametrize("weighting", [uniform, UnifiedWeighting()])
def test_row_is_weighted_as_if_only_those_that_predict_it_were_there(weighting):
    rows = with_silence(make_rows(60))
    weight = weighting(rows)
    assert_array_equal(weight[~rows.predicted], 0)
    for row, by in enumerate(rows.predicted[:-1]):
        one = slice(row, row + 1)
        alone = Rows(rows.X[one], rows.y[one], rows.proba[one][:, by])
        if by.any():
            assert_allclose(weight[row, by], weighting(alone)[0], atol=1e-12)
    assert_array_equal(weight[-1], 0)


def test_nobody_predicts_nothing_weighs():
    nothing = np.zeros((2, 3, 4))
    assert_array_equal(disagreement(nothing), 0)
    assert_array_equal(ensemble_correctness(nothing, np.array([0, 1])), 0)
    assert_array_equal(teacher_correctness(nothing, np.array([0, 1])), 0)


def test_switched_off_weights_are_the_uniform_weighting():
    rows = make_rows()
    off = UnifiedWeighting(teacher="uniform", labeled="uniform", unlabeled="uniform")
    assert_array_equal(off(rows), uniform(rows))


@pytest.mark.parametrize(
    ("switch", "touches_labeled", "touches_unlabeled"),
    [("teacher", True, False), ("labeled", True, False), ("unlabeled", False, True)],
)
def test_each_switch_touches_its_own_rows(switch, touches_labeled, touches_unlabeled):
    rows = make_rows()
    changed = ~np.isclose(
        UnifiedWeighting()(rows), UnifiedWeighting(**{switch: "uniform"})(rows)
    ).all(axis=1)
    assert changed[rows.y >= 0].any() == touches_labeled
    assert changed[rows.y < 0].any() == touches_unlabeled


def test_callable_takes_the_place_of_a_weight():
    rows = make_rows()
    agreement = UnifiedWeighting(unlabeled=lambda proba: 1 - disagreement(proba))
    total = agreement(rows).sum(axis=1)[rows.y < 0]
    assert_allclose(total, 1 - disagreement(rows.proba[rows.y < 0].astype(float)))


def test_unlabeled_rows_are_scaled_to_a_mean_of_one():
    rows = make_rows()
    weight = UnifiedWeighting()(rows).sum(axis=1)
    scaled = UnifiedWeighting().scale_rows(weight, rows.y, np.ones(len(weight)))
    assert_allclose(scaled[rows.y < 0].mean(), 1)
    assert_array_equal(scaled[rows.y >= 0], weight[rows.y >= 0])


def test_doubled_sample_weight_scales_like_a_repeated_row():
    weight, y = np.array([1.0, 2.0, 5.0]), np.array([-1, -1, 0])
    doubled = UnifiedWeighting().scale_rows(weight, y, np.array([1.0, 2.0, 1.0]))
    repeated = UnifiedWeighting().scale_rows(
        weight[[0, 1, 1, 2]], y[[0, 1, 1, 2]], np.ones(4)
    )
    assert_allclose(doubled, repeated[[0, 1, 3]])


def test_teachers_that_agree_everywhere_leave_all_unlabeled_rows_alike():
    y = np.array([-1, -1, 0])
    scaled = UnifiedWeighting().scale_rows(np.array([0.0, 0.0, 0.3]), y, np.ones(3))
    assert_array_equal(scaled, [1.0, 1.0, 0.3])


def test_weighting_does_not_write_to_its_rows():
    rows = make_rows()
    before = rows.proba.copy(), rows.y.copy()
    UnifiedWeighting()(rows)
    assert_array_equal(rows.proba, before[0])
    assert_array_equal(rows.y, before[1])


def test_weighting_cannot_write_to_the_teachers_answers(world):
    def careless(rows):
        np.log(rows.proba, out=rows.proba)

    with pytest.raises(ValueError, match="read-only"):
        world.distill(weighting=careless)


# --- Errors -------------------------------------------------------------------------


test_what_is_no_weighting_is_an_error = check_errors(
    {
        "weighting misspelled": (
            lambda w: w.fit(weighting="unfied"),
            InvalidParameterError,
            "'weighting' parameter of EnsembleDistiller must be a str among",
            "a callable or an object implementing 'open'. Got 'unfied'",
        ),
        "weighting's class": (
            lambda w: w.fit(weighting=UnifiedWeighting),
            TypeError,
            "`weighting` must be an instance, got the class UnifiedWeighting",
            "write UnifiedWeighting()",
        ),
        "weight a misspelled": (
            lambda w: w.fit(weighting=UnifiedWeighting(teacher="typo")),
            ValueError,
            "`teacher` of UnifiedWeighting must be a callable",
            "one of ['correctness', 'uniform'], got 'typo'",
        ),
        "weight b takes no disagreement": (
            lambda w: w.fit(weighting=UnifiedWeighting(labeled="disagreement")),
            ValueError,
            "`labeled` of UnifiedWeighting must be a callable",
            "one of ['correctness', 'uniform'], got 'disagreement'",
        ),
        "weight c misspelled and no unlabeled row": (
            lambda w: w.fit(weighting=UnifiedWeighting(unlabeled="typo"), y=w.y),
            ValueError,
            "`unlabeled` of UnifiedWeighting must be a callable",
            "one of ['disagreement', 'uniform'], got 'typo'",
        ),
        "weight a not a string": (
            lambda w: w.fit(weighting=UnifiedWeighting(teacher=["correctness"])),
            ValueError,
            "`teacher` of UnifiedWeighting must be a callable",
            "one of ['correctness', 'uniform'], got ['correctness']",
        ),
        "weight b for each teacher": (
            lambda w: w.fit(
                weighting=UnifiedWeighting(labeled=lambda p, y: p[:, :, 0])
            ),
            ValueError,
            "`labeled` of UnifiedWeighting must return an array of shape",
            "(n_samples,), (30,) here, got (30, 2)",
        ),
        "weight a for each row only": (
            lambda w: w.fit(
                weighting=UnifiedWeighting(teacher=lambda p, y: p[:, 0, 0])
            ),
            ValueError,
            "`teacher` of UnifiedWeighting must return an array of shape",
            "(n_samples, n_teachers), (30, 2) here, got (30,)",
        ),
        "weights negative": (
            lambda w: w.fit(weighting=lambda rows: -rows.proba[:, :, 0]),
            ValueError,
            "got float32 from -",
            "weighting must return finite, non-negative numbers",
        ),
        "weights NaN": (
            lambda w: w.fit(weighting=lambda rows: np.nan * rows.proba[:, :, 0]),
            ValueError,
            "got float32 from nan",
            "weighting must return finite, non-negative numbers",
        ),
        "weights text": (
            lambda w: w.fit(weighting=lambda rows: np.full((len(rows.y), 2), "much")),
            ValueError,
            "got <U4",
            "weighting must return finite, non-negative numbers",
        ),
        "weights for each row only": (
            lambda w: w.fit(weighting=lambda rows: np.ones(len(rows.y))),
            ValueError,
            "weighting must return an array of shape",
            "(n_samples, n_teachers), (60, 2) here, got (60,)",
        ),
        "weights forgotten": (
            lambda w: w.fit(weighting=lambda rows: None),
            ValueError,
            "weighting must return an array of shape",
            "(n_samples, n_teachers), (60, 2) here, got ()",
        ),
    }
)
