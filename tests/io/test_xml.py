"""Clinical XML (HL7 aECG, GE MUSE, Philips): known values, parity with other readers, and hostile XML."""

import base64
import io
import re
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS, Provenance
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.io import About, contents, read, reading, write
from ecggen.io.formats.xml import aecg as aecg
from ecggen.io.formats.xml import markup as xml_markup
from ecggen.io.formats.xml import muse as muse
from ecggen.io.formats.xml import sierra as sierra
from ecggen.io.source import Source

FORMATS = Path(__file__).parents[1] / "samples" / "formats"
NAMES = ("aecg", "muse", "sierra", "sierra_1_04")
READERS = {"aecg": aecg, "muse": muse, "sierra": sierra, "sierra_1_04": sierra}
V3 = "{urn:hl7-org:v3}"
SYNTHETIC = Provenance(("I",), ("II", "V1"), "vae@0123abcd", 7, "age < 60 & sex = 'F'")


def text(name: str) -> str:
    return (FORMATS / f"{name}.xml").read_bytes().decode("latin-1")


def corrupted(folder: Path, name: str, was: str, becomes: str, number: int = 1) -> Path:
    """A sample in which a text is replaced."""
    whole = text(name)
    assert was in whole
    path = folder / f"{name}.xml"
    path.write_bytes(whole.replace(was, becomes, number).encode("latin-1"))
    return path


def refusal(path: Path, **options) -> str:
    started = time.perf_counter()
    with pytest.raises(InputError) as caught:
        read(path, **options)
    assert time.perf_counter() - started < 5
    return str(caught.value)


def decoded(name: str):
    return READERS[name].read(Source(FORMATS / f"{name}.xml"))


# Known values


@pytest.mark.parametrize(
    ("name", "form", "leads", "fs", "samples"),
    [
        ("aecg", "HL7 aECG", STANDARD_LEADS, 500, 1000),
        ("muse", "GE MUSE's XML", INDEPENDENT_LEADS, 500, 1250),
        ("sierra", "Philips' XML", STANDARD_LEADS, 500, 5264),
        ("sierra_1_04", "Philips' XML", STANDARD_LEADS, 500, 5300),
    ],
)
def test_samples_match_known_values(name, form, leads, fs, samples):
    found = reading(FORMATS / f"{name}.xml")
    assert (found.format, sorted(found.ecg.leads), found.ecg.fs) == (form, sorted(leads), fs)
    assert found.ecg.samples == samples
    assert float(found.ecg.law_residual().max()) < 0.01  # mV; devices round each lead
    assert "unit 'uV' → mV" in found.changes
    assert found.about.personal == {}


def test_aecg_matches_a_plain_reader():
    root = ElementTree.parse(FORMATS / "aecg.xml").getroot()
    ecg = read(FORMATS / "aecg.xml")
    sequences = root.find(f"{V3}component/{V3}series").findall(f"{V3}component/{V3}sequenceSet/{V3}component")
    for sequence in sequences[1:]:
        code = sequence.find(f"{V3}sequence/{V3}code").get("code")
        digits = np.array(sequence.find(f".//{V3}digits").text.split(), float)
        lead = next(lead for lead in STANDARD_LEADS if lead.upper() == code.removeprefix("MDC_ECG_LEAD_"))
        np.testing.assert_allclose(ecg.pick(lead).signal[0, 0], digits * 2.5e-3, atol=1e-6)
    assert len(sequences) == 13


def test_muse_matches_a_plain_reader():
    root = ElementTree.fromstring(text("muse"))
    [rhythm] = [one for one in root.findall("Waveform") if one.findtext("WaveformType") == "Rhythm"]
    ecg = read(FORMATS / "muse.xml")
    for row, lead in enumerate(rhythm.findall("LeadData")):
        steps = np.frombuffer(base64.b64decode(lead.findtext("WaveFormData")), "<i2")
        assert lead.findtext("LeadID") == ecg.leads[row]
        np.testing.assert_allclose(ecg.signal[0, row], steps * 4.88e-3, atol=1e-6)
    source = simulate(1, 2.5, 500, seed=4711)
    assert float((ecg.signal - source.pick(*INDEPENDENT_LEADS).signal).abs().max()) <= 4.88e-3 / 2 + 1e-6
    assert float((ecg.standard().signal - source.signal).abs().max()) < 0.01


