"""Files and arrays that cannot be used: one message that names the file, the measure, the row, the value and the remedy."""

import numpy as np
import pytest

from measureformer.errors import InputError
from measureformer.measures import Clouds, read_clouds, write_clouds

SQUARE = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]])


def refused(path, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_clouds(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


CSV = {
    "nothing": ("", ["the file is empty"]),
    "blank lines": ("\n\n", ["the file is empty"]),
    "header only": ("measure,x0,x1\n", ["the cloud is empty", "no rows"]),
    "header of angles only": ("measure,latitude_deg,longitude_deg\n", ["no rows"]),
    "no measure": ("label,x0,x1\n1,1,0\n", ["no column 'measure'", "'label'"]),
    "semicolons": ("measure;x0;x1\n1;1;0\n", ["no column 'measure'", "'measure;x0;x1'"]),
    "no coordinates": ("measure,x,y\n1,1,0\n", ["there are no coordinates", "x0"]),
    "no longitude": ("measure,latitude_deg\n1,1\n", ["latitude_deg alone"]),
    "two kinds": ("measure,x0,x1,x2,latitude_deg,longitude_deg\n1,1,0,0,0,0\n", ["ambiguous", "x0", "latitude_deg", "keep one"]),
    "gap": ("measure,x0,x2\n1,1,0\n", ["no column 'x1'", "x0, x2"]),
    "from one": ("measure,x1,x2\n1,1,0\n", ["no column 'x0'", "no gap"]),
    "twice": ("measure,x0,x1,x1\n1,1,0,0\n", ["2 columns 'x1'", "keep one"]),
    "two measures": ("measure,measure,x0,x1\n1,1,1,0\n", ["2 columns 'measure'"]),
    "weights": ("measure,x0,x1,weights\n1,1,0,3\n", ["'weights'", "'weight'"]),
    "short row": ("measure,x0,x1\n1,1,0\n1,0\n", ["data row 2", "2 cells", "header of 3"]),
    "long row": ("measure,x0,x1\n1,1,0,9\n", ["data row 1", "4 cells", "quote"]),
    "no number": ("measure,x0,x1\n1,1,0\nb,0,one\n", ["measure b, data row 2", "x1 = 'one'", "mend or remove"]),
    "empty number": ("measure,x0,x1\n1,1,0\n5,,1\n", ["measure 5, data row 2", "x0 = ''"]),
    "nan": ("measure,x0,x1\n1,1,0\n1,nan,1\n", ["measure 1, data row 2", "coordinate 0 is nan", "mend or remove"]),
    "inf": ("measure,x0,x1\n1,1,0\n1,0,-inf\n", ["measure 1, data row 2", "coordinate 1 is -inf"]),
    "weight zero": ("measure,weight,x0,x1\n1,1,1,0\nc,0,0,1\nc,-1,0,1\n", ["measure c, data row 2", "0.0", "positive", "(2 such rows)"]),
    "weight negative": ("measure,weight,x0,x1\n1,-2,1,0\n", ["measure 1, data row 1", "-2.0", "drop the row"]),
    "weight nan": ("measure,weight,x0,x1\n1,nan,1,0\n", ["measure 1, data row 1", "weight is nan"]),
    "weight inf": ("measure,weight,x0,x1\n1,inf,1,0\n", ["measure 1, data row 1", "weight is inf"]),
    "no label": ("measure,x0,x1\n1,1,0\n ,0,1\n", ["data row 2", "' ' is no label", "give every row"]),
    "control character": ("measure,x0,x1\na\x07,1,0\n", ["data row 1", "no control characters"]),
    "latitude": ("measure,latitude_deg,longitude_deg\na,1,1\nb,90.5,1\n", ["measure b, data row 2", "latitude_deg = 90.5", "-90 to 90"]),
    "longitude": ("measure,latitude_deg,longitude_deg\na,1,inf\n", ["measure a, data row 1", "longitude_deg = inf"]),
    "norm": ("measure,x0,x1\n1,1,0\nb,0,1.000002\n", ["measure b, data row 2", "norm 1.000002", "--normalize", "within 1e-6"]),
    "norm below": ("measure,x0,x1\nb,0,0.999998\n", ["measure b, data row 1", "norm 0.999998", "normalize=True"]),
    "norm huge": ("measure,x0,x1\nb,1e300,1e300\n", ["norm 1.41421356e+300"]),
    "zero": ("measure,x0,x1\n1,1,0\nb,0,0\n", ["measure b, data row 2", "zero", "cannot be normalised"]),
}


@pytest.mark.parametrize(("text", "words"), CSV.values(), ids=CSV)
def test_csv_is_refused(tmp_path, text, words):
    path = tmp_path / "table.csv"
    path.write_text(text)
    message = refused(path)
    assert [word for word in words if word not in message] == []


def test_norms_within_the_tolerance_are_accepted(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("measure,x0,x1\n1,1.0000009,0\n1,0,0.9999991\n")
    np.testing.assert_array_equal(read_clouds(path).points, np.eye(2))


def test_a_zero_vector_cannot_be_normalised(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("measure,x0,x1\n1,5,0\nb,0,-0.0\n")
    assert "measure b, data row 2: the point is zero" in refused(path, normalize=True)


PARQUET = {
    "no measure": ({"x0": [1.0], "x1": [0.0]}, ["no column 'measure'"]),
    "null label": ({"measure": ["a", None], "x0": [1.0, 1.0], "x1": [0.0, 0.0]}, ["data row 2", "None is no label"]),
    "null coordinate": ({"measure": ["a", "b"], "x0": [1.0, None], "x1": [0.0, 0.0]}, ["measure b, data row 2", "coordinate 0 is nan"]),
    "null weight": ({"measure": [1, 2], "weight": [1.0, None], "x0": [1.0, 1.0]}, ["measure 2, data row 2", "weight is nan"]),
    "texts": ({"measure": [1], "x0": ["one"]}, ["column x0", "type string", "numbers"]),
    "no rows": ({"measure": np.zeros(0, int), "x0": np.zeros(0)}, ["no rows"]),
    "fractional label": ({"measure": [0.5], "x0": [1.0]}, ["data row 1", "0.5 is no label"]),
    "norm": ({"measure": ["a"], "x0": [1.1]}, ["measure a, data row 1", "norm 1.1"]),
}


@pytest.mark.parametrize(("columns", "words"), PARQUET.values(), ids=PARQUET)
def test_parquet_is_refused(tmp_path, columns, words):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns), path)
    message = refused(path)
    assert [word for word in words if word not in message] == []


def test_parquet_with_duplicated_columns_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([1.0]), pa.array([0.0])], names=["measure", "x0", "x0"]), path)
    assert "2 columns 'x0'" in refused(path)


