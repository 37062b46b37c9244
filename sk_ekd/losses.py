"""The loss of the method, in place of the one that the student's net was built for."""

import numpy as np
import torch
from scipy.special import entr
from sklearn.utils import gen_batches
from skorch import NeuralNetBinaryClassifier
from skorch.callbacks import Callback
from torch import nn
from torch.nn import functional as F

from ._classes import UNLABELED

__all__ = []

BLOCK_ROWS = 2**16  # whose entropy is computed at once


class _DistillationLoss:
    """The loss of the method, averaged over the rows of a batch.

    ``(1 - α) · label_weight · CE(y, s) + α · T² · weight · KL(target ‖ s^(T))``

    A mixin over the torch loss that the net was built for, so that skorch goes on to
    choose the right nonlinearity at prediction.
    """

    def __init__(self, *, alpha, temperature, **kwargs):
        super().__init__(**{**kwargs, "reduction": "none"})
        self.ignore_index = UNLABELED
        self.alpha = alpha
        self.temperature = temperature
        self.terms = []  # of each batch of the epoch: rows, label and distillation loss
        self.valid_terms = []  # the same, labeled rows, and how many of them are right

    def forward(self, output, rows):
        """Return the mean loss of a batch of packed rows, see `pack_rows`."""
        output = output[0] if isinstance(output, tuple) else output
        output = output.to(rows.dtype)  # of a module in mixed precision
        label, label_weight, weight, negentropy, target = _unpack_rows(rows)
        log_student = F.log_softmax(self.logits(output), dim=1)  # (b, c)
        label_loss = distillation_loss = output.new_zeros(())
        if self.alpha < 1:
            each = self.label_loss(output, log_student, label)  # (b,), 0 unlabeled
            scale = (1 - self.alpha) / len(rows)
            label_loss = scale * torch.dot(label_weight, each)
        if self.alpha > 0:
            if self.temperature != 1:  # logs of probabilities are logits
                log_student = F.log_softmax(log_student / self.temperature, dim=1)
            kl = negentropy - torch.linalg.vecdot(target, log_student)  # (b,)
            scale = self.alpha * self.temperature**2 / len(rows)
            distillation_loss = scale * torch.dot(weight, kl)
        terms = len(rows), label_loss.detach(), distillation_loss.detach()
        if self.training:
            self.terms.append(terms)
        else:
            hit = log_student.argmax(dim=1) == label  # never, where unlabeled
            self.valid_terms.append((*terms, (label != UNLABELED).sum(), hit.sum()))
        return label_loss + distillation_loss

    def label_loss(self, output, log_student, label):
        """Return the torch loss of each row -> (b,)."""
        return super().forward(output, label)

    def logits(self, output):
        """Return logits of all classes -> (b, c)."""
        return output


class _LogitsLoss(_DistillationLoss, nn.CrossEntropyLoss):
    """For modules that end in one logit for each class."""

    def label_loss(self, output, log_student, label):
        if self.label_smoothing:
            return super().label_loss(output, log_student, label)
        # the same, without a second softmax
        options = {"ignore_index": UNLABELED, "reduction": "none"}
        return F.nll_loss(log_student, label, self.weight, **options)


class _ProbaLoss(_DistillationLoss, nn.NLLLoss):
    """For modules that end in a softmax: skorch takes the log, and logs are logits."""


class _BinaryLoss(_DistillationLoss, nn.BCEWithLogitsLoss):
    """For modules that end in the one logit of the second class."""

    def label_loss(self, output, log_student, label):
        known = (label != UNLABELED).to(output.dtype)
        positive = label.clamp(min=0).to(output.dtype)
        return known * super().label_loss(output, log_student, positive)

    def logits(self, output):
        return torch.stack([torch.zeros_like(output), output], dim=1)


_LOSSES = {
    nn.CrossEntropyLoss: _LogitsLoss,
    nn.NLLLoss: _ProbaLoss,
    nn.BCEWithLogitsLoss: _BinaryLoss,
}


