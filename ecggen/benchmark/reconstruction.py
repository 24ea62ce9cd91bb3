"""The reconstruction protocol: missing leads are reconstructed from given leads and compared with the recorded leads.

Each record is processed as a user's would be: read, filtered, reconstructed. Truth and reconstruction are compared in
the model's pass band and at its rate. Every score has n, a patient-bootstrap interval and a definition.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ecggen.benchmark.preserved_diagnoses import RECORDED, PreservedDiagnoses
from ecggen.benchmark.subgroups import by_group, by_hospital, by_stratum
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.evaluators import pretrained
from ecggen.evaluators.classifier import SHORTEST
from ecggen.generators.base import Generator
from ecggen.generators.baselines.baselines import Baseline
from ecggen.metrics.functional import waveform
from ecggen.metrics.functional.bootstrap import patient_interval
from ecggen.metrics.functional.probabilistic import crps
from ecggen.metrics.functional.waveform import free_leads, mean_squared_error, pearson

CHUNK = 64  # records at a time


@dataclass(frozen=True)
class Protocol:
    """Settings of the protocol.

    Attributes:
        kind: "reconstruction".
        data: The data set: "ptb-xl", or "outside" for recordings of other hospitals: the first window of each record is
            scored, baselines are fitted on PTB-XL.
        given: Given leads.
        train_folds: Training folds of the baselines.
        folds: Folds that are scored.
        draws: Number of draws per reconstruction.
        level: Level of the prediction interval.
        seed: Seed of the draws and of the bootstrap.
        limit: Largest number of scored records; 0 for all.
        classifier: Classifier for preserved diagnoses; "" for none.
    """

    kind: str
    given: Sequence[str]
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    folds: Sequence[int] = (9,)
    draws: int = 32
    level: float = 0.9
    seed: int = 1
    limit: int = 0
    data: str = "ptb-xl"
    classifier: str = ""

    def __post_init__(self):
        if self.kind != "reconstruction":
            raise InputError(f"the protocol's kind is {self.kind!r}", "'reconstruction' was expected")


DEFINITIONS = {
    "r": "mean over records and scored leads of Pearson's r",
    "rmse_mv": "mean over scored leads of the root of the mean squared error over records and time, mV",
    "coverage": "share of true samples inside the prediction interval",
    "width_mv": "mean over records, time and scored leads of the width of the prediction interval, mV",
    "variance": "variance over time and records of one draw over that of the truth",
    "crps_mv": "mean over scored leads of the fair continuous ranked probability score of the draws, mV",
    "groups": "r, RMSE, coverage and width of the records of a group: sex, age, what the record is said to show",
    "strata": "coverage and width by wave (windows around R peaks of the true leads), by noise of the given leads "
    "(mean difference of a beat from the median beat), and for records that the model calls unlike its "
    "training data or not",
    "hospitals": "scores of the records of each hospital; no interval with fewer than ten patients",
    "preserved": "macro AUROC of the classifier's five superclasses on the twelve leads, measured ones included",
}
CRPS_RECORDS, CRPS_DRAWS = 128, 16
"""Number of evenly spaced records, and of draws per record, for the CRPS."""


def score(predicted: np.ndarray, true: np.ndarray, given: Sequence[str], patients: Sequence[str], seed: int) -> dict:
    """r and RMSE with intervals, overall and per lead, of (record, 8, time) in mV."""
    leads = free_leads(given)
    r, squared = by_record(predicted, true, given)
    return {
        "r": float(r.mean()),
        "r_interval": patient_interval(r, patients, seed),
        "rmse_mv": float(np.sqrt(squared.mean(0)).mean()),
        "rmse_mv_interval": patient_interval(squared, patients, seed, statistic=lambda means: np.sqrt(means).mean(1)),
        "per_lead": {
            lead: {"r": float(r[:, i].mean()), "rmse_mv": float(np.sqrt(squared[:, i].mean()))}
            for i, lead in enumerate(leads)
        },
        "n": len(true),
    }


def by_record(predicted: np.ndarray, true: np.ndarray, given: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """r and mean squared error (record, scored lead) of (record, 8, time) in mV."""
    rows = [INDEPENDENT_LEADS.index(lead) for lead in free_leads(given)]
    r = np.nan_to_num(pearson(predicted[:, rows], true[:, rows]))
    return r, mean_squared_error(predicted[:, rows], true[:, rows])


def score_baseline(
    baseline: Baseline, pack: Pack, protocol: Protocol, rows: np.ndarray, train: Pack, hospitals: Sequence[str] = ()
) -> dict:
    """A baseline fitted on the training folds of ``train``, scored on ``rows`` of ``pack``, and by their hospitals."""
    started = time.perf_counter()
    baseline.fit(train, train.rows(protocol.train_folds), protocol.given)
    true = pack.ecg(rows).signal.numpy()
    predicted = baseline.predict(true[:, [INDEPENDENT_LEADS.index(lead) for lead in protocol.given]])
    patients = pack.index.patient.iloc[rows].tolist()
    scores = score(predicted, true, protocol.given, patients, protocol.seed)
    if hospitals:
        r, squared = by_record(predicted, true, protocol.given)
        scores["hospitals"] = by_hospital({"r": r, "squared": squared}, hospitals, patients, protocol.seed)
    return scores | {"seconds": time.perf_counter() - started}


def score_generator(
    generator: Generator,
    read: Callable[[int], ECG],
    pack: Pack,
    protocol: Protocol,
    rows: np.ndarray,
    progress: Callable[[float], None] | None = None,
    hospitals: Sequence[str] = (),
) -> dict:
    """A generator's point estimate, prediction interval and single draws, scored on ``rows``.

    Args:
        generator: With its own preprocessing.
        read: Reads the original recording of a row.
        pack: Index of the recordings, with patients.
        protocol: Settings.
        rows: Rows that are scored.
        progress: Called with the fraction done.
        hospitals: Hospital of each row; none for no scores by hospital.
    """
    estimates, singles, truths, covered, widths, trust, observed = [], [], [], [], [], [], []
    preserved = PreservedDiagnoses(pretrained.load(protocol.classifier, "classifier")) if protocol.classifier else None
    drawing = 0.0
    for start in range(0, len(rows), CHUNK):
        raw = _at_one_rate([read(int(row)) for row in rows[start : start + CHUNK]])
        given = raw.pick(*protocol.given)
        condition = Condition.none(len(raw), raw.seconds, raw.fs).with_leads(given)
        began = time.perf_counter()
        reconstruction = generator.reconstruct(
            condition, num_draws=protocol.draws, seed=protocol.seed + start, level=protocol.level, keep_draws=False
        )
        drawing += time.perf_counter() - began
        single = generator.sample(condition, protocol.seed, first=start)
        true, *predicted = (
            ecg.standard().pick(*INDEPENDENT_LEADS).resample(generator.preprocessor.fs).signal.numpy()
            for ecg in (
                generator.preprocessor.ecg(raw),
                reconstruction.mean,
                single,
                reconstruction.lower,
                reconstruction.upper,
            )
        )
        if preserved is not None and raw.seconds >= SHORTEST:
            preserved.add({RECORDED: raw, "point_estimate": reconstruction.mean, "one draw": single})
        truths.append(true)
        estimates.append(predicted[0])
        singles.append(predicted[1])
        # Resampling can make the ends of a very narrow interval cross.
        ends = np.minimum(predicted[2], predicted[3]), np.maximum(predicted[2], predicted[3])
        covered.append((true >= ends[0]) & (true <= ends[1]))
        widths.append((ends[1] - ends[0]).astype(np.float32))
        trust += reconstruction.trust
        observed.append(generator.preprocessor.ecg(given))
        if progress is not None:
            progress(min(1.0, (start + CHUNK) / len(rows)))
    patients = pack.index.patient.iloc[rows].tolist()
    true = np.concatenate(truths)
    estimate, single = np.concatenate(estimates), np.concatenate(singles)
    scores = score(estimate, true, protocol.given, patients, protocol.seed)
    errors = by_record(estimate, true, protocol.given)
    free = [INDEPENDENT_LEADS.index(lead) for lead in free_leads(protocol.given)]
    each_inside, each_width = (np.concatenate(values)[:, free] for values in (covered, widths))
    inside, width = each_inside.mean(-1), each_width.mean(-1)
    whole = ECG(torch.from_numpy(true), INDEPENDENT_LEADS, generator.preprocessor.fs)
    if hospitals:
        measures = {"r": errors[0], "squared": errors[1], "coverage": inside, "width_mv": width}
        scores["hospitals"] = by_hospital(measures, hospitals, patients, protocol.seed)
    return scores | {
        "groups": by_group(
            *errors, pack.index.iloc[rows], patients, protocol.seed, {"coverage": inside, "width_mv": width}
        ),
        "strata": by_stratum(each_inside, each_width, ECG.cat(observed), whole, trust),
        "interval": _interval(inside, width, protocol, patients),
        "single_draw": score(single, true, protocol.given, patients, protocol.seed)
        | {"variance": _variance(single, true, protocol.given)},
        "ranked": _crps(generator, read, protocol, rows, patients),
        "seconds": drawing,
        "records_per_second": len(rows) / drawing,
        "draws": protocol.draws,
        **(
            {}
            if preserved is None or not preserved.found
            else {"preserved": preserved.scores(pack.index.codes.iloc[rows], patients, protocol.seed)}
        ),
    }


def _at_one_rate(records: Sequence[ECG]) -> ECG:
    """The records as a batch; at the lowest of their sampling rates if they differ."""
    fs = min(record.fs for record in records)
    return ECG.cat([record if record.fs == fs else record.resample(fs) for record in records])


def _variance(predicted: np.ndarray, true: np.ndarray, given: Sequence[str]) -> dict[str, float]:
    """Ratio of the variances of predicted and true leads, by lead."""
    ratio = predicted.var(-1).sum(0) / true.var(-1).sum(0)
    return {lead: float(ratio[INDEPENDENT_LEADS.index(lead)]) for lead in free_leads(given)}


def _crps(
    generator: Generator, read: Callable[[int], ECG], protocol: Protocol, rows: np.ndarray, patients: list[str]
) -> dict:
    """CRPS of a subset of ``rows``, overall and by lead."""
    subset = np.unique(np.linspace(0, len(rows) - 1, CRPS_RECORDS).astype(int))
    leads = free_leads(protocol.given)
    found = []
    for at in subset:
        raw = read(int(rows[at]))
        condition = Condition.none(1, raw.seconds, raw.fs).with_leads(raw.pick(*protocol.given))
        predicted = generator.sample(condition.repeat(CRPS_DRAWS), protocol.seed, first=int(at) * CRPS_DRAWS)
        draws, true = (
            ecg.standard().pick(*leads).resample(generator.preprocessor.fs).signal.numpy()
            for ecg in (predicted, generator.preprocessor.ecg(raw))
        )
        found.append(crps(draws, true[0]).mean(-1))
    scores = np.stack(found)
    return {
        "crps_mv": float(scores.mean()),
        "crps_mv_interval": patient_interval(scores, [patients[at] for at in subset], protocol.seed),
        "per_lead": dict(zip(leads, scores.mean(0).tolist(), strict=True)),
        "n": len(subset),
        "draws": CRPS_DRAWS,
    }


def _interval(covered: np.ndarray, width: np.ndarray, protocol: Protocol, patients: Sequence[str]) -> dict:
    """Coverage (also by lead) and width of the prediction interval, from those of each (record, scored lead)."""
    leads = free_leads(protocol.given)
    return {
        "level": protocol.level,
        "coverage": float(covered.mean()),
        "coverage_interval": patient_interval(covered, patients, protocol.seed),
        "width_mv": float(width.mean()),
        "width_mv_interval": patient_interval(width, patients, protocol.seed),
        "per_lead": {lead: float(covered[:, i].mean()) for i, lead in enumerate(leads)},
    }


def against_truth(mean: ECG, truth: ECG, preprocessor: Preprocessor) -> dict[str, Any]:
    """r and RMSE of each generated lead of one record against the truth, in the model's pass band and at its rate.

    Of a lead that is generated in part, that part is compared.

    Args:
        mean: A reconstruction, or one draw, with provenance.
        truth: The recorded leads; generated leads are compared.
        preprocessor: The model's preprocessing.

    Returns:
        "r" and "rmse_mv" (means over the leads), and "per_lead" with both for each lead.

    Raises:
        InputError: If the durations differ.
    """
    if abs(mean.seconds - truth.seconds) > 0.1:
        found = f"the truth lasts {truth.seconds:.2f} s, the recording {mean.seconds:.2f} s"
        raise InputError(found, "equal durations were expected")
    generated = mean.provenance.generated if mean.provenance else mean.leads
    leads = [lead for lead in generated if lead in truth.leads]
    predicted, known = (preprocessor.ecg(ecg.pick(*leads)).signal[0] for ecg in (mean, truth))
    samples = min(predicted.shape[-1], known.shape[-1])
    at = np.rint(np.arange(samples) * mean.fs / preprocessor.fs).astype(int).clip(max=mean.samples - 1)
    chosen = np.ones((len(leads), samples), bool)
    if mean.provenance:
        chosen = mean.pick(*leads).is_generated().numpy()[:, at]
    scores = {}
    for lead, here, *waves in zip(leads, chosen, predicted.numpy(), known.numpy(), strict=True):
        one, other = (wave[:samples][here] for wave in waves)
        if len(one) > 1:
            scores[lead] = float(waveform.pearson(one, other)), float(waveform.root_mean_squared_error(one, other))
    r, error = np.array(list(scores.values())).reshape(-1, 2).mean(0)
    per_lead = {lead: {"r": round(one, 3), "rmse_mv": round(other, 3)} for lead, (one, other) in scores.items()}
    return {"r": round(float(r), 3), "rmse_mv": round(float(error), 3), "per_lead": per_lead}
