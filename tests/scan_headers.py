"""NIfTI scans whose headers hold two coordinate systems, or none, for tests."""

import itk
import nibabel as nib
import numpy as np
from scipy.spatial.transform import Rotation

STRAIGHT = np.array([[0.8, 0, 0, -20], [0, 0.7, 0, 31], [0, 0, 1.5, 7], [0, 0, 0, 1.0]])
TURNED = STRAIGHT.copy()
TURNED[:3, :3] = Rotation.from_euler("xyz", [8, -5, 12], degrees=True).as_matrix() @ STRAIGHT[:3, :3]
MOVED = TURNED.copy()
MOVED[:3, 3] += (20, -15, 9)
SHEARED = STRAIGHT @ np.array([[1, 0.0004, 0, 0], [0, 1, 0.0004, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
FORMS = {  # sform, its code, qform, its code
    "same": (TURNED, 1, TURNED, 1),
    "two_forms": (MOVED, 4, STRAIGHT, 1),
    "zero": (None, 0, None, 0),
    "qform_only": (None, 0, TURNED, 1),
    "sform_only": (TURNED, 2, None, 0),
    "sheared": (SHEARED, 1, STRAIGHT, 1),
}
HEADER = ("sform_code", "qform_code", "pixdim", "srow_x", "srow_y", "srow_z", "quatern_b", "qoffset_x", "xyzt_units")


def with_forms(voxels, kind, unit="mm"):
    """A NIfTI image of these voxels with the forms of one kind, which nibabel writes as they are."""
    sform, sform_code, qform, qform_code = FORMS[kind]
    header = nib.Nifti1Header()
    header.set_data_shape(voxels.shape)
    header.set_data_dtype(voxels.dtype)
    header["pixdim"][1:4] = (0.8, 0.7, 1.5)
    header.set_xyzt_units(unit)
    header.set_qform(qform, qform_code)
    header.set_sform(sform, sform_code)
    return nib.Nifti1Image(voxels, None, header)


def save_by_itk(label, scan_file, file):
    """Save a label as 3D Slicer and ITK-SNAP do: with the geometry that ITK reads of the scan."""
    own = itk.image_from_array(np.ascontiguousarray(label.T))
    own.CopyInformation(itk.imread(str(scan_file)))
    itk.imwrite(own, str(file))


def assert_same_place(scan_file, mask_file):
    """Check that header by header, for nibabel and for ITK, a mask lies where its scan does."""
    scan, mask = (nib.load(file) for file in (scan_file, mask_file))
    for key in HEADER:
        np.testing.assert_array_equal(mask.header[key], scan.header[key], err_msg=key)
    np.testing.assert_array_equal(mask.affine, scan.affine)
    scan_itk, mask_itk = (itk.imread(str(file)) for file in (scan_file, mask_file))
    for get in ("GetOrigin", "GetSpacing"):
        np.testing.assert_allclose(list(getattr(mask_itk, get)()), list(getattr(scan_itk, get)()), atol=1e-6)
    turns = [itk.array_from_matrix(image.GetDirection()) for image in (scan_itk, mask_itk)]
    np.testing.assert_allclose(turns[1], turns[0], atol=1e-9)
