"""The parts that students.py tries: networks, preprocessing, schedules, averages."""

from functools import partial

import numpy as np
import torch
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn
from torch.optim.swa_utils import AveragedModel

from sk_ekd.students import MLP

# --- Modules --------------------------------------------------------------------------


class Plain(nn.Sequential):
    """The base's MLP with another activation, or a norm before it."""

    def __init__(
        self, in_features, out_features, *, activation=nn.ReLU, norm=nn.Identity
    ):
        layers = []
        for _ in range(2):
            layers += [nn.Linear(in_features, 256), norm(256)]
            layers += [activation(), nn.Dropout(0.1)]
            in_features = 256
        super().__init__(*layers, nn.Linear(in_features, out_features))


class Residual(nn.Module):
    """Blocks that add to what they are given, each of two linear layers."""

    def __init__(self, in_features, out_features, width=256, n_blocks=2):
        super().__init__()
        self.first = nn.Linear(in_features, width)
        self.blocks = nn.ModuleList(self.block(width) for _ in range(n_blocks))
        self.last = nn.Sequential(
            nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, out_features)
        )

    @staticmethod
    def block(width):
        """Return a block that starts with a norm."""
        return nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(),
            nn.Dropout(0.1), nn.Linear(width, width),
        )  # fmt: skip

    def forward(self, X):
        """Return logits (b, c)."""
        hidden = self.first(X)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.last(hidden)


class Embedded(nn.Module):
    """The MLP on numerical columns as vectors, and on the other columns."""

    def __init__(self, in_features, out_features, is_number, make_embedding):
        super().__init__()
        self.register_buffer("numbers", torch.from_numpy(np.flatnonzero(is_number)))
        self.register_buffer("others", torch.from_numpy(np.flatnonzero(~is_number)))
        self.embedding = make_embedding()
        n_columns, size = self.embedding.get_output_shape()
        width = n_columns * size + len(self.others)
        self.mlp = MLP(width, out_features, hidden=(256, 256))

    def forward(self, X):
        """Return logits (b, c)."""
        vectors = self.embedding(X[:, self.numbers]).flatten(1)
        return self.mlp(torch.cat([vectors, X[:, self.others]], dim=1))


class SharedLinear(nn.Module):
    """A linear layer of k members that share the matrix, as in TabM."""

    def __init__(self, k, in_features, out_features, *, first):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=False)
        bound = in_features**-0.5
        start = torch.randint(2, (k, in_features)) * 2.0 - 1 if first else 1.0
        self.before = nn.Parameter(torch.ones(k, in_features) * start)
        self.after = nn.Parameter(torch.ones(k, out_features))
        self.bias = nn.Parameter(torch.empty(k, out_features).uniform_(-bound, bound))

    def forward(self, X):
        """Map (b, k, d) or (b, 1, d) -> (b, k, w)."""
        return self.linear(X * self.before) * self.after + self.bias


class Members(nn.Module):
    """k MLPs that share their matrices (TabM), averaged; logits are the mean's logs.

    With `apart`, a training batch of b rows has b * k outputs, see `MembersNet`.

    >>> Members(4, 3)(torch.zeros(5, 4)).exp().sum(dim=1).round(decimals=4)
    tensor([1., 1., 1., 1., 1.], grad_fn=<RoundBackward1>)
    """

    def __init__(self, in_features, out_features, *, k=8, apart=False):
        super().__init__()
        layers = []
        for _ in range(2):
            layers += [SharedLinear(k, in_features, 256, first=not layers)]
            layers += [nn.ReLU(), nn.Dropout(0.1)]
            in_features = 256
        self.body = nn.Sequential(*layers)
        heads = [nn.Linear(in_features, out_features) for _ in range(k)]
        self.weight = nn.Parameter(torch.stack([head.weight.T for head in heads]))
        self.bias = nn.Parameter(torch.stack([head.bias for head in heads]))
        self.apart = apart

    def forward(self, X):
        """Return logits (b, c)."""
        hidden = self.body(X.unsqueeze(1))  # (b, k, w)
        logits = torch.einsum("bkw,kwc->bkc", hidden, self.weight) + self.bias
        if self.apart and self.training:
            return logits.flatten(0, 1)
        return logits.log_softmax(dim=2).logsumexp(dim=1) - np.log(logits.shape[1])