@pytest.mark.parametrize("name", ["sierra", "sierra_1_04"])
def test_philips_matches_sierraecg(name):
    lib = pytest.importorskip("sierraecg.lib")
    # The library believes the declaration, which is UTF-16 in one of them.
    whole = (FORMATS / f"{name}.xml").read_text(encoding="utf-8").replace("utf-16", "utf-8", 1)
    theirs = lib.read_file(io.StringIO(whole))
    ours = decoded(name)
    assert tuple(lead.label for lead in theirs.leads) == ours.names
    steps = np.array([lead.samples for lead in theirs.leads], float)
    kept = ours.values.shape[1]
    np.testing.assert_array_equal(ours.values, 5 * steps[:, :kept])
    # What was cut off is the same in all leads: nothing, and the pulse of 1 mV.
    assert set(np.unique(steps[:, kept:])) == {0, 200}
    assert (steps[:, kept:] == steps[0, kept:]).all()


def test_calibration_pulse_is_removed_with_a_note():
    assert "the calibration pulse at the end was removed (0.472 s)" in reading(FORMATS / "sierra.xml").changes


def test_similar_ends_are_not_removed(tmp_path):
    """Neither equal leads nor a single lead are a calibration pulse."""
    values = np.zeros((2, 500))
    values[0, :300] = np.arange(300)
    values[:, 400:450] = 500.0
    assert sierra._before_pulse(values, 500, 5) == 500
    values[:, 400:450] = 1000.0
    assert sierra._before_pulse(values, 500, 5) == 300
    assert sierra._before_pulse(values[:1], 500, 5) == 500


# Several recordings in a file


def test_rhythm_is_read_by_default():
    assert contents(FORMATS / "aecg.xml") == ["rhythm", "representative beat"]
    assert contents(FORMATS / "muse.xml") == ["median", "rhythm"]
    said = reading(FORMATS / "muse.xml").changes
    assert "of several recordings, 'rhythm' was read; left out: 'median'" in said
    beat = read(FORMATS / "muse.xml", record="median", check=False)
    assert torch.equal(beat.signal, read(FORMATS / "muse.xml").signal[..., :300])
    assert read(FORMATS / "aecg.xml", record="2", check=False).samples == 119
    assert "recording 'beat' is not among 'rhythm', 'representative beat'" in refusal(
        FORMATS / "aecg.xml", record="beat"
    )


def test_two_rhythms_are_numbered(tmp_path):
    path = corrupted(tmp_path, "muse", "<WaveformType>Median<", "<WaveformType>Rhythm<")
    assert contents(path) == ["rhythm 1", "rhythm 2"]
    assert read(path, check=False).samples == 300


# Metadata


@pytest.mark.parametrize(
    ("name", "age", "sex", "kinds"),
    [
        ("aecg", 46, "M", "name patient_id birth_date recorded device_serial institution people statements"),
        ("muse", 61, "F", "name patient_id birth_date recorded device_serial institution people statements"),
        ("sierra", 50, "M", "patient_id recorded device_serial institution statements"),
        ("sierra_1_04", None, "M", "name patient_id birth_date recorded device_serial institution people statements"),
    ],
)
def test_metadata_is_kept_and_identifying_metadata_is_removed(name, age, sex, kinds):
    path = FORMATS / f"{name}.xml"
    found = reading(path)
    assert (found.about.age, found.about.sex, found.about.personal) == (age, sex, {})
    assert set(found.dropped) == set(kinds.split())
    asked = reading(path, personal=True).about.personal
    assert set(asked) == set(kinds.split())
    rest = repr(replace(decoded(name), about=About(), values=np.empty(0)))
    words = ("Clark", "SBJ-123", "example.org", "John", "Doe", "SN-4711", "1963", "ZZDEMO", "EKG1715", "rhythm, norm")
    assert not [word for word in words if word in rest]


