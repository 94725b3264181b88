"""Figures as pictures: pixels, small PNGs, files."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from .._files import write_whole

_DPI = 150


def pixels(drawn: Any) -> Any:
    """A matplotlib figure as a Pillow image."""
    from PIL import Image

    drawn.set_dpi(_DPI)
    drawn.canvas.draw()
    return Image.fromarray(np.asarray(drawn.canvas.buffer_rgba())[..., :3].copy())


def small_png(image: Any) -> bytes:
    """A PNG of 256 colours, a third of the size."""
    data = io.BytesIO()
    image.quantize(256).save(data, "png", optimize=True)
    return data.getvalue()


def save(path: Path, image: Any) -> None:
    """Write it as a PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "png")
    write_whole(path, buffer.getvalue())
