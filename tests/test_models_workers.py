"""Writing responses with several workers: real processes, a real scheduler, workers that are killed."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from models.backends.decoding import Generated
from models.backends.scripted import ScriptedBackend
from models.generation.response import GeneratedResponse
from models.generation.run import GenerationStep, generate_responses
from models.generation.task import ResponseTask
from models.serving.sockets import listening_socket
from models.workers import cluster as cluster_module
from models.workers.cluster import ClusterPool
from models.workers.pools import LocalPool
from protocols import shipped_protocols
from study.errors import GenerationError, ModelError
from study.protocol.loading import resolve_includes
from study.protocol.schema import Prompt, Protocol
from study.protocol.systems import Decoding, System
from study.store.responses import read_responses
from study.store.study import Study, create_study
from tests.fixtures_cluster import Cluster, kill, running_cluster

WORRIES = ("my exam", "the rent", "my sleep", "my friends", "my work", "the move", "my family")
Texts = dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def slow_endpoint() -> Iterator[str]:
    """The scripted system behind a real address, 20 ms a reply: there is time to kill a worker."""
    import uvicorn

    from models.serving.application import ServedModel, create_app

    class Slow(ScriptedBackend):
        def generate(self, *given: Any, **named: Any) -> Generated:
            time.sleep(0.02)
            return super().generate(*given, **named)

    app = create_app([ServedModel("m", Slow())], queue_size=64, close_backends=True)
    with listening_socket("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        server.should_exit = True
        thread.join(timeout=10)


def prompts(number: int) -> tuple[Prompt, ...]:
    return tuple(
        Prompt(id=f"p{n:02}", topic="t", text=f"I worry about {WORRIES[n % 7]}, day {n}.")
        for n in range(number)
    )


def protocol_of(number: int, *systems: System) -> Protocol:
    return Protocol.model_construct(id="p", prompts=prompts(number), systems=systems)


def endpoint_system(address: str, name: str = "far") -> System:
    return System(id=name, title=name, backend="openai", model="m", endpoint=address)


def written(
    protocol: Protocol,
    folder: Path,
    *,
    on_saved: Callable[[int], None] = lambda done: None,
    **where: Any,
) -> Texts:
    """All texts; a second response to the same prompt by the same system is an error."""
    texts: Texts = {}

    def save(response: GeneratedResponse) -> None:
        place = (response.prompt_id, response.system_id)
        assert place not in texts
        texts[place] = response.text

    def progress(step: GenerationStep) -> None:
        if step.state == "saved":
            on_saved(step.done)

    generate_responses(
        protocol, existing=(), study_folder=folder, save=save, progress=progress, **where
    )
    return texts


def test_a_worker_killed_in_mid_run_loses_nothing_and_doubles_nothing(
    cluster: Cluster, slow_endpoint: str, tmp_path: Path
) -> None:
    """Oracle: the texts of one local process; hand count 30 prompts by 2 systems."""
    declared = protocol_of(
        30,
        endpoint_system(slow_endpoint),
        System(id="near", title="near", backend="scripted", decoding=Decoding(seed=3)),
    )
    here = written(declared, tmp_path)
    victim = cluster.start_worker()
    cluster.wait_for(3)
    killed_at = []

    def on_saved(done: int) -> None:
        if done == 12:
            kill(victim)
            killed_at.append(done)

    there = written(declared, tmp_path, cluster=cluster.address, on_saved=on_saved)
    assert killed_at == [12]
    assert len(there) == 60
    assert there == here


@pytest.mark.slow
def test_a_scheduler_lost_in_mid_run_is_said_and_what_was_written_is_kept(
    slow_endpoint: str, tmp_path: Path
) -> None:
    kept: Texts = {}
    with running_cluster(tmp_path / "cluster") as doomed:
        doomed.wait_for(2)

        def save(response: GeneratedResponse) -> None:
            kept[response.prompt_id, response.system_id] = response.text
            if len(kept) == 8:
                kill(doomed.processes[0])

        declared = protocol_of(30, endpoint_system(slow_endpoint))
        with pytest.raises(ModelError, match=r"The scheduler at .* was lost in the middle"):
            generate_responses(
                declared, existing=(), study_folder=tmp_path, save=save, cluster=doomed.address
            )
    assert 8 <= len(kept) < 30
    assert kept.items() <= written(declared, tmp_path).items()


@pytest.mark.slow
def test_two_processes_here_write_what_one_does_also_when_they_are_killed(
    slow_endpoint: str, tmp_path: Path
) -> None:
    """Oracle: the texts of this process."""
    declared = protocol_of(20, endpoint_system(slow_endpoint))
    here = written(declared, tmp_path)
    killed = []

    def on_saved(done: int) -> None:
        if done == 8:
            for child in worker_processes():
                os.kill(child, signal.SIGKILL)
                killed.append(child)

    there = written(declared, tmp_path, workers=2, on_saved=on_saved)
    assert len(killed) == 2
    assert there == here
    assert worker_processes() == set()


def test_a_task_that_ends_every_worker_is_given_up_with_its_reason(tmp_path: Path) -> None:
    """Locally a task may go again; Dask has tried by itself before it gives one up."""
    pool = LocalPool(2)
    lost = pool.loss(pool.submit(os._exit, 1).exception(30))  # type: ignore[arg-type]
    assert lost is not None
    assert lost.again
    assert "worker process ended" in lost.reason
    assert pool.submit(abs, -3).result(30) == 3
    assert pool.loss(ValueError("a defect")) is None
    pool.close()
    with running_cluster(tmp_path / "cluster") as doomed:
        doomed.wait_for(2)
        cluster = ClusterPool(doomed.address, [])
        error = cluster.submit(os._exit, 1).exception(60)
        assert error is not None
        lost = cluster.loss(error)
        assert lost is not None
        assert not lost.again
        assert (
            "2 workers were lost in the middle of it, the last at tcp://127.0.0.1:" in lost.reason
        )
        doomed.processes[0].kill()
        with pytest.raises(ModelError, match=r"The scheduler at .* was lost in the middle"):
            for _ in range(200):
                cluster.check()
                time.sleep(0.05)
        cluster.close()


@pytest.mark.slow
@pytest.mark.offline_model
def test_the_offline_file_writes_the_same_on_workers_which_load_it_once(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Oracle: the text of one local process; the runtime's process lives on between two runs."""
    offline = System(
        id="offline",
        title="Offline",
        backend="executorch",
        model="shipped:demo-tuned.pte",
        tokenizer="shipped:demo-tuned",
        decoding=Decoding(max_new_tokens=12, seed=5),
    )
    declared = protocol_of(2, offline)
    here = written(declared, tmp_path)
    assert written(declared, tmp_path, cluster=cluster.address) == here
    before = runtime_processes(cluster)
    assert before
    assert written(declared, tmp_path, cluster=cluster.address) == here
    assert before <= runtime_processes(cluster)


