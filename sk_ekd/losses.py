"""What a network minimises: a loss maps a student's output and targets to its terms.

A loss is a torch module, called with a batch: ``loss(output, targets)``. It returns a
dict of scalars, the mean of each of its terms over the rows of the batch; their sum is
minimised, and each is written into the history as ``<name>_loss``. It may own
parameters, which are trained with the student and are no part of it.

``output`` has `log_proba` (b, c), the logarithm of the student's probabilities, and
`cross_entropy(y)` (b,), that of the net's own criterion with its options, 0 without a
label. ``targets`` has `y` (b,), -1 where unlabeled, `labeled` (b,), `mix` (b, c),
`label_weight` (b,), `mix_weight` (b,), and `negentropy` (b,), ``Σ mix log mix``. Where
something of the user's may mix rows, `y` (b, c) are shares of the classes, multiplied
by the row's weight, and `label_weight` is one. `teachers` (b, t, c) are there for a
loss that mixes them itself.

A loss that has a method ``begin_epoch(epoch=...)`` is told how many epochs were trained
before; what its ``end_epoch()`` returns, a dict of numbers, goes into the history.
"""

import torch
from sklearn.base import BaseEstimator
from torch import nn
from torch.nn import functional as F

from ._step import Step

__all__ = ["DistillationLoss", "DynamicLoss", "Hint"]


