"""Parts of the page without a browser: queue, files of a visitor, callipers, marks, quiz, answers of a reader study."""

import json
import threading
import zipfile
from html import escape

import numpy as np
import pytest

from ecggen.benchmark.reader_study.answers import Answer, Sheet, Study
from ecggen.benchmark.reader_study.pack import KEY, PAGES
from ecggen.benchmark.reader_study.scores import read_key, score
from ecggen.core.errors import InputError, argument
from ecggen.core.simulate import simulate
from ecggen.page import examples, jobs, marks, session
from ecggen.page.callipers import PIXELS_PER_MM, Callipers, moved
from ecggen.page.tabs import quiz
from ecggen.viz import draw
from ecggen.viz.ecg import trace_start
from ecggen.viz.paper import SIDE


def test_jobs_run_one_at_a_time_in_order():
    queue, running, order = jobs.Queue(), threading.Event(), []

    def first(job):
        running.set()
        assert hold.wait(10)
        order.append("first")

    hold = threading.Event()
    one, two = queue.submit(first), queue.submit(lambda job: order.append("second"))
    assert running.wait(10)
    assert (queue.ahead(one), queue.ahead(two)) == (0, 1)
    hold.set()
    two.future.result(10)
    assert order == ["first", "second"]


def test_a_cancelled_job_ends_at_its_next_progress_and_the_next_one_runs():
    queue, begun, go_on = jobs.Queue(), threading.Event(), threading.Event()

    def endless(job):
        begun.set()
        go_on.wait(10)
        job.progress(0.5)
        raise AssertionError("the job went on")

    job = queue.submit(endless)
    assert begun.wait(10)
    job.cancel()
    go_on.set()
    with pytest.raises(jobs.CancelledError):
        job.future.result(10)
    assert queue.submit(lambda job: 1).future.result(10) == 1


def test_too_many_jobs_are_refused():
    queue, go_on = jobs.Queue(), threading.Event()
    waiting = [queue.submit(lambda job: go_on.wait(10)) for _ in range(jobs.MOST_WAITING)]
    with pytest.raises(InputError, match="20 jobs are waiting"):
        queue.submit(lambda job: None)
    go_on.set()
    waiting[-1].future.result(10)


def test_errors_name_fields_of_the_page_and_warnings_become_notes():
    import warnings

    from ecggen.core.errors import InputWarning

    def work(job):
        warnings.warn("a doubt", InputWarning, stacklevel=1)
        return argument(fs=None), argument(allow_noise=True)

    job = jobs.Queue().submit(work)
    assert job.future.result(10) == ("the field sampling rate", "")
    assert job.notes == ["a doubt"]


def test_files_of_a_visitor_are_deleted_and_jobs_cancelled():
    visitor, ended = session.Session(), []
    folder = visitor.new_folder()
    (folder / "watch.csv").write_text("1")
    visitor.jobs.append(jobs.Job(lambda job: None))
    visitor.at_end(lambda: ended.append(True))
    visitor.close()
    assert not folder.exists() and ended
    with pytest.raises(jobs.CancelledError):
        visitor.jobs[0].progress(0.1)


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\boot.ini", "/abs/olute.csv", ".hidden", "a\x00b.hea"])
def test_uploaded_names_stay_in_their_folder(name, tmp_path):
    path = (tmp_path / session.safe_name(name)).resolve()
    assert path.parent == tmp_path and not path.name.startswith(".")
    path.write_text("")


def test_the_header_of_dropped_files_is_read(tmp_path):
    with pytest.raises(InputError, match="no file was chosen"):
        session.recording_in(tmp_path)
    for name in ("a.dat", "a.hea"):
        (tmp_path / name).write_text("")
    assert session.recording_in(tmp_path).name == "a.hea"
    (tmp_path / "b.hea").write_text("")
    with pytest.raises(InputError, match="2 recordings were dropped"):
        session.recording_in(tmp_path)


def test_several_files_become_one_archive(tmp_path):
    for name in ("a.hea", "a.dat"):
        (tmp_path / name).write_text(name)
    archive = session.as_one_file([tmp_path / "a.hea", tmp_path / "a.dat"])
    assert zipfile.ZipFile(archive).namelist() == ["a.hea", "a.dat"]


