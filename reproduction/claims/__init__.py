"""The paper's claims (arXiv:2211.01370), one file a section, each with the rule that judges it on artifacts.

Book: chapter *Claims*.
"""

from reproduction.claims import cctm, classwise_losses, label_dancing, sharpness  # each registers its claims
from reproduction.claims.evidence import NETWORKS, gather
from reproduction.claims.judging import CLAIMS, VERDICTS, Claim, Evidence, Judgement, Number, Part, judge, judge_all

__all__ = [
    "CLAIMS",
    "NETWORKS",
    "VERDICTS",
    "Claim",
    "Evidence",
    "Judgement",
    "Number",
    "Part",
    "cctm",
    "classwise_losses",
    "gather",
    "judge",
    "judge_all",
    "label_dancing",
    "sharpness",
]
