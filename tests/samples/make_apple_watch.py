"""Make apple_watch_lead_I.csv: lead I of 00262_hr in the format of a watch export, with a fictitious patient."""

from pathlib import Path

import ecggen

HERE = Path(__file__).parent
HEAD = """\
Name,Jane Doe
Date of Birth,"Feb 3, 1963"
Recorded Date,2024-05-06 07:08:09 +0000
Classification,Sinus Rhythm
Symptoms,
Software Version,2.10
Device,"Watch6,2"
Sample Rate,512 hertz


Lead,Lead I
Unit,µV

"""

if __name__ == "__main__":
    lead = ecggen.read(HERE / "00262_hr.hea").pick("I").resample(512)
    samples = "".join(f"{1000 * value:.3f}\n" for value in lead.signal[0, 0].tolist())
    (HERE / "apple_watch_lead_I.csv").write_text(HEAD + samples, encoding="utf-8")
