"""Labelled images, whole sets in memory."""

from ciutils.choices import DATASETS, NORMALISATIONS
from ciutils.data.mapped import read_once
from ciutils.data.sources import classes, load, normalised
from ciutils.data.split import ImageData, Split
from ciutils.data.variants import only, swapped

__all__ = [
    "DATASETS",
    "NORMALISATIONS",
    "ImageData",
    "Split",
    "classes",
    "load",
    "normalised",
    "only",
    "read_once",
    "swapped",
]
