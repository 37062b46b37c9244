"""Weightings that watch the student: called for each batch, with what it says by then.

A dynamic weighting is passed as `weighting`, like any other. It is a callable with an
attribute ``dynamic = True``::

    weighting(step) -> (batch_size, n_teachers), non-negative, a torch tensor

Its proportions within a row mix the teachers, its sum weighs the row, and a row of
zeros takes the weights of the pool. What it may have beside:

- ``open(teachers)``, called once a fit with :class:`Teachers`, returns what is called
  in its place. If this is a torch module, its parameters are trained with the student,
  in its optimizer, by its own ``loss(step, weight, targets)``, the mean over a batch;
  the student never sees a gradient of it, and ships without it.
- ``left_out``, names of teachers that it looks at, and that are never mixed in.
- ``learns_from_labels``, True where teachers that have seen the labels deceive it.
"""

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn
from torch.nn import functional as F

from ._compat import warn
from ._step import Step, Teachers

__all__ = ["AgreeToDisagree", "GroupRobust", "LearnedGate", "Step", "Teachers"]

LEAST_PROBA = 1e-4  # as which a gate reads a smaller one: its log is its input


def logit_gradients(step):
    """Return the gradients of ``KL(p_t ‖ s)`` by the student's logits -> (b, t, c).

    They are ``s - p_t``, zero where a teacher does not predict the row.
    """
    predicted = step.proba.any(dim=2, keepdim=True)
    return torch.where(predicted, step.student[:, None] - step.proba, 0.0)


# --- AGRE-KD -------------------------------------------------------------------------


class GroupRobust(BaseEstimator):
    """Trust the teachers whose gradients point away from a biased one's (AGRE-KD).

    Where rows are spuriously alike, such as by a background or by sex, a model that was
    trained without care learns the likeness. Name such a model: it is asked beside the
    teachers, and each of them weighs ::

        W_t ∝ pool_t · (1 - cos(∇_t, ∇_biased)),    ∇_t = s - p_t

    with the gradients of its divergence by the student's logits [1]_. The biased
    teacher itself is in no pool and in no mix.

    Parameters
    ----------
    biased : str
        The name of the biased teacher, as in ``teachers=[("plain", plain), ...]``.
    per : {"batch", "row"}, default="batch"
        Over what a cosine is taken: over all rows and classes of a batch, or in each
        row alone, as in [1]_. With two classes, the cosine of a row is 1 or -1, so that
        "row" leaves a teacher out or counts it in full.

    References
    ----------
    .. [1] P. Kenfack, U. Aïvodji, S. E. Kahou, "Adaptive Group Robust Ensemble
       Knowledge Distillation", arXiv:2411.14984, 2024.

    Examples
    --------
    The second teacher says what the biased one says, the first the opposite:

    >>> import torch
    >>> says = [[[0.1, 0.9], [0.9, 0.1], [0.9, 0.1]]]  # of one row
    >>> step = Step(
    ...     y=torch.tensor([-1]), labeled=torch.tensor([False]),
    ...     proba=torch.tensor(says), pool=torch.tensor([0.5, 0.5, 0.0]),
    ...     student=torch.tensor([[0.5, 0.5]]), epoch=0,
    ... )
    >>> names = ["careful", "alike", "plain"]
    >>> weigh = GroupRobust("plain").open(Teachers(names, step.pool, n_classes=2))
    >>> weigh(step)
    tensor([[1., 0., 0.]])
    """

    dynamic = True

    def __init__(self, biased, *, per="batch"):
        self.biased = biased
        self.per = per

    @property
    def left_out(self):
        """The teachers that are never mixed in: the biased one."""
        return [self.biased]

    def open(self, teachers):
        """Find the biased teacher.

        Parameters
        ----------
        teachers : Teachers
            Who is weighed.

        Returns
        -------
        weigh : callable
            Maps a Step to weights (b, t), which sum to one, or are all zero.
        """
        if self.per not in ("batch", "row"):
            raise ValueError(f"`per` must be 'batch' or 'row', got {self.per!r}.")
        if self.biased not in teachers.names:
            raise ValueError(
                f"The biased teacher {self.biased!r} cannot be told from others: the "
                "members of a large ensemble are seen in groups. Pass it in a list, as "
                "teachers=[(name, classifier), ...]."
            )
        if self.per == "row" and teachers.n_classes == 2:
            warn(
                "With two classes, the cosine of GroupRobust(per='row') is 1 or -1 in "
                "every row, which leaves a teacher out or counts it in full: set "
                "per='batch'.",
                "GroupRobust with two classes",
            )
        return _AwayFrom(list(teachers.names).index(self.biased), self.per)


