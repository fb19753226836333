"""pandas as it is without pyarrow, which it loads wherever that is installed: 34 MB that nothing here uses.

Import this before whatever imports pandas. Where pyarrow is loaded already (by the lake), nothing is kept from it.
"""

from __future__ import annotations

import sys
from typing import Any

_MODULES: dict[str, Any] = sys.modules

if "pandas" not in _MODULES and "pyarrow" not in _MODULES:
    _MODULES["pyarrow"] = None  # Python's own way of saying that there is no such module
    try:
        import pandas  # noqa: F401
    finally:
        del _MODULES["pyarrow"]
