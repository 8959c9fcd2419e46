import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.cases import check_spacing


@pytest.fixture
def items(tmp_path):
    """Scans whose file axes are superior, right, anterior."""
    for i, thick in enumerate((3.0, 5.0)):
        affine = np.array([[0, 0.8, 0, 0], [0, 0, 0.9, 0], [thick, 0, 0, 0], [0, 0, 0, 1]])
        nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), affine), tmp_path / f"{i}.nii.gz")
    return [{"image": str(tmp_path / f"{i}.nii.gz")} for i in range(2)]


@pytest.mark.parametrize("spacing_mm", [[0.8, 0.9, 3.0], [1, 1, 4], [2, 2, 10]])
def test_grid_as_fine_as_a_scan_or_coarser_is_good(spacing_mm, items):
    check_spacing(items, spacing_mm)


@pytest.mark.parametrize(
    ("spacing_mm", "told"), [([0.4, 1, 3], "0.4 mm along x .*0.8 mm"), ([1, 1, 1], "1 mm along z .*3 mm")]
)
def test_grid_finer_than_every_scan_is_refused(spacing_mm, told, items):
    with pytest.raises(ValueError, match=f"spacing_mm: {told}.*give at least that"):
        check_spacing(items, spacing_mm)
