"""Make rows like the real ones: each is mixed with one of its nearest neighbors."""

import warnings

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils import gen_batches

from ._classes import UNLABELED
from ._columns import as_table, is_plain, read_numbers
from ._progress import Stage
from ._table import DISTINCT, FEW, TableEncoder
from ._torch_state import draw_seed

COPIES = 5  # synthetic rows for each row where "auto" makes any:
MOSTLY = 0.5  # where more of the rows than this are labeled,
LARGEST = 20_000  # and there are not more of them,
MOST_VALUES = 2**24  # nor more values: 134 MB, and six times as many in the end
N_NEIGHBORS = 5  # of which one is drawn for each synthetic row
MOST_SEARCHED = 20_000  # rows to find neighbors among; of more, so many are drawn
BLOCK_VALUES = 2**22  # distances held at once: 16 MB
FEW_VALUES, EACH = 64, 5  # of a column that takes no others, each coming so often
NOISE = 1e-5  # added to what is searched, where a number has a spread of one
EXACT = 2.0**53  # beyond it, float64 does not hold every integer
FLOATS = (float, np.floating)
NUMBERS = (int, np.integer, *FLOATS)  # in an array of objects; others are copied


def choose_times(synthetic, data, predictions, *, auto=True):
    """Return how many synthetic rows to make of each row; "auto" needs reasons.

    It makes some only for teachers that are fitted here: those of the caller may be
    slow to ask. `auto` says whether it may make any.
    """
    if synthetic != "auto":
        if synthetic:
            predictions.check_can_ask()
        return int(synthetic)
    is_needed = data.labeled.mean() > MOSTLY and len(data.y) <= LARGEST
    is_cheap = predictions.given is None and predictions.fits_all
    return COPIES if auto and is_needed and is_cheap and _is_table(data.X) else 0


def _is_table(X):
    """Return whether synthetic rows can be made of X, and held in memory."""
    try:
        columns = _columns_of(X)
        if not columns or len(columns) * len(columns[0]) > MOST_VALUES:
            return False
        _encode(X)
    except (TypeError, ValueError):
        return False
    return True


def add_rows(data, times, rng, verbose=0):
    """Append `times` synthetic rows for each row that trains -> Data.

    They have no label and no position in the caller's X (an index of -1), and each
    weighs what the row weighs that it was made of. Nothing is drawn from `rng`, a
    RandomState, for none of them.
    """
    if not times:
        return data
    stage = Stage("make rows", verbose)
    X, parents = make_rows(data.X, times, draw_seed(rng))
    n_new = len(parents)
    extended = data._replace(
        X=_append(data.X, X),
        y=np.append(data.y, np.full(n_new, UNLABELED)),
        labeled=np.append(data.labeled, np.zeros(n_new, dtype=bool)),
        weight=np.append(data.weight, data.weight[parents[:, 0]]),
        index=np.append(data.index, np.full(n_new, -1)),
        parents=parents,
    )
    stage.end(f"{n_new:,} synthetic rows")
    return extended


def make_rows(X, times, seed):
    """Mix each row `times` times -> a table like X, and who was mixed (m, 2).

    About half of the columns, drawn anew for each row, come from one of its five
    nearest neighbors. Numbers that do are drawn around the neighbor's value, with half
    the distance to the row's own as the standard deviation; all other values are
    copied. No value is beyond those seen in its column, whole numbers stay whole, and
    where few values come again and again, no others are made.
    """
    rng = np.random.default_rng(seed)
    columns = _columns_of(X)
    near = find_neighbors(_encode(X), rng)  # (n, k)
    own = np.tile(np.arange(len(near)), times)  # (m,)
    other = near[own, rng.integers(near.shape[1], size=len(own))]
    mixed = [_mix(column, own, other, rng) for column in columns]
    return _like(X, mixed, own), np.stack([own, other], axis=1)


# --- Neighbors ------------------------------------------------------------------------


