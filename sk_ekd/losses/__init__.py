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
by the row's weight, and `label_weight` is one. `teachers` (b, t, c) are there for a
loss that mixes them itself.

A loss that has a method ``begin_epoch(epoch, n_epochs)`` is told how many epochs were
trained before, and how many there are at most; what its ``end_epoch()`` returns, a dict
of numbers, goes into the history.
"""

from ._distillation import DistillationLoss
from ._dynamic import DynamicLoss
from ._hint import Hint
from ._online import OnlineLoss

__all__ = ["DistillationLoss", "DynamicLoss", "Hint", "OnlineLoss"]