def test_muse_identifying_metadata_is_read_on_request():
    asked = reading(FORMATS / "muse.xml", personal=True).about.personal
    assert asked["name"] == "Doe, Jane"
    assert asked["device_serial"] == "SN-4711"
    assert asked["institution"] == "Krankenhaus Köln"  # Latin-1, as declared
    assert asked["statements"] == "Normal sinus rhythm"


def test_ages_of_children(tmp_path):
    path = corrupted(
        tmp_path, "muse", "<PatientAge>61</PatientAge><AgeUnits>YEARS", "<PatientAge>18</PatientAge><AgeUnits>MONTHS"
    )
    assert reading(path).about.age == 1.5
    path = corrupted(tmp_path, "muse", "<AgeUnits>YEARS", "<AgeUnits>MOONS")
    assert reading(path).about.age is None
    path = corrupted(tmp_path, "aecg", 'value="46" unit="a"', 'value="6" unit="mo"')
    assert reading(path).about.age == 0.5


@pytest.mark.parametrize("name", NAMES)
def test_messages_hold_no_identifying_metadata(tmp_path, name):
    whole = text(name).encode("latin-1")
    for cut in range(0, len(whole), len(whole) // 40):
        (tmp_path / "a.xml").write_bytes(whole[:cut])
        message = refusal(tmp_path / "a.xml")
        assert not any(word in message for word in ("Clark", "Doe", "Jane", "example.org", "John", "ZZDEMO"))


# Hostile XML


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "subset",
    [
        '[<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]',
        '[<!ENTITY x SYSTEM "file:///etc/passwd">]',
        '[<!ENTITY % x SYSTEM "http://example.org/x.dtd"> %x;]',
        '[<!ATTLIST code code CDATA "MDC_ECG_LEAD_I">]',
    ],
)
def test_definitions_are_rejected(tmp_path, name, subset):
    whole = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->", "", text(name), flags=re.DOTALL).lstrip()
    root = re.match(r"<(\w+)", whole)[1]
    (tmp_path / "a.xml").write_bytes(f"<!DOCTYPE {root} {subset}>{whole}".encode("latin-1"))
    expected = "the file defines entities, or refers to other files (a DTD with entities)"
    assert expected in refusal(tmp_path / "a.xml")


def test_document_type_is_ignored_and_never_fetched(tmp_path, monkeypatch):
    """MUSE names restecg.dtd; conftest refuses every connection, and here every file but the one."""
    (tmp_path / "restecg.dtd").write_text("<!ELEMENT RestingECG ANY>")
    path = corrupted(tmp_path, "muse", "restecg.dtd", "http://example.org/restecg.dtd")
    opened = []
    monkeypatch.setattr("builtins.open", lambda *names, **_: opened.append(names))
    assert xml_markup.root_name(Source(path)) == "RestingECG"
    assert xml_markup.opened(Source(path)).tag == "RestingECG"
    assert opened == []


def test_external_entity_is_rejected(tmp_path):
    path = corrupted(tmp_path, "muse", "Normal sinus rhythm", "&statement;")
    assert "defines entities" in refusal(path)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<a>" * 200, "elements are nested more than 100 deep"),
        (
            "<a/>" * 200_000,
            "there are too many elements and attributes; at most 200000 elements and attributes were expected",
        ),
        ("<a " + " ".join(f'a{at}=""' for at in range(400_000)) + "/>", "a tag or comment of the file is longer"),
        ("<!--" + "a" * 3_000_000 + "-->", "a tag or comment of the file is longer than a megabyte"),
        (f'<a xmlns="{"x" * 60_000}">' + "<b/>" * 200_000, "declares an unusual namespace"),
        (f'<p:a xmlns:p="{"x" * 60_000}"><b ' + 'p:c="" ' * 90_000, "declares an unusual namespace"),
        ("<component></series>", "the XML file cannot be decoded; a valid file was expected; export it again"),
        ("", "the file holds no series of leads; an aECG with a rhythm was expected"),
    ],
)
def test_too_much_markup(tmp_path, inside, expected):
    (tmp_path / "a.xml").write_text(f"<AnnotatedECG>{inside}</AnnotatedECG>")
    assert expected in refusal(tmp_path / "a.xml")


