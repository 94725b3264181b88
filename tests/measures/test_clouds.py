import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer.errors import InputError
from measureformer.measures import Clouds, Empirical, from_latitude_longitude, pair_clouds, read_clouds, write_clouds

FORMATS = ["csv", "parquet", "npz"]
SQUARE = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]])

texts = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=8).filter(str.strip)


@st.composite
def clouds(draw):
    """Tables on the sphere with any labels: integers, texts, texts that look like integers."""
    n, d = draw(st.sampled_from([(1, 3), (5, 3), (4, 17)]))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    points = rng.normal(size=(n, d))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    labels = draw(st.lists(draw(st.sampled_from([st.integers(-(2**63), 2**63 - 1), texts])), min_size=n, max_size=n))
    weights = draw(st.one_of(st.none(), st.lists(st.floats(1e-300, 1e300), min_size=n, max_size=n)))
    return Clouds(np.array(labels), points, weights)


def assert_same(a: Clouds, b: Clouds):
    np.testing.assert_array_equal(a.labels, b.labels)
    assert a.labels.dtype.kind == b.labels.dtype.kind
    np.testing.assert_array_equal(a.points.view(np.int64), b.points.view(np.int64))  # every bit, also signs of zeros
    assert (a.weights is None) == (b.weights is None)
    if a.weights is not None and b.weights is not None:
        np.testing.assert_array_equal(a.weights, b.weights)


