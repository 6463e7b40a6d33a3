/**
 * Keeps the leases of this process alive, whatever runs in it: one thread with one connection for all of its members.
 *
 * A member is lost when its row is gone or its lease ran out, or when no renewal has succeeded for 22 s of 30 s, which
 * leaves what runs the time to end before anybody else may begin. `held` says so at any instant, also right after the
 * process was stopped for a while. The thread is started for the first member, started anew when it ends, and ends with
 * the scope; it does not keep the process alive.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type { Supervisor } from "../../../core/Supervisor.ts"
import type { Database } from "../../../store/Database.ts"
import * as heartbeatHost from "./heartbeatHost.ts"
import { type Letter, millisSince, pack, type Report, share, type Timing } from "./heartbeatProtocol.ts"

/** One member, as long as its scope is open. */
export interface Enrolment {
  /** Mail of the newest beat, once for each beat that brought some. */
  readonly letters: Effect.Effect<ReadonlyArray<Letter>>
  readonly acknowledge: (jobs: ReadonlyArray<string>) => void
  readonly lost: Effect.Effect<void>
  /** Whether the lease can still be valid, now. */
  readonly held: () => boolean
  /** Something may have come: beats at once. */
  readonly nudge: Effect.Effect<void>
  /** Waits for the first beat that was answered: from then on the server can tell that the process is gone. */
  readonly beaten: Effect.Effect<void>
  /** Whether its lease was given up, because the event loop stood still, and was not renewed since. */
  readonly hung: () => boolean
}

interface Heartbeat {
  /** Keeps the lease of a row that was made, or renewed, no earlier than `since`. */
  readonly enrol: (member: number, since: bigint) => Effect.Effect<Enrolment, never, Scope.Scope>
}

interface Kept {
  readonly since: bigint
  readonly arrived: Queue.Queue<ReadonlyArray<Letter>>
  readonly acknowledged: Set<string>
  readonly lost: Deferred.Deferred<void>
  readonly beaten: Deferred.Deferred<void>
  isLost: boolean
  /** How often the leases had been given up when it was last renewed. */
  silences: number
}

