"""One driver for each client protocol: what a user of the official SDK writes, and what the SDK decoded."""

from __future__ import annotations

from functools import cache

from .anthropic_messages import AnthropicMessages
from .gemini import Gemini
from .neutral import Driver
from .openai_chat import OpenAIChat
from .openai_responses import OpenAIResponses

DRIVERS = {kind.name: kind for kind in (OpenAIChat, OpenAIResponses, AnthropicMessages, Gemini)}


@cache
def driver(name: str, url: str) -> Driver:
    """The driver of a protocol; its client is used by all tests."""
    return DRIVERS[name](url)
