"""Reader of Philips XML (Sierra ECG 1.03, PhilipsECG 1.04): twelve leads in one block, usually compressed.

The compression (XLI) is decoded here. The library sierraecg, with which the tests compare the result, does not limit
the size of its output, reads no uncompressed blocks, does not know the steps of the samples, and keeps the calibration
pulse. In a block, LZW with codes of ten bits gives for each lead the high bytes of all samples and then the low bytes.
The values are second differences. The limb leads except I and II are stored as residuals of Einthoven's and
Goldberger's equations.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np

from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.io.formats.xml import markup as xml_markup
from ecggen.io.metadata import About, sex_of, years
from ecggen.io.normalise import Found
from ecggen.io.source import Source

MOST = 2**20
"""Largest number of samples of a recording over all channels: three minutes of twelve leads at 500 Hz."""

_VERSIONS = ("1.03", "1.04", "1.04.01", "1.04.02")
_CODE_BITS = 10
_LAST_CODE = 2**_CODE_BITS - 2  # the next code ends a block
_TWELVE_LEADS = ("STD-12", "10-WIRE")
_PULSE = 1000.0  # µV
_SHORTEST_PULSE = 0.05  # seconds


def looks_like(source: Source) -> bool:
    """Whether the root element is restingecgdata."""
    return xml_markup.root_name(source) == "restingecgdata"


def read(source: Source) -> Found:
    """Decode the rhythm of a file, without the calibration pulse at its end."""
    root = xml_markup.opened(source)
    version = xml_markup.words(root, "documentinfo/documentversion")
    if version not in _VERSIONS:
        raise InputError("the version of the Philips XML is unknown", f"one of {', '.join(_VERSIONS)} was expected")
    block = root.find("waveforms/parsedwaveforms")
    signal = root.find("dataacquisition/signalcharacteristics")
    if block is None or signal is None:
        raise InputError("the file holds no waveforms", "parsedwaveforms were expected", "export it again")
    fs, step = _agreed(block, signal, "rate"), _agreed(block, signal, "step")
    names, channels = _names(block, signal)
    values = step * _steps(block, signal, names, channels, _length(block, fs, channels)).astype(np.float64)
    kept = _before_pulse(values, fs, step)
    notes = []
    if kept < values.shape[1]:
        seconds = (values.shape[1] - kept) / fs
        notes.append(f"the calibration pulse at the end was removed ({seconds:.3g} s)")
    if root.find("waveforms/repbeats") is not None:
        notes.append("the representative beats were left out")
    return Found(values[:, :kept], names, ("uV",) * channels, fs, about=_about(root), notes=tuple(notes))


def _agreed(block: Element, signal: Element, what: str) -> float:
    """Rate in Hz or step in µV; versions differ in its place, and 1.04 states it twice.

    Raises:
        InputError: If it is missing, not positive, or stated with different values.
    """
    attribute, tags = {
        "rate": ("samplespersecond", ("samplingrate",)),
        "step": ("resolution", ("resolution", "signalresolution")),
    }[what]
    texts = [block.get(attribute, ""), *(xml_markup.words(signal, tag) for tag in tags)]
    stated = {xml_markup.number(text, attribute) for text in texts if text.strip()}
    if len(stated) != 1:
        found = f"the file gives {len(stated) or 'no'} values of {attribute}"
        raise InputError(found, "one was expected", "export it again")
    if min(stated) <= 0:
        raise InputError(f"{attribute} is not positive", "a positive number was expected", "export it again")
    return stated.pop()


def _names(block: Element, signal: Element) -> tuple[tuple[str | None, ...], int]:
    """Names and number of the channels: 1.04 lists them, 1.03 has the twelve leads in standard order."""
    labels = block.get("leadlabels", "").split()
    if labels:
        count = xml_markup.count(block.get("numberofleads", str(len(labels))), "numberofleads")
        if count > len(labels):
            raise InputError(f"the file declares {count} leads and names {len(labels)}", "as many were expected")
        return tuple(labels[:count]), count
    if {xml_markup.words(signal, "acquisitiontype"), xml_markup.words(signal, "leadset")} & set(_TWELVE_LEADS):
        return STANDARD_LEADS, len(STANDARD_LEADS)
    channels = xml_markup.count(xml_markup.words(signal, "numberchannelsallocated"), "numberchannelsallocated")
    return (None,) * channels, channels


def _length(block: Element, fs: float, channels: int) -> int:
    """Number of samples per channel, from the duration in milliseconds."""
    seconds = xml_markup.number(block.get("durationperchannel"), "durationperchannel") / 1000
    length = seconds * fs
    if not (length >= 3 and channels > 0 and length * channels <= MOST):
        found = f"the file declares {channels} channels of {seconds:.3g} s"
        raise InputError(found, f"at least three samples, and at most {MOST} over all channels, were expected")
    return int(length)


def _steps(block: Element, signal: Element, names: tuple[str | None, ...], channels: int, length: int) -> np.ndarray:
    """Samples in steps (channel, time)."""
    compression = block.get("compression") or block.get("compressmethod") or "Uncompressed"
    for tag, expected in (("bitspersample", "16"), ("signaloffset", "0"), ("signalsigned", "True")):
        if (xml_markup.words(signal, tag) or expected) != expected:
            raise InputError(f"the value of {tag} is unknown", f"{expected} was expected")
    if block.get("dataencoding") == "Plain":
        numbers = xml_markup.samples(block.text or "", "parsedwaveforms")
        return _shaped(numbers, channels, length)
    if block.get("dataencoding") != "Base64":
        raise InputError("parsedwaveforms are in an unknown encoding", "Base64 was expected")
    content = xml_markup.unpacked(block.text or "", "parsedwaveforms")
    if compression == "XLI" and block.get("compressflag", "true").lower() == "true":
        if names[:6] != STANDARD_LEADS[:6]:
            raise InputError(
                "the first compressed leads have unexpected names", f"{', '.join(STANDARD_LEADS[:6])} were expected"
            )
        return _with_limb_leads(_decompressed(content, channels, length))
    if compression not in ("XLI", "Uncompressed"):
        raise InputError("parsedwaveforms have an unknown compression", "XLI was expected")
    return _shaped(np.frombuffer(content[: len(content) // 2 * 2], "<i2"), channels, length)


def _shaped(numbers: np.ndarray, channels: int, length: int) -> np.ndarray:
    if numbers.size < channels * length:
        found = f"the file declares {channels} leads of {length} samples and holds {numbers.size}"
        raise InputError(found, "as many were expected", "export it again")
    return numbers[: channels * length].reshape(channels, length)


def _decompressed(content: bytes, channels: int, length: int) -> np.ndarray:
    """Decompress the channels of an XLI block (channel, time), with the limb leads still as residuals.

    A channel starts with eight bytes: its size (4), two unknown bytes, and the first second difference (2). Up to four
    empty channels may follow those of the leads.
    """
    leads, at = np.empty((channels, length), np.int64), 0
    for row in range(channels):
        size = int.from_bytes(content[at : at + 4], "little", signed=True)
        first = int.from_bytes(content[at + 6 : at + 8], "little", signed=True)
        if not 0 < size <= min(len(content) - at - 8, 4 * length):
            raise InputError(
                f"channel {row + 1} of the block is truncated", "a complete one was expected", "export it again"
            )
        unpacked = _unpacked(content[at + 8 : at + 8 + size], 2 * length)
        if len(unpacked) // 2 != length:
            found = f"channel {row + 1} unpacks to {len(unpacked) // 2} samples and {length} are declared"
            raise InputError(found, "as many were expected", "export it again")
        leads[row] = _from_differences(unpacked, first, row + 1)
        at += 8 + size
    return leads


def _unpacked(block: bytes, most: int) -> bytes:
    """Decompress LZW with codes of ten bits, most significant bit first; stops soon after ``most`` bytes."""
    bits = np.unpackbits(np.frombuffer(block, np.uint8))
    codes = bits[: bits.size // _CODE_BITS * _CODE_BITS].reshape(-1, _CODE_BITS) @ (1 << np.arange(_CODE_BITS)[::-1])
    strings = [bytes([byte]) for byte in range(256)]
    previous, pieces, size = b"", [], 0
    for code in codes.tolist():
        if code > _LAST_CODE or size > most:
            break
        if code > len(strings) or (code == len(strings) and not previous):
            raise InputError("the compressed block is damaged", "valid LZW codes were expected")
        piece = strings[code] if code < len(strings) else previous + previous[:1]
        if previous and len(strings) <= _LAST_CODE:
            strings.append(previous + piece[:1])
        previous = piece
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _from_differences(unpacked: bytes, first: int, channel: int) -> np.ndarray:
    """Samples of a channel: two stored directly, then 2a − b − d with d + 64 stored one place earlier."""
    half = len(unpacked) // 2
    high, low = np.frombuffer(unpacked[: 2 * half], np.uint8).reshape(2, half)
    stored = (high.astype(np.uint16) << 8 | low).astype(np.int16).astype(np.int64)
    differences = np.concatenate([[first], stored[2:-1] - 64])
    slopes = stored[1] - stored[0] - np.cumsum(differences)
    found = np.concatenate([stored[:2], stored[1] + np.cumsum(slopes)])
    if np.abs(found).max() > 2**15:
        raise InputError(
            f"channel {channel} exceeds the range of 16 bits", "a valid block was expected", "export it again"
        )
    return found


def _with_limb_leads(leads: np.ndarray) -> np.ndarray:
    """Restore III, aVR, aVL and aVF from their residuals; halves are rounded down, as by the device."""
    one, two = leads[0], leads[1]
    three = two - one - leads[2]
    limb = (one, two, three, -leads[3] - (one + two) // 2, (one - three) // 2 - leads[4], (two + three) // 2 - leads[5])
    return np.concatenate([np.stack(limb), leads[6:]])


def _before_pulse(values: np.ndarray, fs: float, step: float) -> int:
    """Number of samples before the calibration pulse of 1 mV with which the device ends all channels."""
    differs = np.flatnonzero((values != values[0]).any(axis=0))
    start = int(differs[-1]) + 1 if differs.size else 0
    tail = values[0, start:]
    level = float(tail.max(initial=0.0))
    two_levels = abs(level - _PULSE) <= step and bool(np.isin(tail, (0.0, level)).all())
    is_pulse = len(values) > 1 and start > 0 and two_levels and np.sum(tail == level) >= _SHORTEST_PULSE * fs
    return start if is_pulse else values.shape[1]


def _about(root: Element) -> About:
    acquired, patient = root.find("dataacquisition"), root.find("patient/generalpatientdata")
    personal = {
        "name": ", ".join(
            filter(None, (xml_markup.words(patient, f"name/{one}name") for one in ("last", "first", "middle")))
        ),
        "patient_id": xml_markup.joined(
            *(xml_markup.words(patient, tag) for tag in ("patientid", "uniquepatientid", "MRN"))
        ),
        "birth_date": xml_markup.words(patient, "age/dateofbirth"),
        "recorded": f"{acquired.get('date', '')} {acquired.get('time', '')}" if acquired is not None else "",
        "device_serial": xml_markup.values(root, "dataacquisition/machine", "machineid"),
        "institution": xml_markup.joined(
            *(xml_markup.words(acquired, f"acquirer/{one}name") for one in ("institution", "facility", "department"))
        ),
        "people": xml_markup.joined(
            xml_markup.values(root, "dataacquisition/acquirer/operator", "id"),
            xml_markup.words(acquired, "acquirer/operatorid"),
        ),
        "statements": xml_markup.joined(
            *(
                " ".join(
                    filter(None, (xml_markup.words(one, "leftstatement"), xml_markup.words(one, "rightstatement")))
                )
                for one in root.iterfind("interpretations/interpretation/statement")
            ),
            xml_markup.words(root, "userdefines/userdefine/value"),
            *(xml_markup.words(root, f"orderinfo/{tag}") for tag in ("orderremarks", "reasonfororder")),
        ),
    }
    return About(
        years(xml_markup.words(patient, "age/years")),
        sex_of(xml_markup.words(patient, "sex")),
        personal=personal,
        number=xml_markup.words(patient, "patientid"),
    )
