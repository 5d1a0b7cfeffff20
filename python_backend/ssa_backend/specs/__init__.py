"""Every model and tensor of the service, declared once.

From here come the `config.pbtxt` files, the exporters' input and output names, the Python steps'
tensor access and the client's requests. Only the standard library and numpy are imported, so that
everyone can import it.

Axis names are shared: the same name is the same length wherever it stands. An axis that the
checkpoints fix (`CHECKPOINT_AXES`) gets its number when a repository is written; every other named
axis varies from request to request and is -1 in `config.pbtxt`.
"""

# Everything is `specs.NAME`; the files beside this one are where it stands.
from ssa_backend.specs.declarations import *  # noqa: F403
from ssa_backend.specs.networks import *  # noqa: F403
from ssa_backend.specs.pipelines import *  # noqa: F403
from ssa_backend.specs.tensors import *  # noqa: F403
