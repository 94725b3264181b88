"""Bad input: exit code 2, one message that names the file, the measure and the remedy, no traceback, nothing written."""

import numpy as np
import pytest

from instances import cap, fibonacci, overlapping_caps


@pytest.fixture
def clouds() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Points of two sources and of two targets in d = 3, to be spoilt by a test."""
    sources, targets = overlapping_caps(3, 2, 6, seed=1)
    return [mu.points.copy() for mu in sources], [mu.points.copy() for mu in targets]


@pytest.fixture
def refused_arrays(refused, table, tmp_path):
    """``refused`` for arrays: (sources, targets) -> message."""

    def run(sources, targets, *more, source_labels=("a", "b"), target_labels=("a", "b"), source_weights=None, target_weights=None):
        paths = (
            table(tmp_path / "sources.csv", sources, source_labels, weights=source_weights),
            table(tmp_path / "targets.csv", targets, target_labels, weights=target_weights),
        )
        return refused(*paths, *more)

    return run


def says(message: str, *words: str) -> None:
    """The message contains all the words."""
    assert [word for word in words if word not in message] == [], message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_coordinates_that_are_not_finite(refused_arrays, clouds, side, value):
    clouds[side][1][2, 1] = value
    says(refused_arrays(*clouds), ("sources.csv", "targets.csv")[side], "measure b", str(value), "mend or remove")


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("factor", [1 + 2e-6, 1 - 2e-6, 2.0])
def test_a_norm_that_is_off(refused_arrays, clouds, side, factor):
    clouds[side][1][3] *= factor
    says(refused_arrays(*clouds), ("sources.csv", "targets.csv")[side], "measure b", "norm", "--normalize")


def test_zero_cannot_be_normalised(refused_arrays, clouds):
    clouds[0][0][3] = 0.0
    says(refused_arrays(*clouds, "--normalize"), "sources.csv", "measure a", "zero", "mend or remove")


def test_points_of_a_circle_that_would_have_to_cross(refused_arrays):
    angles = np.array([0.0, 1.0, 2.0])
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    message = refused_arrays(x[:, None], x[[0, 2, 1], None], source_labels="abc", target_labels="abc")
    says(message, "d = 2", "d >= 3", "atom 0 of measure 'b' (from the angle 1 to 2)", "atom 0 of measure 'c'", "cross")


def test_different_spheres(refused_arrays, clouds):
    more = [np.pad(y, ((0, 0), (0, 1))) for y in clouds[1]]
    says(refused_arrays(clouds[0], more), "sources.csv", "targets.csv", "d = 3", "d = 4", "same sphere")


def test_labels_that_differ(refused_arrays, clouds):
    message = refused_arrays(*clouds, target_labels=("a", "other"))
    says(message, "targets.csv has no measure b", "sources.csv has no measure other", "same label")


@pytest.mark.parametrize("text", ["", "measure,x0,x1,x2\n"])
def test_a_cloud_without_points(refused, task, tmp_path, text):
    path = tmp_path / "nothing.csv"
    path.write_text(text)
    says(refused(path, task[1]), "nothing.csv", "empty")
    says(refused(task[0], path), "nothing.csv", "empty")


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("side", ["source", "target"])
def test_weights_that_are_not_positive(refused_arrays, clouds, side, value):
    weights = [np.ones(6), np.ones(6)]
    weights[1][4] = value
    message = refused_arrays(*clouds, **{f"{side}_weights": weights})
    says(message, f"{side}s.csv", "measure b", str(value), "positive", "drop the row")


def test_the_same_source_with_two_targets(refused_arrays, clouds):
    sources, targets = clouds
    says(refused_arrays([sources[0], sources[0][::-1]], targets), "sources.csv", "'a' and 'b'", "same source", "change one of the sources")


def test_the_same_source_written_with_other_weights_and_repeated_points(refused_arrays, clouds):
    """Twice half an atom is an atom, and weights count up to a factor."""
    sources, targets = clouds
    doubled = np.concatenate([sources[0], sources[0][:3]])
    weights = [np.full(6, 3.0), np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0])]
    says(refused_arrays([sources[0], doubled], targets, source_weights=weights), "sources.csv", "'a' and 'b'", "same source")


@pytest.mark.parametrize("side", ["source", "target"])
def test_supports_that_cover_the_sphere(refused_arrays, side):
    """The largest empty cap among 2000 points has the area of a few points' share of the sphere: a radius of about 0.05."""
    everywhere = fibonacci(2000)
    small = cap(np.array([1.0, 0, 0]), 0.5, 2000, np.random.default_rng(0))
    pair = (everywhere, small) if side == "source" else (small, everywhere)
    message = refused_arrays(*([x[:1000], x[1000:]] for x in pair))
    says(message, f"{side}s.csv", "cover the sphere", "largest empty cap", "leave out")
    radius = float(message.split("has radius ")[1].split(" rad")[0])
    assert 0.04 < radius < 0.07


