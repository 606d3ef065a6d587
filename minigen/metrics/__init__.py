"""Numbers that measure a trained model: what they see, how sure they are, and where they are blind.

`measure_family` measures a model of any family by its own numbers (the bound of a VAE, the outputs of D).  `Reference`
compares samples with real images through the judges of `minigen.metrics.judge`; each of its measures has a file with
the derivation, the source and what the measure cannot see.  `class_accuracy` is for models that know classes.
"""

from .accuracy import ClassAccuracy, class_accuracy
from .class_shares import class_shares, lost_classes, total_variation
from .classical import classical_repairs
from .classifier import Classifier, train_classifier
from .energy import energy_distance
from .evaluation import (
    Evaluation,
    Protocol,
    check_comparable,
    describe_protocol,
    evaluate_samples,
    headline,
    measure_floors,
    record,
)
from .family_measures import measure_family
from .fid import fid, fid_terms, gaussian_fid
from .human import HumanResult, RaterResult, Sheet, make_sheet, match_classes, score_answers, wilson
from .inception_score import inception_score
from .judge import Judge, Judges, load_judges, random_judges, train_judges
from .kid import KID, kid, kid_with_error
from .likelihood import elbo, elbo_terms, log_likelihood
from .membership import Membership, auc, membership, membership_scores
from .memorization import Copies, CopySearch, Memorization, memorization, nearest_distances
from .modes import Modes, StackedModes, count_modes, known_modes, stacked_modes
from .nearest_neighbor_test import NearestNeighborTest, nearest_neighbor_test
from .prd import PRD, prd, prd_curve
from .precision_recall import Coverage, expected_coverage, precision_recall
from .reference import MEASURES, Measured, Reference
from .repair import RepairScores, read_digits, repair_scores, test_images
from .sequence import class_gaussians, in_tune, mmd, tstr
from .similarity import psnr, ssim
from .translation import classes_kept, shape_scores, translation_scores
from .uncertainty import Interval, jackknife, t_interval, t_quantile

__all__ = [
    "class_gaussians",
    "in_tune",
    "mmd",
    "tstr",
    "KID",
    "MEASURES",
    "PRD",
    "ClassAccuracy",
    "Classifier",
    "Copies",
    "CopySearch",
    "Coverage",
    "Evaluation",
    "HumanResult",
    "Interval",
    "Judge",
    "Judges",
    "Measured",
    "Membership",
    "Memorization",
    "Modes",
    "NearestNeighborTest",
    "Protocol",
    "RaterResult",
    "Reference",
    "RepairScores",
    "Sheet",
    "StackedModes",
    "auc",
    "check_comparable",
    "class_accuracy",
    "classes_kept",
    "class_shares",
    "classical_repairs",
    "count_modes",
    "describe_protocol",
    "elbo",
    "elbo_terms",
    "energy_distance",
    "measure_family",
    "evaluate_samples",
    "expected_coverage",
    "fid",
    "fid_terms",
    "gaussian_fid",
    "headline",
    "inception_score",
    "jackknife",
    "kid",
    "kid_with_error",
    "known_modes",
    "load_judges",
    "log_likelihood",
    "lost_classes",
    "make_sheet",
    "match_classes",
    "measure_floors",
    "membership",
    "membership_scores",
    "memorization",
    "nearest_distances",
    "nearest_neighbor_test",
    "prd",
    "prd_curve",
    "precision_recall",
    "psnr",
    "random_judges",
    "read_digits",
    "record",
    "repair_scores",
    "score_answers",
    "shape_scores",
    "ssim",
    "stacked_modes",
    "t_interval",
    "t_quantile",
    "test_images",
    "total_variation",
    "train_classifier",
    "translation_scores",
    "train_judges",
    "wilson",
]
