"""The errors that a user can meet. Each message names the argument, the value found, and the remedy."""


class InputError(ValueError):
    """The input cannot be used as it is. The message names what is wrong, where, and how to mend it."""


class ConditioningError(InputError):
    """The problem is solvable on paper but not in the arithmetic at hand. The message names the phase and the digits missing."""
