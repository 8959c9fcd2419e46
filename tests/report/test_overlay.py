"""Overlays show the contours on the scan's own proportions."""

import numpy as np
import pytest
from PIL import Image

from llmsegnet_bundle.report import overlay
from llmsegnet_bundle.report.overlay import PLANES, planes


def box(shape=(30, 20, 10)):
    label = np.zeros(shape, dtype=np.uint8)
    label[10:20, 5:15, 3:7] = 1
    return label


def test_planes_have_the_contours_of_each_class():
    label = box()
    label[12:, 8:, 4:] *= 2
    figures = planes(label * 100.0, label, np.roll(label, 1, axis=0), (1, 1, 2))
    assert tuple(figures) == PLANES
    for figure in figures.values():
        assert len(figure.axes[0].collections) == 4  # two classes, of label and of prediction


def test_planes_are_in_proportion():
    images = {name: figure.axes[0].images[0] for name, figure in planes(*[box()] * 3, (1, 1, 2)).items()}
    assert images["axial"].axes.get_aspect() == 1
    assert images["sagittal"].axes.get_aspect() == 2


def test_right_of_the_patient_is_on_the_left():
    for figure in planes(*[box()] * 3).values():
        left, right = figure.axes[0].get_xlim()
        assert left > right


@pytest.mark.parametrize("empty", ["label", "pred", "both"])
def test_empty_masks_are_drawn(empty):
    label, pred = (box() * (empty not in (name, "both")) for name in ("label", "pred"))
    assert len(planes(box(), label, pred)) == 3


def test_overlay_writes_a_picture(tmp_path):
    overlay(box(), box(), box(), tmp_path / "overlay.png", "a $title")
    with Image.open(tmp_path / "overlay.png") as picture:
        assert picture.size == (1200, 450)
