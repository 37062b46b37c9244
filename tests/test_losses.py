"""The loss, by hand and by its properties."""

from math import log

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from sk_ekd._classes import UNLABELED
from sk_ekd._step import Teachers
from sk_ekd._targets import Targets
from sk_ekd.losses import DistillationLoss, DynamicLoss, OnlineLoss
from sk_ekd.students._criterion import Criterion
from sk_ekd.students._output import Logits, OneLogit, Proba
from sk_ekd.students._packed import pack
from sk_ekd.students._stacked import StackedForm

N, C = 150, 3
RNG = np.random.RandomState(0)


def make_data(n_classes=C):
    rng = np.random.RandomState(0)
    target = rng.dirichlet(np.ones(n_classes), N).astype(np.float32)
    return rng.randint(n_classes, size=N), target


FORMS = {
    "logits": lambda: Logits(nn.CrossEntropyLoss(ignore_index=-1, reduction="none")),
    "proba": lambda: Proba(nn.NLLLoss(ignore_index=-1, reduction="none")),
    "binary": lambda: OneLogit(nn.BCEWithLogitsLoss(reduction="none")),
}


def pack_rows(y, label_weight, mix_weight, mix):
    return pack(Targets(y, y != UNLABELED, mix, label_weight, mix_weight))


def make_criterion(alpha, temperature, form="logits", n_classes=2):
    return Criterion(FORMS[form](), DistillationLoss(alpha, temperature), n_classes)


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
    loss = make_criterion(alpha=0.7, temperature=1.0)(output, rows)
    assert_allclose(loss.item(), expected, rtol=1e-6)


def test_softened_loss_by_hand():
    # at T=2 a distance of log 9 is softened to log 3
    output = torch.tensor([[log(9.0), 0.0]])
    rows = pack_rows(np.array([-1]), np.ones(1), np.ones(1), np.array([[0.5, 0.5]]))
    kl = 0.5 * log(0.5 / 0.75) + 0.5 * log(0.5 / 0.25)
    loss = make_criterion(alpha=0.25, temperature=2.0)(output, rows)
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
    expected = make_criterion(**params)(logits, rows).item()
    got = make_criterion(**params, form="binary")(logit, rows).item()
    assert_allclose(got, expected, rtol=1e-5)
    proba = logits.softmax(dim=1)
    got = make_criterion(**params, form="proba")(proba, rows).item()
    assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_gradient_agrees_with_finite_differences(form, temperature):
    y, target = make_data(n_classes=2)
    y[::2] = -1
    rows = pack_rows(y, RNG.rand(N), RNG.rand(N), target).double()[:12]
    shape = (12,) if form == "binary" else (12, 2)
    output = torch.randn(shape, dtype=torch.float64)
    output = output.softmax(dim=1) if form == "proba" else output
    output.requires_grad_()
    criterion = make_criterion(0.6, temperature, form)
    assert torch.autograd.gradcheck(lambda out: criterion(out, rows), output)


def test_unlabeled_row_has_no_label_loss():
    rows = pack_rows(np.array([-1]), np.ones(1), np.ones(1), np.array([[0.5, 0.5]]))
    loss = make_criterion(alpha=0.0, temperature=1.0)(torch.randn(1, 2), rows)
    assert loss.item() == 0


