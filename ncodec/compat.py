"""Mixed installations, in one place.

PyPI's torchvision (a dependency of compressai) is built for CUDA. Beside a CPU build of torch its import dies with
"operator torchvision::nms does not exist", raised while it registers shape functions for operators that are not
there. Nothing of ncodec or compressai uses those operators, so an empty module takes the place of the registrations.
"""

from __future__ import annotations

import sys
import types


def allow_torchvision_beside_cpu_torch() -> None:
    """Call before `import compressai`. Does nothing if torchvision is loaded already or fits the installed torch."""
    import torch

    if torch.version.cuda is None:
        sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
