"""What is compared, each in a process of its own: the offline file, transformers, llama.cpp."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from models.backends.decoding import DecodingSettings, Generated, Logits, decode_reply
from models.backends.peak_memory import peak_memory_bytes
from models.separate_process import start_process
from study.errors import ModelError

Runtime = Literal["executorch", "transformers", "llama.cpp"]
Forward = Callable[[Sequence[int], int], Logits]

# Loading a billion weights takes seconds; a machine that needs longer than this is stuck.
_LIMIT_S = 1800.0
_WARM_UP_TOKENS = 4


@dataclass(frozen=True)
class Contender:
    """One runtime with its file.

    Parameters
    ----------
    runtime : {"executorch", "transformers", "llama.cpp"}
    name : str
        As in tables.
    path : Path
        A ``.pte`` file, a checkpoint folder or a GGUF file.
    weight_bytes : float
        Bytes of weights that one token needs.
    """

    runtime: Runtime
    name: str
    path: Path
    weight_bytes: float


@dataclass(frozen=True)
class Task:
    """What every contender does: read the same prompt, write as many tokens, on as many threads."""

    prompt: tuple[int, ...]
    tokens: int
    threads: int
    context_length: int = 512


@dataclass(frozen=True)
class Measured:
    """One run in a fresh process.

    Attributes
    ----------
    tokens_per_second : float
        Tokens after the first, over the seconds after the first.
    cpu_s_per_token : float
        Processor seconds of all threads for each of these tokens, waiting in a loop included. With one
        thread it hardly depends on what else the machine does.
    first_token_s : float
        From an empty context to the first token, prompt read.
    peak_memory_bytes : int or None
        Of the whole process, Python and libraries included.
    tokens : tuple of int
        What was written, greedily.
    """

    tokens_per_second: float
    cpu_s_per_token: float
    first_token_s: float
    peak_memory_bytes: int | None
    tokens: tuple[int, ...]


def missing_packages(runtime: Runtime) -> list[str]:
    """Packages that a runtime needs and that are not installed here."""
    needed = {
        "executorch": ["executorch", "transformers"],
        "transformers": ["transformers", "torch"],
        "llama.cpp": ["llama_cpp", "gguf"],
    }
    return [name for name in needed[runtime] if importlib.util.find_spec(name) is None]


def measure(contender: Contender, task: Task) -> Measured:
    """Run a contender once, in a fresh process.

    Raises
    ------
    ModelError
        When the process ends without a result.
    """
    process, pipe = start_process("models.bench.contenders", "serve_measurement")
    answer: Measured | str | None = None
    try:
        pipe.send((contender, task))
        answer = pipe.recv() if pipe.poll(_LIMIT_S) else None
    except (EOFError, OSError):
        pass
    finally:
        if process.poll() is None and not isinstance(answer, Measured):
            process.kill()
        process.wait()
        pipe.close()
    if not isinstance(answer, Measured):
        raise ModelError(
            f"{contender.name} gave no result for {contender.path.name} "
            f"({answer or 'its process ended or hung'}). Check the free memory and run the "
            f"benchmark again."
        )
    return answer


def serve_measurement(pipe: Connection) -> None:
    """Entry point of the process: takes a contender and a task, sends what was measured."""
    contender, task = pipe.recv()
    try:
        pipe.send(measure_here(contender, task))
    except Exception as error:  # noqa: BLE001 - three libraries; the parent must be able to say it
        pipe.send(f"{type(error).__name__}: {error}")


def measure_here(contender: Contender, task: Task) -> Measured:
    """Load the contender, write a few tokens to warm up, then the reply that counts."""
    open_contender = {
        "executorch": _open_executorch,
        "transformers": _open_transformers,
        "llama.cpp": _open_llama,
    }[contender.runtime]
    new_reply = open_contender(contender.path, task)
    _write(new_reply(), replace(task, tokens=_WARM_UP_TOKENS))
    reply, tokens, cpu_s = _write(new_reply(), task)
    after_first = reply.completion_tokens - 1
    return Measured(
        after_first / (reply.latency_s - reply.first_token_s),
        cpu_s / after_first,
        reply.first_token_s,
        peak_memory_bytes(),
        tokens,
    )


def _write(forward: Forward, task: Task) -> tuple[Generated, tuple[int, ...], float]:
    """One greedy reply through evenhand's own loop, the same for all; no token ends it.

    Also the tokens that were read again, and the processor seconds since the first of them.
    """
    written: list[int] = []
    started = time.process_time()

    def noted(tokens: Sequence[int], position: int) -> Logits:
        nonlocal started
        if position:
            started = started if written else time.process_time()
            written.extend(tokens)
        return forward(tokens, position)

    reply = decode_reply(
        task.prompt,
        noted,
        lambda tokens: "",
        DecodingSettings(max_new_tokens=task.tokens, temperature=0.0),
        stop_tokens=frozenset(),
        context_length=task.context_length,
    )
    return reply, tuple(written), time.process_time() - started


def _open_executorch(pte: Path, task: Task) -> Callable[[], Forward]:
    from models.offline.export import tokenizer_folder
    from models.offline.worker import LoadedModel

    model = LoadedModel(str(pte), str(tokenizer_folder(pte)), threads=task.threads)
    return lambda: model.forward


def _open_transformers(checkpoint: Path, task: Task) -> Callable[[], Forward]:
    import torch

    from models.backends.transformers_backend import TransformersBackend

    torch.set_num_threads(task.threads)
    return TransformersBackend(checkpoint).forward_from_start


def _open_llama(gguf: Path, task: Task) -> Callable[[], Forward]:
    """llama.cpp through its C functions: the thin path, without the package's own copies."""
    import llama_cpp
    import numpy as np

    library: Any = llama_cpp
    library.llama_backend_init()
    model = library.llama_model_load_from_file(
        str(gguf).encode(), library.llama_model_default_params()
    )
    settings = library.llama_context_default_params()
    settings.n_ctx = settings.n_batch = task.context_length
    settings.n_threads = settings.n_threads_batch = task.threads
    context = library.llama_init_from_model(model, settings) if model else None
    if not context:
        raise ModelError(f"llama.cpp cannot load {gguf}.")
    vocabulary = library.llama_vocab_n_tokens(library.llama_model_get_vocab(model))

    def forward(tokens: Sequence[int], position: int) -> Logits:
        # The context knows the position: it grows by what was read.
        del position
        # The batch holds a bare pointer: the array must live until it is read.
        read = (library.llama_token * len(tokens))(*tokens)
        batch = library.llama_batch_get_one(read, len(tokens))
        if library.llama_decode(context, batch) != 0:
            raise ModelError("llama.cpp could not read the tokens.")
        logits: Logits = np.ctypeslib.as_array(
            library.llama_get_logits_ith(context, -1), shape=(vocabulary,)
        )
        return logits

    def new_reply() -> Forward:
        library.llama_memory_clear(library.llama_get_memory(context), True)
        return forward

    return new_reply
