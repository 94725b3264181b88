"""A classification as JSON."""

import math
from typing import Any

from .classify import Classification


def evidence(found: Classification) -> dict[str, Any]:
    """What a verdict rests on: certainty, the sentence, each stage that was reached, the witness, G at some points. Ready for JSON."""
    support = found.support
    stages: dict[str, Any] = {
        "support": {
            "kept": support.kept,
            "strict": support.strict,
            "separation": support.separation,
            "measures": support.tried,
            "defect_w2": support.defect,
        },
    }
    if found.moduli_f:
        stages["continuity"] = [_modulus(m) for m in found.moduli_f]
    if found.courses:
        stages["light_atoms"] = [
            {"variation": c.variation.tolist(), "turns": c.turns, "path": {"masses": c.masses.tolist(), "places": c.places.tolist()}}
            for c in found.courses
        ]
    if found.moduli_g:
        stages["continuity_of_G"] = [_modulus(m) for m in found.moduli_g]
    return _plain(
        {
            "certainty": found.certainty,
            "says": found.says,
            "witness": None if found.witness is None else found.witness.described(),
            "strict": found.strict,
            "lipschitz_f": found.lipschitz_f,
            "lipschitz_G": found.lipschitz_g,
            "sum_check": found.sum_check,
            "recovered": found.samples,
            "calls": found.calls,
            "stages": stages,
        }
    )


def _modulus(m) -> dict[str, Any]:
    return {"family": m.family, "delta": m.delta.tolist(), "omega": m.omega.tolist(), "slope": m.slope}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
