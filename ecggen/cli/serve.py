"""``ecggen serve``: a page in the browser to see and touch what the package does."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from typer import Option

from ecggen.cli import console
from ecggen.core.errors import InputError


def serve(
    port: Annotated[int, Option(help="Port to listen on.", min=1, max=65535)] = 8080,
    host: Annotated[
        str, Option(help="Address to listen on. With 0.0.0.0, every computer of the network can open the page.")
    ] = "127.0.0.1",
    study: Annotated[
        Path | None, Option(help="Folder of a reader study, made by `ecggen turing`; answers are stored in it.")
    ] = None,
    margin: Annotated[
        Path | None,
        Option(help="Margin of prediction intervals: a file of `ecggen calibrate`, used for its model and leads only."),
    ] = None,
    max_upload: Annotated[int, Option(help="Largest upload in MB.", min=1, max=4096)] = 64,
    browser: Annotated[bool, Option(help="Open a browser.")] = False,
) -> None:
    """Serve a page to reconstruct, generate, translate, report, teach and read ECGs in a browser.

    Works offline; nothing leaves this computer. Uploaded files are deleted when their visitor leaves. Needs the extra
    `page` (NiceGUI). Stop it with Ctrl+C. Not for diagnosis.
    """
    if find_spec("nicegui") is None:
        raise InputError("the page needs NiceGUI, which is not installed", do="pip install 'ecggen[page]'")
    from ecggen.benchmark.reader_study.answers import Study
    from ecggen.generators.trust.margin import Margin
    from ecggen.page.server import Settings, refuse_taken
    from ecggen.page.server import serve as run

    opened = None if study is None else Study.open(study)
    own = None if margin is None else Margin.read(margin)
    settings = Settings(host, port, max_upload, opened, own)
    refuse_taken(settings)
    if not settings.local:
        console.warn(
            f"{host} can be reached by others: everyone in the network can open the page, use this computer's "
            "processor and read what is sent, without a password and without encryption"
        )
    else:
        console.print_text("only this computer can open the page; nothing leaves it")
    if opened is not None and opened.key_is_near:
        console.warn(f"the key lies in {study}: keep it where readers cannot open it")
    console.print_text(f"page: http://{host if settings.local else 'THIS-COMPUTER'}:{port} (stop with Ctrl+C)")
    run(settings, browser)
