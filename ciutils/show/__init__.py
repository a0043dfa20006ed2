"""Pictures and live widgets of artifacts, without torch."""

from ciutils.show.confusion import cctm_heatmap, cctm_heatmaps, error_share, matrix, recall_dots
from ciutils.show.dancing import dance, notes_score
from ciutils.show.page import display, heat_table, pictures, tell
from ciutils.show.spaces import class_maps, class_surfaces, contours, sensitivities, surfaces
from ciutils.show.text import counted, in_figure, number

__all__ = [
    "cctm_heatmap",
    "cctm_heatmaps",
    "class_maps",
    "class_surfaces",
    "contours",
    "counted",
    "dance",
    "display",
    "error_share",
    "heat_table",
    "in_figure",
    "matrix",
    "notes_score",
    "number",
    "pictures",
    "recall_dots",
    "sensitivities",
    "surfaces",
    "tell",
]
