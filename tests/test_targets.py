"""Soft targets and row weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax

from sk_ekd._targets import soft_targets


@pytest.fixture
def logits():
    return np.random.RandomState(0).randn(30, 3, 4) * 3


@pytest.fixture
def weight():
    return np.random.RandomState(1).rand(30, 3)


def test_target_by_hand():
    proba = np.array([[[0.7, 0.2, 0.1], [0.4, 0.5, 0.1]]])
    target, row_weight = soft_targets(proba, np.array([[0.6, 0.2]]), 1.0)
    assert_allclose(target, [[0.625, 0.275, 0.1]], atol=1e-6)
    assert_allclose(row_weight, [0.8])


def test_softened_target_by_hand():
    # square roots of 0.64, 0.36 are 0.8, 0.6
    target, _ = soft_targets(np.array([[[0.64, 0.36]]]), np.ones((1, 1)), 2.0)
    assert_allclose(target, [[0.8 / 1.4, 0.6 / 1.4]], atol=1e-6)


@pytest.mark.parametrize("temperature", [0.25, 0.5, 1.0, 2.0, 10.0])
def test_temperature_by_probabilities_equals_temperature_by_logits(
    logits, weight, temperature
):
    by_proba, _ = soft_targets(softmax(logits, axis=2), weight, temperature)
    softened = softmax(logits / temperature, axis=2)
    by_logits, _ = soft_targets(softened, weight, 1.0)
    assert_allclose(by_proba, by_logits, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1.0, 3.0, 1000.0])
def test_rows_sum_to_one(logits, weight, temperature):
    target, _ = soft_targets(softmax(logits, axis=2), weight, temperature)
    assert_allclose(target.sum(axis=1), 1, atol=1e-6)
    assert target.dtype == np.float32


def test_certain_teacher_stays_certain_at_any_temperature():
    proba = np.array([[[1.0, 0.0, 0.0]]])
    for temperature in (0.01, 1.0, 100.0):
        target, _ = soft_targets(proba, np.ones((1, 1)), temperature)
        assert_array_equal(target, [[1, 0, 0]])


def test_one_teacher_is_copied(logits):
    proba = softmax(logits[:, :1], axis=2).astype(np.float32)
    target, _ = soft_targets(proba, np.full((30, 1), 0.3), 1.0)
    assert_array_equal(target, proba[:, 0])


def test_only_the_shape_of_the_weights_mixes(logits, weight):
    proba = softmax(logits, axis=2)
    target, row_weight = soft_targets(proba, weight, 1.0)
    scaled_target, scaled_weight = soft_targets(proba, 7 * weight, 1.0)
    assert_allclose(scaled_target, target, atol=1e-7)
    assert_allclose(scaled_weight, 7 * row_weight)


def test_row_of_weight_zero_gets_the_plain_mean(logits):
    proba = softmax(logits, axis=2)
    target, row_weight = soft_targets(proba, np.zeros((30, 3)), 1.0)
    assert_allclose(target, proba.mean(axis=1), atol=1e-6)
    assert_array_equal(row_weight, 0)


def test_arguments_are_not_written_to(logits, weight):
    proba = softmax(logits, axis=2)
    before = proba.copy(), weight.copy()
    soft_targets(proba, weight, 2.0)
    assert_array_equal(proba, before[0])
    assert_array_equal(weight, before[1])


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_teacher_that_does_not_predict_a_row_is_not_in_its_mix(logits, temperature):
    proba = softmax(logits, axis=2)
    proba[:, 1] = 0
    weight = np.ones((30, 3)) * [0.5, 0, 0.25]
    target, row_weight = soft_targets(proba, weight, temperature)
    expected, _ = soft_targets(proba[:, [0, 2]], weight[:, [0, 2]], temperature)
    assert_allclose(target, expected, atol=1e-7)
    assert_allclose(row_weight, 0.75)
    # without a weight, the mean of those that predict
    target, _ = soft_targets(proba, np.zeros((30, 3)), temperature)
    expected, _ = soft_targets(proba[:, [0, 2]], np.zeros((30, 2)), temperature)
    assert_allclose(target, expected, atol=1e-7)


def test_row_that_nobody_predicts_has_an_even_target_and_no_weight():
    target, row_weight = soft_targets(np.zeros((1, 2, 4)), np.zeros((1, 2)), 2.0)
    assert_array_equal(target, [[0.25] * 4])
    assert_array_equal(row_weight, 0)
