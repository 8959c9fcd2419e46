import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import BUNDLE

from llmsegnet_bundle.annotation.scorer import ScanScorer
from llmsegnet_bundle.inference.doubts import DOUBTS
from llmsegnet_bundle.inference.segmenter import segment_files


@pytest.mark.slow  # the shipped networks on a scan of one window, twice
def test_scorer_doubts_what_segmentation_answers(tmp_path):
    rng = np.random.default_rng(0)
    scan = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(rng.normal(100, 20, (48, 48, 48)).astype(np.float32), np.diag([1.25] * 3 + [1])), scan)
    scorer = ScanScorer(BUNDLE, device="cpu")
    image, probs = scorer.answer(scan)
    assert (image.shape, probs.shape) == ((1, 1, 48, 48, 48), (4, 48, 48, 48))
    torch.testing.assert_close(probs.reshape(2, 2, -1).sum(dim=1), torch.ones(2, 48**3))
    assert scorer(scan).keys() == DOUBTS.keys()
    segment_files(scan, tmp_path / "masks", BUNDLE, device="cpu", show_progress=False)
    mask = np.asarray(nib.load(tmp_path / "masks/scan_seg.nii.gz").dataobj)
    assert ((probs[1] + probs[3] > 1).numpy() != (mask > 0)).mean() < 1e-3


def test_bundle_without_weights_is_refused():
    with pytest.raises(ValueError, match=r"model_file: .* does not exist; train first"):
        ScanScorer(BUNDLE.with_name("brats19"), device="cpu")
