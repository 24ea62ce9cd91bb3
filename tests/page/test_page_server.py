"""The page as a visitor uses it, without a browser; and how it is served."""

import asyncio
import socket
import subprocess
import sys

import pytest
from conftest import SAMPLES, tiny
from test_margin import margin

pytest.importorskip("nicegui")

from nicegui import ui
from nicegui.testing.user_simulation import user_simulation

from ecggen.cli.serve import serve
from ecggen.core.errors import InputError
from ecggen.generators.trust.margin import identity
from ecggen.page import controls, server
from ecggen.page.tabs.form import Given
from ecggen.page.tabs.reconstruct import with_own_margin
from ecggen.page.viewer import FILES, Shown, Viewer


def visit(actions, **settings):
    """Open the page and run ``actions`` on it, as a visitor."""

    async def simulated():
        async with user_simulation(server.root(server.Settings(**settings))) as user:
            await user.open("/")
            await actions(user)

    asyncio.run(simulated())


async def wait_for(user, text):
    for _ in range(600):
        try:
            await user.should_see(text, retries=1)
        except AssertionError:
            await asyncio.sleep(0.1)
        else:
            return
    await user.should_see(text)


def test_an_example_is_reconstructed_and_downloaded(monkeypatch):
    viewers = []
    made = Viewer.__init__

    def kept(self, *given, **named):
        viewers.append(self)
        made(self, *given, **named)

    monkeypatch.setattr(Viewer, "__init__", kept)

    async def actions(user):
        for tab in ("Reconstruct", "Generate", "Translate", "Report", "Teach", "Reader study"):
            await user.should_see(tab)
        user.find("Reconstruct twelve leads").click()
        await wait_for(user, "How far can this be trusted?")
        await user.should_see("recorded: I")
        await user.should_see("Not for diagnosis")
        (viewer,) = viewers
        names = {name: viewer.save(suffix) for name, suffix in FILES.items()}
        assert {name: path.suffix for name, path in names.items()} == FILES | {"WFDB": ".zip"}
        assert b"SYNTHETIC" in names["CSV"].read_bytes() and names["PDF"].read_bytes().startswith(b"%PDF")
        assert b"QTc Interval" in names["DICOM"].read_bytes()
        before = viewer.image.source
        viewer.draw = 1
        viewer.refresh()
        assert viewer.image.source != before
        viewer._set((30.0, 50.0))
        viewer._set((55.0, 40.0))
        assert viewer.reading.text == "1000 ms · 1.00 mV · 60 per minute"
        viewer.mark()
        for _ in range(100):
            await asyncio.sleep(0.1)
            if "QRS" in viewer.image.content:
                break
        assert "QRS" in viewer.image.content

    visit(actions)


def test_wrong_input_ends_with_one_sentence():
    async def actions(user):
        (leads,) = (one for one in user.find(ui.input).elements if "reconstruct from" in one.props["label"])
        leads.set_value("V9")
        user.find("Reconstruct twelve leads").click()
        await wait_for(user, "apple_watch_lead_I.csv: ")
        await user.should_not_see("How far can this be trusted?")

    visit(actions)


def test_the_report_reads_folders_only_if_the_page_is_local():
    async def seen(user):
        await user.should_see("Folder or file of this computer")

    async def hidden(user):
        await user.should_not_see("Folder or file of this computer")

    def of_report(check):
        async def actions(user):
            user.find("Report").click()
            await check(user)

        return actions

    visit(of_report(seen))
    visit(of_report(hidden), host="0.0.0.0")


def test_nothing_is_left_when_a_visitor_leaves(tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def actions(user):
        assert list(tmp_path.glob("ecggen-page-*"))
        with user:
            ui.context.client.delete()
        await asyncio.sleep(0.1)
        assert not list(tmp_path.glob("ecggen-page-*"))

    visit(actions)


def test_an_upload_is_read_from_a_folder_of_its_own(monkeypatch):
    from nicegui.elements.upload_files import SmallFileUpload

    chosen = []
    made = controls.Recording.__init__
    monkeypatch.setattr(
        controls.Recording, "__init__", lambda self, *a, **k: (chosen.append(self), made(self, *a, **k))[0]
    )

    async def actions(user):
        one = chosen[0]
        names = ("00010_lr.dat", "00010_lr.hea")
        with user:
            await one._received([SmallFileUpload("../" + name, "", (SAMPLES / name).read_bytes()) for name in names])
        assert one.example.value is None
        assert one.path().name == "00010_lr.hea" and len(list(one.path().parent.iterdir())) == 2

    visit(actions)


def test_a_taken_port_is_an_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="cannot be used"):
            server.refuse_taken(server.Settings(port=taken.getsockname()[1]))


