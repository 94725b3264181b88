"""Six places of the layer norm: how fast directions gather (2510.22026)."""

import numpy as np
from jaxtyping import Float

from ...diagnostics import gram_cosines
from ...dynamics import contraction_clock, equiangular_scheme
from ...fields import Softmax
from ...fields.layers import SCHEMES
from ...geometry import normalize
from .page import Page, Panel, Picture, Series, Settings, Table

NAMES = {"post": "Post-LN", "pre": "Pre-LN", "mix": "Mix-LN", "peri": "Peri-LN", "ngpt": "nGPT", "sqrt": "√-scaled"}
HORIZON, ETA = 10.0, 0.1


def scheme_layers(scheme: str, law: Softmax, x: Float[np.ndarray, "n d"], depth: int, eta: float) -> Float[np.ndarray, "depth_1 n d"]:
    """Directions after each layer of a scheme."""
    layer, w, state = SCHEMES[scheme](eta), np.full(len(x), 1 / len(x)), x
    states = [x]
    for k in range(depth):
        state = layer.step(state, lambda y, k=k: law(y, y, w, eta * k), k)
        states.append(normalize(state))
    return np.stack(states)


def exponent(t: Float[np.ndarray, " T"], missing: Float[np.ndarray, " T"], scheme: str) -> float:
    """The slope of log(1 - rho) against the clock of the scheme over the last half of the times: -2 in theory, for every scheme."""
    half = len(t) // 2
    clock = np.asarray(contraction_clock(t[half:], scheme))
    return float(np.polyfit(clock, np.log(missing[half:]), 1)[0])


def equiangular_exponents(horizon: float = 200.0, *, beta: float = 1.0, n: int = 8, eta: float = 0.02) -> list[list]:
    """Rows (scheme, exponent of the flow, exponent of layers) for orthonormal tokens with Q = K = V = I."""
    rows = []
    for scheme in SCHEMES:
        end = 12.0 if scheme in ("post", "ngpt") else 60.0 if scheme == "sqrt" else horizon
        t = np.linspace(end / 4, end, 40)
        flow = equiangular_scheme(t, beta, n, scheme)[0]
        marks = np.rint(t / eta).astype(int)
        x = scheme_layers(scheme, Softmax(beta), np.eye(n), int(marks[-1]), eta)[marks]
        layers = ((x[:, 0] - x[:, 1]) ** 2).sum(-1) / 2
        rows.append([NAMES[scheme], exponent(t, flow, scheme), exponent(t, layers, scheme)])
    return rows


def random_run(rng: np.random.Generator, d: int, n: int, samples: int) -> dict[str, Float[np.ndarray, "samples T"]]:
    """The mean pair cosine along each scheme, for random Q, K, V with entries N(0, 1/d), the same draws for every scheme."""
    found: dict[str, list] = {scheme: [] for scheme in SCHEMES}
    for _ in range(samples):
        Q, K, V = rng.normal(size=(3, d, d)) / np.sqrt(d)
        x = normalize(rng.normal(size=(n, d)))
        law = Softmax(np.sqrt(d), Q=Q, K=K, V=V)
        for scheme in SCHEMES:
            states = scheme_layers(scheme, law, x, round(HORIZON / ETA), ETA)
            found[scheme].append(gram_cosines(states @ states.swapaxes(-1, -2)).mean)
    return {scheme: np.array(rows) for scheme, rows in found.items()}


def reproduce(settings: Settings) -> Page:
    """Random weights, and the exact rates for Q = K = V = I."""
    d, n, samples = (512, 256, 40) if settings.full else (128, 32, 8)
    settings.progress("random weights", 0, 2)
    runs = random_run(np.random.default_rng(settings.seed), d, n, samples)
    settings.progress("equiangular tokens", 1, 2)
    rows = equiangular_exponents()
    t, tau = ETA * np.arange(round(HORIZON / ETA) + 1), np.geomspace(0.05, 300, 80)
    cosines, decay = [], []
    for color, scheme in enumerate(SCHEMES):
        low, high = np.quantile(runs[scheme], [0.05, 0.95], axis=0)
        cosines += [Series(t, low, "", "band", color, high), Series(t, runs[scheme].mean(0), NAMES[scheme], "line", color)]
        missing = equiangular_scheme(tau, 1.0, 32, scheme)[0]
        decay.append(Series(tau[missing > 1e-12], missing[missing > 1e-12], NAMES[scheme], "line" if color < 3 else "dashed", color))
    ends = {NAMES[s]: float(runs[s][:, -1].mean()) for s in SCHEMES}
    return Page(
        "normalisation",
        "Where the layer norm stands",
        "arXiv:2510.22026 (normalisation in attention dynamics), as surveyed in arXiv:2512.01868",
        [
            "Post-LN and nGPT gather directions exponentially, Pre-, Mix- and Peri-LN like t^-2, branches scaled by 1/sqrt(t + 1) like "
            "exp(-4 sqrt t). "
            "Against the clock of its scheme each decays with exponent -2: measured "
            + ", ".join(f"{row[1]:.3f} ({row[0]})" for row in rows) + " for the flow of equiangular tokens.",
            f"With random weights (d = {d}, n = {n}) the mean cosine at t = 10 is "
            f"" + ", ".join(f"{v:.3f} ({name})" for name, v in ends.items()) + ".",
        ],
        [
            ("d, n, beta", "512, n < d, sqrt(d)", f"{d}, {n}, sqrt(d)", "" if settings.full else "a minute on two cores"),
            ("weights", "random, Kaiming, one head", "Q, K, V with entries N(0, 1/d), the same in all "
            "layers", "the law and the sharing are not printed"),
            ("T, band", "10, 90 %", f"10 (layers of step {ETA}), 5 % to 95 % of {samples} samples", ""),
            ("theory", "none in the figure", "Q = K = V = I, n = 32, beta = 1, exact equations", "there it is exact"),
        ],
        [
            "The printed condition on delta must also hold independently of beta: an antipodal pair is a counterexample.",
            "In the table of variances the entry of nGPT has to be alpha_t Var. Statements for almost every start need d >= 2.",
        ],
        [Picture("normalisation", "Left: mean cosine of pairs, random weights. Right: 1 - cosine of equiangular tokens, Q = K = V = I.",
                 [Panel("random weights", cosines, xlabel="time (depth)", ylabel="mean cosine"),
                  Panel("equiangular tokens", decay, xlabel="time", ylabel="1 - cosine", log_x=True, log_y=True, ylim=(1e-10, 2)),
                 ], columns=2)],
        [Table("exponents", "Slope of log(1 - cosine) against the clock of the scheme", ["scheme", "flow", "layers of step 0.02"], rows)],
        {"exponents": {row[0]: {"flow": row[1], "layers": row[2]} for row in rows}, "mean_cosine_at_10": ends},
    )  # fmt: skip
