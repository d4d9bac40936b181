// What a principal may do. The server decides; this only predicts it, by the same rules.
import type { AccessRule, Role } from '../api/types'

/** Each role includes those before it. A role of a newer server allows nothing here. */
const ROLES: readonly string[] = ['observe', 'lock', 'admin'] satisfies Role[]

/** The prefix without the slash at its end: the only name that it covers and that does not go on with a slash. */
function stem(prefix: string): string {
  return prefix.endsWith('/') ? prefix.slice(0, -1) : prefix
}

/** Whether a prefix covers a name. It matches whole segments: `a` and `a/` cover `a` and `a/b`, but not `ab`. */
export function covers(prefix: string, name: string): boolean {
  return prefix === '' || name === stem(prefix) || name.startsWith(`${stem(prefix)}/`)
}

/** Whether a prefix covers every name that another one covers. */
function coversAllOf(prefix: string, other: string): boolean {
  // What covers the stem covers also what is below it. The empty prefix has the stem of `/`, and covers more.
  return prefix === '' || (other !== '' && covers(prefix, stem(other)))
}

function includes(rule: AccessRule, role: Role): boolean {
  const rank = ROLES.indexOf(role)
  return rank >= 0 && ROLES.indexOf(rule.role) >= rank
}

/** Whether one of the rules allows a role on a lock. */
export function allows(rules: readonly AccessRule[], role: Role, name: string): boolean {
  return rules.some((rule) => includes(rule, role) && covers(rule.prefix, name))
}

/** The prefixes with a role, none of which covers another. The empty prefix stands for all locks. */
export function prefixesWith(rules: readonly AccessRule[], role: Role): string[] {
  const kept: string[] = []
  for (const { prefix } of rules.filter((rule) => includes(rule, role))) {
    if (kept.some((outer) => coversAllOf(outer, prefix))) continue
    kept.splice(0, kept.length, ...kept.filter((inner) => !coversAllOf(prefix, inner)), prefix)
  }
  return kept.sort()
}