def test_callipers_measure_what_is_drawn():
    """One second and one millivolt on the page of viz are 1000 ms and 1 mV."""
    figure = draw(simulate(1, fs=250, heart_rate=60))
    transform, height = figure.axes[0].transData, figure.get_size_inches()[1]
    (x0, y0), (x1, y1) = transform.transform([(20, 30), (45, 40)]) / figure.dpi * 25.4
    found = Callipers((x0, 25.4 * height - y0), (x1, 25.4 * height - y1))
    assert found.text() == "1000 ms · 1.00 mV · 60 per minute"
    assert Callipers((0, 0), (1, 0)).per_minute is None
    assert moved((1.0, 1.0), "ArrowUp", True) == (1.0, 0.8)


def test_marks_lie_on_the_trace():
    figure = draw(simulate(1, fs=250, heart_rate=60))
    (trace,) = (one for one in figure.axes[0].lines if one.get_gid() == "lead-rhythm-II")
    assert np.nanmin(trace.get_xdata()) == pytest.approx(trace_start())
    svg = marks.as_svg([marks.Band(2.0, 2.2, "#000")], 170.0)
    assert f'x="{(SIDE + trace_start() + 50) * PIXELS_PER_MM:.1f}"' in svg
    assert marks.as_svg([marks.Band(2.0, 2.2, "#000")], 170.0, start=10.0) == ""


def test_marked_waves_follow_one_another():
    bands = marks.waves(simulate(1, fs=250, heart_rate=60))
    of = {name: [band for band in bands if band.name == name] for name in marks.WAVES}
    assert all(len(found) >= 8 for found in of.values())
    assert all(0 < band.last - band.first < 0.6 for band in bands)


def test_uncertain_beats_are_named():
    beats = [marks.Beat(1.0, 0.01, 1.0), marks.Beat(2.0, float("nan"), 0.25)]
    certain, doubtful = marks.beat_bands(beats)
    assert certain.name == "" and doubtful.name == "25 %" and certain.colour != doubtful.colour
    assert certain.last - certain.first == pytest.approx(0.04)


@pytest.mark.parametrize("example", [*examples.ECGS, *examples.PPGS])
def test_examples_are_there_with_their_licence(example):
    assert examples.path_of(example).stat().st_size > 100
    assert "CC BY" in example.source or "ODC-By" in example.source


def test_examples_that_show_a_finding_meet_its_criterion():
    from ecggen.io import read
    from ecggen.metrics.criteria.measurements import measure
    from ecggen.metrics.criteria.rules import criteria_met

    shown = [one for one in examples.ECGS if one.shows]
    assert shown
    for one in shown:
        assert criteria_met(measure(read(examples.path_of(one))))[one.shows][0], one.title


class Simulated:
    """Draws simulated hearts, so that the logic of the quiz can be tested without weights."""

    name = "simulated"

    def generate(self, text, n, seed):
        return simulate(n, fs=250, heart_rate=50 if "bradycardia" in text else 104, seed=seed)


def test_a_question_meets_its_criterion_and_no_other(monkeypatch):
    monkeypatch.setattr(quiz, "LEVELS", {"rhythm": ("SBRAD", "STACH")})
    one, again = (quiz.question("rhythm", 3, Simulated()) for _ in range(2))
    assert one.code == again.code and bool((one.ecg.signal == again.ecg.signal).all())
    assert (one.measured.rate[0] > 100) == (one.code == "STACH")
    assert one.code in one.options and one.mark == "SYNTHETIC"


def test_a_question_that_cannot_be_drawn_is_an_error(monkeypatch):
    monkeypatch.setattr(quiz, "LEVELS", {"rhythm": ("AFLT",)})
    with pytest.raises(InputError, match="drew no ECG that meets the criterion"):
        quiz.question("rhythm", 3, Simulated())
    with pytest.raises(InputError, match="one of rhythm"):
        quiz.question("other", 3, Simulated())


def test_a_worksheet_marks_synthetic_ecgs_and_ends_with_the_key(monkeypatch):
    monkeypatch.setattr(quiz, "LEVELS", {"rhythm": ("SBRAD", "STACH")})
    questions = [quiz.question("rhythm", seed, Simulated()) for seed in range(2)]
    page = quiz.worksheet(questions, "rhythm <1>")
    assert page.count("<svg") == 2 and page.count("SYNTHETIC") >= 2 and "<1>" not in page
    assert page.index("<h1>Key:") > page.rindex("<svg") and escape(questions[0].explanation) in page
    assert "default-src 'none'" in page