@pytest.mark.parametrize("ending", FORMATS)
@given(table=clouds())
def test_what_is_written_is_read_back_bit_for_bit(tmp_path_factory, ending, table):
    path = tmp_path_factory.mktemp("clouds") / f"table.{ending}"
    write_clouds(path, table)
    again = read_clouds(path)
    assert_same(again, table)
    assert again.origin == str(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", FORMATS)
def test_negative_zeros_and_file_bytes_are_reproduced(tmp_path, ending):
    table = Clouds([2, 1, 2, 1], SQUARE * np.where(SQUARE == 0, -1.0, 1.0), [1, 2, 3, 4])
    first, second = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    write_clouds(first, table)
    write_clouds(second, read_clouds(first))
    assert_same(read_clouds(first), table)
    assert first.read_bytes() == second.read_bytes()


def test_csv_as_people_write_it(tmp_path):
    path = tmp_path / "table.CSV"
    path.write_bytes('\ufeffmeasure,x2, x0 ,weight,name,x1\r\n 1 ,0,1,2,"Town, A",0\r\n\r\n1.0,1,0,3,B,0\r\n'.encode())
    table = read_clouds(path)
    assert_same(table, Clouds([1, 1], [[1.0, 0, 0], [0, 0, 1]], [2, 3]))


def test_parquet_as_data_frames_write_it(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "x1": pa.array([0, 1], pa.int32()),
        "x0": pa.array([1, 0], pa.float32()),
        "measure": pa.array(["a", "b"]).dictionary_encode(),
        "name": pa.array([None, "B"]),
    }
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    assert_same(read_clouds(tmp_path / "table.parquet"), Clouds(["a", "b"], [[1.0, 0], [0, 1]]))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_latitude_and_longitude_become_points(tmp_path, ending):
    latitude, longitude = [48.85341, -33.4569], [2.3488, -70.6483]
    path = tmp_path / f"cities.{ending}"
    if ending == "csv":
        path.write_text("name,latitude_deg,longitude_deg,measure\nParis,48.85341,2.3488,a\nSantiago,-33.4569,-70.6483,a\n")
    else:
        write_parquet(path, {"measure": ["a", "a"], "latitude_deg": latitude, "longitude_deg": longitude})
    table = read_clouds(path)
    np.testing.assert_array_equal(table.points, from_latitude_longitude(latitude, longitude))
    write_clouds(tmp_path / "out.csv", table)
    assert (tmp_path / "out.csv").read_text().startswith("measure,x0,x1,x2\n")


LABELS = {"csv": ["1", "1.0", "-7", "0"], "parquet": [1, 1, -7, 0], "npz": np.array([1.0, 1.0, -7.0, 0.0])}


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_integer_labels_agree_across_formats(tmp_path, source, target):
    for ending, labels in LABELS.items():
        path = tmp_path / f"table.{ending}"
        if ending == "csv":
            rows = (",".join([label, *map(str, x)]) for label, x in zip(labels, SQUARE, strict=True))
            path.write_text("\n".join(["measure,x0,x1,x2", *rows]))
        elif ending == "parquet":
            write_parquet(path, {"measure": labels} | {f"x{i}": SQUARE[:, i] for i in range(3)})
        else:
            np.savez(path, points=SQUARE, measure=labels)
    sources, targets = (read_clouds(tmp_path / f"table.{ending}") for ending in (source, target))
    pairs = pair_clouds(sources, targets)
    assert [label for label, _, _ in pairs] == [1, -7, 0]
    assert all(isinstance(label, int) for label, _, _ in pairs)
    np.testing.assert_array_equal(pairs[0][1].points, pairs[0][2].points)


@pytest.mark.parametrize("labels", [["01", "1"], ["a", "1"], ["1.5", "1"], ["9" * 19, "1"]])
def test_labels_that_are_texts(labels):
    assert Clouds(labels, SQUARE[:2]).labels.tolist() == labels


def test_measures_keep_order_and_normalise_their_weights():
    table = Clouds(["b", "a", "b", "a"], SQUARE, [1.0, 2.0, 3.0, 2.0])
    measures = table.measures()
    assert list(measures) == ["b", "a"]
    np.testing.assert_array_equal(measures["b"].points, SQUARE[[0, 2]])
    np.testing.assert_array_equal(measures["b"].weights, [0.25, 0.75])
    np.testing.assert_array_equal(table.weights, [1, 2, 3, 2])
    moved = table.with_points(-SQUARE[:, :2])
    np.testing.assert_array_equal(moved.measures()["a"].points, -SQUARE[[1, 3], :2])
    assert moved.labels.tolist() == table.labels.tolist()
    with pytest.raises(InputError, match="must have 4 rows"):
        table.with_points(SQUARE[:3])
    for array in (table.labels, table.points, table.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


def test_from_measures_is_the_inverse_of_measures():
    measures = {7: Empirical(SQUARE[:3], [0.5, 0.25, 0.25]), 3: Empirical(SQUARE[3:])}
    table = Clouds.from_measures(measures)
    assert table.labels.tolist() == [7, 7, 7, 3]
    again = table.measures()
    assert list(again) == [7, 3]
    for label, mu in measures.items():
        np.testing.assert_array_equal(again[label].points, mu.points)
        np.testing.assert_array_equal(again[label].weights, mu.weights)
    assert Clouds.from_measures({"a": Empirical(SQUARE)}).weights is None
    with pytest.raises(InputError, match="no measures"):
        Clouds.from_measures({})
    with pytest.raises(InputError, match="1: 3, 2: 2"):
        Clouds.from_measures({1: Empirical(SQUARE), 2: Empirical(np.eye(2))})
    with pytest.raises(InputError, match="are the same"):
        Clouds.from_measures({1: Empirical(SQUARE), "1": Empirical(SQUARE)})


def test_points_off_the_sphere_by_rounding_keep_their_bits_and_by_float32_are_mended(tmp_path):
    rng = np.random.default_rng(1)
    points = rng.normal(size=(50, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    single = points.astype(np.float32)
    np.savez(tmp_path / "t.npz", points=single, measure=np.zeros(50, int))
    table = read_clouds(tmp_path / "t.npz")
    assert table.points.dtype == np.float64
    assert np.abs(np.linalg.norm(single.astype(float), axis=1) - 1).max() > 1e-9
    np.testing.assert_allclose(np.linalg.norm(table.points, axis=1), 1, rtol=0, atol=3e-16)
    np.testing.assert_allclose(table.points, single, rtol=0, atol=2e-7)
    np.testing.assert_array_equal(read_points(tmp_path, table.points), table.points)
    np.testing.assert_array_equal(read_points(tmp_path, table.points * (1 + 5e-15)), table.points * (1 + 5e-15))


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-3, 7.0, 1e200, 1e308])
def test_normalize_mends_any_norm_but_zero(tmp_path, scale):
    points = np.array([[0.6, 0.8, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, -1.0]])
    expected = points / np.linalg.norm(points, axis=1, keepdims=True)
    atol = 1e-3 if scale < 1e-300 else 4e-16  # subnormal numbers have few digits
    np.testing.assert_allclose(read_points(tmp_path, points * scale, normalize=True), expected, rtol=0, atol=atol)


def read_points(folder, points, **options):
    np.savez(folder / "points.npz", points=points, measure=np.zeros(len(points), int))
    return read_clouds(folder / "points.npz", **options).points


def write_parquet(path, columns):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path)


def test_pairs_must_have_the_same_labels_and_dimension():
    sources, targets = Clouds([1, 2, 3, 3], SQUARE, origin="s.csv"), Clouds(["3", "x", "3", "1"], SQUARE, origin="t.npz")
    with pytest.raises(InputError) as caught:
        pair_clouds(sources, targets)
    assert "s.csv and t.npz" in str(caught.value)
    assert "t.npz has no measure 2 and s.csv has no measure x;" in str(caught.value)
    with pytest.raises(InputError, match="sources has no measure 9, 10, 11, 12, 13, 14, 15, 16 and 3 more;"):
        pair_clouds(Clouds([0], SQUARE[:1]), Clouds(np.r_[0, 9:20], SQUARE[[0] * 12]))
    with pytest.raises(InputError, match="d = 3 coordinates and those of targets d = 2"):
        pair_clouds(Clouds([1] * 4, SQUARE), Clouds([1, 1], np.eye(2)))


def test_a_large_csv_is_read_at_once(tmp_path):
    rng = np.random.default_rng(2)
    points = rng.normal(size=(20_000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    table = Clouds(rng.integers(0, 50, 20_000), points)
    write_clouds(tmp_path / "large.csv", table)
    assert_same(read_clouds(tmp_path / "large.csv"), table)
    assert sum(mu.size for mu in table.measures().values()) == 20_000
