"""Single values, read without pandas as pandas reads them."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from sk_ekd._values import Category, Places, as_text, is_missing

VALUES = [
    None, np.nan, np.float32("nan"), Decimal("NaN"), pd.NA, pd.NaT,
    np.datetime64("NaT"), np.timedelta64("NaT"), 0, 0.0, "", "nan", True, np.bool_(0),
    Decimal(1), np.inf, np.datetime64("2020-01-01"),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_value_is_missing_where_pandas_says_so(value):
    assert is_missing(value) is bool(pd.isna(value))


def test_masked_value_is_missing_and_a_list_is_not():
    assert is_missing(np.ma.masked)
    assert not is_missing([1, 2])
    assert not is_missing(np.array([1, np.nan]))


def test_integer_beyond_float64_is_a_category_like_any_other():
    huge = 10**400
    assert as_text(huge) == str(huge)
    places = Places(Category(0, [str(huge), "a"], has_rest=False))
    assert places.of(huge) == 0
    assert places.of(huge + 1) == -1
