"""Arrays in Zarr stores whose chunks carry a checksum: one that was cut short or altered cannot be read."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError


def zarr_for(what: str) -> Any:
    """The package zarr.

    Args:
        what: needs it, for the message.

    Raises:
        InputError: it is not installed.
    """
    try:
        import zarr
    except ImportError:
        raise InputError(f"{what} needs zarr, which is not installed: pip install 'measureformer[data]'") from None
    return zarr


def add_array(
    group: Any, name: str, axes: Sequence[str], shape: Sequence[int], chunk: Sequence[int], form: str, about: dict[str, Any] | None = None
) -> Any:
    """An array of a group, with named axes; every chunk is written, so that one that is not there is damage.

    Args:
        group: of Zarr.
        name, axes, shape, chunk: of the array.
        form: "text" or a dtype; numbers that were not written are NaN, integers 0.
        about: attributes.
    """
    from zarr.codecs import Crc32cCodec, ZstdCodec

    dtype, fill = ("str", "") if form == "text" else (form, float("nan") if form.startswith("float") else 0)
    return group.create_array(
        name, shape=tuple(shape), chunks=tuple(chunk), dtype=dtype, fill_value=fill, dimension_names=tuple(axes), attributes=about,
        compressors=[ZstdCodec(level=3), Crc32cCodec()], config={"write_empty_chunks": True},
    )  # fmt: skip


def consolidate(group: Any) -> None:
    """Copy the metadata of all arrays into the group's own, so that readers need to open one file."""
    zarr = zarr_for("a store")
    with warnings.catch_warnings():
        # not in the specification yet; readers that don't know it skip it
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(group.store)


def sweep_up(store: Path) -> None:
    """Remove what a write that was killed left behind."""
    for rest in store.rglob("*.partial"):
        rest.unlink()
