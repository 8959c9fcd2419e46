import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_folders import AFFINE, SHAPE

from llmsegnet_bundle.scans.reading import read_channels

HEADER = nib.Nifti1Header.template_dtype
FIELDS = {name: (HEADER.fields[name][1], HEADER.fields[name][0].itemsize) for name in HEADER.names}
# of a field, or of any bytes
CHANGES = st.tuples(st.sampled_from(sorted(FIELDS)), st.binary(min_size=1, max_size=16)) | st.tuples(
    st.integers(0, 351), st.binary(min_size=1, max_size=4)
)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    file = tmp_path_factory.mktemp("scan") / "scan.nii"
    nib.save(nib.Nifti1Image(np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE), AFFINE), file)
    return file.read_bytes()


@settings(max_examples=100, deadline=None, database=None)
@given(changes=st.lists(CHANGES, min_size=1, max_size=3))
@pytest.mark.filterwarnings("ignore")
def test_any_header_is_read_or_told_in_one_line(changes, content, tmp_path_factory):
    spoiled = bytearray(content)
    for where, given_bytes in changes:
        start, size = FIELDS[where] if isinstance(where, str) else (where, len(given_bytes))
        part = given_bytes[:size]
        spoiled[start : start + len(part)] = part
    file = tmp_path_factory.getbasetemp() / "spoiled.nii"
    file.write_bytes(spoiled)
    volume, told = None, ""
    try:
        volume = read_channels(file)
    except ValueError as error:
        told = str(error)
    if volume is None:
        assert told.startswith(str(file)), told
        assert len(told.splitlines()) == 1, told
    else:
        assert volume.voxels.ndim == 4
        assert np.isfinite(volume.affine).all()
        assert abs(np.linalg.det(volume.affine)) > 0
