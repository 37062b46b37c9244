"""Tables to draw, and what becomes of a table between training and serving."""

import io
import json
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import numpy as np
import pandas as pd
from hypothesis import strategies as st

try:
    import pyarrow
except ImportError:  # or one that does not go with this NumPy
    pyarrow = None

# A file tells no text that looks like a number, or a missing value, from one: what
# pandas would write otherwise ("1.50", "007", "+1", "NA") is not among the words.
WORDS = (
    "yes", "no", "a b", "Ü", "b,c", "x", "t", "true", "False", "TRUE", "1", "12", "-3",
    "0.5", "1.0", "0", "-1.0", "1e", "a_1", "1_000", "0x1", "\u0661",
)  # fmt: skip
VALUES = {  # and the types that they are stored as
    "fractions": (
        st.integers(-10_000, 10_000).map(lambda value: value / 1000),
        (float, "Float64", object, "category"),
    ),
    "integers": (
        st.integers(-1000, 1000) | st.integers(-(2**24), 2**24),
        (int, float, "Int64", object, "category"),
    ),
    "flags": (st.booleans(), (bool, "boolean", object, "category")),
    "words": (st.sampled_from(WORDS), (str, "string", object, "category")),
}


@dataclass(frozen=True)
class Column:
    """A column that is drawn from a few values, with gaps."""

    values: tuple
    dtype: object
    missing: float  # share
    seed: int

    def make(self, n_samples):
        """Return the column as a Series."""
        rng = np.random.RandomState(self.seed)
        objects = np.empty(n_samples, dtype=object)
        objects[:] = [
            self.values[i] for i in rng.randint(len(self.values), size=n_samples)
        ]
        gaps = rng.rand(n_samples) < self.missing
        objects[gaps] = None
        holds_gaps = {bool: object, int: float, str: object}
        dtype = holds_gaps.get(self.dtype, self.dtype) if gaps.any() else self.dtype
        return pd.Series(objects).astype(dtype)


@st.composite
def columns(draw):
    """Draw a column."""
    values, dtypes = VALUES[draw(st.sampled_from(list(VALUES)))]
    return Column(
        values=tuple(draw(st.lists(values, min_size=1, max_size=12))),
        dtype=draw(st.sampled_from(dtypes)),
        missing=draw(st.sampled_from([0.0, 0.2, 1.0])),
        seed=draw(st.integers(0, 2**16)),
    )


@st.composite
def tables(draw):
    """Draw a DataFrame of any columns."""
    n_samples = draw(st.integers(5, 40))
    drawn = draw(st.lists(columns(), min_size=1, max_size=5))
    made = [column.make(n_samples) for column in drawn]
    return pd.concat(made, axis=1, keys=[f"column {i}" for i in range(len(made))])


# --- Between training and serving -----------------------------------------------------


def _through_csv(frame, **how):
    text = frame.to_csv(index=False)
    return pd.read_csv(io.StringIO(text), skip_blank_lines=False, **how)


def _through_json(frame):
    records = json.loads(frame.to_json(orient="records", double_precision=15))
    return pd.DataFrame(records, columns=frame.columns)


def _numbers_as(dtype):
    def convert(frame):
        numbers = frame.select_dtypes(["number", "bool", "boolean"]).columns
        nullable = frame.astype(dict.fromkeys(numbers, "Float64"))
        return nullable.astype(dict.fromkeys(numbers, dtype))

    return convert


def _as_decimals(frame):
    return frame.astype(object).map(_as_decimal)


def _as_decimal(value):
    if isinstance(value, str) or pd.isna(value):
        return value
    return Decimal(str(value * 1))  # of a bool, 0 or 1


def _to_array(frame):
    # pandas writes what is missing in a category of bools as True
    categories = frame.select_dtypes("category").columns
    return frame.astype(dict.fromkeys(categories, object)).to_numpy()


DRIFTS = {
    "nothing": lambda frame: frame,
    "CSV": _through_csv,
    "CSV, read as text": partial(_through_csv, dtype=str),
    "JSON": _through_json,
    "SQL": lambda frame: _numbers_as(float)(frame).astype(object),
    "SQL with decimals": _as_decimals,
    "float": _numbers_as(float),
    "float32": _numbers_as(np.float32),
    "Float32": _numbers_as("Float32"),
    "nullable": pd.DataFrame.convert_dtypes,
    "categories": lambda frame: frame.astype("category"),
    "objects": lambda frame: frame.astype(object),
    "None": lambda frame: frame.astype(object).where(frame.notna(), None),
    "records": lambda frame: pd.DataFrame(frame.to_dict("records")),
    "array": _to_array,
    "array of objects": lambda frame: frame.to_numpy(dtype=object),
    "list": lambda frame: frame.to_numpy(dtype=object).tolist(),
}
if pyarrow is not None:
    DRIFTS |= {
        "Arrow": lambda frame: pyarrow.Table.from_pandas(frame, preserve_index=False),
        "CSV, read as Arrow's": partial(_through_csv, dtype_backend="pyarrow"),
    }
