"""Labelled images, whole sets in memory."""

from ciutils.data.sources import DATASETS, NORMALISATIONS, classes, load, normalised
from ciutils.data.split import ImageData, Split
from ciutils.data.variants import only, swapped

__all__ = ["DATASETS", "NORMALISATIONS", "ImageData", "Split", "classes", "load", "normalised", "only", "swapped"]
