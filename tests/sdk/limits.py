"""What a pair of protocols honestly cannot carry, with the reason. Everything else has to arrive."""

from __future__ import annotations

from plan import CLIENTS, UPSTREAMS

#: Providers that stop a refused answer without a word of it.
REFUSES_WITHOUT_WORDS = {"gemini": "finishReason SAFETY comes without content"}
