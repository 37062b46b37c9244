"""Make calls on a Dask cluster, whose workers may end."""

from concurrent.futures import CancelledError
from contextlib import suppress
from importlib import import_module

from joblib import parallel_config

FAILURES = 3  # of all workers, before a task is to blame; Dask's own number
RESTART = 30  # seconds that a worker is given to start again


def open_client(client):
    """Return a client, the caller's or that of the last cluster."""
    try:
        from distributed import get_client
    except ImportError as error:
        raise ImportError(
            "Work on a Dask cluster needs dask and distributed: pip install "
            "'sk_ekd[dask]'."
        ) from error
    if client is not None:
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
    return function(key[1], rows, *args)


def run_tasks(client, function, shared, tasks):
    """Yield (name, function(name, shared, *args)) as each of the tasks is done.

    What they share is sent once. A worker that ends takes its tasks to another one; if
    all have ended, it is sent again, unless no task gets done between.
    """
    from distributed import KilledWorker

    client.wait_for_workers(1)
    client.run(import_module, __name__)  # a cold worker is deaf while it imports
    n_workers, todo, failures = len(client.nthreads()), dict(tasks), 0
    while todo:
        try:
            for name, result in _run_once(client, function, shared, todo):
                del todo[name]
                failures = 0
                yield name, result
        except (CancelledError, KilledWorker) as error:  # it was lost with the workers
            at_work = list(todo)[: max(1, sum(client.nthreads().values()))]
            failures += 1
            if failures == FAILURES or isinstance(error, KilledWorker):
                raise RuntimeError(
                    f"The workers ended over {_shown(at_work)}, mostly for want of "
                    f"memory or in a crash: {error} What is done stays done. Make "
                    "partitions smaller, or give a worker more memory or fewer threads."
                ) from error
            for name in at_work:  # last, in case that one of them is to blame
                todo[name] = todo.pop(name)
            with suppress(TimeoutError):  # then with those that are there
                client.wait_for_workers(n_workers, timeout=RESTART)


def _run_once(client, function, shared, tasks):
    from dask import delayed
    from distributed import as_completed

    # as one object: a dict or list would arrive as a future for each of its items
    box = client.scatter(Shared(shared), broadcast=True, hash=False)
    call = delayed(_open_box, pure=False)
    computed = client.compute(
        [call(function, name, box, *args) for name, args in tasks.items()]
    )
    names = dict(zip((future.key for future in computed), tasks, strict=True))
    try:
        for future in as_completed(computed):
            yield names[future.key], future.result()
            future.release()
    finally:  # after a failure, or Ctrl-C, too
        client.cancel([*computed, box])


class Shared:
    """What all tasks share; it stays pickled until a task needs it.

    A worker unpacks what it is sent where it should listen: the imports of a pickled
    teacher take seconds, after which it counts as lost.
    """

    def __init__(self, value):
        self._value = value
        self._pickled = None

    def __getstate__(self):
        import cloudpickle  # which comes with dask

        return self._pickled or cloudpickle.dumps(self._value)

    def __setstate__(self, pickled):
        self._pickled = pickled

    def open(self):
        """Return the value; two threads that open it at once make two."""
        pickled = self._pickled
        if pickled is not None:
            import cloudpickle

            self._value = cloudpickle.loads(pickled)
            self._pickled = None
        return self._value


def _open_box(function, name, box, *args):
    with parallel_config(backend="sequential"):  # one thread each
        return function(name, box.open(), *args)


def _shown(names):
    names = [name[1] if isinstance(name, tuple) else name for name in names]
    return f"{names[:3]} and {len(names) - 3} more" if len(names) > 3 else f"{names}"
