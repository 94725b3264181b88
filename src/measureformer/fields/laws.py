"""The table of the attention laws."""

import difflib

from ..errors import InputError
from .combine import MultiHead
from .hardmax import Hardmax
from .l2 import L2
from .linear import Linear
from .sigmoid import Sigmoid
from .sinkhorn import Sinkhorn
from .softmax import Softmax
from .unnormalised import Unnormalised

# A new law gets its place here.
LAWS = {law.about.name: law for law in (Softmax, Unnormalised, Linear, L2, Sigmoid, Sinkhorn, Hardmax, MultiHead)}


def law_named(name: str) -> type:
    """The class of a law by the name that ``measureformer laws`` prints.

    Raises:
        InputError: there is none; the message has the nearest name.
    """
    if name not in LAWS:
        raise InputError(f"there is no law {name!r}; {nearest(name, LAWS)}")
    return LAWS[name]


def nearest(name: str, names) -> str:
    """The end of a message about an unknown name: the most similar one, or all of them."""
    close = difflib.get_close_matches(name.lower(), list(names), n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