export const make = Effect.fnUntraced(function*(options: {
  readonly timing: Timing
  readonly schema: string
  readonly database: Database["Service"]
  readonly supervisor: Supervisor["Service"]
}) {
  const { database, schema, supervisor, timing } = options
  const scope = yield* Effect.scope
  const shared = share()
  const members = new Map<number, Kept>()
  const told = yield* Queue.sliding<Report>(16)
  let host: heartbeatHost.Host | undefined
  let isStarted = false

  const lose = (member: number, why: string) => {
    const kept = members.get(member)
    if (kept === undefined || kept.isLost) return
    kept.isLost = true
    host?.post({ kind: "leave", member })
    Deferred.doneUnsafe(kept.lost, Effect.void)
    Queue.offerUnsafe(told, { kind: "lost", member, why })
  }
  const onReport = (report: Report) => {
    if (report.kind === "lost") return lose(report.member, report.why)
    if (report.kind !== "mail") return void Queue.offerUnsafe(told, report)
    const kept = members.get(report.member)
    if (kept === undefined) return
    kept.silences = report.silences
    Deferred.doneUnsafe(kept.beaten, Effect.void)
    const letters = report.letters.filter(({ job }) => !kept.acknowledged.has(job))
    // what a beat no longer brings is gone, and may come again
    const still = new Set(report.letters.map(({ job }) => job))
    for (const job of kept.acknowledged) if (!still.has(job)) kept.acknowledged.delete(job)
    if (letters.length > 0) Queue.offerUnsafe(kept.arrived, letters)
  }
  const held = (kept: Kept) => {
    const renewedAt = shared.renewedAt()
    return !kept.isLost && millisSince(renewedAt > kept.since ? renewedAt : kept.since) <= timing.giveUpMs
  }

  const connection = database.connection("heartbeat")
  const wire = pack(
    database.pooler ? connection : {
      ...connection,
      startupParameters: { ...connection.startupParameters, ...guards }
    }
  )
  const beating = Effect.scoped(Effect.gen(function*() {
    const seed = { schema, timing, recordsBackend: !database.pooler, shared: shared.buffer }
    const started = wire === undefined
      ? yield* heartbeatHost.here(seed, connection, onReport)
      : yield* heartbeatHost.thread({ ...seed, wire }, onReport)
    for (const [member, { acknowledged, isLost, since }] of members) {
      if (isLost) continue
      const renewedAt = shared.renewedAt()
      started.post({ kind: "enrol", member, since: renewedAt > since ? renewedAt : since })
      started.post({ kind: "acknowledge", member, jobs: Array.from(acknowledged) })
    }
    host = started
    yield* started.end
  })).pipe(Effect.ensuring(Effect.sync(() => {
    host = undefined
  })))

  /** Shows the thread that the event loop turns, and looks at the leases whatever the thread does. */
  const turning = Effect.forever(Effect.gen(function*() {
    shared.turn()
    for (const [member, kept] of members) if (!held(kept)) lose(member, "it could not be renewed in time")
    yield* Effect.sleep(Math.min(250, timing.beatMs / 2))
  }))

  const start = Effect.suspend(() => {
    if (isStarted) return Effect.void
    isStarted = true
    return Effect.gen(function*() {
      if (wire === undefined) {
        yield* Effect.logWarning(
          "leases are kept by the event loop itself, because the connection has settings that cannot travel to a thread: " +
            "work that blocks the loop for longer than a lease loses its jobs"
        )
      }
      yield* supervisor.start("heartbeat", Effect.withTracerEnabled(beating, false))
      yield* supervisor.start("event loop", turning)
      yield* supervisor.start("heartbeat log", Effect.forever(Effect.flatMap(Queue.take(told), say)))
    }).pipe(Scope.provide(scope))
  })

  const heartbeat: Heartbeat = {
    enrol: (member, since) =>
      Effect.gen(function*() {
        const kept: Kept = {
          since,
          arrived: yield* Queue.sliding<ReadonlyArray<Letter>>(1),
          acknowledged: new Set(),
          lost: yield* Deferred.make<void>(),
          beaten: yield* Deferred.make<void>(),
          isLost: false,
          silences: shared.silences()
        }
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            members.set(member, kept)
            host?.post({ kind: "enrol", member, since })
          }),
          () =>
            Effect.sync(() => {
              kept.isLost = true
              members.delete(member)
              host?.post({ kind: "leave", member })
            })
        )
        yield* start
        return {
          letters: Queue.take(kept.arrived),
          acknowledge: (jobs) => {
            for (const job of jobs) kept.acknowledged.add(job)
            host?.post({ kind: "acknowledge", member, jobs })
          },
          lost: Deferred.await(kept.lost),
          held: () => held(kept),
          nudge: Effect.sync(() => host?.post({ kind: "beat" })),
          beaten: Deferred.await(kept.beaten),
          hung: () => shared.silences() !== kept.silences
        }
      })
  }
  return heartbeat
})

const guards = { statement_timeout: "2s" }

const seconds = (ms: number) => (ms / 1000).toFixed(1)

const say = (report: Report) => {
  switch (report.kind) {
    case "away":
      return Effect.logWarning(`leases cannot be renewed: ${report.detail}`)
    case "lost":
      return Effect.logError(`worker ${report.member} has lost its lease (${report.why}): what it runs is stopped`)
    case "stalled":
      return Effect.logWarning(
        `the event loop stood still for ${
          seconds(report.ms)
        } s: something computed for so long, or the process was stopped`
      )
    case "silent":
      return Effect.logError(
        `the event loop stood still for ${seconds(report.ms)} s: its leases were no longer renewed`
      )
    case "mail":
      return Effect.void
  }
}
