"""Train our own MLP by its own forward and backward pass.

In small batches, most of a step's time is not arithmetic, but what autograd and an
optimizer of many tensors do around it. Here a step is some twenty operations on buffers
that are made once, and all parameters are one vector.
"""

import torch
from torch import nn
from torch.optim.adam import adam
from torch.optim.adamw import adamw

from ._adamw import AdamW
from ._criterion import Criterion
from ._default import MLP
from ._output import Logits
from ._packed import unpack

STEPS = {torch.optim.Adam: adam, torch.optim.AdamW: adamw, AdamW: adamw}
PLAIN = {"amsgrad": False, "maximize": False, "capturable": False}  # options of both
MOMENTS = "exp_avg", "exp_avg_sq"  # names in the state of both
BLOCK_VALUES = 2**22  # of X, copied in the order of training at once: 16 MB


def can_train(net, batches):
    """Return whether an epoch over batches in memory can be run by hand."""
    module, criterion = net.module_, net.criterion_
    return (
        type(module) is MLP
        and type(criterion) is Criterion
        and is_plain_form(criterion.form)
        and _is_of_cross_entropies(criterion.loss)
        and is_plain_table(batches.dataset)
        and is_plain_mlp(module)
        and is_plain_adam(net.optimizer_, module)
    )


def is_plain_form(form):
    """Return whether an output is logits, and the criterion has no options."""
    return type(form) is Logits and not form.has_options


def is_plain_table(rows):
    """Return whether rows are a dense table on a CPU."""
    return (
        not rows.by_batch
        and isinstance(rows.X, torch.Tensor)  # no Mapping of them
        and rows.X.ndim == 2
        and rows.X.device.type == "cpu"
    )


def _is_of_cross_entropies(loss):
    """Return whether a loss says of itself, and not its base class, what it is."""
    own = {"forward", "cross_entropies"} <= vars(type(loss)).keys()
    return own and not [*loss.parameters()]


