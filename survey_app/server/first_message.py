"""What a browser is told of the server in a session's first message: only what its pages need.

Streamlit sends the path of the script, its own and Python's versions, the kind of system and an
installation id to every browser, on every run of a page. None of it is a rater's business, and a path can
hold the name of a study arm.
"""

from __future__ import annotations

from pathlib import PurePath

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


class UntoldServer:
    """Passes websocket messages on, without what the first one of a session tells of the server."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return

        async def send_untold(message: Message) -> None:
            if message["type"] == "websocket.send" and message.get("bytes"):
                message = {**message, "bytes": without_server(message["bytes"])}
            await send(message)

        await self.app(scope, receive, send_untold)


def without_server(frame: bytes) -> bytes:
    """One message to a browser, without path, versions, system and installation of the server."""
    message = ForwardMsg.FromString(frame)
    if message.WhichOneof("type") != "new_session":
        return frame
    session = message.new_session
    # Only its last part: the frontend shows it nowhere, but wants one.
    session.main_script_path = PurePath(session.main_script_path).name
    # Present and empty, so that the frontend finds the blocks that it reads.
    session.initialize.environment_info.Clear()
    session.initialize.environment_info.SetInParent()
    session.initialize.user_info.Clear()
    session.initialize.user_info.SetInParent()
    return bytes(message.SerializeToString())
