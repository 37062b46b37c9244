"""Train a stack of our own MLP by its own forward and backward pass.

As `_by_hand` does for one: k products of small matrices are faster on a CPU than one
batched product, and everything between them is one operation for all students.
"""

from math import ceil
from typing import NamedTuple

import torch

from ._by_hand import (
    is_plain_adam,
    is_plain_form,
    is_plain_mlp,
    is_plain_table,
    run_epoch,
    scale_rows,
    shares_kept,
    sum_batches,
)
from ._criterion import Criterion
from ._default import MLP
from ._stacked import Stack, StackedForm

LEVELS = 2**16  # of a random number that chooses what is dropped: exact to 0.002 %


def can_train(net, batches):
    """Return whether an epoch over batches in memory can be run by hand."""
    module, criterion = net.module_, net.criterion_
    return (
        type(module) is Stack
        and type(module.module) is MLP
        and type(criterion) is Criterion
        and type(criterion.form) is StackedForm
        and is_plain_form(criterion.form.form)
        and _is_of_mean(criterion.loss)
        and is_plain_table(batches.dataset)
        and is_plain_mlp(module.module)
        and is_plain_adam(net.optimizer_, module)
    )


def _is_of_mean(loss):
    """Return whether a loss says of itself, and not its base class, what it is."""
    return {"forward", "cross_entropies_with_mean"} <= vars(type(loss)).keys()


def train_epoch(net, batches):
    """Train the stack on an epoch of batches -> loss of each, and their sizes.

    What is left is what autograd would have left, up to rounding and other masks of
    Dropout: torch's take most of the time.
    """
    return run_epoch(net, batches, _Steps)


class _Steps:
    """Forward and backward passes of a stack of MLPs, on buffers for a batch."""

    def __init__(self, net, flat, size):
        self.loss, self.flat, self.size = net.criterion_.loss, flat, size
        parts = flat.views(flat.vector), flat.views(flat.gradient)
        of_layers = (part[start::2] for start in (0, 1) for part in parts)
        self.layers = [*map(_Layer, *of_layers)]
        self.keep = [*shares_kept(net.module_.module), 1.0]
        self.buffers = {}

    def run(self, X, targets):
        """Train on rows (n, d) -> dict of the mean of each term in each batch."""
        scale = scale_rows(len(X), self.size)  # (n, 1)
        temperature, label, mix = self.loss.cross_entropies_with_mean(targets)
        weight, mix = label * scale, mix[:, None] * scale  # (n, c), (n, 1)
        total, pull = weight.sum(dim=1, keepdim=True), mix / temperature  # (n, 1)
        log_proba, log_soft, mean = (torch.empty_like(label) for _ in range(3))
        columns = X, weight, total, pull, log_proba, log_soft, mean
        for start in range(0, len(X), self.size):
            rows = slice(start, start + self.size)
            self._step(temperature, *(column[rows] for column in columns))
        kl = -torch.special.entr(mean).sum(dim=1) - torch.linalg.vecdot(mean, log_soft)
        terms = {
            "label": -torch.linalg.vecdot(weight, log_proba),
            "distillation": mix[:, 0] * kl,
        }
        return {name: sum_batches(each, self.size) for name, each in terms.items()}

    def _step(self, temperature, X, weight, total, pull, log_proba, log_soft, mean):
        """Compute the gradients of a batch, and take a step; write what was predicted.

        That is the mean over the students of their log-probabilities, of these at the
        temperature, and of the probabilities at it.
        """
        buffers = self._buffers_of(len(X))
        hidden = self._forward(X, buffers)
        logits = hidden[-1].whole  # (k, b, c)
        each = soft = torch.log_softmax(logits, dim=2)
        if temperature != 1:
            soft = torch.log_softmax(logits / temperature, dim=2)
        proba = soft.exp()
        for values, out in ((each, log_proba), (soft, log_soft), (proba, mean)):
            torch.mean(values, dim=0, out=out)
        delta = buffers[-1].gradient
        torch.exp(each, out=delta.whole).mul_(total).sub_(weight)
        delta.whole.add_(proba.sub_(mean).mul_(pull))
        self._backward(hidden, delta, buffers)
        self.flat.step()

    def _forward(self, X, buffers):
        """Return inputs of each layer, and last the logits."""
        hidden, factor = [_Parts(X, [X])], 1.0
        for layer, keep, buffer in zip(self.layers, self.keep, buffers, strict=True):
            layer.forward(hidden[-1], buffer.value, factor)
            hidden.append(buffer.value)
            if layer is self.layers[-1]:
                return hidden
            buffer.value.whole.relu_()
            factor = 1.0
            if keep < 1:  # what is kept is scaled in the next product
                buffer.value.whole.mul_(_draw_mask(buffer.mask, keep))
                factor = 1 / keep if keep > 0 else 0.0

    def _backward(self, hidden, delta, buffers):
        """Write the gradients, layer by layer from the last.

        A student's is that of its own loss, the trunk's that of their mean.
        """
        for i in range(len(self.layers) - 1, -1, -1):
            keep = self.keep[i - 1] if i else 1.0
            factor = 1 / keep if keep > 0 else 0.0
            before = buffers[i - 1].gradient if i else None
            self.layers[i].backward(hidden[i], delta, before, factor)
            if i:
                before.whole.mul_(hidden[i].whole > 0)
                delta = before

    def _buffers_of(self, n_rows):
        """Return a buffer for each layer in a batch."""
        if n_rows not in self.buffers:
            shapes = [layer.shape_of(n_rows) for layer in self.layers]
            self.buffers[n_rows] = [
                _Buffer(_empty(shape), _empty(shape), torch.empty(shape))
                for shape in shapes
            ]
        return self.buffers[n_rows]


