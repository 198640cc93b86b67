"""How good a swap is: likeness, pose, expression, gaze, colour, realism; with floor and ceiling."""

from omote.evaluation.aligned_set import read_held_out
from omote.evaluation.evaluator import METRICS, Evaluator, Result, Swap, evaluate, on_inner
from omote.evaluation.judges import open_panel
from omote.evaluation.looks import Estimators, Looks
from omote.evaluation.pairs import Pairs, held_out_pairs
from omote.evaluation.photos import Photos
from omote.evaluation.report import Report

__all__ = [
    "METRICS",
    "Estimators",
    "Evaluator",
    "Looks",
    "Pairs",
    "Photos",
    "Report",
    "Result",
    "Swap",
    "evaluate",
    "held_out_pairs",
    "on_inner",
    "open_panel",
    "read_held_out",
]
