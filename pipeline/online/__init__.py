"""Text → the very rows that the shards hold, by the same functions: the on-line half of prediction."""

from ssmi.pipeline.online.feature_store import FeatureStore
from ssmi.pipeline.online.features import Counts, OnlineFeatures

__all__ = ["Counts", "FeatureStore", "OnlineFeatures"]
