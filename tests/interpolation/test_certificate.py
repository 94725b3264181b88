"""The certificate is the truth: every number of it is computed here again, from the files, with none of the library's formulas."""

import hashlib
import json
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open
from scipy.integrate import solve_ivp
from scipy.optimize import linear_sum_assignment

from instances import overlapping_caps, subset
from measureformer import InputError, interpolate, verify


def planned():
    """Two sources of six atoms that share one atom."""
    return interpolate(*overlapping_caps(3, 2, 6, seed=4), eps=1e-6, seed=11, horizon=1.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A saved run and its certificate."""
    folder = tmp_path_factory.mktemp("run")
    return folder, planned().save(folder)


def load(path) -> dict[str, np.ndarray]:
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)


def clouds(path) -> dict[str, np.ndarray]:
    """Points by label; all weights are equal in these instances."""
    table = pq.read_table(path)
    points = np.stack([table[name].to_numpy() for name in ("x0", "x1", "x2")], axis=1)
    labels = np.array(table["measure"].to_pylist())
    return {str(label): points[labels == label] for label in dict.fromkeys(labels)}


def raw_velocity(x, theta):
    """P_x (V A_B[mu](x) + W (U x + b)_+), token by token, for equal weights; an absent parameter is zero."""
    v = np.zeros_like(x)
    for i, token in enumerate(x):
        total = np.zeros(x.shape[1])
        if "V" in theta:
            scores = np.array([np.exp((theta["B"] @ token) @ other) if "B" in theta else 1.0 for other in x])
            total += theta["V"] @ sum(s * other for s, other in zip(scores / scores.sum(), x, strict=True))
        if "W" in theta:
            inner = np.zeros(theta["W"].shape[1])
            inner = inner + theta["U"] @ token if "U" in theta else inner
            inner = inner + theta["b"] if "b" in theta else inner
            total += theta["W"] @ np.maximum(inner, 0)
        v[i] = total - (total @ token) * token
    return v


def raw_solution(tensors: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The original equation solved by SciPy (LSODA, another method than the library's), segment by segment."""
    shape = x.shape
    for k, duration in enumerate(tensors["duration"]):
        theta = {name: tensors[f"segment.{k}.{name}"] for name in "VBWUb" if f"segment.{k}.{name}" in tensors}

        def velocity(_, y, theta=theta):
            return raw_velocity(y.reshape(shape), theta).ravel()

        solution = solve_ivp(velocity, (0, duration), x.ravel(), "LSODA", rtol=1e-11, atol=1e-12)
        assert solution.success
        x = solution.y[:, -1].reshape(shape)
    return x


def distances(x, y) -> np.ndarray:
    """Geodesic distances, from chords: 2 arcsin(|x - y| / 2)."""
    return 2 * np.arcsin(np.linalg.norm(x[:, None] - y[None], axis=2) / 2)


def w2(x, y) -> float:
    """W_2 between uniform measures on as many atoms: the best assignment."""
    cost = distances(x, y) ** 2
    return float(np.sqrt(cost[linear_sum_assignment(cost)].mean()))


def test_distances_after_by_solving_the_raw_equation(run):
    folder, certificate = run
    tensors = load(folder / "schedule.safetensors")
    sources, targets = clouds(folder / "sources.parquet"), clouds(folder / "targets.parquet")
    for pair in certificate["pairs"]:
        x, y = sources[str(pair["label"])], targets[str(pair["label"])]
        final = raw_solution(tensors, x)
        assert np.abs(np.linalg.norm(final, axis=1) - 1).max() < 1e-8
        assert w2(final, y) == pytest.approx(pair["w2_after"], abs=2e-8)
        assert w2(final, y) < 1e-7
        assert distances(final, y).min(axis=1).max() == pytest.approx(pair["winf_after"], abs=5e-8)
        assert pair["w2_before"] == pytest.approx(w2(x, y), rel=1e-12)


def test_distances_after_the_network(run):
    """Layer by layer, from the formulas in network.json; in float32 the figures are those of float32."""
    folder, certificate = run
    tensors = load(folder / "network.safetensors")
    layers = json.loads((folder / "network.json").read_text())["layers"]
    sources, targets = clouds(folder / "sources.parquet"), clouds(folder / "targets.parquet")
    found = {"w2_after": np.float64, "w2_after_float32": np.float32}
    for key, dtype in found.items():
        for pair, stated in zip(certificate["pairs"], certificate["network"][key], strict=True):
            x = sources[str(pair["label"])].astype(dtype)
            for layer in layers:
                p = {name: tensors[f"layer.{layer['index']}.{name}"].astype(dtype) for name in layer["parameters"]}
                if layer["kind"] == "attention":
                    scores = np.exp(x @ p["B"].T @ x.T) if "B" in p else np.ones((len(x), len(x)), dtype)
                    x = x + scores / scores.sum(axis=1, keepdims=True) @ x @ p["V"].T
                else:
                    x = x + np.maximum((x @ p["U"].T if "U" in p else 0) + p.get("b", dtype(0)), 0) @ p["W"].T
                x = x / np.sqrt((x * x).sum(axis=1, keepdims=True))
            reached = w2(x.astype(float), targets[str(pair["label"])])
            if dtype == np.float64:
                assert reached < 1e-10 and stated < 1e-10
            else:  # rounding depends on the order of the sums: the size of the error is what can be repeated
                assert stated / 30 < reached < 30 * stated and reached < 1e-3


def test_sizes_and_norm_of_the_schedule(run):
    folder, certificate = run
    tensors = load(folder / "schedule.safetensors")
    schedule = certificate["schedule"]
    K = tensors["duration"].size
    parameters = [[value for name, value in tensors.items() if name.startswith(f"segment.{k}.")] for k in range(K)]
    norms = [np.sqrt(sum((value**2).sum() for value in values)) for values in parameters]
    assert schedule["sup_norm"] == pytest.approx(max(norms), rel=1e-12)
    assert (schedule["segments"], schedule["switches"]) == (K, K - 1)
    assert sum(schedule["switches_by_phase"].values()) == K - 1
    assert schedule["horizon"] == pytest.approx(tensors["duration"].sum(), rel=1e-12) == pytest.approx(1.5, rel=1e-9)
    assert schedule["width"] == max(value.shape[1] for name, value in tensors.items() if name.endswith(".W"))
    # Every segment is a new theta: otherwise the switches would be fewer than stated.
    same = [
        len(a) == len(b) and all(x.shape == y.shape and (x == y).all() for x, y in zip(a, b, strict=True)) for a, b in pairwise(parameters)
    ]
    assert not any(same)


def test_switches_by_phase(run):
    folder, certificate = run
    with safe_open(folder / "schedule.safetensors", framework="numpy") as file:
        phases = [name for name, count in json.loads(file.metadata()["phases"]) for _ in range(count)]
    stated = certificate["schedule"]["switches_by_phase"]
    assert list(stated) == list(dict.fromkeys(phases))
    assert stated == {phase: phases[1:].count(phase) for phase in stated}
    assert phases[0] == "disentangle" and phases.count("disentangle") == 1


def test_the_budget_of_the_paper(run):
    """d = 3, N = 2, K = 12: 2 (2 + N (2 d - 1)) to disentangle, 6 for each atom."""
    assert run[1]["paper_budget"] == {"disentangle": 24, "cluster": 0, "match": 72, "total": 96}


def test_conditioning_by_finite_differences(run):
    """Singular values of the flow map at the atoms, the path of the measure being given: by differences of passive probes."""
    folder, certificate = run
    tensors = load(folder / "schedule.safetensors")
    step = 1e-5
    values = []
    for x in clouds(folder / "sources.parquet").values():
        for token in x:
            frame = np.linalg.svd(token[None])[2][1:]
            probes = np.concatenate([token + step * frame, token - step * frame])
            probes /= np.linalg.norm(probes, axis=1, keepdims=True)
            ends = carried(tensors, x, probes)
            columns = (ends[:2] - ends[2:]) / (2 * step)
            values += list(np.linalg.svd(columns, compute_uv=False))
    stated = certificate["conditioning"]
    assert stated["tokens"] == 12
    assert stated["largest_stretch"] == pytest.approx(max(values), rel=1e-3)
    assert stated["smallest_stretch"] == pytest.approx(min(values), rel=1e-3)
    assert 0 < stated["smallest_gap"] < 1


def carried(tensors, x, probes):
    """Probes without mass, carried along by the flow of the uniform measure on x: the classical Runge-Kutta method with small steps."""
    n = len(x)
    state = np.concatenate([x, probes])
    for k, duration in enumerate(tensors["duration"]):
        theta = {name: tensors[f"segment.{k}.{name}"] for name in "VBWUb" if f"segment.{k}.{name}" in tensors}

        def velocity(z, theta=theta):
            v = np.zeros_like(z)
            if "V" in theta:
                scores = np.exp(z @ theta["B"].T @ z[:n].T) if "B" in theta else np.ones((len(z), n))
                v += scores / scores.sum(axis=1, keepdims=True) @ z[:n] @ theta["V"].T
            if "W" in theta:
                v += np.maximum((z @ theta["U"].T if "U" in theta else 0) + theta.get("b", 0), 0) @ theta["W"].T
            return v - (v * z).sum(axis=1, keepdims=True) * z

        h = duration / 50
        for _ in range(50):
            k1 = velocity(state)
            k2 = velocity(state + h / 2 * k1)
            k3 = velocity(state + h / 2 * k2)
            k4 = velocity(state + h * k3)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state[n:]


def test_time_and_memory_were_measured(run):
    certificate = run[1]
    timing = certificate["timing_s"]
    assert timing["plan"] > 0 and timing["verify"] > 0
    assert timing["total"] == pytest.approx(timing["plan"] + timing["verify"])
    assert 50 < certificate["peak_memory_mb"] < 20_000
    assert certificate["seed"] == 11
    execution = certificate["independent_execution"]
    assert execution["rtol"] == execution["atol"] == 1e-12
    assert execution["steps"] >= certificate["schedule"]["segments"]
    assert execution["drift"] < 1e-8


def test_digests(run):
    folder, certificate = run
    names = {"schedule.safetensors", "network.safetensors", "network.json", "sources.parquet", "targets.parquet"}
    assert certificate["files"] == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_the_file_is_what_save_returned(run):
    folder, certificate = run
    assert json.loads((folder / "certificate.json").read_text(encoding="utf-8")) == certificate
    verification = verify(folder)
    assert verification.passed and verification.problems == []


def test_passed_means_every_pair_and_the_network(tmp_path):
    """Eps between the distances of two pairs: one fails, so the run does."""
    result = planned()
    worst = result.save(tmp_path / "first")
    after = sorted(p["w2_after"] for p in worst["pairs"])
    assert after[0] < after[1]
    between = type(result)(**{**vars(result), "eps": float(np.sqrt(after[0] * after[1]))})
    certificate = between.save(tmp_path / "second")
    assert certificate["passed"] is False
    assert not verify(tmp_path / "second").passed


def test_a_schedule_that_ends_elsewhere_is_not_certified(tmp_path):
    """The planner is not asked: a plan for other targets, saved with these, does not pass."""
    (sources, targets), (_, others) = overlapping_caps(3, 2, 6, seed=4), overlapping_caps(3, 2, 6, seed=5)
    result, other = (interpolate(sources, t, eps=1e-6) for t in (targets, others))
    mixed = type(result)(**{**vars(result), "plan": other.plan})
    certificate = mixed.save(tmp_path)
    assert certificate["passed"] is False
    assert min(p["w2_after"] for p in certificate["pairs"]) > 0.01
    assert certificate["pairs"][0]["w2_attainable"] == 0


def test_a_directory_is_not_overwritten(run, tmp_path):
    folder, _ = run
    before = (folder / "certificate.json").read_bytes()
    with pytest.raises(InputError, match="another run"):
        planned().save(folder)
    assert (folder / "certificate.json").read_bytes() == before


def test_nothing_is_certified_before_it_is_finished(tmp_path):
    """Whatever stops the execution of a replacement, no certificate is left that would vouch for the new files."""
    result = planned()
    result.save(tmp_path)

    def stop(*_, **__):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        result.save(tmp_path, force=True, progress=stop)
    assert not (tmp_path / "certificate.json").exists()
    assert not list(tmp_path.glob("*.part"))


def test_shared_atoms_and_a_subset(tmp_path):
    """Every atom of the second source is one of the first, and they part ways."""
    certificate = interpolate(*subset(3, 12, seed=0), eps=1e-6).save(tmp_path)
    assert certificate["passed"] and certificate["network"]["attention_layers"] == 1
    assert [p["n_source"] for p in certificate["pairs"]] == [12, 6]
    sources = clouds(tmp_path / "sources.parquet")
    assert distances(sources["1"], sources["0"]).min(axis=1).max() == 0
