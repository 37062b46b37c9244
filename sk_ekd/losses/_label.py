"""The label term, which all losses share."""

import torch


def label_shares(share, targets):
    """Return the weight of each class in this share of the cross-entropy -> (b, c)."""
    weight = torch.zeros_like(targets.mix)
    known = targets.labeled.nonzero()[:, 0]
    weight[known, targets.y[known]] = share * targets.label_weight[known]
    return weight


def label_term(share, output, targets):
    """Return this share of the mean cross-entropy, which is 0 where unlabeled."""
    each = output.cross_entropy(targets.y)  # (b,)
    return share / len(each) * torch.dot(targets.label_weight, each)
