"""Scores of saved masks: a folder against the labels, and one run against another."""

from llmsegnet_bundle.evaluation.comparison import Scores, compare, paired, read_scores
from llmsegnet_bundle.evaluation.folders import evaluate

__all__ = ["Scores", "compare", "evaluate", "paired", "read_scores"]
