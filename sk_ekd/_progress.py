"""Report progress: by lines and bars, and by scikit-learn's callbacks where it can."""

import sys
import time
from contextlib import closing, contextmanager

from tqdm import tqdm

BAR = "{desc} {bar:20} {n_fmt} of {total_fmt} {unit}, {remaining} left"


class Stage:
    """One stage of the work: a bar while it lasts, if watched, and then a line.

    With `verbose` of zero, neither.
    """

    def __init__(self, name, verbose):
        self.name = name
        self.verbose = verbose
        self.bar = None
        self.start = time.monotonic()

    def expect(self, total, unit):
        """Draw a bar, where somebody looks on and there is more than one step."""
        if self.verbose and total > 1 and _is_watched():
            self.bar = _Bar(
                total=total, unit=unit, desc=f"{self.name:<13}", bar_format=BAR,
                miniters=1, leave=False, file=sys.stdout,
            )  # fmt: skip

    def reach(self, n_done):
        """Say how much is done by now."""
        if self.bar is not None:
            self.bar.update(n_done - self.bar.n)

    def close(self):
        """Wipe the bar away."""
        if self.bar is not None:
            self.bar.close()

    def end(self, what):
        """Print the line: the stage, its time, and what it was about."""
        self.close()
        if self.verbose:
            took = time.monotonic() - self.start
            print(f"{self.name:<13} {took:>6.1f} s   {what}", flush=True)


class _Bar(tqdm):
    monitor_interval = 0  # no thread beside those of the teachers


def _is_watched():
    """Return whether standard output is a terminal or a notebook, and no file."""
    if type(sys.stdout).__module__.startswith("ipykernel"):
        return True
    isatty = getattr(sys.stdout, "isatty", None)  # of what may stand for a file
    return isatty is not None and isatty()


def followed_blocks(blocks, verbose, rows="rows"):
    """Yield the blocks of rows that the teachers are asked about, as a stage."""
    done, total = 0, sum(map(len, blocks))
    with closing(Stage("ask teachers", verbose)) as stage:
        stage.expect(total, "rows")
        for block in blocks:
            yield block
            done += len(block)
            stage.reach(done)
    stage.end(f"{total:,} {rows}")


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
        self.stage = Stage("train student", estimator.verbose)
        self.n_epochs = self.n_begun = 0

    def start(self, n_epochs, *, with_bar=True):
        """Begin the training."""
        self.n_epochs = n_epochs
        if with_bar:
            self.stage.expect(n_epochs, "epochs")
        self.training = self.task.subcontext(
            task_name="train student", max_subtasks=n_epochs
        )
        self.training.call_on_fit_task_begin(estimator=self.estimator)

    def begin(self):
        """Begin an epoch."""
        self.n_begun += 1
        self.epoch = self.training.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(estimator=self.estimator)

    def end(self, student):
        """End an epoch; not called where a callback ends the training in it."""
        self.stage.reach(self.n_begun)
        return self.epoch.call_on_fit_task_end(
            estimator=self.estimator,
            X=lambda: self.labeled()[0],  # where a callback wants them
            y=lambda: self.labeled()[1],
            reconstruction_attributes=lambda: {"student_": student},
        )

    def close(self):
        """Wipe the bar away, also of a training that failed."""
        self.stage.close()

    def finish(self, what=None):
        """End the training, of what the line is to name; None: so many epochs."""
        n_nets = getattr(self.estimator, "n_students", 1)
        n_epochs = self.n_begun or self.n_epochs  # of a net without callbacks
        count = "1 epoch" if n_epochs == 1 else f"{n_epochs} epochs"
        each = f" of {n_nets} networks" if n_nets > 1 else ""
        self.stage.end(what or count + each)
        self.training.call_on_fit_task_end(estimator=self.estimator)
