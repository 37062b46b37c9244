"""Let teachers that are fitted or asked at the same time share the cores."""

from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from joblib import cpu_count, effective_n_jobs, parallel_config
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from .._torch_state import limited


def run_jobs(n_jobs, function, shared, jobs, reach):
    """Make calls of (name, *args) with what they share -> list."""
    calls = [(function, name, shared, *args) for name, *args in jobs]
    return share_cores(calls, n_jobs, reach=reach)


def share_cores(calls, n_jobs, prefer=None, reach=lambda n_done: None):
    """Make several calls at the same time, with no more threads than cores.

    Each is a function, a teacher's name and more. In threads if they are preferred and
    joblib is not set to another backend. A teacher's own `n_jobs` is then 1. `reach` is
    told how many calls are done.
    """
    n_workers = min(effective_n_jobs(n_jobs), len(calls))
    if n_workers == 1:
        results = []
        for function, *args in calls:
            results.append(function(*args))
            reach(len(results))
        return results
    n_threads = max(1, cpu_count() // n_workers)
    with TemporaryDirectory() as folder, limited(n_threads):
        marks = [Path(folder, str(number)) for number in range(len(calls))]
        try:
            # BLAS has one limit a process, OpenMP one a thread
            with threadpool_limits(n_threads, "blas"):
                return _Followed(reach, n_jobs=n_workers, prefer=prefer)(
                    delayed(_beside_others)(n_threads, mark, *call)
                    for mark, call in zip(marks, calls, strict=True)
                )
        except BrokenProcessPool as error:
            pairs = list(zip(marks, (name for _, name, *_ in calls), strict=True))
            at_work = [name for mark, name in pairs if mark.exists()]
            raise RuntimeError(
                "A worker process ended over one of the teachers "
                f"{sorted(set(at_work or dict(pairs).values()))}, mostly for want of "
                f"memory or in a crash: {error} Set n_jobs=1 to have one teacher at a "
                "time."
            ) from error


class _Followed(Parallel):
    """Says how many calls are done, on every backend; generators are not on all."""

    def __init__(self, reach, **options):
        super().__init__(**options)
        self.reach = reach

    def print_progress(self):
        """Say it, where joblib would print a line."""
        self.reach(self.n_completed_tasks)


def _beside_others(n_threads, mark, function, *args):
    with suppress(OSError):  # a worker on another machine has no such folder
        mark.touch()
    with parallel_config(backend="sequential"), threadpool_limits(n_threads, "openmp"):
        try:
            return function(*args)
        finally:  # but for a worker that dies
            with suppress(OSError):
                mark.unlink()
