"""HTML pages that need no other file; their templates lie in `templates/`.

Needs Jinja2, the extra `report`.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ssa_client.writers import replacing


def write_page(path: Path, template: str, *, script: str | None = None, **values: object) -> int:
    """Write a page to `path`, whole or not at all; returns its size in bytes.

    Whatever text is in `values` is shown as it is, be it markup. The page itself forbids to load
    anything, and to run any script but its own.

    Args:
        path: an HTML file; its folder is made if need be.
        template: a file of `templates/`.
        script: the file there that the page runs, if any.
        values: what the template names.

    Raises:
        OSError: it cannot be written.
    """
    # Markup: the project's own source, which `</script>` has no place in.
    code = Markup(_source(script)) if script else Markup()
    text = (
        _environment()
        .get_template(template)
        .render(script=code, script_hash=_hash(code) if script else None, **values)
    )
    # What of a file's name is not UTF-8 is shown as Python writes it.
    data = text.encode("utf-8", "backslashreplace")
    with replacing(path) as file:
        file.write(data)
    return len(data)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ssa_client"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["count"] = lambda number: f"{number:,}"
    environment.filters["percent"] = lambda share, digits=1: f"{share:.{digits}%}"
    return environment


def _source(name: str) -> str:
    return resources.files("ssa_client").joinpath("templates", name).read_text("utf-8")


def _hash(code: str) -> str:
    """As a content security policy names a script that may run."""
    digest = hashlib.sha256(code.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