class _AwayFrom:
    """Weighs teachers by how far their gradients point away from one of them."""

    def __init__(self, biased, per):
        self.biased = biased
        self.per = per

    def __call__(self, step):
        gradient = logit_gradients(step)  # (b, t, c)
        # of the rows that the teacher predicts, too
        predicted = step.proba.any(dim=2, keepdim=True)
        biased = torch.where(predicted, gradient[:, self.biased, None], 0.0)
        if self.per == "batch":
            gradient, biased = (
                part.movedim(0, 1).flatten(1).unsqueeze(0)  # (1, t, b·c)
                for part in (gradient, biased)
            )
        # of a gradient of zero, of a student that says the same, the cosine is 0
        cosine = F.cosine_similarity(gradient, biased, dim=2)  # (b or 1, t)
        distance = (1 - cosine).clamp(min=0)
        # what is below the resolution of float32 is rounding: they point alike
        distance = torch.where(distance > 1e-6, distance, 0.0)
        weight = F.normalize(distance * step.pool, p=1.0, dim=1)
        return weight.expand(len(step.proba), -1)


# --- AE-KD ---------------------------------------------------------------------------


class AgreeToDisagree(BaseEstimator):
    """Weigh the teachers so that their gradients conflict least (AE-KD).

    The weights of a batch are those of the multiple gradient descent of [1]_, ::

        min ½ ‖Σ_t α_t g_t‖²    with  Σ_t α_t = 1  and  0 <= α_t <= C

    with ``g_t``, the mean over the batch of the gradients ``s - p_t`` of each teacher's
    divergence by the student's logits. The problem is solved exactly. All rows of a
    batch have its weights; the pool has no part in them.

    Parameters
    ----------
    tolerance : float, default=0.6
        The bound C, from 0 to 1. At 1, the smallest combination of the gradients is
        taken, often that of a single teacher. At ``1 / n_teachers`` or below, all
        teachers weigh the same.

    Notes
    -----
    The solution is that of a one-class SVM with ``nu = 1 / (C · n_teachers)``. It is
    found on the CPU, so that a GPU waits for it in every batch.

    References
    ----------
    .. [1] S. Du, S. You, X. Li, J. Wu, F. Wang, C. Qian, C. Zhang, "Agree to Disagree:
       Adaptive Ensemble Knowledge Distillation in Gradient Space", NeurIPS 2020.

    Examples
    --------
    Two teachers agree, and the third one pulls the other way:

    >>> import torch
    >>> says = [[[0.9, 0.1], [0.9, 0.1], [0.1, 0.9]]]  # of one row
    >>> step = Step(
    ...     y=torch.tensor([-1]), labeled=torch.tensor([False]),
    ...     proba=torch.tensor(says), pool=torch.ones(3) / 3,
    ...     student=torch.tensor([[0.5, 0.5]]), epoch=0,
    ... )
    >>> AgreeToDisagree()(step)
    tensor([[0.2500, 0.2500, 0.5000]])
    """

    dynamic = True

    def __init__(self, tolerance=0.6):
        self.tolerance = tolerance

    def open(self, teachers):
        """Check the bound.

        Parameters
        ----------
        teachers : Teachers
            Who is weighed.

        Returns
        -------
        weigh : AgreeToDisagree
            The same object.
        """
        is_number = isinstance(self.tolerance, (int, float, np.number))
        if not is_number or not 0 < self.tolerance <= 1:
            raise ValueError(
                "`tolerance` of AgreeToDisagree must be a number above 0 and up to 1, "
                f"got {self.tolerance!r}."
            )
        return self

    def __call__(self, step):
        """Weigh the teachers for a batch.

        Parameters
        ----------
        step : Step
            The batch.

        Returns
        -------
        weight : Tensor of shape (batch_size, n_teachers)
            The same in all rows; they sum to one.
        """
        count = step.proba.any(dim=2).sum(dim=0)  # (t,)
        mean = logit_gradients(step).sum(dim=0) / count.clamp(min=1)[:, None]  # (t, c)
        mean, known = mean.double().cpu().numpy(), count.cpu().numpy() > 0
        share = np.zeros(len(known))  # of who predicts no row of the batch
        if known.any():
            gram = mean[known] @ mean[known].T
            share[known] = smallest_combination(gram, self.tolerance)
        share = torch.as_tensor(share, dtype=step.proba.dtype).to(step.proba.device)
        return share.expand(len(step.proba), -1)


