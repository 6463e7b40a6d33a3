/** What the terms of a filter mean. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as DurationText from "../../../core/DurationText.ts"
import * as InstantText from "../../../core/InstantText.ts"
import { JobId } from "../../Job.ts"
import type { JobFilter } from "../../JobFilter.ts"
import { type Fault, type Term, terms, type Value } from "./scan.ts"
import { aliases, isKey, isState, type Key, keys, nearest, states } from "./terms.ts"

/** The error is one sentence. */
export const filter = (all: JobFilter, text: string, now: DateTime.Utc): Result.Result<JobFilter, string> => {
  const read = Result.flatMap(terms(text), (found) =>
    found.reduce<Result.Result<JobFilter, Fault>>(
      (so, term) => Result.flatMap(so, (filter) => add(filter, term, now)),
      Result.succeed(all)
    ))
  return Result.mapError(read, ({ at, detail }) => `at character ${at}: ${detail}`)
}

const add = (filter: JobFilter, term: Term, now: DateTime.Utc): Result.Result<JobFilter, Fault> => {
  const [first = "", ...rest] = term.key
  if (first === "payload") return addPayload(filter, term, rest)
  const written = term.key.join(".")
  const key = Object.hasOwn(aliases, written) ? aliases[written] : written
  if (key === undefined || !isKey(key)) return Result.fail({ at: term.at, detail: unknownKey(written) })
  if (term.operator !== "=") {
    return Result.fail({
      at: term.at,
      detail: `${key} is compared with ":", only payload fields with "${term.operator}"`
    })
  }
  const empty = term.values.find(({ text }) => text === "")
  if (empty !== undefined) return Result.fail({ at: empty.at, detail: `${key} needs a value, ${examples[key]}` })
  return addValues(filter, key, term, now)
}

const examples: Readonly<Record<Key, string>> = {
  state: "e.g. state:running",
  queue: "e.g. queue:default",
  task: "e.g. task:insights.sync",
  tag: "e.g. tag:nightly",
  tenant: "e.g. tenant:acme",
  error: "the tag of a failure, e.g. error:RateLimited",
  node: "e.g. node:worker-1",
  trace: "a trace id",
  id: "a job id",
  since: "e.g. since:2h or since:2026-11-01",
  until: "e.g. until:2h or until:2026-11-01"
}

const unknownKey = (written: string) => {
  const meant = nearest(written, [...keys, ...Object.keys(aliases), "payload"])
  const asked = meant === undefined ? "" : ` Did you mean ${meant === "payload" ? "payload.<field>" : meant}?`
  return `there is no key ${JSON.stringify(written)}.${asked} Keys are ${keys.join(", ")} and payload.<field>`
}

const addPayload = (
  filter: JobFilter,
  term: Term,
  path: ReadonlyArray<string>
): Result.Result<JobFilter, Fault> =>
  path.length === 0 || path.includes("")
    ? Result.fail({ at: term.at, detail: "payload needs the name of a field, e.g. payload.user.plan:business" })
    : Result.succeed({
      ...filter,
      payload: [...filter.payload, { path, operator: term.operator, value: term.whole.text }]
    })

const plural = {
  queue: "queues",
  task: "tasks",
  tag: "tags",
  tenant: "tenants",
  error: "errors",
  node: "nodes",
  trace: "traces"
} as const

const addValues = (
  filter: JobFilter,
  key: Key,
  { values, whole }: Term,
  now: DateTime.Utc
): Result.Result<JobFilter, Fault> => {
  switch (key) {
    case "state":
      return Result.map(
        Result.all(
          values.map((value) =>
            isState(value.text)
              ? Result.succeed(value.text)
              : Result.fail({ at: value.at, detail: unknownState(value.text) })
          )
        ),
        (read) => ({ ...filter, states: union(filter.states, read) })
      )
    case "id":
      return Result.map(
        Result.all(values.map(id)),
        (read) => ({ ...filter, ids: union(filter.ids, read) })
      )
    case "since":
      return Result.map(instant(whole, now), (at) => ({
        ...filter,
        since: filter.since === null ? at : DateTime.max(filter.since, at)
      }))
    case "until":
      return Result.map(instant(whole, now), (at) => ({
        ...filter,
        until: filter.until === null ? at : DateTime.min(filter.until, at)
      }))
    default: {
      const field = plural[key]
      return Result.succeed({ ...filter, [field]: union(filter[field], values.map(({ text }) => text)) })
    }
  }
}

const union = <A>(before: ReadonlyArray<A>, more: ReadonlyArray<A>): ReadonlyArray<A> =>
  Array.from(new Set([...before, ...more]))

const unknownState = (written: string) => {
  const meant = nearest(written, states)
  return `there is no state ${JSON.stringify(written)}.${meant === undefined ? "" : ` Did you mean ${meant}?`} ` +
    `States are ${states.join(", ")}`
}

const id = ({ at, text }: Value): Result.Result<JobId, Fault> =>
  /^[1-9][0-9]{0,18}$/.test(text) && BigInt(text) < 1n << 63n
    ? Result.succeed(JobId.make(text))
    : Result.fail({ at, detail: `${JSON.stringify(text)} is no job id: one is a whole number above zero` })

const instant = ({ at, text }: Value, now: DateTime.Utc): Result.Result<DateTime.Utc, Fault> => {
  const length = DurationText.parse(text)
  if (Result.isSuccess(length)) {
    const ago = DateTime.make(DateTime.toEpochMillis(now) - length.success)
    if (Option.isSome(ago)) return Result.succeed(DateTime.toUtc(ago.value))
  }
  return Result.mapError(
    InstantText.parse(text),
    (problem) => ({ at, detail: `${problem}, or how long ago: 90s, 5m, 2h, 7d, 2w` })
  )
}
