"""Weightings that watch the student: each formula by hand, and in a fit."""

import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.svm import OneClassSVM
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from sk_ekd import EnsembleDistiller
from sk_ekd.dynamic import (
    AgreeToDisagree,
    GroupRobust,
    LearnedGate,
    Step,
    Teachers,
    logit_gradients,
    smallest_combination,
)
from sk_ekd.model_selection import SemiSupervisedSplit
from tests.worlds import linear_net, make_net

METHODS = {
    "robust": lambda: GroupRobust("bayes"),
    "robust in rows": lambda: GroupRobust("bayes", per="row"),
    "agree": AgreeToDisagree,
    "gate": LearnedGate,
    "gate of the student": lambda: LearnedGate(trained_by="student"),
}


def make_step(proba, student, y=None, pool=None):
    """Return a Step of few rows, all unlabeled unless y is given."""
    proba, student = (torch.tensor(p, dtype=torch.float32) for p in (proba, student))
    y = torch.full((len(proba),), -1) if y is None else torch.tensor(y)
    n_teachers = proba.shape[1]
    pool = torch.ones(n_teachers) / n_teachers if pool is None else torch.tensor(pool)
    return Step(y, y >= 0, proba, pool, student, epoch=0)


def draw_step(n_rows=6, n_teachers=3, n_classes=4):
    rng = np.random.RandomState(0)
    proba = rng.dirichlet(np.ones(n_classes), (n_rows, n_teachers))
    student = rng.dirichlet(np.ones(n_classes), n_rows)
    return make_step(proba, student, rng.randint(-1, n_classes, n_rows))


def name(step, n_classes=None):
    """Return the teachers of a step, called a, b, c, ..."""
    n_teachers, n_found = step.proba.shape[1:]
    return Teachers([*"abcdefgh"][:n_teachers], step.pool.numpy(), n_classes or n_found)


# --- Gradients -----------------------------------------------------------------------


def test_gradients_are_those_of_the_divergence_by_the_logits():
    step = draw_step()
    logits = step.student.log().double().requires_grad_()
    log_student = logits.log_softmax(dim=1)
    for t in range(3):
        divergence = nn.functional.kl_div(
            log_student, step.proba[:, t].double(), reduction="sum"
        )
        (expected,) = torch.autograd.grad(divergence, logits, retain_graph=True)
        assert_allclose(logit_gradients(step)[:, t], expected, atol=1e-6)


def test_gradients_are_those_of_finite_differences():
    step = draw_step(n_rows=1, n_teachers=1)
    logits, p = step.student.log().double()[0], step.proba[0, 0].double()

    def divergence(logits):
        return float((p * (p.log() - logits.log_softmax(dim=0))).sum())

    for c in range(4):
        shift = torch.zeros(4, dtype=torch.float64)
        shift[c] = 1e-5
        slope = (divergence(logits + shift) - divergence(logits - shift)) / 2e-5
        assert slope == pytest.approx(float(logit_gradients(step)[0, 0, c]), abs=1e-6)


def test_teacher_without_a_prediction_has_no_gradient():
    step = make_step([[[0.0, 0.0], [0.2, 0.8]]], [[0.5, 0.5]])
    assert_allclose(logit_gradients(step)[0], [[0, 0], [0.3, -0.3]], atol=1e-6)


# --- GroupRobust ---------------------------------------------------------------------


def test_group_robust_by_hand():
    # gradients (-0.3, 0.2, 0.1), (0.2, -0.3, 0.1) and the biased (0.2, 0.1, -0.3)
    student = np.array([0.4, 0.3, 0.3])
    gradients = np.array([[-0.3, 0.2, 0.1], [0.2, -0.3, 0.1], [0.2, 0.1, -0.3]])
    step = make_step([student - gradients], [student], pool=[0.25, 0.75, 0.0])
    norm = 0.14
    cosines = np.array([-0.06 + 0.02 - 0.03, 0.04 - 0.03 - 0.03]) / norm
    expected = np.array([0.25, 0.75]) * (1 - cosines)
    weight = GroupRobust("c").open(name(step))(step)
    assert_allclose(weight, [[*expected / expected.sum(), 0.0]], rtol=1e-5)
    in_rows = GroupRobust("c", per="row").open(name(step))(step)
    assert_allclose(in_rows, weight, rtol=1e-6)


