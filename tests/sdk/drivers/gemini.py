"""generateContent through the `google-genai` SDK."""

from __future__ import annotations

from typing import Any

import httpx2
from google import genai
from google.genai import errors, types

from .neutral import KEY, TIMEOUT, Ask, Call, Driver, Failure, Said, Usage

REFUSALS = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"}
KINDS = {400: "invalid", 401: "auth", 403: "auth", 429: "limited"}


class Gemini(Driver):
    name = "gemini"

    def __init__(self, url: str) -> None:
        super().__init__()
        once = types.HttpRetryOptions(attempts=1)
        options = types.HttpOptions(base_url=url, timeout=int(TIMEOUT * 1000), retry_options=once)
        self.client = genai.Client(api_key=KEY, vertexai=False, http_options=options)

    def opening(self, ask: Ask) -> list[Any]:
        parts = [types.Part(text=ask.text)]
        if ask.png:
            parts.insert(0, types.Part.from_bytes(data=ask.png, mime_type="image/png"))
        return [types.Content(role="user", parts=parts)]

    def with_results(self, history: list[Any], said: Said, results: list[str]) -> list[Any]:
        pairs = zip(said.calls, results, strict=True)
        responses = [
            types.FunctionResponse(id=call.id or None, name=call.name, response={"result": result})
            for call, result in pairs
        ]
        parts = [types.Part(function_response=response) for response in responses]
        return [*history, said.native, types.Content(role="user", parts=parts)]

    def with_words(self, history: list[Any], said: Said, text: str) -> list[Any]:
        return [*history, said.native, types.Content(role="user", parts=[types.Part(text=text)])]

    def send(self, model: str, history: list[Any], ask: Ask, stream: bool) -> Said:
        config = types.GenerateContentConfig(system_instruction=ask.system, max_output_tokens=ask.max_tokens)
        config.automatic_function_calling = types.AutomaticFunctionCallingConfig(disable=True)
        if ask.tools:
            functions = [
                types.FunctionDeclaration(name=t.name, description=t.description, parameters_json_schema=t.schema)
                for t in ask.tools
            ]
            config.tools = [types.Tool(function_declarations=functions)]
        if ask.schema:
            config.response_mime_type, config.response_json_schema = "application/json", ask.schema
        if ask.thinking:
            config.thinking_config = types.ThinkingConfig(include_thoughts=True, thinking_level="HIGH")
        request = {"model": model, "contents": history, "config": config}
        self.heard = ""
        if not stream:
            return self.decode([self.client.models.generate_content(**request)])
        chunks = []
        for chunk in self.client.models.generate_content_stream(**request):
            chunks.append(chunk)
            self.heard += "".join(part.text or "" for part in parts_of(chunk))
        return self.decode(chunks)

    def decode(self, chunks: list[types.GenerateContentResponse]) -> Said:
        said, parts = Said(), []
        for chunk in chunks:
            parts += parts_of(chunk)
            if chunk.usage_metadata:
                said.usage = self.usage(chunk.usage_metadata)
            said.model = chunk.model_version or said.model
            for candidate in chunk.candidates or []:
                if candidate.finish_reason:
                    said.stop = candidate.finish_reason.value
        for part in parts:
            if part.function_call:
                call = part.function_call
                said.calls.append(Call(call.id or "", call.name, call.args or {}))
            elif part.text and part.thought:
                said.thoughts += part.text
            elif part.text:
                said.text += part.text
        if said.stop in REFUSALS:
            said.stop = "refusal"
        else:
            names = {"STOP": "calls" if said.calls else "end", "MAX_TOKENS": "length"}
            said.stop = names.get(said.stop or "", said.stop)
        said.native = types.Content(role="model", parts=parts)
        return said

    def usage(self, usage: types.GenerateContentResponseUsageMetadata) -> Usage:
        prompt, visible = usage.prompt_token_count or 0, usage.candidates_token_count or 0
        thoughts = usage.thoughts_token_count or 0
        assert not self.sums or usage.total_token_count == prompt + visible + thoughts
        # What the provider's own tools read is input too, and counted apart.
        prompt += usage.tool_use_prompt_token_count or 0
        return Usage(prompt, visible + thoughts, usage.cached_content_token_count or 0, thoughts)

    def failure(self, error: Exception) -> Failure:
        if isinstance(error, httpx2.TimeoutException):
            return Failure("hang", None, str(error), None, error)
        if isinstance(error, httpx2.TransportError):
            return Failure("broken", None, str(error), None, error)
        if not isinstance(error, errors.APIError):
            raise error
        headers = getattr(error.response, "headers", None) or {}
        after = headers.get("retry-after")
        status = getattr(error.response, "status_code", None)
        kind = "broken" if status in (None, 200) else KINDS.get(status, "server" if status >= 500 else "status")
        return Failure(kind, error.code, str(error), float(after) if after else retry_info(error), error)


def parts_of(chunk: types.GenerateContentResponse) -> list[types.Part]:
    candidates = chunk.candidates or []
    return [part for candidate in candidates if candidate.content for part in candidate.content.parts or []]


def retry_info(error: errors.APIError) -> float | None:
    """Google tells the wait in the body."""
    details = error.details.get("error", {}).get("details", []) if isinstance(error.details, dict) else []
    waits = [detail["retryDelay"] for detail in details if detail.get("@type", "").endswith("RetryInfo")]
    return float(waits[0].removesuffix("s")) if waits else None