def test_too_many_digits(tmp_path):
    path = corrupted(tmp_path, "aecg", "<digits>", "<digits>" + "1 " * 2**23)
    assert "the recording is too long; 16777216 characters of samples are read at most; split it" in refusal(path)


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("name", NAMES)
def test_wrong_declared_encoding_is_ignored(tmp_path, name, coding):
    whole = re.sub("^<\\?xml.*?\\?>", '<?xml version="1.0" encoding="shift-jis"?>', text(name))
    (tmp_path / "a.xml").write_bytes(whole.encode(coding))
    assert torch.equal(read(tmp_path / "a.xml").signal, read(FORMATS / f"{name}.xml").signal)


def test_prefix_and_blank_line_are_ignored(tmp_path):
    whole = re.sub(r"<(/?)(?=[A-Za-z])", r"<\1hl7:", text("aecg")).replace('xmlns="urn', 'xmlns:hl7="urn')
    (tmp_path / "a.xml").write_bytes(b"\n " + whole.encode("latin-1"))
    assert torch.equal(read(tmp_path / "a.xml").signal, read(FORMATS / "aecg.xml").signal)


def test_other_xml_is_not_detected(tmp_path):
    for content in (b"<svg/>", b"<?xml version='1.0'?>", b"<" * 4096, b"<!--" * 1024, b"\xff\xfe<\0", b" " * 4096):
        source = Source(tmp_path / "a.xml", content=content)
        assert not any(reader.looks_like(source) for reader in (aecg, muse, sierra))
    for name in NAMES:
        source = Source(FORMATS / f"{name}.xml")
        assert [one for one in (aecg, muse, sierra) if one.looks_like(source)] == [READERS[name]]


# Ambiguous aECG


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        ('increment value="0.002"', 'increment value="0"', "the times increase by 0 's'; seconds were expected"),
        ('increment value="0.002"', 'increment value="-1"', "the times increase by -1 's'"),
        ('increment value="0.002"', 'increment value="1e-400"', "the times increase by"),
        ('increment value="0.002"', 'increment value="soon"', "the increment of the times is not a number"),
        ('0.002" unit="s"', '0.002" unit="mV"', "the times increase by 0.002 'mV'; seconds were expected"),
        ('increment value="0.002"', 'increment value=""', "the file does not state its sampling rate; give it with fs"),
        ('scale value="2.5"', 'scale value=""', "the scale of lead 'MDC_ECG_LEAD_I' is missing"),
        ('scale value="2.5"', 'scale value="nan"', "the scale of lead 'MDC_ECG_LEAD_I' is not a number"),
        (
            'scale value="2.5" unit="uV"',
            'scale value="2.5" unit="mmHg"',
            "the unit of channel 'MDC_ECG_LEAD_I' is 'mmHg'; mV, µV, nV or V",
        ),
        ('scale value="2.5" unit="uV"', 'scale value="2.5"', "the file does not state its unit; give it with unit"),
        ('origin value="0" unit="uV"', 'origin value="1" unit="s"', "origin and scale of lead 'MDC_ECG_LEAD_I' have"),
        ("<digits>", "<digits>7 ", "lead 'MDC_ECG_LEAD_I' holds 1001 samples and lead 'MDC_ECG_LEAD_II' 1000"),
        ("<digits>", "<digits>x ", "lead 'MDC_ECG_LEAD_I' holds other text than numbers; numbers separated by spaces"),
        ("<digits>", "<digits>1-2 ", "lead 'MDC_ECG_LEAD_I' holds other text than numbers"),
        ("MDC_ECG_LEAD_II", "MDC_ECG_LEAD_I", "lead I occurs twice"),
        ("MDC_ECG_LEAD_II", "MDC_ECG_LEAD_V", "'MDC_ECG_LEAD_V' is not a known lead"),
    ],
)
def test_ambiguous_aecg(tmp_path, was, becomes, expected):
    assert expected in refusal(corrupted(tmp_path, "aecg", was, becomes))


