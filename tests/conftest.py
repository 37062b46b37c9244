"""What several test files share."""

import signal

import pytest
from hypothesis import HealthCheck, settings

from sk_ekd import _distiller, _online
from sk_ekd.students import default_student
from tests.worlds import CountingNB, SmallWorld, World, make_three_blobs, make_trio

# The same examples in every run; `--hypothesis-profile=hunt` looks for new ones.
settings.register_profile(
    "repeat",
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "hunt", settings.get_profile("repeat"), max_examples=500, derandomize=False
)
settings.load_profile("repeat")


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def fitted(world):
    return world.distill()


@pytest.fixture(scope="module")
def small():
    return SmallWorld()


@pytest.fixture(scope="module")
def blobs():
    return make_three_blobs()


@pytest.fixture(scope="module")
def trio():
    return make_trio()


@pytest.fixture
def counted():
    """Count fits and predicted rows of CountingNB from zero."""
    CountingNB.fits = CountingNB.rows = 0
    return CountingNB


@pytest.fixture
def interruptible():
    """Let a SIGINT interrupt; a shell's background jobs start with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def short_training(monkeypatch):
    """Train the built-in student for a fifth of its epochs."""

    def make_student(X, **params):
        student = default_student(X, **params)
        return student.set_params(net__max_epochs=student["net"].max_epochs // 5)

    for module in (_distiller, _online):
        monkeypatch.setattr(module, "default_student", make_student)
