"""What a page with measures in motion holds, read back."""

import base64
import json
import re
from pathlib import Path

import numpy as np


def data_of(page: Path, name: str = "motion") -> dict:
    """The data of the scripts of a page."""
    return json.loads(re.search(rf"<script type='application/json' id='{name}'>(.*?)</script>", page.read_text(encoding="utf-8"))[1])


def unpacked(text: str, *shape: int) -> np.ndarray:
    """Packed coordinates as numbers, in units of what is shown as 1."""
    whole = np.frombuffer(base64.b64decode(text), "<i2").reshape(*shape, 3)
    return np.where(whole == -32768, np.nan, whole / 32767)
