"""What a net's output means: logits, probabilities, or the logit of one class."""

from collections.abc import Mapping

import torch
from skorch import NeuralNetBinaryClassifier
from torch import nn
from torch.nn import functional as F

from .._classes import UNLABELED
from .._compat import warn


def first_of(output):
    """Return the output itself, or of several the first, or the one named logits."""
    if isinstance(output, Mapping):  # such as of a Hugging Face model
        if "logits" not in output:
            raise ValueError(
                "The student's module returns a Mapping with the keys "
                f"{list(output)}: one of them must be 'logits'."
            )
        output = output["logits"]
    elif hasattr(output, "logits"):
        output = output.logits
    elif isinstance(output, tuple) and output:
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise ValueError(
            "The student's module must return a tensor, a tuple that begins with one, "
            f"or an object that has one as `logits`, got {type(output).__name__}."
        )
    return output


class Output:
    """What a student says of a batch, whatever the form of its net's output."""

    def __init__(self, form, output, dtype):
        self._form = form
        self._read = form.read(output).to(dtype)  # of a module in mixed precision
        self.log_proba = F.log_softmax(form.logits(self._read), dim=1)  # (b, c)

    def cross_entropy(self, y):
        """Return the loss of the net's own criterion -> (b,), 0 without a label.

        `y` (b,) are indices, -1 unlabeled, or (b, c) shares of the classes, which need
        not sum to one.
        """
        if y.ndim == 1:
            return self._form.cross_entropy(self._read, self.log_proba, y)
        total = y.sum(dim=1)  # (b,)
        shares = y / total.clamp(min=torch.finfo(y.dtype).tiny).unsqueeze(1)
        return total * self._form.soft_cross_entropy(self._read, shares)


class Logits(nn.Module):
    """One logit for each class, as CrossEntropyLoss takes them."""

    def __init__(self, criterion):
        super().__init__()
        self.criterion = criterion
        self.has_options = bool(criterion.label_smoothing) or (
            criterion.weight is not None
        )

    def read(self, output):
        """Return what the criterion takes -> (b, c)."""
        return output

    def logits(self, read):
        """Return the logits of all classes -> (b, c)."""
        return read

    def cross_entropy(self, read, log_proba, y):
        """Return the loss of the criterion -> (b,), 0 where y is -1."""
        if self.has_options:
            return self.criterion(read, y)
        # the same, without a second softmax
        return F.nll_loss(log_proba, y, ignore_index=UNLABELED, reduction="none")

    def soft_cross_entropy(self, read, shares):
        """Return the loss of the criterion for shares of the classes -> (b,)."""
        return self.criterion(read, shares)

    @staticmethod
    def proba(output):
        """Return the probabilities of all classes -> (b, c)."""
        return output.softmax(dim=1)


class Proba(nn.Module):
    """One probability for each class, of which skorch takes the log for NLLLoss."""

    def __init__(self, criterion):
        super().__init__()
        self.criterion = criterion
        self.is_log = None  # until a batch tells; a net's own get_loss may take the log

    def read(self, output):
        """Return what the criterion takes -> (b, c)."""
        if self.is_log is None:
            self.is_log = bool((output < 0).any())
        if self.is_log:
            return output
        return torch.log(output + torch.finfo(output.dtype).eps)  # as skorch does

    def logits(self, read):
        """Return logits of all classes: logs of probabilities are some -> (b, c)."""
        return read

    def cross_entropy(self, read, log_proba, y):
        """Return the loss of the criterion -> (b,), 0 where y is -1."""
        return self.criterion(read, y)

    def soft_cross_entropy(self, read, shares):
        """Return the loss of the criterion for shares of the classes -> (b,)."""
        weight = self.criterion.weight
        shares = shares if weight is None else shares * weight
        return -torch.linalg.vecdot(shares, read)

    @staticmethod
    def proba(output):
        """Return the probabilities of all classes -> (b, c)."""
        return output / output.sum(dim=1, keepdim=True)


class OneLogit(nn.Module):
    """The one logit of the second of two classes, as BCEWithLogitsLoss takes it."""

    def __init__(self, criterion):
        super().__init__()
        self.criterion = criterion

    def read(self, output):
        """Return what the criterion takes -> (b,)."""
        return output

    def logits(self, read):
        """Return the logits of both classes -> (b, 2)."""
        return torch.stack([torch.zeros_like(read), read], dim=1)

    def cross_entropy(self, read, log_proba, y):
        """Return the loss of the criterion -> (b,), 0 where y is -1."""
        known = (y != UNLABELED).to(read.dtype)
        positive = y.clamp(min=0).to(read.dtype)
        return known * self.criterion(read, positive)

    def soft_cross_entropy(self, read, shares):
        """Return the loss of the criterion for shares of the classes -> (b,)."""
        return self.criterion(read, shares[:, 1])

    @staticmethod
    def proba(output):
        """Return the probabilities of both classes -> (b, 2)."""
        return torch.stack([-output, output], dim=1).sigmoid()