def smallest_combination(gram, bound):
    """Minimize ½ aᵀGa with a sum of one and 0 <= a <= bound, exactly -> (t,).

    By the primal active set method: the free ones are moved to where they are best,
    up to the first bound that is met; there, the fixed one that wants most to leave its
    bound is freed. Of several solutions, one with even weights is preferred.

    Examples
    --------
    >>> smallest_combination(np.diag([1.0, 1.0, 2.0]), bound=1.0)
    array([0.4, 0.4, 0.2])
    >>> smallest_combination(np.diag([1.0, 1.0, 2.0]), bound=0.35)
    array([0.35, 0.35, 0.3 ])
    """
    n_teachers = len(gram)
    bound = max(bound, 1 / n_teachers)
    gram = gram / (np.trace(gram) / n_teachers or 1.0)
    rounding = 1e-12
    share = np.full(n_teachers, 1 / n_teachers)
    free = np.ones(n_teachers, dtype=bool)
    for _ in range(10 * n_teachers**2):  # it ends long before
        target = _best_of_free(gram, share, free)
        step = target - share
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(step > 0, bound - share, share) / np.abs(step)
        room = np.where(np.abs(step) > rounding, room, np.inf)
        length = min(1.0, room.min(initial=np.inf))
        share = np.clip(share + length * step, 0.0, bound)
        if length < 1:
            free[room <= length + rounding] = False
            continue
        slope = gram @ share
        level = slope[free].mean() if free.any() else np.median(slope)
        wants = np.where(share > bound / 2, slope - level, level - slope)
        wants[free] = -np.inf
        if wants.max() <= 1e-10:
            break
        free[wants.argmax()] = True
    return share / share.sum()


def _best_of_free(gram, share, free):
    """Return the shares, the free ones where they are best, bounds aside -> (t,)."""
    n_free = free.sum()
    target = share.copy()
    if not n_free:
        return target
    system = np.zeros((n_free + 1, n_free + 1))
    system[:-1, :-1] = gram[np.ix_(free, free)]
    system[-1, :-1] = system[:-1, -1] = 1.0
    right = np.append(-gram[np.ix_(free, ~free)] @ share[~free], 1 - share[~free].sum())
    target[free] = np.linalg.lstsq(system, right, rcond=None)[0][:-1]
    return target


# --- Gate ----------------------------------------------------------------------------


