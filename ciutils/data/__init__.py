"""Labelled images, whole sets in memory."""

from ciutils.data.sources import DATASETS, PUBLIC_CODE_STD, folder, load
from ciutils.data.split import ImageData, Split

__all__ = ["DATASETS", "PUBLIC_CODE_STD", "ImageData", "Split", "folder", "load"]
