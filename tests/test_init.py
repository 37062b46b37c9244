"""Importing the package imports next to nothing; its names are there when asked for."""

import subprocess
import sys

import pytest

import sk_ekd

HEAVY = {"torch", "skorch", "sklearn", "pandas", "scipy", "joblib", "numpy"}


def imported_by(code):
    """Return which heavy packages some code imports, in a process of its own."""
    code = f"import sys; {code}; print(*({HEAVY} & {{*sys.modules}}))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return {*run.stdout.split()}


@pytest.mark.parametrize(
    ("code", "needs"),
    [
        ("import sk_ekd", set()),
        ("import sk_ekd.serving", {"numpy"}),
        ("from sk_ekd import serving", {"numpy"}),
    ],
)
def test_import_brings_no_more_than_it_needs(code, needs):
    assert imported_by(code) == needs


def test_no_torch_where_none_is_needed():
    code = "from sk_ekd import model_selection, pooling, weighting"
    assert not imported_by(code) & {"torch", "skorch"}


def test_every_name_is_there_and_shown():
    for name in (*sk_ekd.__all__, *sk_ekd.MODULES):
        assert getattr(sk_ekd, name) is not None
        assert name in dir(sk_ekd)
    assert sk_ekd.EnsembleDistiller.__module__.startswith("sk_ekd")


def test_star_import_brings_the_public_names():
    namespace = {}
    exec("from sk_ekd import *", namespace)
    assert namespace["EnsembleDistiller"] is sk_ekd.EnsembleDistiller


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'sk_ekd' has no attribute 'Distiller'"):
        _ = sk_ekd.Distiller
    with pytest.raises(ImportError, match="cannot import name 'Distiller'"):
        exec("from sk_ekd import Distiller")
