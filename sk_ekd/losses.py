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
by the row's weight, and `label_weight` is one.
"""

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["DistillationLoss"]


class DistillationLoss(nn.Module):
    """The loss of the method: labels, and the mix of the teachers.

    ``(1 - α) · label_weight · CE(y, s)  +  α · T² · mix_weight · KL(mix ‖ s^(T))``

    Parameters
    ----------
    alpha : float
        Share of the distillation term, from 0 to 1.
    temperature : float
        The temperature ``T`` that the mix was softened by.
    """

    def __init__(self, alpha, temperature):
        super().__init__()
        self.alpha = alpha
        self.temperature = temperature

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
            "label" and "distillation"; 0 where `alpha` leaves a term no share.
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
        return {"label": label, "distillation": distillation}

    def cross_entropies(self, targets):
        """Return both terms as cross-entropies, from which a step can be computed.

        A term of a row is ``constant - Σ weight · log softmax(logits / T)``. `forward`
        computes the same; a loss that overrides it overrides this, too, or is trained
        by autograd.

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