def test_aecg_sequence_without_digits_gives_a_note(tmp_path):
    whole = re.sub(r"(MDC_ECG_LEAD_V1.*?<digits>)[^<]*", r"\1", text("aecg"), count=1, flags=re.DOTALL)
    (tmp_path / "a.xml").write_bytes(whole.encode("latin-1"))
    found = reading(tmp_path / "a.xml")
    assert "V1" not in found.ecg.leads
    assert "leads without samples were left out: 'MDC_ECG_LEAD_V1'" in found.changes


def test_aecg_digits_in_other_formats(tmp_path):
    """Origin in another unit, comments and line breaks between digits, halves of a step, a number beyond 64 bits."""
    opening = "<AnnotatedECG><component><series><component><sequenceSet>"
    whole = opening + "{}" + "".join(f"</{tag}" for tag in reversed(opening.split("<")[1:]))
    sequence = '<component><sequence><code code="II"/><value>{}</value></sequence></component>'
    value = '<origin value="1" unit="mV"/><scale value="2" unit="uV"/><digits>\n1 <!-- 7 --> 2.5\n-3\t{}</digits>'
    path = tmp_path / "a.xml"
    path.write_text(whole.format(sequence.format(value.format("4"))))
    found = aecg.read(Source(path))
    np.testing.assert_allclose(found.values, [[1002, 1005, 994, 1008]])
    assert (found.fs, found.units) == (None, ("uV",))
    path.write_text(whole.format(sequence.format(value.format("99999999999999999999"))))
    assert aecg.read(Source(path)).values[0, 3] == pytest.approx(2e20)
    path.write_text(whole.format(sequence.format("<digits>1 2 3</digits>")))
    found = aecg.read(Source(path))
    np.testing.assert_array_equal(found.values, [[1, 2, 3]])
    assert found.units == (None,)


@pytest.mark.parametrize(
    ("increment", "unit", "fs"),
    [("0.002", "s", 500), ("2", "ms", 500), ("0.003906", "s", 256), ("2000", "us", 500), ("0,004", "s", 250)],
)
def test_rate_of_a_rounded_period(tmp_path, increment, unit, fs):
    path = corrupted(tmp_path, "aecg", 'value="0.002" unit="s"', f'value="{increment}" unit="{unit}"')
    assert read(path, check=False).fs == fs


# Writing aECG


def made(signal: np.ndarray, leads=("I", "II", "V1"), fs=500.0) -> ECG:
    return ECG(torch.from_numpy(np.asarray(signal, np.float32)), leads, fs, SYNTHETIC)


ecgs = st.builds(
    lambda count, length, size, seed: size * np.random.default_rng(seed).standard_normal((count, length)),
    st.integers(1, 12),
    st.integers(1, 300),
    st.sampled_from([0.0, 1e-3, 1.0, 40.0, 1e6]),
    st.integers(0, 2**32 - 1),
)


