"""Read one value, as a number or as the text of a category; by NumPy alone."""

import math
import re
from collections import Counter
from decimal import Decimal
from functools import lru_cache
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np

NUMBERS = (Real, Decimal, np.bool_)
MISSING_AS_TEXT = {"", "nan", "NaN", "None", "<NA>", "NA", "N/A", "null", "NaT"}
BOOLS = {"true": 1.0, "false": 0.0}


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
        places = _places(tuple(self.texts), self.has_rest)
        return [places.of_text(text) for text in texts], places.missing

    def place_of(self, value):
        """Return the column of a single value; -1 is none."""
        places = _places(tuple(self.texts), self.has_rest)
        if type(value) is str and value in places.known:  # as `as_text` has written it
            return places.known[value]
        return places.missing if is_missing(value) else places.of_text(as_text(value))


class _Places(NamedTuple):
    """Where a category that is one-hot encoded finds its column."""

    known: dict  # by text
    numbers: dict  # by the number that one text alone is
    missing: int
    rest: int

    def of_text(self, text):
        """Return the column of a text; of another way to write it, where one is."""
        place = self.known.get(text)
        if place is not None:
            return place
        if means_missing(text):
            return self.missing
        return self.numbers.get(number_of(text), self.rest)


@lru_cache(maxsize=1024)  # what takes longest about a single row
def _places(texts, has_rest):
    """Return the columns of a category, whose texts may include None."""
    known = {text: place for place, text in enumerate(texts) if text is not None}
    rest = len(texts) if has_rest else -1
    # a missing value and its text are one, unless `fit` saw both: files mix them up
    written = [place for text, place in known.items() if means_missing(text)]
    missing = written[0] if len(written) == 1 else rest
    missing = texts.index(None) if None in texts else missing
    numbers = {text: number_of(text) for text in known}
    counts = Counter(numbers.values())
    found = {n: known[text] for text, n in numbers.items() if counts[n] == 1}
    found.pop(None, None)  # of a text that is no number
    return _Places(known, found, missing, rest)


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


def to_number(value, name):
    """Return the number that a value of a column is, NaN if missing."""
    text = str(value).strip()
    if means_missing(text):
        return np.nan
    try:
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
    if isinstance(value, Integral):  # maybe too large for a float
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
