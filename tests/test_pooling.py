"""The pools of the teachers: by hand, by property, and what they refuse."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import check_grad
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from sk_ekd import EnsembleDistiller, ask_teachers
from sk_ekd._pooling import PoolOfSome, loss_and_gradient
from sk_ekd.pooling import POOLINGS, CalibratedPool, MeanPool, StackedPool
from sk_ekd.students import _kinds
from sk_ekd.weighting import Rows, UnifiedWeighting
from tests.worlds import make_net


def make_teachers(n_samples=400, skills=(2.0, 1.0, 0.5), n_classes=4, seed=0):
    """Return proba, y of calibrated teachers: a skilled one sees less noise."""
    rng = np.random.RandomState(seed)
    y = rng.randint(n_classes, size=n_samples)
    skills = np.array(skills)[:, np.newaxis]
    # the logits of a Gaussian in n_classes dimensions around the label's unit vector
    seen = skills * np.eye(n_classes)[y][:, np.newaxis]
    seen = seen + rng.randn(n_samples, len(skills), n_classes)
    return softmax(skills * seen, axis=2).astype(np.float32), y


def soften(proba, temperature):
    powers = proba.astype(np.float64) ** (1 / temperature)
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


def log_loss(proba, y):
    return -np.log(proba[np.arange(len(y)), y]).mean()


# --- The fit ------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 5, 150])
def test_gradient_equals_finite_differences(n_classes):
    proba, y = make_teachers(50, n_classes=n_classes)
    rng = np.random.RandomState(1)
    args = list(np.log(proba.swapaxes(0, 1))), y, rng.rand(50), 0.01
    params = rng.randn(6)

    error = check_grad(
        lambda p: loss_and_gradient(p, *args)[0],
        lambda p: loss_and_gradient(p, *args)[1],
        params,
    )
    assert error < 1e-6


def test_loss_is_that_of_the_pool():
    proba, y = make_teachers(50)
    pool = CalibratedPool().fit(proba, y)
    params = np.log([pool.weight_, pool.temperature_]).ravel()
    loss, _ = loss_and_gradient(
        params, list(np.log(proba.swapaxes(0, 1))), y, np.ones(50), ridge=0
    )
    assert_allclose(loss, log_loss(pool.predict_proba(proba), y), rtol=1e-6)


def silence(proba, share=0.4, seed=0):
    """Return a copy in which teachers do not predict a share of the rows."""
    proba = proba.copy()
    proba[np.random.RandomState(seed).rand(*proba.shape[:2]) < share] = 0
    return proba


def test_gradient_with_rows_that_some_do_not_predict_equals_finite_differences():
    proba, y = make_teachers(50)
    predicted = silence(proba)[:, :2].any(axis=2).T
    predicted = np.vstack([predicted, np.ones(50, dtype=bool)])
    rng = np.random.RandomState(1)
    args = list(np.log(proba.swapaxes(0, 1))), y, rng.rand(50), 0.01, predicted
    error = check_grad(
        lambda p: loss_and_gradient(p, *args)[0],
        lambda p: loss_and_gradient(p, *args)[1],
        rng.randn(6),
    )
    assert error < 1e-6


def test_loss_is_that_of_the_pool_of_those_that_predict():
    proba, y = make_teachers(200)
    proba = silence(proba)
    known = proba.any(axis=(1, 2))
    assert not known.all()
    pool = CalibratedPool().fit(proba, y)
    params = np.log([pool.weight_, pool.temperature_]).ravel()
    log_proba = [np.log(np.maximum(p, 1e-7)) for p in proba[known].swapaxes(0, 1)]
    predicted = proba[known].any(axis=2).T
    loss, _ = loss_and_gradient(
        params, log_proba, y[known], np.ones(known.sum()), 0, predicted
    )
    found = pool.predict_proba(proba)
    assert_allclose(loss, log_loss(found[known], y[known]), rtol=1e-4)
    assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert_array_equal(found[~known], 1 / proba.shape[2])
    assert_array_equal(pool.transform(proba).any(axis=2), proba.any(axis=2))


def test_row_that_nobody_predicts_is_not_in_the_fit():
    proba, y = make_teachers(100)
    proba[::7] = 0
    known = proba.any(axis=(1, 2))
    weight = np.linspace(1, 2, 100)
    found = CalibratedPool().fit(proba, y, weight)
    expected = CalibratedPool().fit(proba[known], y[known], weight[known])
    assert_allclose(found.weight_, expected.weight_, rtol=1e-6)
    assert_allclose(found.temperature_, expected.temperature_, rtol=1e-6)


def test_teacher_that_is_right_on_the_few_rows_it_predicts_is_trusted():
    proba, y = make_teachers(400, skills=(1.0, 1.0, 4.0))
    proba[100:, 2] = 0
    assert CalibratedPool().fit(proba, y).weight_.argmax() == 2


def test_no_row_that_anyone_predicts_leaves_nothing_to_fit():
    with pytest.raises(ValueError, match="that some teacher predicts"):
        CalibratedPool().fit(np.zeros((5, 2, 3)), np.zeros(5, dtype=int))


def test_mean_pool_averages_those_that_predict():
    proba = silence(make_teachers(50)[0])
    found = MeanPool().fit(proba).predict_proba(proba)
    for row in range(50):
        by = proba[row].any(axis=1)
        expected = proba[row][by].mean(axis=0) if by.any() else 1 / proba.shape[2]
        assert_allclose(found[row], expected, atol=1e-6)


def test_mean_pool_has_the_weights_of_the_caller():
    proba = make_teachers(50)[0]
    pool = MeanPool(weight=[3, 0, 1]).fit(proba)
    assert_allclose(pool.weight_, [0.75, 0, 0.25])
    mean = np.average(proba, axis=1, weights=[3, 0, 1])
    assert_allclose(pool.predict_proba(proba), mean, atol=1e-6)
    assert_allclose(pool.share(np.full((1, 3), 2 / 3)), [[1.5, 0, 0.5]])
    assert pool.transform(proba) is proba


@pytest.mark.parametrize("weight", [[1, 2], [1, -1, 2], [0, 0, 0], [1, np.nan, 1]])
def test_bad_weights_of_a_mean_pool_are_refused(weight):
    with pytest.raises(ValueError, match=r"eight.* of .*teachers"):
        MeanPool(weight=weight).fit(make_teachers(5)[0])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_samples", [1, 10, 300])
def test_without_ridge_no_worse_than_the_mean_on_the_fitted_rows(n_samples, seed):
    proba, y = make_teachers(n_samples, seed=seed)
    pool = CalibratedPool(ridge=0).fit(proba, y)
    mean = MeanPool().fit(proba)
    fitted = log_loss(pool.predict_proba(proba), y)
    assert fitted <= log_loss(mean.predict_proba(proba), y) + 1e-6


@pytest.mark.parametrize("factor", [0.5, 2.0, 4.0])
def test_known_overconfidence_is_recovered(factor):
    proba, y = make_teachers(20_000, skills=[1.0])
    pool = CalibratedPool().fit(soften(proba, 1 / factor), y)
    assert_allclose(pool.temperature_, factor, rtol=0.05)


def test_one_overconfident_teacher_among_three_is_told_apart():
    # as they see the same rows in turn, the best pool has each at temperature 1
    proba, y = make_teachers(6000, skills=[1.5])
    each = np.repeat(np.eye(3, dtype=bool), 2000, axis=0)
    guess = np.full((6000, 3, 4), 1e-6, dtype=np.float32) + 0.25
    turns = np.where(each[..., np.newaxis], proba, guess)
    turns[:, 1] = soften(turns[:, 1], 1 / 3)
    honest = CalibratedPool().fit(np.where(each[..., np.newaxis], proba, guess), y)
    pool = CalibratedPool().fit(turns, y)
    assert_allclose(pool.temperature_ / honest.temperature_, [1, 3, 1], rtol=0.02)
    assert_allclose(pool.weight_, honest.weight_, atol=0.02)


def test_teacher_that_guesses_gets_little_weight():
    proba, y = make_teachers(1000, skills=[2.0, 2.0, 2.0])
    rng = np.random.RandomState(1)
    proba[:, 1] = rng.dirichlet(np.ones(4), 1000)
    pool = CalibratedPool().fit(proba, y)
    assert pool.weight_[1] < 0.05
    assert_allclose(pool.weight_[[0, 2]], 0.5, atol=0.1)


@pytest.mark.parametrize(("n_samples", "least", "most"), [(3, 0.5, 1), (5000, 0, 0.05)])
def test_few_rows_stay_near_the_mean_and_many_do_not(n_samples, least, most):
    proba, y = make_teachers(n_samples)
    free = CalibratedPool(ridge=0).fit(proba, y).weight_ - 1 / 3
    held = CalibratedPool(ridge=1).fit(proba, y).weight_ - 1 / 3
    assert least <= 1 - np.abs(held).sum() / np.abs(free).sum() <= most


def test_great_ridge_is_the_mean():
    proba, y = make_teachers()
    pool = CalibratedPool(ridge=1e9).fit(proba, y)
    mean = MeanPool().fit(proba)
    assert_allclose(pool.weight_, mean.weight_, atol=1e-6)
    assert_allclose(pool.temperature_, mean.temperature_, atol=1e-6)
    assert_allclose(pool.predict_proba(proba), mean.predict_proba(proba), atol=1e-5)


def test_equal_teachers_share_evenly():
    proba, y = make_teachers(skills=[1.0])
    pool = CalibratedPool().fit(proba[:, [0, 0, 0]], y)
    assert_allclose(pool.weight_, 1 / 3)
    assert_allclose(pool.temperature_, pool.temperature_[0])


def test_permuting_teachers_permutes_weights_and_temperatures():
    proba, y = make_teachers()
    order = [2, 0, 1]
    pool = CalibratedPool().fit(proba, y)
    shuffled = CalibratedPool().fit(proba[:, order], y)
    assert_allclose(shuffled.weight_, pool.weight_[order], atol=1e-4)
    assert_allclose(shuffled.temperature_, pool.temperature_[order], rtol=1e-3)


def test_permuting_classes_permutes_the_pool():
    proba, y = make_teachers()
    order = np.array([3, 1, 0, 2])
    pool = CalibratedPool().fit(proba, y)
    shuffled = CalibratedPool().fit(proba[:, :, order], order.argsort()[y])
    assert_allclose(shuffled.weight_, pool.weight_, atol=1e-4)
    assert_allclose(
        shuffled.predict_proba(proba[:, :, order]),
        pool.predict_proba(proba)[:, order],
        atol=1e-4,
    )


def test_permuting_rows_changes_nothing():
    proba, y = make_teachers()
    order = np.random.RandomState(1).permutation(len(y))
    pool, shuffled = CalibratedPool(), CalibratedPool()
    pool.fit(proba, y)
    shuffled.fit(proba[order], y[order])
    assert_allclose(shuffled.weight_, pool.weight_, atol=1e-4)


def test_same_rows_same_pool():
    first, second = (CalibratedPool().fit(*make_teachers()) for _ in range(2))
    assert_array_equal(first.weight_, second.weight_)
    assert_array_equal(first.temperature_, second.temperature_)


# --- Sample weights -----------------------------------------------------------------


def test_sample_weight_counts_like_repeated_rows():
    proba, y = make_teachers(100)
    times = np.random.RandomState(1).randint(3, size=100)
    weighted = CalibratedPool(ridge=0).fit(proba, y, sample_weight=times)
    repeated = CalibratedPool(ridge=0).fit(proba.repeat(times, axis=0), y.repeat(times))
    assert_allclose(weighted.weight_, repeated.weight_, atol=1e-4)
    assert_allclose(weighted.temperature_, repeated.temperature_, rtol=1e-3)


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e200])
def test_scale_of_the_sample_weights_does_not_matter(scale):
    proba, y = make_teachers(100)
    plain = CalibratedPool().fit(proba, y)
    scaled = CalibratedPool().fit(proba, y, sample_weight=np.full(100, scale))
    assert_allclose(scaled.weight_, plain.weight_, atol=1e-6)


def test_row_of_weight_zero_is_not_in_the_fit():
    proba, y = make_teachers(100)
    weight = (np.arange(100) < 60).astype(float)
    without = CalibratedPool().fit(proba[:60], y[:60])
    zeroed = CalibratedPool().fit(proba, y, sample_weight=weight)
    assert_allclose(zeroed.weight_, without.weight_, atol=1e-6)
    assert_allclose(zeroed.temperature_, without.temperature_, rtol=1e-6)


# --- The pool -----------------------------------------------------------------------


def test_transform_softens_each_teacher_by_hand():
    proba = np.array([[[0.9, 0.1], [0.2, 0.8]]])
    pool = CalibratedPool()
    pool.weight_, pool.temperature_ = np.array([0.25, 0.75]), np.array([2.0, 0.5])
    softened = [[[0.75, 0.25], [0.04 / 0.68, 0.64 / 0.68]]]
    assert_allclose(pool.transform(proba), softened, atol=1e-6)
    mixed = 0.25 * np.array([0.75, 0.25]) + 0.75 * np.array(softened[0][1])
    assert_allclose(pool.predict_proba(proba), [mixed], atol=1e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pool_is_the_weighted_mean_of_what_transform_returns(pooling):
    proba, y = make_teachers()
    pool = clone(POOLINGS[pooling]).fit(proba, y)
    softened, pooled = pool.transform(proba), pool.predict_proba(proba)
    assert softened.dtype == pooled.dtype == np.float32
    assert_allclose(softened.sum(axis=2), 1, atol=1e-6)
    assert_allclose(pooled.sum(axis=1), 1, atol=1e-6)
    assert_allclose(np.einsum("ntc,t->nc", softened, pool.weight_), pooled, atol=1e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_weights_sum_to_one_and_temperatures_are_positive(pooling):
    pool = clone(POOLINGS[pooling]).fit(*make_teachers())
    n_more = pooling == "stacked"  # the stacker is the last
    assert pool.weight_.shape == pool.temperature_.shape == (3 + n_more,)
    assert (pool.weight_ >= 0).all()
    assert_allclose(pool.weight_.sum(), 1)
    assert (pool.temperature_ > 0).all()


def test_mean_pool_hands_on_the_same_array():
    proba, _ = make_teachers()
    assert MeanPool().fit(proba).transform(proba) is proba


def test_mean_pool_needs_no_labeled_rows():
    assert_array_equal(MeanPool().fit(np.empty((0, 4, 2))).weight_, 0.25)


def test_single_teacher_gets_all_the_weight():
    proba, y = make_teachers(skills=[1.0])
    pool = CalibratedPool().fit(proba, y)
    assert_array_equal(pool.weight_, [1.0])
    assert_array_equal(pool.predict_proba(proba), pool.transform(proba)[:, 0])


def test_single_row_stays_near_the_mean():
    pool = CalibratedPool().fit(np.array([[[0.9, 0.1], [0.4, 0.6]]]), np.array([0]))
    assert pool.weight_[0] > pool.weight_[1] > 0.2
    assert (np.abs(np.log(pool.temperature_)) < 1).all()


def test_label_to_which_all_teachers_give_exactly_zero_keeps_the_loss_finite():
    proba = np.array([[[1.0, 0.0], [1.0, 0.0]]] * 10, dtype=np.float32)
    y = np.array([0] * 8 + [1] * 2)
    pool = CalibratedPool().fit(proba, y)
    assert (pool.temperature_ > 3).all()
    assert np.isfinite(np.log(pool.predict_proba(proba))).all()


def test_teacher_that_does_not_know_a_class_loses_weight():
    proba, y = make_teachers(skills=[2.0, 2.0])
    proba[:, 1, 3] = 0
    proba[:, 1] /= proba[:, 1].sum(axis=1, keepdims=True)
    pool = CalibratedPool().fit(proba, y)
    assert 0 < pool.weight_[1] < 0.5 < pool.weight_[0]
    assert pool.predict_proba(proba)[:, 3].min() > 0


@pytest.mark.parametrize("certain", [np.eye(4), np.roll(np.eye(4), 1, axis=0)])
def test_always_right_or_always_wrong_stays_finite_without_ridge(certain):
    y = np.arange(40) % 4
    proba = np.stack([certain[y]] * 2, axis=1)
    pool = CalibratedPool(ridge=0).fit(proba, y)
    assert np.isfinite(pool.temperature_).all()
    assert_allclose(pool.transform(proba).sum(axis=2), 1, atol=1e-6)


def test_pool_does_not_write_to_its_rows():
    proba, y = make_teachers()
    before = proba.copy(), y.copy()
    CalibratedPool().fit(proba, y).predict_proba(proba)
    assert_array_equal(proba, before[0])
    assert_array_equal(y, before[1])


# --- The stacked pool ---------------------------------------------------------------


def make_confused_teachers(n_samples, seed=0):
    """Return proba, y of teachers that often say 1 where it is 0, and 3 for 2."""
    rng = np.random.RandomState(seed)
    y = rng.randint(4, size=n_samples)
    seen = np.where(
        rng.rand(n_samples, 3) < 0.4, y[:, np.newaxis] | 1, y[:, np.newaxis]
    )
    logits = 2.5 * np.eye(4)[seen] + rng.randn(n_samples, 3, 4)
    return softmax(logits, axis=2).astype(np.float32), y


def test_stacker_has_half_of_the_weight_and_the_calibrated_pool_the_other():
    proba, y = make_teachers()
    pool, calibrated = StackedPool().fit(proba, y), CalibratedPool().fit(proba, y)
    assert_allclose(pool.weight_, [*calibrated.weight_ / 2, 0.5])
    assert_allclose(pool.temperature_, [*calibrated.temperature_, 1])
    softened = pool.transform(proba)
    assert_array_equal(softened[:, :3], calibrated.transform(proba))
    stacked = pool.stacker_.predict_proba(proba)
    assert_array_equal(softened[:, 3], stacked)
    mean = (calibrated.predict_proba(proba) + stacked) / 2
    assert_allclose(pool.predict_proba(proba), mean, atol=1e-6)


def test_great_ridges_are_the_arithmetic_and_the_geometric_mean():
    proba, y = make_teachers()
    pool = StackedPool(ridge=1e12, map_ridge=1e12).fit(proba, y)
    geometric = softmax(np.log(np.maximum(proba, 1e-3)).mean(axis=1), axis=1)
    mean = (proba.mean(axis=1) + geometric) / 2
    assert_allclose(pool.predict_proba(proba), mean, atol=1e-5)


def test_teachers_that_confuse_classes_are_seen_through():
    proba, y = make_confused_teachers(2000)
    known, rest = slice(1000), slice(1000, None)
    stacked = StackedPool().fit(proba[known], y[known]).predict_proba(proba[rest])
    calibrated = CalibratedPool().fit(proba[known], y[known]).predict_proba(proba[rest])
    assert log_loss(stacked, y[rest]) < log_loss(calibrated, y[rest]) - 0.05


def test_useless_teacher_changes_little():
    proba, y = make_teachers(2000)
    guess = np.random.RandomState(1).dirichlet(np.ones(4), (2000, 1))
    with_guess = np.concatenate([proba, guess.astype(np.float32)], axis=1)
    found, losses = [proba, with_guess], []
    for rows in found:
        pool = StackedPool().fit(rows[:1000], y[:1000])
        losses.append(log_loss(pool.predict_proba(rows[1000:]), y[1000:]))
    assert abs(losses[1] - losses[0]) < 0.01


@pytest.mark.parametrize(("n_teachers", "n_classes"), [(1, 4), (3, 2), (1, 2), (6, 30)])
def test_stacked_pool_of_any_size_gives_probabilities(n_teachers, n_classes):
    skills = np.linspace(1, 2, n_teachers)
    proba, y = make_teachers(200, skills=skills, n_classes=n_classes)
    found = StackedPool().fit(proba, y).predict_proba(proba.astype(np.float64))
    assert found.dtype == np.float32
    assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert log_loss(found, y) < log_loss(MeanPool().fit(proba).predict_proba(proba), y)


def test_many_classes_leave_the_stacker_without_a_map(monkeypatch):
    proba, y = make_teachers(200)
    assert StackedPool().fit(proba, y).stacker_.map.shape == (12, 4)
    monkeypatch.setattr("sk_ekd.pooling.MOST_NUMBERS", 3 * 4 * 4 - 1)
    pool = StackedPool().fit(proba, y)
    assert pool.stacker_.map is None
    assert pool.transform(proba).shape == (200, 4, 4)


@pytest.mark.parametrize("sample_weight", [None, np.r_[np.ones(99), np.zeros(901)]])
def test_few_labels_leave_the_calibrated_pool_alone(sample_weight):
    n_samples = 99 if sample_weight is None else 1000
    proba, y = make_teachers(n_samples)
    pool = StackedPool().fit(proba, y, sample_weight)
    calibrated = CalibratedPool().fit(proba, y, sample_weight)
    assert pool.stacker_ is None
    assert_array_equal(pool.weight_, calibrated.weight_)
    assert_array_equal(pool.temperature_, calibrated.temperature_)
    assert_array_equal(pool.transform(proba), calibrated.transform(proba))
    weight = np.random.RandomState(0).rand(n_samples, 3)
    assert_array_equal(pool.share(weight), calibrated.share(weight))


def test_stacker_has_no_part_in_rows_that_some_teacher_does_not_predict():
    proba, y = make_teachers(600)
    some = silence(proba)
    by_all = some.any(axis=2).all(axis=1)
    pool = StackedPool().fit(some, y)
    expected = StackedPool().fit(some[by_all], y[by_all])
    assert_allclose(pool.stacker_.map, expected.stacker_.map)
    assert_array_equal(pool.transform(some)[:, 3].any(axis=1), by_all)
    found, calibrated = pool.predict_proba(some), pool.calibrated_.predict_proba(some)
    assert_allclose(found[~by_all], calibrated[~by_all], atol=1e-6)
    assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert_array_equal(found[~some.any(axis=(1, 2))], 0.25)


def test_no_row_that_all_predict_leaves_the_calibrated_pool_alone():
    proba, y = make_teachers(400)
    proba[::2, 0] = proba[1::2, 1] = 0
    pool = StackedPool().fit(proba, y)
    assert pool.stacker_ is None
    assert pool.weight_.shape == (3,)


def test_shares_keep_the_sums_and_give_the_stacker_half():
    pool = StackedPool().fit(*make_teachers())
    weight = np.random.RandomState(0).rand(50, 3)
    weight[0] = 0
    shared = pool.share(weight)
    assert_allclose(shared.sum(axis=1), weight.sum(axis=1))
    assert_allclose(shared[:, 3], weight.sum(axis=1) / 2)
    assert_allclose(pool.share(np.full((1, 3), 1 / 3)), [pool.weight_])


@pytest.mark.parametrize("name", ["ridge", "map_ridge"])
@pytest.mark.parametrize("value", [-1, np.inf, "1"])
def test_bad_ridges_of_a_stacked_pool_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a finite number"):
        StackedPool(**{name: value}).fit(*make_teachers(10))


# --- Bad input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proba", "y", "sample_weight", "message"),
    [
        (np.ones((4, 2)) / 2, [0] * 4, None, r"\(n_samples, n_teachers, n_classes\)"),
        (np.ones((4, 1, 2)) / 2, [0] * 3, None, "each of the 4 rows"),
        (np.ones((4, 1, 2)) / 2, [[0]] * 4, None, "each of the 4 rows"),
        (np.ones((0, 1, 2)), np.zeros(0, int), None, "needs labeled rows"),
        (np.ones((2, 1, 2)) / 2, [0, -1], None, "from 0 to 1"),
        (np.ones((2, 1, 2)) / 2, [0, 2], None, "from 0 to 1"),
        (np.ones((2, 1, 2)) / 2, [0.0, 1.0], None, "dtype float64"),
        (np.full((2, 1, 2), np.nan), [0, 1], None, "must be finite"),
        (np.ones((2, 1, 2)) / 2, [0, 1], [1.0], "must have shape"),
        (np.ones((2, 1, 2)) / 2, [0, 1], [1.0, -1.0], "non-negative"),
        (np.ones((2, 1, 2)) / 2, [0, 1], [0.0, 0.0], "not zero everywhere"),
        (np.ones((2, 1, 2)) / 2, [0, 1], [1.0, np.nan], "must be finite"),
    ],
)
def test_bad_rows_are_refused(proba, y, sample_weight, message):
    with pytest.raises(ValueError, match=message):
        CalibratedPool().fit(proba, y, sample_weight)


@pytest.mark.parametrize("ridge", [-1, np.inf, np.nan, None, "1"])
def test_bad_ridge_is_refused(ridge):
    with pytest.raises(ValueError, match="finite number of at least 0"):
        CalibratedPool(ridge=ridge).fit(*make_teachers(10))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_other_number_of_teachers_is_refused(pooling):
    proba, y = make_teachers(10)
    pool = clone(POOLINGS[pooling]).fit(proba, y)
    with pytest.raises(ValueError, match=r"\(n_samples, 3, n_classes\)"):
        pool.predict_proba(proba[:, :2])


@pytest.mark.parametrize("pooling", POOLINGS)
def test_unfitted_pool_says_so(pooling):
    with pytest.raises(NotFittedError):
        clone(POOLINGS[pooling]).transform(make_teachers(10)[0])


def test_teachers_that_answer_zero_and_one_find_the_deeper_valley():
    # at a temperature of 1, an answer of zero or one has no gradient
    X, y = make_classification(
        3000, 20, n_informative=10, n_classes=3, flip_y=0.15, random_state=1
    )
    teachers = [
        DecisionTreeClassifier(random_state=0),
        KNeighborsClassifier(1),
        DecisionTreeClassifier(random_state=1, splitter="random"),
        LogisticRegression(),
    ]
    proba = [t.fit(X[:1000], y[:1000]).predict_proba(X[1000:]) for t in teachers]
    proba, y = np.stack(proba, axis=1).astype(np.float32), y[1000:]
    pool = CalibratedPool().fit(proba[:1000], y[:1000])
    assert log_loss(pool.predict_proba(proba[1000:]), y[1000:]) < 0.73


# --- Through the distiller ----------------------------------------------------------


def test_calibrated_pool_is_fitted_to_the_labeled_answers(world):
    known = world.y >= 0
    answers = ask_teachers(world.teachers, world.X)
    expected = CalibratedPool().fit(answers[known], world.y[known])
    distiller = world.distill(pooling="calibrated")
    assert_array_equal(distiller.pool_.weight_, expected.weight_)
    assert_array_equal(distiller.pool_.temperature_, expected.temperature_)


def test_calibrated_pool_is_fitted_out_of_fold(world):
    unfitted = [clone(teacher) for teacher in world.teachers]
    known, how = world.y >= 0, {"cv": 3, "random_state": 0}
    answers = ask_teachers(unfitted, world.X, world.y, **how)
    expected = CalibratedPool().fit(answers[known], world.y[known])
    distiller = world.distill(teachers=unfitted, pooling="calibrated", cv=3)
    assert_array_equal(distiller.pool_.weight_, expected.weight_)


@pytest.mark.parametrize("cv", ["prefit", 3])
def test_given_answers_are_pooled_like_asked_ones(world, cv):
    teachers = world.teachers if cv == "prefit" else list(map(clone, world.teachers))
    options = {"pooling": "calibrated", "cv": cv, "teachers": teachers}
    asked = world.distill(**options)
    answers = ask_teachers(teachers, world.X, world.y, cv=cv, random_state=0)
    given = EnsembleDistiller(student=make_net(), random_state=0, **options)
    given.fit(world.X, world.y, teacher_proba=answers)
    assert_array_equal(given.predict_proba(world.X), asked.predict_proba(world.X))


@pytest.fixture
def kept(monkeypatch):
    """Keep what the students are given to learn from."""
    rows = []
    fit_student = _kinds.fit_student

    def keep(student, train, *args, **kwargs):
        rows.append(train)
        return fit_student(student, train, *args, **kwargs)

    monkeypatch.setattr(_kinds, "fit_student", keep)
    return rows


def test_targets_are_the_pool_and_rows_weigh_as_before(world, kept):
    distiller = world.distill(pooling="calibrated", weighting="uniform")
    answers = ask_teachers(world.teachers, world.X)
    assert_allclose(kept[0][1].mix, distiller.pool_.predict_proba(answers), atol=1e-6)
    assert_allclose(distiller.row_weight_, 1)
    assert_allclose(distiller.teacher_weight_.sum(axis=1), 1)
    world.distill(pooling="calibrated")
    plain = world.distill()
    answers = Rows(world.X, world.y, distiller.pool_.transform(answers))
    weight = UnifiedWeighting()(answers)[world.y >= 0].sum(axis=1)
    assert_allclose(kept[1][1].mix_weight[world.y >= 0], weight)
    assert isinstance(plain.pool_, MeanPool)


def test_pool_with_an_infinite_pull_is_the_mean(world):
    pooled = world.distill(pooling=CalibratedPool(ridge=1e12))
    assert_allclose(
        pooled.predict_proba(world.X), world.distill().predict_proba(world.X), atol=1e-4
    )


def test_default_stacks_answers_out_of_fold_only(world):
    unfitted = [clone(teacher) for teacher in world.teachers]
    frozen = FrozenEstimator(world.teachers[0])
    assert isinstance(world.distill(teachers=unfitted, cv=3).pool_, StackedPool)
    assert isinstance(world.distill().pool_, MeanPool)
    mixed = world.distill(teachers=[frozen, *unfitted], cv=3)
    assert isinstance(mixed.pool_, MeanPool)


def test_folds_that_lack_a_class_leave_the_default_pool_at_the_mean(world):
    # else labels that no fold has seen drive the temperatures to their bound
    first = [np.flatnonzero(world.truth == c)[:20] for c in range(3)]  # a fold each
    labeled = np.concatenate(first)
    order = np.concatenate([labeled, np.setdiff1d(np.arange(400), labeled)])
    X, y = world.X[order], np.where(np.arange(400) < 60, world.truth[order], -1)
    teachers = [GaussianNB(), DecisionTreeClassifier(random_state=0)]
    with pytest.warns(UserWarning, match=r"no teacher .* class.*stratified"):
        found = world.distill(X=X, y=y, teachers=teachers, cv=KFold(3))
    assert isinstance(found.pool_, MeanPool)
    with pytest.warns(UserWarning, match=r"no teacher .* class.*stratified"):
        forced = world.distill(
            X=X, y=y, teachers=teachers, cv=KFold(3), pooling="calibrated"
        )
    assert isinstance(forced.pool_, CalibratedPool)


def test_one_class_that_no_fold_has_seen_among_many_rows_does_not_matter(world):
    y = np.where(world.truth == 2, -1, world.truth)
    y[np.flatnonzero(world.truth == 2)[0]] = 2  # one row of more than two hundred
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        found = world.distill(y=y, teachers=[GaussianNB()], cv=3)
    assert isinstance(found.pool_, StackedPool)


@pytest.mark.parametrize("named", [True, False])
def test_given_answers_that_are_all_but_perfect_are_warned_of(world, named):
    tree = DecisionTreeClassifier(random_state=0)
    answers = ask_teachers([clone(tree).fit(world.X, world.truth)], world.X)
    distiller = EnsembleDistiller([tree] if named else None, make_net(), cv=3)
    with pytest.warns(UserWarning, match=r"pool was fitted.*: 1\.0"):
        distiller.fit(world.X, world.y, teacher_proba=answers)


@pytest.mark.parametrize("cv", ["prefit", 3])
def test_default_pool_without_labels_is_the_mean(world, cv):
    answers = ask_teachers(world.teachers, world.X)
    distiller = EnsembleDistiller(None, make_net(), cv=cv, classes=[0, 1, 2])
    distiller.fit(world.X, np.full(len(world.X), -1), teacher_proba=answers)
    assert isinstance(distiller.pool_, MeanPool)


def test_calibrated_pool_without_labels_is_an_error(world):
    with pytest.raises(ValueError, match="needs labeled rows"):
        world.distill(y=np.full(len(world.y), -1), pooling="calibrated")


def test_pool_on_rows_that_a_teacher_has_seen_is_warned_of(world):
    teachers = [*world.teachers, DecisionTreeClassifier(random_state=0)]
    teachers[-1].fit(world.X, world.truth)
    with pytest.warns(UserWarning, match=r"'decisiontreeclassifier': 1.0.* no teacher"):
        world.distill(teachers=teachers, pooling="calibrated")


def test_pool_on_rows_that_a_frozen_teacher_has_seen_is_warned_of(world):
    seen = DecisionTreeClassifier(random_state=0).fit(world.X, world.truth)
    teachers = [FrozenEstimator(seen), GaussianNB()]
    with pytest.warns(UserWarning, match=r"'frozenestimator': 1.0"):
        world.distill(teachers=teachers, cv=3, pooling="calibrated")


def test_class_of_a_pool_is_an_error(world):
    with pytest.raises(TypeError, match=r"write CalibratedPool\(\)"):
        world.distill(pooling=CalibratedPool)


def test_rows_without_weight_that_come_back_have_the_target_of_the_pool(world, kept):
    nothing = UnifiedWeighting(unlabeled=lambda proba: np.zeros(len(proba)))
    distiller = world.distill(pooling="calibrated", weighting=nothing)
    unlabeled = world.y < 0
    assert_allclose(distiller.row_weight_[unlabeled], 1)
    answers = ask_teachers(world.teachers, world.X)
    expected = distiller.pool_.predict_proba(answers)[unlabeled]
    assert_allclose(kept[0][1].mix[unlabeled], expected, atol=1e-6)


def test_later_chunks_have_the_pool_of_the_first(world):
    distiller = EnsembleDistiller(world.teachers, make_net(), pooling="calibrated")
    distiller.partial_fit(world.X[:200], world.y[:200])
    pool = distiller.pool_
    distiller.partial_fit(world.X[200:], np.full(200, -1))
    assert distiller.pool_ is pool


@pytest.fixture
def known(world):
    """Return labels of half of the rows: enough for a stacker."""
    return np.where(np.arange(400) % 2, -1, world.truth)


@pytest.mark.parametrize("weighting", ["correctness", "unified", "uniform"])
def test_stacker_is_in_the_targets_and_not_among_the_teachers(
    world, known, kept, weighting
):
    distiller = world.distill(y=known, pooling="stacked", weighting=weighting)
    pool, labeled = distiller.pool_, known >= 0
    assert isinstance(pool, StackedPool)
    assert distiller.teacher_weight_.columns.tolist() == distiller.teacher_names_
    assert distiller.teacher_accuracy_.index.tolist() == distiller.teacher_names_
    half = distiller.row_weight_[labeled] / 2  # the other one is the stacker's
    assert_allclose(distiller.teacher_weight_.sum(axis=1), half, rtol=1e-5)
    proba = ask_teachers(world.teachers, world.X)
    calibrated = world.distill(y=known, pooling="calibrated", weighting=weighting)
    assert_allclose(distiller.row_weight_, calibrated.row_weight_)
    mix = (kept[1][1].mix + pool.stacker_.predict_proba(proba)) / 2
    assert_allclose(kept[0][1].mix, mix, atol=1e-5)
    expected = pool.predict_proba(proba)[~labeled]
    assert_allclose(kept[0][1].mix[~labeled], expected, atol=1e-5)


def test_weighting_sees_the_teachers_of_the_caller(world, known):
    shapes = set()

    def first_only(rows):
        shapes.add(rows.proba.shape[1:])
        assert not rows.proba.flags.writeable
        return np.tile([1.0, 0.0, 0.0], (len(rows.y), 1))

    distiller = world.distill(y=known, pooling="stacked", weighting=first_only)
    assert shapes == {(3, 3)}
    assert_allclose(distiller.teacher_weight_, np.tile([0.5, 0, 0], (200, 1)))


def test_stacker_is_softened_like_a_teacher(world, known, kept):
    distiller = world.distill(
        y=known, pooling="stacked", weighting="uniform", temperature=3.0
    )
    proba = distiller.pool_.transform(ask_teachers(world.teachers, world.X))
    mix = np.einsum("ntc,t->nc", soften(proba, 3.0), distiller.pool_.weight_)
    assert_allclose(kept[0][1].mix, mix, atol=1e-5)


def test_rows_that_some_do_not_predict_have_the_target_of_the_pool(world, known, kept):
    proba = ask_teachers(world.teachers, world.X)
    proba[::3, 0] = np.nan
    proba[5] = 0
    options = {"pooling": "stacked", "weighting": "uniform", "classes": [0, 1, 2]}
    distiller = EnsembleDistiller(None, make_net(), **options)
    distiller.fit(world.X, known, teacher_proba=proba)
    expected = distiller.pool_.predict_proba(np.nan_to_num(proba))
    assert_allclose(kept[0][1].mix, expected, atol=1e-6)
    predicted = np.flatnonzero(np.arange(400) != 5)
    assert_allclose(distiller.row_weight_[predicted], 1)
    assert distiller.row_weight_[5] == 0


def test_stacked_pool_on_rows_that_a_teacher_has_seen_is_warned_of(world, known):
    seen = DecisionTreeClassifier(random_state=0).fit(world.X, world.truth)
    with pytest.warns(UserWarning, match=r"pool was fitted.*: 1\.0.* no teacher"):
        world.distill(y=known, teachers=[*world.teachers, seen], pooling="stacked")


def test_later_chunks_have_the_stacker_of_the_first(world, known):
    distiller = EnsembleDistiller(world.teachers, make_net(), pooling="stacked")
    distiller.partial_fit(world.X[:300], known[:300])
    pool = distiller.pool_
    assert pool.stacker_ is not None
    distiller.partial_fit(world.X[300:], known[300:])
    assert distiller.pool_ is pool
    assert distiller.teacher_weight_.shape == (50, 3)


def test_stacked_pool_survives_a_pickle(world, known):
    pool = world.distill(y=known, pooling="stacked").pool_
    proba = ask_teachers(world.teachers, world.X)
    again = pickle.loads(pickle.dumps(pool))
    assert_array_equal(again.predict_proba(proba), pool.predict_proba(proba))


# --- Some of the teachers ------------------------------------------------------------


@pytest.mark.parametrize("pool", [CalibratedPool(), StackedPool()], ids=repr)
@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_pool_of_some_is_that_of_the_others_alone(pool, left_out):
    proba, y = make_teachers()
    is_mixed = np.arange(3) != left_out
    some = PoolOfSome(clone(pool), is_mixed).fit(proba, y)
    alone = clone(pool).fit(proba[:, is_mixed], y)
    others = np.delete(np.arange(len(some.weight_)), left_out)
    assert_array_equal(some.weight_[others], alone.weight_)
    assert_array_equal(some.temperature_[others], alone.temperature_)
    assert some.weight_[left_out] == 0
    assert_array_equal(
        some.predict_proba(proba), alone.predict_proba(proba[:, is_mixed])
    )
    softened = some.transform(proba)
    assert_array_equal(softened[:, others], alone.transform(proba[:, is_mixed]))
    assert_array_equal(softened[:, left_out], proba[:, left_out])
    weight = np.random.RandomState(0).rand(len(y), 3)
    shared = some.share(weight)
    assert_array_equal(shared[:, others], alone.share(weight[:, is_mixed]))
    assert not shared[:, left_out].any()
    assert "of 2 of 3 teachers" in repr(some)
