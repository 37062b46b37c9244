"""List the usual spellings of a category: a graph can look up texts, not read them."""

import numpy as np

from .._values import MISSING_AS_TEXT, as_text, number_of

FLAGS = {
    1: ("True", "true", "TRUE"),
    0: ("False", "false", "FALSE", "-0", "-0.0"),
}


def spell(category):
    """Return the spellings of what is known of a category, and the place of each.

    The place of all others is the last one, where others have one, or -1.

    Examples
    --------
    >>> from sk_ekd._values import Category
    >>> texts, places = spell(Category(0, ["1", "b", None], has_rest=False))
    >>> [(text, places[texts.index(text)]) for text in ("1.0", "true", "b", "", "NA")]
    [('1.0', 0), ('true', 0), ('b', 1), ('', 2), ('NA', 2)]
    """
    known = [text for text in category.texts if text is not None]
    spellings = sorted({*MISSING_AS_TEXT, *(s for text in known for s in _spell(text))})
    places, _ = category.places_of([*map(as_text, spellings)])
    rest = len(category.texts) if category.has_rest else -1
    found = [(s, p) for s, p in zip(spellings, places, strict=True) if p != rest]
    return [spelling for spelling, _ in found], [place for _, place in found]


def _spell(text):
    """Yield a text, and if it writes a number, what else writes it."""
    yield text
    number = number_of(text)
    if number is None:
        return
    yield from FLAGS.get(number, ())
    if isinstance(number, int) or number.is_integer():
        yield from (f"{int(number)}", f"{int(number)}.0", f"{int(number)}.00")
    if abs(number) < 1e300:
        as_float = float(number)
        yield from (repr(as_float), f"{as_float:e}", f"{as_float:g}")
        yield str(np.float32(number))
        yield from (f"{as_float:.{digits}f}" for digits in range(1, 7))