def test_group_robust_of_a_batch_is_over_all_rows_and_classes():
    step = draw_step()
    step = step._replace(pool=torch.tensor([0.5, 0.5, 0.0]))
    gradient = logit_gradients(step).numpy().transpose(1, 0, 2).reshape(3, -1)
    unit = gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
    expected = 1 - unit[:2] @ unit[2]
    weight = GroupRobust("c").open(name(step))(step)
    assert_allclose(
        weight[:, :2], np.tile(expected / expected.sum(), (6, 1)), rtol=1e-5
    )
    assert not weight[:, 2].any()


@pytest.mark.parametrize("per", ["batch", "row"])
def test_group_robust_compares_rows_that_a_teacher_predicts(per):
    rng = np.random.RandomState(0)
    proba = rng.dirichlet(np.ones(3), (6, 3))
    proba[:, 1] = proba[:, 2]  # says what the biased one says
    proba[3:, 1] = 0  # of half of the rows
    step = make_step(proba, np.full((6, 3), 1 / 3), pool=[0.5, 0.5, 0.0])
    weight = GroupRobust("c", per=per).open(name(step))(step)
    assert_allclose(weight[:3, 1], 0, atol=1e-6)


@pytest.mark.parametrize("per", ["batch", "row"])
def test_group_robust_leaves_teachers_that_agree_to_the_pool(per):
    # all say the same as the biased one: zeros, which stand for the pool's weights
    says = [[0.2, 0.3, 0.5]] * 3
    step = make_step([says], [[0.4, 0.3, 0.3]], pool=[0.5, 0.5, 0.0])
    assert not GroupRobust("c", per=per).open(name(step))(step).any()


def test_group_robust_of_a_student_that_says_the_same_is_the_pool():
    step = make_step([[[0.5, 0.5]] * 3], [[0.5, 0.5]], pool=[0.25, 0.75, 0.0])
    weight = GroupRobust("c").open(name(step))(step)
    assert_allclose(weight, [[0.25, 0.75, 0.0]])


def test_cosine_of_a_row_of_two_classes_is_warned_of():
    step = make_step([[[0.2, 0.8], [0.9, 0.1], [0.6, 0.4]]], [[0.5, 0.5]])
    with pytest.warns(UserWarning, match="set per='batch'"):
        weigh = GroupRobust("c", per="row").open(name(step))
    assert_allclose(weigh(step), [[1.0, 0.0, 0.0]])  # the second points alike


# --- AgreeToDisagree -----------------------------------------------------------------


@pytest.mark.parametrize("bound", [0.1, 0.3, 0.4, 0.6, 1.0])
@pytest.mark.parametrize("n_teachers", [1, 2, 3, 5, 12])
def test_smallest_combination_is_that_of_a_one_class_svm(bound, n_teachers):
    gradients = np.random.RandomState(n_teachers).randn(n_teachers, 20) + 0.5
    gram = gradients @ gradients.T / n_teachers
    share = smallest_combination(gram, bound)
    if bound <= 1 / n_teachers:
        assert_allclose(share, 1 / n_teachers)
        return
    nu = 1 / (bound * n_teachers)
    svm = OneClassSVM(kernel="precomputed", nu=nu, tol=1e-13).fit(gram)
    expected = np.zeros(n_teachers)
    expected[svm.support_] = svm.dual_coef_[0] / (nu * n_teachers)
    assert_allclose(share, expected, atol=1e-8)


def test_smallest_combination_is_feasible_and_best_for_gradients_that_depend():
    rng = np.random.RandomState(0)
    for _ in range(200):
        n_teachers, bound = rng.randint(1, 9), rng.uniform(0.05, 1)
        gradients = rng.randn(n_teachers, rng.randint(1, 4))
        gram = gradients @ gradients.T
        share = smallest_combination(gram, bound)
        bound = max(bound, 1 / n_teachers)
        assert share.sum() == pytest.approx(1)
        assert share.min() >= 0
        assert share.max() <= bound + 1e-9
        # no share can be moved from a steeper teacher to a flatter one
        slope, scale = gram @ share, np.trace(gram)
        can_fall, can_rise = share > 1e-9, share < bound - 1e-9
        if can_fall.any() and can_rise.any():
            assert slope[can_fall].max() <= slope[can_rise].min() + 1e-8 * scale


