"""Settings `cluster.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about


class ClusterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A server that is one of several nodes over a PostgreSQL database."""

    node_name: Annotated[
        str, about("Name of this node, for people; empty: the name of the machine.", max_length=128)
    ] = ""
    node_address: Annotated[
        str,
        about(
            "Where people reach this node, shown to those who ask another one; empty: the name of the machine and the "
            "HTTP port.",
            max_length=256,
        ),
    ] = ""
    lease_s: Annotated[
        float,
        about(
            "How long the active node may be silent before another one takes over. A longer one bears longer "
            "interruptions of the database or the network; the same on all nodes.",
            "seconds",
            ge=2,
            le=300,
        ),
    ] = 8
