"""Ask when it pays to train a student in two processes (DDP) in place of one.

A training step of the built-in student's network, 2 x 128 and batch 256, and of a wide
one, 2 x 1024 and batch 4096, on 50 columns and 10 classes: in one process of two
threads, and by torch's DistributedDataParallel in two processes of one thread, half of
the batch each, with gloo. The two take turns; a figure is the median of the rounds.

``python -m benchmarks.ddp`` takes two minutes.
"""

import argparse
import time

import numpy as np
import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from sk_ekd.students import MLP

CASES = {"2 x 128, batch 256": (128, 256, 200), "2 x 1024, batch 4096": (1024, 4096, 4)}
N_COLUMNS, N_CLASSES = 50, 10


def time_steps(net, batch, steps):
    """Train on random rows -> ms a step."""
    X = torch.randn(batch, N_COLUMNS)
    y = torch.randint(N_CLASSES, (batch,))
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    for step in range(2 * steps):  # the first half warms up
        if step == steps:
            start = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(X), y).backward()
        optimizer.step()
    return (time.perf_counter() - start) / steps * 1e3


def make_net(width):
    """Return the network of the built-in student, of any width."""
    return MLP(N_COLUMNS, N_CLASSES, hidden=(width, width))


def one_process(case, found):
    """Time steps with two threads."""
    width, batch, steps = case
    torch.set_num_threads(2)
    found.put(time_steps(make_net(width), batch, steps))


def one_of_two(rank, case, found, port):
    """Time steps on half of the batch, with one thread, beside another process."""
    width, batch, steps = case
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    distributed.init_process_group("gloo", address, rank=rank, world_size=2)
    net = DistributedDataParallel(make_net(width))
    milliseconds = time_steps(net, batch // 2, steps)
    if rank == 0:
        found.put(milliseconds)
    distributed.barrier()
    distributed.destroy_process_group()


def free_port():
    """Return a port that nobody listens at."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def measure(case):
    """Return the ms of a step of one process, and of two."""
    spawn = multiprocessing.get_context("spawn")
    found = spawn.Queue()
    single = spawn.Process(target=one_process, args=(case, found))
    single.start()
    alone = found.get(timeout=300)
    single.join()
    port = free_port()
    pair = multiprocessing.spawn(one_of_two, (case, found, port), 2, join=False)
    both = found.get(timeout=300)
    pair.join()
    return alone, both


def main(args=None):
    """Print the medians of all rounds, and the spread of the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(args).rounds
    for name, case in CASES.items():
        alone, both = np.array([measure(case) for _ in range(rounds)]).T
        ratio = alone / both
        print(
            f"{name}: one process {np.median(alone):.1f} ms a step, two "
            f"{np.median(both):.1f} ms, {np.median(ratio):.2f} times faster "
            f"({ratio.min():.2f} to {ratio.max():.2f})"
        )


if __name__ == "__main__":
    main()