def test_agree_to_disagree_by_hand():
    # of two opposite gradients, 1 and -3, three quarters and a quarter cancel
    step = make_step([[[0.4, 0.6], [0.8, 0.2]]], [[0.5, 0.5]])
    assert_allclose(AgreeToDisagree(1.0)(step), [[0.75, 0.25]], rtol=1e-5)
    assert_allclose(AgreeToDisagree(0.6)(step), [[0.6, 0.4]], rtol=1e-5)
    assert_allclose(AgreeToDisagree(0.1)(step), [[0.5, 0.5]], rtol=1e-5)


def test_agree_to_disagree_takes_means_of_the_rows_that_a_teacher_predicts():
    proba = [[[0.0, 0.0], [0.8, 0.2]], [[0.4, 0.6], [0.8, 0.2]]]
    step = make_step(proba, [[0.5, 0.5]] * 2)
    assert_allclose(AgreeToDisagree(1.0)(step), [[0.75, 0.25]] * 2, rtol=1e-5)


def test_agree_to_disagree_leaves_out_who_predicts_no_row_of_the_batch():
    step = make_step([[[0.0, 0.0], [0.4, 0.6], [0.8, 0.2]]], [[0.5, 0.5]])
    assert_allclose(AgreeToDisagree(1.0)(step), [[0.0, 0.75, 0.25]], rtol=1e-5)
    nobody = make_step([[[0.0, 0.0]]], [[0.5, 0.5]])
    assert not AgreeToDisagree()(nobody).any()


@pytest.mark.parametrize("n_teachers", [1, 4])
def test_agree_to_disagree_weighs_teachers_that_agree_alike(n_teachers):
    step = make_step([[[0.3, 0.7]] * n_teachers] * 2, [[0.5, 0.5]] * 2)
    assert_allclose(AgreeToDisagree()(step), np.full((2, n_teachers), 1 / n_teachers))


# --- LearnedGate ---------------------------------------------------------------------


def open_gate(step, trained_by="labels"):
    return LearnedGate(trained_by=trained_by).open(name(step))


def test_gate_starts_from_the_pool():
    step = draw_step()._replace(pool=torch.tensor([0.5, 0.3, 0.2]))
    assert_allclose(open_gate(step)(step).detach(), [[0.5, 0.3, 0.2]] * 6, rtol=1e-6)


def test_gate_by_hand():
    step = make_step([[[0.9, 0.1], [0.5, 0.5]]], [[0.5, 0.5]])
    gate = open_gate(step)
    with torch.no_grad():
        gate.linear.weight[0, 0] = 1.0
    # the centered logit of the first teacher's first class is log 3
    assert_allclose(gate(step).detach(), [[0.75, 0.25]], rtol=1e-5)


def test_gate_learns_from_labels_whom_to_trust():
    proba = [[[0.9, 0.1], [0.1, 0.9]], [[0.2, 0.8], [0.7, 0.3]]]
    step = make_step(proba, [[0.5, 0.5]] * 2, y=[0, -1], pool=[0.25, 0.75])
    targets = SimpleNamespace(label_weight=torch.tensor([2.0, 5.0]))
    gate = open_gate(step)
    weight = gate(step)
    loss = gate.loss(step, weight, targets)
    # only the first row has a label, of probability 0.25 * 0.9 + 0.75 * 0.1
    assert loss.item() == pytest.approx(2.0 * -np.log(0.3) / 2, rel=1e-5)
    loss.backward()
    slope = gate.linear.bias.grad
    assert slope[0] < 0 < slope[1]  # a step against it trusts the first


def test_gate_learns_from_the_student_whom_it_follows():
    step = make_step([[[0.9, 0.1], [0.5, 0.5]]], [[0.5, 0.5]], y=[0])
    gate = open_gate(step, "student")
    targets = SimpleNamespace(mix_weight=torch.tensor([3.0]))
    loss = gate.loss(step, gate(step), targets)
    of_first = 0.9 * np.log(0.9 / 0.5) + 0.1 * np.log(0.1 / 0.5)
    assert loss.item() == pytest.approx(3.0 * of_first / 2, rel=1e-5)
    loss.backward()
    assert gate.linear.bias.grad[0] > 0  # away from who is right, and far


