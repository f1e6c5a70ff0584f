"""SCRAM towards servers that tenants name.

The server says how often the password is hashed [RFC 5802], and libraries do what it says, up to 2³¹ rounds, which is
an hour of one core.
"""

from thingstead.refusals import reason
from thingstead.services.outbound.http import SendFailed

ROUNDS_MAX = 32_768  # some 30 ms; PostgreSQL and Kafka ask for 4,096, Kafka for 16,384 at most


def check_rounds(server_first: str) -> None:
    """Checks the first message of a server (``r=…,s=…,i=…``). Raises SendFailed if it asks for too many rounds."""
    for part in server_first.split(","):
        name, _, value = part.partition("=")
        # A library may read a number that begins a text, or take one with a sign or spaces.
        if name.strip() == "i" and not (value.isascii() and value.isdigit() and len(value) < 10):
            raise SendFailed(reason("scram_rounds", maximum=ROUNDS_MAX), permanent=True)
        if name.strip() == "i" and int(value) > ROUNDS_MAX:
            raise SendFailed(reason("scram_rounds", maximum=ROUNDS_MAX), permanent=True)
