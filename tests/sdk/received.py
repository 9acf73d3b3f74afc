"""What the simulator received, held against the provider's own schema: the types of its official SDK."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Union

from anthropic.types import message_create_params
from google.genai import types
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params
import limits
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

#: Unknown members are mistakes: SDK types know all that the provider knows.
STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


def adapter(*variants: Any) -> TypeAdapter[Any]:
    # The list carries the configuration into the TypedDicts, which would not take it themselves.
    return TypeAdapter(list[Union[variants]], config=STRICT)


class GenerateContentRequest(BaseModel):
    """The body of generateContent; the SDK has types for all of its members, but none for the whole."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, val_json_bytes="base64", arbitrary_types_allowed=True
    )
    contents: list[types.Content]
    system_instruction: types.Content | None = None
    tools: list[types.Tool] | None = None
    tool_config: types.ToolConfig | None = None
    safety_settings: list[types.SafetySetting] | None = None
    generation_config: types.GenerationConfig | None = None
    cached_content: str | None = None


PARAMS = {
    "openai_chat": adapter(
        completion_create_params.CompletionCreateParamsNonStreaming,
        completion_create_params.CompletionCreateParamsStreaming,
    ),
    "openai_responses": adapter(
        response_create_params.ResponseCreateParamsNonStreaming, response_create_params.ResponseCreateParamsStreaming
    ),
    "anthropic": adapter(
        message_create_params.MessageCreateParamsNonStreaming, message_create_params.MessageCreateParamsStreaming
    ),
}


def consume(value: Any) -> None:
    """Walks into every iterable: pydantic validates an `Iterable` only while it is read."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        for item in value:
            consume(item)


def with_known_gaps(dialect: str, body: dict[str, Any]) -> dict[str, Any]:
    """The body with the members filled in that the provider does not miss."""
    gaps = limits.TAKEN_BEYOND_TYPES.get(dialect, {})
    items = body.get("input")
    if not gaps or not isinstance(items, list):
        return body
    filled = [
        {**{member: "" for kind, member in gaps if kind == item.get("type") and item.get("encrypted_content")}, **item}
        for item in items
    ]
    return {**body, "input": filled}


def check(sent: dict[str, Any]) -> None:
    """Fails if a request does not fit its provider's schema."""
    dialect, body = sent["dialect"], sent["body"]
    try:
        if dialect == "gemini":
            GenerateContentRequest.model_validate_json(json.dumps(body))
        else:
            consume(PARAMS[dialect].validate_python([with_known_gaps(dialect, body)]))
    except ValidationError as error:
        # A union tells the mistakes of all its variants: the start will do.
        mistakes = "\n".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:40])
        raise AssertionError(f"{dialect} would not know this body:\n{mistakes}\n{json.dumps(body)}") from None
