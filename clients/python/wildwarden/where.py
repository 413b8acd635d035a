"""Where the program is that came with this package."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

from wildwarden.errors import WildwardenError

NAME = "wildwarden"


def program() -> Path:
    """The server's program: `WILDWARDEN` where that is set, else the wheel's, else the one on the path.

    Raises `WildwardenError` where there is none.
    """
    if said := os.environ.get("WILDWARDEN"):
        return Path(said)
    # A wheel's programs lie with those of its environment, of its user, or, with `pip install --target`, beside the package.
    here = Path(__file__).parent.parent
    folders = [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", f"{os.name}_user"), str(here / "bin")]
    found = next((at for folder in folders if (at := shutil.which(NAME, path=folder))), None) or shutil.which(NAME)
    if not found:
        raise WildwardenError(f"there is no program {NAME} in {', '.join(folders)} or on the path: install the wheel, or set WILDWARDEN")
    return Path(found)
