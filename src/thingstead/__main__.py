"""``python -m thingstead``. Modules come from where Python and its packages are, never from the current folder."""

import sys

if not sys.flags.safe_path and __package__ == "thingstead":
    del sys.path[0]  # the current folder, which -m puts there

from thingstead.cli import main

main()
