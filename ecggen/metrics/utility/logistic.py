"""L2-regularised logistic regression of several labels at once, with targets between 0 and 1.

Each label has weights w and a constant b that minimise ½‖w‖² + C · Σᵢ (log(1 + e^zᵢ) − yᵢ · zᵢ), z = Xw + b: the
cross-entropy of targets yᵢ, which may lie between 0 and 1 for mixed records (mixup, Zhang et al., ICLR 2018). For
targets of 0 and 1 this is scikit-learn's ``LogisticRegression``. All labels are optimised together, in preconditioned
coordinates, so that hundreds of regressions on some thousand records take minutes.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit

TOLERANCE = 1e-6
"""Largest gradient of the mean loss at convergence: further steps change no AUROC in the fifth digit."""
STEPS = 500
"""Largest number of steps."""
CURVATURE = 0.15
"""Typical p · (1 − p) of a label's probability p, which scales the Hessian of the loss in the preconditioner."""


def fit(inputs: np.ndarray, labels: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (feature, label) and constants (label,).

    Args:
        inputs: (record, feature), of about zero mean and unit deviation.
        labels: (record, label), 0 to 1.
        strength: C above, the inverse strength of the regularisation.

    Example:
        >>> weights, constants = fit(np.array([[-1.0], [1.0]]), np.array([[0.0], [1.0]]), strength=1.0)
        >>> weights.shape, bool(weights[0, 0] > 0), abs(float(constants[0])) < 1e-6
        ((1, 1), True, True)
    """
    if len(inputs) >= inputs.shape[1]:
        return _minimised(inputs, labels, strength)
    basis, triangle = np.linalg.qr(inputs.T)  # the weights lie in the span of the records
    inner, constants = _minimised(triangle.T, labels, strength)
    return basis @ inner, constants


def _minimised(inputs: np.ndarray, labels: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights and constants at the minimum, by L-BFGS on all labels together."""
    records, features = inputs.shape
    ridge, shape = 1 / (strength * records), (features + 1, labels.shape[1])
    curved = CURVATURE / records * inputs.T @ inputs + ridge * np.eye(features)
    root = cholesky(curved, lower=True)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        both = flat.reshape(shape)
        weights = solve_triangular(root, both[:-1], lower=True, trans=1)
        logits = inputs @ weights + both[-1]
        value = (np.logaddexp(0, logits) - labels * logits).sum() / records + 0.5 * ridge * (weights**2).sum()
        off = (expit(logits) - labels) / records
        slope = solve_triangular(root, inputs.T @ off + ridge * weights, lower=True)
        return value, np.vstack([slope, off.sum(0)]).ravel()

    options = {"maxiter": STEPS, "gtol": TOLERANCE, "ftol": 0, "maxls": 50}
    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(shape)
    return solve_triangular(root, found[:-1], lower=True, trans=1), found[-1]