@pytest.fixture
def study(tmp_path):
    from ecggen.benchmark.reader_study.pack import pack
    from ecggen.report.inputs.cohort import ECGSet

    def hearts(seed, source):
        names, blank, unknown = tuple("abc"), ("",) * 3, np.full(3, np.nan)
        return ECGSet(simulate(3, seed=seed), names, names, blank, blank, unknown, unknown, unknown, source)

    pack(hearts(1, "made"), hearts(2, "recorded"), 2, 0).write(tmp_path / "study")
    return Study.open(tmp_path / "study")


def test_answers_of_a_reader_are_stored_resumed_and_scored(study):
    key = read_key(study.folder / KEY)
    sheet = Sheet.open(study, "  Dr.  Ä ")
    assert len(study.drawings) == 4 and sheet.next == 1 and study.key_is_near
    for number in (1, 2):
        sheet.give(number, Answer(key[str(number)], 4, 2.5))
    again = Sheet.open(study, "dr. ä")
    assert again.next == 3 and again.reader == "Dr. Ä" and again.answers == sheet.answers
    for number in (3, 4):
        again.give(number, Answer(key[str(number)], 5, 1.0))
    assert again.next is None
    found = score([again.path], key)
    assert found["readers"]["Dr. Ä"]["right"] == 4 and found["readers"]["Dr. Ä"]["missing"] == 0


def test_bad_answers_and_names_are_refused(study, tmp_path):
    with pytest.raises(InputError, match="name of the reader"):
        Sheet.open(study, "  ")
    sheet = Sheet.open(study, "../../key")
    assert sheet.path.parent == study.folder / "answers"
    for number, answer in ((9, Answer("real", 3, 1.0)), (1, Answer("maybe", 3, 1.0)), (1, Answer("real", 6, 1.0))):
        with pytest.raises(InputError):
            sheet.give(number, answer)
    assert not sheet.path.exists()
    with pytest.raises(InputError, match="no reader study"):
        Study.open(tmp_path)
    sheet.give(1, Answer("real", 3, 1.0))
    sheet.path.write_text("number,answer\n1,real\n")
    with pytest.raises(InputError, match="is damaged"):
        Sheet.open(study, "../../key")


def test_pages_of_a_study_do_not_tell_the_answer(study):
    assert json.loads((study.folder / KEY).read_text())["answers"]
    text = (study.folder / PAGES).read_text() + "".join(study.drawings)
    assert "made" not in "".join(study.drawings) and "recorded" not in "".join(study.drawings) and "key" in text


def test_what_was_requested_is_compared_with_what_is_measured():
    pytest.importorskip("nicegui")
    from ecggen.data.prompts import Prompt
    from ecggen.page.tabs.generate import described

    made = described(simulate(2, fs=250, heart_rate=50), Prompt("sinus tachycardia, purple elephants", heart_rate=300))
    assert made.met["STACH"].tolist() == [False, False]
    assert any("purple" in warning for warning in made.warnings)
    assert any("300" in warning for warning in made.warnings)


def test_a_grid_is_one_archive(tmp_path):
    pytest.importorskip("nicegui")
    from ecggen.data.prompts import Prompt
    from ecggen.page.tabs.generate import described, save_all

    archive = save_all(tmp_path, described(simulate(2, fs=250), Prompt()))
    assert archive.name == "ECGs.zip"
    assert sorted(zipfile.ZipFile(archive).namelist()) == ["ECG_1.dat", "ECG_1.hea", "ECG_2.dat", "ECG_2.hea"]


def test_help_of_the_screenshots_serves_nothing(monkeypatch, capsys):
    from evaluation.scripts import page_screenshots

    monkeypatch.setattr(page_screenshots.subprocess, "Popen", lambda *_: pytest.fail("the page was served"))
    monkeypatch.setattr("sys.argv", ["page_screenshots", "--help"])
    with pytest.raises(SystemExit) as end:
        page_screenshots.main()
    assert end.value.code == 0 and "--out" in capsys.readouterr().out