UNREADABLE = {
    "no such file": ("there.csv", None, "no such file"),
    "unknown ending": ("cloud.xlsx", b"measure,x0,x1,x2\n", ".csv, .parquet or .npz"),
    "no ending": ("cloud", b"measure,x0,x1,x2\n", ".csv, .parquet or .npz"),
    "text that is no table": ("text.csv", b"once upon a time\n", "no column 'measure'"),
    "bytes that are no text": ("bytes.csv", bytes(range(256)), "UTF-8"),
    "not parquet": ("text.parquet", b"measure,x0,x1,x2\na,1,0,0\n", "cannot be read as Parquet"),
    "not npz": ("text.npz", b"measure,x0,x1,x2\na,1,0,0\n", "cannot be read as NPZ"),
    "word for a number": ("word.csv", b"measure,x0,x1,x2\nnorth,1,zero,0\n", "'zero' is not a number"),
    "latitude": ("angles.csv", b"measure,latitude_deg,longitude_deg\nnorth,91,0\n", "latitude_deg = 91"),
}


@pytest.mark.parametrize("case", UNREADABLE.values(), ids=UNREADABLE)
def test_files_that_cannot_be_read(refused, task, tmp_path, case):
    name, content, words = case
    if content is not None:
        (tmp_path / name).write_bytes(content)
    says(refused(tmp_path / name, task[1]), name, words)


def test_a_folder_is_no_file(refused, task, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    says(refused(tmp_path / "folder.csv", task[1]), "folder.csv", "cannot be read")


OPTIONS = {
    "eps zero": ("--eps", "0", "eps must be positive"),
    "eps negative": ("--eps", "-1e-6", "eps must be positive"),
    "eps nan": ("--eps", "nan", "eps must be positive and finite"),
    "eps inf": ("--eps", "inf", "eps must be positive and finite"),
    "eps beyond float64": ("--eps", "1e-300", "raise eps"),
    "width one": ("--width", "1", "width must be at least 2"),
    "width zero": ("--width", "0", "width must be at least 2"),
    "width negative": ("--width", "-4", "width must be at least 2"),
    "horizon zero": ("--horizon", "0", "horizon must be positive"),
    "horizon negative": ("--horizon", "-2", "horizon must be positive"),
    "horizon nan": ("--horizon", "nan", "horizon must be positive and finite"),
    "horizon inf": ("--horizon", "inf", "horizon must be positive and finite"),
}


@pytest.mark.parametrize("case", OPTIONS.values(), ids=OPTIONS)
def test_values_of_options(refused, task, case):
    name, value, words = case
    message = refused(*task, name, value)
    says(message, words)
    if words != "raise eps":
        says(message, f"got {float(value):g}" if value not in ("nan", "inf") else f"got {value}")


@pytest.mark.parametrize(
    "option", [("--eps", "small"), ("--width", "2.5"), ("--horizon", "long"), ("--seed", "-1"), ("--strategy", "best"), ("--colour", "red")]
)
def test_usage(cli, task, tmp_path, option):
    """What the parser of the options refuses: exit code 2, the option named, no traceback."""
    done = cli("interpolate", "--sources", task[0], "--targets", task[1], "--eps", "1e-6", "--out", tmp_path / "run", *option)
    assert (done.code, done.out) == (2, "")
    assert option[0] in done.err and "Traceback" not in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("missing", ["--sources", "--targets", "--eps", "--out"])
def test_options_that_are_required(cli, task, tmp_path, missing):
    given = {"--sources": task[0], "--targets": task[1], "--eps": "1e-6", "--out": tmp_path / "run"}
    done = cli("interpolate", *(word for option, value in given.items() if option != missing for word in (option, value)))
    assert (done.code, done.out) == (2, "")
    assert missing in done.err
    assert not (tmp_path / "run").exists()


def test_an_out_that_is_a_file_or_below_one(cli, task, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        done = cli("interpolate", "--sources", task[0], "--targets", task[1], "--eps", "1e-6", "--out", out)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("error: ") and done.err.count("\n") == 1
        says(done.err, str(tmp_path / "file"), "--out")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_real_process_says_the_same(process, task, table, clouds, tmp_path):
    """One line on stderr also when nothing is captured in Python, and warnings and progress would be seen."""
    clouds[0][1][2, 1] = np.nan
    bad = table(tmp_path / "bad.csv", clouds[0])
    done = process("interpolate", "--sources", bad, "--targets", task[1], "--eps", "1e-6", "--out", "run", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {bad}: measure south, data row 9: coordinate 1 is nan") and done.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]
