"""A stack is what its modules are one by one, in output and in gradient."""

import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from sk_ekd.students import MLP
from sk_ekd.students._output import Logits, OneLogit, Proba
from sk_ekd.students._stacked import Stack, StackedForm

K, B, D, C = 3, 5, 4, 2


class Image(nn.Module):
    """Convolutions, batch normalization, and a head that is registered first."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(6, C)
        self.body = nn.Sequential(nn.Conv2d(1, 6, 2), nn.BatchNorm2d(6), nn.ReLU())

    def forward(self, X):
        return self.head(self.body(X).mean(dim=(2, 3)))


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(D, D), nn.Linear(D, D)
        self.last.weight = self.first.weight

    def forward(self, X):
        return self.last(self.first(X))


class Branching(nn.Module):
    """Asks its values which way to go, which vmap cannot."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(D, C)

    def forward(self, X):
        output = self.layer(X)
        return output if output.sum() > 0 else -output


class Named(nn.Linear):
    """Returns a dict, like a Hugging Face model."""

    def __init__(self):
        super().__init__(D, C)

    def forward(self, X):
        return {"logits": super().forward(X)}


def make_mlp():
    return MLP(D, C, hidden=(7, 6, 5), dropout=0.0)


def make_all(make):
    torch.manual_seed(0)
    modules = [make() for _ in range(K)]
    return modules, copy.deepcopy(modules)


def make_rows(make):
    shape = (B, 1, 3, 3) if make is Image else (B, D)
    return torch.randn(shape, generator=torch.manual_seed(1))


def ask(module, X):
    output = module(X)
    return output["logits"] if isinstance(output, dict) else output


MODULES = [make_mlp, Image, Tied, Branching, Named]


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("training", [True, False])
def test_stack_returns_what_the_modules_do(make, training):
    modules, alone = make_all(make)
    stack, X = Stack(modules, 0).train(training), make_rows(make)
    expected = [ask(module.train(training), X) for module in alone]
    assert_allclose(stack(X).detach(), torch.stack(expected, dim=1).detach(), atol=1e-6)


@pytest.mark.parametrize("make", MODULES)
def test_taken_module_is_the_one_that_went_in(make):
    modules, alone = make_all(make)
    stack = Stack(modules, 0)
    for position, module in enumerate(alone):
        taken = stack.take(position)
        assert type(taken) is type(module)
        assert [n for n, _ in taken.named_parameters()] == [
            n for n, _ in module.named_parameters()
        ]
        for name, value in module.state_dict().items():
            assert torch.equal(taken.state_dict()[name], value)


def test_tied_weights_stay_tied():
    taken = Stack(make_all(Tied)[0], 0).take(1)
    assert taken.first.weight is taken.last.weight


def test_a_weight_that_is_tied_to_the_trunk_is_that_of_all():
    stack = Stack(make_all(Tied)[0], 1)
    assert stack.stacked == {"last.bias"}
    assert stack.take(2).last.weight is not None


def test_batch_statistics_are_those_of_each_module():
    modules, alone = make_all(Image)
    stack, X = Stack(modules, 0), make_rows(Image)
    stack(X)
    for position, module in enumerate(alone):
        module(X)
        taken = stack.take(position).body[1]
        assert_allclose(taken.running_mean, module.body[1].running_mean, atol=1e-6)
        assert taken.num_batches_tracked == 1


def test_each_module_gets_the_gradient_of_its_own_loss():
    modules, alone = make_all(make_mlp)
    stack, X = Stack(modules, 0), make_rows(make_mlp)
    stack(X).square().mean().backward()
    for position, module in enumerate(alone):
        module(X).square().mean().backward()
        for name, own in module.named_parameters():
            found = dict(stack.named_parameters())[name].grad[position]
            assert_allclose(found, own.grad, atol=1e-6)