@settings(max_examples=60, deadline=None)
@given(ecgs, st.one_of(st.integers(1, 5000).map(float), st.floats(0.5, 5000).map(lambda fs: round(fs, 4))))
def test_aecg_round_trip(tmp_path_factory, signal, fs):
    path = tmp_path_factory.mktemp("aecg") / "a.xml"
    ecg = made(signal, STANDARD_LEADS[: len(signal)], fs)
    path.write_bytes(aecg.encode(ecg, path, About())[path])
    mine = read(path, check=False)
    exact = 0.5e-3 + 1e-6 * float(ecg.signal.abs().max())
    assert float((mine.signal - ecg.signal).abs().max()) <= exact
    assert (mine.leads, mine.fs) == (ecg.leads, pytest.approx(fs, rel=1e-12))
    assert mine.provenance == ecg.provenance
    # The schema's names, read by nothing of ecggen.
    root = ElementTree.parse(path).getroot()
    places = root.findall(f"{V3}component/{V3}series/{V3}component/{V3}sequenceSet/{V3}component/{V3}sequence")
    step = places[0].find(f"{V3}value/{V3}increment")
    assert (step.get("unit"), float(step.get("value"))) == ("s", 1 / fs)
    for lead, row, place in zip(ecg.leads, ecg.signal[0], places[1:], strict=True):
        assert place.find(f"{V3}code").get("code") == f"MDC_ECG_LEAD_{lead.upper()}"
        scale = place.find(f"{V3}value/{V3}scale")
        assert (scale.get("value"), scale.get("unit")) == ("1", "uV")
        digits = np.array(place.find(f"{V3}value/{V3}digits").text.split(), float)
        np.testing.assert_allclose(digits / 1000, row, atol=exact)


def test_same_ecg_gives_same_aecg(tmp_path):
    ecg = simulate(1, 2.0, 500, seed=3)
    [first] = write(ecg, tmp_path / "a.xml")
    [second] = write(read(first), tmp_path / "b.xml")
    assert re.sub(r'root="[-0-9a-f]+"', "", first.read_text()) == re.sub(r'root="[-0-9a-f]+"', "", second.read_text())


def test_provenance_is_an_interpretation_comment(tmp_path):
    [path] = write(replace(simulate(1, 2.0, 500).pick("I", "II", "V1"), provenance=SYNTHETIC), tmp_path / "a.xml")
    comments = [
        one.findtext(f"{V3}value")
        for one in ElementTree.parse(path).getroot().iter(f"{V3}annotation")
        if one.find(f"{V3}code").get("code") == "MDC_ECG_INTERPRETATION_COMMENT"
    ]
    assert comments == SYNTHETIC.lines()
    assert read(path).provenance == SYNTHETIC


def test_metadata_is_written_and_identifying_metadata_only_if_given(tmp_path):
    ecg = simulate(1, 2.0, 500, seed=1)
    personal = {
        "name": 'Doe^Jane "<&>"',
        "patient_id": "MRN-0815",
        "birth_date": "1963-02-03",
        "recorded": "2024-05-06 07:08:09",
        "device_serial": "SN-4711",
        "institution": "Köln",
        "people": "Smith",
        "statements": "bell\a rings",
    }
    about = About(61.5, "F", ("426783006", "NORM"), personal=personal)
    [path] = write(ecg, tmp_path / "a.xml", about=about)
    back = reading(path, personal=True).about
    assert (back.age, back.sex, back.codes) == (61.5, "F", ("426783006", "NORM"))
    changed = {"birth_date": "19630203", "recorded": "20240506070809", "statements": "bell\ufffd rings"}
    assert back.personal == personal | changed
    [path] = write(ecg, tmp_path / "b.xml", about=about.anonymous())
    assert not [word for word in ("Doe", "1963", "SN-4711", "2024", "0815") if word in path.read_text()]
    assert reading(path).dropped == ()
    assert 'nullFlavor="UNK"' in path.read_text()