def _encode(X):
    """Write rows as numbers whose distances mean something -> (n, d), float32."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of columns that a student cannot learn
            encoder = TableEncoder().set_output(transform="default").fit(X)
    except (TypeError, ValueError) as error:
        error.add_note(
            "`synthetic` looks for neighbors in the table, and reads it as "
            "student=None does: if this cannot be changed, set synthetic=0."
        )
        raise
    return encoder.transform(X)


def find_neighbors(Z, rng):
    """Find the nearest others of each row -> positions (n, k), in any order.

    Where there is no other row, it is its own neighbor.
    """
    n = len(Z)
    if n == 1:
        return np.zeros((1, 1), dtype=np.int64)
    among = np.arange(n)
    if n > MOST_SEARCHED:
        among = np.sort(rng.choice(n, MOST_SEARCHED, replace=False))
    square = np.square(Z[among]).sum(axis=1)
    # of many that are equally near, not the same ones for every row
    noise = NOISE * rng.standard_normal((len(among), Z.shape[1]), dtype=np.float32)
    T = (Z[among] + noise).T
    near = np.empty((n, min(N_NEIGHBORS, n - 1)), dtype=np.int64)
    for rows in gen_batches(n, max(1, BLOCK_VALUES // len(among))):
        distance = Z[rows] @ T
        distance *= -2
        distance += square  # squared, less the row's own square
        inside = (among >= rows.start) & (among < rows.stop)
        distance[among[inside] - rows.start, np.flatnonzero(inside)] = np.inf  # itself
        order = np.argpartition(distance, near.shape[1] - 1, axis=1)
        near[rows] = among[order[:, : near.shape[1]]]
    return near


# --- Columns --------------------------------------------------------------------------


def _mix(column, own, other, rng):
    """Make a column of the synthetic rows -> (m,), of the same type."""
    source = np.where(rng.random(len(own)) < 0.5, other, own)
    mixed = _take(column, source)
    numbers = _read_numbers(column)  # (n,)
    if numbers is None:
        return mixed
    with np.errstate(over="ignore", invalid="ignore"):
        distance = np.abs(numbers[source] - numbers[own])
        moved = np.flatnonzero(distance > 0)  # not where either is missing
        drawn = numbers[source[moved]]
        drawn += distance[moved] / 2 * rng.standard_normal(len(moved))
    if len(moved):
        known = numbers[~np.isnan(numbers)]
        mixed = _write(mixed, moved, _as_seen(drawn, np.unique(known), len(known)))
    return mixed


def _as_seen(drawn, seen, n_known):
    """Limit numbers to what a column holds, given its distinct values in order.

    Examples
    --------
    >>> drawn = np.array([-1.0, 0.4, 3.6, 9.0])
    >>> _as_seen(drawn, np.array([0.0, 3.0, 5.0]), n_known=4)
    array([0., 0., 4., 5.])
    >>> _as_seen(drawn, np.array([0.0, 3.0, 5.0]), n_known=100)
    array([0., 0., 3., 5.])
    """
    if len(seen) <= min(FEW_VALUES, n_known / EACH):
        return seen[np.searchsorted((seen[1:] + seen[:-1]) / 2, drawn)]
    if (seen == np.rint(seen)).all():
        drawn = np.rint(drawn)
    return np.clip(drawn, seen[0], seen[-1])


def _read_numbers(column):
    """Return a column that may take other values -> (n,), float64; None otherwise."""
    if _is_polars(column):
        is_number = column.dtype.is_float() or column.dtype.is_integer()
        numbers = column.cast(float).to_numpy() if is_number else None
    elif column.dtype == object:
        numbers = _read_objects(column)
    else:
        is_stored = column.dtype.kind in "iuf" and not _is_sparse(column)
        numbers = read_numbers(pd.Series(column)) if is_stored else None
    if numbers is None:
        return None
    numbers = np.asarray(numbers, dtype=np.float64)
    is_exact = np.nanmax(np.abs(numbers), initial=0) < EXACT
    return numbers if is_exact or _is_float(column) else None


def _read_objects(column):
    """Return plain numbers in an array of objects, None where it holds others."""
    known = ~pd.isna(column)
    kinds = set(map(type, column[known]))
    if bool in kinds or not all(issubclass(kind, NUMBERS) for kind in kinds):
        return None
    numbers = np.full(len(column), np.nan)
    numbers[known] = column[known].astype(np.float64)
    return numbers


# --- Tables of each kind --------------------------------------------------------------


def _columns_of(X):
    """Return the columns of a table, or say why it has none to mix."""
    if issparse(X) or (isinstance(X, pd.DataFrame) and issparse(as_table(X))):
        raise ValueError(
            "`synthetic` mixes the columns of dense tables, got a sparse one, whose "
            "rows would share hardly any: pass X.toarray(), or set synthetic=0."
        )
    if isinstance(X, pd.DataFrame):
        columns = [X.iloc[:, j] for j in range(X.shape[1])]
        columns = [c.to_numpy() if _is_plain(c) else c.array for c in columns]
    elif hasattr(X, "get_columns"):
        columns = X.get_columns()
    else:
        array = np.array(X, dtype=object) if isinstance(X, (list, tuple)) else X
        if not isinstance(array, np.ndarray) or array.ndim != 2:
            raise ValueError(
                "`synthetic` mixes the columns of a table, a 2-D array or a DataFrame, "
                f"got {type(X).__name__} of shape {tuple(array.shape)}: texts and "
                "images have no columns to swap. Set synthetic=0, and add unlabeled "
                "rows if you have them."
            )
        columns = list(array.T)
    if columns and all(map(_is_free_text, columns)):
        raise ValueError(
            "`synthetic` mixes the columns of a table, got text only, in which hardly "
            "a value comes twice. Set synthetic=0, and add unlabeled rows if you have "
            "them."
        )
    return columns


def _is_free_text(column):
    if isinstance(column, np.ndarray) and is_plain(column.dtype):
        return False
    values = pd.Series(np.asarray(column, dtype=object)).dropna()
    if len(values) <= FEW or not values.map(lambda v: isinstance(v, str)).all():
        return False
    return values.nunique() > DISTINCT * len(values)


def _is_plain(column):
    return is_plain(column.dtype) or column.dtype == object


def _is_polars(column):
    return hasattr(column, "gather")


def _is_sparse(column):
    return isinstance(column.dtype, pd.SparseDtype)


def _is_float(column):
    if _is_polars(column):
        return column.dtype.is_float()
    if column.dtype == object:
        return any(isinstance(value, FLOATS) for value in column[~pd.isna(column)])
    return column.dtype.kind == "f"


def _take(column, positions):
    """Return values of a column -> a new one."""
    return column.gather(positions) if _is_polars(column) else column.take(positions)


def _write(column, positions, numbers):
    """Write numbers over the values at some positions, in the column's own type."""
    if _is_polars(column):
        return column.scatter(positions, type(column)("", numbers).cast(column.dtype))
    if column.dtype == object:
        if not _is_float(column):
            numbers = numbers.astype(np.int64)
        numbers = np.array(numbers.tolist(), dtype=object)
    elif not isinstance(column.dtype, np.dtype):
        numbers = pd.array(numbers, dtype=column.dtype)
    column[positions] = numbers
    return column