def test_parquet_with_damaged_texts_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"measure": ["abcd"], "x0": [1.0]}), path, compression="none", use_dictionary=False, write_statistics=False)
    path.write_bytes(path.read_bytes().replace(b"abcd", b"ab\xffd"))
    assert "cannot be read as Parquet" in refused(path)


ONES = np.ones(4)
LABELS = np.array([1, 1, 2, 2])
NPZ = {
    "no points": ({"measure": LABELS}, ["no array 'points'", "measure"]),
    "no measure": ({"points": SQUARE}, ["no array 'measure'"]),
    "weight": ({"points": SQUARE, "measure": LABELS, "weight": ONES}, ["'weight'", "'weights'"]),
    "flat points": ({"points": ONES, "measure": LABELS}, ["points must have shape (n, d)", "(4,)"]),
    "no dimension": ({"points": np.ones((4, 0)), "measure": LABELS}, ["d >= 1", "(4, 0)"]),
    "no rows": ({"points": np.ones((0, 3)), "measure": LABELS[:0]}, ["no rows"]),
    "few labels": ({"points": SQUARE, "measure": LABELS[:3]}, ["measure must have shape (4,)", "(3,)"]),
    "square labels": ({"points": SQUARE, "measure": LABELS[:, None]}, ["measure must have shape (4,)", "(4, 1)"]),
    "few weights": ({"points": SQUARE, "measure": LABELS, "weights": ONES[:1]}, ["weights must have shape (4,)", "(1,)"]),
    "complex": ({"points": SQUARE + 0j, "measure": LABELS}, ["points must be real numbers", "complex128"]),
    "text points": ({"points": SQUARE.astype(str), "measure": LABELS}, ["points must be real numbers"]),
    "objects": ({"points": SQUARE, "measure": LABELS.astype(object)}, ["cannot be read as NPZ", "labels as integers or texts"]),
    "booleans": ({"points": SQUARE, "measure": LABELS > 1}, ["False is no label"]),
    "nan label": ({"points": SQUARE, "measure": np.array([1, np.nan, 2, 2])}, ["data row 2", "nan is no label"]),
    "empty label": ({"points": SQUARE, "measure": np.array(["a", "a", "", "a"])}, ["data row 3", "'' is no label"]),
    "nan": ({"points": SQUARE * [[1], [1], [1], [np.nan]], "measure": LABELS}, ["measure 2, data row 4", "coordinate 0 is nan"]),
    "weights": ({"points": SQUARE, "measure": LABELS, "weights": ONES - np.eye(4)[2]}, ["measure 2, data row 3", "the weight is 0.0"]),
    "norm": ({"points": SQUARE * 2, "measure": LABELS}, ["measure 1, data row 1", "norm 2", "(4 such rows)"]),
}


