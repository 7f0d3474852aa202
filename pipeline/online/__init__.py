"""Text → the very rows that the shards hold, by the same functions: the on-line half of prediction."""

from pipeline.online.features import Counts, OnlineFeatures
from pipeline.online.folders import FeatureFolders

__all__ = ["Counts", "FeatureFolders", "OnlineFeatures"]
