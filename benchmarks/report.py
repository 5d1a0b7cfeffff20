"""One report of what is measured against plain references, and of the server under load.

    python -m benchmarks.report [PART ...] [--preset vit-b]      # `make bench [PRESET=vit-b]`

Runs the parts each in a process of its own, as they run by themselves, so that none leaves memory
or threads to the next. Each writes its tables to results/<part>.md and its figures to
results/bench.json; results/README.md joins those of all parts, whenever they ran. `vit-b` has
random weights, made on the spot.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.tables import FIGURES, RESULTS, machine, read_figures

PERF_ENVIRONMENT = ".venv-perf"  # `make bench` makes it
# The modules that run, and their options.
PARTS = {
    "mini": {
        "stages": ["stages"],
        "closed_set_speed": ["closed_set_speed", "--sizes", "mini"],
        "post_processing": ["post_processing"],
        "server_overhead": ["server_overhead"],
        "perf_analyzer": ["perf_analyzer", "--environment", PERF_ENVIRONMENT],
        "prompt_curve": ["prompt_curve"],
    },
    "vit-b": {
        "stages_vit_b": ["stages", "--size", "vit-b", "--repeats", "3"],
        "closed_set_speed_vit_b": ["closed_set_speed", "--sizes", "vit-b"],
    },
}
# The order of the page; what a mask costs in the engine is measured by itself.
NAMES = (
    *("closed_set_speed", "closed_set_speed_vit_b", "engine_cost", "stages", "stages_vit_b"),
    *("post_processing", "server_overhead", "perf_analyzer", "prompt_curve"),
)


def main() -> int:
    """Command line of this module; 1 where a part failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--preset", choices=list(PARTS), default="mini")
    parser.add_argument("--join", action="store_true", help="run nothing, write the page anew")
    arguments = parser.parse_args()
    parts = PARTS[arguments.preset]
    if unknown := set(arguments.parts) - set(parts):
        parser.error(f"no part {', '.join(sorted(unknown))} in {', '.join(parts)}")
    failed = []
    for name in [] if arguments.join else arguments.parts or parts:
        module, *options = parts[name]
        command = [sys.executable, "-m", f"benchmarks.{module}", *options]
        print(f"== {' '.join(command[1:])}", flush=True)
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    join()
    if failed:
        print(f"Failed, and in the report with what they gave before: {', '.join(failed)}")
    return bool(failed)


def join() -> None:
    """Write the page of all parts that ever ran."""
    texts = {
        name: path.read_text(encoding="utf-8")
        for name in NAMES
        if (path := RESULTS / f"{name}.md").exists()
    }
    figures = read_figures()
    headlines = [
        f"- [{name}](#{anchor(texts[name])}): {line}."
        for name in texts
        for line in figures.get(name, {}).get("headlines", [])
    ]
    here = machine()
    # Where a part ran elsewhere or on another day, its own line stays.
    sections = ["#" + text.replace(f"{here}\n\n", "") for text in texts.values()]
    head = (
        "# Benchmarks\n\nWritten by `make bench`, which runs each part by itself; all figures are "
        f"in [{FIGURES.name}]({FIGURES.name}) too. Ratios are of the same work in the same run."
    )
    parts = filter(None, [head, here, "\n".join(headlines), *map(str.strip, sections)])
    page = "\n\n".join(parts) + "\n"
    (RESULTS / "README.md").write_text(page, encoding="utf-8")
    print(f"Wrote {RESULTS / 'README.md'}")


def anchor(text: str) -> str:
    """Of a text's title, as GitHub makes it."""
    title = text.splitlines()[0].removeprefix("# ").lower().replace(" ", "-")
    return "".join(letter for letter in title if letter.isalnum() or letter in "-_")


if __name__ == "__main__":
    sys.exit(main())
