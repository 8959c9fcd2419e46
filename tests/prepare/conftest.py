"""Small downloads in the public layouts."""

import h5py
import itk
import nibabel as nib
import numpy as np
import pytest

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # to RAS and back


def ball(shape, seed=0):
    """Return an image with a bright organ off the center, and its label."""
    grid = np.indices(shape).reshape(3, -1).T - np.array(shape) * (0.4, 0.3, 0.5)
    label = (np.linalg.norm(grid, axis=1) < min(shape) / 5).reshape(shape)
    noise = np.random.default_rng(seed).integers(0, 40, shape)
    return (noise + 100 * label).astype(np.uint8), label.astype(np.uint8)


def itk_image(voxels, affine=None):
    """Return voxels (H, W, D) with an affine in RAS as an ITK image."""
    image = itk.image_from_array(np.ascontiguousarray(voxels.T))
    spacing = np.linalg.norm((LPS @ affine)[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((LPS @ affine)[:3, :3] / spacing)
    image.SetOrigin((LPS @ affine)[:3, 3].tolist())
    return image


class Download:
    """Writes scans below a folder; every method returns what was written."""

    def __init__(self, root):
        self.root = root

    @staticmethod
    def rotated(spacing_mm, degrees=12.0, shift=(-20.0, 30.0, 5.0)):
        """Return an oblique affine in RAS whose axes go left, posterior, superior, as ITK's plain ones."""
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        affine = np.eye(4)
        affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) * np.array(spacing_mm)
        affine[:3, 3] = shift
        return LPS @ affine

    def atrium(self, name, affine=None, seed=0, label_value=255, label=True):
        image, mask = ball((24, 28, 12), seed)
        folder = self.root / "Training Set" / name
        folder.mkdir(parents=True)
        affine = np.diag([-0.625, -0.625, 0.625, 1.0]) if affine is None else affine
        itk.imwrite(itk_image(image, affine), str(folder / "lgemri.nrrd"), compression=True)
        if label:
            itk.imwrite(itk_image(mask * np.uint8(label_value), affine), str(folder / "laendo.nrrd"), compression=True)
        return image, mask

    def h5(self, path, seed=0):
        image, mask = ball((24, 28, 12), seed)
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(self.root / path, "w") as file:
            file["image"], file["label"] = image.astype(np.float32) / 7, mask
        return image.astype(np.float32) / 7, mask

    def ct(self, case=1, left_out=(), series="1.2.826.1", flipped=True, sheared=False):
        """Write a CT of a body in air as DICOM, file names shuffled, and its label as TCIA stores it."""
        shape = (24, 26, 10)
        affine = self.rotated((0.8, 0.8, 1.5))
        if sheared:
            affine[:3, 2] += 0.3 * affine[:3, 1]
        x, y, _ = np.indices(shape)
        body = ((x - 12) / 10) ** 2 + ((y - 8) / 7) ** 2 < 1  # in the upper half of the slice
        _, mask = ball(shape)
        noise = np.random.default_rng(0).integers(-20, 20, shape)
        voxels = (np.where(body, 40, -1000) + noise).astype(np.int16)
        folder = self.root / "Pancreas-CT" / f"PANCREAS_{case:04}" / "study" / series
        folder.mkdir(parents=True)
        names = np.random.default_rng(3).permutation(shape[2])
        for k in range(shape[2]):
            if k not in left_out:
                write_slice(folder / f"{names[k]:03}.dcm", voxels, affine, k, series)
        label = self.root / "TCIA_pancreas_labels-02-05-2017" / f"label{case:04}.nii.gz"
        label.parent.mkdir(exist_ok=True)
        # a header that fits neither way, so that only the content tells
        nib.save(nib.Nifti1Image(mask[:, ::-1] if flipped else mask, np.diag([0.8, 0.8, 1.5, 1.0])), label)
        return voxels, mask, affine

    def tumor(self, name, suffix=".nii.gz", grade="HGG", seed=0):
        image, mask = ball((24, 28, 12), seed)
        classes = mask.copy()
        classes[mask > 0] = np.resize([1, 2, 4], int(mask.sum()))
        folder = self.root / "MICCAI_BraTS_2019_Data_Training" / grade / name
        folder.mkdir(parents=True)
        affine = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])
        for i, part in enumerate(("flair", "t1", "t1ce", "t2")):
            nib.save(nib.Nifti1Image((image + i).astype(np.int16), affine), folder / f"{name}_{part}{suffix}")
        nib.save(nib.Nifti1Image(classes, affine), folder / f"{name}_seg{suffix}")
        return image, classes, affine


def write_slice(path, voxels, affine, k, series):
    """Write slice k as GDCM does."""
    image = itk_image(
        voxels[:, :, k : k + 1], affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, k], [0, 0, 0, 1]])
    )
    direction = itk.array_from_matrix(image.GetDirection())
    tags = {
        "0008|0060": "CT",
        "0008|0018": f"{series}.{k + 1}",
        "0020|000d": "1.2.826",
        "0020|000e": series,
        "0020|0032": "\\".join(f"{value:.9f}" for value in image.GetOrigin()),
        "0020|0037": "\\".join(f"{value:.9f}" for value in [*direction[:, 0], *direction[:, 1]]),
        "0018|0050": "1.5",
        "0028|1052": "-1024",
        "0028|1053": "1",
    }
    for tag, value in tags.items():
        image.GetMetaDataDictionary()[tag] = value
    writer = itk.GDCMImageIO.New()
    writer.KeepOriginalUIDOn()
    itk.imwrite(image, str(path), imageio=writer)


@pytest.fixture
def download(tmp_path):
    return Download(tmp_path / "download")
