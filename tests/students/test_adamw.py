"""The built-in student's optimizer: torch's own, without torch's compiler."""

import copy
import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from sk_ekd.students import default_student
from sk_ekd.students._adamw import AdamW
from sk_ekd.students._epoch import has_plain_steps
from tests.students.test_default import distill

FIT = """
import sys
import numpy as np
from sk_ekd import EnsembleDistiller

X, proba = np.eye(20), np.full((20, 1, 2), 0.5)
distiller = EnsembleDistiller(None, random_state=0)
distiller.fit(X, np.full(20, -1), teacher_proba=proba).predict_proba(X)
distiller.partial_fit(X, np.full(20, -1), teacher_proba=proba)
assert len(distiller.history_) > 1
print(*sys.modules.keys() & {"torch._dynamo", "sympy"})
"""


def test_first_fit_of_a_process_does_not_import_the_compiler():
    command = [sys.executable, "-W", "ignore", "-c", FIT]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_student_is_that_of_torchs_own_optimizer():
    X = np.random.RandomState(0).randn(100, 3)
    y = (X[:, 0] > 0).astype(int)
    own = default_student(X).set_params(net__max_epochs=3)
    torchs = default_student(X).set_params(
        net__max_epochs=3, net__optimizer=torch.optim.AdamW
    )
    assert own["net"].optimizer is AdamW
    expected = distill(X, y, student=torchs).predict_proba(X)
    distiller = distill(X, y, student=own)
    assert_array_equal(distiller.predict_proba(X), expected)
    assert has_plain_steps(distiller.student_["net"])  # the short way


def make_both(**options):
    """Return two equal layers, and an optimizer of each kind."""
    layers = [torch.nn.Linear(3, 2) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    kinds = AdamW, torch.optim.AdamW
    return layers, [
        kind(layer.parameters(), **options)
        for kind, layer in zip(kinds, layers, strict=True)
    ]


@pytest.mark.parametrize("options", [{}, {"fused": True}, {"amsgrad": True}])
def test_steps_are_torchs_steps(options):
    layers, optimizers = make_both(lr=0.1, **options)
    rows = torch.arange(12.0).reshape(4, 3)
    for step in range(3):
        for layer, optimizer in zip(layers, optimizers, strict=True):

            def closure(layer=layer, optimizer=optimizer):
                optimizer.zero_grad()
                loss = layer(rows).square().sum()
                loss.backward()
                return loss

            optimizer.step(closure)
        assert torch.equal(layers[0].weight, layers[1].weight), step
        if step == 0:  # what one has saved, the other loads
            optimizers[0].load_state_dict(copy.deepcopy(optimizers[1].state_dict()))


def test_hooks_and_schedulers_find_what_they_look_for():
    layers, (optimizer, _) = make_both(lr=0.1)
    calls = []
    optimizer.register_step_post_hook(lambda *args: calls.append(1))
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    layers[0](torch.ones(1, 3)).sum().backward()
    optimizer.step()
    scheduler.step()
    assert (calls, optimizer.param_groups[0]["lr"]) == ([1], 0.05)
    saved = io.BytesIO()
    torch.save(optimizer, saved)
    saved.seek(0)
    assert type(torch.load(saved, weights_only=False)) is AdamW
