"""The teachers: who they are, how they are fitted, and what they predict."""

from ._ask import ask_teachers, fit_out_of_fold
from ._dask import ask_on_dask
from ._partition import ask_partition, read_partitions

__all__ = [
    "ask_on_dask",
    "ask_partition",
    "ask_teachers",
    "fit_out_of_fold",
    "read_partitions",
]
