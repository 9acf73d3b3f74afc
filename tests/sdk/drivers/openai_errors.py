"""What the exceptions of the `openai` SDK mean."""

from __future__ import annotations

import openai

from .neutral import Failure, StreamFailed

KINDS: list[tuple[type[Exception], str]] = [
    (openai.BadRequestError, "invalid"),
    (openai.AuthenticationError, "auth"),
    (openai.PermissionDeniedError, "auth"),
    (openai.RateLimitError, "limited"),
    (openai.InternalServerError, "server"),
    (openai.APIStatusError, "status"),
    (openai.APITimeoutError, "hang"),
    (openai.APIError, "broken"),
    (StreamFailed, "broken"),
]


def failure(error: Exception) -> Failure:
    """Exceptions that are not the SDK's own are raised again."""
    kind = next((kind for known, kind in KINDS if isinstance(error, known)), None)
    if kind is None:
        raise error
    response = getattr(error, "response", None)
    after = response.headers.get("retry-after") if response is not None else None
    status = getattr(error, "status_code", None)
    return Failure(kind, status, str(error), float(after) if after else None, error, getattr(error, "code", None))
