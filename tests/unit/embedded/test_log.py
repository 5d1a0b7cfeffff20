from __future__ import annotations

from pathlib import Path

import pytest

from ssa_backend.embedded.log import LogLine, ServerLog, parse

LOADED = "I1122 16:21:05.000001 8950 model_lifecycle.cc:839] \"successfully loaded 'ssa'\""
FAILED = (
    "E1122 16:21:06.000001 8950 model_lifecycle.cc:642] "
    "\"failed to load 'ssa' version 1: Internal: ValueError: broken\\n\\nAt:\\n  model.py(1)\\n\""
)


def test_a_message_has_its_level_and_time() -> None:
    assert parse(LOADED) == LogLine("info", "16:21:05", "successfully loaded 'ssa'")


def test_newlines_of_a_message_are_real_ones() -> None:
    line = parse(FAILED)
    assert line is not None
    assert line.level == "error"
    assert line.message.splitlines()[0].endswith("ValueError: broken")
    assert line.message.splitlines()[-1] == "  model.py(1)"


def test_what_a_model_prints_is_shown_without_its_colours() -> None:
    assert parse("\x1b[1;31mrunning Reshape failed\x1b[m") == LogLine(
        "info", "", "running Reshape failed"
    )


@pytest.mark.parametrize(
    "line",
    [
        "",
        "+-------+---------+--------+",
        "| Model | Version | Status |",
        "Error: Failed to initialize NVML",
        "Signal (15) received.",
        'E1122 16:13:28.360948 6321 server.cc:241] "CudaDriverHelper has not been initialized."',
        'I1122 16:13:28.362010 6321 model_lifecycle.cc:472] "loading: a:1"',
        "I1122 16:13:28.362539 6321 server.cc:604] ",
    ],
)
def test_tables_noise_and_housekeeping_are_left_out(line: str) -> None:
    assert parse(line) is None


def test_the_file_has_every_line_and_the_listener_the_readable_ones(tmp_path: Path) -> None:
    seen: list[LogLine] = []
    with ServerLog(tmp_path / "log", seen.append) as log:
        for line in ("+--+", LOADED, FAILED):
            log.write(line)
        log.add("warning", "a stub died:\nkilled")
    assert [line.level for line in seen] == ["info", "error", "warning"]
    assert seen[-1].message == "a stub died:\nkilled"
    assert (tmp_path / "log").read_text().splitlines()[:3] == ["+--+", LOADED, FAILED]


def test_a_verbose_listener_gets_every_line(tmp_path: Path) -> None:
    seen: list[LogLine] = []
    with ServerLog(tmp_path / "log", seen.append, verbose=True) as log:
        log.write("+--+")
        log.write(LOADED)
    assert [line.message for line in seen] == ["+--+", LOADED]


def test_the_tail_is_the_errors_where_there_are_any(tmp_path: Path) -> None:
    with ServerLog(tmp_path / "log") as log:
        log.write(LOADED)
        assert log.tail() == "successfully loaded 'ssa'"
        log.write(FAILED)
        assert log.tail().startswith("failed to load 'ssa'")
