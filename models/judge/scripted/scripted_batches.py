"""The scripted endpoint's batch API: files, batches, and answers after a number of looks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route


class Answering(Protocol):
    """What answers one request of a batch and keeps the books."""

    def answer(self, body: Mapping[str, Any], key: str) -> bytes:
        """The answer's bytes, charged to its key."""


@dataclass
class ScriptedBatches:
    """Files and batches of the scripted endpoint.

    Parameters
    ----------
    judge : Answering
    looks : int
        How often a batch is looked at before it is completed.
    """

    judge: Answering
    looks: int = 2
    files: dict[str, str] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        """The addresses under ``/v1/files`` and ``/v1/batches``."""
        from starlette.routing import Route

        return [
            Route("/v1/files", self._upload, methods=["POST"]),
            Route("/v1/files/{id}/content", self._content),
            Route("/v1/batches", self._create, methods=["POST"]),
            Route("/v1/batches", self._list, methods=["GET"]),
            Route("/v1/batches/{id}", self._look),
        ]

    async def _upload(self, request: Request) -> Response:
        from starlette.datastructures import UploadFile
        from starlette.responses import JSONResponse

        async with request.form() as form:
            upload = form["file"]
            text = (await upload.read()).decode() if isinstance(upload, UploadFile) else str(upload)
        name = self._add(text)
        return JSONResponse(
            {
                "id": name,
                "object": "file",
                "bytes": len(text),
                "created_at": 0,
                "filename": "requests.jsonl",
                "purpose": "batch",
                "status": "processed",
            }
        )

    def _add(self, text: str) -> str:
        name = f"file-{len(self.files) + 1}"
        self.files[name] = text
        return name

    async def _content(self, request: Request) -> Response:
        from starlette.responses import PlainTextResponse

        return PlainTextResponse(self.files[request.path_params["id"]])

    async def _create(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        asked = await request.json()
        name = f"batch-{len(self.batches) + 1}"
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": asked["endpoint"],
            "input_file_id": asked["input_file_id"],
            "completion_window": asked["completion_window"],
            "created_at": 0,
            "status": "in_progress",
            "metadata": asked.get("metadata"),
            "looks": 0,
        }
        return JSONResponse(self.batches[name])

    async def _list(self, _request: Request) -> Response:
        from starlette.responses import JSONResponse

        data = list(self.batches.values())
        return JSONResponse({"object": "list", "data": data, "has_more": False})

    async def _look(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        batch = self.batches[request.path_params["id"]]
        batch["looks"] += 1
        if batch["looks"] >= self.looks and batch["status"] == "in_progress":
            batch["output_file_id"] = self._add(self._answer_all(batch["input_file_id"]))
            batch["status"] = "completed"
        return JSONResponse(batch)

    def _answer_all(self, file: str) -> str:
        lines = []
        for line in self.files[file].split("\n"):
            asked = json.loads(line)
            body = json.loads(self.judge.answer(asked["body"], asked["custom_id"]))
            response = {"status_code": 200, "request_id": "r", "body": body}
            lines.append(
                json.dumps({"id": "b", "custom_id": asked["custom_id"], "response": response})
            )
        return "\n".join(lines)
