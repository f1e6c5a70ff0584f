/** The names of all words, from the files in words/, for the compiler alone: the texts themselves are fetched. */
import type account from "@words/pages/account.json"
import type actions from "@words/pages/actions.json"
import type alarms from "@words/pages/alarms.json"
import type apps from "@words/pages/apps.json"
import type audit from "@words/pages/audit.json"
import type attributes from "@words/pages/attributes.json"
import type bulk from "@words/pages/bulk.json"
import type chart from "@words/pages/chart.json"
import type checks from "@words/pages/checks.json"
import type commands from "@words/pages/commands.json"
import type configs from "@words/pages/configs.json"
import type connection from "@words/pages/connection.json"
import type customers from "@words/pages/customers.json"
import type debug from "@words/pages/debug.json"
import type device from "@words/pages/device.json"
import type devices from "@words/pages/devices.json"
import type events from "@words/pages/events.json"
import type exports from "@words/pages/exports.json"
import type forwarding from "@words/pages/forwarding.json"
import type groups from "@words/pages/groups.json"
import type health from "@words/pages/health.json"
import type imports from "@words/pages/imports.json"
import type messageRules from "@words/pages/messageRules.json"
import type modbus from "@words/pages/modbus.json"
import type notify from "@words/pages/notify.json"
import type ota from "@words/pages/ota.json"
import type overview from "@words/pages/overview.json"
import type palette from "@words/pages/palette.json"
import type people from "@words/pages/people.json"
import type picker from "@words/pages/picker.json"
import type project from "@words/pages/project.json"
import type rules from "@words/pages/rules.json"
import type selection from "@words/pages/selection.json"
import type settings from "@words/pages/settings.json"
import type shell from "@words/pages/shell.json"
import type start from "@words/pages/start.json"
import type subDevices from "@words/pages/subDevices.json"
import type tasks from "@words/pages/tasks.json"
import type types from "@words/pages/types.json"
import type views from "@words/pages/views.json"
import type common from "@words/core/common.json"
import type login from "@words/core/login.json"
import type state from "@words/core/state.json"
import type time from "@words/core/time.json"

interface Files {
  account: typeof account
  alarms: typeof alarms
  apps: typeof apps
  attributes: typeof attributes
  audit: typeof audit
  bulk: typeof bulk
  chart: typeof chart
  checks: typeof checks
  commands: typeof commands
  common: typeof common
  connection: typeof connection
  customers: typeof customers
  debug: typeof debug
  device: typeof device
  devices: typeof devices
  events: typeof events
  exports: typeof exports
  groups: typeof groups
  health: typeof health
  imports: typeof imports
  login: typeof login
  notify: typeof notify
  overview: typeof overview
  palette: typeof palette
  people: typeof people
  picker: typeof picker
  project: typeof project
  rules: typeof rules
  settings: typeof settings
  shell: typeof shell
  start: typeof start
  subDevices: typeof subDevices
  types: typeof types
  state: typeof state
  time: typeof time
  actions: typeof actions
  messageRules: typeof messageRules
  selection: typeof selection
  tasks: typeof tasks
  configs: typeof configs
  forwarding: typeof forwarding
  modbus: typeof modbus
  ota: typeof ota
  views: typeof views
}

/** `file.key`, such as `devices.title`. */
export type Word = { [Name in keyof Files]: `${Name}.${keyof Files[Name] & string}` }[keyof Files]
