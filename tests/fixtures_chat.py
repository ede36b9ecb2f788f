"""Studies of conversations for tests, and systems of chosen speed behind real HTTP addresses."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from models.backends.decoding import DecodingSettings, Generated
from models.serving.application import ServedModel, create_app
from models.serving.sockets import listening_socket
from study import participation
from study.blinding import chat_model_name
from study.entities import Conversation, Rater
from study.protocol.loading import resolve_includes
from study.store import conversations
from study.store.locking import lock_study
from study.store.raters import enrol, find_by_code
from study.store.ratings import read_assignments
from study.store.study import Study, create_study, open_study
from tests.conftest import SurveyServer, free_port

ROOT = Path(__file__).parents[1]

QUICK = {"typing_from_s": 0.3, "typing_to_s": 0.6, "words_per_second": 20, "jitter": 0.4}


def make_chat_study(
    folder: Path, *, raters: int = 6, language: str = "en", own_systems: bool = True, **chat: Any
) -> Study:
    """A locked study of conversations from the shipped protocol, at a quick pace.

    ``own_systems`` puts two scripted systems in the place of the shipped ones; ``chat`` replaces
    fields of the protocol's block.
    """
    protocol = YAML().load(resolve_includes(ROOT / "protocols" / "nile-user-study.yaml"))
    protocol["language"] = language
    if own_systems:
        protocol["systems"] = [
            {"id": "zebrafinch", "title": "Model Zebrafinch", "backend": "scripted"},
            {"id": "quokka", "title": "Model Quokka", "backend": "scripted"},
        ]
        protocol["analysis"]["primary"] = {"system": "zebrafinch", "against": "quokka"}
    protocol["chat"] |= {"pace": QUICK, **chat}
    source = folder.with_suffix(".yaml")
    with source.open("w") as file:
        YAML().dump(protocol, file)
    study = create_study(folder, source)
    lock_study(study)
    enrol(study, "adult", raters)
    return study


@dataclass
class TimedBackend:
    """Writes a reply of numbered words at a chosen speed; remembers what it was given."""

    token_s: float = 0.0
    first_s: float = 0.0
    words: int = 30
    hold: threading.Event | None = None
    replies: Sequence[str] = ()
    given: list[list[dict[str, str]]] = field(default_factory=list)

    def provenance(self) -> dict[str, Any]:
        return {"backend": "timed", "model_sha256": "7c" * 32}

    def generate(
        self,
        messages: Sequence[Any],
        settings: DecodingSettings,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generated:
        self.given.append([dict(message) for message in messages])
        time.sleep(self.first_s)
        words = [f"w{len(self.given)}x{i}" for i in range(self.words)]
        if self.replies:
            words = self.replies[(len(self.given) - 1) % len(self.replies)].split(" ")
        for i, word in enumerate(words):
            if i == len(words) // 2 and self.hold is not None:
                assert self.hold.wait(60)
            if on_text is not None:
                on_text(f"{word} ")
            time.sleep(self.token_s)
        text = " ".join(words)
        return Generated(text, text, 3, len(words), 0.01, 0.01, "stop_token")

    def close(self) -> None:
        """Nothing is held open."""


@contextmanager
def chat_address(
    study: Study, backends: dict[str, Any], *, port: int = 0, queue_size: int = 64
) -> Iterator[str]:
    """``serve-model --all`` of a study in a thread, with other backends; gives the base address."""
    import uvicorn

    models = [
        ServedModel(chat_model_name(study.key, system), backend)
        for system, backend in backends.items()
    ]
    app = create_app(models, queue_size=queue_size)
    with listening_socket("127.0.0.1", port) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join(20)


@dataclass
class ChatSite:
    """A study of conversations, served, with its systems behind an address."""

    server: SurveyServer
    backends: dict[str, TimedBackend]
    address: str

    @property
    def study(self) -> Study:
        return self.server.study

    def new_talker(self) -> Rater:
        """A rater whom no other test uses, before the first conversation."""
        rater = self.server.new_rater()
        participation.consent(self.study, rater)
        about = {"gender": "woman", "experience": "never"}
        participation.save_demographics(self.study, rater, about)
        participation.finish_practice(self.study, rater)
        return find_by_code(self.study, rater.code)

    def talks(self, rater: Rater) -> list[Conversation]:
        """The rater's conversations, in their order."""
        own = [a.id for a in read_assignments(self.study) if a.rater_id == rater.id]
        return [conversations.read(self.study, talk) for talk in own]

    def backend_of(self, rater: Rater, position: int = 0) -> TimedBackend:
        """What answers in a conversation of the rater."""
        talk = self.talks(rater)[position].assignment_id
        return self.backends[conversations.system_of(self.study, talk)]


@contextmanager
def chat_site(
    folder: Path, *, raters: int = 10, address: str = "", **chat: Any
) -> Iterator[ChatSite]:
    """Serves a study of conversations with two timed systems, or with what answers at ``address``."""
    made = make_chat_study(folder / "study", raters=raters, **chat)
    made.close()
    study = open_study(folder / "study")
    backends = {system.id: TimedBackend() for system in study.protocol.systems}
    with contextlib.ExitStack() as stack:
        stack.callback(study.close)
        address = address or stack.enter_context(chat_address(study, backends))
        server = SurveyServer(study, free_port(), folder / "server.log")
        server.environment = {"EVENHAND_CHAT_ADDRESS": address}
        server.start()
        stack.callback(server.stop)
        yield ChatSite(server, backends, address)


class Line:
    """The line between a tablet and a server: passes bytes on until it is cut, and again when mended."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.mend()

    def mend(self) -> None:
        """Take connections (again), at the same port."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Break all connections and take no new ones."""
        if self._listener is not None:
            # A blocked accept() does not notice close() alone.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
    source.close()
