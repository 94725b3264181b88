"""The certificate: what was promised, and what an independent execution found."""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from .execution import Execution, digests, execute

FORMAT = 1
FILE = "certificate.json"


def compose(execution: Execution, promise: dict) -> dict:
    """The certificate of an execution.

    Args:
        execution: of the saved files.
        promise: what only the planner knows: eps, strategy, the attainable distances, the paper's budget, conditioning, seed, ... (keys
        of the
            certificate, taken as they are; ``attainable`` is a list of {"value", "method", "lower"}, one for each pair).

    Returns:
        The certificate, JSON-ready: numbers that are not finite are null. ``passed`` is true only if every pair is within eps by the
        integration of
        the original equation, and by the float64 network if there is one.
    """
    promise = dict(promise)
    attainable = promise.pop("attainable")
    pairs = [
        {
            "label": label,
            "n_source": source.size,
            "n_target": target.size,
            "w2_before": before,
            "w2_after": after,
            "w2_attainable": best["value"],
            "w2_attainable_method": best["method"],
            "w2_attainable_lower": best["lower"],
            "winf_after": worst,
        }
        for label, source, target, before, after, worst, best in zip(
            execution.labels, execution.sources, execution.targets,
            execution.w2_before, execution.w2_after, execution.winf_after, attainable, strict=True,
        )
    ]  # fmt: skip
    return _json_ready(
        {
            "format": FORMAT,
            "passed": execution.within(promise["eps"]),
            "eps": promise.pop("eps"),
            "strategy": promise.pop("strategy"),
            "pairs": pairs,
            "schedule": describe_schedule(execution),
            "network": describe_network(execution),
            "independent_execution": execution.method(),
            **promise,
        }
    )


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
    path = Path(directory) / FILE
    part = path.with_suffix(".part")
    part.write_text(json.dumps(certificate, indent=2, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, path)


def read(directory: str | Path) -> dict:
    """Read ``certificate.json``.

    Raises:
        InputError: the directory holds no certificate, or one that cannot be read.
    """
    path = Path(directory) / FILE
    try:
        certificate = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
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

    @property
    def passed(self) -> bool:
        """Whether the files are those that were certified and do what the certificate says."""
        return not self.problems


def verify(directory: str | Path, *, progress=None) -> Verification:
    """Execute a run again, from its files alone, and compare with its certificate.

    It passes if the files are the certified ones (SHA-256), the sizes stated are theirs, and every distance is again within eps and
    within eps/10 of
    what was stated.

    Raises:
        InputError: the directory holds no certificate.
    """
    stated = read(directory)
    problems = []
    now = digests(directory)
    for name, digest in stated.get("files", {}).items():
        if name not in now:
            problems.append(f"{name} is missing")
        elif now[name] != digest:
            problems.append(f"{name} is not the file that was certified (its SHA-256 differs)")
    try:
        execution = execute(directory, progress=progress)
        eps = float(stated["eps"])
        found = _json_ready(
            {
                "passed": execution.within(eps),
                "eps": eps,
                "pairs": [
                    {"label": label, "w2_before": b, "w2_after": a, "winf_after": w}
                    for label, b, a, w in zip(execution.labels, execution.w2_before, execution.w2_after, execution.winf_after, strict=True)
                ],
                "schedule": describe_schedule(execution),
                "network": describe_network(execution),
                "independent_execution": execution.method(),
            }
        )
        problems += _compare(stated, found, eps)
    except InputError as error:
        return Verification([*problems, str(error)], None)
    except (KeyError, TypeError, ValueError) as error:
        return Verification([*problems, f"the certificate is damaged: {error!r}"], None)
    return Verification(problems, found)


def _compare(stated: dict, found: dict, eps: float) -> list[str]:
    problems = []
    if stated["passed"] is not True:
        problems.append("the certificate itself says that the run did not pass")
    if [p["label"] for p in stated["pairs"]] != [p["label"] for p in found["pairs"]]:
        return [*problems, "the certificate speaks of other measures than the data files"]
    for old, new in zip(stated["pairs"], found["pairs"], strict=True):
        for key in ("w2_before", "w2_after", "winf_after"):
            problems += _differ(f"measure {old['label']!r}: {key}", old[key], new[key], eps)
        if new["w2_after"] is None or new["w2_after"] > eps:
            problems.append(f"measure {old['label']!r}: W_2 after is {new['w2_after']}, more than eps = {eps:g}")
    for key in ("dimension", "segments", "switches", "switches_by_phase", "width"):
        if stated["schedule"][key] != found["schedule"][key]:
            problems.append(f"schedule: {key} is stated as {stated['schedule'][key]} and found to be {found['schedule'][key]}")
    for key in ("horizon", "sup_norm"):
        if not math.isclose(stated["schedule"][key], found["schedule"][key], rel_tol=1e-9):
            problems.append(f"schedule: {key} is stated as {stated['schedule'][key]} and found to be {found['schedule'][key]}")
    if (stated["network"] is None) != (found["network"] is None):
        problems.append("the certificate and the directory do not agree on whether there is a network")
    elif found["network"] is not None:
        for label, old, new in zip(
            (p["label"] for p in found["pairs"]), stated["network"]["w2_after"], found["network"]["w2_after"], strict=True
        ):
            problems += _differ(f"network, measure {label!r}: w2_after", old, new, eps)
            if new is None or new > eps:
                problems.append(f"network, measure {label!r}: W_2 after is {new}, more than eps = {eps:g}")
    return problems


def _differ(what: str, old: float | None, new: float | None, eps: float) -> list[str]:
    if old is None or new is None or not abs(old - new) <= eps / 10:
        return [f"{what} is stated as {old} and found to be {new}"]
    return []


def _json_ready(value) -> Any:
    """Plain lists, dictionaries and numbers; what is not finite becomes None (JSON has no NaN)."""
    if isinstance(value, dict):
        return {str(k): _json_ready(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
