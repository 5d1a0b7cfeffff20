"""`ssa serve`: the Triton server on this machine."""

from __future__ import annotations

import ipaddress
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from ssa_client.cli.extras import require
from ssa_client.cli.interrupts import interrupted_by

if TYPE_CHECKING:
    from ssa_backend.embedded import EmbeddedServer
    from ssa_backend.embedded.log import LogLine

_STYLES = {"info": "dim", "warning": "yellow", "error": "red"}
_DEFAULT_GRPC_URL = "127.0.0.1:8001"


def serve(
    model_repository: Annotated[
        Path, typer.Option(help="The folder to serve, as `ssa export` writes it.")
    ] = Path("model_repository"),
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    http_port: Annotated[int, typer.Option(help="HTTP endpoints; 0 is any free port.")] = 8000,
    grpc_port: Annotated[int, typer.Option(help="gRPC endpoint; 0 is any free port.")] = 8001,
    metrics_port: Annotated[int, typer.Option(help="Metrics; 0 is any free port.")] = 8002,
    verbose: Annotated[bool, typer.Option(help="Show every line of Triton's log.")] = False,
) -> None:
    """Serve a model repository on this machine until Ctrl-C.

    Starts the real Triton server, sends an image through every pipeline, and starts everything
    again whenever one of its processes dies. For production, run NVIDIA's container instead.
    """
    with require("server"):
        from ssa_backend.embedded import EmbeddedServer, EmbeddedServerError

    console = Console(soft_wrap=True, highlight=False)
    if not _is_loopback(host):
        console.print(
            f"[yellow]warning:[/] {host} is reachable from other machines, and this Triton release "
            "is old, with known security fixes missing; use the container for that."
        )
    server = EmbeddedServer(
        model_repository,
        host,
        http_port,
        grpc_port,
        metrics_port,
        on_log=lambda line: console.print(_rendered(line)),
        verbose=verbose,
    )
    try:
        # SIGINT too: a program that is started in the background finds it ignored.
        with interrupted_by(signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            console.print(f"Starting Triton with [bold]{model_repository}[/] ...")
            with server:
                _announce(console, server)
                _wait(server)
    except KeyboardInterrupt:
        pass  # before it was up
    except EmbeddedServerError as error:
        Console(stderr=True, soft_wrap=True).print(Text.assemble(("error: ", "red"), str(error)))
        raise typer.Exit(1) from None
    console.print("Stopped.")


def _wait(server: EmbeddedServer) -> None:
    """Until the user ends it; from then on the stop runs undisturbed, as it takes seconds only."""
    try:
        server.wait()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _announce(console: Console, server: EmbeddedServer) -> None:
    """What is served, where, and how to try it."""
    from ssa_backend import specs
    from ssa_backend.embedded.warm_up import ensembles_in
    from ssa_backend.settings import RepositorySettings

    settings = RepositorySettings.load(server.repository)
    names = [ensemble.name for ensemble in ensembles_in(server.repository)]
    url = "" if server.grpc_url == _DEFAULT_GRPC_URL else f" --url {server.grpc_url}"
    console.print(
        f"[green]Ready:[/] [bold]{', '.join(names)}[/], preset [bold]{settings.preset}[/]\n"
        f"  gRPC     {server.grpc_url}\n"
        f"  HTTP     {server.http_url}\n"
        f"  metrics  {server.metrics_url}\n"
        f"  full log {server.log_file}\n"
        f"Try it:    [bold]ssa segment IMAGE --out output{url}[/]"
    )
    if specs.SSA_ENGINE.name in names:
        console.print(f"Or, open vocabulary: [bold]ssa annotate DIR --out output{url}[/]")
    console.print("Ctrl-C stops it.")


def _rendered(line: LogLine) -> Text:
    # The word too: colours are gone where the output goes to a file.
    level = "" if line.level == "info" else f"{line.level}: "
    return Text.assemble((f"{line.time:8} ", "dim"), (level + line.message, _STYLES[line.level]))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
