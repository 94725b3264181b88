"""Where the camera stands, and what the projections keep."""

import numpy as np

from measureformer.diagnostics import History
from measureformer.geometry import normalize
from measureformer.measures import Empirical, from_latitude_longitude
from measureformer.report.camera import best_view, principal_axes, shared_view, view_from
from measureformer.report.figures import before_after
from measureformer.report.globe import count_shared
from measureformer.report.scene import make_scene
from measureformer.report.theme import LIGHT, drawing


def patch(latitude, longitude, n=50, size=8.0, seed=0):
    rng = np.random.default_rng(seed)
    return from_latitude_longitude(latitude + size * rng.normal(size=n), longitude + size * rng.normal(size=n))


def test_a_view_is_a_rotation_with_north_up():
    for toward in normalize(np.random.default_rng(1).normal(size=(20, 3))):
        view = view_from(toward)
        frame = np.stack([view.right, view.up, view.toward])
        assert np.allclose(frame @ frame.T, np.eye(3)) and np.isclose(np.linalg.det(frame), 1)
        assert np.isclose(view.right[2], 0) or abs(toward[2]) > 0.98
        assert view.up[2] >= 0 or abs(toward[2]) > 0.98
    # from the Gulf of Guinea east is right, north is up
    x, y, z = view_from(np.array([1.0, 0, 0])).project(from_latitude_longitude([10.0, 0], [0.0, 10]))
    assert y[0] > 0 and np.isclose(x[0], 0) and x[1] > 0 and np.isclose(y[1], 0) and (z > 0.9).all()


def test_the_camera_sees_what_can_be_seen():
    near = [patch(0, 0), patch(20, 60, seed=1)]
    first, second = shared_view([near[:1], near[1:]])
    assert np.array_equal(first.toward, second.toward)
    assert all(first.visible(x) == 1 for x in near)
    opposite = [patch(0, 0), patch(0, 180, seed=1)]
    first, second = shared_view([opposite[:1], opposite[1:]])
    assert first.visible(opposite[0]) == 1 and second.visible(opposite[1]) == 1
    # one point counts as much as a thousand
    lonely, crowd = np.array([[0.0, 1, 0]]), patch(0, 0, n=1000)
    assert best_view([lonely, crowd]).visible(lonely) == 1


def test_principal_axes_keep_the_ball_and_the_variance():
    rng = np.random.default_rng(2)
    clouds = [normalize(rng.normal(size=(40, 6)) * [3, 2, 1, 0.1, 0.1, 0.1]) for _ in range(2)]
    axes = principal_axes(clouds)
    points = np.concatenate(clouds)
    assert np.allclose(axes.basis.T @ axes.basis, np.eye(3))
    assert (np.linalg.norm(axes(points), axis=1) <= 1 + 1e-12).all()
    assert np.isclose(axes.share, axes(points).var(axis=0).sum() / points.var(axis=0).sum())
    assert 0.9 < axes.share < 1 and axes.flat
    assert np.allclose(axes(points), points @ axes.basis)
    for n in range(1, 40):  # a point that clouds share is still shared, bit for bit, in the picture
        assert np.array_equal(axes(points[:n]), axes(points)[:n])
    identity = principal_axes([clouds[0][:, :3]])
    assert identity.share == 1 and not identity.flat and np.array_equal(identity.basis, np.eye(3))


def test_shared_points_are_counted_bit_for_bit():
    x = patch(0, 0, n=10)
    assert count_shared([x, x[:4] + 0.0]) == (4, 10)
    assert count_shared([x, np.nextafter(x[:4], 2)]) == (0, 14)
    assert count_shared([np.array([[0.0, 1, 0]]), np.array([[-0.0, 1, 0]])]) == (1, 1)


def colors_of(collections, measure):
    import matplotlib

    wanted = matplotlib.colors.to_rgb(LIGHT.color(measure))
    return [c for c in collections if any(np.allclose(color[:3], wanted) and color[3] > 0 for color in c.get_facecolors())]


def test_shared_points_are_pies_and_arrive_apart():
    europe, america, africa = patch(50, 10), patch(-15, -60, seed=1), patch(5, 20, n=20, seed=2)
    sources, targets = [Empirical(europe), Empirical(europe[:20])], [Empirical(america), Empirical(africa)]
    history = History(
        ["start", "match"],
        np.array([0, 3]),
        [[europe, europe[:20]], [america, africa]],
        np.array([0, 3]),
        np.array([0.0, 1.0]),
        np.ones((2, 2)),
    )
    scene = make_scene(["a", "b"], history, sources, targets)
    assert (scene.shared, scene.places) == (20, 50)
    with drawing():
        left, right, *lens = before_after(scene, LIGHT).axes
    pies = colors_of(left.collections, 1)
    assert len(pies) == 1 and pies == [c for c in colors_of(left.collections, 0) if c in pies]  # measure b is nowhere but in pies with a
    assert len(np.unique(pies[0].get_offsets(), axis=0)) == 20
    assert sum(len(c.get_offsets()) for c in colors_of(left.collections, 0) if c not in pies) == 30
    arrived = [sum(len(c.get_offsets()) for c in colors_of(right.collections, i)) for i in (0, 1)]
    assert arrived == [50, 20]
    assert not set(map(id, colors_of(right.collections, 0))) & set(map(id, colors_of(right.collections, 1)))
    assert len(lens) == 1  # Europe is small and off the middle: there is room for a magnifying glass


def test_the_circle_is_seen_from_above():
    angles = np.linspace(0, 5, 7)
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    axes = principal_axes([x, x[:2]])
    assert axes.circle and not axes.flat and axes.share == 1
    mu, nu = Empirical(x), Empirical(-x)
    history = History(["start", "slide"], np.array([0, 3]), [[x], [-x]], np.array([0, 3]), np.array([0.0, 1.0]), np.array([[1.0], [0.0]]))
    scene = make_scene(["a"], history, [mu], [nu])
    (view,) = scene.views([scene.sources])
    right, up, toward = view.project(scene.sources[0][1])
    np.testing.assert_allclose(np.stack([right, up], axis=1), x, atol=1e-15)
    assert (toward == 0).all()
    with drawing():
        drawn = before_after(scene, LIGHT)
    chords = [line for ax in drawn.axes for collection in ax.collections for line in getattr(collection, "get_segments", list)()]
    assert len(chords) == 7 and all(np.abs(line).max() <= 1 for line in chords)
