"""A backend on loopback that says what a test tells it to."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """What the backend was sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Backend:
    """Answers request after request from its script; `requests` is what it was asked."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    script: deque[Behaviour] = field(default_factory=deque)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def says(self, status: int, body: Any, **headers: str) -> None:
        """Next answer: a JSON body, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"HTTP/1.1 {status} Scripted", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        self.sends("\r\n".join(lines).encode() + b"\r\n\r\n" + content)

    def sends(self, raw: bytes) -> None:
        """Next answer: these bytes, whether HTTP or not."""

        async def send(writer: asyncio.StreamWriter) -> None:
            writer.write(raw)
            await writer.drain()

        self.script.append(send)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            body = await reader.readexactly(int(headers.get("Content-Length", "0")))
            self.requests.append(Request(method, path, headers, body))
            await self.script.popleft()(writer)
        except ConnectionError:
            pass  # the adapter had heard enough
        finally:
            writer.close()
