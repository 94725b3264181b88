"""Where the ground truths are: ``pytest -k group_5_`` runs a group of the dynamics, ``pytest -k g13_`` one of the equation in R^d.

Each test has the number of its group in its name and stands beside the tests of the code that it is about; what is about no
single file stands here. Every expected number is printed in the literature, or by a closed form, a naive loop, or another integrator.

| group | what | in |
|---|---|---|
| 1 | norm, dE/dt | test_unit_norm, test_energy, test_functionals, test_audit, test_laws, test_fields, test_ground_truths |
| 2 | equiangular tokens, inverse, table, Gamma curve | test_equiangular, test_against_flows, test_fields |
| 3 | pairs, masses, causal | test_pair, test_against_flows, test_fields, test_laws |
| 4 | cross-ratios and the Ott-Antonsen radius at beta = 0 | test_polygon, test_meanfield, test_fields |
| 5 | growth rates, switches, 2/e | test_growth, test_meanfield, test_circle |
| 6 | eigenvalues of the k-gon | test_polygon |
| 7 | exact discrete map | test_equiangular, test_layers_in_practice |
| 8 | uniform grids rest | test_polygon, test_meanfield |
| 9 | values of the energy | test_growth |
| 10 | cone collapse, Wendel | test_hemisphere_of_tokens |
| 11 | metastability | test_metastability, test_coarsen, test_fields, test_group_11_kinetic_pairs, test_literature |
| 12 | schemes | test_schemes, test_against_flows, test_group_12_exact_exponents, test_layers_in_practice, test_literature |
| 13 | long context | test_schemes |
| 14 | Rényi counts | test_centers, test_group_14_parking |
| 15 | Monte-Carlo table and front (slow) | test_gram, test_group_15_fine_steps, test_literature |
| 16 | repulsion to the simplex | test_gram, test_equiangular, test_fields |
| 17 | engines agree, equivariance | test_gram, test_circle, test_meanfield, test_against_flows, test_laws, test_fields |
| 18 | three units of time | test_fields, test_laws |
| 19 | no layer norm | test_literature |
| 20 | noise | test_growth, test_meanfield, test_fields, test_ground_truths |
| G10 | blow-up of a Dirac mass | test_transformer_pde |
| G11 | what queries do not see | test_transformer_pde, test_ground_truths |
| G12 | energies and dissipation in R^d | test_functionals, test_transformer_pde |
| G13 | moments of linear attention | test_transformer_pde |
| G15 | causal averaging | test_transformer_pde |
| G16 | Sinkhorn: sums and the mean | test_laws, test_transformer_pde |
"""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent


def names(prefix):
    pattern = re.compile(rf"^def test_{prefix}_", re.MULTILINE)
    return [path for path in TESTS.rglob("test_*.py") if pattern.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("prefix", [*(f"group_{k}" for k in range(1, 21)), "g10", "g11", "g12", "g13", "g15", "g16"])
def test_every_group_has_a_test_where_the_index_says(prefix):
    number = prefix.removeprefix("group_")
    row = re.search(rf"^\| {number} \|.*$", __doc__ or "", re.MULTILINE | re.IGNORECASE)
    assert row and {path.stem for path in names(prefix)} == {entry.strip() for entry in row.group().split("|")[3].split(",")}