class MembersNet(NeuralNetClassifier):
    """A net whose members have a loss each, as TabM's."""

    def get_loss(self, y_pred, y_true, *args, **kwargs):
        """Return the mean of the members' losses."""
        y_true = y_true.repeat_interleave(len(y_pred) // len(y_true), dim=0)
        return super().get_loss(y_pred, y_true, *args, **kwargs)


# --- Preprocessing: training rows -> a transformer, or parameters of the net ----------


def find_numbers(X):
    """Return which columns have more than two values: the others are one-hot, or flags.

    >>> find_numbers(np.array([[0, 1], [1, 2], [0, 3]]))
    array([False,  True])
    """
    return np.array([len(np.unique(column)) > 2 for column in X.T])


def scale_numbers(X, scaler):
    """Return a transformer of the numerical columns, which are standardized already.

    Neither quantiles nor robust scales depend on what they were scaled by before.
    """
    return ColumnTransformer(
        [("numbers", scaler, np.flatnonzero(find_numbers(X)))], remainder="passthrough"
    )


def clip(at):
    """Return a transformer that cuts values off beyond ±at."""
    return FunctionTransformer(partial(np.clip, a_min=-at, a_max=at))


def bend(X):
    """Let large values approach ±3 (RealMLP's smooth clipping)."""
    return X / np.sqrt(1 + (X / 3) ** 2)


def piecewise(X, *, size=8, n_bins=48):
    """Return the net's parameters for piecewise-linear embeddings."""
    from rtdl_num_embeddings import PiecewiseLinearEmbeddings, compute_bins

    is_number = find_numbers(X)
    bins = compute_bins(torch.from_numpy(X[:, is_number]), n_bins)
    return embed(
        is_number,
        partial(PiecewiseLinearEmbeddings, bins, size, activation=False, version="B"),
    )


def periodic(X, *, size=8, n_frequencies=16, scale=0.1):
    """Return the net's parameters for periodic embeddings."""
    from rtdl_num_embeddings import PeriodicEmbeddings

    is_number = find_numbers(X)
    return embed(
        is_number,
        partial(
            PeriodicEmbeddings, int(is_number.sum()), size, lite=False,
            n_frequencies=n_frequencies, frequency_init_scale=scale,
        ),
    )  # fmt: skip


def embed(is_number, make_embedding):
    """Return the net's parameters for an embedding of these columns."""
    return {
        "module": Embedded,
        "module__is_number": is_number,
        "module__make_embedding": make_embedding,
    }


# --- Training -------------------------------------------------------------------------


class Schedule(Callback):
    """Set the learning rate before each step, by the training's progress in [0, 1).

    By a hook of the optimizer: one of skorch's would take the net off the fast path.
    """

    def __init__(self, shape):
        self.shape = shape

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Start to set the rate."""
        n_steps, step = net.max_epochs * -(-len(X) // net.batch_size), 0

        def set_rate(optimizer, args, kwargs):
            nonlocal step
            for group in optimizer.param_groups:
                group["lr"] = net.lr * self.shape(step / n_steps)
            step += 1

        self.hook_ = net.optimizer_.register_step_pre_hook(set_rate)

    def on_train_end(self, net, **kwargs):
        """Leave the optimizer as it was."""
        self.hook_.remove()
        del self.hook_


class Average(Callback):
    """Average the weights after each step, exponentially, and end with the average."""

    def __init__(self, decay):
        self.decay = decay

    def on_train_begin(self, net, **kwargs):
        """Start to average."""
        averaged = AveragedModel(net.module_, multi_avg_fn=self.update)

        def average(optimizer, args, kwargs):
            averaged.update_parameters(net.module_)

        self.averaged_ = averaged
        self.hook_ = net.optimizer_.register_step_post_hook(average)

    @torch.no_grad()
    def update(self, averaged, current, n_averaged):
        """Move the average; at first faster, to forget the start."""
        decay = min(self.decay, (1 + float(n_averaged)) / (10 + float(n_averaged)))
        torch._foreach_lerp_(averaged, current, 1 - decay)

    def on_train_end(self, net, **kwargs):
        """Give the net the average."""
        self.hook_.remove()
        net.module_.load_state_dict(self.averaged_.module.state_dict())
        del self.hook_, self.averaged_


def cosine(progress):
    """Fall from 1 to 0."""
    return 0.5 * (1 + np.cos(np.pi * progress))


def warm_up(progress, *, share=0.1):
    """Rise for a share of the steps along a line, then fall along a cosine."""
    if progress < share:
        return (progress + 1e-3) / (share + 1e-3)
    return cosine((progress - share) / (1 - share))


def one_cycle(progress):
    """Rise along a cosine for 30 % of the steps, from 1/25, then fall along another."""
    if progress < 0.3:
        return 1 - (1 - 1 / 25) * cosine(progress / 0.3)
    return cosine((progress - 0.3) / 0.7)
