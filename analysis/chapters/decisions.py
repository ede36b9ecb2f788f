"""Decisions that several chapters share."""

from __future__ import annotations

import numpy as np

from analysis.validation import FloatArray

# One seed for what a report draws again, so that the same study gives the same bytes; text measures and the
# judge take the seed of the study's design.
SEED = 20250301
REPLICATES = 1000
# A mean is drawn in no time, and BCa reads its limits far out in the tails.
MEAN_REPLICATES = 9999
# Ratios of sums over prompts, which are few and cheap.
PROMPT_REPLICATES = 2000
# Above this the bootstrap takes more time than a jackknife that says nearly the same is worth.
MOST_RATINGS_REDRAWN = 20_000
# The mixed model of ratings with gaps needs a matrix of raters, and the bootstrap of Light's kappa
# holds every pair of them for every unit.
MOST_RATERS_PAIRED = 100
# Units x pairs of raters x points, at 16 bytes each in that bootstrap: 320 MB. A full table is below it
# by the two limits above; a sparse one of many raters is not.
MOST_PAIRED_CELLS = 20_000_000


def gaps_by_mixed_model(matrix: FloatArray) -> str:
    """How an intraclass correlation treats gaps: with all ratings where that can be computed."""
    few = matrix.shape[1] <= MOST_RATERS_PAIRED
    return "mixed_model_profile" if few and bool(np.isnan(matrix).any()) else "complete"
