from __future__ import annotations

import sys
from pathlib import Path

# The targets are made for a program too, and are no package.
sys.path.insert(0, str(Path(__file__).parent))
