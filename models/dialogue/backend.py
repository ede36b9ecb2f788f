"""The dialogue system as a backend: emotion, state and technique around another backend's reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.backends.decoding import DecodingSettings, Generated, StopReason
from models.backends.interface import Backend, Message
from models.backends.model_files import (
    library_versions,
    resolve_path,
    sha256_of_file,
)
from models.backends.scripted import picker
from models.dialogue.conversation_plan import PlannedTurn, plan_conversation
from models.dialogue.danger_signs import LANGUAGES, SIGNS_FOLDER
from models.dialogue.embeddings import Embedder, embedding_files
from models.dialogue.emotion_classifier import CLASSIFIER_FILE, load_classifier
from models.dialogue.safety_replies import REPLIES_FILE, safety_sentences
from models.dialogue.state_table import TABLE_FILE, Technique, state_table
from models.generation.cleaning import CleanedText, clean_response, cut_to_whole_sentences
from study.errors import GenerationError, ModelError
from study.protocol.systems import Dialogue

# Turns whose emotion is kept; a conversation sends its earlier turns again with every request.
_KEPT_EMOTIONS = 4096
_CUT_OFF_BY: frozenset[StopReason] = frozenset({"length", "context", "time"})


def dialogue_files(settings: Dialogue, study_folder: Path) -> dict[str, str]:
    """SHA-256 by name of the classifier and of the checkpoint whose vectors it reads.

    Raises
    ------
    ModelError
        When there is no classifier, or it cannot be read.
    """
    _, digest = load_classifier(settings.classifier, study_folder)
    classifier = resolve_path(settings.classifier, study_folder).name
    checkpoint = resolve_path(settings.embeddings, study_folder)
    return {f"{classifier}/{CLASSIFIER_FILE}": digest} | {
        f"{checkpoint.name}/{name}": digest for name, digest in embedding_files(checkpoint).items()
    }


class DialogueBackend:
    """Joins a technique, chosen from emotion and history, to the reply of another backend.

    The whole history decides, so nothing is remembered between requests. A sign of danger in a
    turn of the person gives a fixed reply, and nothing is generated until the table leaves its
    states of safety.

    Parameters
    ----------
    generator : Backend
        Loaded; closed with this one.
    settings : Dialogue
    checkpoint : Path
        The checkpoint that ``settings.embeddings`` names.
    study_folder : Path
        Where relative paths start.

    Raises
    ------
    ModelError
        When the classifier is missing, damaged or bound to another checkpoint.
    """

    def __init__(
        self, generator: Backend, settings: Dialogue, checkpoint: Path, study_folder: Path
    ) -> None:
        self._generator = generator
        self._settings = settings
        classifier, self._classifier_sha256 = load_classifier(settings.classifier, study_folder)
        embedder = Embedder(checkpoint)
        classifier.refuse_other_checkpoint(embedder)
        self._embeddings_sha256 = embedder.sha256
        self._table_sha256 = sha256_of_file(TABLE_FILE)
        rules = (REPLIES_FILE, *(SIGNS_FOLDER / f"{code}.toml" for code in LANGUAGES))
        self._safety_sha256 = {path.name: sha256_of_file(path) for path in rules}
        self._files = dialogue_files(settings, study_folder)
        self._read = lru_cache(_KEPT_EMOTIONS)(lambda text: classifier.read(embedder, text))
        self._latest: dict[str, Any] = {}

    def provenance(self) -> dict[str, Any]:
        """The generator's provenance, the parts of the dialogue and what led to the latest reply."""
        generator = self._generator.provenance()
        files = generator.get("files_sha256", {}) | self._files
        return {
            **generator,
            "backend": "dialogue",
            "generator": generator["backend"],
            "files_sha256": files,
            "libraries": library_versions("torch", "transformers", "tokenizers", "numpy")
            | generator["libraries"],
            "dialogue": {
                "classifier": self._settings.classifier,
                "classifier_sha256": self._classifier_sha256,
                "embeddings": self._settings.embeddings,
                "embeddings_sha256": self._embeddings_sha256,
                "table_sha256": self._table_sha256,
                "safety_sha256": self._safety_sha256,
                "technique_goes": self._settings.technique_goes,
                **self._latest,
            },
        }

    def generate(
        self,
        messages: Sequence[Message],
        settings: DecodingSettings,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Generated:
        """Write one reply (see :class:`models.backends.interface.Backend`).

        The reply comes whole, because the generated part is cleaned before the technique's
        sentence follows it. Limits and stop strings are those of the generated part. One that ran
        into a limit is cut back to its last whole sentence, or left out when it has none; sentences
        of the dialogue's own are never cut.
        """
        started = time.perf_counter()
        turns = [message["content"] for message in messages if message["role"] == "user"]
        if not turns:
            raise ModelError("The conversation has no message of the user; expected at least one.")
        planned = plan_conversation(turns, self._read, state_table())
        step = planned[-1]
        earlier = " ".join(m["content"] for m in messages if m["role"] == "assistant")
        if step.technique.fixed and step.sign is not None:
            pick = picker(earlier, settings)
            said = " ".join(safety_sentences(step.technique.id, step.sign, pick))
            reply, generated = Generated(said, said, 0, 0, 0.0, 0.0, "stop_token"), None
        else:
            # An empty piece shows nothing and still stops a reply that nobody waits for any more.
            told = None if on_text is None else lambda _piece: on_text("")
            reply, generated, said = self._generated(
                messages, settings, step.technique, earlier, told
            )
        self._latest = _what_led_to_it(planned, generated, said)
        if on_text is not None:
            on_text(reply.text)
        elapsed = time.perf_counter() - started
        return replace(reply, latency_s=elapsed, first_token_s=elapsed)

    def _generated(
        self,
        messages: Sequence[Message],
        settings: DecodingSettings,
        technique: Technique,
        earlier: str,
        told: Callable[[str], None] | None,
    ) -> tuple[Generated, CleanedText, str]:
        """The reply, its generated part and the technique's sentence (empty when it has none)."""
        to_generator = self._settings.technique_goes == "to-generator"
        asked = last_turns(messages, self._settings.generator_turns)
        if to_generator:
            asked = with_instruction(asked, technique.instruction)
        written = self._generator.generate(asked, settings, on_text=told)
        cleaned = clean_response(written.text)
        if not cleaned.text:
            raise GenerationError(
                f"the generator's reply is empty after cleaning (it wrote "
                f"{written.raw_text.strip()[:80]!r}, stopped by {written.stop_reason}); expected a "
                f"text. Try another decoding.seed or a larger max_new_tokens"
            )
        if written.stop_reason in _CUT_OFF_BY:
            cleaned = cut_to_whole_sentences(cleaned)
        said = "" if to_generator else sentence_of(technique, earlier)
        if not cleaned.text and not said:
            raise GenerationError(
                f"the generator's reply has no whole sentence (it wrote "
                f"{written.raw_text.strip()[:80]!r}, stopped by {written.stop_reason}); expected one "
                f"at least. Try a larger max_new_tokens"
            )
        joined = replace(
            written,
            text=_joined(cleaned.text, said),
            raw_text=_joined(written.raw_text, said),
        )
        return joined, replace(cleaned, raw_text=written.raw_text), said

    def close(self) -> None:
        """Close the generator and drop the vectors' checkpoint."""
        self._generator.close()
        self._read.cache_clear()


def sentence_of(technique: Technique, earlier: str) -> str:
    """The technique's first sentence that was not said before; the first when all were."""
    return next((text for text in technique.says if text not in earlier), technique.says[0])


def last_turns(messages: Sequence[Message], turns: int | None) -> Sequence[Message]:
    """The person's last messages with the replies to them, after the system message; None keeps all."""
    own = [at for at, message in enumerate(messages) if message["role"] == "user"]
    if turns is None or len(own) <= turns:
        return messages
    return [*(m for m in messages[:1] if m["role"] == "system"), *messages[own[-turns] :]]


def with_instruction(messages: Sequence[Message], instruction: str) -> list[Message]:
    """The messages with the instruction at the end of the system message, or as one."""
    first = messages[0]
    if first["role"] == "system":
        return [
            {"role": "system", "content": f"{first['content']}\n\n{instruction}"},
            *messages[1:],
        ]
    return [{"role": "system", "content": instruction}, *messages]


def _joined(generated: str, said: str) -> str:
    return "\n\n".join(part for part in (generated, said) if part)


def _what_led_to_it(
    planned: Sequence[PlannedTurn], generated: CleanedText | None, said: str
) -> dict[str, Any]:
    step = planned[-1]
    facts: dict[str, Any] = {
        "emotion": step.emotion.name if step.emotion else None,
        "probabilities": step.emotion.probabilities if step.emotion else None,
        "signal": step.signal,
        "danger": step.sign.kind if step.sign and step.signal == "danger" else None,
        "state_before": step.state_before,
        "state": step.state,
        "technique": step.technique.id,
        "techniques_before": [earlier.technique.id for earlier in planned[:-1]],
        "said": said,
        "generator_asked": generated is not None,
    }
    if generated is not None:
        facts |= {
            "generated_raw_text": generated.raw_text,
            "generated_text": generated.text,
            "generated_cleaning": list(generated.changes),
        }
    return facts
