"""Seed all global generators, and limit torch's threads; leave them as they were.

torch is touched only where it is loaded.
"""

import random
import sys
from contextlib import contextmanager

import numpy as np


def draw_seed(rng):
    """Draw a seed from a RandomState."""
    return rng.randint(np.iinfo(np.int32).max)


@contextmanager
def seeded(seed, device=None):
    """Seed Python, NumPy and torch inside, for code that computes on `device`.

    For what draws from global generators: augmentation, teachers without random_state.
    """
    # the global generator is the point here, so that NPY002 does not apply
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        with _seeded_torch(seed, device):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


@contextmanager
def _seeded_torch(seed, device):
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    cuda = device is not None and torch.device(device).type == "cuda"
    # naming the devices keeps a CPU fit from starting CUDA
    devices = range(torch.cuda.device_count()) if cuda else ()
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.manual_seed_all(seed)
        yield


@contextmanager
def limited(n_threads):
    """Limit torch to so many threads inside, restore their number."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, n_threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)
