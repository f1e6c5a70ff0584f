"""What a message rule does: its actions."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from thingstead.model.outbound.mqtt import MqttEndpoint

DataFormat = Literal["json", "hex", "text"]
ActionKind = Literal["push", "set", "command", "data", "function", "report", "url", "mqtt", "ota_check"]
ResultKind = Literal["push", "set", "command", "data", "report"]
READS: frozenset[ActionKind] = frozenset(("function", "url", "mqtt", "ota_check"))  # need the message itself

DELAY_MS = 30 * 24 * 3600 * 1000  # the longest delay of an action
COMMAND_WAIT_MS = 60_000  # how long a command waits for a device without a connection, if the action does not say
COMMAND_WAIT_LONGEST_MS = 7 * 24 * 3600 * 1000
URL_LENGTH = 2_048
FUNCTION_LENGTH = 65_536


class MessageRulePart(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True,
    rename={"and_": "and", "or_": "or", "not_": "not", "set_": "set"},
):  # fmt: skip
    """A part of a rule. Unknown members are refused, because ignoring one would change the meaning of the rule."""


class CommandAction(MessageRulePart, frozen=True, kw_only=True):
    """A command to send."""

    method: str
    params: dict[str, Any] = {}
    id: Annotated[int, Meta(description="The `id` on the wire; default: 1000.")] | None = None
    wait_ms: Annotated[
        int,
        Meta(ge=1, le=COMMAND_WAIT_LONGEST_MS, description="How long it waits for a device without a connection."),
    ] = COMMAND_WAIT_MS


class DataAction(MessageRulePart, frozen=True, kw_only=True):
    """Custom data to send."""

    identifier: Annotated[str, Meta(description="The identifier of the stream.")]
    format: DataFormat = "json"
    body: Annotated[
        Any,
        Meta(description="`json`: any value; `hex`: hexadecimal digits, which spaces may separate; `text`: a text."),
    ]


class ReportAction(MessageRulePart, frozen=True, kw_only=True):
    """A report, as if the device, or a sub-device of it, had sent it."""

    sub_address: Annotated[
        str, Meta(description="The address of the sub-device; left out: the device itself reports.")
    ] = ""
    attributes: Annotated[dict[str, Any], Meta(description="The attributes that are reported.")]


class OtaCheckAction(MessageRulePart, frozen=True, kw_only=True):
    """Answers the event with the command `otaUpgrade`."""

    attribute: Annotated[
        str,
        Meta(
            max_length=64,
            description="The attribute in which the device reports the version that it runs; default: the one that "
            "each version of firmware says.",
        ),
    ] = ""
    module: Annotated[
        str,
        Meta(max_length=32, description="The module of the firmware; default: the `module` of the event, then `main`."),
    ] = ""


class Action(MessageRulePart, frozen=True, kw_only=True):
    """One of `push`, `set`, `command`, `data`, `function`, `report`, `url`, `mqtt` and `ota_check`."""

    push: Annotated[dict[str, Any], Meta(description="Attributes to store and to push to the device.")] | None = None
    set_: Annotated[dict[str, Any], Meta(description="Attributes to store; the device is not told.")] | None = None
    command: CommandAction | None = None
    data: DataAction | None = None
    function: (
        Annotated[
            str,
            Meta(
                max_length=FUNCTION_LENGTH,
                description="A cloud function in JavaScript, `module.exports = function (report_attributes) {…}`: what "
                "it returns is stored in place of a report or push, or done after it.",
            ),
        ]
        | None
    ) = None
    result: (
        Annotated[
            ResultKind,
            Meta(
                description="What is done with what a function returns: it is pushed (`push`), set in the cloud "
                "(`set`), sent as a command (`command`, `{method, params}`) or as custom data (`data`, `{type, msg}`), "
                "or stored as if the device, or a sub-device, had reported it (`report`). Default: by the kind of the "
                "rule."
            ),
        ]
        | None
    ) = None
    identifier: Annotated[
        str, Meta(description="The stream of the custom data `{type, msg}` that a function returns.")
    ] = ""
    report: ReportAction | None = None
    url: (
        Annotated[str, Meta(max_length=URL_LENGTH, description="An external URL, to which the message is posted.")]
        | None
    ) = None
    secret: (
        Annotated[
            str,
            Meta(description="With `url`: the secret that signs the body. Shown as `***`; `***` leaves it unchanged."),
        ]
        | None
    ) = None
    mqtt: MqttEndpoint | None = None
    ota_check: OtaCheckAction | None = None
    device: (
        Annotated[str, Meta(description="The device (id) that it is done to; default: the one of the message.")] | None
    ) = None
    delay_ms: Annotated[
        int, Meta(ge=0, le=DELAY_MS, description="How long after the message it is done; also after a restart.")
    ] = 0

    @property
    def reads_message(self) -> bool:
        """Whether it needs more of the message than that there was one."""
        return not READS.isdisjoint(self.kinds)

    @property
    def kinds(self) -> list[ActionKind]:
        """The kinds whose member is present; of a valid action one."""
        members: dict[ActionKind, Any] = {
            "push": self.push, "set": self.set_, "command": self.command, "data": self.data,
            "function": self.function, "report": self.report, "url": self.url, "mqtt": self.mqtt,
            "ota_check": self.ota_check,
        }  # fmt: skip
        return [name for name, value in members.items() if value is not None]
