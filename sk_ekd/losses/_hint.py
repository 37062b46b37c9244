"""A hidden layer of the student learns what the teachers' hidden layers say."""

from numbers import Real

import torch
from sklearn.base import BaseEstimator
from torch import nn


class Hint(BaseEstimator):
    """A hidden layer of the student, which is to tell what teachers' layers say.

    The hint regression of [1]_: ::

        strength · s · ‖f - W h‖² / d

    with the sample weight ``s``, the teachers' ``d`` features ``f``, standardized over
    the rows of the fit (in `partial_fit`, of the chunk), and a linear map ``W`` of what
    the layer says, trained with the student and dropped after the fit. Rows whose
    features are not finite have no part in it.

    Parameters
    ----------
    layer : str
        The name of a layer of the student's module, one of
        ``dict(module.named_modules())``, such as "3" in the built-in student, the
        second of its hidden layers.
    strength : float, default=1.0
        How much the term counts in the loss.

    References
    ----------
    .. [1] J. Zhu, J. Liu, W. Li, J. Lai, X. He, L. Chen, Z. Zheng, "Ensembled CTR
       Prediction via Knowledge Distillation", CIKM 2020, arXiv:2011.04106.
    """

    def __init__(self, layer, *, strength=1.0):
        self.layer = layer
        self.strength = strength


class HintTerm(nn.Module):
    """The term of a hint, and the map that it trains."""

    def __init__(self, hint):
        super().__init__()
        hint = Hint(hint) if isinstance(hint, str) else hint
        self.layer, self.strength = hint.layer, hint.strength
        is_number = isinstance(self.strength, Real)
        if not is_number or not 0 < self.strength < float("inf"):
            raise ValueError(
                "`strength` of a Hint must be a finite number above 0, got "
                f"{self.strength!r}."
            )
        self.linear = None

    def build(self, n_hidden, n_features):
        """Make the map, once the widths of both layers are known."""
        self.linear = nn.Linear(n_hidden, n_features)
        return self

    def forward(self, output, targets):
        """Return the mean of the term over a batch -> ()."""
        features = targets.features  # (b, d)
        told = features.isfinite().all(dim=1)
        missed = self.linear(output.hidden) - torch.where(told[:, None], features, 0.0)
        each = missed.square().mean(dim=1) * told
        return self.strength * torch.dot(targets.label_weight, each) / len(each)
