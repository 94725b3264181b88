"""What ``measureformer doctor`` does: is everything here that the numbers depend on, and does it compute what it should?"""

import os
import platform
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.table import Table

from .console import stages

PYTHON = ((3, 11), (3, 13))
_ROWS = (16_384, 24_000, 32_769)
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")
_MODULES = {"pot": "ot"}  # where a package is imported by another name
_USES = {
    "report": "interactive reports",
    "export": "checking an ONNX network when it is written",
    "train": "the trained baseline of the benchmarks",
    "data": "sweeps, and trajectories in Zarr",
    "cluster": "sweeps on Dask",
    "models": "analyze, with PyTorch beside it",
}


def run_doctor(*, as_json: bool) -> dict:
    """``measureformer doctor``: ``passed``, the ``problems`` with their remedies, and all that was found."""
    with stages() as stage:
        stage("looking at the packages")
        core, extras = packages()
        found: dict[str, Any] = {"python": platform.python_version(), "platform": platform.platform(), "packages": core, "extras": extras}
        problems = [f"{name} is not installed: pip install measureformer" for name, there in core.items() if there is None]
        if not PYTHON[0] <= sys.version_info[:2] <= PYTHON[1]:
            problems.append(f"Python {found['python']} is not supported; take 3.11, 3.12 or 3.13")
        stage("computing")
        try:
            found["devices"], found["float64"] = devices(), float64()
        except Exception as error:  # whatever a broken installation raises
            found["devices"], found["float64"] = [], None
            problems.append(
                f"JAX does not compute ({' '.join(str(error).split())[:200]}): install it again, pip install --force-reinstall jax"
            )
    if found["float64"] is not None:
        problems += diseases(found["float64"], core.get("jax"))
    found |= {"cores": os.cpu_count(), "memory_gb": memory(), "ffmpeg": shutil.which("ffmpeg") is not None}
    result = {"passed": not problems, "problems": problems, **found}
    if not as_json:
        _show(result)
    return result


def packages() -> tuple[dict[str, str | None], dict[str, dict[str, Any]]]:
    """Versions of what measureformer needs (None: not there), and for every extra what of it is there and how to get the rest."""
    try:
        listed = requires("measureformer") or []
    except PackageNotFoundError:  # run from a source tree that is not installed
        listed = []
    core: dict[str, str | None] = {"measureformer": _version("measureformer")}
    extras: dict[str, dict[str, Any]] = {}
    for line in listed:
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0].lower()
        if (extra := _EXTRA.search(line)) is None:
            core[name] = _version(name)
            if name == "jax":
                core["jaxlib"] = _version("jaxlib")
        else:
            extras.setdefault(extra[1], {"packages": {}})["packages"][name] = _version(name)
    for extra, about in extras.items():
        about |= {"present": None not in about["packages"].values(), "for": _USES.get(extra, "")}
        about["install"] = f"pip install 'measureformer[{extra}]'"
    if "models" in extras and find_spec("torch") is None:
        extras["models"] |= {"present": False, "install": "pip install 'measureformer[models]' torch"}
    return core, extras


def devices() -> list[str]:
    """What JAX computes on."""
    import jax

    return [f"{device.platform}: {device.device_kind}" for device in jax.devices()]


def float64() -> dict[str, Any]:
    """Whether numbers are float64 when they should be, and right.

    JAX 0.10.2 computes wrong sums on the CPU, silently (jax-ml/jax#39103): a jitted ``vmap`` of |A x|^2 over some ten thousand rows.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    worst, kept = 0.0, True
    with jax.enable_x64(True):
        for rows in _ROWS:
            rng = np.random.default_rng(rows)
            matrix, x = rng.normal(size=(3, 3)), rng.normal(size=(rows, 3))
            found = np.asarray(jax.jit(jax.vmap(lambda row, A=matrix: jnp.sum((A @ row) ** 2)))(x))
            exact = ((x @ matrix.T) ** 2).sum(axis=1)
            kept &= found.dtype == np.float64
            worst = max(worst, float(np.nanmax(abs(found - exact) / exact, initial=0.0)), 0.0 if np.isfinite(found).all() else 1.0)
    return {"kept": bool(kept), "largest_relative_error": worst}


def diseases(canary: dict[str, Any], jax: str | None) -> list[str]:
    """What is wrong with float64, in words."""
    if not canary["kept"]:
        return ["JAX gives float32 where float64 was asked for; unset JAX_ENABLE_X64, and take a device that has float64"]
    if canary["largest_relative_error"] > 1e-12:
        wrong = canary["largest_relative_error"]
        return [f"JAX {jax} computes wrong float64 numbers (relative error {wrong:.1g}): pip install 'jax!={jax}'"]
    return []


def memory() -> float | None:
    """Free memory in GB, None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
    return round(kilobytes / 1e6, 1)


def _version(name: str) -> str | None:
    """The version of a package that can be imported."""
    try:
        found = version(name)
    except PackageNotFoundError:
        return None
    return found if name == "measureformer" or find_spec(_MODULES.get(name, name).replace("-", "_")) else None


def _show(result: dict[str, Any]) -> None:
    console, about = Console(), result["float64"]
    versions = ", ".join(f"{name} {found or 'MISSING'}" for name, found in result["packages"].items())
    said = "not computed" if about is None else f"relative error {about['largest_relative_error']:.1g} in a sum that JAX 0.10.2 gets wrong"
    lines = {
        "python": f"{result['python']} on {result['platform']}",
        "packages": versions,
        "devices": ", ".join(result["devices"]) or "none",
        "float64": said,
        "machine": f"{result['cores']} cores, {'?' if result['memory_gb'] is None else result['memory_gb']} GB of memory free",
        "films": "gif, mp4" if result["ffmpeg"] else "gif; for mp4 install ffmpeg",
    }
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, text in lines.items():
        table.add_row(name, text)
    for extra, there in result["extras"].items():
        state = "installed" if there["present"] else there["install"].replace("[", "\\[")
        table.add_row(f"extra {extra}", f"{state}  ({there['for']})")
    console.print(table, highlight=False)
    for problem in result["problems"]:
        console.print(f"problem: {problem}", markup=False, highlight=False, soft_wrap=True)
    console.print("Something is wrong." if result["problems"] else "All is well.", highlight=False)
