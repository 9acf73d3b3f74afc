"""Responses through the `openai` SDK, stateless: reasoning comes back as cipher text."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai

from . import openai_errors
from .neutral import KEY, TIMEOUT, Ask, Call, Driver, Failure, Said, StreamFailed, Usage

INCOMPLETE = {"max_output_tokens": "length", "content_filter": "refusal"}


class OpenAIResponses(Driver):
    name = "openai_responses"

    def __init__(self, url: str) -> None:
        super().__init__()
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=TIMEOUT)

    def opening(self, ask: Ask) -> list[Any]:
        content: list[Any] = [{"type": "input_text", "text": ask.text}]
        if ask.png:
            url = "data:image/png;base64," + base64.b64encode(ask.png).decode()
            content.append({"type": "input_image", "image_url": url, "detail": "auto"})
        return [{"role": "user", "content": content}]

    def with_results(self, history: list[Any], said: Said, results: list[str]) -> list[Any]:
        # As OpenAI's own examples do: all items of the answer go back, then the outputs.
        outputs = [
            {"type": "function_call_output", "call_id": call.id, "output": result}
            for call, result in zip(said.calls, results, strict=True)
        ]
        return [*history, *said.native.output, *outputs]

    def with_words(self, history: list[Any], said: Said, text: str) -> list[Any]:
        return [*history, *said.native.output, {"role": "user", "content": text}]

    def send(self, model: str, history: list[Any], ask: Ask, stream: bool) -> Said:
        request: dict[str, Any] = {"model": model, "input": history, "store": False}
        if ask.system:
            request["instructions"] = ask.system
        if ask.tools:
            request["tools"] = [
                {
                    "type": "function",
                    "name": t.name,
                    "description": t.description,
                    "parameters": t.schema,
                    "strict": False,
                }
                for t in ask.tools
            ]
        if ask.schema:
            answer = {"type": "json_schema", "name": "answer", "schema": ask.schema, "strict": True}
            request["text"] = {"format": answer}
        if ask.thinking:
            request["reasoning"] = {"effort": "medium", "summary": "auto"}
            request["include"] = ["reasoning.encrypted_content"]
        if ask.max_tokens:
            request["max_output_tokens"] = ask.max_tokens
        if not stream:
            return self.decode(self.client.responses.create(**request))
        return self.decode(self.streamed(request))

    def streamed(self, request: dict[str, Any]) -> Any:
        """The final response; what the SDK only tells as an event is raised."""
        self.heard = ""
        with self.client.responses.stream(**request) as events:
            for event in events:
                if event.type == "response.output_text.delta":
                    self.heard += event.delta
                if event.type == "error":
                    raise StreamFailed(f"{event.code}: {event.message}")
                if event.type == "response.failed":
                    raise StreamFailed(f"{event.response.error.code}: {event.response.error.message}")
                if event.type == "response.incomplete":
                    return event.response
            try:
                return events.get_final_response()
            except RuntimeError as error:
                raise AssertionError("the stream ended without a terminal event") from error

    def decode(self, response: Any) -> Said:
        said = Said(model=response.model, native=response, usage=self.usage(response.usage))
        for item in response.output:
            if item.type == "message":
                for part in item.content:
                    if part.type == "output_text":
                        said.text += part.text
                    elif part.type == "refusal":
                        said.refusal += part.refusal
            elif item.type == "reasoning":
                said.thoughts += "".join(part.text for part in item.summary)
            elif item.type == "function_call":
                said.calls.append(Call(item.call_id, item.name, json.loads(item.arguments)))
            elif item.type == "custom_tool_call":
                said.calls.append(Call(item.call_id, item.name, {"input": item.input}))
        if response.status == "incomplete":
            reason = response.incomplete_details.reason
            said.stop = INCOMPLETE.get(reason, reason)
        elif response.status == "completed":
            said.stop = "calls" if said.calls else "refusal" if said.refusal else "end"
        else:
            said.stop = response.status
        return said

    def usage(self, usage: Any) -> Usage | None:
        if usage is None:
            return None
        assert not self.sums or usage.total_tokens == usage.input_tokens + usage.output_tokens
        cached, reasoning = usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens
        return Usage(usage.input_tokens, usage.output_tokens, cached, reasoning)

    def failure(self, error: Exception) -> Failure:
        return openai_errors.failure(error)
