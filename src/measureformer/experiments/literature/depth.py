"""Depth to infinity: residual layers against the Vlasov flow, and the order of each way to arrange them (2509.25611)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...fields import ParticleField, Softmax
from ...geometry import Euclidean
from ...incontext import (
    DepthStudy,
    Lipschitz,
    attention_constants,
    closed,
    depth_error,
    depth_study,
    flow_map,
    kernels,
    random_network,
    residual_network,
)
from ...incontext.depth import fitted_order
from ...measures import Empirical
from .page import Page, Panel, Picture, Series, Settings, Table

HORIZON, RADIUS = 1.0, 1.2
SCORES, VALUES, TURN = 0.2 * np.eye(2), np.array([[0.2, 0.3], [-0.3, 0.1]]), 0.3
SPREAD = 0.5  # of the entries of the values of random layers
NAMES = {"sum": "one step", "alternate": "alternating", "strang": "Strang"}


def fields() -> tuple[ParticleField, ParticleField]:
    """Attention, and a smooth field that does not look at the measure, as a perceptron would be."""
    smooth = kernels.Interaction(lambda z, y: TURN * np.sin(z[..., ::-1]) + 0 * y)
    return ParticleField(Softmax(1.0, SCORES, None, VALUES), Euclidean()), ParticleField(smooth, Euclidean())


def splittings(measures: list[Empirical], probes: np.ndarray, depths: tuple[int, ...]) -> dict[str, DepthStudy]:
    """Layers in one step, alternating and in Strang's order, against the flow of the sum."""
    attention, smooth = fields()
    both = ParticleField(lambda x, y, w, t, seen: attention.law(x, y, w, t) + smooth.law(x, y, w, t), Euclidean())
    exact = flow_map(both, HORIZON, rtol=1e-12, atol=1e-13)
    return {
        NAMES[way]: depth_study(lambda L, way=way: residual_network(fields(), HORIZON, L, splitting=way), exact, measures, probes, depths)
        for way in NAMES
    }


def known_constants() -> Lipschitz:
    """Of the sum of both fields on the ball of radius 1.2, where all stay: from 0.57 they grow at most by e^(|V| + 0.3) < 2 in time 1."""
    return attention_constants(SCORES, VALUES, radius=RADIUS) + Lipschitz(TURN, 0.0, TURN * RADIUS)


def random_layers(rng: np.random.Generator, mu: Empirical, probes: np.ndarray, depths: tuple[int, ...], draws: int) -> np.ndarray:
    """The root mean square over draws of the distance of independent random layers from the flow of the mean field."""

    def draw(generator):
        return ParticleField(Softmax(1.0, SCORES, None, VALUES + SPREAD * generator.normal(size=(2, 2))), Euclidean())

    exact = flow_map(fields()[0], HORIZON)(mu, probes)
    rows = [[random_network(draw, HORIZON, L, rng)(mu, probes) - exact for _ in range(draws)] for L in depths]
    return np.array([np.sqrt(np.mean([np.linalg.norm(off, axis=1).max() ** 2 for off in row])) for row in rows])


def normal_law(depths: tuple[int, ...]) -> DepthStudy:
    """Attention on a normal law, 40 Hermite nodes, against its closed form."""
    v, b, mean, variance = 0.5, 0.4, 0.3, 0.6
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    mu = Empirical(mean + np.sqrt(variance) * nodes[:, None], weights)
    field = ParticleField(Softmax(b, None, None, np.array([[v]])), Euclidean())
    exact = closed.gaussian_flow(v, b, mean, variance, HORIZON)
    return depth_study(lambda L: residual_network(field, HORIZON, L), exact, [mu], np.linspace(-2, 2, 9)[:, None], depths)


def curves(label: str, depths: Any, errors: Any, color: int) -> list[Series]:
    """Errors as dots, and the line of their fitted order."""
    L, errors = np.asarray(depths, float), np.asarray(errors, float)
    order = fitted_order(L, errors)
    middle = np.exp(np.mean(np.log(errors)))
    line = middle * (L / np.exp(np.mean(np.log(L)))) ** -order
    return [Series(L, errors, f"{label}: {order:.2f}", "dots", color), Series(L, line, "", "dashed", color)]


