"""Train several modules of one class as one: their parameters have one more axis.

k modules are then one batched product a layer, and an optimizer has as many tensors as
for one of them.
"""

import copy
from collections import OrderedDict

import torch
from torch import nn
from torch.func import functional_call, vmap

from ._output import OneLogit, first_of

# --- The module ----------------------------------------------------------------------


class Stack(nn.Module):
    """Several modules as one, which returns what each of them does -> (b, k, ...).

    The trunk, the first layers, may be one for all. It gets the mean of the modules'
    gradients, and each module its own: as many as they are, they take the steps that
    one would take, if the loss is the mean of theirs.

    Parameters
    ----------
    modules : list of Module
        Of one class and size. They become part of the stack.
    n_shared : int
        How many layers are in the trunk, that of the first module. A layer is what has
        parameters of its own; they are counted in the order of their registration.
    """

    def __init__(self, modules, n_shared):
        super().__init__()
        self.n_modules = len(modules)
        self.module = modules[0]  # holds the parameters of all
        self.in_turn = False  # whether vmap cannot run the module
        self.stacked = _join(modules, layers_of(self.module)[n_shared])
        self.parts = _split(self.module, self.stacked)  # not registered once more

    def named_parameters(self, *args, **kwargs):
        """Yield the parameters by their names in one module, for patterns of names."""
        return self.module.named_parameters(*args, **kwargs)

    def forward(self, *args, **kwargs):
        """Ask all modules about a batch -> (b, k, ...)."""
        trunk, rest = self.parts
        if trunk is not None:
            args = (_scale_gradient(trunk(*args, **kwargs), 1 / self.n_modules),)
            kwargs = {}
        stacked, shared = self._state(rest)

        def ask(state):
            return first_of(functional_call(rest, {**shared, **state}, args, kwargs))

        return _scale_gradient(self._ask_each(ask, stacked), self.n_modules)

    def _state(self, part):
        """Return what the modules have of a part each, and what they share, by name."""
        state = {**dict(part.named_parameters()), **dict(part.named_buffers())}
        stacked = {name: state[name] for name in state if name in self.stacked}
        shared = {
            name: _scale_gradient(value, 1 / self.n_modules)
            for name, value in state.items()
            if name not in stacked
        }
        return stacked, shared

    def _ask_each(self, ask, stacked):
        """Ask every module at once, or where that fails one after the other."""
        if not self.in_turn:
            try:
                return vmap(ask, out_dims=1, randomness="different")(stacked)
            except RuntimeError:  # what vmap cannot run, or what is wrong with it
                self.in_turn = True
        positions = range(self.n_modules)
        return torch.stack([ask(_at(stacked, i)) for i in positions], dim=1)

    def take(self, position):
        """Return one of the modules, by itself."""
        module = copy.deepcopy(self.module)
        _replace(module, self.stacked, lambda value, name: value[position].clone())
        return module


def layers_of(module):
    """Return the names of what has parameters of its own, in order of registration."""
    return [
        name
        for name, part in module.named_modules()
        if next(part.parameters(recurse=False), None) is not None
    ]


def _join(modules, start):
    """Stack parameters and buffers in the first module, from a layer on -> names."""
    parts = [name for name, _ in modules[0].named_modules()]
    parts = set(parts[parts.index(start) :])
    states = [_all_state(module) for module in modules]
    own = [name for name in states[0] if name.rpartition(".")[0] in parts]
    trunk = {id(states[0][name]) for name in states[0].keys() - own}
    names = [name for name in own if id(states[0][name]) not in trunk]  # not tied to it
    _replace(modules[0], names, lambda _, name: torch.stack([s[name] for s in states]))
    return frozenset(names)


def _all_state(module):
    """Return all parameters and buffers, those by two names twice -> dict."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def _replace(module, names, make):
    """Replace parameters and buffers by what is made of them; tied ones stay tied."""
    made = {}
    for name in names:
        path, _, attribute = name.rpartition(".")
        owner = module.get_submodule(path)
        value = getattr(owner, attribute)
        if id(value) not in made:
            new = make(value.detach(), name).detach()
            if isinstance(value, nn.Parameter):
                new = nn.Parameter(new, requires_grad=value.requires_grad)
            made[id(value)] = value, new  # the first, so that its id is not reused
        setattr(owner, attribute, made[id(value)][1])


def _split(module, stacked):
    """Return the children before the first stacked one, or None, and the rest.

    Only of a Sequential is it known that they are asked in this order. Others compute
    their trunk once a module, but for what vmap sees to be the same.
    """
    children = list(module.named_children())
    own = {name.partition(".")[0] for name in stacked}
    n_trunk = next((i for i, (name, _) in enumerate(children) if name in own), 0)
    if not n_trunk or type(module).forward is not nn.Sequential.forward:
        return None, module
    trunk, rest = children[:n_trunk], children[n_trunk:]
    return nn.Sequential(OrderedDict(trunk)), nn.Sequential(OrderedDict(rest))


def _at(state, position):
    return {name: value[position] for name, value in state.items()}


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, factor):
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factor, None


def _scale_gradient(values, factor):
    """Return the values as they are, whose gradient is multiplied on its way back."""
    return _ScaledGradient.apply(values, factor) if values.requires_grad else values


# --- The form of its output ----------------------------------------------------------


class StackedForm(nn.Module):
    """The form of a stack's output: each row is one for each of its modules."""

    def __init__(self, form):
        super().__init__()
        self.form = form
        self.criterion = form.criterion

    def read(self, output):
        """Return what the criterion takes -> (b · k, c), or (b · k,) of one logit."""
        return self.form.read(self._flat(output))

    def logits(self, read):
        """Return the logits of all classes -> (b · k, c)."""
        return self.form.logits(read)

    def cross_entropy(self, read, log_proba, y):
        """Return the loss of the criterion -> (b · k,), 0 where y is -1."""
        return self.form.cross_entropy(read, log_proba, y)

    def soft_cross_entropy(self, read, shares):
        """Return the loss of the criterion for shares of the classes -> (b · k,)."""
        return self.form.soft_cross_entropy(read, shares)

    def proba(self, output):
        """Return the mean of the modules' probabilities -> (b, c)."""
        proba = self.form.proba(self._flat(output))
        return proba.unflatten(0, output.shape[:2]).mean(dim=1)

    def _flat(self, output):
        return output.flatten(0, -1 if isinstance(self.form, OneLogit) else 1)
