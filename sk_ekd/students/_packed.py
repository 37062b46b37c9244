"""One row of one tensor for all that the loss needs to know of a row.

One tensor is one look-up a batch, and passes through any Dataset, loader or sampler.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.special import entr
from sklearn.utils import gen_batches

from .._classes import UNLABELED

BLOCK_ROWS = 2**16  # whose entropy is computed at once
N_LEADING = 4  # columns before those of the mix


class TargetBatch(NamedTuple):
    """The targets of a batch of rows."""

    y: torch.Tensor  # (b,), index of the label, -1 unlabeled
    label_weight: torch.Tensor  # (b,)
    mix_weight: torch.Tensor  # (b,)
    negentropy: torch.Tensor  # (b,), Σ mix log mix
    mix: torch.Tensor  # (b, c)

    @property
    def labeled(self):
        """Whether each row has a label -> (b,)."""
        return self.y != UNLABELED


def pack(targets):
    """Pack the targets -> (n, 4 + c), float32."""
    packed = np.empty(
        (len(targets.y), N_LEADING + targets.mix.shape[1]), dtype=np.float32
    )
    packed[:, 0], packed[:, 1] = targets.y, targets.label_weight
    packed[:, 2], packed[:, N_LEADING:] = targets.mix_weight, targets.mix
    for block in gen_batches(len(packed), BLOCK_ROWS):  # the constant of the KL
        mix = targets.mix[block].astype(np.float64)
        packed[block, 3] = -entr(mix).sum(axis=1)
    return torch.from_numpy(packed)


def unpack(packed):
    """Undo `pack` on a batch -> TargetBatch."""
    y, label_weight, mix_weight, negentropy = packed[:, :N_LEADING].unbind(dim=1)
    mix = packed[:, N_LEADING:]
    return TargetBatch(y.long(), label_weight, mix_weight, negentropy, mix)
