/** Changes of groups and of who stands in them, each with the one that takes it back. */
import { get, path, post, put } from "@/api/client"
import { t } from "@/i18n"
import { toastDone, toastFailed } from "@/lib/toasts"

const MOST = 1000 // devices in one request

async function members(group: string, devices: readonly string[], verb: "devices" | "devices_remove"): Promise<void> {
  for (let at = 0; at < devices.length; at += MOST)
    await post(`${path`/device_group/${group}`}/${verb}`, { devices: devices.slice(at, at + MOST) })
}

export interface Target {
  id: string
  name: string
}

/** Does something, says so with a way back, and calls `changed` after each. */
async function doing(
  change: () => Promise<void>,
  back: () => Promise<void>,
  text: string,
  changed: () => void,
): Promise<void> {
  try {
    await change()
    toastDone(text, async () => {
      await back()
      changed()
    })
  } catch (error) {
    toastFailed(error)
  }
  changed()
}

const ASKED = 100 // a page

/** Those of the devices that stand in a group. */
async function inside(group: string, devices: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>()
  for (let at = 0; at < devices.length; at += ASKED) {
    const query = { group, ids: devices.slice(at, at + ASKED).join(","), page_records: ASKED }
    for (const { id } of (await get<{ items: { id: string }[] }>("/devices", query)).items) found.add(id)
  }
  return found
}

/** Puts devices into a group; out of `from`, where it is given. What takes it back leaves those that were in already. */
export function putDevices(
  devices: readonly string[],
  to: Target,
  from: Target | null,
  changed: () => void,
): Promise<void> {
  let added: string[] = []
  return doing(
    async () => {
      const already = await inside(to.id, devices)
      added = devices.filter((id) => !already.has(id))
      await members(to.id, added, "devices")
      if (from) await members(from.id, devices, "devices_remove")
    },
    async () => {
      if (from) await members(from.id, devices, "devices")
      await members(to.id, added, "devices_remove")
    },
    t(from ? "groups.devicesMoved" : "groups.devicesAdded", { count: devices.length, name: to.name }),
    changed,
  )
}

export function takeOut(devices: readonly string[], from: Target, changed: () => void): Promise<void> {
  return doing(
    () => members(from.id, devices, "devices_remove"),
    () => members(from.id, devices, "devices"),
    t("groups.devicesTakenOut", { count: devices.length, name: from.name }),
    changed,
  )
}

/** Moves a group with all below it; null: to the root. */
export function moveGroup(group: Target, to: Target | null, before: Target | null, changed: () => void): Promise<void> {
  const info = path`/device_group/${group.id}/info`
  return doing(
    () => put(info, { parent: to?.id ?? "" }),
    () => put(info, { parent: before?.id ?? "" }),
    t("groups.moved", { name: group.name, to: to?.name ?? t("groups.root") }),
    changed,
  )
}
