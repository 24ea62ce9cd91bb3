"""Logistic regression of several labels at once, with a ridge, and with labels between 0 and 1.

Each label has weights w and a constant b that minimise ½‖w‖² + C · Σᵢ (log(1 + e^zᵢ) − yᵢ · zᵢ), z = Xw + b: the
cross-entropy of a truth yᵢ that may lie between 0 and 1, as in mixed records (Zhang et al., ICLR 2018). For y of 0 and
1 this is scikit-learn's ``LogisticRegression``. Here all labels share each pass over the records, and the descent runs
in coordinates in which the loss is about equally curved: hundreds of regressions of some thousand records take minutes.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit

TOLERANCE = 1e-6
"""Steepest slope of the mean loss at which a regression is done: further steps move no AUROC's fifth digit."""
STEPS = 500
"""Most steps."""
CURVATURE = 0.15
"""About p · (1 − p) of a label's probability p: by this the loss bends where an input moves."""


def fit(inputs: np.ndarray, labels: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (feature, label) and constants (label,).

    Args:
        inputs: (record, feature), of about zero mean and unit deviation.
        labels: (record, label), 0 to 1.
        strength: C above; the larger, the weaker the ridge.
    """
    if len(inputs) >= inputs.shape[1]:
        return _descended(inputs, labels, strength)
    basis, triangle = np.linalg.qr(inputs.T)  # the weights lie in the span of the records
    inner, constants = _descended(triangle.T, labels, strength)
    return basis @ inner, constants


def _descended(inputs: np.ndarray, labels: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """The minimum, by L-BFGS on all labels together."""
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