class Hint(BaseEstimator):
    """A hidden layer of the student, which is to tell what teachers' layers say.

    The hint regression of [1]_: ::

        strength · s · ‖f - W h‖² / d

    with the sample weight ``s``, the teachers' ``d`` features ``f``, standardized, and
    a linear map ``W`` of what the layer says, trained with the student and dropped
    after the fit. Rows whose features are not finite have no part in it.

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


class _HintTerm(nn.Module):
    """The term of a hint, and the map that it trains."""

    def __init__(self, hint):
        super().__init__()
        hint = Hint(hint) if isinstance(hint, str) else hint
        self.layer, self.strength = hint.layer, hint.strength
        if not 0 < self.strength < float("inf"):
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


class DistillationLoss(nn.Module):
    """The loss of the method: labels, and the mix of the teachers.

    ``(1 - α) · label_weight · CE(y, s)  +  α · T² · mix_weight · KL(mix ‖ s^(T))``

    Parameters
    ----------
    alpha : float
        Share of the distillation term, from 0 to 1.
    temperature : float
        The temperature ``T`` that the mix was softened by.
    hint : str or Hint, default=None
        A layer of the student that is to tell what the teachers' features are.
    """

    def __init__(self, alpha, temperature, hint=None):
        super().__init__()
        self.alpha = alpha
        self.temperature = temperature
        self.hint = None if hint is None else _HintTerm(hint)

    def open(self, teachers=None, before=None):
        """Get to know the teachers of a fit.

        Parameters
        ----------
        teachers : Teachers, default=None
            Who is weighed, where the loss weighs them.
        before : DistillationLoss, default=None
            That of an earlier chunk, whose parameters go on from where they were.

        Returns
        -------
        self : DistillationLoss
            The same object.
        """
        earlier = getattr(before, "hint", None)
        if self.hint and earlier and self.hint.layer == earlier.layer:
            self.hint.linear = earlier.linear
        return self

    def forward(self, output, targets):
        """Return the means of both terms over a batch.

        Parameters
        ----------
        output : object
            What the student says of b rows: `log_proba` and `cross_entropy`, see above.
        targets : object
            What it is to learn of them, see above.

        Returns
        -------
        terms : dict of str to Tensor of shape ()
            "label" and "distillation", 0 where `alpha` leaves a term no share, and
            "hint" where there is one.
        """
        log_student = output.log_proba  # (b, c)
        label = distillation = log_student.new_zeros(())
        if self.alpha < 1:
            each = output.cross_entropy(targets.y)  # (b,), 0 unlabeled
            scale = (1 - self.alpha) / len(each)
            label = scale * torch.dot(targets.label_weight, each)
        if self.alpha > 0:
            if self.temperature != 1:  # logs of probabilities are logits
                log_student = F.log_softmax(log_student / self.temperature, dim=1)
            kl = targets.negentropy - torch.linalg.vecdot(targets.mix, log_student)
            scale = self.alpha * self.temperature**2 / len(kl)
            distillation = scale * torch.dot(targets.mix_weight, kl)
        terms = {"label": label, "distillation": distillation}
        if self.hint is not None:
            terms["hint"] = self.hint(output, targets)
        return terms

    def cross_entropies(self, targets):
        """Return both terms as cross-entropies, from which a step can be computed.

        A term of a row is ``constant - Σ weight · log softmax(logits / T)``. `forward`
        computes the same but for a hint; a loss that overrides it overrides this, too,
        or is trained by autograd.

        Parameters
        ----------
        targets : object
            What the student is to learn of b rows, see above.

        Returns
        -------
        terms : dict of str to tuple
            By the names of `forward`, the temperature, the weight (b, c) of each class,
            and the constant (b,).
        """
        label = torch.zeros_like(targets.mix)
        known = targets.labeled.nonzero()[:, 0]
        label[known, targets.y[known]] = (1 - self.alpha) * targets.label_weight[known]
        scale = self.alpha * self.temperature**2 * targets.mix_weight
        zero = torch.zeros_like(scale)
        mix = scale[:, None] * targets.mix, scale * targets.negentropy
        return {"label": (1.0, label, zero), "distillation": (self.temperature, *mix)}

    def class_shares(self, targets):
        """Return the weight of each class in the loss of each row, at ``T = 1``.

        The loss of a row is the sum of ``-weight · log s`` over the classes, up to what
        the student does not change. A student that is no network is fitted to it.

        Parameters
        ----------
        targets : object
            What the student is to learn of b rows, as NumPy arrays.

        Returns
        -------
        weight : ndarray of shape (b, c)
            Zero for a row without a part in the loss.
        """
        weight = self.alpha * targets.mix_weight[:, None] * targets.mix
        known = targets.labeled.nonzero()[0]
        label_weight = (1 - self.alpha) * targets.label_weight[known]
        weight[known, targets.y[known]] += label_weight
        return weight


class DynamicLoss(DistillationLoss):
    """The loss of the method, with the teachers weighed anew in every step.

    The weights are detached: ``Σ w_t KL(p_t ‖ s)`` and ``KL(Σ w_t p_t ‖ s)`` then have
    the same gradient, and the mix is made here. Rows whose weights are all zero keep
    the mix of the pool, and so do all rows of a validation part, whose loss can then be
    compared between weightings.

    Parameters
    ----------
    alpha : float
        Share of the distillation term, from 0 to 1.
    temperature : float
        The temperature ``T`` that the teachers were softened by.
    weighting : callable
        Maps a :class:`~sk_ekd.dynamic.Step` to weights, see :mod:`sk_ekd.dynamic`.
    hint : str or Hint, default=None
        A layer of the student that is to tell what the teachers' features are.
    """

    def __init__(self, alpha, temperature, weighting, hint=None):
        super().__init__(alpha, temperature, hint)
        self.weighting = weighting
        self.weigh = None  # what is called, once it is open
        self.epoch = 0

    def open(self, teachers, before=None):
        """Get to know the teachers of a fit.

        Parameters
        ----------
        teachers : Teachers
            Who is weighed.
        before : DistillationLoss, default=None
            That of an earlier chunk, whose parameters go on from where they were.

        Returns
        -------
        self : DynamicLoss
            The same object.
        """
        super().open(before=before)
        self.names = teachers.names
        pool = torch.as_tensor(teachers.pool, dtype=torch.float32)
        self.register_buffer("pool", pool, persistent=False)
        if getattr(before, "weighting", None) is self.weighting:
            self.weigh = before.weigh
        elif hasattr(self.weighting, "open"):
            self.weigh = self.weighting.open(teachers)
        else:
            self.weigh = self.weighting
        self.begin_epoch(epoch=0)
        return self

    def begin_epoch(self, *, epoch):
        """Start to count the teachers' shares of an epoch.

        Parameters
        ----------
        epoch : int
            How many epochs were trained before.
        """
        self.epoch, self.n_rows, self.total = epoch, 0, 0.0

    def end_epoch(self):
        """Return the teachers' mean shares in the mix over the rows of the epoch.

        Returns
        -------
        shares : dict of str to float
            By ``share_`` and the teacher's name; they sum to one.
        """
        shares = torch.as_tensor(self.total / max(1, self.n_rows)).expand(
            len(self.names)
        )
        names = [f"share_{name}" for name in self.names]
        return dict(zip(names, shares.tolist(), strict=True))

    def forward(self, output, targets):
        """Return the means of the terms over a batch.

        Parameters
        ----------
        output : object
            What the student says of b rows, see above.
        targets : object
            What it is to learn of them, see above, with the `teachers`.

        Returns
        -------
        terms : dict of str to Tensor of shape ()
            "label" and "distillation", and "gate" of a weighting that is trained.
        """
        own_loss = getattr(self.weigh, "loss", None)
        gate = {} if own_loss is None else {"gate": output.log_proba.new_zeros(())}
        if not self.training or self.alpha == 0:
            return {**super().forward(output, targets), **gate}
        step = self._make_step(output, targets)
        weight = self.weigh(step)  # (b, t)
        self._check(step, weight)
        if gate:
            gate["gate"] = own_loss(step, weight, targets)
        mixed = self._mix(step, weight.detach(), targets)
        return {**super().forward(output, mixed), **gate}

    def _make_step(self, output, targets):
        y, labeled = targets.y, targets.labeled
        if y.ndim == 2:  # shares of mixed rows
            y = torch.where(labeled, y.argmax(dim=1), -1)
        student = F.softmax(output.log_proba.detach() / self.temperature, dim=1)
        proba = targets.teachers
        return Step(y, labeled, proba, self.pool, student, self.epoch)

    def _mix(self, step, weight, targets):
        """Mix the teachers by the weights (b, t), by the pool's where all are zero."""
        predicted = step.proba.any(dim=2)  # (b, t)
        total = weight.sum(dim=1)  # (b,), what the row weighs
        # the share of teachers that do not predict a row goes to the others
        weight = torch.where(predicted, weight, 0.0)
        of_pool = torch.where(predicted, self.pool, 0.0)
        has_weights = weight.sum(dim=1) > 0
        share = torch.where(has_weights[:, None], weight, of_pool)
        share = F.normalize(share, p=1.0, dim=1)  # rows of zeros stay
        self.total = self.total + share.sum(dim=0)
        self.n_rows += len(share)
        mix = torch.einsum("btc,bt->bc", step.proba, share)
        mix = torch.where(has_weights[:, None], mix, targets.mix)
        return targets._replace(
            mix=mix,
            mix_weight=targets.mix_weight * torch.where(has_weights, total, 1.0),
            negentropy=-torch.special.entr(mix).sum(dim=1),
        )

    def _check(self, step, weight):
        """Check the first batch of an epoch: to read values stops a GPU."""
        expected = tuple(step.proba.shape[:2])
        if not isinstance(weight, torch.Tensor) or weight.shape != expected:
            got = tuple(getattr(weight, "shape", ()))
            raise ValueError(
                "A dynamic weighting must return a tensor of shape (batch_size, "
                f"n_teachers), {expected} here, got {type(weight).__name__} of {got}."
            )
        if not self.n_rows and not (torch.isfinite(weight) & (weight >= 0)).all():
            raise ValueError(
                "A dynamic weighting must return finite, non-negative numbers, got "
                f"values from {weight.min():.3g} to {weight.max():.3g}."
            )
