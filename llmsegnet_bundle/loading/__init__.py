"""Two-stream loading: crops of labeled and unlabeled scans."""

from llmsegnet_bundle.loading.streams import TwoStreamBatchSampler, TwoStreamDataset, collate, two_stream_loader

__all__ = ["TwoStreamBatchSampler", "TwoStreamDataset", "collate", "two_stream_loader"]
