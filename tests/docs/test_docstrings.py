"""How docstrings become pages."""

import doctest

import numpy as np
from jaxtyping import Float

from docs_extension import extension
from measureformer._types import Array, Matrix

DOCSTRING = r"""One line with |x| and ``code``, and a_b.

Before $$ x = y
    - z $$ after,
on two lines.

    a table    as it is

1. first,
   continued
2. second

Args:
    x, y: points, $x_i$.
    beta: positive;
        more of it.

Returns:
    The thing: with a colon.

Example:
    >>> 1 + 1
    2
"""


def test_sections_lists_and_formulas():
    text = "\n".join(extension("docstrings").convert(DOCSTRING.split("\n")))
    assert r"\|x\| and \ ``code``\ , and a\_b." in text
    assert ".. math::\n\n    x = y - z" in text and "after, on two lines." in text
    assert "::\n\n    a table    as it is" in text
    assert "1. first, continued\n" in text and "2. second" in text
    assert ":Arguments:\n    * **x, y**: points, \\ :math:`x_i`\\ ." in text
    assert "* **beta**: positive; more of it." in text
    assert ":Returns:\n    The thing: with a colon." in text
    assert "    >>> 1 + 1\n    2" in text


def test_annotations_in_short():
    shown = extension("docstrings").shown
    assert shown(Float[Array, "*batch n d"]) == "'*batch n d'"
    assert shown(Float[np.ndarray, "n"] | None) == "'n' | None"  # pyright: ignore[reportOperatorIssue]
    assert shown(Matrix) == "matrix"
    assert shown(dict[str, list[int]]) == "dict[str, list[int]]"
    assert shown(None) == "None"


def test_examples_of_the_extensions():
    assert doctest.testmod(extension("docstrings")).failed == 0
