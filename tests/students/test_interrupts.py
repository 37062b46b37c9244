"""An interrupt is raised; only a callback that stops the training ends a fit early."""

import signal

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EarlyStopping
from skorch.history import History

from sk_ekd import EnsembleDistiller
from sk_ekd.students import _net
from tests.students.training import as_part, fit, make_data, plain_net
from tests.worlds import make_net

pytestmark = pytest.mark.usefixtures("interruptible")


class Interrupts(Callback):
    """Sends the process a SIGINT, as Ctrl-C does, at one moment of the second epoch."""

    def __init__(self, moment):
        self.moment = moment

    def _interrupt(self, net):
        if len(net.history) == 2:
            signal.raise_signal(signal.SIGINT)


def at(moment):
    callback = type(
        "At", (Interrupts,), {moment: lambda self, net, **_: self._interrupt(net)}
    )
    return callback(moment)


MOMENTS = ["on_epoch_begin", "on_batch_begin", "on_batch_end", "on_epoch_end"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("held", [False, True])
def test_signal_ends_a_fit_by_an_interrupt(moment, held):
    X, y, target = make_data()
    valid = as_part(X[100:], y[100:], target[100:]) if held else None
    with pytest.raises(KeyboardInterrupt):
        fit(plain_net(callbacks=[at(moment)]), X, y, target, valid=valid)


def test_signal_in_the_validation_of_an_epoch_is_raised():
    X, y, target = make_data()

    class InValidation(Callback):
        def on_batch_begin(self, net, training, **kwargs):
            if not training:
                signal.raise_signal(signal.SIGINT)

    valid = as_part(X[100:], y[100:], target[100:])
    with pytest.raises(KeyboardInterrupt):
        fit(plain_net(callbacks=[InValidation()]), X, y, target, valid=valid)


def test_callback_may_stop_the_training():
    stop = EarlyStopping(monitor="train_loss", threshold=10, patience=2)
    _, history = fit(plain_net(max_epochs=9, callbacks=[stop]), *make_data())
    assert len(history) < 9


def test_handler_of_the_caller_is_called_and_stays():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *args: seen.append(args))
    try:
        handler = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            fit(plain_net(callbacks=[at("on_epoch_end")]), *make_data())
        assert signal.getsignal(signal.SIGINT) is handler
        assert len(seen) == 1
    finally:
        signal.signal(signal.SIGINT, before)


def test_search_does_not_go_on_after_an_interrupt(blobs):
    X, y = blobs
    student = make_net(callbacks=[at("on_epoch_end")])
    distiller = EnsembleDistiller(None, student)
    proba = np.eye(3)[y][:, np.newaxis]
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(distiller, {"alpha": [0.2, 0.8]}, cv=2).fit(
            X, y, teacher_proba=proba
        )


@pytest.mark.parametrize("moment", ["on_batch_end", "on_epoch_end"])
def test_history_after_an_interrupted_chunk_is_that_of_the_student(blobs, moment):
    X, y = blobs
    proba = np.eye(3)[y][:, np.newaxis]
    distiller = EnsembleDistiller(None, make_net(callbacks=[at(moment)]))
    distiller.partial_fit(X, y, teacher_proba=proba)
    with pytest.raises(KeyboardInterrupt):
        distiller.partial_fit(X, y, teacher_proba=proba)
    history = distiller.student_.history
    assert isinstance(history, History)
    assert len(history) == len(distiller.history_) == 1
    own = distiller.student_.callbacks_
    own[:] = [(name, cb) for name, cb in own if not isinstance(cb, Interrupts)]
    distiller.partial_fit(X, y, teacher_proba=proba)
    assert len(distiller.student_.history) == len(distiller.history_) == 2


def test_history_after_an_interrupt_behind_the_training_is_that_of_the_student(
    blobs, monkeypatch
):
    X, y = blobs
    proba = np.eye(3)[y][:, np.newaxis]
    distiller = EnsembleDistiller(None, make_net(), weighting="uniform")
    distiller.partial_fit(X, y, teacher_proba=proba)
    shorten, calls = _net._shorten_history, []

    def interrupted_once(net):
        calls.append(net)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return shorten(net)

    monkeypatch.setattr(_net, "_shorten_history", interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        distiller.partial_fit(X, y, teacher_proba=proba)
    assert len(distiller.student_.history) == len(distiller.history_) == 1
