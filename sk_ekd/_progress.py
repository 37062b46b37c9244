"""Report progress: by scikit-learn's callbacks where it has them, and by lines."""

import functools
import time

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9

    class _NoProgress:
        """A task that nobody follows."""

        def subcontext(self, **options):
            return self

        def call_on_fit_task_begin(self, **state):
            return self

        def call_on_fit_task_end(self, **state):
            return False  # do not stop

    class CallbackSupportMixin:
        """Stands in for the mixin of newer releases."""

        def _init_callback_context(self, **options):
            return _NoProgress()

    def with_callbacks(method):
        """Wrap the method, so that warnings count the same number of frames.

        Parameters
        ----------
        method : callable
            The `fit` of an estimator.
        """

        @functools.wraps(method)
        def wrapped(estimator, *args, **kwargs):
            return method(estimator, *args, **kwargs)

        return wrapped


def print_progress(blocks, verbose):
    """Yield the blocks, and say how far it is.

    Parameters
    ----------
    blocks : list of ndarray
        Positions of rows.
    verbose : int
        0 is silent.

    Yields
    ------
    block : ndarray
        The next block.
    """
    start, done, total = time.monotonic(), 0, sum(map(len, blocks))
    for block in blocks:
        yield block
        done += len(block)
        if verbose:
            duration = time.monotonic() - start
            print(f"teachers answered {done:,} of {total:,} rows in {duration:.1f} s")


def followed(items, task, *, estimator, name):
    """Yield the items, each of them a subtask that callbacks can follow.

    Parameters
    ----------
    items : iterable
        What is worked on.
    task : CallbackContext
        The task that consists of them.
    estimator : estimator
        Whose task it is.
    name : str
        What one of them is called.

    Yields
    ------
    item : object
        The next item.
    """
    for item in items:
        subtask = task.subcontext(task_name=name)
        subtask.call_on_fit_task_begin(estimator=estimator)
        yield item
        subtask.call_on_fit_task_end(estimator=estimator)


class Epochs:
    """The epochs of the student's training, for callbacks to follow and to stop.

    Parameters
    ----------
    task : CallbackContext
        The fit.
    estimator : estimator
        Whose fit it is.
    labeled : callable
        Returns the labeled rows and their labels, for callbacks that score them.
    """

    def __init__(self, task, estimator, labeled):
        self.task = task
        self.estimator = estimator
        self.labeled = labeled

    def start(self, n_epochs):
        """Begin the training.

        Parameters
        ----------
        n_epochs : int
            At most.
        """
        self.training = self.task.subcontext(
            task_name="train student", max_subtasks=n_epochs
        )
        self.training.call_on_fit_task_begin(estimator=self.estimator)

    def begin(self):
        """Begin an epoch."""
        self.epoch = self.training.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(estimator=self.estimator)

    def end(self, student):
        """End an epoch.

        Parameters
        ----------
        student : skorch classifier or Pipeline
            As it answers by now.

        Returns
        -------
        stop : bool
            Whether a callback asks to stop.
        """
        return self.epoch.call_on_fit_task_end(
            estimator=self.estimator,
            X=lambda: self.labeled()[0],  # where a callback wants them
            y=lambda: self.labeled()[1],
            reconstruction_attributes=lambda: {"student_": student},
        )

    def finish(self):
        """End the training."""
        self.training.call_on_fit_task_end(estimator=self.estimator)
