"""``python -m measureformer`` is the command ``measureformer``."""

from .cli import main

main()
