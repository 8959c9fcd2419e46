import nibabel as nib
import numpy as np
import pytest

from llmsegnet_bundle.annotation.labels import label_fault


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "it is empty; draw the organ first"),
        (1, ""),
        (2, "it has class 2, the last one is 1; remove segments such as 'uncertain'"),
    ],
)
def test_label_of_an_annotator_has_a_class_to_learn(value, told, tmp_path):
    label = np.zeros((4, 5, 6), np.uint8)
    label[1, 2, 3] = value
    nib.save(nib.Nifti1Image(label, np.eye(4)), tmp_path / "label.nii.gz")
    assert label_fault(tmp_path / "label.nii.gz", classes=2) == told


def test_label_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "label.nii.gz").write_bytes(b"none")
    assert str(tmp_path / "label.nii.gz") in label_fault(tmp_path / "label.nii.gz")