def test_student_that_equals_the_target_has_no_distillation_loss():
    y, target = make_data()
    rows = pack_rows(y, np.ones(N), np.ones(N), target)
    output = torch.from_numpy(target).log()
    loss = make_criterion(alpha=1.0, temperature=1.0, n_classes=C)(output, rows)
    assert_allclose(loss.item(), 0, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_class_shares_are_the_loss_but_for_what_no_student_changes(alpha):
    rng = np.random.RandomState(1)
    y, mix = make_data()
    y[::3] = UNLABELED
    label_weight, mix_weight = rng.gamma(1, size=(2, N))
    targets = Targets(y, y != UNLABELED, mix, label_weight, mix_weight)
    shares = DistillationLoss(alpha, 1.0).class_shares(targets)
    criterion = make_criterion(alpha, 1.0, n_classes=C)
    rows = pack_rows(y, label_weight, mix_weight, mix)
    differences = []
    for seed in range(2):
        output = torch.randn(N, C, generator=torch.Generator().manual_seed(seed))
        expected = -(shares * output.log_softmax(dim=1).numpy()).sum() / N
        differences.append(criterion(output, rows).item() - expected)
    assert_allclose(differences[0], differences[1], atol=1e-5)


# --- Dynamic -------------------------------------------------------------------------


def make_dynamic(weigh, n_rows=4, n_teachers=3, temperature=1.0):
    """Return a criterion whose loss weighs by a function of the Step, and its rows."""
    rng = np.random.RandomState(0)
    seen = rng.dirichlet(np.ones(2), (n_rows, n_teachers)).astype(np.float32)
    y = rng.randint(-1, 2, n_rows)
    targets = Targets(
        y, y >= 0, seen.mean(axis=1), np.ones(n_rows), rng.rand(n_rows), seen
    )
    loss = DynamicLoss(0.6, temperature, weigh)
    loss.open(Teachers(["a", "b", "c"][:n_teachers], np.full(n_teachers, 1 / 3), 2))
    return Criterion(FORMS["logits"](), loss, 2, n_teachers), pack(targets), targets


def test_dynamic_loss_by_hand():
    # two teachers, the second with three quarters, and a row that weighs two
    seen = np.array([[[0.9, 0.1], [0.1, 0.9]]], dtype=np.float32)
    half = np.array([[0.5, 0.5]], dtype=np.float32)
    rows = pack(
        Targets(np.array([-1]), np.array([False]), half, *np.ones((2, 1)), seen)
    )
    loss = DynamicLoss(1.0, 1.0, lambda step: torch.tensor([[0.5, 1.5]]))
    loss.open(Teachers(["a", "b"], np.array([0.5, 0.5]), 2))
    criterion = Criterion(FORMS["logits"](), loss, 2, n_teachers=2)
    value = criterion(torch.tensor([[log(3.0), 0.0]]), rows)  # says 3/4, 1/4
    kl = 0.3 * log(0.3 / 0.75) + 0.7 * log(0.7 / 0.25)
    assert_allclose(value.item(), 2 * kl, rtol=1e-6)
    assert_allclose([*loss.end_epoch().values()], [0.25, 0.75])
    criterion.eval()  # a validation part keeps the mix of the pool
    kl = 0.5 * log(0.5 / 0.75) + 0.5 * log(0.5 / 0.25)
    assert_allclose(
        criterion(torch.tensor([[log(3.0), 0.0]]), rows).item(), kl, rtol=1e-6
    )


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_gradient_is_that_of_the_weighted_divergences(temperature):
    weight = torch.rand(4, 3)
    criterion, rows, targets = make_dynamic(
        lambda step: weight, temperature=temperature
    )
    output = torch.randn(4, 2, requires_grad=True)
    criterion(output, rows).backward()
    again = output.detach().clone().requires_grad_()
    log_student = (again / temperature).log_softmax(dim=1)
    divergence = nn.functional.kl_div(
        log_student[:, None].expand(-1, 3, -1), torch.tensor(targets.teachers),
        reduction="none",
    ).sum(dim=2)  # fmt: skip
    each = (weight * divergence).sum(dim=1) * torch.tensor(targets.mix_weight)
    label = nn.functional.cross_entropy(
        again, torch.tensor(targets.y), ignore_index=-1, reduction="sum"
    )
    (0.6 * temperature**2 * each.mean() + 0.4 * label / 4).backward()
    assert_allclose(output.grad, again.grad, atol=1e-6)


def test_weights_have_no_gradient_to_the_student():
    def by_student(step):
        assert not step.student.requires_grad
        return step.student[:, :1].expand(-1, 3) + 0.1

    criterion, rows, _ = make_dynamic(by_student)
    criterion(torch.randn(4, 2, requires_grad=True), rows).backward()


def test_mixed_rows_are_shown_with_their_larger_label():
    shown = []
    criterion, _, targets = make_dynamic(
        lambda step: shown.append(step) or step.proba[..., 0]
    )
    criterion(torch.randn(4, 2), pack(targets, mixable=True))
    assert shown[0].y.tolist() == targets.y.tolist()


# --- Students that teach each other --------------------------------------------------


def make_online(alpha, temperature, n_students=2):
    loss = OnlineLoss(alpha, temperature, n_students)
    criterion = Criterion(StackedForm(FORMS["logits"]()), loss, 2)
    criterion.n_students = n_students
    return criterion


def test_loss_of_two_students_by_hand():
    # they say 3/4, 1/4 and 1/4, 3/4 of the first row, and the same of the second
    says = torch.tensor([[log(3.0), 0.0], [0.0, log(3.0)]])
    output = torch.stack([says, says])  # (b, k, c)
    nothing = np.zeros((2, 2))
    rows = pack_rows(np.array([0, -1]), np.array([2.0, 1]), np.array([0.5, 3]), nothing)
    label = 2.0 * (-log(0.75) - log(0.25)) / 2
    kl = 0.5 * log(0.5 / 0.75) + 0.5 * log(0.5 / 0.25)  # of 1/2, 1/2 from each of them
    expected = (0.3 * label + 0.7 * (0.5 * kl + 3.0 * kl)) / 2
    loss = make_online(alpha=0.7, temperature=1.0)(output, rows)
    assert_allclose(loss.item(), expected, rtol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_students_that_agree_have_nothing_to_teach(temperature):
    output = torch.randn(N, 1, 2).expand(N, 3, 2)
    rows = pack_rows(np.full(N, -1), np.ones(N), np.ones(N), np.zeros((N, 2)))
    loss = make_online(0.5, temperature, n_students=3)(output, rows)
    assert_allclose(loss.item(), 0, atol=1e-6)


def test_mean_of_the_students_is_a_constant():
    output = torch.randn(N, 2, 2, requires_grad=True)
    rows = pack_rows(np.full(N, -1), np.ones(N), np.ones(N), np.zeros((N, 2)))
    make_online(0.5, 2.0)(output, rows).backward()
    proba = (output.detach() / 2).softmax(dim=2)
    expected = 0.5 * 2.0 * (proba - proba.mean(dim=1, keepdim=True)) / (2 * N)
    assert_allclose(output.grad, expected, atol=1e-7)


def test_ramp_rises_to_one_and_holds_in_training_only():
    loss, output = make_online(0.5, 2.0), torch.randn(N, 2, 2)
    rows = pack_rows(np.full(N, -1), np.ones(N), np.ones(N), np.zeros((N, 2)))
    full = loss(output, rows).item()
    found = []
    for epoch in (0, 3, 6, 18):  # of twenty
        loss.loss.begin_epoch(epoch, 20)
        found.append(loss.train()(output, rows).item() / full)
    assert_allclose(found, [np.exp(-5), np.exp(-1.25), 1, 1], rtol=1e-4)
    loss.loss.begin_epoch(0, 20)
    assert_allclose(loss.eval()(output, rows).item(), full, rtol=1e-6)
