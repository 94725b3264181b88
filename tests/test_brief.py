"""What results show of themselves: shapes and verdicts, never pages of numbers."""

import numpy as np

import measureformer as mf
from measureformer import Clouds, Empirical, Schedule, Segment, TransformerField, wasserstein2
from measureformer.flows import FlowResult, Stop, Trajectory
from measureformer.geometry import normalize
from measureformer.interpolation.certificate import Certificate, Verification

THETA = Schedule(
    [
        Segment(TransformerField(V=np.eye(3)), 0.25, "disentangle"),
        Segment(TransformerField(W=np.eye(3)[:, :1]), 0.5, "<match>"),
        Segment(TransformerField(W=np.eye(3)[:, :1]), 0.25, "<match>"),
    ]
)
FOUND = Certificate(
    passed=False, eps=1e-6, schedule={"segments": 3, "dimension": 3},
    pairs=[{"label": "a", "w2_before": 1.5, "w2_after": 0.25, "winf_after": None}],
)  # fmt: skip


def test_a_schedule_shows_its_phases():
    assert repr(THETA).splitlines() == [
        "Schedule: 3 segments of width 1 on [0, 1], d = 3",
        "phase        segments  duration",
        "disentangle         1      0.25",
        "<match>             2      0.75",
    ]
    page = THETA._repr_html_()
    assert page.startswith("<p>Schedule: 3 segments") and "<td>&lt;match&gt;</td><td>2</td>" in page
    assert repr(Schedule([])) == "Schedule without segments"


def test_a_certificate_shows_its_verdict():
    assert repr(FOUND).splitlines() == [
        "Certificate: did NOT pass at eps = 1e-06 (independent execution, 3 segments, d = 3)",
        "measure  W_2 before  W_2 after  W_inf after",
        "a               1.5       0.25            -",
    ]
    assert "<td>0.25</td>" in FOUND._repr_html_() and FOUND == dict(FOUND)
    assert repr(Verification(["a file is missing"], None)) == "Verification: the certificate does NOT hold: a file is missing"
    assert repr(Verification([], FOUND)) == "Verification: the certificate holds"


def test_thousands_of_numbers_are_shapes():
    mu = Empirical(normalize(np.random.default_rng(0).normal(size=(40, 3))))
    x = np.zeros((5000, 40, 3))
    path = Trajectory(np.arange(5000.0), [x] * 9, [x[:, :0]] * 9, [mu] * 9, Stop.HORIZON, [Stop.HORIZON] * 9, np.ones(9), 1, 0, 0.0)
    gaussian, clouds = mf.Gaussian(np.zeros(50), np.eye(50)), Clouds.from_measures({0: mu})
    for shown in (path, mu, gaussian, clouds, FlowResult([mu] * 100), wasserstein2(mu, mu)):
        assert len(repr(shown)) < 900, type(shown)
    assert "points=[float64[5000, 40, 3], float64[5000, 40, 3], float64[5000, 40, 3], ... 9 in all]" in repr(path)
    assert "labels=int64[40]" in repr(clouds)
