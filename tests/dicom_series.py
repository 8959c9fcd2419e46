"""A DICOM series with all that a DICOM SEG repeats, and a SEG laid back on it."""

import nibabel as nib
import numpy as np
import pytest
from dicom_files import write_slices


def series(folder):
    """A tilted CT series with what every scanner writes."""
    pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")
    pytest.importorskip("highdicom", reason="highdicom is not installed")
    cos, sin = np.cos(0.2), np.sin(0.2)
    voxels = np.random.default_rng(0).integers(0, 900, (12, 10, 8))
    step = 1.5 * np.array([0, -sin, cos])
    place = {"axes": ((1, 0, 0), (0, cos, sin)), "spacing_mm": (0.75, 0.75)}
    write_slices(folder, voxels, lambda k: {"place_mm": tuple(np.array([-10.0, 20.0, 5.0]) + k * step)}, **place)
    for file in folder.iterdir():
        one = pydicom.dcmread(file)
        one.FrameOfReferenceUID = "1.2.826.0.7"
        one.PatientID, one.PatientName, one.PatientBirthDate, one.PatientSex = "P1", "Doe^Jane", "19700101", "F"
        one.StudyDate, one.StudyTime, one.StudyID, one.AccessionNumber = "20240131", "120000", "1", "A1"
        one.ReferringPhysicianName, one.Manufacturer = "", "Maker"
        one.save_as(file)
    return folder


def laid_on(volume, affine, shape):
    """Return the classes of a highdicom volume as an array (H, W, D) on the grid of an affine in RAS mm."""
    back = np.diag([-1.0, -1, 1, 1]) @ volume.affine
    there = nib.affines.apply_affine(np.linalg.inv(affine) @ back, np.argwhere(volume.array >= 0))
    np.testing.assert_allclose(there, np.rint(there), atol=1e-3)
    i, j, k = np.rint(there).astype(int).T
    mask = np.zeros(shape, np.uint8)
    mask[i, j, k] = volume.array.ravel()
    return mask
