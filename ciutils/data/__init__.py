"""Labelled images, whole sets in memory."""

from ciutils.data.sources import DATASETS, NORMALISATIONS, folder, load, normalised
from ciutils.data.split import ImageData, Split

__all__ = ["DATASETS", "NORMALISATIONS", "ImageData", "Split", "folder", "load", "normalised"]
