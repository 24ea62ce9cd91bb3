"""Mapping between the SCP statements of PTB-XL and the SNOMED CT codes of the PhysioNet Challenges.

The codes are those of the table of diagnoses of the Challenge 2021 (Reyna et al., doi
10.23919/CinC53138.2021.9662687). A statement is mapped to a code with the same or, as for an infarction or ischaemia
of some region, a more general meaning. Statements without such a code in the table ("voltage criteria", "injury", a
bigeminy of unknown origin) are not mapped.
"""

from __future__ import annotations

from collections.abc import Sequence

_INFARCTION, _ISCHAEMIA, _T_WAVE, _VENTRICLE = "164865005", "164861001", "164934002", "266249003"

SNOMED: dict[str, str] = {
    "NORM": "426783006",  # as in the Challenges: a normal ECG is in sinus rhythm
    "SR": "426783006",
    "AFIB": "164889003",
    "AFLT": "164890007",
    "SARRH": "427393009",
    "SBRAD": "426177001",
    "STACH": "427084000",
    "SVTAC": "426761007",
    "PSVT": "67198005",
    "PACE": "10370003",
    "PAC": "284470004",
    "PVC": "427172004",
    "1AVB": "270492004",
    "2AVB": "195042002",
    "3AVB": "27885002",
    "LPR": "164947007",
    "WPW": "74390002",
    "CLBBB": "733534002",
    "CRBBB": "713427006",
    "ILBBB": "251120003",
    "IRBBB": "713426002",
    "LAFB": "445118002",
    "LPFB": "445211001",
    "IVCD": "698252002",
    "ABQRS": "164951009",
    "QWAVE": "164917005",
    "LVOLT": "251146004",
    "LVH": "164873001",
    "RVH": "89792004",
    "SEHYP": _VENTRICLE,
    "LAO/LAE": "67741000119109",
    "RAO/RAE": "446358003",
    "LNGQT": "111975006",
    "STD_": "429622005",
    "STE_": "164931005",
    "NST_": "55930002",
    "INVT": "59931005",
    "AMI": "54329005",
    "ISCAN": "426434006",
    "ISCIN": "425419005",
    "ISCLA": "425623009",
    **dict.fromkeys(("IMI", "ASMI", "ILMI", "ALMI", "LMI", "PMI", "IPMI", "IPLMI"), _INFARCTION),
    **dict.fromkeys(("ISC_", "ISCAL", "ISCAS", "ISCIL"), _ISCHAEMIA),
    **dict.fromkeys(("TAB_", "NDT", "NT_", "LOWT"), _T_WAVE),
}
"""SCP statement → SNOMED CT code."""

_SCORED_ALIKE = {"164909002": "CLBBB", "59118001": "CRBBB", "17338001": "PVC", "63593006": "PAC", "164884008": "PVC"}
"""Further codes: four that the Challenge scored as equivalent, and that of ventricular ectopics."""

SCP = {number: code for code, number in reversed(SNOMED.items())} | _SCORED_ALIKE
SCP |= {"426783006": "SR", _INFARCTION: "", _VENTRICLE: "", _ISCHAEMIA: "ISC_", _T_WAVE: "TAB_"}
"""SNOMED CT code → equivalent SCP statement; "" if no statement is as general."""


def to_snomed(codes: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Map codes to SNOMED CT; SNOMED CT codes are kept.

    Returns:
        SNOMED CT codes without repetitions, and the codes that are not mapped.

    Example:
        >>> to_snomed(["AFIB", "164889003", "INJAS"])
        (('164889003',), ('INJAS',))
    """
    pairs = [(code, code if code.isdecimal() else SNOMED.get(code, "")) for code in codes]
    return _split(pairs)


def to_scp(codes: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Map codes to SCP statements; SCP statements are kept.

    Returns:
        SCP statements without repetitions, and the codes that are not mapped.

    Example:
        >>> to_scp(["164889003", "SR"])
        (('AFIB', 'SR'), ())
    """
    return _split([(code, SCP.get(code, "") if code.isdecimal() else code) for code in codes])


def _split(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = dict.fromkeys(there for _, there in pairs if there)
    return tuple(found), tuple(here for here, there in pairs if not there)
