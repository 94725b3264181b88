"""Theorem 1.1 executed: one-atom targets, switches and sup-norm as eps falls. `PYTHONPATH=tests .venv/bin/python benchmarks/dirac.py`

The theorem promises O(d N) switches and a sup-norm of O(d N / T + log(1/eps)). One Markdown table; d = 4, N = 3, 500 atoms a source.
"""

from instances import overlapping_caps
from measureformer import flow, interpolate, wasserstein2

EPS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


def main() -> None:
    """Print the table."""
    sources, targets = overlapping_caps(4, 3, 500, 1, m=1)
    print("| eps | segments | time of attention before rescaling | sup-norm on [0, 1] | W_2 reached |\n|---|---|---|---|---|")
    for eps in EPS:
        result = interpolate(sources, targets, eps=eps)
        reached = max(wasserstein2(mu, nu).value for mu, nu in zip(flow(result.schedule, sources).measures, targets, strict=True))
        amount, norm = result.plan.attention.amount, result.schedule.sup_norm()
        print(f"| {eps:.0e} | {len(result.schedule)} | {amount:g} | {norm:.1f} | {reached:.1e} |", flush=True)


if __name__ == "__main__":
    main()
