"""The page of a verdict: the witness drawn, and how the moduli went."""

from typing import Any

import numpy as np

from ..experiments.literature import Page, Panel, Picture, Series, Table

_MOST_CURVES = 6


def verdict_page(result: dict[str, Any]) -> Page:
    """The report of ``measureformer check`` from the content of its ``verdict.json``."""
    found = result["evidence"]
    says = [found["says"]]
    panels = []
    if found["witness"]:
        says.append(f"Witness: {found['witness']['says']}.")
        panels = _witness_panels(found["witness"])
    stages = found["stages"]
    curves = [
        _moduli(stages[key], title)
        for key, title in (("continuity", "f: W\u2081 of images"), ("continuity_of_G", "G: distance of places")) if stages.get(key)
    ]  # fmt: skip
    pictures = []
    if panels:
        caption = (
            "The witness. Where dimensions are 1 the height is the mass; otherwise two coordinates are shown, and larger dots weigh more."
        )
        pictures.append(Picture("witness", caption, panels, columns=2))
    if curves:
        caption = "Moduli of continuity along families of measures that come together: slope 1 is Lipschitz, a plateau is a jump."
        pictures.append(Picture("moduli", caption, curves, columns=2))
    rows = [
        [key, m["family"], float(m["delta"][-1]), float(m["omega"][-1]), "" if m["slope"] is None else float(m["slope"])]
        for key in ("continuity", "continuity_of_G") for m in stages.get(key, [])
    ]  # fmt: skip
    tables = [Table("moduli", "Moduli at the smallest scale", ["stage", "family", "delta", "omega", "slope"], rows)] if rows else []
    title = f"{result['function']}: {result['verdict'].replace('_', ' ')}"
    source = f"measureformer check, dimension {result['dimension']}, {found['calls']} calls, {found['certainty']}"
    return Page("check", title, source, says, [], [], pictures, tables)


def _witness_panels(witness: dict[str, Any]) -> list[Panel]:
    """One panel for the measures, one for the images."""
    panels = [_clouds("measures", witness["measures"], witness["query"] and [witness["query"]], "point in question")]
    if witness["images"]:
        panels.append(_clouds("images", witness["images"], witness["answers"], "where it goes"))
    return panels


def _clouds(title: str, clouds: list[dict], marks: list | None, name: str) -> Panel:
    series = []
    flat = len(clouds[0]["points"][0]) == 1
    for color, cloud in enumerate(clouds):
        x, a = np.asarray(cloud["points"], float), np.asarray(cloud["weights"], float)
        label = "first" if color == 0 else "second"
        if flat:
            for place, mass in zip(x[:, 0], a, strict=True):
                series.append(Series([place, place], [0, mass], "", "line", color))
            series.append(Series(x[:, 0], a, label, "dots", color))
        else:
            series.append(Series(x[:, 0], x[:, 1], label, "dots", color))
    if marks:
        z = np.asarray(marks, float)
        series.append(Series(z[:, 0], 0 * z[:, 0] if flat or z.shape[1] == 1 else z[:, 1], name, "dots", -1))
    if flat:
        return Panel(title, series, xlabel="place", ylabel="mass")
    return Panel(title, series, kind="plane", xlabel="first coordinate", ylabel="second coordinate")


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
    return Panel(title, series, xlabel="W\u2081 of the measures", ylabel="", log_x=True, log_y=True)
