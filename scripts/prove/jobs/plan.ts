/**
 * Which faults come when: the same for the same seed. How the system meets them is never the same twice.
 *
 * Stops and long holes outlast a lease and overlap, so that all of it fits into two and a half minutes; at most two of the
 * four workers are away at once, and one is killed only while another one surely works.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** The places of the processes. The last two workers and the last producer reach the database through a proxy. */
export const workers = ["worker-0", "worker-1", "worker-2", "worker-3"] as const

/** Who enqueues. */
export const producers = ["producer-0", "producer-1"] as const

/** The places that have a proxy. */
export const proxied = ["worker-2", "worker-3", "producer-1"] as const

/** One fault, `at` milliseconds after the beginning. */
export type Fault =
  & { readonly at: number }
  & (
    | { readonly kind: "kill"; readonly place: string; readonly downMs: number }
    | { readonly kind: "stop" | "hole"; readonly place: string; readonly forMs: number }
    | { readonly kind: "restart"; readonly how: "fast" | "immediate"; readonly downMs: number }
    | { readonly kind: "terminate"; readonly place: string; readonly role: string }
    | { readonly kind: "rst" | "halfClose"; readonly place: string }
    | { readonly kind: "cut"; readonly place: string; readonly bytes: number }
    | { readonly kind: "delay"; readonly place: string; readonly ms: number; readonly forMs: number }
  )

/** What can be dealt. */
export type FaultKind = Fault["kind"]

/** How many of each a squall has; a storm has ten times as many. */
export const counts: Readonly<Record<FaultKind, number>> = {
  kill: 10,
  stop: 5,
  restart: 3,
  terminate: 10,
  hole: 3,
  rst: 2,
  cut: 3,
  delay: 2,
  halfClose: 2
}

/** Milliseconds in which the faults of a squall begin and end. */
export const squallMs = 150_000

const roles = ["user", "control", "listener", "heartbeat"] as const

/** The faults of a seed by their instants: `scale` squalls one after the other, so that the last is as dense as the first. */
export const faults = (seed: number, scale: number): ReadonlyArray<Fault> => {
  const parts = Effect.forEach(
    Array.from({ length: scale }, (_, n) => n * squallMs),
    (from) => Effect.map(squall, (dealt) => dealt.map((fault) => ({ ...fault, at: from + fault.at })))
  )
  return Effect.runSync(Random.withSeed(parts, seed)).flat()
}

const squall: Effect.Effect<ReadonlyArray<Fault>> = Effect.suspend(() =>
  // a draw that leaves no room for the rest is thrown away
  Effect.flatMap(deal, (dealt) => dealt === undefined ? squall : Effect.succeed(dealt))
)

const deal = Effect.gen(function*() {
  const horizon = squallMs
  const away: Array<{ readonly place: string; readonly from: number; readonly until: number }> = []
  const dealt: Array<Fault> = []
  const times = (kind: FaultKind) => Array.from({ length: counts[kind] }, (_, n) => n)

  // the longest first, while there is room for them
  for (const kind of ["stop", "hole"] as const) {
    for (const n of times(kind)) {
      const isLong = kind === "stop" || n % 3 === 0
      const forMs = isLong ? yield* between(32_500, 36_000) : yield* between(5000, 15_000)
      const where = yield* placed(horizon, kind === "stop" ? workers : ["worker-2", "worker-3"], forMs, away)
      if (where === undefined) return undefined
      const { at, place } = where
      away.push({ place, from: at, until: at + forMs })
      dealt.push({ at, kind, place, forMs })
    }
  }
  // each in a part of the time of its own
  for (const n of times("restart")) {
    const part = horizon / times("restart").length
    const at = Math.round(n * part) + (yield* between(8000, Math.round(part) - 12_000))
    const how = n === 0 ? "fast" : n === 1 ? "immediate" : (yield* Random.nextBoolean) ? "fast" : "immediate"
    dealt.push({ at, kind: "restart", how, downMs: yield* between(0, 2500) })
  }
  const kills: Array<{ readonly place: string; readonly at: number }> = []
  for (const _ of times("kill")) {
    const one = yield* killed(horizon, away, kills)
    if (one === undefined) return undefined
    kills.push(one)
    dealt.push({ ...one, kind: "kill", downMs: yield* between(0, 2000) })
  }
  for (const _ of times("terminate")) {
    const place = yield* oneOf([...workers, ...producers])
    const role = yield* oneOf(place.startsWith("worker") ? roles : ["user", "control"])
    dealt.push({ at: yield* between(3000, horizon), kind: "terminate", place, role })
  }
  for (const kind of ["rst", "halfClose"] as const) {
    for (const _ of times(kind)) {
      dealt.push({ at: yield* between(3000, horizon), kind, place: yield* oneOf(proxied) })
    }
  }
  for (const _ of times("cut")) {
    dealt.push({
      at: yield* between(3000, horizon),
      kind: "cut",
      place: yield* oneOf(proxied),
      bytes: yield* between(0, 2000)
    })
  }
  for (const _ of times("delay")) {
    dealt.push({
      at: yield* between(3000, horizon),
      kind: "delay",
      place: yield* oneOf(proxied),
      ms: 200,
      forMs: yield* between(5000, 10_000)
    })
  }
  return dealt.toSorted((a, b) => a.at - b.at)
})

interface Away {
  readonly place: string
  readonly from: number
  readonly until: number
}

const between = (from: number, until: number) => Random.nextIntBetween(from, until)

const oneOf = <A>(all: ReadonlyArray<A>) =>
  Effect.map(Random.nextIntBetween(0, all.length, { halfOpen: true }), (n) => all[n]!)

const meet = (one: Away, from: number, until: number, apart: number) =>
  one.from < until + apart && one.until > from - apart

// a place and a time for somebody to be away: never the same one twice in ten seconds, never three at once
const placed = (horizon: number, among: ReadonlyArray<string>, forMs: number, away: ReadonlyArray<Away>) =>
  Effect.gen(function*() {
    for (let tried = 0; tried < 500; tried++) {
      const place = yield* oneOf(among)
      const at = yield* between(5000, horizon - forMs)
      const others = away.filter((one) => meet(one, at, at + forMs, 2000))
      const same = away.some((one) => one.place === place && meet(one, at, at + forMs, 10_000))
      if (!same && others.every((one) => others.every((two) => one === two || !meet(one, two.from, two.until, 2000)))) {
        return { at, place }
      }
    }
    return undefined
  })

// a worker that works, while another one does
const killed = (
  horizon: number,
  away: ReadonlyArray<Away>,
  kills: ReadonlyArray<{ readonly place: string; readonly at: number }>
) =>
  Effect.gen(function*() {
    for (let tried = 0; tried < 500; tried++) {
      const place = yield* oneOf(workers)
      const at = yield* between(5000, horizon)
      const isBusy = (other: string) =>
        away.some((one) => one.place === other && meet(one, at, at, 6000)) ||
        kills.some((one) => one.place === other && Math.abs(one.at - at) < 8000)
      if (!isBusy(place) && workers.some((other) => other !== place && !isBusy(other))) return { at, place }
    }
    return undefined
  })