def runtime_processes(cluster: Cluster) -> set[int]:
    """Process ids of the offline runtimes that the workers hold."""
    return children({process.pid for process in cluster.processes})


def worker_processes() -> set[int]:
    """Process ids of the pool's processes in this one."""
    found = set()
    for pid in children({os.getpid()}):
        with contextlib.suppress(OSError):
            if b"serve_tasks" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
    return found


def children(parents: set[int]) -> set[int]:
    """Process ids of the processes that these have started and that run."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(
                line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line
            )
            if int(fields["PPid"]) in parents:
                found.add(int(fields["Pid"]))
    return found


def test_workers_without_the_same_files_are_named_before_anything_starts(
    cluster: Cluster, tmp_path: Path
) -> None:
    # A test before may have killed one, which another takes the place of.
    cluster.wait_for(2)
    offline = System(id="offline", title="O", backend="executorch", model="shipped:demo-tuned.pte")
    other = ResponseTask(offline, prompts(1)[0], tmp_path, {"demo-tuned.pte": "0" * 64})
    missing = ResponseTask(
        offline.model_copy(update={"model": "gone.pte"}), prompts(1)[0], tmp_path, {"gone.pte": "1"}
    )
    with pytest.raises(ModelError) as caught:
        ClusterPool(cluster.address, [other, missing])
    said = str(caught.value)
    assert said.count("worker tcp://127.0.0.1:") == 4
    assert "demo-tuned.pte" in said
    assert "differs from the file of the machine that runs" in said
    assert f"there is no .pte file at {tmp_path / 'gone.pte'}" in said


def test_a_key_stays_in_the_workers_own_environment(
    cluster: Cluster, slow_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is set here and not on the workers: it must not travel."""
    monkeypatch.setenv("EVENHAND_TEST_KEY", "top-secret")
    declared = endpoint_system(slow_endpoint).model_copy(
        update={"api_key_variable": "EVENHAND_TEST_KEY"}
    )
    assert b"top-secret" not in pickle.dumps(ResponseTask(declared, prompts(1)[0], tmp_path))
    assert len(written(protocol_of(1, declared), tmp_path)) == 1
    with pytest.raises(GenerationError) as caught:
        written(protocol_of(2, declared), tmp_path, cluster=cluster.address)
    assert "worker tcp://127.0.0.1:" in str(caught.value)
    assert "environment variable EVENHAND_TEST_KEY is not set" in str(caught.value)


