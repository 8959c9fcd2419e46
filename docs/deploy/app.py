"""A MONAI Deploy application: a DICOM series in, a DICOM SEG out. python app.py -i SERIES_FOLDER -o FOLDER"""

from pathlib import Path

import numpy as np
from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application, Image, Operator, OperatorSpec
from monai.deploy.operators.dicom_data_loader_operator import DICOMDataLoaderOperator
from monai.deploy.operators.dicom_seg_writer_operator import DICOMSegmentationWriterOperator, SegmentDescription
from monai.deploy.operators.dicom_series_selector_operator import DICOMSeriesSelectorOperator
from monai.deploy.operators.dicom_series_to_volume_operator import DICOMSeriesToVolumeOperator
from pydicom.sr.coding import Code

import llmsegnet_bundle

LEFT_ATRIUM = SegmentDescription(
    segment_label="left atrium",
    segmented_property_category=Code("91723000", "SCT", "Anatomical Structure"),
    segmented_property_type=Code("82471001", "SCT", "Left atrium"),
    algorithm_name="LLM-SegNet left atrium segmentation",
    algorithm_version=llmsegnet_bundle.__version__,
)


class SegmentOperator(Operator):
    """Give the mask of a scan."""

    def setup(self, spec: OperatorSpec) -> None:
        spec.input("image")
        spec.output("seg_image")

    def compute(self, op_input, op_output, context) -> None:
        image = op_input.receive("image")  # (slice, row, column)
        affine = np.asarray(image.metadata()["nifti_affine_transform"])
        mask = llmsegnet_bundle.segment(image.asnumpy().T, "left_atrium", affine)
        op_output.emit(Image(mask.T, image.metadata()), "seg_image")


class SegmentApp(Application):
    """Load, select the series, segment, write."""

    def compose(self) -> None:
        context = Application.init_app_context(self.argv)
        source, output = Path(context.input_path), Path(context.output_path)
        load = DICOMDataLoaderOperator(self, CountCondition(self, 1), input_folder=source, name="load")
        select = DICOMSeriesSelectorOperator(self, name="select")
        volume = DICOMSeriesToVolumeOperator(self, name="volume")
        segment = SegmentOperator(self, name="segment")
        write = DICOMSegmentationWriterOperator(
            self, segment_descriptions=[LEFT_ATRIUM], output_folder=output, name="write"
        )
        self.add_flow(load, select, {("dicom_study_list", "dicom_study_list")})
        self.add_flow(select, volume, {("study_selected_series_list", "study_selected_series_list")})
        self.add_flow(volume, segment, {("image", "image")})
        self.add_flow(select, write, {("study_selected_series_list", "study_selected_series_list")})
        self.add_flow(segment, write, {("seg_image", "seg_image")})


if __name__ == "__main__":
    SegmentApp().run()
