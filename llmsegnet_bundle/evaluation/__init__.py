"""Scores of saved masks: a folder against the labels, and one run against another."""

from llmsegnet_bundle.evaluation.comparison import compare
from llmsegnet_bundle.evaluation.folders import evaluate

__all__ = ["compare", "evaluate"]
