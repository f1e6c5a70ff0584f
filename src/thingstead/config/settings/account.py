"""Settings `account.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Log-in of applications, administrators and customers."""

    access_token_life_s: Annotated[
        int, about("Life of a token from `access_token`.", "seconds", ge=60, le=31_536_000)
    ] = 86_400
    admin_token_life_s: Annotated[
        int, about("Life of a token from `admin_login`.", "seconds", ge=60, le=31_536_000)
    ] = 604_800
    session_idle_s: Annotated[
        int,
        about("Longest time without a request of a browser session.", "seconds", ge=300, le=31_536_000),
    ] = 43_200
    session_life_s: Annotated[int, about("Longest life of a browser session.", "seconds", ge=300, le=31_536_000)] = (
        604_800
    )
    session_kept_life_s: Annotated[
        int,
        about(
            "Life of a browser session with `keep`; it does not end without requests.", "seconds", ge=300, le=31_536_000
        ),
    ] = 2_592_000
    login_failures_max: Annotated[
        int,
        about(
            "Failed log-ins of one account from one address within the window before further ones are throttled.",
            "log-ins",
            ge=1,
        ),
    ] = 10
    login_address_failures_max: Annotated[
        int,
        about(
            "The same for one address, with any accounts; for applications and subscribers with any keys.",
            "log-ins",
            ge=1,
        ),
    ] = 100
    login_account_failures_max: Annotated[
        int,
        about(
            "The same for one account, from any addresses; an address from which it logged in before is exempt.",
            "log-ins",
            ge=1,
        ),
    ] = 500
    login_window_s: Annotated[int, about("Time window of these three limits.", "seconds", ge=1, le=86_400)] = 300
    password_hash_memory_kib: Annotated[
        int, about("Memory for hashing one password (argon2id).", "KiB", ge=8192, le=1 << 20)
    ] = 19_456
    password_hash_passes: Annotated[int, about("Passes over that memory.", "passes", ge=1, le=16)] = 2
