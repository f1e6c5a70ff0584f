"""State machine of one rule on one device: idle, pending, raised, clearing.

Each level of a rule goes its own way; the alarm has the level of the highest one that is on::

                  raise condition holds                    raise_delay and raise_count are full,
                                                           cool_down is over
           IDLE ────────────────────────▶ PENDING ──────────────────────────────────▶ RAISED
            ▲  ◀─────────────────────────────┘                                          │
            │        it no longer holds                       clear condition holds and │
            │                                                 raise condition does not  ▼
            └────────────────────────────────────────────────────────────────────── CLEARING
                  clear_delay and clear_count are full               └──▶ RAISED: it no longer holds

Nothing here reads a clock. Between two reports only time passes, so every instant at which something can change is
known in advance (:func:`next_due`); :func:`advance` visits exactly these. A transition therefore bears the instant at
which it was due, and it makes no difference how often, or how late, anybody looks.
"""

from typing import NamedTuple

import msgspec

from thingstead.model.alarms.alarm import Phase
from thingstead.rules.facts import NEVER, Facts
from thingstead.rules.rule import CompiledLevel, CompiledRule

STEPS_PER_ADVANCE = 1_000  # most instants that one call evaluates; beyond that only the last instant is evaluated


class LevelState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The state of one level."""

    on: bool = False
    holds: bool = False  # the condition that would change ``on`` holds: raise if it is off, clear if it is on
    since: int = 0  # ms: since when ``holds`` is True
    count: int = 0  # consecutive values for which it held; 0 after a manual clear: the next value counts first

    @property
    def phase(self) -> Phase:
        """The phase that the two booleans stand for."""
        if self.on:
            return Phase.CLEARING if self.holds else Phase.RAISED
        return Phase.PENDING if self.holds else Phase.IDLE


OFF = LevelState()


class RuleState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The state of a rule on one device."""

    levels: tuple[LevelState, ...]
    cleared_at: int = NEVER  # ms: when its alarm last cleared; NEVER if the rule has no cool-down
    offline_since: int = NEVER  # ms, server clock; ALWAYS_ONLINE: has a session; NEVER: the rule does not depend on it


class Transition(NamedTuple):
    """A change of the alarm of a rule and device."""

    before: int  # level; 0: no alarm was open
    level: int  # 0: cleared
    at: int  # ms


class Step(NamedTuple):
    """The result of an evaluation."""

    state: RuleState
    transitions: tuple[Transition, ...]


def idle_state(rule: CompiledRule) -> RuleState:
    """The initial state of a rule."""
    return RuleState((OFF,) * len(rule.levels))


def is_quiet(state: RuleState) -> bool:
    """Whether no alarm is open, pending or clearing."""
    return all(level == OFF for level in state.levels)


def phase_of(state: RuleState) -> Phase:
    """The phase of the alarm. If levels are on: RAISED before CLEARING; otherwise PENDING before IDLE."""
    phases = {level.phase for level in state.levels}
    return next((each for each in (Phase.RAISED, Phase.CLEARING, Phase.PENDING) if each in phases), Phase.IDLE)


def is_waiting(state: RuleState) -> bool:
    """Whether an alarm is pending or clearing."""
    return any(level.holds for level in state.levels)


def is_idle(state: RuleState) -> bool:
    """True if the state equals the initial one and need not be stored."""
    return state.cleared_at == NEVER and state.offline_since == NEVER and is_quiet(state)


def cleared_by_hand(rule: CompiledRule, state: RuleState, at: int) -> RuleState:
    """The state after a person cleared the alarm: the next value is evaluated as if it were the first."""
    levels = (LevelState(False, True, at, 0),) * len(rule.levels)
    return RuleState(levels, at if rule.cool_down_ms else NEVER, state.offline_since)


def set_back(state: RuleState, at: int) -> RuleState:
    """The state with all instants limited to ``at``, because the clock was set back."""
    levels = tuple(LevelState(level.on, level.holds, min(level.since, at), level.count) for level in state.levels)
    return RuleState(levels, min(state.cleared_at, at), min(state.offline_since, at))


def level_of(rule: CompiledRule, state: RuleState) -> int:
    """The level of the alarm; 0: no alarm is open."""
    return max((level.level for level, known in zip(rule.levels, state.levels, strict=True) if known.on), default=0)


