"""The loss of the method, with the teachers mixed anew in every step."""

import torch
from torch import nn
from torch.nn import functional as F

from .._step import Step
from ._distillation import DistillationLoss


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
        Maps a :class:`~sk_ekd.dynamic.Step` to weights, see ``sk_ekd.dynamic``.
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
        left_out = getattr(self.weighting, "left_out", ())
        is_mixed = torch.tensor([name not in left_out for name in teachers.names])
        self.register_buffer("is_mixed", is_mixed, persistent=False)
        can_open = hasattr(self.weighting, "open")
        self.weigh = self.weighting.open(teachers) if can_open else self.weighting
        earlier = getattr(before, "weigh", None)
        if isinstance(self.weigh, nn.Module) and type(self.weigh) is type(earlier):
            self.weigh.load_state_dict(earlier.state_dict())
        self.begin_epoch(epoch=0)
        return self

    def begin_epoch(self, epoch, n_epochs=None):
        """Start to count the teachers' shares of an epoch.

        Parameters
        ----------
        epoch : int
            How many epochs were trained before.
        n_epochs : int, default=None
            Not used.
        """
        self.epoch, self.n_rows, self.total = epoch, 0, 0.0

    def end_epoch(self):
        """Return the teachers' mean shares in the mix over the rows of the epoch.

        Returns
        -------
        shares : dict of str to float
            By ``share_`` and the teacher's name; they sum to one.
        """
        if not self.n_rows:  # with an alpha of zero nothing is weighed
            return {}
        names = [f"share_{name}" for name in self.names]
        return dict(zip(names, (self.total / self.n_rows).tolist(), strict=True))

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
        predicted = step.proba.any(dim=2) & self.is_mixed  # (b, t)
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
