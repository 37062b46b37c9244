"""All that the loss needs to know of a row is one row of one tensor."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from sk_ekd._classes import UNLABELED
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
