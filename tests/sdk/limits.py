"""What a pair of protocols honestly cannot carry, with the reason. Everything else has to arrive."""

from __future__ import annotations

from plan import CLIENTS

#: Providers that stop a refused answer without a word of it.
REFUSES_WITHOUT_WORDS = {"gemini": "finishReason SAFETY comes without content"}

#: Where the provider's own model name stays: the same protocol on both sides, so the bytes pass untouched.
SPLICED = {(name, name): "no byte of the answer is rewritten" for name in CLIENTS}

#: What a provider takes although the types of its SDK do not say so: dialect → (item type, member that is missing).
TAKEN_BEYOND_TYPES = {
    "openai_responses": {
        ("reasoning", "id"): "the cipher text is bound to the id and stands alone without one; OpenAI's own agent leaves "
        "the id out; a client of another protocol has a slot for the cipher text only, so no true id is left",
    }
}
