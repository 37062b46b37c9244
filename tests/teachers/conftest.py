"""What the tests of the teachers share."""

import pytest
import torch
from sklearn.base import clone

from tests.teachers.kinds import UNFITTED, Recorder


@pytest.fixture(scope="module")
def partly(blobs):
    """Labels of two rows in three; the others are unknown."""
    y = blobs[1].copy()
    y[::3] = -1
    return y


@pytest.fixture(scope="module")
def fitted_teachers(blobs):
    torch.manual_seed(0)
    return {name: clone(teacher).fit(*blobs) for name, teacher in UNFITTED.items()}


@pytest.fixture
def log(monkeypatch):
    monkeypatch.setattr(Recorder, "log", [])
    return Recorder.log
