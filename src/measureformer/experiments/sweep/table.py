"""The table of a sweep: a row for each job, and the intervals over seeds."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from .jobs import DONE, FAILED, PENDING
from .means import student
from .store import Store, every_place

STATUS = {PENDING: "pending", DONE: "done", FAILED: "failed"}


def job_rows(store: Store) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows: parameters, then results by name, then status, hash and error; sorted by the parameters."""
    axes, variables = store.plan.axes, store.layout.variables
    names = [name for name in variables if not variables[name].axes]
    drawn = [name for name in names if store.plan.ensemble and name in store.plan.ensemble.laws]
    results = [name for name in names if name not in drawn]
    rows = []
    for index, (place, values) in enumerate(every_place(store)):
        own = [axis.values[k] if axis.numeric else axis.labels[k] for axis, k in zip(axes, place, strict=True)]
        found = [_shown(values[name], variables[name].form) for name in (*drawn, *results)]
        rows.append([*own, *found, STATUS[int(values["status"])], store.plan.jobs[index], values["error"]])
    return [*(axis.key for axis in axes), *drawn, *results, "status", "job", "error"], rows


def interval_rows(store: Store) -> tuple[list[str], list[list[Any]]]:
    """Means over seeds and samples with their confidence intervals: a row for each point of the other axes and each result.

    They are exact for independent normal values, and good for many others (``student``). Jobs without a value are left out.
    """
    plan = store.plan
    others = [k for k, axis in enumerate(plan.axes) if not axis.repeats]
    if len(others) == len(plan.axes):
        return [], []
    variables = store.layout.variables
    names = [n for n, v in variables.items() if not v.axes and v.form != "text" and not (plan.ensemble and n in plan.ensemble.laws)]
    groups: dict[tuple[int, ...], dict[str, list[float]]] = {}
    for place, values in every_place(store):
        group = groups.setdefault(tuple(place[k] for k in others), {name: [] for name in names})
        for name in names:
            if np.isfinite(values[name]):
                group[name].append(float(values[name]))
    columns = [*(plan.axes[k].key for k in others), "result", "mean", "low", "high", "std", "count"]
    rows = []
    for place, group in groups.items():
        own = [plan.axes[k].labels[i] for k, i in zip(others, place, strict=True)]
        for name, found in group.items():
            mean, half, std, count = student(np.array(found), (0,), plan.confidence)
            rows.append([*own, name, float(mean), float(mean - half), float(mean + half), float(std), int(count)])
    return columns, rows


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Every number with all its digits; nothing for what is not there."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_written(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _shown(value: Any, form: str) -> Any:
    if form == "text" or not np.isfinite(value):
        return value
    return bool(value) if form == "truth" else int(value) if form == "integer" else float(value)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else repr(float(value))
    return str(value)
