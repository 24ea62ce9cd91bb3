"""Metrics as pure functions of arrays, grouped by module. Units are mV, s, Hz and ms unless stated otherwise.

Waveforms, (…, time) → (…):

- ``free_leads``: independent leads that given leads do not determine.
- ``mean_squared_error``: mean squared error; mV², lower is better.
- ``root_mean_squared_error``: root mean squared error; mV, lower is better.
- ``mean_absolute_error``: mean absolute error; mV, lower is better.
- ``prd``: percent root-mean-square difference; %, lower is better.
- ``pearson``: Pearson's r; higher is better.
- ``r_squared``: coefficient of determination R²; higher is better.
- ``dynamic_time_warping``: mean absolute difference along the best warping path; mV, lower is better.
- ``frechet_curve``: discrete Fréchet distance of waveforms; mV, lower is better.

Draws and prediction intervals:

- ``crps``: continuous ranked probability score of draws; mV, lower is better.
- ``interval_score``: interval score; mV, lower is better.
- ``coverage``: fraction of true samples inside the interval; the level of the interval is the target.

R peaks and RR intervals:

- ``match_r_peaks``: one-to-one matching of R peaks within a tolerance.
- ``r_peak_f1``: F1 of R peaks; higher is better.
- ``heart_rate_errors``: absolute errors of the heart rate; beats per minute, lower is better.
- ``rr_statistics``, ``rr_table``: heart rate, SDNN, RMSSD and irregularity of one record, of several records.

Beats of a record, aligned on their R peaks:

- ``aligned_beats``: the complete beats of each record; (beat, lead, time) in mV.
- ``beat_variability``: variation of amplitude and shape within each record; the value of real records is the target.
- ``variance_split``: variance within records, between draws from one condition, and between records; mV².

Intervals, amplitudes and beats, from a delineation:

- ``ecg_intervals``: heart rate, P, PR, QRS, QT, QTc, axis and amplitudes; ms, degrees, mV.
- ``interval_agreement``: bias and standard deviation against true measurements; lower is better.
- ``median_beats``: median beat of each record; mV.
- ``segments``: sample ranges of P, PQ, QRS, ST and T.
- ``segment_cross_correlation``: correlations between leads within segments.
- ``segment_autocorrelation``: autocorrelation of each lead within segments.
- ``segment_correlation_errors``: errors of both in generated leads; lower is better.

Regression to the mean, of one feature in pairs of predicted and true records:

- ``variance_ratio``: variance of predicted over variance of true values; 1 is ideal.
- ``error_slope``: regression of the error on the true value; slope 0 is ideal.
- ``bland_altman``: bias and limits of agreement; lower is better.

Validity:

- ``lead_law_residuals``: residuals of the laws of Einthoven and Goldberger; µV, lower is better.

Distributions of sets of features (record, feature):

- ``frechet_gaussian``: Fréchet distance (FID); the features' unit squared, lower is better.
- ``kernel_distance``: kernel distance (KID); lower is better.
- ``maximum_mean_discrepancy``: unbiased MMD² with a Gaussian kernel; lower is better.
- ``prdc``: precision, recall, density and coverage; higher is better.

Distributions of one feature per record:

- ``kolmogorov_smirnov``: Kolmogorov–Smirnov statistic; 0 to 1, lower is better.
- ``wasserstein``: Wasserstein-1 distance, scaled; lower is better.
- ``quantiles``: quantiles by level.

Spectra and amplitudes of sets of ECGs:

- ``power_spectrum``: Welch's power spectral density; mV²/Hz.
- ``band_powers``: power in frequency bands; mV².
- ``log_spectral_distance``: distance of mean log spectra; dB, lower is better.
- ``amplitude_quantiles``: quantiles of the amplitudes of each lead; mV.

Memorisation and privacy, of features or standardised signals (record, …):

- ``standardised``: leads scaled to mean 0 and deviation 1.
- ``closest``: distances and indices of nearest neighbours.
- ``closer_to_training``: fraction of synthetic records closer to training than to held-out records; 0.5 is ideal.
- ``neighbour_ratio``: distance to the nearest over distance to the second nearest training record; near 0 is a copy.
- ``shifted_copies``: most similar training record over all time shifts; r near 1 is a copy.
- ``membership_inference``: AUROC of a membership inference attack; 0.5 is ideal.

Classification and confidence intervals:

- ``auroc``: area under the ROC curve of each label; higher is better.
- ``patient_interval``: bootstrap interval of a mean over patients.
- ``resampled_interval``: bootstrap interval of any statistic over patients.
- ``paired_difference_interval``: bootstrap interval of the difference of two systems on the same records.
- ``two_set_interval``: bootstrap interval of a statistic of two sets.

Fidelity to the condition, requested against measured values:

- ``heart_rate_fidelity``: mean absolute error and bias of the heart rate; beats per minute, lower is better.
- ``sex_fidelity``: AUROC of the classifier for the requested sex; higher is better.
- ``age_fidelity``: error and correlation of the predicted age; years.
- ``diagnosis_fidelity``: AUROC of the classifier for requested labels; higher is better.
- ``text_retrieval``: hits of an ECG's own text among the most similar texts; recall@k, higher is better.
- ``paraphrase_sensitivity``: classifier probabilities under paraphrase, negation and no text.

Example:
    >>> from ecggen.metrics import functional
    >>> functional.mean_absolute_error([[1.0, 2.0]], [[1.0, 1.0]])
    array([0.5])
"""

