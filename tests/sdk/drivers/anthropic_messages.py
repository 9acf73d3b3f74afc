"""Messages through the `anthropic` SDK."""

from __future__ import annotations

import base64
from typing import Any

import anthropic
import httpx2

from .neutral import KEY, TIMEOUT, Ask, Call, Driver, Failure, Said, Usage

STOPS = {"end_turn": "end", "tool_use": "calls", "max_tokens": "length"}
KINDS: list[tuple[type[Exception], str]] = [
    (anthropic.BadRequestError, "invalid"),
    (anthropic.AuthenticationError, "auth"),
    (anthropic.PermissionDeniedError, "auth"),
    (anthropic.RateLimitError, "limited"),
    (anthropic.InternalServerError, "server"),
    (anthropic.APIStatusError, "status"),
    (anthropic.APITimeoutError, "hang"),
    (httpx2.TimeoutException, "hang"),
    (anthropic.APIError, "broken"),
    (httpx2.TransportError, "broken"),
]


class AnthropicMessages(Driver):
    name = "anthropic"

    def __init__(self, url: str) -> None:
        super().__init__()
        self.client = anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=TIMEOUT)

    def opening(self, ask: Ask) -> list[Any]:
        content: list[Any] = [{"type": "text", "text": ask.text}]
        if ask.png:
            data = base64.b64encode(ask.png).decode()
            source = {"type": "base64", "media_type": "image/png", "data": data}
            content.insert(0, {"type": "image", "source": source})
        return [{"role": "user", "content": content}]

    def with_results(self, history: list[Any], said: Said, results: list[str]) -> list[Any]:
        blocks = [
            {"type": "tool_result", "tool_use_id": call.id, "content": result}
            for call, result in zip(said.calls, results, strict=True)
        ]
        # The SDK takes its own blocks back.
        answer = {"role": "assistant", "content": said.native.content}
        return [*history, answer, {"role": "user", "content": blocks}]

    def with_words(self, history: list[Any], said: Said, text: str) -> list[Any]:
        return [*history, {"role": "assistant", "content": said.native.content}, {"role": "user", "content": text}]

    def send(self, model: str, history: list[Any], ask: Ask, stream: bool) -> Said:
        request: dict[str, Any] = {"model": model, "messages": history, "max_tokens": ask.max_tokens or 4096}
        if ask.system:
            request["system"] = ask.system
        if ask.tools:
            request["tools"] = [
                {"name": t.name, "description": t.description, "input_schema": t.schema} for t in ask.tools
            ]
        if ask.schema:
            request["output_config"] = {"format": {"type": "json_schema", "schema": ask.schema}}
        if ask.thinking:
            request["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        if not stream:
            return self.decode(self.client.messages.create(**request))
        self.heard = ""
        with self.client.messages.stream(**request) as events:
            for event in events:
                if event.type == "text":
                    self.heard += event.text
            return self.decode(events.get_final_message())

    def decode(self, message: Any) -> Said:
        said = Said(model=message.model, native=message)
        said.stop = STOPS.get(message.stop_reason, message.stop_reason)
        for block in message.content:
            if block.type == "text":
                said.text += block.text
            elif block.type == "thinking":
                said.thoughts += block.thinking
            elif block.type == "tool_use":
                said.calls.append(Call(block.id, block.name, block.input))
        usage = message.usage
        cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        said.usage = Usage(usage.input_tokens + cached + written, usage.output_tokens, cached)
        return said

    def failure(self, error: Exception) -> Failure:
        kind = next((kind for known, kind in KINDS if isinstance(error, known)), None)
        if kind is None:
            raise error
        response = getattr(error, "response", None)
        after = response.headers.get("retry-after") if response is not None else None
        status = getattr(error, "status_code", None)
        if response is not None and response.status_code == 200:
            kind = "broken"  # An error event inside the stream.
        return Failure(kind, status, str(error), float(after) if after else None, error)
