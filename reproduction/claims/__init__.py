"""The paper's claims (arXiv:2211.01370), one file a section, each with the rule that judges it on artifacts.

Book: page *Which claims hold?*
"""

from reproduction.claims import cctm, classwise_losses, label_dancing, sharpness  # each registers its claims
from reproduction.claims.answers import ANSWERS, SUMMARIES, Part
from reproduction.claims.evidence import NETWORKS, Evidence, gather, of_profiles, seeded
from reproduction.claims.judging import CLAIMS, DEPENDS, Claim, by_reading, depends, headline, judged, primary, side

__all__ = [
    "ANSWERS",
    "CLAIMS",
    "DEPENDS",
    "NETWORKS",
    "SUMMARIES",
    "Claim",
    "Evidence",
    "Part",
    "by_reading",
    "cctm",
    "classwise_losses",
    "depends",
    "gather",
    "headline",
    "judged",
    "label_dancing",
    "of_profiles",
    "primary",
    "seeded",
    "sharpness",
    "side",
]
