"""The loss of students that teach each other."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from ._label import label_shares, label_term


class OnlineLoss(nn.Module):
    """The loss of students that teach each other: labels, and their mean.

    ``(1 - α) · label_weight · CE(y, s)  +  α · r · T² · mix_weight · KL(m ‖ s^(T))``

    is the loss of a student, and the mean over the k students is minimized. The mean
    ``m`` of all their ``s^(T)`` is a constant in it. The ramp ``r`` rises over the
    first epochs as ``exp(-5 (1 - t)²)`` [1]_, ``t`` from 0 to 1: students that have
    learned nothing have nothing to teach. On a validation part it is one.

    Parameters
    ----------
    alpha : float
        Share of the distillation term, from 0 to less than 1.
    temperature : float
        The temperature ``T`` that all students are softened by.
    n_students : int
        The number ``k`` of students, for each of which a batch has its rows once.
    ramp : float, default=0.3
        Share of the epochs over which the distillation term is ramped up.

    References
    ----------
    .. [1] S. Laine, T. Aila, "Temporal Ensembling for Semi-Supervised Learning",
       arXiv:1610.02242, 2017.
    """

    def __init__(self, alpha, temperature, n_students, ramp=0.3):
        super().__init__()
        self.alpha = alpha
        self.temperature = temperature
        self.n_students = n_students
        self.ramp = ramp
        self.factor = 1.0

    def begin_epoch(self, epoch, n_epochs):
        """Ramp up the distillation term.

        Parameters
        ----------
        epoch : int
            How many epochs were trained before.
        n_epochs : int
            How many there are at most.
        """
        progress = epoch / n_epochs
        self.factor = math.exp(-5 * max(0.0, 1 - progress / self.ramp) ** 2)

    def forward(self, output, targets):
        """Return the means of both terms over a batch and all students.

        Parameters
        ----------
        output : object
            What the students say of b rows, (b · k) in all, those of a row together.
        targets : object
            What each of them is to learn, as many.

        Returns
        -------
        terms : dict of str to Tensor of shape ()
            "label" and "distillation".
        """
        label = label_term(1 - self.alpha, output, targets)
        if self.alpha == 0:
            return {"label": label, "distillation": torch.zeros_like(label)}
        log_student = output.log_proba  # (b · k, c)
        if self.temperature != 1:
            log_student = F.log_softmax(log_student / self.temperature, dim=1)
        log_student = log_student.unflatten(0, (-1, self.n_students))  # (b, k, c)
        mean = log_student.detach().exp().mean(dim=1, keepdim=True)  # (b, 1, c)
        constant = -torch.special.entr(mean).sum(dim=2)  # (b, 1)
        kl = constant - torch.linalg.vecdot(mean, log_student)  # (b, k)
        scale = self._strength() / kl.numel()
        distillation = scale * torch.dot(targets.mix_weight, kl.flatten())
        return {"label": label, "distillation": distillation}

    def cross_entropies_with_mean(self, targets):
        """Return the weights of both terms, from which a step can be computed.

        Parameters
        ----------
        targets : object
            What each of the students is to learn of b rows.

        Returns
        -------
        temperature : float
            That of the second term.
        label : Tensor of shape (b, c)
            The weight of each class in the first: ``-Σ weight · log softmax(logits)``.
        distillation : Tensor of shape (b,)
            The weight of the divergence from the students' mean.
        """
        label = label_shares(1 - self.alpha, targets)
        return self.temperature, label, self._strength() * targets.mix_weight

    def _strength(self):
        """Return the factor of the distillation term, by now."""
        return self.alpha * self.temperature**2 * (self.factor if self.training else 1)
