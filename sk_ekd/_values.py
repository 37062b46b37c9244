"""Read one value, as a number or as the text of a category; by NumPy alone."""

import math
import re
from decimal import Decimal
from numbers import Real
from typing import NamedTuple

import numpy as np

NUMBERS = (Real, Decimal, np.bool_)
MISSING_AS_TEXT = {"", "nan", "NaN", "None", "<NA>", "NA", "N/A", "null", "NaT"}
BOOLS = {"true": 1.0, "false": 0.0}
NO_NUMBERS = np.timedelta64, np.complexfloating  # though NumPy casts them
MOST_TEXTS = 2**16  # remembered of a column


class Category(NamedTuple):
    """A column that is one-hot encoded."""

    position: int  # in the table
    texts: list  # one a column; None is a missing value
    has_rest: bool  # whether one more column is for all others

    @property
    def width(self):
        """The number of columns that it becomes."""
        return len(self.texts) + self.has_rest

    def places_of(self, texts):
        """Return the column of each text, and that of a missing value; -1 is none."""
        places = {text: place for place, text in enumerate(self.texts)}
        rest = len(self.texts) if self.has_rest else -1
        # a missing value and its text are one, unless `fit` saw both: files mix them up
        known = [text for text in self.texts if text is not None]
        written = [places[text] for text in known if means_missing(text)]
        missing = places.get(None, written[0] if len(written) == 1 else rest)
        unknown = [text for text in texts if text not in places]
        places |= {text: missing for text in unknown if means_missing(text)}
        places |= _find_numbers(set(unknown) - set(places), known, places)
        return [places.get(text, rest) for text in texts], missing


class Places(dict):
    """The places of the texts of one column, looked up once each."""

    def __init__(self, category, start=0, none=-1):
        self.category, self.start, self.none = category, start, none
        self.missing = self._place(category.places_of([])[1])

    def of(self, value):
        """Return the place of a value of any type, `none` where it has none.

        Examples
        --------
        >>> places = Places(Category(0, ["1", "a", None], has_rest=False), start=10)
        >>> [places.of(value) for value in (True, "1.0", "a", None, "nan", "b")]
        [10, 10, 11, 12, 12, -1]
        """
        if type(value) is not str:
            if is_missing(value):
                return self.missing
            value = as_text(value)
        return self[value]

    def __missing__(self, text):
        place = self._place(self.category.places_of([as_text(text)])[0][0])
        if len(self) < MOST_TEXTS:
            self[text] = place
        return place

    def _place(self, column):
        return self.start + column if column >= 0 else self.none


def read_rows(rows, numbers, categories):
    """Read rows value by value -> numbers (n, k), float64, and places (n, g).

    Of each column of numbers, `numbers` has the position, the name, and what to take
    instead of reading it, or None; of each category, `categories` has the position and
    its Places.
    """
    read = [
        [
            read_number(row[position], name) if unread is None else unread
            for position, name, unread in numbers
        ]
        for row in rows
    ]
    places = [[look_up.of(row[i]) for i, look_up in categories] for row in rows]
    return np.array(read, dtype=np.float64), np.array(places, dtype=np.intp)


def is_missing(value):
    """Return whether a single value is a missing one: None, NaN, NaT or pandas' NA.

    Examples
    --------
    >>> [is_missing(value) for value in (None, np.nan, np.datetime64("NaT"), 0, "")]
    [True, True, True, False, False]
    """
    if value is None or value is np.ma.masked:
        return True
    try:
        return bool(value != value)
    except TypeError:  # NA is ambiguous, and so named: pandas is not to be imported
        return type(value).__name__ == "NAType"
    except ValueError:  # an array
        return False


def means_missing(text):
    """Return whether a text is what files write for a missing value."""
    return text.strip() in MISSING_AS_TEXT


def is_number_text(text):
    """Return whether a text is a number, and no code that a number would shorten.

    Examples
    --------
    >>> [is_number_text(text) for text in ("-1.50", "true", "1e3", "007", "1_0", "a")]
    [True, True, True, False, False, False]
    """
    if text.strip().lower() in BOOLS:
        return True
    if "_" in text or re.match(r"\s*[+-]?0\d", text):
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_number(value, name):
    """Return the number that a value of any type is, NaN if it is a missing one."""
    if isinstance(value, (float, np.integer)) and not isinstance(value, NO_NUMBERS):
        return value
    return np.nan if is_missing(value) else to_number(value, name)


def to_number(value, name):
    """Return the number that a value of a column is, NaN if missing."""
    text = str(value).strip()
    if means_missing(text):
        return np.nan
    try:
        if isinstance(value, NO_NUMBERS):
            raise TypeError
        return BOOLS[text.lower()] if text.lower() in BOOLS else float(value)
    except OverflowError:
        return np.inf  # which is refused
    except (TypeError, ValueError):
        raise ValueError(
            f"Column {name!r} must hold numbers, as it did when the student was "
            f"fitted, got {value!r}: turn it into a number, or into a missing value."
        ) from None


def as_text(value):
    """Write a value as text, alike whatever a file or database has made of it.

    Examples
    --------
    >>> [as_text(value) for value in (1, 1.0, "1.0", True, "true", "-0.0", 0.5, "a")]
    ['1', '1', '1', '1', '1', '0', '0.5', 'a']
    """
    if isinstance(value, int):  # of any size, and bool
        return str(int(value))
    text = str(value)
    if isinstance(value, NUMBERS) and math.isfinite(value) and value == int(value):
        return str(int(value))
    if text.lower() in BOOLS:
        return str(int(BOOLS[text.lower()]))
    whole = text.split(".")[0] if re.fullmatch(r"[+-]?\d+\.0+", text) else text
    return "0" if whole == "-0" else whole


def number_of(text):
    """Return the number that a text is, or None; a fraction as float32 has it.

    Whole numbers keep all digits, lest codes that differ in the last become one.

    Examples
    --------
    >>> [number_of(text) for text in ("01234", "1.50", "1e5", "1_0", "inf", "a")]
    [1234, 1.5, 100000.0, None, None, None]
    >>> number_of("0.1") == number_of("0.10000000149011612")
    True
    """
    if re.fullmatch(r"[+-]?\d{1,400}", text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return None
    if "_" in text or not math.isfinite(number):
        return None
    return number if number.is_integer() else float(np.float32(number))


def _find_numbers(unknown, known, places):
    """Return places of unknown texts that write the number of one known otherwise."""
    if not unknown:
        return {}
    numbers = [number_of(text) for text in known]
    found = {
        number: places[text]
        for number, text in zip(numbers, known, strict=True)
        if number is not None and numbers.count(number) == 1
    }
    return {text: found[n] for text in unknown if (n := number_of(text)) in found}
