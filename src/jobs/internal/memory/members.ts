/**
 * Processes that work, and their leases: 30 seconds, renewed every 5 seconds by a fiber of the member itself.
 *
 * A member whose fibers make no step any more is dead once its lease is over: it claims nothing, and `rescue` takes its
 * jobs back. It learns so itself, at the latest 22 seconds after its last renewal. Who leaves is alive, so what it holds
 * did not end it, nor what was taken from it before.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as LeaseTiming from "../../../core/LeaseTiming.ts"
import type { Supervisor } from "../../../core/Supervisor.ts"
import type { Cancellation } from "../../../core/TaskRun.ts"
import type { JobFailure, JobId } from "../../Job.ts"
import type { Mail, Member, Rescued, Working } from "../../JobStore.ts"
import * as loss from "../loss.ts"
import * as limits from "./limits.ts"
import { end } from "./moves.ts"
import { idOf, type Life, lifeOf, record, type Row } from "./row.ts"
import * as signal from "./signal.ts"
import { queueOf, type Tables } from "./tables.ts"
import type { Transactions } from "./transaction.ts"

export interface Entry {
  readonly id: number
  readonly node: string
  readonly info: Schema.Json
  readonly serves: Readonly<Record<string, ReadonlyArray<string>>>
  expiresAt: number
  renewedAt: number
  readonly running: Set<Row>
  /** It left, and what it runs is not to blame. */
  isResigned: boolean
  /** The attempt that runs with nothing else. */
  alone: { readonly row: Row; readonly epoch: number } | null
  /** Attempts that were taken for what ended it. */
  readonly blamed: Array<{ readonly row: Row; readonly epoch: number }>
  readonly mail: Map<JobId, Letter>
  readonly posted: signal.Signal
}

interface Letter {
  readonly by: Cancellation
  /** Since the last renewal. */
  isTold: boolean
}

const leaseMs = Duration.toMillis(LeaseTiming.duration)

/** So long without a renewal, a member stops by itself, before others take its jobs. */
const lostMs = 22_000

export const join = (tables: Tables, { step }: Transactions, supervisor: Supervisor["Service"]): Working["join"] =>
  Effect.fnUntraced(function*({ info, node, serves }) {
    const entry = yield* step((now) => {
      for (const queue of Object.keys(serves)) queueOf(tables, queue)
      tables.lastMember += 1
      const made: Entry = {
        id: tables.lastMember,
        node,
        info,
        serves,
        expiresAt: now + leaseMs,
        renewedAt: now,
        running: new Set(),
        isResigned: false,
        alone: null,
        blamed: [],
        mail: new Map(),
        posted: signal.make()
      }
      tables.members.set(made.id, made)
      return made
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        entry.isResigned = true
        // what it still runs is taken back when its lease is over
        if (entry.running.size === 0) tables.members.delete(entry.id)
        for (const { epoch, row } of entry.blamed.splice(0)) clear(lifeOf(row), epoch)
      })
    )
    yield* supervisor.start(`lease of job worker ${entry.id}`, keep(tables, entry))
    return {
      id: entry.id,
      node,
      mail: mail(entry),
      acknowledge: (ids) => Effect.sync(() => ids.forEach((id) => entry.mail.delete(id))),
      lost: lost(tables, entry)
    } satisfies Member
  })

/** Ends when the lease was over before it could be renewed. */
const keep = (tables: Tables, entry: Entry) =>
  Effect.gen(function*() {
    while (true) {
      yield* Effect.sleep(LeaseTiming.renewEvery)
      const now = yield* Clock.currentTimeMillis
      if (!isAlive(tables, entry, now)) return
      entry.renewedAt = now
      entry.expiresAt = now + leaseMs
      if (entry.mail.size === 0) continue
      for (const letter of entry.mail.values()) letter.isTold = false
      entry.posted.tell()
    }
  })

