"""Text → the very rows that the shards hold, by the same functions: the on-line half of prediction."""

from ssmi.pipeline.online.costs import WorkCounts
from ssmi.pipeline.online.feature_store import FeatureStore
from ssmi.pipeline.online.features import OnlineFeatures

__all__ = ["FeatureStore", "OnlineFeatures", "WorkCounts"]
