"""Blinding: links, codes and labels against hand-made HMACs, and what the database does not hold."""

from __future__ import annotations

import base64
import hashlib
import hmac
import stat
from pathlib import Path

import pytest

from study import blinding
from study.store.raters import enrol, find_by_code, find_by_token
from study.store.study import Study

KEY = bytes(range(32))


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """Studies lie in memory: no test here waits for the disk."""
    return memory_folder


def _hmac(*parts: str) -> bytes:
    """HMAC-SHA256 over each part behind its length in four bytes, written out afresh."""
    message = b"".join(len(p).to_bytes(4, "big") + p.encode() for p in parts)
    return hmac.new(KEY, message, hashlib.sha256).digest()


def test_rater_token_is_the_hmac_of_its_parts() -> None:
    wanted = base64.urlsafe_b64encode(_hmac("rater-link", "abc")[:20]).rstrip(b"=").decode()
    assert blinding.rater_token(KEY, "abc") == wanted


def test_ids_are_hmacs_of_their_parts() -> None:
    assert blinding.rater_id(KEY, "student", 4) == _hmac("rater", "student", "4").hex()[:24]
    assert blinding.response_id(KEY, "p", "s") == _hmac("response", "p", "s").hex()[:24]
    assert blinding.assignment_id(KEY, "r", "x") == _hmac("assignment", "r", "x").hex()[:24]


def test_parts_cannot_be_shifted_into_one_another() -> None:
    assert blinding.response_id(KEY, "a", "bc") != blinding.response_id(KEY, "ab", "c")


def test_a_link_has_at_least_128_bits() -> None:
    """Decoded, the secret has 20 bytes; 2,000 of them are all different."""
    tokens = {blinding.rater_token(KEY, str(i)) for i in range(2000)}
    assert len(tokens) == 2000
    for token in tokens:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        assert len(raw) * 8 >= 128
    assert len(blinding.new_key()) == 32
    assert blinding.new_key() != blinding.new_key()


def test_coordinator_token_opens_only_with_its_own_secret() -> None:
    token = blinding.coordinator_token(KEY)
    assert blinding.is_coordinator_token(KEY, token)
    assert not blinding.is_coordinator_token(KEY, blinding.rater_token(KEY, "abc"))
    assert not blinding.is_coordinator_token(bytes(32), token)
    for odd in ("", "é", "\udcff", token + "\n"):
        assert not blinding.is_coordinator_token(KEY, odd)


def test_codes_have_no_ambiguous_letters() -> None:
    """No I, L, O or U (Crockford's base 32), so that a code read aloud is typed right."""
    codes = [blinding.rater_code(KEY, "student", slot) for slot in range(500)]
    labels = [blinding.blind_label(KEY, "r", str(i)) for i in range(500)]
    assert not set("ILOU") & set("".join(codes + labels))
    assert len(set(codes)) == 500
    assert all(len(code) == 9 and code[4] == "-" for code in codes)


def test_a_code_is_found_however_it_is_typed() -> None:
    assert blinding.normal_code(" 7qk2 m4xv ") == "7QK2-M4XV"
    assert blinding.normal_code("7QK2M4XV") == "7QK2-M4XV"
    assert blinding.normal_code("1Ol0-i000") == "1010-1000"


def test_labels_of_one_rater_all_differ() -> None:
    """With 3,000 responses the four letters collide (about 4 expected pairs of 2^20)."""
    responses = [f"response-{i}" for i in range(3000)]
    assert len({blinding.blind_label(KEY, "r", response) for response in responses}) < 3000
    assert len(set(blinding.blind_labels(KEY, "r", responses).values())) == 3000


def test_labels_differ_between_raters() -> None:
    responses = [f"response-{i}" for i in range(20)]
    first, second = (blinding.blind_labels(KEY, r, responses) for r in ("r1", "r2"))
    assert not set(first.values()) & set(second.values())


def test_system_codes_depend_on_the_key_and_not_on_the_protocols_order() -> None:
    systems = ["base", "tuned", "script"]
    assert blinding.system_codes(KEY, systems) == blinding.system_codes(KEY, systems[::-1])
    orders = {
        tuple(sorted(blinding.system_codes(bytes([i]) * 32, systems).items())) for i in range(60)
    }
    assert len(orders) == 6  # all permutations of three come up
    many = blinding.system_codes(KEY, [f"s{i}" for i in range(28)])
    assert sorted(many.values(), key=lambda code: (len(code), code))[25:] == ["Z", "AA", "AB"]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_links_and_key_are_nowhere_in_the_database_file(locked: Study) -> None:
    """The bytes of study.db and of its write-ahead log, searched."""
    enrolled = enrol(locked, "student", 3)
    held = b"".join(path.read_bytes() for path in locked.folder.glob("study.db*"))
    assert enrolled[0].rater.code.encode() in held  # the search finds what is there
    for secret in [*(e.token for e in enrolled), blinding.coordinator_token(locked.key)]:
        assert secret.encode() not in held
        assert base64.urlsafe_b64decode(secret + "=") not in held
    assert locked.key not in held
    assert locked.key.hex().encode() not in held


def test_the_key_file_is_for_its_owner_only(locked: Study) -> None:
    file: Path = locked.folder / "study.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert bytes.fromhex(file.read_text().strip()) == locked.key


def test_a_printed_study_shows_neither_key_nor_systems(locked: Study) -> None:
    printed = repr(locked)
    assert repr(locked.key) not in printed
    assert "zebrafinch" not in printed


def test_rater_is_found_by_link_and_by_code(locked: Study) -> None:
    enrolled = enrol(locked, "student", 1)[0]
    assert find_by_token(locked, enrolled.token).code == enrolled.rater.code
    assert find_by_code(locked, enrolled.rater.code.lower().replace("-", " ")) == enrolled.rater