class _Parts(NamedTuple):
    """Values of all students, and the part of each; or of their trunk, and itself."""

    whole: torch.Tensor  # (k, b, h), or (b, h)
    each: list  # of (b, h), k or one


class _Buffer(NamedTuple):
    """What a layer makes of a batch."""

    value: _Parts
    gradient: _Parts
    mask: torch.Tensor  # of Dropout


class _Layer:
    """A Linear layer of each student, or of their trunk."""

    def __init__(self, weight, of_weight, bias, of_bias):
        self.weights, self.of_weights = _each(weight), _each(of_weight)
        self.turned = [part.T for part in self.weights]
        self.biases, self.of_bias = _each(bias, 1), of_bias

    def shape_of(self, n_rows):
        """Return the shape of what it makes of a batch."""
        return *self.of_bias.shape[:-1], n_rows, self.of_bias.shape[-1]

    def forward(self, source, out, factor):
        """Write the products for each student, of which the source may be one."""
        sources = source.each * (len(self.weights) // len(source.each))
        parts = zip(self.biases, sources, self.turned, out.each, strict=True)
        for bias, values, turned, result in parts:
            torch.addmm(bias, values, turned, alpha=factor, out=result)

    def backward(self, source, delta, before, factor):
        """Write the gradients of the layer, and of its source if it has any."""
        torch.sum(delta.whole, dim=-2, out=self.of_bias)
        n_each = len(self.weights) // len(source.each)  # students that a source has
        sources = source.each * n_each
        parts = zip(self.of_weights, delta.each, sources, strict=True)
        for gradient, d, values in parts:
            torch.addmm(gradient, d.T, values, beta=0, alpha=factor, out=gradient)
        if before is None:
            return
        parts = zip(before.each * n_each, delta.each, self.weights, strict=True)
        for j, (result, d, weight) in enumerate(parts):
            beta = float(n_each > 1 and j > 0)  # to the sum of those before
            torch.addmm(result, d, weight, beta=beta, alpha=factor / n_each, out=result)


def _each(values, ndim=2):
    """Return the part of each student, or what is of one trunk in a list."""
    return [values] if values.ndim == ndim else [*values]


def _empty(shape):
    values = torch.empty(shape)
    return _Parts(values, _each(values))


def _draw_mask(mask, keep):
    """Write into a mask what is kept: four numbers of 16 bits at a time."""
    drawn = torch.empty(ceil(mask.numel() / 4), dtype=torch.int64)
    bits = drawn.random_(-(2**63), None).view(torch.int16)[: mask.numel()]
    least = round((1 - keep) * LEVELS) - LEVELS // 2
    return torch.ge(bits.view(mask.shape), least, out=mask)
