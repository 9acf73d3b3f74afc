"""Chat Completions through the `openai` SDK."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai

from . import openai_errors
from .neutral import KEY, TIMEOUT, Ask, Call, Driver, Failure, Said, Usage

STOPS = {"stop": "end", "tool_calls": "calls", "length": "length", "content_filter": "refusal"}


class OpenAIChat(Driver):
    name = "openai_chat"

    def __init__(self, url: str) -> None:
        super().__init__()
        self.client = openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=TIMEOUT)

    def opening(self, ask: Ask) -> list[Any]:
        content: Any = ask.text
        if ask.png:
            url = "data:image/png;base64," + base64.b64encode(ask.png).decode()
            content = [{"type": "text", "text": ask.text}, {"type": "image_url", "image_url": {"url": url}}]
        system = [{"role": "system", "content": ask.system}] if ask.system else []
        return [*system, {"role": "user", "content": content}]

    def with_results(self, history: list[Any], said: Said, results: list[str]) -> list[Any]:
        tools = [
            {"role": "tool", "tool_call_id": call.id, "content": result}
            for call, result in zip(said.calls, results, strict=True)
        ]
        return [*history, self.kept(said), *tools]

    def with_words(self, history: list[Any], said: Said, text: str) -> list[Any]:
        return [*history, self.kept(said), {"role": "user", "content": text}]

    def kept(self, said: Said) -> dict[str, Any]:
        """The members that the protocol knows: most users keep no others."""
        message = said.native.choices[0].message.to_dict()
        kept = {name: message[name] for name in ("role", "content", "tool_calls") if message.get(name) is not None}
        for call in kept.get("tool_calls", []):
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
        return kept

    def send(self, model: str, history: list[Any], ask: Ask, stream: bool) -> Said:
        request: dict[str, Any] = {"model": model, "messages": history}
        if ask.tools:
            request["tools"] = [
                {"type": "function", "function": {"name": t.name, "description": t.description, "parameters": t.schema}}
                for t in ask.tools
            ]
        if ask.schema:
            answer = {"name": "answer", "schema": ask.schema, "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": answer}
        if ask.thinking:
            request["reasoning_effort"] = "medium"
        if ask.max_tokens:
            request["max_completion_tokens"] = ask.max_tokens
        if not stream:
            return self.decode(self.client.chat.completions.create(**request))
        self.heard = ""
        with self.client.chat.completions.stream(**request, stream_options={"include_usage": True}) as events:
            for event in events:
                if event.type == "content.delta":
                    self.heard += event.delta
            # The SDK's final object raises for `length` and `content_filter`; its snapshot is the same without.
            return self.decode(events.current_completion_snapshot)

    def decode(self, completion: Any) -> Said:
        # Asked for one; recorded answers may have more.
        choice = completion.choices[0]
        message = choice.message
        calls = [self.call(call) for call in message.tool_calls or []]
        refused = choice.finish_reason == "stop" and message.refusal
        return Said(
            text=message.content or "",
            thoughts=getattr(message, "reasoning_content", None) or "",
            refusal=message.refusal or "",
            calls=calls,
            stop="refusal" if refused else STOPS.get(choice.finish_reason, choice.finish_reason),
            usage=self.usage(completion.usage),
            model=completion.model,
            native=completion,
        )

    def call(self, call: Any) -> Call:
        custom = getattr(call, "custom", None)
        if custom and call.type == "custom":
            # The SDK's stream leaves it a dictionary.
            custom = custom if isinstance(custom, dict) else custom.to_dict()
            return Call(call.id, custom["name"], {"input": custom["input"]})
        return Call(call.id, call.function.name, json.loads(call.function.arguments))

    def usage(self, usage: Any) -> Usage | None:
        if usage is None:
            return None
        assert not self.sums or usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0
        reasoning = usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details else None
        return Usage(usage.prompt_tokens, usage.completion_tokens, cached or 0, reasoning)

    def failure(self, error: Exception) -> Failure:
        return openai_errors.failure(error)