def is_plain_mlp(module):
    """Return whether nobody has changed the layers, or listens to them."""
    layers = [*module]
    kinds = [nn.Linear, nn.ReLU, nn.Dropout] * (len(layers) // 3) + [nn.Linear]
    hooks = (  # private: torch has no way to ask
        "_forward_hooks", "_forward_pre_hooks", "_backward_hooks",
        "_backward_pre_hooks",
    )  # fmt: skip
    return (
        [type(layer) for layer in layers] == kinds
        and all(
            p.requires_grad and p.dtype == torch.float32 for p in module.parameters()
        )
        and all(layer.bias is not None for layer in layers[::3])
        and not any(getattr(m, hook, None) for m in module.modules() for hook in hooks)
    )


def is_plain_adam(optimizer, module):
    """Return whether all parameters take the same plain steps."""
    if type(optimizer) not in STEPS or len(optimizer.param_groups) != 1:
        return False
    (group,) = optimizer.param_groups
    hooks = "_optimizer_step_pre_hooks", "_optimizer_step_post_hooks"  # as above
    return (
        [*map(id, group["params"])] == [*map(id, module.parameters())]
        and all(group.get(name) == value for name, value in PLAIN.items())
        and isinstance(group["lr"], float)
        and not any(getattr(optimizer, hook, None) for hook in hooks)
    )


def train_epoch(net, batches):
    """Train the net on an epoch of batches -> loss of each (k,), and their sizes.

    The parameters, the optimizer's state and the criterion's terms are afterwards what
    autograd would have left there, up to rounding, from the same random numbers.
    """
    return run_epoch(net, batches, _Steps)


def run_epoch(net, batches, make_steps):
    """Run an epoch by what `make_steps` makes -> loss of each batch, and their sizes.

    It is made of the net, its parameters as Flat and the size of a batch, and its
    `run(X, targets)` trains on rows -> dict of the mean of each term in each batch.
    """
    rows, criterion = batches.dataset, net.criterion_
    flat = Flat(net)
    with torch.inference_mode():
        order = (torch.randperm if batches.shuffle else torch.arange)(len(rows))
        size = batches.batch_size
        if batches.drop_last:
            order = order[: len(order) // size * size]
        steps, losses, sizes = make_steps(net, flat, size), [], []
        n_batches = max(1, BLOCK_VALUES // (size * max(1, rows.X.shape[1])))
        for block in order.split(n_batches * size):
            targets = unpack(rows.rows[block], criterion.n_classes)
            means = steps.run(rows.X[block], targets)  # (k,) each
            counts = [len(part) for part in block.split(size)]
            criterion.names = tuple(means)
            criterion.terms += zip(counts, *means.values(), strict=True)
            losses.append(sum(means.values()))
            sizes += counts
    flat.hand_back()
    return torch.cat(losses).tolist() if losses else [], sizes


class Flat:
    """The parameters of a net, their gradients and moments, as one vector each."""

    def __init__(self, net):
        self.optimizer = net.optimizer_
        (self.group,) = self.optimizer.param_groups
        self.params = self.group["params"]
        self.vector = torch.cat([p.detach().flatten() for p in self.params])
        self.gradient = torch.zeros_like(self.vector)
        self.moments = [torch.zeros_like(self.vector) for _ in MOMENTS]
        self.n_steps = torch.zeros(())
        states = [self.optimizer.state.get(p) for p in self.params]
        if all(states):  # it trained before
            self.n_steps = states[0]["step"].clone()
            for moment, name in zip(self.moments, MOMENTS, strict=True):
                torch.cat([state[name].flatten() for state in states], out=moment)
        self.update = STEPS[type(self.optimizer)]

    def views(self, vector):
        """Return the parts of a vector in the shapes of the parameters."""
        parts = vector.split([p.numel() for p in self.params])
        return [part.view_as(p) for part, p in zip(parts, self.params, strict=True)]

    def step(self):
        """Take a step against the gradient."""
        group, (mean, square) = self.group, self.moments
        beta1, beta2 = group["betas"]
        self.update(
            [self.vector], [self.gradient], [mean], [square], [], [self.n_steps],
            fused=True, amsgrad=False, maximize=False, beta1=beta1, beta2=beta2,
            lr=group["lr"], weight_decay=group["weight_decay"], eps=group["eps"],
        )  # fmt: skip

    def hand_back(self):
        """Write parameters and moments where torch keeps them."""
        with torch.no_grad():
            for p, values in zip(self.params, self.views(self.vector), strict=True):
                p.copy_(values)
        moments = [self.views(moment) for moment in self.moments]
        for p, mean, square in zip(self.params, *moments, strict=True):
            state = dict(zip(MOMENTS, (mean.clone(), square.clone()), strict=True))
            self.optimizer.state[p] = {"step": self.n_steps.clone(), **state}


def shares_kept(module):
    """Return which share of its units each Dropout keeps."""
    return [1 - layer.p for layer in module if type(layer) is nn.Dropout]


def scale_rows(n_rows, size):
    """Return one over the size of each row's batch -> (n, 1)."""
    scale = torch.full((n_rows, 1), 1 / size)
    if rest := n_rows % size:
        scale[-rest:] = 1 / rest
    return scale


def sum_batches(each, size):
    """Sum values of rows (n,) over each batch -> (k,)."""
    n_whole = len(each) // size * size
    whole = each[:n_whole].view(-1, size).sum(dim=1)
    rest = each[n_whole:].sum().reshape(-1)[: len(each) > n_whole]
    return torch.cat([whole, rest])


class _Steps:
    """Forward and backward passes of an MLP, on buffers for a batch."""

    def __init__(self, net, flat, size):
        self.loss, self.flat, self.size = net.criterion_.loss, flat, size
        params, gradients = flat.views(flat.vector), flat.views(flat.gradient)
        self.weights, self.biases = params[::2], params[1::2]
        self.turned = [weight.T for weight in self.weights]
        self.of_weights, self.of_biases = gradients[::2], gradients[1::2]
        self.keep = shares_kept(net.module_)
        self.buffers = {}

    def run(self, X, targets):
        """Train on rows (n, d) -> dict of the mean of each term in each batch (k,)."""
        terms = self.loss.cross_entropies(targets)
        temperatures = sorted({temperature for temperature, _, _ in terms.values()})
        scale = scale_rows(len(X), self.size)  # (n, 1)
        parts = []  # of each temperature: it, what to subtract, what to multiply by
        for temperature in temperatures:
            weights = [w for t, w, _ in terms.values() if t == temperature]
            weight = sum(weights) * (scale / temperature)  # (n, c)
            total = weight.sum(dim=1, keepdim=True)  # (n, 1)
            log_proba = torch.empty_like(weight)
            parts.append((temperature, weight, total, log_proba))
        for start in range(0, len(X), self.size):
            rows = slice(start, start + self.size)
            batch = [(t, w[rows], s[rows], p[rows]) for t, w, s, p in parts]
            self._step(X[rows], batch)
        return self._means(terms, {t: p for t, _, _, p in parts}, scale)

    def _means(self, terms, log_proba, scale):
        """Return the mean of each term in each batch -> dict of (k,)."""
        means = {}
        for name, (temperature, weight, constant) in terms.items():
            each = constant - torch.linalg.vecdot(weight, log_proba[temperature])
            means[name] = sum_batches(each * scale[:, 0], self.size)
        return means

    def _step(self, X, parts):
        """Compute the gradient of a batch, and take a step."""
        hidden, delta = self._forward(X, parts)
        self._backward(hidden, delta)
        self.flat.step()

    def _forward(self, X, parts):
        """Return inputs of each layer, and the loss's gradient by the logits (b, c)."""
        buffers = self._buffers_of(len(X))
        hidden, factor = [X], 1.0
        layers = zip(self.turned[:-1], self.biases, self.keep, buffers, strict=False)
        for turned, bias, keep, (value, mask, _) in layers:
            torch.addmm(bias, hidden[-1], turned, alpha=factor, out=value)
            value.relu_()
            factor = 1.0
            if keep < 1:  # what is kept is scaled in the next product
                value.mul_(mask.bernoulli_(keep))
                factor = 1 / keep if keep > 0 else 0.0
            hidden.append(value)
        logits = torch.addmm(self.biases[-1], hidden[-1], self.turned[-1], alpha=factor)
        delta = None
        for temperature, weight, total, log_proba in parts:
            scaled = logits if temperature == 1 else logits / temperature
            torch.log_softmax(scaled, dim=1, out=log_proba)
            part = torch.exp(log_proba).mul_(total).sub_(weight)
            delta = part if delta is None else delta.add_(part)
        return hidden, delta

    def _backward(self, hidden, delta):
        """Write the gradient, layer by layer from the last."""
        buffers = self._buffers_of(len(delta))
        for i in range(len(self.weights) - 1, -1, -1):
            keep = self.keep[i - 1] if i else 1.0
            factor = 1 / keep if keep > 0 else 0.0
            gradient, value = self.of_weights[i], hidden[i]
            torch.addmm(gradient, delta.T, value, beta=0, alpha=factor, out=gradient)
            torch.sum(delta, dim=0, out=self.of_biases[i])
            if i:
                before = buffers[i - 1][2]
                torch.addmm(
                    before, delta, self.weights[i], beta=0, alpha=factor, out=before
                )
                delta = before.mul_(value > 0)

    def _buffers_of(self, n_rows):
        """Return the values, mask and gradient of each hidden layer in a batch."""
        if n_rows not in self.buffers:
            self.buffers[n_rows] = [
                tuple(torch.empty(n_rows, len(bias)) for _ in range(3))
                for bias in self.biases[:-1]
            ]
        return self.buffers[n_rows]
