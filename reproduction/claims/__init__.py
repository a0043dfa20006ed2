"""The paper's claims (arXiv:2211.01370), one file a section, each with the rule that judges it on artifacts.

Book: *Which claims hold?*
"""

from reproduction.claims import answers, cctm, classwise_losses, evidence, judging, label_dancing, sharpness
from reproduction.claims.judging import CLAIMS  # to which each section adds its own

__all__ = ["CLAIMS", "answers", "cctm", "classwise_losses", "evidence", "judging", "label_dancing", "sharpness"]
