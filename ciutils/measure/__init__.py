"""Measurements on trained networks: counts, directions, interference spaces."""

from ciutils.choices import BN, OPTIONS, SCALES, SIGNS
from ciutils.measure.curvature import plane_derivatives
from ciutils.measure.directions import random_directions, random_signs, rescaled
from ciutils.measure.evaluator import STATISTICS, batch_norms, for_statistics
from ciutils.measure.predictions import counts, of_test, of_trained
from ciutils.measure.sigma import find_sigma, random_sigma
from ciutils.measure.spaces import interference_space, measured_again, merge, standard_error
from ciutils.models.gradients import Directions, ego_directions

__all__ = [
    "BN",
    "OPTIONS",
    "SCALES",
    "SIGNS",
    "STATISTICS",
    "Directions",
    "batch_norms",
    "counts",
    "ego_directions",
    "find_sigma",
    "for_statistics",
    "interference_space",
    "measured_again",
    "merge",
    "of_test",
    "of_trained",
    "plane_derivatives",
    "random_directions",
    "random_sigma",
    "random_signs",
    "rescaled",
    "standard_error",
]
