"""Parts of the story of the audit log: what leaves no row, message rules, and upgrades of firmware."""

from typing import Any

# What changes nothing that people set up: tokens are not kept, and tests and previews are not either.
CHANGES_NOTHING = {
    "POST /api/v1/access_token",
    "POST /api/v1/admin_login",
    "POST /api/v1/alarm_rule_test",
    "POST /api/v1/message_rule_test",
    "POST /api/v1/forward_target_test",
    "POST /api/v1/forward_target/{forward_target_id}/retry",
    "POST /api/v1/task_preview",
    "POST /api/v1/modbus_test",
    "POST /api/v1/processing_test",
    "POST /api/v1/retention_test",
    "POST /api/v1/notify_group/{notify_group_id}/test",
    "PUT /api/v1/admin/preferences",  # one's own
}


async def set_up_automation(story: Any, house: Any, device_id: str) -> None:
    await set_up_message_rules(story, device_id)
    await set_up_forwarding(story)
    await set_up_tasks(story, device_id)
    await set_up_firmware(story, house, device_id)


async def set_up_forwarding(story: Any) -> None:
    address = {"url": "http://127.0.0.1:9/nobody", "secret": "a-secret-of-a-target", "headers": {"X-Key": "a-secret"}}
    target = {"name": "ERP", "kinds": ["event"], "url": address}
    target_id = (await story.does("POST", "forward_target", target, row="forward_target create"))["id"]
    path = f"forward_target/{{forward_target_id:{target_id}}}"
    await story.does("PUT", path, {"url": {**address, "secret": "another-secret"}}, row="forward_target update")
    await story.does("POST", f"{path}/replay", {}, row="forward_target replay")
    await story.does("DELETE", f"{path}/dead_letters", row="forward_target remove_dead_letters")
    await story.does("DELETE", path, row="forward_target remove")


async def set_up_message_rules(story: Any, device_id: str) -> None:
    rule = {"name": "seen", "on": "event", "devices": [device_id], "actions": [{"set": {"seen": True}}]}
    rule_id = (await story.does("POST", "message_rule", rule, row="message_rule create"))["id"]
    path = f"message_rule/{{message_rule_id:{rule_id}}}"
    await story.does("PUT", path, {"name": "noted"}, row="message_rule update")
    switch = f"{path}/device/{{device_id:{device_id}}}"
    await story.does("PUT", switch, {"enabled": False}, row="message_rule disable_for_device")
    await story.does("PUT", switch, {"enabled": True}, row="message_rule enable_for_device")
    await story.does("DELETE", path, row="message_rule remove")


async def set_up_tasks(story: Any, device_id: str) -> None:
    task = {"name": "lamps", "schedule": {"cron": "0 0 1 1 *"}, "devices": [device_id], "action": {"push": {"a": 1}}}
    task_id = (await story.does("POST", "task", task, row="task create"))["id"]
    path = f"task/{{task_id:{task_id}}}"
    await story.does("PUT", path, {"name": "lights"}, row="task update")
    run = await story.does("POST", f"{path}/run", row="task run")
    await story.does("POST", f"{path}/run/{{task_run_id:{run['id']}}}/cancel", row="task cancel")
    await story.does("DELETE", path, row="task remove")


async def set_up_firmware(story: Any, house: Any, device_id: str) -> None:
    body = {"name": "June", "version_name": "1.1", "from_versions": ["*"]}
    version_id = (await story.does("POST", "ota_version", body, row="ota_version create"))["id"]
    path = f"ota_version/{{ota_version_id:{version_id}}}"
    await story.does("PUT", path, {"descr": "of June"}, row="ota_version update")
    await story.does("PUT", f"{path}/file", "image", row="ota_version upload")
    begun = {"devices": [device_id], "start": False}
    rollout_id = (await story.does("POST", f"{path}/rollout", begun, row="ota_rollout create"))["id"]
    of_rollout = f"ota_rollout/{{ota_rollout_id:{rollout_id}}}"
    await house.platform.ota.runner.run()  # chooses the devices
    for verb in ("start", "pause", "resume", "end"):
        await story.does("POST", f"{of_rollout}/{verb}", row="ota_rollout update")
    await story.does("DELETE", of_rollout, row="ota_rollout remove")
    await story.does("DELETE", path, row="ota_version remove")
