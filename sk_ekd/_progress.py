"""Report progress: by scikit-learn's callbacks where it has them, and by lines."""

import time
from contextlib import contextmanager


def print_progress(blocks, verbose):
    """Yield the blocks, and say how far it is."""
    start, done, total = time.monotonic(), 0, sum(map(len, blocks))
    for block in blocks:
        yield block
        done += len(block)
        if verbose:
            duration = time.monotonic() - start
            print(f"teachers predicted {done:,} of {total:,} rows in {duration:.1f} s")


def followed(items, task, *, estimator, name):
    """Yield the items, each of them a subtask that callbacks can follow."""
    for item in items:
        with subtask(task, name, estimator):
            yield item


@contextmanager
def subtask(task, name, estimator, **options):
    """Let callbacks follow what is done inside, as a part of the task."""
    part = task.subcontext(task_name=name, **options)
    part.call_on_fit_task_begin(estimator=estimator)
    yield part
    part.call_on_fit_task_end(estimator=estimator)


class Epochs:
    """The epochs of the student's training, for callbacks to follow and to stop."""

    def __init__(self, task, estimator, labeled):
        self.task = task
        self.estimator = estimator
        self.labeled = labeled

    def start(self, n_epochs):
        """Begin the training."""
        self.training = self.task.subcontext(
            task_name="train student", max_subtasks=n_epochs
        )
        self.training.call_on_fit_task_begin(estimator=self.estimator)

    def begin(self):
        """Begin an epoch."""
        self.epoch = self.training.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(estimator=self.estimator)

    def end(self, student):
        """End an epoch."""
        return self.epoch.call_on_fit_task_end(
            estimator=self.estimator,
            X=lambda: self.labeled()[0],  # where a callback wants them
            y=lambda: self.labeled()[1],
            reconstruction_attributes=lambda: {"student_": student},
        )

    def finish(self):
        """End the training."""
        self.training.call_on_fit_task_end(estimator=self.estimator)
