/**
 * What a connection is for, as `application_name` tells it: `ostinato:<role>:<node>`.
 *
 * The role comes first, because Postgres cuts the name at 63 bytes.
 */

/**
 * - `user`: the pool of everything that shares a transaction.
 * - `control`: our own short statements, which never wait for user code.
 * - `listener`: the one that hears notifications.
 * - `heartbeat`: the one that renews leases from another thread.
 */
export type ConnectionRole = "user" | "control" | "listener" | "heartbeat"

const roles: ReadonlyArray<ConnectionRole> = ["user", "control", "listener", "heartbeat"]

/** Cut here rather than by the server, to keep whole characters. */
export const applicationName = (role: ConnectionRole, node: string): string => {
  const bytes = new TextEncoder().encode(`ostinato:${role}:${node.replaceAll(/[^\x20-\x7e]/g, "?")}`)
  return new TextDecoder().decode(bytes.subarray(0, 63))
}

/** Every name of the connections of a node. */
export const namesOf = (node: string): ReadonlyArray<string> => roles.map((role) => applicationName(role, node))
