"""A message rule in the form of the API."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.model import limits
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.rule import (
    ACTIONS_COUNT,
    DEVICES_COUNT,
    MessageCondition,
    MessageRule,
    MessageRuleBody,
    On,
)

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Descr = Annotated[str, Meta(max_length=limits.DESCR_LENGTH)]
OnMember = Annotated[
    On,
    Meta(
        description="The messages that it listens to: `before_report` and `after_report` (reported attributes), "
        "`before_push` and `after_push` (pushed attributes), `event` or `data` (custom data)."
    ),
]
TypeMember = Annotated[str, Meta(description="A device type's id: the rule listens to all its devices.")]
DevicesMember = Annotated[
    tuple[str, ...], Meta(max_length=DEVICES_COUNT, description="Device ids: the rule listens to these alone.")
]
IdentifierMember = Annotated[
    str, Meta(description="Only events with this method, or custom data of this stream; default: all.")
]
ActionsMember = Annotated[
    tuple[Action, ...], Meta(min_length=1, max_length=ACTIONS_COUNT, description="What is done, in this order.")
]
ConditionMember = Annotated[MessageCondition, Meta(description="The rule acts only if it holds; default: always.")]


class MessageRuleForm(msgspec.Struct, frozen=True, kw_only=True, rename={"if_": "if"}):
    """A message rule. Its source is either `type` or `devices`."""

    name: Name
    descr: Descr = ""
    on: OnMember
    type: TypeMember | None = None
    devices: DevicesMember = ()
    enabled: bool = True
    identifier: IdentifierMember = ""
    if_: ConditionMember | UnsetType | None = UNSET
    actions: ActionsMember

    def body(self) -> MessageRuleBody:
        """The part of the rule that is evaluated."""
        return MessageRuleBody(identifier=self.identifier, condition=self.if_ or None, actions=self.actions)


class MessageRulePatch(msgspec.Struct, frozen=True, kw_only=True, rename={"if_": "if"}):
    """Changes of a rule; members that are left out stay unchanged, null removes a value."""

    name: Name | UnsetType = UNSET
    descr: Descr | UnsetType = UNSET
    on: OnMember | UnsetType = UNSET
    type: TypeMember | UnsetType | None = UNSET
    devices: DevicesMember | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    identifier: IdentifierMember | UnsetType | None = UNSET
    if_: ConditionMember | UnsetType | None = UNSET
    actions: ActionsMember | UnsetType = UNSET
    version: (
        Annotated[
            int,
            Meta(
                ge=1, description="Extension: the `version` that was read; where it is another one by now, errcode 409."
            ),
        ]
        | UnsetType
    ) = UNSET


def form_of(rule: MessageRule) -> MessageRuleForm:
    """The form that creates an equal rule."""
    return MessageRuleForm(
        name=rule.name,
        descr=rule.descr,
        on=rule.on_message,
        type=rule.type_id,
        devices=rule.device_ids,
        enabled=rule.enabled,
        identifier=rule.body.identifier,
        if_=rule.body.condition or UNSET,
        actions=rule.body.actions,
    )


def patched(form: MessageRuleForm, patch: MessageRulePatch) -> MessageRuleForm:
    """The form with a patch applied. A source given in one form replaces the other form."""
    names = MessageRuleForm.__struct_fields__
    given = {name: getattr(patch, name) for name in names if getattr(patch, name) is not UNSET}
    if given.get("devices") and "type" not in given:
        given["type"] = None
    if given.get("type") and "devices" not in given:
        given["devices"] = ()
    empty: dict[str, Any] = {"devices": (), "identifier": "", "if_": UNSET}
    members = {name: empty.get(name) if value is None else value for name, value in given.items()}
    return msgspec.structs.replace(form, **members)
