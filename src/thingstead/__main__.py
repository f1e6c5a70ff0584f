"""``python -m thingstead``."""

from thingstead.cli import main

main()