def test_other_versions_and_wrong_addresses_are_refused_in_words(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that finds the metadata of another evenhand first, as after a forgotten update."""
    metadata = tmp_path / "evenhand-9.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: evenhand\nVersion: 9.9\n")
    cluster.wait_for(2)
    stranger = cluster.start_worker(PYTHONPATH=str(tmp_path))
    cluster.wait_for(3)
    with pytest.raises(ModelError, match=r"has evenhand 9\.9, expected 0\.1\.0"):
        ClusterPool(cluster.address, [])
    kill(stranger)
    cluster.wait_for(2)
    monkeypatch.setattr(cluster_module, "CONNECT_S", 0.5)
    for address, reason in (
        ("127.0.0.1:8786", "expected the scheduler's, such as tcp://"),
        ("tcp://127.0.0.1:9", "No Dask scheduler answers at tcp://127.0.0.1:9"),
        ("tls://127.0.0.1:9", "is encrypted, but Dask has no certificate"),
    ):
        with pytest.raises(ModelError, match=reason):
            ClusterPool(address, [])


def test_where_encryption_is_required_an_open_address_is_refused() -> None:
    import dask
    import distributed  # its defaults come with it

    assert not dask.config.get("distributed.comm.require-encryption"), distributed.__version__
    with (
        dask.config.set({"distributed.comm.require-encryption": True}),
        pytest.raises(ModelError, match=r"Use tls:// or change distributed\.comm"),
    ):
        ClusterPool("tcp://127.0.0.1:9", [])
    with (
        dask.config.set(
            {
                "distributed.comm.tls.ca-file": "/nowhere/ca.pem",
                "distributed.comm.tls.client.cert": "/nowhere/node.pem",
            }
        ),
        pytest.raises(ModelError, match="certificates cannot be read"),
    ):
        ClusterPool("tls://127.0.0.1:9", [])


@pytest.mark.slow
def test_ctrl_c_ends_a_run_on_the_cluster_and_the_next_one_goes_on(
    cluster: Cluster, slow_endpoint: str, tmp_path: Path
) -> None:
    """The real command, interrupted when 10 of 120 responses are saved."""
    study = long_study(tmp_path / "s", slow_endpoint)
    command = [sys.executable, "-m", "study.cli", "generate", "--study", str(study.folder)]
    process = subprocess.Popen(
        [*command, "--cluster", cluster.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while len(read_responses(study)) < 10:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors.decode()
    assert "What was done so far is kept" in errors.decode()
    assert "Traceback" not in errors.decode()
    kept = {response.id: response.text for response in read_responses(study)}
    assert 10 <= len(kept) < 120
    again = subprocess.run(
        [*command, "--cluster", cluster.address, "--json"], capture_output=True, check=True
    )
    assert sum(json.loads(again.stdout)["skipped"].values()) == len(kept)
    whole = {response.id: response.text for response in read_responses(study)}
    assert len(whole) == 120
    assert whole.items() >= kept.items()
    study.close()


def long_study(folder: Path, address: str) -> Study:
    """The demo protocol with 40 prompts and three systems behind one address."""
    protocol = YAML().load(resolve_includes(shipped_protocols()["demo"]))
    topic = protocol["topics"][0]["id"]
    protocol["prompts"] = [p.model_dump() | {"topic": topic} for p in prompts(40)]
    protocol["systems"] = [
        {"id": s["id"], "title": s["title"], "backend": "openai", "model": "m", "endpoint": address}
        for s in protocol["systems"]
    ]
    source = folder.with_suffix(".yaml")
    with source.open("w") as file:
        YAML().dump(protocol, file)
    return create_study(folder, source)
