"""What the commands do."""

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from ..errors import InputError
from ..interpolation.interpolate import Interpolation, check_free, interpolate
from ..measures import read_clouds, write_clouds
from .console import number, stages

DEMO_EPS = 1e-6


def run_interpolate(
    sources: Path, targets: Path, *, eps: float, out: Path, strategy: str, width: int | None, horizon: float, normalize: bool, seed: int,
    refine: float | None, force: bool, as_json: bool,
) -> dict:  # fmt: skip
    """``measureformer interpolate``: returns the certificate, with the paths of the run and the report."""
    check_free(out, force=force)
    with stages() as stage:
        stage("reading the clouds")
        clouds = read_clouds(sources, normalize=normalize), read_clouds(targets, normalize=normalize)
        stage("planning")
        result = interpolate(*clouds, eps=eps, strategy=strategy, width=width, horizon=horizon, seed=seed, refine=refine, progress=stage)
        certificate = result.save(out, force=force, progress=stage)
        stage("drawing the report")
        report = write_report_of(result, certificate, out, title="Measure-to-measure interpolation")
    return present(certificate, out, report, as_json)


def run_demo(out: Path, *, force: bool, seed: int, as_json: bool) -> dict:
    """``measureformer demo``."""
    from ..data import ATTRIBUTION, demo_task, world_cities
    from ..measures import from_latitude_longitude
    from ..transport import best_point_map

    check_free(out, force=force)
    with stages() as stage:
        stage("planning")
        result = interpolate(*demo_task(), eps=DEMO_EPS, seed=seed)
        certificate = result.save(out, force=force, progress=stage)
        stage("the best that a map without attention can do")
        comparison = best_point_map([p.source for p in result.task], [p.target for p in result.task])
        stage("drawing the report")
        cities = world_cities()
        report = write_report_of(
            result, certificate, out,
            title="One Transformer, the same cities, two continents",
            background=from_latitude_longitude(cities["latitude_deg"], cities["longitude_deg"]),
            comparison=comparison,
            attribution=ATTRIBUTION,
        )  # fmt: skip
    if not as_json:
        without = ", ".join(f"{value:.3f}" for value in comparison.values)
        Console().print(f"Without attention, the best point map leaves W_2 = {without} rad ({comparison.method}).")
    return present({**certificate, "without_attention": {"w2": list(comparison.values), "method": comparison.method}}, out, report, as_json)


def run_verify(run: Path, *, as_json: bool) -> dict:
    """``measureformer verify``: {"passed", "problems", and what was found}."""
    from ..interpolation import verify
    from ..interpolation.certificate import read

    of_gaussians = read(run).get("kind") == "gaussian"
    with stages() as stage:
        if of_gaussians:
            from ..gaussian.steering import verify_steering

            result = verify_steering(run)
        else:
            result = verify(run, progress=lambda done, total: stage("executing the saved schedule", done, total))
    if not as_json:
        console = Console()
        if result.certificate and not of_gaussians:
            console.print(_pairs_table(result.certificate["pairs"]))
        for problem in result.problems:
            console.print(f"problem: {problem}", markup=False)
        console.print(f"{run}: the certificate {'holds' if result.passed else 'does NOT hold'}", markup=False)
    return {"passed": result.passed, "problems": result.problems, "found": result.certificate}


def run_apply(run: Path, input: Path, output: Path, *, targets: Path | None, normalize: bool, as_json: bool) -> dict:
    """``measureformer apply``: with targets the result holds W_2 to them, by label, before and after."""
    from ..flows import flow
    from ..interpolation.execution import SCHEDULE_FILE
    from ..measures import pair_clouds
    from ..schedule import load_schedule
    from ..transport import wasserstein2

    with stages() as stage:
        stage("reading")
        schedule = load_schedule(run / SCHEDULE_FILE)
        clouds = read_clouds(input, normalize=normalize)
        if clouds.dimension != schedule.dimension:
            raise InputError(
                f"{input} has points of dimension {clouds.dimension}, the schedule in {run} carries dimension {schedule.dimension}"
            )
        measures = clouds.measures()
        goals = None if targets is None else pair_clouds(clouds, read_clouds(targets, normalize=normalize))
        result = flow(schedule, list(measures.values()), observe=lambda k, _: stage("pushing through the schedule", k, len(schedule)))
        points = np.empty_like(clouds.points)
        for rows, mu in zip(clouds.rows().values(), result.measures, strict=True):
            points[rows] = mu.points
        write_clouds(output, clouds.with_points(points))
        pairs = []
        for (label, before, target), after in zip(goals or (), result.measures, strict=goals is not None):
            stage(f"distance of {label!r}")
            pairs.append({"label": label, "w2_before": wasserstein2(before, target).value, "w2_after": wasserstein2(after, target).value})
    if not as_json:
        if pairs:
            Console().print(_pairs_table(pairs))
        Console().print(f"{clouds.size} points of {len(measures)} measures, moved: {output}", markup=False)
    done = {"output": str(output), "rows": clouds.size, "measures": len(measures), "methods": result.methods, "drift": result.drift}
    return done if targets is None else {**done, "pairs": pairs}


def write_report_of(result: Interpolation, certificate: dict, out: Path, **looks) -> Path:
    """The report of a run: what happened on the way is executed once more from the schedule."""
    from ..diagnostics import record
    from ..export.network import describe
    from ..report import POINTS, write_report

    sources, targets = [p.source for p in result.task], [p.target for p in result.task]
    samples = max(12, min(60, 12_000 // sum(mu.size for mu in sources)))
    return write_report(
        out,
        certificate=certificate,
        history=record(result.schedule, sources, targets, samples=samples, within=samples // 10, kept=POINTS),
        sources=sources,
        targets=targets,
        layers=describe(result.network)["layers"] if result.network else None,
        notes=result.plan.notes,
        **looks,
    )


def present(certificate: dict, out: Path, report: Path, as_json: bool) -> dict:
    """Show the certificate on stdout, unless JSON was asked for."""
    if not as_json:
        console, schedule, network = Console(), certificate["schedule"], certificate["network"]
        budget = certificate["paper_budget"]["total"]
        console.print(_pairs_table(certificate["pairs"]))
        console.print(
            f"{schedule['segments']} segments of width {schedule['width']}; the paper's: {budget or 'none for d = 2'}. "
            f"sup |theta| = {number(schedule['sup_norm'])} on [0, {schedule['horizon']:g}]. "
            + (f"As a network: {network['layers']} layers." if network else "It yields no network."),
            markup=False,
        )
        for note in certificate["notes"]:
            console.print(f"note: {note}", markup=False)
        verdict = "passed" if certificate["passed"] else "did NOT pass"
        console.print(f"The certificate {verdict} at eps = {certificate['eps']:g}, by independent execution.", markup=False)
        console.print(f"Report: {report}", markup=False, soft_wrap=True)
    return {**certificate, "out": str(out), "report": str(report)}


def _pairs_table(pairs: list[dict]) -> Table:
    columns = {"w2_before": "W_2 before", "w2_after": "W_2 after", "winf_after": "W_inf after"}
    shown = [key for key in columns if key in pairs[0]]
    table = Table("measure", *(columns[key] for key in shown))
    for p in pairs:
        table.add_row(str(p["label"]).replace("[", "\\["), *(number(p[key]) for key in shown))
    return table
