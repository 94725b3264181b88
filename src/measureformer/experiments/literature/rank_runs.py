"""The runs behind the histograms of ranks: the draws of the published script, its chain of runs, and the same matrices integrated."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ...gaussian import ScriptRun, classify, gaussian_flow, script_law
from ...gaussian.script import ScriptLanes
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
_PATIENCE = 0.25  # of the most steps: a run that is older is expected to fail
_LATE = 1e9  # a time at which what falls like 1/t has fallen
_FALL = 0.1  # an eigenvalue falls if it loses more than that in a hundredfold time
_LOOK = 2_000  # steps until the plan is looked at again


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
    """The matrices of a histogram, drawn in the order of the script: those of all dimensions from one generator."""
    queries, values = np.random.RandomState(SEEDS["Q"]), np.random.RandomState(SEEDS[law])
    for dimension in DIMENSIONS:
        Q = np.stack([queries.randn(dimension // 2, dimension) for _ in range(RUNS)])
        G = np.stack([values.randn(dimension, dimension) for _ in range(RUNS)])
        if dimension == d:
            V = np.broadcast_to(np.eye(d), G.shape) if value == "I" else G.swapaxes(-1, -2) @ G
            return Block(law, value, d, Q, V)
    raise ValueError(d)


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
    runs that are old fail, and the others converge. What is reported is what a loop over one run at a time finds.

    Args:
        block: the matrices.
        runs: how many of them are taken.
        progress: called with the number of matrices that are done, and of all.
    """
    _, tolerance, most = SCRIPT[block.law, block.value]
    S, known = starts(block.d, 64), {}
    lanes = ScriptLanes(lambda keys: block.laws(keys[:, 0]), block.step, tol_low=tolerance, tol_high=TALL, max_iter=most)
    while True:
        old = {tuple(key) for key, age in zip(lanes.keys.tolist(), lanes.age, strict=True) if age > _PATIENCE * most}
        plan = _chain(known, runs, old)
        waiting = [pair for pair in plan if pair not in known]
        if not waiting:
            break
        progress(waiting[0][0], runs)
        wanted, running = set(waiting), [tuple(key) for key in lanes.keys.tolist()]
        lanes.keep(np.array([pair in wanted for pair in running], bool))
        new = np.array([pair for pair in waiting if pair not in running]).reshape(-1, 2)
        if new.size:
            if new[:, 1].max() >= len(S):
                S = starts(block.d, 2 * int(new[:, 1].max()))
            lanes.add(new, S[new[:, 1]])
        ended = lanes.advance(_LOOK)
        for k, key in enumerate(ended.keys.tolist()):
            known[tuple(key)] = ended.run.outcome[k], ended.run.iterations[k], ended.run.cov[k]
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


@dataclass(frozen=True)
class TrueRuns:
    """Matrices i from covariance i, by congruence steps.

    Attributes:
        cov: where |S'| has fallen below the script's tolerance, shape (runs, d, d).
        steps: until then.
        ranks: eigenvalues above the script's threshold there.
        limit_ranks: eigenvalues that do not fall between two late times, one a hundred times the other; the others fall like 1/t.
        theorem: the rank of the limit that ``classify`` gives.
        exact: the limits, where there is a closed form (V = I); otherwise None.
    """

    cov: np.ndarray
    steps: np.ndarray
    ranks: np.ndarray
    limit_ranks: np.ndarray
    theorem: np.ndarray
    exact: np.ndarray | None


def true_runs(block: Block, runs: int = RUNS, progress: Callable[[int, int], None] = lambda done, total: None) -> TrueRuns:
    """The flows themselves.

    Args: as in ``published_chain``.
    """
    S, tolerance = starts(block.d, runs), SCRIPT[block.law, block.value][1]
    found = []
    for i in range(runs):
        progress(i, runs)
        law = script_law(block.law, block.Q[i], -block.Q[i], block.V[i])
        start = Gaussian(np.zeros(block.d), S[i])
        stop = gaussian_flow(law, start, _LATE, method="congruence", converged=tolerance)
        late = gaussian_flow(law, stop.final, _LATE, saveat=[_LATE / 100, _LATE], method="congruence", converged=None)
        values = np.linalg.eigvalsh(late.cov)
        said = classify(law, start)
        found.append((stop.final.cov, int(stop.steps), int((values[1] > _FALL * values[0]).sum()), said.rank, said.limit))
    cov, steps, limit_ranks, theorem, exact = (list(column) for column in zip(*found, strict=True))
    ranks = (np.linalg.eigvalsh(np.array(cov)) > THRESHOLD).sum(-1)
    known = None if exact[0] is None else np.array(exact)
    return TrueRuns(np.array(cov), np.array(steps), ranks, np.array(limit_ranks), np.array(theorem), known)