@pytest.mark.parametrize("trained_by", ["labels", "student"])
def test_gate_trusts_nobody_who_does_not_predict_the_row(trained_by):
    proba = [[[0.9, 0.1], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]
    step = make_step(proba, [[0.5, 0.5]] * 2, y=[0, 1])
    gate = open_gate(step, trained_by)
    weight = gate(step)
    assert_allclose(weight[0].detach(), [1.0, 0.0])
    targets = SimpleNamespace(label_weight=torch.ones(2), mix_weight=torch.ones(2))
    loss = gate.loss(step, weight, targets)
    known = {"labels": -np.log(0.9), "student": 0.9 * np.log(1.8) + 0.1 * np.log(0.2)}
    assert loss.item() == pytest.approx(known[trained_by] / 2, rel=1e-4)
    loss.backward()
    assert torch.isfinite(gate.linear.weight.grad).all()


def test_gate_has_no_loss_where_nothing_is_labeled():
    step = make_step([[[0.9, 0.1], [0.5, 0.5]]], [[0.5, 0.5]])
    gate = open_gate(step)
    targets = SimpleNamespace(label_weight=torch.ones(1))
    gate.loss(step, gate(step), targets).backward()
    assert not gate.linear.weight.grad.any()


# --- In a fit ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(trio):
    X, y, truth, teachers = trio
    return SimpleNamespace(X=X, y=y, truth=truth, teachers=teachers)


def distill(data, weighting, *, student=None, teachers=None, y=None, **params):
    student = make_net() if student is None else student
    teachers = data.teachers if teachers is None else teachers
    params = {"random_state": 0, "pooling": "mean", **params}
    distiller = EnsembleDistiller(teachers, student, weighting=weighting, **params)
    return distiller.fit(data.X, data.y if y is None else y)


class Silent:
    """A dynamic weighting of zeros, which stand for the pool."""

    dynamic = True

    def __call__(self, step):
        return torch.zeros(step.proba.shape[:2])


class Pooled(BaseEstimator):
    """A static weighting, the pool's, that goes through the seam."""

    dynamic = True

    def __call__(self, step):
        return step.pool.expand(len(step.y), -1)


@pytest.mark.parametrize("pooling", ["mean", "calibrated", "stacked"])
@pytest.mark.parametrize("validation_fraction", [None, 0.2])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_silent_weighting_gives_the_usual_student_to_the_bit(
    data, pooling, validation_fraction, temperature
):
    params = {
        "pooling": pooling,
        "validation_fraction": validation_fraction,
        "temperature": temperature,
        "student": linear_net(max_epochs=3),
    }
    usual = distill(data, "uniform", **params)
    silent = distill(data, Silent(), **params)
    proba = usual.predict_proba(data.X)
    assert_array_equal(silent.predict_proba(data.X), proba)
    pooled = distill(data, Pooled(), **params)
    assert_allclose(pooled.predict_proba(data.X), proba, atol=1e-6)
    if validation_fraction:
        for name in ("valid_loss", "valid_distillation_loss"):
            assert_array_equal(silent.history_[name], usual.history_[name])


def test_static_weighting_of_two_teachers_is_the_same_to_the_bit(data):
    two = {"teachers": data.teachers[:2], "student": linear_net(max_epochs=3)}
    usual, pooled = distill(data, "uniform", **two), distill(data, Pooled(), **two)
    expected = usual.predict_proba(data.X)
    assert_array_equal(pooled.predict_proba(data.X), expected)


class Doubled(Pooled):
    """The pool's weights, twice: each row weighs two."""

    def __call__(self, step):
        return 2 * super().__call__(step)


def test_sum_of_the_weights_weighs_the_row(data):
    sgd = {"optimizer": torch.optim.SGD, "lr": 0.05}
    once = linear_net(max_epochs=2, **sgd | {"lr": 0.1})
    twice = linear_net(max_epochs=2, **sgd)
    usual = distill(data, Pooled(), student=once, alpha=1.0)
    doubled = distill(data, Doubled(), student=twice, alpha=1.0)
    proba = usual.predict_proba(data.X)
    assert_allclose(doubled.predict_proba(data.X), proba, atol=1e-6)


class Looking(Pooled):
    """Remembers what it is shown."""

    steps = []

    def __call__(self, step):
        self.steps.append(step)
        return super().__call__(step)


def test_step_has_what_the_design_promises(data):
    Looking.steps.clear()
    distiller = distill(data, Looking(), temperature=2.0, student=linear_net(lr=1e-9))
    rows = torch.cat([step.y for step in Looking.steps])
    assert sorted(rows.tolist()) == sorted(data.y.tolist())
    step = Looking.steps[0]
    assert_array_equal(step.labeled, step.y >= 0)
    assert_allclose(step.proba.sum(dim=2), 1, atol=1e-6)
    assert_allclose(step.pool, [1 / 3] * 3)
    assert_allclose(step.student.sum(dim=1), 1, atol=1e-6)
    assert not step.student.requires_grad
    # softened alike: at T = 2 a student of probabilities p says √p, scaled
    proba = np.sqrt(distiller.predict_proba(data.X))
    softened = proba / proba.sum(axis=1, keepdims=True)
    said = torch.cat([step.student for step in Looking.steps]).numpy()
    assert_allclose(np.sort(said[:, 0]), np.sort(softened[:, 0]), atol=1e-5)


def test_step_counts_the_epochs(data):
    Looking.steps.clear()
    distill(data, Looking(), student=linear_net(max_epochs=3, batch_size=-1))
    assert [step.epoch for step in Looking.steps] == [0, 1, 2]


def test_stacker_is_seen_as_one_more_teacher(data):
    Looking.steps.clear()
    y = data.truth  # enough labels for a stacker
    distiller = distill(data, Looking(), y=y, pooling="stacked", student=linear_net())
    assert Looking.steps[0].proba.shape[1] == 4
    assert_allclose(Looking.steps[0].pool, distiller.pool_.weight_, rtol=1e-6)
    assert "share_stacker" in distiller.history_


@pytest.mark.parametrize("method", METHODS)
def test_shares_of_each_epoch_are_in_the_history(data, method):
    history = distill(data, METHODS[method]()).history_
    shares = history[[f"share_{name}" for name, _ in data.teachers]]
    assert shares.shape == (5, 3)
    assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert (shares["share_bayes"] == 0).all() == method.startswith("robust")


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_gives_the_same_student_through_clone_and_pickle(data, method):
    first = distill(data, METHODS[method](), validation_fraction=0.2)
    proba = first.predict_proba(data.X)
    again = clone(first).fit(data.X, data.y)
    assert_array_equal(again.predict_proba(data.X), proba)
    assert_array_equal(pickle.loads(pickle.dumps(first)).predict_proba(data.X), proba)
    static = distill(data, "uniform", validation_fraction=0.2)
    assert not np.array_equal(static.predict_proba(data.X), proba)


@pytest.mark.parametrize("method", METHODS)
def test_chunk_of_all_rows_is_an_epoch(data, method):
    whole = distill(data, METHODS[method](), student=linear_net())
    by_chunk = clone(whole).partial_fit(data.X, data.y)
    expected = whole.predict_proba(data.X)
    assert_allclose(by_chunk.predict_proba(data.X), expected, atol=1e-6)
    by_chunk.partial_fit(data.X, data.y)
    assert np.abs(by_chunk.predict_proba(data.X) - expected).max() > 1e-4


def test_gate_goes_on_from_chunk_to_chunk(data):
    distiller = clone(distill(data, LearnedGate(), student=linear_net(lr=1.0)))
    shares = []
    for _ in range(4):
        distiller = pickle.loads(pickle.dumps(distiller))  # between the chunks
        distiller.partial_fit(data.X, data.y)
        shares.append(distiller.history_["share_forest"].iloc[-1])
    moves = np.abs(np.diff(shares))
    assert (moves > 1e-4).all()
    assert abs(shares[-1] - shares[0]) > moves.max()  # it does not start anew


def test_parameters_of_a_weighting_are_read_anew_in_each_chunk(data):
    X, y, small = data.X, data.truth, {"student": linear_net()}
    in_rows = distill(data, GroupRobust("bayes", per="row"), y=y, **small)
    changed = clone(in_rows).set_params(weighting__per="batch").partial_fit(X, y)
    changed.set_params(weighting__per="row").partial_fit(X, y)
    same = clone(in_rows).set_params(weighting__per="batch").partial_fit(X, y)
    same.set_params(weighting=GroupRobust("bayes", per="row")).partial_fit(X, y)
    assert_array_equal(changed.predict_proba(X), same.predict_proba(X))
    gate = distill(data, LearnedGate(), y=y, **small)
    changed = clone(gate).partial_fit(X, y)
    changed.set_params(weighting__trained_by="typo")
    with pytest.raises(ValueError, match="'labels' or 'student'"):
        changed.partial_fit(X, y)


def test_teacher_that_the_pool_has_mixed_cannot_be_left_out_later(data):
    distiller = clone(distill(data, GroupRobust("bayes"), student=linear_net()))
    distiller.partial_fit(data.X, data.y)
    distiller.set_params(weighting=GroupRobust("forest"))
    with pytest.raises(ValueError, match="call it on a clone"):
        distiller.partial_fit(data.X, data.y)


def test_callers_random_numbers_stay_as_they_are(data):
    state = torch.get_rng_state()
    distill(data, LearnedGate())
    assert torch.equal(torch.get_rng_state(), state)


def test_gate_is_no_part_of_the_student(data):
    distiller = distill(data, LearnedGate())
    net = distiller.student_
    trained = sum(len(group["params"]) for group in net.optimizer_.param_groups)
    assert trained == len([*net.module_.parameters()])
    assert type(net.criterion_) is nn.CrossEntropyLoss
    assert b"_Gate" not in pickle.dumps(distiller)


def test_gate_trusts_who_is_right(data):
    X, y = data.X, data.truth
    noise = np.random.RandomState(0).dirichlet(np.ones(3), len(X))
    right = 0.8 * np.eye(3)[y] + 0.2 / 3
    proba = np.stack([noise, right], axis=1)
    distiller = EnsembleDistiller(
        None, linear_net(max_epochs=20, lr=0.5), weighting=LearnedGate(), random_state=0
    )
    distiller.fit(X, y, teacher_proba=proba)
    assert distiller.history_["share_teacher-2"].iloc[-1] > 0.8


@pytest.mark.parametrize("trained_by", ["labels", "student"])
def test_gate_fits_without_any_label(data, trained_by):
    unlabeled = np.full(len(data.X), -1)
    gate = LearnedGate(trained_by=trained_by)
    distiller = distill(data, gate, y=unlabeled)
    moved = abs(distiller.history_["share_bayes"].iloc[-1] - 1 / 3)
    assert moved < 0.02 if trained_by == "labels" else moved > 0.001


@pytest.mark.parametrize("pooling", ["mean", "calibrated", "stacked"])
def test_biased_teacher_has_no_part_in_pool_and_mix(data, pooling):
    # what the biased teacher says matters for the cosines, and nowhere else
    y, names = data.truth, [name for name, _ in data.teachers]
    distiller = distill(data, GroupRobust("bayes"), y=y, pooling=pooling)
    pool = distiller.pool_
    assert pool.weight_[0] == 0
    assert pool.weight_.sum() == pytest.approx(1)
    others = distill(data, "uniform", y=y, pooling=pooling, teachers=data.teachers[1:])
    assert_allclose(pool.weight_[1:], others.pool_.weight_)
    assert_allclose(pool.temperature_[1:], others.pool_.temperature_)
    assert not distiller.teacher_weight_["bayes"].any()
    weight = distiller.teacher_weight_[names[1:]]
    assert_allclose(weight, others.teacher_weight_, atol=1e-6)
    proba = np.stack([t.predict_proba(data.X) for _, t in data.teachers], axis=1)
    mixed = pool.predict_proba(proba)
    assert_allclose(mixed, others.pool_.predict_proba(proba[:, 1:]), atol=1e-6)


class Even(BaseEstimator):
    """Weighs all teachers, also the one that it leaves out."""

    dynamic = True
    left_out = ("forest",)

    def __call__(self, step):
        return torch.ones(step.proba.shape[:2])


def test_teacher_that_is_left_out_is_never_mixed_in(data):
    shares = distill(data, Even()).history_.filter(like="share_").iloc[-1]
    assert shares.tolist() == pytest.approx([0.5, 0.0, 0.5])


def test_row_that_only_the_biased_teacher_predicts_has_no_target(data):
    proba = np.stack([t.predict_proba(data.X) for _, t in data.teachers], axis=1)
    proba[:10, 1:] = np.nan
    distiller = EnsembleDistiller(
        data.teachers, make_net(), weighting=GroupRobust("bayes"), random_state=0
    )
    distiller.fit(data.X, data.y, teacher_proba=proba)
    assert not distiller.row_weight_[:10].any()
    assert distiller.row_weight_[10:].all()
    assert np.isfinite(distiller.predict_proba(data.X)).all()


@pytest.mark.parametrize("method", METHODS)
def test_teachers_may_leave_rows_out(data, method):
    proba = np.stack([t.predict_proba(data.X) for _, t in data.teachers], axis=1)
    drawn = np.random.RandomState(0).rand(*proba.shape[:2]) < 0.3
    proba[drawn] = np.nan
    distiller = EnsembleDistiller(
        data.teachers, make_net(), weighting=METHODS[method](), random_state=0
    )
    distiller.fit(data.X, data.y, teacher_proba=proba)
    assert np.isfinite(distiller.history_["train_loss"]).all()


@pytest.mark.parametrize("method", ["agree", "gate", "gate of the student"])
def test_one_teacher_is_copied(data, method):
    one = {"teachers": data.teachers[1:2], "student": linear_net(max_epochs=3)}
    usual = distill(data, "uniform", **one)
    distiller = distill(data, METHODS[method](), **one)
    assert_array_equal(distiller.history_["share_forest"], 1.0)
    expected = usual.predict_proba(data.X)
    assert_allclose(distiller.predict_proba(data.X), expected, atol=1e-6)


@pytest.mark.parametrize("method", ["robust", "agree", "gate", "gate of the student"])
def test_two_classes(data, method):
    y = np.minimum(data.y, 1)
    teachers = [
        (name, clone(t).fit(data.X, np.minimum(data.truth, 1)))
        for name, t in data.teachers
    ]
    distiller = distill(data, METHODS[method](), y=y, teachers=teachers)
    assert distiller.score(data.X, np.minimum(data.truth, 1)) > 0.6


def test_grid_search_over_weightings_and_their_parameters(data):
    distiller = clone(distill(data, AgreeToDisagree(), student=linear_net()))
    split = SemiSupervisedSplit(2)
    grid = {"weighting__tolerance": [0.1, 1.0]}
    search = GridSearchCV(distiller, grid, cv=split).fit(data.X, data.y)
    assert search.best_params_["weighting__tolerance"] in (0.1, 1.0)
    kinds = ["uniform", AgreeToDisagree(), LearnedGate(), GroupRobust("bayes")]
    grid = {"weighting": kinds}
    search = GridSearchCV(distiller, grid, cv=split).fit(data.X, data.y)
    assert len(search.cv_results_["params"]) == 4


def test_teachers_fitted_out_of_fold(data):
    teachers = [("tree", DecisionTreeClassifier()), ("line", LogisticRegression())]
    for weighting in (GroupRobust("tree"), AgreeToDisagree(), LearnedGate()):
        distiller = distill(
            data, weighting, teachers=teachers, cv=3, pooling="auto", y=data.truth,
            synthetic=1,
        )  # fmt: skip
        assert distiller.score(data.X, data.truth) > 0.4


def test_members_of_a_large_ensemble_are_seen_in_groups(data):
    forest = RandomForestClassifier(40, random_state=0).fit(data.X, data.truth)
    Looking.steps.clear()
    student = linear_net(max_epochs=3)
    grouped = distill(data, Looking(), teachers=forest, student=student)
    assert Looking.steps[0].proba.shape[1] == 16
    usual = distill(data, "uniform", teachers=forest, student=student)
    proba = usual.predict_proba(data.X)
    assert_allclose(grouped.predict_proba(data.X), proba, atol=1e-6)


def test_beyond_the_budget_the_teachers_are_in_a_file(data, monkeypatch):
    expected = distill(data, AgreeToDisagree(), validation_fraction=0.2)
    monkeypatch.setattr("sk_ekd._scratch.BUDGET", 100)
    monkeypatch.setattr("sk_ekd.students._epoch.BUDGET", 100)
    in_file = distill(data, AgreeToDisagree(), validation_fraction=0.2)
    proba = expected.predict_proba(data.X)
    assert_array_equal(in_file.predict_proba(data.X), proba)


def test_gate_that_learns_from_labels_doubts_teachers_that_have_seen_them(data):
    seen = [("tree", DecisionTreeClassifier().fit(data.X, data.truth))]
    with pytest.warns(UserWarning, match="all but always right"):
        distill(data, LearnedGate(), teachers=seen)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distill(data, LearnedGate(trained_by="student"), teachers=seen)
        distill(data, AgreeToDisagree(), teachers=seen)


# --- Bad input -----------------------------------------------------------------------


def weighting_that_returns(value):
    """Return a dynamic weighting of a fixed value, or of a function of the Step."""

    class Fixed:
        dynamic = True

        def __call__(self, step):
            return value(step) if callable(value) else value

    return Fixed()


BAD = {
    "no such teacher": (GroupRobust("bias"), "must name one of the teachers"),
    "number of a teacher": (GroupRobust(0), "must name one of the teachers"),
    "per": (GroupRobust("bayes", per="epoch"), "must be 'batch' or 'row'"),
    "tolerance of zero": (AgreeToDisagree(0), "above 0 and up to 1"),
    "tolerance above one": (AgreeToDisagree(1.5), "above 0 and up to 1"),
    "text as tolerance": (AgreeToDisagree("0.6"), "above 0 and up to 1"),
    "trained by": (LearnedGate(trained_by="both"), "'labels' or 'student'"),
    "shape": (weighting_that_returns(torch.ones(2)), "must return a tensor of shape"),
    "negative": (
        weighting_that_returns(lambda s: -s.pool.expand(len(s.y), -1)),
        "finite, non-negative",
    ),
    "nan": (
        weighting_that_returns(lambda s: s.pool.expand(len(s.y), -1) * torch.nan),
        "finite, non-negative",
    ),
    "infinite": (
        weighting_that_returns(lambda s: s.pool.expand(len(s.y), -1) * torch.inf),
        "finite, non-negative",
    ),
    "array": (
        weighting_that_returns(lambda s: np.ones(s.proba.shape[:2])),
        "must return a tensor",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_weighting_says_what_to_do(data, case):
    weighting, message = BAD[case]
    with pytest.raises((ValueError, TypeError), match=message):
        distill(data, weighting)


def test_class_instead_of_an_instance(data):
    with pytest.raises(TypeError, match=r"write LearnedGate\(\)"):
        distill(data, LearnedGate)


def test_student_that_is_no_network_cannot_be_watched(data):
    with pytest.raises(TypeError, match="watches a network in training"):
        distill(data, AgreeToDisagree(), student=DecisionTreeClassifier())


def test_no_teacher_beside_the_biased_one(data):
    with pytest.raises(ValueError, match="leaves every teacher out"):
        distill(data, GroupRobust("bayes"), teachers=data.teachers[:1])


@pytest.mark.parametrize("number", ["3", "1 to decisiontreeclassifier-3"])
def test_biased_member_of_a_group_cannot_be_named(data, number):
    forest = RandomForestClassifier(40, random_state=0).fit(data.X, data.truth)
    weighting = GroupRobust(f"decisiontreeclassifier-{number}")
    with pytest.raises(ValueError, match=r"seen in groups|one of the teachers"):
        distill(data, weighting, teachers=forest)


def test_biased_teacher_is_looked_for_before_any_is_fitted(data, counted):
    teachers = [("bayes", counted()), ("tree", DecisionTreeClassifier())]
    with pytest.raises(ValueError, match="one of the teachers"):
        distill(data, GroupRobust("bais"), teachers=teachers, cv=3)
    assert not counted.fits