@pytest.mark.parametrize("make", [make_mlp, Image])
def test_the_trunk_gets_the_mean_of_the_gradients(make):
    modules, alone = make_all(make)
    n_shared, X = 2, make_rows(make)
    for module in alone[1:]:  # of the first, for all
        for mine, first in list(
            zip(module.parameters(), alone[0].parameters(), strict=True)
        )[: 2 * n_shared]:
            mine.data.copy_(first.data)
    stack = Stack(modules, n_shared)
    stack(X).square().mean().backward()
    for module in alone:
        module(X).square().mean().backward()
    for i, parameter in enumerate(stack.parameters()):
        own = torch.stack([[*module.parameters()][i].grad for module in alone])
        expected = own.mean(dim=0) if i < 2 * n_shared else own
        assert_allclose(parameter.grad, expected, atol=1e-6)


def test_trunk_of_a_sequential_is_asked_once():
    stack = Stack(make_all(make_mlp)[0], 2)
    seen = []
    stack.module[0].register_forward_hook(lambda *args: seen.append(args[2].shape))
    stack(make_rows(make_mlp))
    assert seen == [(B, 7)]


def test_what_vmap_cannot_run_is_run_in_turn():
    stack = Stack(make_all(Branching)[0], 0)
    stack(make_rows(Branching))
    assert stack.in_turn
    assert not Stack(make_all(make_mlp)[0], 0).in_turn


def test_an_error_of_the_module_is_raised_as_it_is():
    stack = Stack(make_all(make_mlp)[0], 0)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        stack(torch.zeros(B, D + 1))


def test_dropout_differs_between_modules():
    torch.manual_seed(0)
    one = nn.Sequential(nn.Linear(D, 50), nn.Dropout(0.5))
    stack = Stack([copy.deepcopy(one) for _ in range(2)], 0)
    first, second = stack(make_rows(None)).unbind(dim=1)
    assert not torch.equal(first == 0, second == 0)


def test_names_of_parameters_are_those_of_one_module():
    modules, alone = make_all(make_mlp)
    names = [name for name, _ in alone[0].named_parameters()]
    assert [name for name, _ in Stack(modules, 1).named_parameters()] == names


def test_frozen_parameters_stay_frozen():
    modules, _ = make_all(make_mlp)
    for module in modules:
        module[3].weight.requires_grad_(False)
    stack = Stack(modules, 1)
    assert not stack.module[3].weight.requires_grad
    assert not stack.take(0)[3].weight.requires_grad


FORMS = {
    "logits": (Logits(nn.CrossEntropyLoss(reduction="none")), (B, K, C)),
    "proba": (Proba(nn.NLLLoss(reduction="none")), (B, K, C)),
    "one logit": (OneLogit(nn.BCEWithLogitsLoss(reduction="none")), (B, K, 1)),
    "one flat logit": (OneLogit(nn.BCEWithLogitsLoss(reduction="none")), (B, K)),
}


@pytest.mark.parametrize("name", FORMS)
def test_form_reads_the_modules_of_a_row_one_after_the_other(name):
    form, shape = FORMS[name]
    output = torch.rand(shape, generator=torch.manual_seed(0))
    if name == "proba":
        output /= output.sum(dim=2, keepdim=True)
    stacked = StackedForm(form)
    found = stacked.logits(stacked.read(output)).unflatten(0, (B, K))
    for j in range(K):
        one = (
            output[:, j].flatten()
            if "logit" in name and len(name) > 6
            else (output[:, j])
        )
        assert_allclose(found[:, j], form.logits(form.read(one)))


@pytest.mark.parametrize("name", FORMS)
def test_probabilities_of_a_stack_are_the_mean(name):
    form, shape = FORMS[name]
    output = torch.rand(shape, generator=torch.manual_seed(0))
    is_one = isinstance(form, OneLogit)
    each = [
        form.proba(output[:, j].flatten() if is_one else output[:, j]) for j in range(K)
    ]
    found = StackedForm(form).proba(output)
    assert_allclose(found, np.mean([p.numpy() for p in each], axis=0), rtol=1e-5)