_FORMS = {
    nn.CrossEntropyLoss: Logits,
    nn.NLLLoss: Proba,
    nn.BCEWithLogitsLoss: OneLogit,
}


def own_criterion(net):
    """Return the criterion that the user gave the net, made if it is not yet."""
    if net.initialized_:
        return uncompiled(net.criterion_)
    return net.initialized_instance(net.criterion, net.get_params_for("criterion"))


def make_form(net):
    """Return the form of the net's output, with the options of its own criterion."""
    own = own_criterion(net)
    names = ("weight", "pos_weight", "label_smoothing")
    options = {name: getattr(own, name) for name in names if hasattr(own, name)}
    criterion = type(own)(**options, reduction="none")
    if hasattr(criterion, "ignore_index"):
        criterion.ignore_index = UNLABELED
    return _FORMS[type(own)](criterion)


def check_criterion(net):
    """Raise unless the net's criterion says what its module returns."""
    own = own_criterion(net)
    allowed = (nn.CrossEntropyLoss, nn.NLLLoss)
    if is_binary(net):
        allowed = (nn.BCEWithLogitsLoss,)
    if type(own) not in allowed:
        names = " or ".join(f"torch.nn.{c.__name__}" for c in allowed)
        raise TypeError(
            f"The criterion of the student, a {type(net).__name__}, must be {names}, "
            f"got {type(own).__name__}: the distillation loss takes its place during "
            "the fit and must know what the module returns."
        )


class ProbaOfLogits:
    """Turns an output with logits among others into probabilities, for skorch."""

    def __init__(self, form):
        self.form = form

    def __call__(self, output):
        """Return the probabilities of all classes -> (b, c)."""
        return self.form.proba(first_of(output))


def to_proba(net):
    """Return what turns an output of the fitted net into probabilities."""
    own = net.predict_nonlinearity
    if isinstance(own, ProbaOfLogits):
        return own.form.proba
    if callable(own):
        return own
    return _FORMS[type(uncompiled(net.criterion_))].proba


def proba_of(net, output):
    """Return the probabilities that a fitted net means by an output -> (b, c).

    In float64, so that rows sum to one for scikit-learn's metrics.
    """
    read = to_proba(net)
    if isinstance(output, Mapping) and read is net.predict_nonlinearity:
        return read(output).double()  # the user's own, which chooses
    return read(first_of(output).double())


def has_logits(net):
    """Return whether the module of a fitted net returns logits."""
    return not isinstance(own_criterion(net), nn.NLLLoss)


def logits_of(net, output):
    """Return the logits that a fitted net means by an output -> (b, c), in float64."""
    output = first_of(output).double()
    if is_binary(net):  # halves favor no class by their size
        return torch.stack([-output, output], dim=1) / 2
    return output


def is_binary(net):
    """Return whether the net has one logit."""
    return isinstance(net, NeuralNetBinaryClassifier)


def check_output(form, output, n_samples, n_classes):
    """Say what is wrong with the untrained module's output for a few rows."""
    output = first_of(output)
    shape = tuple(output.shape)
    if isinstance(form, OneLogit):
        if n_classes != 2:
            raise ValueError(
                f"NeuralNetBinaryClassifier is for 2 classes, there are {n_classes}: "
                "use NeuralNetClassifier with CrossEntropyLoss."
            )
        if shape not in ((n_samples,), (n_samples, 1)):
            raise ValueError(
                "The student's module must return one logit a row, got an output of "
                f"shape {shape}. Leave `module__out_features` unset where the module's "
                "__init__ takes `out_features`."
            )
        return
    if shape != (n_samples, n_classes):
        raise ValueError(
            f"The student's module must return one value for each of the {n_classes} "
            f"classes, shape {(n_samples, n_classes)} for {n_samples} rows, got "
            f"{shape}. Give it that width, or leave `module__out_features` unset where "
            "the module's __init__ takes `out_features`. A Hugging Face model has it "
            "from `num_labels` of its config: pass its from_config as the module, and "
            "`module__config`, to have it set."
        )
    _check_nonlinearity(form, output)


def _check_nonlinearity(form, output):
    rounding = max(1e-5, 10 * torch.finfo(output.dtype).eps)
    total = output.float().sum(dim=1)
    is_proba = bool((output >= 0).all() and ((total - 1).abs() < rounding).all())
    if isinstance(form, Proba) and not is_proba:
        raise ValueError(
            "With NLLLoss, skorch expects a module that returns probabilities, got "
            f"values from {output.min():.3g} to {output.max():.3g}. End it in a "
            "softmax, or return logits and set criterion=torch.nn.CrossEntropyLoss."
        )
    if isinstance(form, Logits) and is_proba:
        warn(
            "The student's module seems to end in a softmax, but CrossEntropyLoss "
            "expects logits and applies its own: the student will be far too unsure. "
            "Drop the softmax, or set criterion=torch.nn.NLLLoss.",
            "One softmax too many",
        )


def uncompiled(module):
    """Return what torch.compile was given."""
    return getattr(module, "_orig_mod", module)  # as skorch does
