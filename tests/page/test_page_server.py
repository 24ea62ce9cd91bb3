"""The page as a visitor uses it, without a browser; and how it is served."""

import asyncio
import socket
import subprocess
import sys

import pytest
from conftest import SAMPLES

pytest.importorskip("nicegui")

from nicegui import ui
from nicegui.testing.user_simulation import user_simulation

from ecggen.cli.serve import serve
from ecggen.core.errors import InputError
from ecggen.page import controls, server
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
        before = viewer.image.source
        viewer.draw = 1
        viewer.refresh()
        assert viewer.image.source != before
        viewer._set((30.0, 50.0))
        viewer._set((55.0, 40.0))
        assert viewer.reading.text == "1000 ms · 1.00 mV · 60 per minute"
        viewer.mark()
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
        await user.should_see("Synthetic ECGs: folder or file of this computer")

    async def hidden(user):
        await user.should_not_see("folder or file of this computer")

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
    from nicegui.events import UploadEventArguments

    chosen = []
    made = controls.Recording.__init__
    monkeypatch.setattr(
        controls.Recording, "__init__", lambda self, *a, **k: (chosen.append(self), made(self, *a, **k))[0]
    )

    async def actions(user):
        one = chosen[0]
        for name in ("00010_lr.dat", "00010_lr.hea"):
            file = SmallFileUpload("../" + name, "", (SAMPLES / name).read_bytes())
            with user:
                await one._received(UploadEventArguments(sender=one.upload, client=one.upload.client, file=file))
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