const mail = (entry: Entry): Effect.Effect<ReadonlyArray<Mail>> =>
  Effect.suspend(() => {
    const letters = Array.from(entry.mail)
    if (letters.every(([, { isTold }]) => isTold)) return Effect.andThen(entry.posted.next, mail(entry))
    return Effect.succeed(letters.map(([id, letter]): Mail => {
      letter.isTold = true
      return { id, by: letter.by }
    }))
  })

const lost = (tables: Tables, entry: Entry): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const left = entry.renewedAt + lostMs - now
    return left <= 0 || !isAlive(tables, entry, now)
      ? Effect.void
      : Effect.andThen(Effect.sleep(left), lost(tables, entry))
  })

const isAlive = (tables: Tables, entry: Entry, now: number) => entry.expiresAt > now && tables.members.has(entry.id)

/** Those that may claim. */
export const alive = (tables: Tables, id: number, now: number): Entry | undefined => {
  const entry = tables.members.get(id)
  return entry !== undefined && isAlive(tables, entry, now) ? entry : undefined
}

/** The member that runs a job is asked to end it. Answers whether it had been asked before. */
export const post = (row: Row, by: Cancellation): "requested" | "already" => {
  const entry = row.life?.member
  const id = idOf(row)
  if (entry === null || entry === undefined || entry.mail.has(id)) return "already"
  entry.mail.set(id, { by, isTold: false })
  entry.posted.tell()
  return "requested"
}

/** What a running job was asked to, while it runs where it was asked. */
export const asked = (row: Row): Cancellation | undefined => row.life?.member?.mail.get(idOf(row))?.by

/** Takes back what dead members ran, and forgets them. */
export const rescue = (tables: Tables, now: number): ReadonlyArray<Rescued> =>
  Array.from(tables.members.values()).flatMap((entry) => {
    if (entry.expiresAt > now) return []
    tables.members.delete(entry.id)
    return Array.from(entry.running, (row): Rescued => {
      const fate = takeBack(tables, entry, row, now)
      entry.running.delete(row)
      return { id: idOf(row), queue: row.queue.name, fate }
    })
  })

const takeBack = (tables: Tables, entry: Entry, row: Row, now: number): Rescued["fate"] => {
  const life = lifeOf(row)
  const by = asked(row)
  const said = entry.isResigned ? loss.lapsed : loss.died
  const failure = by === undefined ? said : { ...said, cancellation: by }
  if (!entry.isResigned) entry.blamed.push({ row, epoch: life.epoch })
  const isAlone = entry.alone?.row === row && entry.alone.epoch === life.epoch
  const bound = isAlone ? loss.maxDeaths : loss.mostDeaths
  record(life, { failure, logs: [] }, now)
  life.failure = failure
  life.lost += 1
  const fate = by !== undefined
    ? "cancelled"
    : life.attempt >= row.maxAttempts || (!entry.isResigned && deaths(life) >= bound)
    ? "discarded"
    : "available"
  life.epoch += 1
  life.member = null
  if (fate === "available") limits.pass(tables, [row], now)
  else end(tables, row, { place: fate, failure: null }, now)
  return fate
}

/** Of its losses since its attempts were last counted anew. */
const deaths = ({ entries, lost }: Life) =>
  entries
    .filter(({ failure }) => isLoss(failure, loss.died.tag) || isLoss(failure, loss.lapsed.tag))
    .slice(-lost)
    .filter(({ failure }) => isLoss(failure, loss.died.tag)).length

const isLoss = (failure: JobFailure | null, tag: string) => failure?.kind === loss.died.kind && failure.tag === tag

/** Who had it then came back: it died of nothing. */
const clear = (life: Life, epoch: number) => {
  life.entries = life.entries.map((entry) => {
    if (entry.epoch !== epoch || !isLoss(entry.failure, loss.died.tag)) return entry
    const failure = { ...entry.failure, ...loss.lapsed }
    if (life.failure === entry.failure) life.failure = failure
    return { ...entry, failure }
  })
}
