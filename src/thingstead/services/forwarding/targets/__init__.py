"""The kinds of targets."""

from thingstead.model.forwarding.target import TargetKind
from thingstead.services.forwarding.target import Opener
from thingstead.services.forwarding.targets.url import open_url

OPENERS: dict[TargetKind, Opener] = {"url": open_url}
