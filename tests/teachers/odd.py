"""A teacher to whom something happens; a worker that starts again reads little."""

import os
import time
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Odd(ClassifierMixin, BaseEstimator):
    """A teacher to whom something happens where the key of a row is `due`."""

    def __init__(self, happens, due=None, mark=None, pause=0.0):
        self.happens = happens
        self.due = due
        self.mark = mark
        self.pause = pause

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.happens == "kill in fit":
            os._exit(1)
        return self

    def predict_proba(self, X):
        time.sleep(self.pause)
        if self.due in X["key"].to_numpy():
            if self.happens == "error":
                raise ZeroDivisionError("no such thing")
            if self.happens == "kill":
                os._exit(1)
            if self.happens == "kill once" and not Path(self.mark).exists():
                Path(self.mark).touch()
                os._exit(1)
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def pause(name, shared):
    """Take a moment, as a task."""
    time.sleep(0.1)


def die_once(name, mark):
    """End one of the workers, which import to be warm."""
    try:
        Path(mark).touch(exist_ok=False)
    except FileExistsError:
        return
    os._exit(1)
