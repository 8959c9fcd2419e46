"""Surfaces and their distances, against spheres and boxes with known answers."""

import numpy as np
import pytest

from llmsegnet_bundle.report.surface import COLORS, VIEWS, color_limit_mm, render, signed_distance_mm

SPACING = (1.0, 1.0, 2.0)


def sphere(radius_mm, center_mm=(20, 20, 20), shape=(40, 40, 20)):
    places = np.indices(shape).T * SPACING - center_mm
    return (np.linalg.norm(places, axis=-1) < radius_mm).T


def test_signed_distance_of_a_half_space():
    mask = np.zeros((6, 3, 3), dtype=bool)
    mask[:3] = True
    np.testing.assert_allclose(signed_distance_mm(mask, (2, 9, 9))[:, 1, 1], [-5, -3, -1, 1, 3, 5])


def test_limit_is_the_distance_of_concentric_spheres():
    assert color_limit_mm(sphere(15), sphere(10), SPACING) in (5, 6)
    assert color_limit_mm(sphere(15), sphere(15), (1, 1, 1)) == 1
    assert color_limit_mm(sphere(15), sphere(0), SPACING) == 1


@pytest.mark.parametrize("view", VIEWS)
def test_sphere_is_round_from_every_side_in_mm(view):
    mask = sphere(15)
    picture = render(mask, np.zeros(mask.shape), SPACING, view, limit_mm=1)
    seen = picture[..., 3] == 1
    side_mm = (np.array(mask.shape) + 6) * SPACING
    diameters = np.ptp(np.nonzero(seen), axis=1) * side_mm.max() / 200
    np.testing.assert_allclose(diameters, 30, atol=2)


def test_color_tells_the_sign_of_the_error():
    mask = sphere(15)
    for sign in (-1, 1):
        middle = render(mask, np.full(mask.shape, 3.0 * sign), SPACING, "from behind", limit_mm=3)[100, 100, :3]
        expected = np.array(COLORS((sign + 1) / 2)[:3])
        np.testing.assert_allclose(middle / middle.max(), expected / expected.max(), atol=0.02)


def test_views_are_named_for_the_patient():
    mask = np.zeros((40, 40, 40), dtype=bool)
    mask[4:12, 18:22, 28:36] = True  # on the patient's left, high
    mask[18:22, 4:12, 4:12] = True  # behind, low
    front = render(mask, np.zeros(mask.shape), (1, 1, 1), "from the front", limit_mm=1)[..., 3] > 0
    assert front[:100, 100:].any()  # the patient's left is on the right
    assert not front[:100, :80].any()
    left = render(mask, np.zeros(mask.shape), (1, 1, 1), "from the left", limit_mm=1)[..., 3] > 0
    assert left[100:, 120:].any()  # seen from the left, behind is on the right
    assert not left[100:, :80].any()


def test_no_mask_gives_an_empty_picture():
    assert not render(np.zeros((8, 8, 8), bool), np.zeros((8, 8, 8)), (1, 1, 1), "from behind", limit_mm=1).any()
