"""The loss, by hand and by its properties."""

from math import log

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from sk_ekd._loss import (
    _BinaryLoss,
    _LogitsLoss,
    _ProbaLoss,
    _unpack_rows,
    pack_rows,
)

N, C = 150, 3
RNG = np.random.RandomState(0)


def make_data(n_classes=C):
    rng = np.random.RandomState(0)
    target = rng.dirichlet(np.ones(n_classes), N).astype(np.float32)
    return rng.randint(n_classes, size=N), target


def test_loss_by_hand():
    # two classes of logits at distance log 3: the student says 3/4, 1/4
    output = torch.tensor([[log(3.0), 0.0], [log(3.0), 0.0]])
    rows = pack_rows(
        np.array([1, -1]),
        np.array([2.0, 1.0]),
        np.array([0.5, 3.0]),
        np.array([[0.5, 0.5], [0.9, 0.1]]),
    )
    label = 2.0 * -log(0.25)
    kl = [
        0.5 * log(0.5 / 0.75) + 0.5 * log(0.5 / 0.25),
        0.9 * log(0.9 / 0.75) + 0.1 * log(0.1 / 0.25),
    ]
    expected = (0.3 * label + 0.7 * (0.5 * kl[0] + 3.0 * kl[1])) / 2
    loss = _LogitsLoss(alpha=0.7, temperature=1.0)(output, rows)
    assert_allclose(loss.item(), expected, rtol=1e-6)


def test_softened_loss_by_hand():
    # at T=2 a distance of log 9 is softened to log 3
    output = torch.tensor([[log(9.0), 0.0]])
    rows = pack_rows(np.array([-1]), np.ones(1), np.ones(1), np.array([[0.5, 0.5]]))
    kl = 0.5 * log(0.5 / 0.75) + 0.5 * log(0.5 / 0.25)
    loss = _LogitsLoss(alpha=0.25, temperature=2.0)(output, rows)
    assert_allclose(loss.item(), 0.25 * 4 * kl, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_three_forms_of_output_have_one_loss(alpha, temperature):
    y, target = make_data(n_classes=2)
    y[::3] = -1
    rows = pack_rows(y, RNG.rand(N), RNG.rand(N), target)
    logit = torch.randn(N)
    logits = torch.stack([torch.zeros(N), logit], dim=1)
    params = {"alpha": alpha, "temperature": temperature}
    expected = _LogitsLoss(**params)(logits, rows).item()
    assert_allclose(_BinaryLoss(**params)(logit, rows).item(), expected, rtol=1e-5)
    log_proba = logits.log_softmax(dim=1)
    assert_allclose(_ProbaLoss(**params)(log_proba, rows).item(), expected, rtol=1e-5)


@pytest.mark.parametrize("loss", [_LogitsLoss, _ProbaLoss, _BinaryLoss])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_gradient_agrees_with_finite_differences(loss, temperature):
    y, target = make_data(n_classes=2)
    y[::2] = -1
    rows = pack_rows(y, RNG.rand(N), RNG.rand(N), target).double()[:12]
    shape = (12,) if loss is _BinaryLoss else (12, 2)
    output = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    criterion = loss(alpha=0.6, temperature=temperature)
    assert torch.autograd.gradcheck(lambda out: criterion(out, rows), output)


def test_unlabeled_row_has_no_label_loss():
    rows = pack_rows(np.array([-1]), np.ones(1), np.ones(1), np.array([[0.5, 0.5]]))
    loss = _LogitsLoss(alpha=0.0, temperature=1.0)(torch.randn(1, 2), rows)
    assert loss.item() == 0


def test_student_that_equals_the_target_has_no_distillation_loss():
    y, target = make_data()
    rows = pack_rows(y, np.ones(N), np.ones(N), target)
    loss = _LogitsLoss(alpha=1.0, temperature=1.0)(torch.from_numpy(target).log(), rows)
    assert_allclose(loss.item(), 0, atol=1e-6)


def test_packing_is_undone_by_unpacking():
    y, target = make_data()
    y[:5] = -1
    weights = RNG.rand(2, N).astype(np.float32)
    *unpacked, negentropy, answer = _unpack_rows(pack_rows(y, *weights, target))
    for got, expected in zip(unpacked, (y, *weights), strict=True):
        assert_array_equal(got.numpy(), expected)
    assert_array_equal(answer.numpy(), target)
    assert_allclose(
        negentropy.numpy(), (target * np.log(target)).sum(axis=1), rtol=1e-5
    )