@pytest.mark.parametrize(("arrays", "words"), NPZ.values(), ids=NPZ)
def test_npz_is_refused(tmp_path, arrays, words):
    path = tmp_path / "table.npz"
    np.savez(path, **arrays)
    message = refused(path)
    assert [word for word in words if word not in message] == []


def test_a_single_array_under_the_name_of_an_archive_is_refused(tmp_path):
    with (tmp_path / "table.npz").open("wb") as file:
        np.save(file, SQUARE)
    assert "no array 'points'" in refused(tmp_path / "table.npz")


@pytest.mark.parametrize("ending", ["csv", "parquet", "npz"])
def test_missing_damaged_and_wrong_files_are_refused(tmp_path, ending):
    path = tmp_path / f"table.{ending}"
    assert "no such file" in refused(path)
    for content in (b"", b"\xff\xfe not a table", b"PK\x03\x04 broken"):
        path.write_bytes(content)
        refused(path)
    path.unlink()
    write_clouds(path, Clouds(LABELS, SQUARE))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    if ending != "csv":  # half of a CSV may be a shorter CSV
        assert "cannot be read" in refused(path)
    path.unlink()
    path.mkdir()
    assert "cannot be read" in refused(path)


@pytest.mark.parametrize("name", ["table.txt", "table", "table.csv.gz", "table.npy"])
def test_unknown_endings_are_refused(tmp_path, name):
    assert "use .csv, .parquet or .npz" in refused(tmp_path / name)
    with pytest.raises(InputError, match="use .csv, .parquet or .npz"):
        write_clouds(tmp_path / name, Clouds(LABELS, SQUARE))
    assert list(tmp_path.iterdir()) == []


def test_paths_that_cannot_be_written_are_refused(tmp_path):
    table = Clouds(LABELS, SQUARE)
    with pytest.raises(InputError, match="missing/table.csv: the file cannot be written"):
        write_clouds(tmp_path / "missing" / "table.csv", table)
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(InputError, match="folder.npz: the file cannot be written"):
        write_clouds(tmp_path / "folder.npz", table)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.npz"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "table.npz"
    write_clouds(path, Clouds(LABELS, SQUARE))
    before = path.read_bytes()

    def interrupted(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_clouds(path, Clouds(LABELS, -SQUARE))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["table.npz"]


def test_arrays_are_named_without_a_file():
    with pytest.raises(InputError, match="^measure 7, data row 2: the weight is -1.0; "):
        Clouds([7, 7], SQUARE[:2], [1.0, -1.0])
