"""One row of one tensor for all that the loss needs to know of a row.

One tensor is one look-up a batch, and passes through any Dataset, loader or sampler.
Where something of the user's may mix rows (mixup), labels are written as shares of the
classes: a mean of two indices would be a third class.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.special import entr
from sklearn.utils import gen_batches

from .._classes import UNLABELED
from .._scratch import empty

BLOCK_ROWS = 2**16  # whose entropy is computed at once


class TargetBatch(NamedTuple):
    """The targets of a batch of rows."""

    y: torch.Tensor  # (b,), index of the label, -1 unlabeled; or (b, c), shares
    label_weight: torch.Tensor  # (b,)
    mix_weight: torch.Tensor  # (b,)
    negentropy: torch.Tensor  # (b,), Σ mix log mix
    mix: torch.Tensor  # (b, c)
    teachers: torch.Tensor | None = None  # (b, t, c), for a loss that mixes them itself
    features: torch.Tensor | None = None  # (b, d), for a loss that gives a hint

    @property
    def labeled(self):
        """Whether each row has a label -> (b,)."""
        return self.y != UNLABELED if self.y.ndim == 1 else self.y.sum(dim=1) > 0

    def is_right(self, log_proba):
        """Whether the label is the most probable class; not where unlabeled -> (b,)."""
        y = self.y if self.y.ndim == 1 else self.y.argmax(dim=1)
        return (log_proba.argmax(dim=1) == y) & self.labeled


def pack(targets, *, mixable=False):
    """Pack the targets -> (n, 4 + c), or (n, 3 + 2c) where rows may be mixed; float32.

    The shares of a mixable label are multiplied by the row's weight, 0 if unlabeled.
    Teachers that are not mixed yet follow, t·c numbers more, and d features.
    """
    n_samples, n_classes = targets.mix.shape
    n_label = n_classes + 1 if mixable else 2
    n_mixed = n_label + 2 + n_classes
    beside = [part for part in (targets.teachers, targets.features) if part is not None]
    shape = n_samples, n_mixed + sum(part[0].size for part in beside)
    packed = empty(shape) if beside else np.empty(shape, dtype=np.float32)
    packed[:, :n_mixed] = 0
    if mixable:
        known = np.flatnonzero(targets.labeled)
        packed[:, 0] = 1
        packed[known, 1 + targets.y[known]] = targets.label_weight[known]
    else:
        packed[:, 0], packed[:, 1] = targets.y, targets.label_weight
    packed[:, n_label], packed[:, n_label + 2 : n_mixed] = (
        targets.mix_weight,
        targets.mix,
    )
    for block in gen_batches(n_samples, BLOCK_ROWS):  # the constant of the KL
        mix = targets.mix[block].astype(np.float64)
        packed[block, n_label + 1] = -entr(mix).sum(axis=1)
        if beside:
            flat = [part[block].reshape(len(mix), -1) for part in beside]
            np.concatenate(flat, axis=1, out=packed[block, n_mixed:])
    return torch.from_numpy(packed)


def unpack(packed, n_classes, n_teachers=0, n_features=0):
    """Undo `pack` on a batch -> TargetBatch."""
    teachers = features = None
    if n_teachers or n_features:
        n_seen = n_teachers * n_classes
        n_mixed = packed.shape[1] - n_seen - n_features
        packed, seen, told = packed.split([n_mixed, n_seen, n_features], dim=1)
        teachers = seen.unflatten(1, (n_teachers, n_classes)) if n_teachers else None
        features = told if n_features else None
    beside = teachers, features
    mix = packed[:, -n_classes:]
    if packed.shape[1] == 4 + n_classes:
        y, label_weight, mix_weight, negentropy = packed[:, :4].unbind(dim=1)
        label = y.long(), label_weight
        return TargetBatch(*label, mix_weight, negentropy, mix, *beside)
    mix_weight, negentropy = packed[:, 1 + n_classes : 3 + n_classes].unbind(dim=1)
    label = packed[:, 1 : 1 + n_classes], packed[:, 0]
    return TargetBatch(*label, mix_weight, negentropy, mix, *beside)
