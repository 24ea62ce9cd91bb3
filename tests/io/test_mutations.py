"""For every format, randomly corrupted files are read or rejected with InputError."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import HOW, LARGEST, Sample, corrupted, corrupted_within, prepare, read_or_refuse, samples

edit = st.tuples(
    st.sampled_from(HOW),
    st.one_of(st.floats(0, 0.02), st.floats(0, 1)),
    st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(LARGEST)),
)


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_corrupted_file_is_read_or_rejected(tmp_path, sample: Sample):
    path = prepare(sample, tmp_path)
    whole = path.read_bytes()

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.lists(edit, min_size=1, max_size=4), st.booleans())
    def holds(edits, within):
        path.write_bytes((corrupted_within if within else corrupted)(whole, edits))
        read_or_refuse(path)

    holds()


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_truncated_file_is_read_or_rejected(tmp_path, sample: Sample):
    path = prepare(sample, tmp_path)
    whole = path.read_bytes()
    for length in sorted({0, 1, 4, 16, 128, 600, len(whole) // 2, len(whole) - 1}):
        path.write_bytes(whole[:length])
        read_or_refuse(path)
