"""Clinical shorthand for age, sex and heart rate, and look-alikes that must not be read as such."""

import pytest

from ecggen.conditioning.metadata_in_text import TextMetadata, metadata_in


@pytest.mark.parametrize(
    ("text", "age", "sex", "heart_rate"),
    [
        ("81F", 81, "F", None),
        ("81 F", 81, "F", None),
        ("81/F", 81, "F", None),
        ("F/81", 81, "F", None),
        ("(F/81)", 81, "F", None),
        ("F 81, AF", 81, "F", None),
        ("M 74", 74, "M", None),
        ("M/74 with chest pain", 74, "M", None),
        ("atrial flutter; M 74", 74, "M", None),
        ("pt M 74, HR 40", 74, "M", 40),
        ("M 74 years", 74, "M", None),
        ("81 yo male", 81, "M", None),
        ("81yo M", 81, "M", None),
        ("81yoM", 81, "M", None),
        ("81 y/o female", 81, "F", None),
        ("81 y.o. F", 81, "F", None),
        ("HR 150", None, None, 150),
        ("HR: 150", None, None, 150),
        ("HR150", None, None, 150),
        ("rate 40", None, None, 40),
        ("ventricular rate 40", None, None, 40),
        ("@ 130 bpm", None, None, 130),
        ("AF @130bpm", None, None, 130),
        ("81F, sinus brady, HR 40, PR 220 ms, QRS 90 ms", 81, "F", 40),
        ("F/81, complete heart block, atrial rate 90, ventricular rate 40", 81, "F", 40),
    ],
)
def test_clinical_shorthand_is_understood(text, age, sex, heart_rate):
    assert metadata_in(text) == TextMetadata(age, sex, heart_rate)


@pytest.mark.parametrize(
    "text",
    [
        # leads, intervals, waves and grades
        "V2",
        "ST elevation in V1-V6",
        "II, III, aVF 90",
        "aVL/aVF 81",
        "PR 220 ms",
        "QRS 90 M",
        "QRS: 90 M",
        "HR 150 ms",
        "1st degree",
        "F waves",
        "12 F waves",
        "f waves 350/min",
        "M-mode 74",
        # other rates and values
        "respiratory rate 16",
        "RR 16",
        "@ 25 mm/s",
        "@ 500 Hz",
        "F 50 mm/s",
        "M 74 kg",
        "temp 101 F",
        "SpO2 98 F",
        "14 F sheath",
        "BP 130/80 F",
        # dates, ratios, choices and codes
        "01/02/2024",
        "2024-05-12",
        "12.05.2024",
        "F 12/2024",
        "2/81",
        "12/81/F",
        "T/F",
        "M/F",
        "M/F 50/50",
        "F81",  # an ICD-10 code as well
        "ICD-10 F81",
        "F81.0",
        "M 74 years ago",
        "M 2",
    ],
)
def test_look_alikes_are_not_read(text):
    assert metadata_in(text) == TextMetadata()