from ecggen.metrics.functional.beats import heart_rate_errors, match_r_peaks, r_peak_f1, rr_statistics, rr_table
from ecggen.metrics.functional.bootstrap import (
    paired_difference_interval,
    patient_interval,
    resampled_interval,
    two_set_interval,
)
from ecggen.metrics.functional.condition_fidelity import (
    age_fidelity,
    diagnosis_fidelity,
    heart_rate_fidelity,
    paraphrase_sensitivity,
    sex_fidelity,
    text_retrieval,
)
from ecggen.metrics.functional.correlation import (
    segment_autocorrelation,
    segment_correlation_errors,
    segment_cross_correlation,
)
from ecggen.metrics.functional.distribution.frechet import frechet_curve, frechet_gaussian
from ecggen.metrics.functional.distribution.kernel import kernel_distance, maximum_mean_discrepancy
from ecggen.metrics.functional.distribution.prdc import prdc
from ecggen.metrics.functional.intervals import ecg_intervals, interval_agreement, median_beats, segments
from ecggen.metrics.functional.lead_laws import lead_law_residuals
from ecggen.metrics.functional.marginals import kolmogorov_smirnov, quantiles, wasserstein
from ecggen.metrics.functional.privacy import (
    closer_to_training,
    closest,
    membership_inference,
    neighbour_ratio,
    shifted_copies,
    standardised,
)
from ecggen.metrics.functional.probabilistic import coverage, crps, interval_score
from ecggen.metrics.functional.ranking import auroc
from ecggen.metrics.functional.regression_to_mean import bland_altman, error_slope, variance_ratio
from ecggen.metrics.functional.spectrum import (
    amplitude_quantiles,
    band_powers,
    log_spectral_distance,
    power_spectrum,
)
from ecggen.metrics.functional.variability import aligned_beats, beat_variability, variance_split
from ecggen.metrics.functional.waveform import (
    dynamic_time_warping,
    free_leads,
    mean_absolute_error,
    mean_squared_error,
    pearson,
    prd,
    r_squared,
    root_mean_squared_error,
)

__all__ = [
    "age_fidelity",
    "aligned_beats",
    "amplitude_quantiles",
    "auroc",
    "band_powers",
    "beat_variability",
    "bland_altman",
    "closer_to_training",
    "closest",
    "coverage",
    "crps",
    "diagnosis_fidelity",
    "dynamic_time_warping",
    "ecg_intervals",
    "error_slope",
    "frechet_curve",
    "frechet_gaussian",
    "free_leads",
    "heart_rate_errors",
    "heart_rate_fidelity",
    "interval_agreement",
    "interval_score",
    "kernel_distance",
    "kolmogorov_smirnov",
    "lead_law_residuals",
    "log_spectral_distance",
    "match_r_peaks",
    "maximum_mean_discrepancy",
    "mean_absolute_error",
    "mean_squared_error",
    "median_beats",
    "membership_inference",
    "neighbour_ratio",
    "paired_difference_interval",
    "paraphrase_sensitivity",
    "patient_interval",
    "pearson",
    "power_spectrum",
    "prd",
    "prdc",
    "quantiles",
    "r_peak_f1",
    "r_squared",
    "resampled_interval",
    "root_mean_squared_error",
    "rr_statistics",
    "rr_table",
    "segment_autocorrelation",
    "segment_correlation_errors",
    "segment_cross_correlation",
    "segments",
    "sex_fidelity",
    "shifted_copies",
    "standardised",
    "text_retrieval",
    "two_set_interval",
    "variance_ratio",
    "variance_split",
    "wasserstein",
]
