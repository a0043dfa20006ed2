"""Labelled images, whole sets in memory."""

from ciutils.data.sources import DATASETS, NORMALISATIONS, load, normalised
from ciutils.data.split import ImageData, Split

__all__ = ["DATASETS", "NORMALISATIONS", "ImageData", "Split", "load", "normalised"]
