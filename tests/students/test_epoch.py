"""Rows in memory, and their batches."""

import numpy as np
import torch
from numpy.testing import assert_array_equal

from sk_ekd._epoch import MemoryBatches, MemoryRows

N = 150


def test_batches_cover_every_row_once_in_an_order_that_changes():
    positions = torch.arange(float(N))[:, None]
    rows = MemoryRows(np.zeros((N, 2), np.float32), positions, device="cpu")
    batches = MemoryBatches(rows, batch_size=32)
    epochs = [torch.cat([r[:, 0] for _, r in batches]).long() for _ in range(2)]
    for epoch in epochs:
        assert_array_equal(epoch.sort().values, np.arange(N))
    assert not torch.equal(*epochs)
    assert [len(r) for _, r in batches] == [32, 32, 32, 32, 22]
    dropping = MemoryBatches(rows, batch_size=32, drop_last=True)
    assert [len(r) for _, r in dropping] == [32] * 4
