/** What a role may not do is disabled, and says why. */
import { may, type Role } from "@/api/session"
import { t, type Word } from "@/i18n"

export const ROLE_WORDS: Record<Role, Word> = {
  viewer: "common.viewer",
  operator: "common.operator",
  admin: "common.admin",
}

/** Why the one who is logged in may not do what wants this role; undefined where they may. */
export function lacking(wanted: Role): string | undefined {
  return may(wanted) ? undefined : t("common.needsRole", { role: t(ROLE_WORDS[wanted]) })
}
