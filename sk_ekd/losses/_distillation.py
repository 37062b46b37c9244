"""The loss of the method: labels, and the mix of the teachers."""

import torch
from torch import nn
from torch.nn import functional as F

from ._hint import HintTerm
from ._label import label_shares, label_term


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
        self.hint = None if hint is None else HintTerm(hint)

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
            label = label_term(1 - self.alpha, output, targets)
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
        label = label_shares(1 - self.alpha, targets)
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
