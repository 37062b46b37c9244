"""A loss in the place of a net's criterion, and its terms in the net's history."""

from functools import reduce
from operator import add

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn

from ._hint import as_features
from ._output import Output, first_of
from ._packed import unpack


class Criterion(nn.Module):
    """Asks the loss about a batch of packed rows, and remembers its terms."""

    def __init__(self, form, loss, n_classes, n_teachers=0, n_features=0):
        super().__init__()
        self.form = form
        self.loss = loss
        # the last two: teachers that the loss is to mix, features that it gives as hint
        self.widths = n_classes, n_teachers, n_features
        self.heard = []  # what the layer said that gets the hint
        self.n_students = 1  # that each row is for
        self.names = ()  # of the terms
        self.terms = []  # of each batch of the epoch: rows, and the terms
        self.valid_terms = []  # the same, labeled rows, and how many of them are right

    @property
    def n_classes(self):
        """Number of classes."""
        return self.widths[0]

    def forward(self, output, packed):
        """Return the mean loss of a batch."""
        output = first_of(output)
        if self.n_students > 1:
            packed = packed.repeat_interleave(self.n_students, dim=0)
        targets = unpack(packed, *self.widths)
        output = Output(self.form, output, packed.dtype)
        if targets.features is not None:
            hidden = as_features(self.heard, self.loss.hint.layer)
            output.hidden = hidden.to(packed.dtype)
        terms = self.loss(output, targets)
        self.names, values = tuple(terms), terms.values()
        seen = len(packed), *(term.detach() for term in values)
        if self.training:
            self.terms.append(seen)
        else:
            hits = targets.is_right(output.log_proba).sum()
            self.valid_terms.append((targets.labeled.sum(), hits, *seen))
        return reduce(add, values)

    def state_dict(self, *args, **kwargs):
        """Return that of the user's own criterion, for a Checkpoint to be loaded."""
        return self.form.criterion.state_dict(*args, **kwargs)

    def load_state_dict(self, *args, **kwargs):
        """Load that of the user's own criterion."""
        return self.form.criterion.load_state_dict(*args, **kwargs)


class MakeCriterion:
    """Hands skorch the criterion, and ignores the options of the user's own."""

    def __init__(self, criterion):
        self.criterion = criterion

    def __call__(self, **options):
        """Return the criterion; its form has the options already."""
        return self.criterion


class LossTerms(Callback):
    """Write the terms of the loss into the history, read once an epoch."""

    def __init__(self, criterion=None, epochs=None):
        self.criterion = criterion
        self.epochs = epochs
        self.best_accuracy = -1.0
        self.n_epochs = 0

    def get_params(self, deep=True):
        """Return no parameters: these are none of the net's."""
        return {}

    def __getstate__(self):  # for a Checkpoint that pickles the net
        return {}

    def on_epoch_begin(self, net, **kwargs):
        """Forget the epoch before."""
        self.criterion.terms.clear()
        self.criterion.valid_terms.clear()
        how = {"epoch": self.n_epochs, "n_epochs": net.max_epochs}
        _tell(self.criterion.loss, "begin_epoch", **how)
        self.epochs.begin()

    def on_epoch_end(self, net, **kwargs):
        """Write the terms of the epoch into the history."""
        if not self.criterion.terms:
            raise ValueError(
                "The student trained on no batch: its batch size with drop_last is "
                "larger than the number of rows, or its get_loss does not call its "
                "criterion, which the distillation loss takes the place of."
            )
        names = self.criterion.names
        _record(net.history, names, *zip(*self.criterion.terms, strict=True))
        if self.criterion.valid_terms:
            labeled, hits, *seen = zip(*self.criterion.valid_terms, strict=True)
            _record(net.history, [f"valid_{name}" for name in names], *seen)
            accuracy = float(sum(hits).double() / sum(labeled))  # NaN of no labels
            net.history.record("valid_acc", accuracy)
            net.history.record("valid_acc_best", accuracy > self.best_accuracy)
            self.best_accuracy = max(accuracy, self.best_accuracy)
        for name, value in (_tell(self.criterion.loss, "end_epoch") or {}).items():
            net.history.record(name, value)
        self.n_epochs += 1


def _tell(loss, event, **how):
    """Let a loss that asks for it know of an epoch -> what it answers."""
    return getattr(loss, event)(**how) if hasattr(loss, event) else None


def _record(history, names, rows, *terms):
    """Record the mean of each term over an epoch's rows."""
    for name, term in zip(names, terms, strict=True):
        batches = torch.stack(term).double().cpu().numpy()
        history.record(f"{name}_loss", float(np.average(batches, weights=rows)))