def step(rule: CompiledRule, state: RuleState, facts: Facts, at: int, *, fresh: bool) -> Step:
    """Evaluates a rule at one instant.

    Args:
        facts: the facts at ``at``.
        fresh: whether a value that the rule reads has just arrived; only then counts are incremented.
    """
    before = level_of(rule, state)
    may_raise = rule.hours is None or rule.hours.contains(at)
    levels = tuple(
        _clearing(rule, level, known, facts, at, fresh)
        if known.on
        else _raising(rule, level, known, facts, at, fresh, state.cleared_at if not before else NEVER, may_raise)
        for level, known in zip(rule.levels, state.levels, strict=True)
    )
    if levels == state.levels:
        return Step(state, ())
    after = RuleState(levels, state.cleared_at, state.offline_since)
    level = level_of(rule, after)
    if level == before:
        return Step(after, ())
    if rule.cool_down_ms:
        after = RuleState(levels, at if not level else NEVER, state.offline_since)
    return Step(after, (Transition(before, level, at),))


def _raising(
    rule: CompiledRule,
    level: CompiledLevel,
    known: LevelState,
    facts: Facts,
    at: int,
    fresh: bool,
    cleared_at: int,
    may_raise: bool,
) -> LevelState:
    if not may_raise or not level.raises(facts, at):
        return OFF
    pending = _held(known, at, fresh, rule.raise_count, anew=level.timed)
    due = _raise_due(rule, pending, cleared_at)
    return LevelState(on=True) if due is not None and due <= at else pending


def _clearing(
    rule: CompiledRule, level: CompiledLevel, known: LevelState, facts: Facts, at: int, fresh: bool
) -> LevelState:
    # If both conditions hold, the alarm stays raised: otherwise it would alternate.
    if not level.clears(facts, at) or level.raises(facts, at):
        return LevelState(on=True)
    clearing = _held(known, at, fresh, rule.clear_count, anew=True)
    due = _clear_due(rule, clearing)
    return OFF if due is not None and due <= at else LevelState(True, True, clearing.since, clearing.count)


def _held(known: LevelState, at: int, fresh: bool, most: int, *, anew: bool) -> LevelState:
    """The state after the condition holds at ``at``. The count increases with a value, and with the first instant at
    which the condition holds without one."""
    count = known.count + 1 if fresh else known.count or (1 if anew or not known.holds else 0)
    since = known.since if known.holds and known.count else at
    return LevelState(False, True, since, min(count, most))


def _raise_due(rule: CompiledRule, pending: LevelState, cleared_at: int) -> int | None:
    """When a pending level raises without a further value; None: it needs one."""
    if not pending.holds or pending.count < rule.raise_count:
        return None
    over = cleared_at + rule.cool_down_ms if cleared_at != NEVER else NEVER
    return max(pending.since + rule.raise_delay_ms, over)


def _clear_due(rule: CompiledRule, clearing: LevelState) -> int | None:
    if not clearing.holds or clearing.count < rule.clear_count:
        return None
    return clearing.since + rule.clear_delay_ms


def next_due(rule: CompiledRule, state: RuleState, facts: Facts, at: int) -> int | None:
    """The first instant after ``at`` at which the state may change without a report; None: never."""
    cleared_at = NEVER if any(known.on for known in state.levels) else state.cleared_at
    found: list[int | None] = [
        _clear_due(rule, known) if known.on else _raise_due(rule, known, cleared_at) for known in state.levels
    ]
    for name, silence_ms in rule.silences:
        found.append(facts.silent_since(name) + (silence_ms or 0))
    if rule.absences and (since := facts.absent_since()) is not None:
        found.extend(since + absence_ms for absence_ms in rule.absences)
    if rule.hours is not None and any(
        not known.on and (known.holds or level.raises(facts, at))
        for level, known in zip(rule.levels, state.levels, strict=True)
    ):
        found.append(rule.hours.next_edge(at))
    return min((due for due in found if due is not None and due > at), default=None)


def advance(rule: CompiledRule, state: RuleState, facts: Facts, at: int, until: int) -> tuple[Step, int]:
    """Evaluates a rule at every due instant from ``at`` to ``until`` (inclusive), without new values.

    Returns:
        The result, and the last instant that was evaluated; ``at`` if none was due.
    """
    transitions: list[Transition] = []
    for _ in range(STEPS_PER_ADVANCE):
        due = next_due(rule, state, facts, at)
        if due is None or due > until:
            return Step(state, tuple(transitions)), at
        at = due
        state, more = step(rule, state, facts, at, fresh=False)
        transitions.extend(more)
    state, more = step(rule, state, facts, until, fresh=False)
    return Step(state, (*transitions, *more)), until
