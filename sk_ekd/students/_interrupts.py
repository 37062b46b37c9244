"""Tell an interrupt of the user's from a callback that stops the training.

skorch takes any KeyboardInterrupt for the second, and returns what is trained by then.
"""

import signal
import threading
from contextlib import contextmanager


@contextmanager
def noticed_interrupts():
    """Yield a list of the SIGINTs that come while inside; they act as they would."""
    interrupts = []
    acting = signal.getsignal(signal.SIGINT)
    # elsewhere, no signal is handled; nor where nothing of Python's handles it
    if threading.current_thread() is not threading.main_thread() or not callable(
        acting
    ):
        yield interrupts
        return

    def notice(number, frame):
        interrupts.append(number)
        acting(number, frame)

    signal.signal(signal.SIGINT, notice)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, acting)
