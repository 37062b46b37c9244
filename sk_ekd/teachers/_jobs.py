"""Let teachers that are fitted or asked at the same time share the cores."""

from joblib import cpu_count, effective_n_jobs, parallel_config
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from .._torch_state import limited


def share_cores(calls, n_jobs, prefer=None):
    """Make several calls at the same time, with no more threads than cores.

    In threads if they are preferred and joblib is not set to another backend. A
    teacher's own `n_jobs` is then 1.
    """
    n_workers = min(effective_n_jobs(n_jobs), len(calls))
    if n_workers == 1:
        return [function(*args) for function, *args in calls]
    n_threads = max(1, cpu_count() // n_workers)
    # BLAS has one limit a process, OpenMP one a thread
    with threadpool_limits(n_threads, "blas"), limited(n_threads):
        return Parallel(n_jobs=n_workers, prefer=prefer)(
            delayed(_beside_others)(n_threads, *call) for call in calls
        )


def _beside_others(n_threads, function, *args):
    with parallel_config(backend="sequential"), threadpool_limits(n_threads, "openmp"):
        return function(*args)