def depth_panel(title: str, studies: Mapping[str, DepthStudy], more: tuple[Series, ...] = (), ylim: Any = None) -> Panel:
    """Errors of L layers over L in logarithms, each with its fitted order, extrapolated ones too; the colours count on from ``more``."""
    series: list[Series] = []
    for label, study in studies.items():
        series += curves(label, study.depths, study.errors, len(series) // 2)
    first = next(iter(studies.items()))
    if len(first[1].extrapolated) > 1:
        doubled = [L for L in first[1].depths if 2 * L in first[1].depths]
        series += curves(f"{first[0]}, extrapolated", doubled, first[1].extrapolated, len(series) // 2)
    return Panel(title, [*series, *more], xlabel="layers L", ylabel="largest distance", log_x=True, log_y=True, ylim=ylim)


def reproduce(settings: Settings) -> Page:
    """Orders 1, 2 and 1/2, and the promised bound."""
    rng, depths = np.random.default_rng(settings.seed), (8, 16, 32, 64, 128, 256) if settings.full else (8, 16, 32, 64, 128)
    draws = 200 if settings.full else 24
    measures = [Empirical(0.4 * rng.uniform(-1, 1, size=(6, 2)), rng.uniform(0.2, 1, 6)) for _ in range(4)]
    probes = 0.4 * rng.uniform(-1, 1, size=(8, 2))
    settings.progress("splittings", 0, 3)
    studies = splittings(measures, probes, depths)
    settings.progress("a normal law", 1, 3)
    normal = normal_law(depths)
    settings.progress("random layers", 2, 3)
    off = random_layers(rng, measures[0], probes, depths, draws)
    bound = np.array([depth_error(known_constants(), HORIZON, L) for L in depths])
    orders = {label: study.order for label, study in studies.items()}
    orders |= {
        "one step, extrapolated": studies["one step"].extrapolated_order, "normal law": normal.order,
        "normal law, extrapolated": normal.extrapolated_order, "random layers": fitted_order(depths, off),
    }  # fmt: skip
    expected = {"Strang": "2", "one step, extrapolated": "2", "normal law, extrapolated": "2", "random layers": "1/2"}
    promised = Series(np.array(depths, float), bound, "promised", "dotted", -1)
    random_panel = Panel("independent random layers", curves("random values", depths, off, 0),
                         xlabel="layers L", ylabel="root mean square", log_x=True, log_y=True, ylim=(2e-3, 0.1))  # fmt: skip
    worst = max(float((study.errors / bound).max()) for study in studies.values())
    return Page(
        "depth",
        "Layers against the flow",
        "arXiv:2509.25611 (Vlasov flows as limits of Transformers of growing depth)",
        [
            "L residual layers of step T/L follow the Vlasov flow: error of order 1/L, in one step of all fields or alternating between "
            "attention and perceptron as Transformers do. Strang's order of the layers and extrapolation from L and 2L give 1/L². "
            "Independent random layers follow the flow of the mean field only, at order 1/2.",
            "Fitted: " + ", ".join(f"{order:.3f} ({label})" for label, order in orders.items()) + ".",
            f"The largest error found is {worst:.2g} of the promised (C h / 2)(e^(ΛT) - 1)/Λ.",
        ],
        [
            ("law", "any Lipschitz velocity", "softmax attention and a smooth field of the point", "none in print"),
            ("tokens", "", f"4 measures of 6 atoms and 8 probes in R², T = {HORIZON:g}", "none in print"),
            ("random layers", "", f"entries of V with deviation {SPREAD:g}, {draws} draws", "none in print"),
        ],
        [],
        [Picture("depth", "Largest distance of L layers from the flow, over all measures, atoms and probes, with fitted orders. "
                 "Middle: a normal law, against its closed form.",
                 [depth_panel("against the flow", studies, (promised,), (1e-8, 1e3)),
                  depth_panel("a normal law", {"one step": normal}), random_panel])],
        [Table("orders", "Fitted orders of the error in 1/L", ["layers", "fitted", "expected"],
               [[label, order, expected.get(label, "1")] for label, order in orders.items()])],
        {"orders": orders, "largest_error_over_bound": worst},
    )  # fmt: skip
