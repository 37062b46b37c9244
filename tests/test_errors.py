"""The shared check of errors and warnings tells a weaker message from the right one."""

import warnings

import pytest

from tests.errors import check_errors, check_warnings


def fail(world):
    raise ValueError("got 7: pass 8")


def warn(world):
    warnings.warn("got 7: pass 8", UserWarning, stacklevel=2)


@pytest.mark.parametrize(
    ("category", "culprit", "cure"),
    [
        (Exception, "got 7", "pass 8"),
        (ValueError, "got 9", "pass 8"),
        (ValueError, "got 7", "pass 9"),
    ],
)
def test_error_of_another_type_or_message_is_not_taken(category, culprit, cure):
    test = check_errors({})
    with pytest.raises(AssertionError):
        test(None, fail, category, culprit, cure)
    test(None, fail, ValueError, "got 7", "pass 8")


@pytest.mark.parametrize(
    ("do", "culprit", "cure"),
    [
        (warn, "got 9", "pass 8"),
        (warn, "got 7", "pass 9"),
        (lambda world: (warn(world), warn(world)), "got 7", "pass 8"),
        (lambda world: None, "got 7", "pass 8"),
    ],
)
def test_warning_of_another_message_or_number_is_not_taken(do, culprit, cure):
    test = check_warnings({})
    with pytest.raises(AssertionError):
        test(None, do, UserWarning, culprit, cure)
    test(None, warn, UserWarning, "got 7", "pass 8")
