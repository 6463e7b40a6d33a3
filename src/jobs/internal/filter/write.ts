/** A filter as text that reads back as itself. */
import * as DateTime from "effect/DateTime"
import type { JobFilter } from "../../JobFilter.ts"

export const filter = (filter: JobFilter): string =>
  [
    ...list("state", filter.states),
    ...list("queue", filter.queues),
    ...list("task", filter.tasks),
    ...list("tag", filter.tags),
    ...list("tenant", filter.tenants),
    ...list("error", filter.errors),
    ...list("node", filter.nodes),
    ...list("trace", filter.traces),
    ...list("id", filter.ids),
    ...filter.payload.map(({ operator, path, value }) =>
      `payload.${path.map(segment).join(".")}${operator === "=" ? ":" : operator}${quoted(value)}`
    ),
    ...(filter.since === null ? [] : [`since:${DateTime.formatIso(filter.since)}`]),
    ...(filter.until === null ? [] : [`until:${DateTime.formatIso(filter.until)}`])
  ].join(" ")

const list = (key: string, values: ReadonlyArray<string>) =>
  values.length === 0 ? [] : [`${key}:${values.map(quoted).join(",")}`]

/** In quotes where something in it would be read as more than itself. */
export const quoted = (value: string): string => plain.test(value) ? value : quote(value)

const segment = (name: string) => plain.test(name) && !/[.:<>=]/.test(name) ? name : quote(name)

const plain = /^[^\s",\\:=<>][^\s",\\]*$/

const quote = (text: string) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`
