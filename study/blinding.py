"""Blinding: what raters' links, codes and labels are made of, and which code stands for a system.

Everything here is derived from the study's key with HMAC-SHA256, so nothing secret needs to be
stored in the database: whoever has the database alone can neither open a rater's link nor tell which
response an opaque id belongs to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

KEY_BYTES = 32
TOKEN_BYTES = 20

# Crockford's base 32: no I, L, O or U, so that a code read aloud is typed right.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_key() -> bytes:
    """A fresh study key of 256 random bits."""
    return secrets.token_bytes(KEY_BYTES)


def _derive(key: bytes, *parts: str | int) -> bytes:
    # The lengths go in, so that ("a", "bc") and ("ab", "c") give different values.
    message = b"".join(len(str(p).encode()).to_bytes(4, "big") + str(p).encode() for p in parts)
    return hmac.new(key, message, hashlib.sha256).digest()


def _readable(digest: bytes, length: int) -> str:
    number = int.from_bytes(digest, "big")
    letters = []
    for _ in range(length):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "".join(letters)


def rater_token(key: bytes, rater_id: str) -> str:
    """The secret in a rater's link: 160 bits, URL-safe."""
    digest = _derive(key, "rater-link", rater_id)[:TOKEN_BYTES]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def coordinator_token(key: bytes) -> str:
    """The secret in the coordinator's link: 160 bits, URL-safe."""
    digest = _derive(key, "coordinator-link")[:TOKEN_BYTES]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_coordinator_token(key: bytes, token: str) -> bool:
    """Whether a secret opens the coordinator's page (compared in constant time)."""
    return hmac.compare_digest(coordinator_token(key).encode(), _bytes(token))


def token_fingerprint(token: str) -> str:
    """What the database holds in place of a link's secret: its SHA-256 in hex."""
    return hashlib.sha256(_bytes(token)).hexdigest()


def _bytes(token: str) -> bytes:
    # An address can carry bytes that are not UTF-8; they come as lone surrogates.
    return token.encode("utf-8", "surrogatepass")


def rater_id(key: bytes, group: str, slot: int) -> str:
    """Opaque id of the rater in a group's slot."""
    return _derive(key, "rater", group, slot).hex()[:24]


def rater_code(key: bytes, group: str, slot: int) -> str:
    """The participant code that a rater can read aloud, for example ``"7QK2-M4XV"``."""
    text = _readable(_derive(key, "rater-code", group, slot), 8)
    return f"{text[:4]}-{text[4:]}"


def response_id(key: bytes, prompt_id: str, system_id: str) -> str:
    """Opaque id of the response of a system to a prompt."""
    return _derive(key, "response", prompt_id, system_id).hex()[:24]


def assignment_id(key: bytes, rater: str, response: str) -> str:
    """Opaque id of one response shown to one rater; safe on the wire."""
    return _derive(key, "assignment", rater, response).hex()[:24]


def blind_label(key: bytes, rater: str, response: str) -> str:
    """The label under which a rater sees a response. It differs from rater to rater."""
    return _readable(_derive(key, "label", rater, response), 4)


def blind_labels(key: bytes, rater: str, responses: Sequence[str]) -> dict[str, str]:
    """The labels of all responses that a rater sees, each a different one."""
    labels: dict[str, str] = {}
    for response in responses:
        label, attempt = blind_label(key, rater, response), 0
        while label in labels.values():
            attempt += 1
            label = _readable(_derive(key, "label", rater, response, attempt), 4)
        labels[response] = label
    return labels


def shuffled(key: bytes, purpose: str, names: Sequence[str]) -> list[str]:
    """Names in an order that the key and the purpose fix, for example items for one assignment."""
    # By digests and not by ``random``: its shuffle may differ between Python's versions, and a saved page
    # must come again in its order after an update.
    return sorted(names, key=lambda name: _derive(key, "order", purpose, name))


def receipt_code(key: bytes, rater_id: str) -> str:
    """What a rater gets for complete answers, for example ``"7QK2M-4XV9A"``; 50 bits."""
    text = _readable(_derive(key, "receipt", rater_id), 10)
    return f"{text[:5]}-{text[5:]}"


def chat_model_name(key: bytes, system_id: str) -> str:
    """The name under which a system answers at the study's chat address; it names no system."""
    return f"m-{_derive(key, 'chat-model', system_id).hex()[:12]}"


def seed(key: bytes, *purpose: str | int) -> int:
    """A seed from 0 to 2**31 - 1 that the key and the purpose fix."""
    return int.from_bytes(_derive(key, "seed", *purpose)[:4], "big") >> 1


def normal_code(typed: str) -> str:
    """A participant code as it is stored, from how a person typed it.

    Spaces and hyphens do not matter, nor does case; I and L are read as 1, O as 0.
    """
    letters = normal_letters(typed)
    return f"{letters[:4]}-{letters[4:]}"


def normal_letters(typed: str) -> str:
    """The letters of a code that a person typed, without what is easily mistaken."""
    letters = "".join(typed.upper().replace("-", "").split())
    return letters.replace("I", "1").replace("L", "1").replace("O", "0")


def system_codes(key: bytes, system_ids: Sequence[str]) -> dict[str, str]:
    """System -> the code that stands for it until unblinding (``"A"``, ``"B"``, ...).

    The order of the codes depends on the key, not on the order in the protocol.
    """
    shuffled = sorted(system_ids, key=lambda system: _derive(key, "system-code", system))
    return {system: _letters(i) for i, system in enumerate(shuffled)}


def _letters(index: int) -> str:
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
