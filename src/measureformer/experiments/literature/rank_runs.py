"""The runs behind the histograms of ranks: the draws of the published script, its chain of runs, and the same matrices integrated."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ...errors import InputError
from ...fields.gaussians import some_laws
from ...gaussian import ScriptRun, classify, conditional_cov, gaussian_flow, script_law
from ...gaussian.script_lanes import ScriptLanes
from ...gaussian.stationary import rank_of
from ...measures import Gaussian

DIMENSIONS, RUNS = (3, 4, 5), 100
SEEDS = {"Q": 40, "S": 41, "softmax": 26, "l2": 27}
# law and V: the steps for d = 3, 4, 5, the tolerance, the most steps
SCRIPT = {
    ("softmax", "I"): ((0.09, 0.05, 0.02), 1e-4, 60_000),
    ("softmax", "GᵀG"): ((0.09, 0.06, 0.02), 5e-5, 90_000),
    ("l2", "I"): ((0.09, 0.06, 0.02), 1e-4, 60_000),
    ("l2", "GᵀG"): ((0.15, 0.15, 0.15), 5e-5, 50_000),
}
TALL = 1e3  # a run diverges when its trace is above
THRESHOLD = 0.1  # of the script's ranks
_YOUNG = 5_000  # steps after which a guess is made whether a run will converge
_AHEAD = 16  # pairs that run beside each other
_LATE, _STEPS = 1e9, 1_000  # where a flow is given up
_FIRST, _LOOK = 10, 250  # steps until the plan is looked at again; what diverges does so at once


@dataclass(frozen=True)
class Block:
    """A histogram: a law, how V is drawn ("I" or "GᵀG"), a dimension, and its matrices.

    Attributes:
        law, value, d: which.
        Q: the queries, shape (runs, d // 2, d); K = -Q.
        V: the values, shape (runs, d, d).
    """

    law: str
    value: str
    d: int
    Q: np.ndarray
    V: np.ndarray

    @property
    def step(self) -> float:
        """Of the script."""
        return SCRIPT[self.law, self.value][0][DIMENSIONS.index(self.d)]

    def laws(self, i: np.ndarray):
        """The laws of the runs i as one batch, scaled as in the script."""
        return script_law(self.law, self.Q[i], -self.Q[i], self.V[i])


def block(law: str, value: str, d: int) -> Block:
    """The matrices of a histogram, drawn in the order of the script: those of all dimensions from one generator.

    Raises:
        InputError: another dimension.
    """
    queries, values = np.random.RandomState(SEEDS["Q"]), np.random.RandomState(SEEDS[law])
    for dimension in DIMENSIONS:
        Q = np.stack([queries.randn(dimension // 2, dimension) for _ in range(RUNS)])
        G = np.stack([values.randn(dimension, dimension) for _ in range(RUNS)])
        if dimension == d:
            V = np.broadcast_to(np.eye(d), G.shape) if value == "I" else G.swapaxes(-1, -2) @ G
            return Block(law, value, d, Q, V)
    raise InputError(f"the published histograms have d = 3, 4 and 5, got {d}")


def starts(d: int, count: int) -> Float[np.ndarray, "n d d"]:
    """The first covariances G G^T of the script in dimension d; the generator starts again in each dimension."""
    G = np.random.RandomState(SEEDS["S"]).randn(count, d, d)
    return G @ G.swapaxes(-1, -2)


@dataclass(frozen=True)
class Chain:
    """What the script did: of each run the number of its matrices, and its outcome. Run j starts at covariance j."""

    matrices: np.ndarray
    run: ScriptRun

    @property
    def ranks(self) -> np.ndarray:
        """Eigenvalues above the threshold, of the runs that converged."""
        return (np.linalg.eigvalsh(self.run.cov[self.run.outcome == "converged"]) > THRESHOLD).sum(-1)


def published_chain(block: Block, runs: int = RUNS, progress: Callable[[int, int], None] = lambda done, total: None) -> Chain:
    """The chain of the published script: a run that does not converge keeps its Q and V and takes the next covariance.

    Which pair comes next is known when a run has ended. The pairs that are likely to follow run beside it: those of the chain in which
    runs fail that look too slow, and the others converge. What is reported is what a loop over one run at a time finds.

    Args:
        block: the matrices.
        runs: how many of them are taken.
        progress: called with the number of matrices that are done, and of all.
    """
    _, tolerance, most = SCRIPT[block.law, block.value]
    S, known, seen = starts(block.d, 64), {}, {}
    lanes = ScriptLanes(lambda keys: block.laws(keys[:, 0]), block.step, tol_low=tolerance, tol_high=TALL, max_iter=most)
    while True:
        plan = _chain(known, runs, {pair for pair, way in seen.items() if _too_slow(way, tolerance, most)})
        waiting = [pair for pair in plan if pair not in known][:_AHEAD]
        if not waiting:
            break
        progress(waiting[0][0], runs)
        new = np.array([pair for pair in waiting if pair not in seen]).reshape(-1, 2)
        if new.size:
            if new[:, 1].max() >= len(S):
                S = starts(block.d, 2 * int(new[:, 1].max()))
            lanes.add(new, S[new[:, 1]])
        wanted = set(waiting)
        ended = lanes.advance(_FIRST if new.size else _LOOK, np.array([tuple(key) in wanted for key in lanes.keys.tolist()]))
        for k, key in enumerate(ended.keys.tolist()):
            known[tuple(key)] = ended.outcome[k], ended.iterations[k], ended.cov[k]
        for key, age, rate in zip(lanes.keys.tolist(), lanes.age.tolist(), lanes.rate.tolist(), strict=True):
            seen.setdefault(tuple(key), []).append((age, rate))
    outcome, iterations, cov = zip(*(known[pair] for pair in plan), strict=True)
    return Chain(np.array(plan)[:, 0], ScriptRun(np.array(cov), np.array(outcome, dtype=object), np.array(iterations)))


def _chain(known: dict, runs: int, failing: set) -> list[tuple[int, int]]:
    """The pairs (matrices, covariance) of the chain, where what is not known converges, or fails if it is among these."""
    pairs, i, j = [], 0, 0
    while i < runs:
        pairs.append((i, j))
        i += known[i, j][0] == "converged" if (i, j) in known else (i, j) not in failing
        j += 1
    return pairs


def _too_slow(way: list[tuple[int, float]], tolerance: float, most: int) -> bool:
    """Whether |S'|, were it to go on falling with the power of t with which it fell since half of the time, would be small too late."""
    age, rate = way[-1]
    if age < _YOUNG:
        return False
    half, before = next(point for point in way if point[0] >= age / 2)
    power = np.log(before / rate) / np.log(age / half) if half < age else 0.0
    return bool(power <= 0 or np.log(age) + np.log(rate / tolerance) / power > np.log(most))


@dataclass(frozen=True)
class TrueRuns:
    """Matrices i from covariance i, with error control, until |S'| is below the script's tolerance.

    Attributes:
        cov: where they end, shape (runs, d, d).
        fates, steps: of the flow.
        ranks: eigenvalues above the script's threshold at the end.
        kept: rank of Cov(X | QX) at the end, which the limit cannot fall below.
        theorem: the rank of the limit that ``classify`` gives.
        exact: the limits, where there is a closed form (V = I); otherwise None.
    """

    cov: np.ndarray
    fates: np.ndarray
    steps: np.ndarray
    ranks: np.ndarray
    kept: np.ndarray
    theorem: np.ndarray
    exact: np.ndarray | None

    @property
    def limit_ranks(self) -> np.ndarray:
        """Of the limit: what is kept, which the theorem says is all; -1 where the two differ."""
        return np.where(self.kept == self.theorem, self.kept, -1)


def true_runs(block: Block, runs: int = RUNS) -> TrueRuns:
    """The flows themselves.

    Args:
        block, runs: as in ``published_chain``.
    """
    S, tolerance, some = starts(block.d, runs), SCRIPT[block.law, block.value][1], np.arange(runs)
    start = Gaussian(np.zeros((runs, block.d)), S)
    flow = gaussian_flow(block.laws(some), start, _LATE, method="implicit", rtol=1e-4, atol=1e-9, converged=tolerance, max_steps=_STEPS)
    cov = flow.final.cov
    laws = [some_laws(block.laws(some), i) for i in some]
    said = [classify(law, Gaussian(np.zeros(block.d), s)) for law, s in zip(laws, S, strict=True)]
    kept = [rank_of(conditional_cov(law, Gaussian(np.zeros(block.d), end)), s) for law, end, s in zip(laws, cov, S, strict=True)]
    ranks = (np.linalg.eigvalsh(cov) > THRESHOLD).sum(-1)
    limits = [one.limit for one in said]
    exact = None if limits[0] is None else np.array(limits)
    return TrueRuns(cov, flow.fates, flow.steps, ranks, np.array(kept), np.array([one.rank for one in said]), exact)