# Ambiguous MUSE


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        (">2500<", ">2502<", "lead 'I' declares 2502 in LeadByteCountTotal and holds 2500 bytes"),
        (">1250<", ">999999999999<", "LeadSampleCountTotal of lead 'I' is 1e+12; an integer from 0 to"),
        (">1250<", ">1249<", "lead 'I' declares 1249 in LeadSampleCountTotal and holds 2500 bytes"),
        ("<SampleBase>500", "<SampleBase>-500", "the sampling rate is -500.0"),
        ("<SampleBase>500", "<SampleBase>many", "SampleBase is not a number"),
        ("<SampleBase>500", "<SampleBase>", "the file does not state its sampling rate; give it with fs"),
        ("<SampleExponent>0", "<SampleExponent>99", "SampleExponent is 99; a power of ten from -12 to 12"),
        ("<LeadSampleSize>2", "<LeadSampleSize>4", "lead 'I' has samples of another size; 2 bytes per sample"),
        (">4.88<", "><", "LeadAmplitudeUnitsPerBit of lead 'I' is missing"),
        ("MICROVOLTS", "PARSECS", "the unit of channel 'I' is 'PARSECS'; mV, µV, nV or V was expected"),
        ("MICROVOLTS", "", "the file does not state its unit; give it with unit"),
        ("<LeadID>I<", "<LeadID>II<", "lead II occurs twice"),
        ("<LeadID>I<", "<LeadID>Doe<", "'Doe' is not a known lead"),
        ("FirstSample>0", "FirstSample>99999999999", "LeadOffsetFirstSample of lead 'I' is 1e+11; an integer"),
        ("FirstSample>0", "FirstSample>60000000", "8 leads last 60001250 samples; 33554432 are read at most"),
        ("<WaveFormData>\n", "<WaveFormData>\n*", "WaveFormData of lead 'I' cannot be decoded; complete Base64"),
    ],
)
def test_ambiguous_muse(tmp_path, was, becomes, expected):
    whole = text("muse")
    rhythm = whole.index("<WaveformType>Rhythm")
    assert was in whole[rhythm:]
    (tmp_path / "a.xml").write_bytes((whole[:rhythm] + whole[rhythm:].replace(was, becomes, 1)).encode("latin-1"))
    assert expected in refusal(tmp_path / "a.xml")


def test_muse_doubts_give_notes(tmp_path):
    whole = text("muse")
    rhythm = whole.index("<WaveformType>Rhythm")
    after = whole[rhythm:].replace("<LeadOff>FALSE", "<LeadOff>TRUE", 1)
    after = re.sub(r"<LeadDataCRC32>\d+", "<LeadDataCRC32>1", after, count=1)
    after = after.replace("<LeadTimeOffset>0", "<LeadTimeOffset>9", 1)
    after = after.replace("<FirstSampleBaseline>0", "<FirstSampleBaseline>3", 1)
    (tmp_path / "a.xml").write_bytes((whole[:rhythm] + after).encode("latin-1"))
    said = reading(tmp_path / "a.xml").changes
    assert "the checksum of lead 'I' does not match its samples, which may be damaged" in said
    assert "the electrode of lead 'I' was off during the recording" in said
    assert "lead 'I' has a baseline, which was not subtracted" in said
    assert "lead 'I' has a time offset, which was not applied" in said
    assert not [one for one in reading(FORMATS / "muse.xml").changes if "lead 'I'" in one]


def test_muse_lead_with_an_offset_starts_with_a_gap(tmp_path):
    path = corrupted(tmp_path, "muse", "<LeadOffsetFirstSample>0", "<LeadOffsetFirstSample>50", 9)
    assert "lead I lacks 50 of 1300 samples, the first at 0.000 s" in refusal(path, check=False)
    path = corrupted(tmp_path, "muse", ">4.88<", ">4,88<", 16)  # a decimal comma
    assert torch.equal(read(path).signal, read(FORMATS / "muse.xml").signal)


# Ambiguous Philips XML


