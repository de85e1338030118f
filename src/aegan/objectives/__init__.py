"""Objectives: pure functions of tensors that return one value per sample, (N,)."""

from aegan.objectives.adversarial import ADVERSARIAL, Adversarial, adversarial, value
from aegan.objectives.noise_levels import noise_levels
from aegan.objectives.penalties import finite_difference, gradient_norm, gradient_penalty, r1, r2
from aegan.objectives.reconstruction import feature_distance, l1, l2, laplacian_l1
from aegan.objectives.regularisers import code_l2, covariance_penalty, kl_of_moments, kl_standard_normal

__all__ = [
    "ADVERSARIAL", "Adversarial", "adversarial", "code_l2", "covariance_penalty", "feature_distance",
    "finite_difference", "gradient_norm", "gradient_penalty", "kl_of_moments", "kl_standard_normal", "l1", "l2",
    "laplacian_l1", "noise_levels", "r1", "r2", "value",
]  # fmt: skip