class LearnedGate(BaseEstimator):
    """Weigh the teachers in each row by a gate that is trained with the student.

    The teacher gate of ensemble distillation for CTR prediction [1]_, ::

        α = softmax(W z + b)

    with ``z``, the logits of all teachers for the row (here the logarithms of their
    probabilities, centered), and ``W`` and ``b``, trained in the student's optimizer.
    It starts from the pool's weights, and is no part of the fitted student.

    Parameters
    ----------
    trained_by : {"labels", "student"}, default="labels"
        What trains the gate, which [1]_ does not say. "labels": the log-loss of the
        mixed teachers on labeled rows, whose predictions must be out of fold; without
        a labeled row, the gate stays at the pool. "student": the distillation term
        ``Σ_t α_t KL(p_t ‖ s)``, which it makes small by trusting the teachers that are
        easy to follow, right or wrong.

    References
    ----------
    .. [1] J. Zhu, J. Liu, W. Li, J. Lai, X. He, L. Chen, Z. Zheng, "Ensembled CTR
       Prediction via Knowledge Distillation", CIKM 2020, arXiv:2011.04106.
    """

    dynamic = True

    def __init__(self, *, trained_by="labels"):
        self.trained_by = trained_by

    @property
    def learns_from_labels(self):
        """Whether teachers that have seen the labels deceive the gate."""
        return self.trained_by == "labels"

    def open(self, teachers):
        """Make the gate.

        Parameters
        ----------
        teachers : Teachers
            Who is weighed.

        Returns
        -------
        weigh : Module
            Maps a Step to weights (b, t), which sum to one.
        """
        losses = {"labels": _of_labels, "student": _of_student}
        if self.trained_by not in losses:
            raise ValueError(
                "`trained_by` of LearnedGate must be 'labels' or 'student', got "
                f"{self.trained_by!r}."
            )
        return _Gate(teachers, losses[self.trained_by])


class _Gate(nn.Module):
    """A linear map of what all teachers say to their shares."""

    def __init__(self, teachers, row_loss):
        super().__init__()
        n_teachers, n_classes = len(teachers.names), teachers.n_classes
        self.row_loss = row_loss
        self.linear = nn.Linear(n_teachers * n_classes, n_teachers)
        nn.init.zeros_(self.linear.weight)
        pool = torch.as_tensor(teachers.pool, dtype=torch.float32)
        with torch.no_grad():
            self.linear.bias.copy_(pool.clamp(min=LEAST_PROBA).log())

    def forward(self, step):
        """Weigh the teachers in each row -> (b, t)."""
        logits = step.proba.clamp(min=LEAST_PROBA).log()
        logits = logits - logits.mean(dim=2, keepdim=True)
        predicted = step.proba.any(dim=2)  # (b, t)
        silent = ~predicted & predicted.any(dim=1, keepdim=True)
        shares = self.linear(logits.flatten(1)).masked_fill(silent, -torch.inf)
        return shares.softmax(dim=1)

    def loss(self, step, weight, targets):
        """Return what the gate minimizes, the mean over the batch -> ()."""
        return self.row_loss(step, weight, targets).mean()


def _of_labels(step, weight, targets):
    """Return the log-loss of the mix on labeled rows, 0 on others -> (b,)."""
    known = step.labeled & step.proba.any(dim=(1, 2))
    y = torch.where(known, step.y, 0)[:, None, None]
    of_label = step.proba.gather(2, y.expand(-1, weight.shape[1], 1))[:, :, 0]  # (b, t)
    mixed = (weight * of_label).sum(dim=1).clamp(min=LEAST_PROBA)
    return torch.where(known, -mixed.log(), 0.0) * targets.label_weight


def _of_student(step, weight, targets):
    """Return the mean divergence of the teachers from the student -> (b,)."""
    log_student = step.student.clamp(min=torch.finfo(step.student.dtype).tiny).log()
    crossed = torch.einsum("btc,bc->bt", step.proba, log_student)
    divergence = -torch.special.entr(step.proba).sum(dim=2) - crossed  # (b, t)
    return (weight * divergence).sum(dim=1) * targets.mix_weight
