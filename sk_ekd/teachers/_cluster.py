"""Make calls on a Dask cluster, whose workers may end."""

import time
import warnings
from importlib import import_module
from threading import Lock

from joblib import parallel_config

PATIENCE = 300  # seconds without any worker
FITTING = Lock()  # of a worker's threads: they share the generators that a fit seeds


def open_client(client):
    """Return a client, the caller's or that of the last cluster."""
    try:
        from distributed import Client, get_client
    except ImportError as error:
        raise ImportError(
            "Work on a Dask cluster needs dask and distributed: pip install "
            "'sk_ekd[dask]'."
        ) from error
    if client is not None:
        if not isinstance(client, Client) or client.status != "running":
            raise TypeError(
                "`client` must be a distributed.Client that is connected, got "
                f"{client!r}. (Of a cluster: Client(cluster).)"
            )
        return client
    try:
        return get_client()
    except ValueError as error:
        raise ValueError(
            "There is no Dask cluster: open one, as in client = "
            "distributed.Client(n_workers=2, threads_per_worker=1), and pass "
            "client=client."
        ) from error


def run_jobs(client, function, shared, jobs, reach):
    """Make calls of (name, *args) on the cluster -> list, as `_jobs.run_jobs` does."""
    client = open_client(client)
    tasks = {(number, job[0]): job[1:] for number, job in enumerate(jobs)}
    done = {}
    for key, result in run_tasks(client, _call, (function, shared), tasks):
        done[key] = result
        reach(len(done))
    return [done[key] for key in tasks]


def _call(key, shared, *args):
    function, rows = shared
    with FITTING:
        return function(key[1], rows, *args)


def run_tasks(client, function, shared, tasks):
    """Yield (name, function(name, shared, *args)) as each of the tasks is done.

    What they share is sent once. A worker that ends leaves its task to another one.
    """
    from dask import delayed
    from distributed import KilledWorker, as_completed

    if not tasks:
        return
    _warm(client)
    box = _send(client, shared)
    call = delayed(_open_box, pure=False)
    computed = client.compute(
        [call(function, name, box, *args) for name, args in tasks.items()]
    )
    names = dict(zip((future.key for future in computed), tasks, strict=True))
    try:
        waiting = as_completed(computed)
        while not waiting.is_empty():
            _wait_for(waiting, client, names)
            future = next(waiting)
            yield names[future.key], future.result()
            future.release()
    except KilledWorker as error:
        name = names[future.key]
        name = name[-1] if isinstance(name, tuple) else name
        raise RuntimeError(
            f"Workers ended again and again, with {name} among their tasks, "
            f"mostly for want of memory or in a crash: {error} What is done stays "
            "done. Give a worker more memory or fewer threads, or make partitions "
            "smaller."
        ) from error
    finally:  # after a failure, or Ctrl-C, too
        client.cancel([*computed, box])


def _warm(client):
    """Import on the workers what tasks need: a cold worker is deaf while it imports."""
    answers = client.run(import_module, __name__, on_error="return")
    for answer in answers.values():
        # one that ends meanwhile is none of the tasks' business
        if isinstance(answer, Exception) and not isinstance(answer, OSError):
            raise answer


def _wait_for(waiting, client, names):
    """Wait until a task is done, or no worker has been there for long."""
    last = looked = time.monotonic()
    while not waiting.has_ready():
        time.sleep(0.01)
        now = time.monotonic()
        if now - looked > PATIENCE / 10:
            looked = now
            last = now if client.nthreads() else last
        if now - last > PATIENCE:
            name = names[next(iter(waiting.futures)).key]
            raise RuntimeError(
                f"Workers ended, and there has been none for {PATIENCE} s, with "
                f"{name} among the tasks left. What is done stays done. Give the "
                "cluster workers, with more memory or fewer threads, and call again."
            )


def _send(client, value):
    """Send what tasks share to a worker, where others fetch it -> future of a Shared.

    As the result of a task, which Dask makes again: scattered data are lost with the
    workers. As one object: a dict or list would arrive as a future for each item.
    """
    import cloudpickle

    try:
        pickled = cloudpickle.dumps(value)
    except Exception as error:
        error.add_note("The teachers, or rows, could not be pickled for the workers.")
        raise
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph")  # once, on purpose
        return client.submit(Shared, pickled, pure=False)


class Shared:
    """What all tasks share; it stays pickled until a task needs it.

    A worker unpacks what it is sent where it should listen: the imports of a pickled
    teacher take seconds, after which it counts as lost.
    """

    def __init__(self, pickled):
        self.pickled = pickled
        self.value = None

    def __reduce__(self):
        import cloudpickle  # which comes with dask

        return Shared, (self.pickled or cloudpickle.dumps(self.value),)

    def open(self):
        """Return the value; two threads that open it at once make two."""
        pickled = self.pickled
        if pickled is not None:
            import cloudpickle

            try:
                self.value = cloudpickle.loads(pickled)
            except Exception as error:
                error.add_note(
                    "A worker could not unpack the teachers, or rows: it must be able "
                    "to import what they are made of. The class of a skorch net that "
                    "is defined in a notebook must move into a module."
                )
                raise
            self.pickled = None
        return self.value


def _open_box(function, name, box, *args):
    with parallel_config(backend="sequential"):  # one thread each
        return function(name, box.open(), *args)
