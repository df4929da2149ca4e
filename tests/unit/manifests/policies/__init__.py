"""One rule per file. Each module's ``check`` yields complaints about a rendered overlay.

Beside ``NAME.py`` lies ``NAME.broken.yaml``: changes to the correct platform of ``fixtures/platform`` that the rule
must refuse, with the complaints that it makes. To add a rule, add these two files.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator

from ..complaints import Complaint
from ..render import Render

Check = Callable[[Render], Iterator[Complaint]]


def policies() -> dict[str, Check]:
    """Return all rules by name."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"{__name__}.{name}").check for name in modules}
