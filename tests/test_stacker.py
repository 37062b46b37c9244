"""The stacker: its gradients, its limits, and what it makes of odd rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import check_grad
from scipy.special import softmax

from sk_ekd._stacker import fit_stacker, map_loss, pool_loss
from tests.test_pooling import log_loss, make_teachers

HUGE = 1e12


def fit(proba, y, row_weight=None, ridge=1.0, map_ridge=30.0, **kwargs):
    row_weight = np.ones(len(y)) if row_weight is None else row_weight
    return fit_stacker(proba, y, row_weight, ridge=ridge, map_ridge=map_ridge, **kwargs)


def logarithmic(proba):
    """Return the geometric mean of the teachers, renormalized."""
    return softmax(np.log(np.maximum(proba, 1e-3)).mean(axis=1), axis=1)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_gradients_equal_finite_differences(n_classes):
    proba, y = make_teachers(50, n_classes=n_classes)
    rng = np.random.RandomState(1)
    row_weight, log_proba = rng.rand(50), np.log(proba)
    X, base = log_proba.reshape(50, -1), rng.randn(50, n_classes)
    for loss, n_params, args in (
        (pool_loss, 3 + n_classes, (log_proba, y, row_weight, 0.5)),
        (map_loss, 3 * n_classes**2, (X, base, y, row_weight, 0.5)),
    ):
        error = check_grad(
            lambda p: loss(p, *args)[0],  # noqa: B023, called within the loop
            lambda p: loss(p, *args)[1],  # noqa: B023
            0.3 * rng.randn(n_params),
        )
        assert error < 1e-5


def test_loss_is_that_of_the_stacker_whatever_the_blocks(monkeypatch):
    proba, y = make_teachers(60)
    found = fit(proba, y)
    monkeypatch.setattr("sk_ekd._stacker.BLOCK", 7)
    again = fit(proba, y)
    stacked = again.predict_proba(proba)
    assert_allclose(again.map, found.map, atol=1e-5)
    assert_allclose(stacked, found.predict_proba(proba), atol=1e-5)
    params = np.append(again.power - 1 / 3, again.bias)
    log_proba = np.log(np.maximum(proba, 1e-3))
    loss, _ = pool_loss(params, log_proba, y, np.ones(60), 0)
    without = again._replace(map=None).predict_proba(proba)
    assert_allclose(loss, log_loss(without, y), rtol=1e-5)


def test_great_ridges_are_the_geometric_mean():
    proba, y = make_teachers()
    stacked = fit(proba, y, ridge=HUGE, map_ridge=HUGE).predict_proba(proba)
    assert_allclose(stacked, logarithmic(proba), atol=1e-5)


def test_great_ridge_of_the_map_is_a_logarithmic_pool():
    proba, y = make_teachers()
    found = fit(proba, y, map_ridge=HUGE)
    without = fit(proba, y, with_map=False)
    assert without.map is None
    assert_allclose(found.predict_proba(proba), without.predict_proba(proba), atol=1e-5)


@pytest.mark.parametrize("with_map", [True, False])
def test_without_ridges_no_worse_than_the_geometric_mean_on_the_fitted_rows(with_map):
    proba, y = make_teachers()
    found = fit(proba, y, ridge=0, map_ridge=0, with_map=with_map)
    fitted = log_loss(found.predict_proba(proba), y)
    assert fitted < log_loss(logarithmic(proba), y)


def test_permuting_teachers_permutes_powers_and_rows_of_the_map():
    proba, y = make_teachers()
    order = [2, 0, 1]
    found, shuffled = fit(proba, y), fit(proba[:, order], y)
    assert_allclose(shuffled.power, found.power[order], atol=1e-3)
    assert_allclose(shuffled.bias, found.bias, atol=1e-3)
    by_teacher = found.map.reshape(3, 4, 4)[order]
    assert_allclose(shuffled.map.reshape(3, 4, 4), by_teacher, atol=1e-3)


def test_permuting_classes_permutes_the_predictions():
    proba, y = make_teachers()
    order = np.array([3, 1, 0, 2])
    found = fit(proba, y)
    shuffled = fit(proba[:, :, order], order.argsort()[y])
    assert_allclose(shuffled.bias, found.bias[order], atol=1e-3)
    expected = found.predict_proba(proba)[:, order]
    assert_allclose(shuffled.predict_proba(proba[:, :, order]), expected, atol=1e-3)


def test_row_of_weight_two_is_that_row_twice():
    proba, y = make_teachers(100)
    times = np.random.RandomState(1).randint(3, size=100)
    weighted = fit(proba, y, times.astype(float))
    repeated = fit(proba.repeat(times, axis=0), y.repeat(times))
    assert_allclose(weighted.power, repeated.power, atol=1e-3)
    assert_allclose(weighted.map, repeated.map, atol=1e-3)


def test_all_rows_twice_are_the_rows_at_half_the_ridges():
    proba, y = make_teachers(100)
    twice = fit(proba.repeat(2, axis=0), y.repeat(2), ridge=2.0, map_ridge=60.0)
    once = fit(proba, y)
    assert_allclose(twice.power, once.power, atol=1e-3)
    assert_allclose(twice.map, once.map, atol=1e-3)


def test_class_without_labels_keeps_what_the_powers_give_it():
    proba, y = make_teachers(300)
    proba, y = proba[y < 3], y[y < 3]
    found = fit(proba, y)
    assert found.bias[3] == 0
    assert not found.map[:, 3].any()
    assert_allclose(found.bias.sum(), 0, atol=1e-4)  # nor are the others raised
    rare = fit(*make_teachers(300)).predict_proba(proba)[:, 3].mean()
    assert 0.1 * rare < found.predict_proba(proba)[:, 3].mean() < 10 * rare


def test_labels_of_one_class_only_say_nothing():
    proba, _ = make_teachers(50)
    found = fit(proba, np.full(50, 2))
    assert_allclose(found.predict_proba(proba), logarithmic(proba), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_zeros_and_ones_stay_finite_without_ridges(dtype):
    y = np.arange(40) % 4
    proba = np.stack([np.eye(4)[y], np.roll(np.eye(4), 1, axis=0)[y]], axis=1)
    found = fit(proba.astype(dtype), y, ridge=0, map_ridge=0)
    stacked = found.predict_proba(proba.astype(dtype))
    assert stacked.dtype == np.float32
    assert np.isfinite(found.map).all()
    assert_allclose(stacked.sum(axis=1), 1, atol=1e-6)
    assert_array_equal(stacked.argmax(axis=1), y)


def test_teachers_that_never_tell_the_classes_apart_leave_the_shares_of_the_classes():
    y = np.repeat([0, 1], [900, 100])
    stacked = fit(np.full((1000, 2, 2), 0.5), y).predict_proba(np.full((1, 2, 2), 0.5))
    assert_allclose(stacked, [[0.9, 0.1]], atol=0.01)


def test_row_has_one_prediction_in_any_block():
    proba, y = make_teachers(50)
    found = fit(proba, y)
    whole = found.predict_proba(proba)
    rows = [found.predict_proba(proba[i : i + 1]) for i in range(50)]
    assert_allclose(np.concatenate(rows), whole, atol=1e-6)
    assert found.predict_proba(proba[:0]).shape == (0, 4)
