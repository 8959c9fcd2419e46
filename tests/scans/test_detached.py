"""A header may name any file as its voxels; only those beside it or below are read, by every command."""

import re

import numpy as np
import pytest

from llmsegnet_bundle.scans import read_channels, read_scan
from llmsegnet_bundle.scans.detached import is_below

VOXELS = np.arange(64, dtype=np.uint8)
NRRD = (
    "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 4 4\nencoding: raw\nspace: left-posterior-superior\n"
    "space directions: (1,0,0) (0,1,0) (0,0,1)\n"
)
META = "ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementSpacing = 1 1 1\nElementType = MET_UCHAR\n"


@pytest.fixture
def download(tmp_path):
    """Return a folder beside a secret, with voxels of its own."""
    folder = tmp_path / "download"
    (folder / "parts").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(VOXELS.tobytes())
    (folder / "x.raw").write_bytes(VOXELS.tobytes())
    (folder / "parts/x.raw").write_bytes(VOXELS.tobytes())
    for i in range(4):
        (folder / f"x{i}.raw").write_bytes(VOXELS[16 * i : 16 * i + 16].tobytes())
    (folder / "link.raw").symlink_to(tmp_path / "secret")
    return folder


def write(folder, name, text):
    (folder / name).write_bytes(text.encode() + VOXELS.tobytes() * ("LOCAL" in text))
    return folder / name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.nhdr", NRRD + "data file: x.raw\n"),
        ("a.nrrd", NRRD + "Datafile: ./parts/../parts/x.raw\r\n\r\n"),
        ("a.nhdr", NRRD + "data file: LIST\n" + "".join(f"x{i}.raw\n" for i in range(4))),
        ("a.mhd", META + "ElementDataFile = x.raw\n"),
        ("a.mha", META + "ElementDataFile = LOCAL\n"),
        ("A.MHD", META + "ElementDataFile: parts/x.raw\n"),
        ("a.mhd", META + "ElementDataFile = LIST\n" + "".join(f"x{i}.raw\n" for i in range(4))),
    ],
)
def test_voxels_beside_a_header_and_below_are_read(name, text, download):
    if "LIST" in text and name.endswith("nhdr"):
        text = text.replace("LIST", "LIST 2")
    np.testing.assert_array_equal(read_scan(write(download, name, text))[0].ravel("F"), VOXELS)


OUTSIDE = [
    *(
        ("a.nhdr", NRRD + f"{key} SECRET\n")
        for key in ("data file:", "datafile:", "DATA FILE:", "content: x\rdata file:")
    ),
    ("a.nrrd", NRRD + "data file: ../secret\n\n"),
    ("a.nrrd", NRRD + "data file: parts/../../secret\n\n"),
    ("a.nrrd", NRRD + "data file: link.raw\n\n"),
    ("a.nhdr", NRRD + "data file: LIST 2\nx0.raw\nx1.raw\n../secret\nx3.raw\n"),
    ("a.nhdr", NRRD + "data file: -\n"),
    *(("a.mhd", META + f"{key} SECRET\n") for key in ("ElementDataFile =", "ElementDataFile:", "ElementDataFile\n =")),
    ("a.mha", META + "Comment = ElementDataFile = LOCAL\nElementDataFile = ../secret\n"),
    ("a.mha", META + "Comment = x\rElementDataFile = LOCAL\nElementDataFile = ../secret\n"),
    ("a.mhd", META + "ElementDataFile = LIST 2D\nx0.raw\nx1.raw\n../secret\nx3.raw\n"),
    ("a.mhd", META + "ElementDataFile = link.raw\n"),
    ("a.mhd", META + "ElementDataFile = ~/secret\n"),
]


@pytest.mark.parametrize(("name", "text"), OUTSIDE)
def test_voxels_elsewhere_are_refused_by_every_reader(name, text, download):
    file = write(download, name, text.replace("SECRET", str(download.parent / "secret")))
    told = (
        rf"{re.escape(str(file))} takes its voxels from '.*', which lies neither beside it nor below, .*put both into"
    )
    for read in (read_scan, read_channels):
        with pytest.raises(ValueError, match=told) as error:
            read(file)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "a.nhdr",
            NRRD + "data file: ../secr%det 0 3 1 2\n",
            r"by the pattern '../secr%det 0 3 1 2', which is not read",
        ),
        ("a.mhd", META + "ElementDataFile = x%s.raw 0 3 1\n", r"by the pattern 'x%s.raw 0 3 1'"),  # ends ITK's process
        ("a.mhd", META + "ElementDataFile = gone.raw\n", r"takes its voxels from 'gone.raw', which does not exist"),
        ("a.nhdr", NRRD + "data file: parts\n", r"takes its voxels from 'parts', which does not exist; get that file"),
        ("a.nrrd", "NRRD0004\n" + "# more\n" * 200_000, "has a header without an end"),
        ("a.mhd", "", "a.mhd cannot be read"),
        ("a.nrrd", META + "ElementDataFile = ../secret\n", "a.nrrd cannot be read"),  # chosen by name, not by content
    ],
)
def test_unfit_headers_are_told_in_one_line(name, text, told, download, capfd):
    with pytest.raises(ValueError, match=told):
        read_scan(write(download, name, text))


def test_linked_header_takes_the_voxels_beside_it_or_beside_the_link(download, tmp_path):
    header = write(download, "a.mhd", META + "ElementDataFile = x.raw\n")
    (tmp_path / "links").mkdir()
    for name in ("a.mhd", "x.raw"):
        (tmp_path / "links" / name).symlink_to(header.with_name(name))
    np.testing.assert_array_equal(read_scan(tmp_path / "links/a.mhd")[0].ravel("F"), VOXELS)


def test_file_is_below_a_folder_by_where_its_links_lead(download):
    (download / "loop").symlink_to("loop")
    assert is_below(download / "parts/x.raw", download)
    assert is_below(download / "parts/../x.raw", download)
    assert not is_below(download / "link.raw", download)
    assert not is_below(download / "../secret", download)
    assert not is_below(f"{download}-of-another/x", download)
    assert is_below(download / "loop", download)


@pytest.mark.parametrize("name", ["a.nii", "a.nrrd", "a.mha"])
def test_claim_beyond_memory_is_refused_before_it_is_read(name, tmp_path):
    if name == "a.nii":
        import nibabel as nib

        header = nib.Nifti1Header()
        header.set_data_shape((30000, 30000, 30000))
        header["magic"], header["vox_offset"] = b"n+1", 352
        content = header.binaryblock + bytes(200)
    elif name == "a.nrrd":
        content = NRRD.replace("4 4 4", "30000 30000 30000").encode() + b"\n" + bytes(64)
    else:
        content = (META.replace("4 4 4", "30000 30000 30000") + "ElementDataFile = LOCAL\n").encode() + bytes(64)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} claims 30000 x 30000 x 30000 voxels, \d+\.0 GB, and .* are free"):
        read_scan(tmp_path / name)
