"""The certificate: what was promised, and what an independent execution found."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._brief import html_table, short_number, text_table
from .._files import write_whole
from ..errors import InputError
from .budget import paper_budget
from .execution import Execution, digests, execute

FORMAT = 1
FILE = "certificate.json"


class Certificate(dict):
    """A certificate as in ``certificate.json``, which shows its verdict."""

    def __repr__(self) -> str:
        return f"{self._title()}\n{text_table(*self._distances())}"

    def _repr_html_(self) -> str:
        return html_table(self._title(), *self._distances())

    def _title(self) -> str:
        verdict = "passed" if self["passed"] else "did NOT pass"
        segments, d = self["schedule"]["segments"], self["schedule"]["dimension"]
        return f"Certificate: {verdict} at eps = {self['eps']:g} (independent execution, {segments} segments, d = {d})"

    def _distances(self) -> tuple[list[str], list[list[str]]]:
        rows = [[str(p["label"]), *(short_number(p[key]) for key in ("w2_before", "w2_after", "winf_after"))] for p in self["pairs"]]
        return ["measure", "W_2 before", "W_2 after", "W_inf after"], rows


def compose(execution: Execution, promise: dict) -> Certificate:
    """The certificate of an execution.

    Args:
        execution: of the saved files.
        promise: what only the planner knows: eps, strategy, the attainable distances, conditioning, seed, ...; keys of
            the certificate, taken as they are. ``attainable`` is a list of {"value", "method", "lower"}, one for each pair.

    Returns:
        The certificate, JSON-ready: numbers that are not finite are null. ``passed`` is true only if every pair is within eps by the
        integration of the original equation, and by the float64 network if there is one.
    """
    promise = dict(promise)
    found = describe(execution, promise["eps"])
    for pair, best in zip(found["pairs"], promise.pop("attainable"), strict=True):
        pair.update({"w2_attainable": best["value"], "w2_attainable_method": best["method"], "w2_attainable_lower": best["lower"]})
    return Certificate(_json_ready({"format": FORMAT, **found, **promise, "independent_execution": execution.method()}))


def describe(execution: Execution, eps: float) -> dict:
    """What an execution found: ``passed``, ``eps``, ``pairs``, ``schedule``, ``network`` and ``paper_budget`` of a certificate."""
    e = execution
    rows = zip(e.labels, e.sources, e.targets, e.w2_before, e.w2_after, e.winf_after, strict=True)
    names = ("label", "n_source", "n_target", "w2_before", "w2_after", "winf_after")
    pairs = [dict(zip(names, (label, mu.size, nu.size, *values), strict=True)) for label, mu, nu, *values in rows]
    return {"passed": e.within(eps), "eps": eps, "pairs": pairs, "schedule": describe_schedule(e), "network": describe_network(e),
            "paper_budget": paper_budget(e.sources, e.targets)}  # fmt: skip


def describe_schedule(execution: Execution) -> dict:
    """Size and norm of the schedule, counted on the file that was executed."""
    s = execution.schedule
    return {
        "dimension": s.dimension,
        "segments": len(s),
        "switches": s.switches,
        "switches_by_phase": s.switches_by_phase(),
        "width": s.width,
        "horizon": s.horizon,
        "sup_norm": s.sup_norm(),
    }


def describe_network(execution: Execution) -> dict | None:
    """Size of the network and where its float64 and float32 executions end."""
    n = execution.network
    if n is None:
        return None
    return {
        "layers": len(n.layers),
        "attention_layers": n.attention_layers,
        "width": n.width,
        "w2_after": execution.network_w2,
        "w2_after_float32": execution.network_w2_float32,
    }


def write(directory: str | Path, certificate: dict) -> None:
    """Write ``certificate.json`` in one step: it is there whole or not at all."""
    text = json.dumps(certificate, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    write_whole(Path(directory) / FILE, text.encode("utf-8"))


def read(directory: str | Path) -> dict:
    """Read ``certificate.json``.

    Raises:
        InputError: the directory holds no certificate, or one that cannot be read.
    """
    path = Path(directory) / FILE
    try:
        certificate = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{directory} holds no {FILE}; give the directory of a finished run of `measureformer interpolate`") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); run `measureformer interpolate` again") from None
    if not isinstance(certificate, dict) or certificate.get("format") != FORMAT:
        raise InputError(f"{path} is not a certificate of format {FORMAT}; this version reads no other")
    return certificate


@dataclass(frozen=True)
class Verification:
    """The outcome of ``verify``: problems (empty if the certificate holds), and what was found now (None if nothing could be executed)."""

    problems: list[str]
    certificate: dict | None

    def __repr__(self) -> str:
        return f"Verification: the certificate {'holds' if self.passed else 'does NOT hold: ' + '; '.join(self.problems)}"

    @property
    def passed(self) -> bool:
        """Whether the files are those that were certified and do what the certificate says."""
        return not self.problems


def verify(directory: str | Path, *, progress=None) -> Verification:
    """Execute a run again, from its files alone, and compare with its certificate.

    It passes if the files are the certified ones (SHA-256), the sizes stated are theirs, and every distance is again within eps and within
    eps/10 of what was stated.

    Raises:
        InputError: the directory holds no certificate.
    """
    stated = read(directory)
    try:
        problems = _check_files(stated["files"], directory)
    except (KeyError, TypeError, AttributeError):
        problems = ["the certificate does not say which files it certifies"]
    try:
        execution = execute(directory, progress=progress)
        eps = float(stated["eps"])
        found = Certificate(_json_ready({**describe(execution, eps), "independent_execution": execution.method()}))
        problems += _compare("", {key: stated[key] for key in _CLAIMS}, {key: found[key] for key in _CLAIMS}, eps)
    except InputError as error:
        return Verification([*problems, str(error)], None)
    except (KeyError, TypeError, ValueError) as error:
        return Verification([*problems, f"the certificate is damaged: {error!r}"], None)
    if not found["passed"]:
        problems.append(f"not every measure arrives within eps = {eps:g}")
    elif stated.get("passed") is not True:
        problems.append("the certificate itself says that the run did not pass")
    return Verification(problems, found)


_CLAIMS = ("pairs", "schedule", "network", "paper_budget")
# float32 results depend on the machine's order of summation; they are reported, not compared.
_NOT_COMPARED = ("w2_after_float32",)


def _check_files(stated: dict[str, str], directory: str | Path) -> list[str]:
    problems, now = [], digests(directory)
    for name in sorted({*stated, *now}):
        if name not in now:
            problems.append(f"{name} is missing")
        elif name not in stated:
            problems.append(f"{name} is not among the files that the certificate names")
        elif now[name] != stated[name]:
            problems.append(f"{name} is not the file that was certified (its SHA-256 differs)")
    return problems


def _compare(what: str, stated, found, eps: float) -> list[str]:
    """Differences between claim and finding: distances may differ by eps/10, other numbers by rounding, all else not at all."""
    if isinstance(found, dict) and isinstance(stated, dict):
        keys = [key for key in found if key not in _NOT_COMPARED]
        return [problem for key in keys for problem in _compare(f"{what}.{key}".lstrip("."), stated.get(key), found[key], eps)]
    if isinstance(found, list) and isinstance(stated, list) and len(found) == len(stated):
        return [problem for k in range(len(found)) for problem in _compare(f"{what}[{k}]", stated[k], found[k], eps)]
    if isinstance(found, float) and isinstance(stated, (int, float)):
        close = abs(stated - found) <= eps / 10 if what.split(".")[-1].startswith("w") else math.isclose(stated, found, rel_tol=1e-9)
    else:
        close = type(stated) is type(found) and stated == found
    return [] if close else [f"{what} is stated as {_shown(stated)} and found to be {_shown(found)}"]


def _shown(value) -> str:
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, (dict, list)) else repr(value)


def _json_ready(value) -> Any:
    """Plain lists, dictionaries and numbers; what is not finite becomes None (JSON has no NaN)."""
    if isinstance(value, dict):
        return {str(k): _json_ready(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