def _like(X, columns, own):
    """Put columns together to a table of the kind of X; `own` are the rows mixed."""
    if isinstance(X, pd.DataFrame):
        index = X.index.take(own)  # labels of their rows, unless they are numbers
        is_numbered = pd.api.types.is_integer_dtype(index.dtype) and not index.hasnans
        if is_numbered and X.index.max() < EXACT:
            start = X.index.max() + 1
            index = pd.RangeIndex(start, start + len(own), name=X.index.name)
        # by their types, else pandas makes strings of objects
        made = [pd.Series(c, index=index, dtype=c.dtype) for c in columns]
        return pd.DataFrame(dict(enumerate(made)), index).set_axis(X.columns, axis=1)
    if hasattr(X, "get_columns"):
        return type(X)(columns)
    if isinstance(X, (list, tuple)):
        return [list(row) for row in zip(*columns, strict=True)]
    table = np.empty((len(own), len(columns)), dtype=X.dtype)
    for j, column in enumerate(columns):
        table[:, j] = column
    return table


def _append(X, more):
    """Append rows to a table of the same kind."""
    if isinstance(X, pd.DataFrame):
        return pd.concat([X.set_flags(allows_duplicate_labels=True), more])
    if hasattr(X, "get_columns"):
        return X.vstack(more)
    if isinstance(X, (list, tuple)):
        return [*X, *more]
    return np.concatenate([X, more])
