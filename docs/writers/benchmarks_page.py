"""Write the offline model's chapter of docs/benchmarks.md.

Run it on the JSON files of ``evenhand bench models -o FILE``: python docs/writers/benchmarks_page.py FILE...
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "benchmarks.md"

START = "<!-- offline model: written by docs/writers/benchmarks_page.py -->\n"
END = "<!-- end of the offline model -->\n"

INTRODUCTION = """## Speed and memory of the offline model

The same weights run as an offline `.pte` file, in transformers (fp32) and in llama.cpp (Q4_0), on the
shipped demo model and on a model of the shape of Llama-3.2-1B with random weights, which `bench` makes
and keeps (a quarter of an hour, 10 GB of memory).

### What is counted

- **Tokens per second**: tokens after the first over the seconds after the first, written greedily by the
  same loop of evenhand after the same prompt. Each run is a fresh process; the runtimes take turns, round
  after round; the median counts, with the slowest and the fastest beside it.
- **First token**: from an empty context, the prompt read, to the first token; the files are loaded and a
  few tokens were written before.
- **Peak memory**: the most resident memory of the whole process, Python and libraries included.
- **Processor time**: of all threads for one token, waiting in a loop included. On a busy machine it says
  more than the clock, with one thread.
- **Share of the bandwidth**: bytes of weights that one token needs, times tokens per second, over the
  bandwidth. The bandwidth is that of a plain copy of 512 MiB on as many threads, bytes read and bytes
  written added up, the fastest of all copies of the run. The weights are all matrices of the layers and the
  output layer, with the scales of their groups (8da4w and Q4_0: 4.5 bits a weight); not the embedding, of
  which a token needs one row, nor norms, cache of keys and values, or activations. Where all weights may
  stay in the processor's cache, memory is not the limit and the share is not given.
- **Same weights**: unquantized, llama.cpp and transformers write the same tokens (a test). Quantized, the
  `.pte` and Q4_0 have the same number of bits but are rounded differently. All matrices of the GGUF file are
  Q4_0, the output layer too, which llama.cpp's own tool would keep at 6 bits.
"""


def machine_line(machine: dict[str, Any]) -> str:
    """Where and how it was measured."""
    busy = (
        "\n**Other programs took part of the machine while this was measured.** Threads that wait for one "
        "another then lose most, so the speeds do not count and no goal of speed is called met or missed; "
        "memory counts.\n"
        if machine["busy"]
        else ""
    )
    return (
        f"\n### Measured with {machine['threads']} thread{'s' if machine['threads'] > 1 else ''}\n\n"
        f"{machine['processors']} processors ({machine['processor']}), "
        f"prompt of {machine['prompt_tokens']} tokens, "
        f"{machine['tokens']} tokens written, {machine['rounds']} rounds, load average "
        f"{machine['load_at_start']} at the start, copy {machine['copy_gb_per_second']} GB/s.\n{busy}"
    )


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as a Markdown table."""
    lines = [
        "",
        "| model | runtime | tokens/s | slowest to fastest | processor ms/token | first token, s "
        "| peak MB | file MB | weights MB/token | share of the bandwidth |",
        "|---|---|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        head = f"| {row['model']} | {row['contender']} | "
        if not row["rounds"]:
            lines.append(f"{head}{row['note']} | | | | | | | |")
            continue
        share = row["share_of_bandwidth"]
        lines.append(
            f"{head}{row['tokens_per_second']:,.1f} | {row['slowest']:,.1f} to {row['fastest']:,.1f} | "
            f"{row['cpu_ms_per_token']:.2f} | {row['first_token_s']:.3f} | {row['peak_memory_mb']:,.0f} | "
            f"{row['file_mb']:,.0f} | {row['weight_mb_per_token']:,.0f} | "
            f"{'–' if share is None else f'{100 * share:.0f} %'} |"
        )
    return "\n".join([*lines, ""])


def goals(rows: list[dict[str, Any]]) -> str:
    """What was aimed at and reached."""
    lines = ["", "| model | goal | aim | reached | met |", "|---|---|---|---:|---|"]
    met = {True: "yes", False: "no", None: "not known"}
    for row in rows:
        reached = "–" if row["reached"] is None else f"{row['reached']:,.2f}"
        lines.append(
            f"| {row['model']} | {row['goal']} | {row['aim']} | {reached} | {met[row['met']]} |"
        )
    return "\n".join([*lines, ""])


def measured(file: Path) -> str:
    """The part of the page about one run."""
    found = json.loads(file.read_text(encoding="utf-8"))
    return (
        machine_line(found["models-machine"][0])
        + table(found["models"])
        + goals(found["models-goals"])
    )


def main(files: Sequence[Path]) -> None:
    """Write the chapter; the rest of the page is kept."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    chapter = INTRODUCTION + "".join(map(measured, files))
    PAGE.write_text(before + START + chapter + END + after, encoding="utf-8")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
