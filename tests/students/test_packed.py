"""All that the loss needs to know of a row is one row of one tensor."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sk_ekd._classes import UNLABELED
from sk_ekd._targets import Targets
from sk_ekd.students._packed import pack, unpack
from tests.students.training import N, as_part, make_data


def test_packing_is_undone_by_unpacking():
    _, y, target = make_data()
    y[:5] = -1
    weights = np.random.RandomState(0).rand(2, N).astype(np.float32)
    got = unpack(pack(as_part(None, y, target, *weights)[1]), 3)
    unpacked = got.y, got.label_weight, got.mix_weight, got.mix
    for part, expected in zip(unpacked, (y, *weights, target), strict=True):
        assert_array_equal(part.numpy(), expected)
    assert_array_equal(got.labeled.numpy(), y != UNLABELED)
    negentropy = (target * np.log(target)).sum(axis=1)
    assert_allclose(got.negentropy.numpy(), negentropy, rtol=1e-5)


@pytest.mark.parametrize("mixable", [False, True])
def test_teachers_that_are_not_mixed_yet_come_along(mixable):
    _, y, target = make_data()
    seen = np.random.RandomState(0).rand(N, 2, 3).astype(np.float32)
    targets = Targets(y, y >= 0, target, np.ones(N), np.ones(N))
    alone = unpack(pack(targets, mixable=mixable), 3)
    got = unpack(
        pack(targets._replace(teachers=seen), mixable=mixable), 3, n_teachers=2
    )
    assert_array_equal(got.teachers, seen)
    for part, expected in zip(got[:5], alone[:5], strict=True):
        assert_array_equal(part, expected)