def test_without_the_extra_the_command_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sys.modules["ecggen.cli.serve"], "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'ecggen\[page\]'"):
        serve()


def test_only_the_page_imports_its_framework():
    code = "import ecggen.cli, ecggen.io, sys; print('nicegui' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_names_of_records_do_not_reach_the_markup():
    from ecggen.core.simulate import simulate

    async def actions(user):
        from ecggen.page.session import Session

        with user:
            viewer = Viewer(Session(), Shown('<img src=x onerror="alert(1)">', simulate(1)))
        assert "<" not in viewer.save(".csv").name

    visit(actions)


def test_a_ppg_is_translated_with_marked_beats():
    async def actions(user):
        user.find("Translate").click()
        user.find("Translate to an ECG").click()
        await wait_for(user, "beats. 1 of them has a probability below 90 %")
        await user.should_see("109 pulses per minute")
        await user.should_see("Heart rate: 109 per minute (90 % interval 106 to 111).")

    visit(actions)


def test_a_report_on_a_missing_folder_is_one_sentence():
    async def actions(user):
        user.find("Report").click()
        for path in user.find("Folder or file of this computer").elements:
            path.set_value("/no/such/folder")
        user.find("Write the report").click()
        await wait_for(user, "/no/such/folder")

    visit(actions)


def test_a_reader_answers_stops_and_resumes(tmp_path, monkeypatch):
    from ecggen.benchmark.reader_study.answers import Study
    from ecggen.page.tabs import reading

    monkeypatch.setattr(reading, "FASTEST", 0)

    (tmp_path / "pages.html").write_text("<html><svg>1</svg><svg>2</svg></html>")
    study = Study.open(tmp_path)

    def begin(user):
        (name,) = (one for one in user.find(ui.input).elements if one.props["label"] == "Name or pseudonym")
        name.set_value("Ann")
        user.find("Begin or resume").click()

    async def first(user):
        begin(user)
        await user.should_see("ECG 1 of 2")
        user.find(kind=ui.button, content="Real").click()
        await user.should_see("ECG 2 of 2")

    async def second(user):
        begin(user)
        await user.should_see("ECG 2 of 2")
        user.find(kind=ui.button, content="Synthetic").click()
        await user.should_see("Thank you")

    visit(first, study=study)
    visit(second, study=study)
    lines = (tmp_path / "answers" / "ann.csv").read_text().splitlines()
    assert [line.rpartition(",")[0] for line in lines[1:]] == ["1,real,3,Ann", "2,synthetic,3,Ann"]


def test_large_uploads_are_refused_before_they_are_read():
    async def never(*_):
        raise AssertionError("the request was handed on")

    async def answer(headers):
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        await server.UploadLimit(never, 1000)(scope, never, send)
        return sent[0]["status"]

    assert asyncio.run(answer([(b"content-length", b"99999999")])) == 413
    assert asyncio.run(answer([])) == 413


def test_a_margin_is_used_only_where_it_was_calibrated():
    vae = tiny("vae")
    own, notes = with_own_margin(vae, ("I",), margin(identity(vae)))
    assert own.margin is not None and notes == ("interval calibrated on 40 of your own records (100% wider)",)
    for leads, made in ((("II",), margin(identity(vae))), (("I",), margin("flow@other"))):
        plain, notes = with_own_margin(vae, leads, made)
        assert plain is vae and notes[0].startswith("the interval is not calibrated on your own records: the margin")
    assert with_own_margin(vae, ("I",), None) == (vae, ())


def test_the_margin_is_said_on_the_page(monkeypatch):
    async def actions(user):
        user.find("Reconstruct twelve leads").click()
        await wait_for(user, "interval calibrated on 40 of your own records")

    monkeypatch.setattr(Given, "model", lambda _: tiny("vae"))
    visit(actions, margin=margin(identity(tiny("vae"))))
