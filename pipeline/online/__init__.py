"""Compute feature rows from text, identical to those of the shards and by the same functions: online prediction."""

from ssmi.pipeline.online.costs import WorkCounts
from ssmi.pipeline.online.feature_store import FeatureStore
from ssmi.pipeline.online.features import OnlineFeatures

__all__ = ["FeatureStore", "OnlineFeatures", "WorkCounts"]
