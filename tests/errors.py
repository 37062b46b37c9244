"""Errors and warnings as data: what does it, its type, the culprit and the cure."""

import warnings
from pathlib import Path

import pytest
from sklearn.exceptions import ConvergenceWarning

import sk_ekd


def text_of(error):
    """Return the message of an exception, and the notes on it."""
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


def check_errors(cases):
    """Return a test that each case raises its error, which names culprit and cure.

    `cases` maps a situation to (do, type of the error, culprit, cure): `do` takes the
    small world, culprit and cure are words of the message.
    """

    @_parametrize(cases)
    def test(small, do, category, culprit, cure):
        with pytest.raises(category) as caught:
            do(small)
        assert caught.type is category
        _check_words(text_of(caught.value), culprit, cure)

    return test


def check_warnings(cases):
    """Return a test that each case warns once, of culprit and cure, at our caller.

    `cases` maps a situation to (do, category of the warning, culprit, cure).
    """

    @_parametrize(cases)
    def test(small, do, category, culprit, cure):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            do(small)
        assert [warning.category for warning in caught] == [category]
        if category in (UserWarning, ConvergenceWarning):  # else scikit-learn warns
            package = Path(sk_ekd.__file__).parent
            assert not Path(caught[0].filename).is_relative_to(package)
        _check_words(str(caught[0].message), culprit, cure)

    return test


def _parametrize(cases):
    return pytest.mark.parametrize(
        ("do", "category", "culprit", "cure"),
        [pytest.param(*case, id=situation) for situation, case in cases.items()],
    )


def _check_words(message, culprit, cure):
    assert culprit in message, message
    assert cure in message, message