@pytest.mark.parametrize(
    ("name", "was", "becomes", "expected"),
    [
        ("sierra", ">1.03<", ">9.99<", "the version of the Philips XML is unknown; one of 1.03, 1.04"),
        ("sierra", '"11000"', '"99999999999"', "the file declares 12 channels of 1e+08 s"),
        ("sierra", '"11000"', '"nan"', "durationperchannel is not a number"),
        ("sierra", '"11000"', '"10000"', "channel 1 unpacks to"),
        ("sierra", '"11000"', '"0"', "the file declares 12 channels of 0 s; at least three samples"),
        ("sierra", ">500<", ">0<", "samplespersecond is not positive"),
        ("sierra", "<signalresolution>5<", "<signalresolution><", "the file gives no values of resolution"),
        ("sierra", ">16<", ">12<", "the value of bitspersample is unknown; 16 was expected"),
        ("sierra", '"XLI"', '"ZIP"', "parsedwaveforms have an unknown compression; XLI was expected"),
        ("sierra", '"Base64"', '"Base32"', "parsedwaveforms are in an unknown encoding; Base64 was expected"),
        ("sierra", "parsedwaveforms", "otherwaveforms", "the XML file cannot be decoded"),
        ("sierra_1_04", 'samplespersecond="500"', 'samplespersecond="250"', "gives 2 values of samplespersecond"),
        ("sierra_1_04", 'numberofleads="12"', 'numberofleads="13"', "the file declares 13 leads and names 12"),
        (
            "sierra_1_04",
            '"I II III',
            '"II I III',
            "the first compressed leads have unexpected names; I, II, III, aVR, aVL, aVF",
        ),
    ],
)
def test_ambiguous_philips(tmp_path, name, was, becomes, expected):
    assert expected in refusal(corrupted(tmp_path, name, was, becomes))


def sierra_with(folder: Path, content: bytes) -> Path:
    """The sample with another content of its block."""
    whole = re.sub(
        r"(<parsedwaveforms[^>]*>)[^<]*", lambda m: m[1] + base64.b64encode(content).decode(), text("sierra")
    )
    (folder / "a.xml").write_bytes(whole.encode("latin-1"))
    return folder / "a.xml"


def test_invalid_philips_blocks(tmp_path):
    """A negative size, no block, codes that unpack to more than declared, a code beyond the table."""
    negative = (-8).to_bytes(4, "little", signed=True) + bytes(4)
    assert "channel 1 of the block is truncated; a complete one was expected" in refusal(
        sierra_with(tmp_path, negative)
    )
    assert "channel 1 of the block is truncated" in refusal(sierra_with(tmp_path, b""))
    growing = "".join(f"{code:010b}" for code in [0, *range(256, 1023), *[1022] * 15_000])
    packed = int(growing, 2).to_bytes(len(growing) // 8, "big")
    block = len(packed).to_bytes(4, "little") + bytes(4) + packed
    assert "channel 1 unpacks to" in refusal(sierra_with(tmp_path, block))
    ahead = (10).to_bytes(4, "little") + bytes(4) + b"\xff\x3f" + bytes(8)
    assert "the compressed block is damaged" in refusal(sierra_with(tmp_path, ahead.replace(b"\xff\x3f", b"\xc0\x3f")))


def test_philips_uncompressed(tmp_path):
    """Uncompressed samples without residuals of limb leads, as bytes or as text."""
    steps = np.tile(np.arange(5500) % 200 - 100, (12, 1)) + np.arange(12)[:, None]
    path = sierra_with(tmp_path, steps.astype("<i2").tobytes())
    path.write_bytes(path.read_bytes().replace(b'compressflag="True"', b'compressflag="False"'))
    np.testing.assert_array_equal(sierra.read(Source(path)).values, 5.0 * steps)
    plain = re.sub(
        rb"(<parsedwaveforms[^>]*>)[^<]*", b"\\1" + " ".join(map(str, steps.ravel())).encode(), path.read_bytes()
    )
    path.write_bytes(plain.replace(b'"Base64"', b'"Plain"', 1))
    np.testing.assert_array_equal(sierra.read(Source(path)).values, 5.0 * steps)
