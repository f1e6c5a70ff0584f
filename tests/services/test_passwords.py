"""Password hashes: strong, bounded, and telling nothing about who exists."""

import asyncio

import pytest

from thingstead.errors import TooManyRequests
from thingstead.services.accounts.passwords import AT_ONCE, MEMORY_KIB, PASSES, QUEUE_LIMIT, Passwords


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(memory_kib=8_192, passes=1)


async def test_only_the_right_password_matches(passwords: Passwords) -> None:
    encoded = await passwords.hash("correct horse")
    assert await passwords.verify(encoded, "correct horse")
    assert not await passwords.verify(encoded, "correct horsf")


async def test_a_hash_is_argon2id_with_a_salt_of_its_own() -> None:
    passwords = Passwords()
    first, second = await passwords.hash("same"), await passwords.hash("same")
    assert first.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$")
    assert first != second


async def test_nobodys_password_matches_for_an_account_that_does_not_exist(passwords: Passwords) -> None:
    assert not await passwords.verify(None, "a password that nobody has")


class CountingPasswords(Passwords):
    """Notes which hashes it works on."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8_192, passes=1)
        self.worked_on: list[str] = []

    def _matches(self, password_hash: str, password: str) -> bool:
        self.worked_on.append(password_hash)
        return super()._matches(password_hash, password)


async def test_an_unknown_account_costs_as_much_as_a_known_one() -> None:
    passwords = CountingPasswords()
    await passwords.verify(None, "a guess")
    (decoy,) = passwords.worked_on
    assert decoy.startswith("$argon2id$v=19$m=8192,t=1,p=1$")  # the parameters of every other hash


async def test_a_damaged_hash_matches_nothing(passwords: Passwords) -> None:
    assert not await passwords.verify("not a hash", "x")


async def test_a_hash_of_other_parameters_can_still_be_checked(passwords: Passwords) -> None:
    encoded = await passwords.hash("x")
    assert await Passwords(memory_kib=16_384, passes=2).verify(encoded, "x")


async def test_the_queue_is_bounded(passwords: Passwords) -> None:
    outcomes = await asyncio.gather(*(passwords.hash("x") for _ in range(QUEUE_LIMIT + 5)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, TooManyRequests)]
    assert len(refused) == 5
    assert AT_ONCE < QUEUE_LIMIT
    assert (await passwords.hash("x")).startswith("$argon2id$")