class LossTerms(Callback):
    """Write the terms of the loss into the history, read once an epoch.

    Parameters
    ----------
    epochs : Epochs, default=None
        Who follows the epochs.
    """

    def __init__(self, epochs=None):
        self.epochs = epochs
        self.best_accuracy = -1.0

    def get_params(self, deep=True):
        """Return no parameters: these are none of the net's.

        Parameters
        ----------
        deep : bool, default=True
            Not used.
        """
        return {}

    def __getstate__(self):  # for a Checkpoint that pickles the net
        return {}

    def on_epoch_begin(self, net, **kwargs):
        """Forget the epoch before.

        Parameters
        ----------
        net : skorch classifier
            Its criterion keeps the terms of each batch.
        **kwargs : dict
            Not used.
        """
        net.criterion_.terms.clear()
        net.criterion_.valid_terms.clear()
        self.epochs.begin()

    def on_epoch_end(self, net, **kwargs):
        """Write the terms of the epoch into the history.

        Parameters
        ----------
        net : skorch classifier
            Its criterion keeps the terms of each batch.
        **kwargs : dict
            Not used.
        """
        if not net.criterion_.terms:
            raise ValueError(
                "The student trained on no batch: its batch size with drop_last is "
                "larger than the number of rows, or its get_loss does not call its "
                "criterion, which the distillation loss takes the place of."
            )
        self._record(net.history, "", *zip(*net.criterion_.terms, strict=True))
        if net.criterion_.valid_terms:
            *terms, labeled, hits = zip(*net.criterion_.valid_terms, strict=True)
            self._record(net.history, "valid_", *terms)
            accuracy = float(sum(hits).double() / sum(labeled))  # NaN of no labels
            net.history.record("valid_acc", accuracy)
            net.history.record("valid_acc_best", accuracy > self.best_accuracy)
            self.best_accuracy = max(accuracy, self.best_accuracy)

    @staticmethod
    def _record(history, prefix, rows, *terms):
        for name, term in zip(("label", "distillation"), terms, strict=True):
            batches = torch.stack(term).double().cpu().numpy()
            mean = float(np.average(batches, weights=rows))
            history.record(f"{prefix}{name}_loss", mean)


def matching_loss(net):
    """Return the distillation form of the net's criterion.

    Parameters
    ----------
    net : skorch classifier
        Its criterion says what its module returns.

    Returns
    -------
    loss : type
        Takes `alpha`, `temperature` and `kwargs`.
    kwargs : dict
        The arguments of the net's own criterion.
    """
    own = net.initialized_instance(net.criterion, net.get_params_for("criterion"))
    allowed = (nn.CrossEntropyLoss, nn.NLLLoss)
    if isinstance(net, NeuralNetBinaryClassifier):
        allowed = (nn.BCEWithLogitsLoss,)
    if type(own) not in allowed:
        names = " or ".join(f"torch.nn.{c.__name__}" for c in allowed)
        raise TypeError(
            f"The criterion of the student, a {type(net).__name__}, must be {names}, "
            f"got {type(own).__name__}: the distillation loss takes its place during "
            "the fit and must know what the module returns."
        )
    names = ("weight", "pos_weight", "label_smoothing")
    kwargs = {name: getattr(own, name) for name in names if hasattr(own, name)}
    return _LOSSES[type(own)], kwargs


def pack_rows(y, label_weight, weight, target):
    """Pack all that the loss needs to know of a row into one tensor.

    One tensor is one look-up a batch, and passes through any Dataset or loader.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Index of the label, -1 where it is unknown.
    label_weight, weight : ndarray of shape (n_samples,)
        Weights of the label term and of the distillation term.
    target : ndarray of shape (n_samples, n_classes)
        Soft targets.

    Returns
    -------
    rows : Tensor of shape (n_samples, 4 + n_classes), dtype float32
    """
    rows = np.empty((len(y), 4 + target.shape[1]), dtype=np.float32)
    rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 4:] = y, label_weight, weight, target
    for block in gen_batches(len(y), BLOCK_ROWS):  # the constant of the KL
        rows[block, 3] = -entr(target[block].astype(np.float64)).sum(axis=1)
    return torch.from_numpy(rows)


def _unpack_rows(rows):
    """Undo `pack_rows` on a batch -> (b,), (b,), (b,), (b,), (b, c)."""
    label, label_weight, weight, negentropy = rows[:, :4].unbind(dim=1)
    return label.long(), label_weight, weight, negentropy, rows[:, 4:]
