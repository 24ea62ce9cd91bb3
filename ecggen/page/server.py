"""The server of the page: tabs, style, limits, and who may open it."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

from nicegui import app, ui
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ecggen.benchmark.reader_study.answers import Study
from ecggen.core.errors import InputError
from ecggen.generators.trust.margin import Margin
from ecggen.page.session import LARGEST_UPLOAD, MEGABYTE, Session, close_all
from ecggen.page.tabs import generate, reading, reconstruct, report, translate
from ecggen.page.tabs.quiz import LEVELS
from ecggen.page.tabs.teach import Quiz

STYLE = Path(__file__).with_name("page.css")
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="#00536b"/>'
    '<path d="M3 18h7l3-9 5 17 3-8h8" fill="none" stroke="#fff" stroke-width="2.4"/></svg>'
)


@dataclass(frozen=True)
class Settings:
    """How the page is served.

    Attributes:
        host: Address to listen on.
        port: Port to listen on.
        limit: Largest upload in MB.
        study: A reader study.
        margin: Margin of prediction intervals, used where model and leads are those that it was calibrated for.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    limit: int = LARGEST_UPLOAD
    study: Study | None = None
    margin: Margin | None = None

    @property
    def local(self) -> bool:
        """Whether only this computer can open the page."""
        return is_local(self.host)


def is_local(host: str) -> bool:
    """Whether an address is one that only the computer itself reaches.

    Example:
        >>> is_local("127.0.0.1"), is_local("localhost"), is_local("0.0.0.0")
        (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_taken(settings: Settings) -> None:
    """Check that the address can be listened on.

    Raises:
        InputError: If another program does, or this computer has no such address.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except (OSError, OverflowError) as error:
            found = f"port {settings.port} of {settings.host} cannot be used ({getattr(error, 'strerror', error)})"
            raise InputError(
                found, "a free port of this computer was expected", "choose another with --port"
            ) from error


def serve(settings: Settings, browser: bool = False) -> None:
    """Serve the page until the program is interrupted.

    Args:
        settings: Address and limits.
        browser: Whether to open a browser.
    """
    if settings.local:
        # A web site whose name is made to point to this computer cannot speak to the page.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    app.add_middleware(UploadLimit, most=settings.limit * MEGABYTE)
    app.on_shutdown(close_all)
    ui.run(
        root(settings),
        host=settings.host,
        port=settings.port,
        title="ecggen",
        favicon=ICON,
        reload=False,
        show=browser,
        show_welcome_message=False,
    )


class UploadLimit:
    """Refuses requests with a body of more than ``most`` bytes before they are read; browsers check it themselves."""

    def __init__(self, app: ASGIApp, most: int):
        self.app, self.most = app, most + MEGABYTE  # the names and borders of the parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        size = dict(scope.get("headers", [])).get(b"content-length", b"0")
        chunked = (
            scope["type"] == "http" and scope["method"] == "POST" and b"content-length" not in dict(scope["headers"])
        )
        if chunked or not size.isdigit() or int(size) > self.most:
            await PlainTextResponse("the upload is too large", 413)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def root(settings: Settings):
    """The function that builds the page for a visitor."""

    def build() -> None:
        session = Session()
        ui.context.client.on_delete(session.close)
        ui.add_css(STYLE)
        ui.colors(primary="#00536b", negative="#a3231b")
        with ui.row().classes("w-full items-baseline gap-4 top"):
            ui.label("ecggen").classes("brand").props('role="heading" aria-level="1"')
            made = "ECGs generated and reconstructed on this computer. Synthetic; not for diagnosis."
            ui.label("A study with real and synthetic ECGs. Not for diagnosis." if settings.study else made)
        tabs = {
            "Reconstruct": lambda: reconstruct.tab(session, settings.limit, settings.margin),
            "Generate": lambda: generate.tab(session),
            "Translate": lambda: translate.tab(session, settings.limit),
            "Report": lambda: report.tab(session, settings.limit, local=settings.local),
            "Teach": lambda: Quiz(session, *_question()),
            "Reader study": lambda: reading.tab(settings.study),
        }
        wanted = _asked("tab")
        first = wanted if wanted in tabs else "Reader study" if settings.study else "Reconstruct"
        with ui.tabs().props('no-caps align="left" outside-arrows mobile-arrows').classes("w-full") as bar:
            for name in tabs:
                ui.tab(name)
        with ui.tab_panels(bar, value=first).classes("w-full").props("keep-alive"):
            for name, tab in tabs.items():
                with ui.tab_panel(name).classes("px-0"):
                    tab()

    return build


def _asked(name: str) -> str:
    """A value of the address that the visitor opened; "" without one."""
    request = ui.context.client.request
    return request.query_params.get(name, "") if request else ""


def _question() -> tuple[str, int]:
    """Level and number of the question in the address."""
    level, number = _asked("level"), _asked("question")
    return level if level in LEVELS else "rhythm", int(number) if number.isdecimal() and len(number) < 10 else 0
