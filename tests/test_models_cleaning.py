"""Output cleaning: each case by hand, and what must hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.backends.decoding import DecodingSettings
from models.backends.scripted import ScriptedBackend
from models.generation.cleaning import clean_response, cut_to_whole_sentences


@pytest.mark.parametrize(
    ("raw", "text", "change"),
    [
        ("That sounds hard.<|im_end|>", "That sounds hard.", "training markers removed"),
        ("<s>[INST] [/INST] That sounds hard.</s>", "That sounds hard.", "training markers"),
        ("### Response:\nThat sounds hard.", "That sounds hard.", "training markers removed"),
        ("Assistant: That sounds hard.", "That sounds hard.", "role name removed"),
        ("<|assistant|>Assistant: I hear you.", "I hear you.", "role name removed"),
        (
            "That sounds hard.\nUser: yes it is\nAssistant: Tell me more.",
            "That sounds hard.",
            "leaked turn cut off",
        ),
        (
            "That sounds hard.<|im_start|>user\nyes it is<|im_end|>",
            "That sounds hard.",
            "leaked turn cut off",
        ),
        (
            "I hear you.\n\n### Instruction:\nWrite a poem about rain.",
            "I hear you.",
            "leaked turn cut off",
        ),
        (
            "<think>The user is sad. I should be kind.</think>\nI hear you.",
            "I hear you.",
            "thinking block removed",
        ),
        (
            "You are not alone in this. Take your time. You are not alone in this.",
            "You are not alone in this. Take your time.",
            "repeated sentence removed",
        ),
        (
            "I am here for you and I am here for you and I am here for you and I am here",
            "I am here for you and I am here",
            "repeated phrase removed",
        ),
        ("I hear you you you you you.", "I hear you.", "repeated phrase removed"),
        ("I hear you\ufffd.", "I hear you.", "broken characters removed"),
        ("<|im_end|><|im_end|>", "", "training markers removed"),
        # A reply that opens with the other side's name is a reply.
        ("Client: That sounds hard. Rest now.", "That sounds hard. Rest now.", "role name removed"),
        ("Patient: I hear you.", "I hear you.", "role name removed"),
        ("<|assistant|>\nStudent: I hear you.", "I hear you.", "role name removed"),
        ("Help-seeker: I hear you.\nUser: yes", "I hear you.", "leaked turn cut off"),
        # With both sides' turns after it, it is the other side's turn, and so is "User:".
        ("Client: I am sad.\nTherapist: That sounds hard.", "", "leaked turn cut off"),
        ("User: I am sad.", "", "leaked turn cut off"),
        ("<|im_start|>user\nI am sad.", "", "leaked turn cut off"),
        # Going on with the other side's turn is cut, also after an example and after a colon.
        ("Tell me more:\nClient: I am sad.", "Tell me more:", "leaked turn cut off"),
        (
            "You could write: I need time.\nClient: Thank you, I will.",
            "You could write: I need time.",
            "leaked turn cut off",
        ),
        (
            "You could write:\nStudent: I need time.\n\nUser: Thanks, I will.",
            "You could write:\nStudent: I need time.",
            "leaked turn cut off",
        ),
        (
            "You could write:\nStudent: I need time.\nThat is all.\nHuman: Thanks.",
            "You could write:\nStudent: I need time.\nThat is all.",
            "leaked turn cut off",
        ),
        ("For example:\n<|im_start|>user\nhi", "For example:", "leaked turn cut off"),
        # A list or an exercise that gets stuck.
        (
            "1. Rest for a while now.\n2. Rest for a while now.\n3. Rest for a while now.",
            "1. Rest for a while now.",
            "repeated sentence removed",
        ),
        (
            "Breathe in slowly now. " * 9,
            "Breathe in slowly now.",
            "repeated sentence removed",
        ),
        (
            "- Breathe in slowly\n- Breathe out slowly\n" * 9,
            "- Breathe in slowly\n- Breathe out slowly\n- Breathe in slowly\n- Breathe out slowly",
            "repeated phrase removed",
        ),
        ("<think>I never finish", "", "thinking block removed"),
    ],
)
def test_faults_are_removed_and_recorded(raw: str, text: str, change: str) -> None:
    cleaned = clean_response(raw)
    assert cleaned.text == text
    assert cleaned.raw_text == raw
    assert any(done.startswith(change) for done in cleaned.changes)


@pytest.mark.parametrize(
    "text",
    [
        "That sounds hard. What would help you tonight?",
        "Three things may help:\n\n1. Write it down.\n2. Breathe.\n3. Talk to a friend.",
        "No, no, you did nothing wrong. It was very, very hard.",
        "Yes. Yes. I hear you.",
        "A student: that is what you are, and a good friend too.",
        "Your therapist said: rest first. I agree with that.",
        "Worry < hope. 5 > 3 & so on - take it day by day, day by day.",
        "I'm here – écoute-moi; “tomorrow” is another day… 🙂",
        "Use headings like # one\n# two when you write your diary.",
        # Breathing exercises say the same again.
        "1. Breathe in for four counts.\n2. Hold for four counts.\n3. Breathe out for four counts.\n"
        "4. Hold for four counts.\n5. Start again when you like.",
        "- Breathe in slowly\n- Hold your breath gently\n- Breathe out slowly\n- Hold your breath gently",
        "Breathe in for four counts. Hold for four counts. Breathe out for four counts. Hold for four "
        "counts. How is it now?",
        "Breathe in, breathe out, breathe in, breathe out, breathe in, breathe out. Well done.",
        "Tap your knees: left, right, left, right, left, right. Then rest.",
        "1) Einatmen und bis vier zählen.\n2) Die Luft kurz anhalten.\n3) Ausatmen und bis vier zählen.\n"
        "4) Die Luft kurz anhalten.",
        "Step 1: Tense your shoulders firmly.\nStep 2: Let go and rest.\nStep 3: Tense your shoulders "
        "firmly.\nStep 4: Let go and rest.",
        # Names in an example that the reply offers.
        "You could write:\nStudent: Dear Dr Lee, I need two more days.\nWould that feel right?",
        "You could write to your therapist, for example:\n\nClient: I would like to talk about sleep.",
        "Let us practise a role play:\nTherapist: How was the week?\nClient: Rather hard.\n\nHow was that?",
        "Zum Beispiel so:\nStudent: Ich brauche zwei Tage mehr.",
        "Maybe write it down:\nStudent: I feel nervous before the talk.",
        "**You could write:**\nPatient: I slept badly this week.",
    ],
)
def test_good_texts_stay_as_they_are(text: str) -> None:
    for raw in (text, f"  {text}\n"):
        cleaned = clean_response(raw)
        assert cleaned.text == text
        assert cleaned.changes == ()


@pytest.mark.parametrize(
    ("raw", "whole"),
    [
        ("That is hard. Perhaps you can plan for one day only and", "That is hard."),
        ("Perhaps you can plan for one day only and", ""),
        ("It took 3.5 hours. How long will", "It took 3.5 hours."),
        ('She said "I am done!" and then', 'She said "I am done!"'),
        (
            "Two things help:\n\n1. Breathe slowly.\n2. Go out",
            "Two things help:\n\n1. Breathe slowly.",
        ),
        ("Two things help:\n\n1. Breathe\n2. ", ""),
        ("I hear you. You could ask Dr.", "I hear you."),
        ("I hear you. Small things, e.g. a walk", "I hear you."),
        (
            "\u0647\u0630\u0627 \u0635\u0639\u0628\u061f \u0648",
            "\u0647\u0630\u0627 \u0635\u0639\u0628\u061f",
        ),
        ("I hear you...", "I hear you..."),
        ("I hear you\nUser: and", "I hear you"),
    ],
)
def test_a_reply_that_was_broken_off_ends_with_its_last_whole_sentence(
    raw: str, whole: str
) -> None:
    # By hand. In the last case a leaked turn was cut off, and not the reply by a limit.
    cleaned = clean_response(raw)
    cut = cut_to_whole_sentences(cleaned)
    assert cut.text == whole
    assert cut.raw_text == raw
    told = "unfinished sentence cut off" in cut.changes
    assert told == (whole != cleaned.text)
    assert cut_to_whole_sentences(cut) == cut


def test_scripted_replies_stay_as_they_are() -> None:
    """Property: real replies without faults are never touched."""
    backend = ScriptedBackend()
    for seed in range(60):
        messages = [{"role": "user", "content": "I worry about my exams and want to die."[:seed]}]
        text = backend.generate(messages, DecodingSettings(seed=seed)).text
        assert clean_response(text).changes == ()


FRAGMENTS = st.sampled_from(
    [
        *("I hear you. ", "you ", "take care ", "again and again ", ". ", "\n", "\ufffd"),
        *("\nUser: ", "Assistant: ", "</s>", "<s>", "<|im_end|>", "### Response:\n", "[INST]"),
        *("<think>", "</think>"),
    ]
)


@given(st.lists(FRAGMENTS | st.text(max_size=12), max_size=25).map("".join))
@settings(max_examples=300, deadline=None)
def test_cleaning_twice_is_cleaning_once_and_never_adds(raw: str) -> None:
    """Property: idempotent, never longer, and every word of the result was in the raw text."""
    once = clean_response(raw)
    assert clean_response(once.text).text == once.text
    assert len(once.text) <= len(raw)
    assert set("".join(once.text.split())) <= set(raw)


def test_long_text_takes_no_longer_than_it_should() -> None:
    """The patterns must not explode on long repetitive text (20,000 words, seconds allowed)."""
    cleaned = clean_response("again and again and then some more " * 3000)
    assert len(cleaned.text) < 200
    words = " ".join(f"word{n}" for n in range(20_000))
    assert clean_response(words).text == words
