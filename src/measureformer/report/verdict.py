"""The page of a verdict: the witness drawn, and how the moduli went."""

from typing import Any

import numpy as np

from ..experiments.literature import Page, Panel, Picture, Series, Table

_MOST_CURVES = 6
_MOST_ROWS = 24
_TINY = 1e-3
_NAMES = ("first", "second")


def verdict_page(result: dict[str, Any]) -> Page:
    """The report of ``measureformer check`` from the content of its ``verdict.json``."""
    found = result["evidence"]
    says, witness, tables = [found["says"]], found["witness"], []
    panels = []
    if witness:
        says.append(f"Witness: {witness['says']}.")
        panels = _witness_panels(witness)
        tables.append(_atoms(witness))
    stages = found["stages"]
    curves = [
        _moduli(stages[key], title)
        for key, title in (("continuity", "f: W\u2081 of images"), ("continuity_of_G", "G: distance of places")) if stages.get(key)
    ]  # fmt: skip
    curves[1:1] = [_course(stages["light_atoms"])] if stages.get("light_atoms") else []
    rows = [
        [key, m["family"], float(m["delta"][-1]), float(m["omega"][-1]), "" if m["slope"] is None else float(m["slope"])]
        for key in ("continuity", "continuity_of_G") for m in stages.get(key, [])
    ]  # fmt: skip
    if rows:
        tables.append(Table("moduli", "Moduli at the smallest scale", ["stage", "family", "delta", "omega", "slope"], rows))
    title = f"{result['function'].rpartition('/')[2]}: {result['verdict'].replace('_', ' ')}"
    source = f"measureformer check, dimension {result['dimension']}, {found['calls']} calls, {found['certainty']}"
    return Page("check", title, source, says, [], [], _pictures(panels, curves), tables)


def _pictures(panels: list[Panel], curves: list[Panel]) -> list[Picture]:
    """The witness and the curves, each in a row; a single curve stands beside the witness."""
    witness = "The witness: in one dimension heights are masses; otherwise two coordinates are shown. New mass is a dot without a line."
    moduli = "Moduli of continuity along families of measures that come together: slope 1 is Lipschitz, a plateau is a jump."
    if len(curves) == 1 and panels:
        return [Picture("witness", f"{witness} Right: {moduli[0].lower()}{moduli[1:]}", [*panels, *curves], columns=3)]
    if len(curves) > 1:
        moduli += " A light atom ought to settle as its mass vanishes."
    return [
        Picture(name, caption, part, columns=max(2, len(part)))
        for name, caption, part in (("witness", witness, panels), ("moduli", moduli, curves)) if part
    ]  # fmt: skip


def _witness_panels(witness: dict[str, Any]) -> list[Panel]:
    """One panel for the measures, one for the images."""
    query = None if witness["query"] is None else [witness["query"]]
    panels = [_clouds("measures", witness["measures"], query)]
    if witness["images"]:
        panels.append(_clouds("images", witness["images"], witness["answers"]))
    return panels


def _clouds(title: str, clouds: list[dict], marks: list | None) -> Panel:
    """Masses over places on the line, on a logarithmic axis if one is tiny; places in the plane otherwise."""
    series = []
    flat = len(clouds[0]["points"][0]) == 1
    lightest = min(min(cloud["weights"]) for cloud in clouds)
    tiny = flat and lightest < _TINY
    floor = lightest**1.25 if tiny else 0.0
    for color, cloud in enumerate(clouds):
        x, a = np.asarray(cloud["points"], float), np.asarray(cloud["weights"], float)
        label = _NAMES[color] if len(clouds) > 1 else ""
        if flat:
            for place, mass in zip(x[:, 0], a, strict=True):
                series.append(Series([place, place], [floor, mass], "", ("line", "dashed")[color], color))
            series.append(Series(x[:, 0], a, label, "dots", color))
        else:
            series.append(Series(_seen(x[:, 0]), _seen(x[:, 1]), label, "dots", color))
    z = np.asarray(marks or [], float)
    for k, place in enumerate(z):
        color, name = (k, f"new mass, {_NAMES[k]}") if flat and len(z) == len(clouds) == 2 else (-1, "" if k else "new mass")
        height = floor if flat or len(place) == 1 else _seen(place[1])
        series.append(Series(_seen(place[:1]) if not flat else place[:1], [height], name, "dots", color))
    if flat:
        heaviest = max(max(cloud["weights"]) for cloud in clouds)
        limits = (floor**1.05, lightest**-0.3) if tiny else (-0.03 * heaviest, 1.4 * heaviest)  # above the masses, for the names
        return Panel(title, series, xlabel="place", ylabel="mass", log_y=tiny, ylim=limits)
    return Panel(title, series, kind="plane", xlabel="first coordinate", ylabel="second coordinate")


def _seen(places: Any) -> Any:
    """To seven digits: no eye sees more, and axes for places that differ by rounding cannot be read."""
    return np.vectorize(lambda value: float(f"{value:.6e}"))(places)


def _atoms(witness: dict[str, Any]) -> Table:
    """Every atom of the witness and of its images."""
    rows = []
    for what, clouds in (("measure", witness["measures"]), ("image", witness["images"])):
        for name, cloud in zip(_NAMES if len(clouds) > 1 else ("",), clouds, strict=False):
            words = f"{name} {what}".strip()
            rows += [[words, mass, _shown(place)] for place, mass in zip(cloud["points"], cloud["weights"], strict=True)]
    if witness["query"] is not None:
        rows.append(["new mass at", "", _shown(witness["query"])])
        rows += [["goes to", "", _shown(place)] for place in witness["answers"]]
    return Table("witness", "The witness in numbers", ["atom of", "mass", "place"], rows, len(rows) <= _MOST_ROWS)


def _shown(place: list[float]) -> str:
    """All digits: atoms may be 1e-13 apart."""
    return ", ".join(map(str, place))


def _course(light: list[dict]) -> Panel:
    """The course of a light atom, of the one that moves most."""
    most = max(light, key=lambda course: max(course["variation"][1:]))
    mass, z = np.asarray(most["path"]["masses"], float), np.asarray(most["path"]["places"], float)
    series = [Series(mass, column, f"coordinate {k + 1}" if z.shape[1] > 1 else "", "line", k) for k, column in enumerate(z.T[:3])]
    series += [Series(mass, column, "", "dots", k) for k, column in enumerate(z.T[:3])]
    return Panel("where a light atom goes", series, xlabel="its mass", ylabel="", log_x=True)


def _moduli(moduli: list[dict], title: str) -> Panel:
    """The highest curve of each family, on logarithmic axes."""
    series = []
    highest: dict[str, dict] = {}
    for m in sorted(moduli, key=lambda m: -m["omega"][-1]):
        highest.setdefault(m["family"], m)
    for color, m in enumerate(list(highest.values())[:_MOST_CURVES]):
        delta, omega = np.asarray(m["delta"], float), np.asarray(m["omega"], float)
        seen = (omega > 0) & (delta > 1e-60)
        if seen.any():
            series.append(Series(delta[seen], omega[seen], m["family"], "line", color))
    values = np.concatenate([np.asarray(one.y) for one in series]) if series else np.ones(1)
    span = max(float(values.max() / values.min()), 1e3)
    room = (float(values.max()) / span * 0.3, float(values.max()) * span**0.9)  # above the curves, for the names
    return Panel(title, series, xlabel="W\u2081 of the measures", ylabel="", log_x=True, log_y=True, ylim=room)
