/**
 * What the main thread and the thread that beats tell each other.
 *
 * What must be seen at once, whatever either of them is doing, stands in memory that both share: how often the event loop
 * of the main thread has turned, how often the leases were given up because it did not, and when the last renewal began
 * that succeeded. Everything else is a message.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

/** How long leases last and how they are kept, in milliseconds. Change them only together. */
export interface Timing {
  readonly leaseMs: number
  readonly beatMs: number
  /** Without a renewal for so long a lease counts as lost: what runs must end before another worker may begin. */
  readonly giveUpMs: number
  /** When the event loop has stood still for so long, the leases are no longer renewed. */
  readonly stallLimitMs: number
}

/** How to connect, in a form that can travel to another thread. */
export interface Wire {
  readonly settings: Omit<PgClient.PgClientConfig, "url" | "password">
  readonly url: string | undefined
  readonly password: string | undefined
}

export interface Settings {
  readonly schema: string
  readonly timing: Timing
  /** Whether the connection is that of one server process: not behind a pooler. */
  readonly recordsBackend: boolean
  readonly shared: SharedArrayBuffer
}

export interface Seed extends Settings {
  readonly wire: Wire
}

export type Order =
  | { readonly kind: "enrol"; readonly member: number; readonly since: bigint }
  | { readonly kind: "leave"; readonly member: number }
  | { readonly kind: "acknowledge"; readonly member: number; readonly jobs: ReadonlyArray<string> }
  /** Something may have come for a member. */
  | { readonly kind: "beat" }
  | { readonly kind: "stop" }

/** A wish that stands in the mailbox of a member. */
export interface Letter {
  readonly job: string
  readonly reason: unknown
}

export type Report =
  | {
    readonly kind: "mail"
    readonly member: number
    readonly letters: ReadonlyArray<Letter>
    /** How often the leases had been given up when this one was renewed. */
    readonly silences: number
  }
  | { readonly kind: "lost"; readonly member: number; readonly why: string }
  /** The event loop turns again, after so long. */
  | { readonly kind: "stalled"; readonly ms: number }
  /** The leases are left to run out, because the event loop stands still. */
  | { readonly kind: "silent"; readonly ms: number }
  | { readonly kind: "away"; readonly detail: string }

/** The memory that both threads see. */
export interface Shared {
  readonly buffer: SharedArrayBuffer
  readonly turn: () => void
  readonly turns: () => number
  readonly silence: () => void
  readonly silences: () => number
  readonly renewed: (at: bigint) => void
  readonly renewedAt: () => bigint
}

export const share = (buffer: SharedArrayBuffer = new SharedArrayBuffer(16)): Shared => {
  const counts = new Int32Array(buffer, 0, 2)
  const instant = new BigInt64Array(buffer, 8, 1)
  return {
    buffer,
    turn: () => void Atomics.add(counts, 0, 1),
    turns: () => Atomics.load(counts, 0),
    silence: () => void Atomics.add(counts, 1, 1),
    silences: () => Atomics.load(counts, 1),
    renewed: (at) => void Atomics.store(instant, 0, at),
    renewedAt: () => Atomics.load(instant, 0)
  }
}

/** The time that all threads of a process share, in nanoseconds. It goes on while the process is stopped. */
export const now = (): bigint => process.hrtime.bigint()

export const millisSince = (since: bigint): number => Number(now() - since) / 1e6

/** What of the settings can travel; undefined where something that matters cannot, e.g. a function of the application. */
export const pack = (config: PgClient.PgClientConfig): Wire | undefined => {
  // names and JSON of the house are read as they were written, and it uses no types of its own
  const {
    connectTimeout,
    keepAlive,
    password,
    transformJson: _json,
    transformQueryNames: _query,
    transformResultNames: _result,
    types: _types,
    url,
    ...rest
  } = config
  const settings = {
    ...rest,
    // as numbers: a Duration would arrive as something else
    ...(connectTimeout === undefined ? {} : { connectTimeout: millis(connectTimeout) }),
    ...(keepAlive === undefined ? {} : { keepAlive: millis(keepAlive) })
  }
  if (Effect.isEffect(password)) return undefined
  const wire = {
    settings,
    url: url === undefined ? undefined : Redacted.value(url),
    password: password === undefined ? undefined : Redacted.value(password)
  }
  return isPlain(wire) ? wire : undefined
}

export const unpack = ({ password, settings, url }: Wire): PgClient.PgClientConfig => ({
  ...settings,
  ...(url === undefined ? {} : { url: Redacted.make(url) }),
  ...(password === undefined ? {} : { password: Redacted.make(password) })
})

const isPlain = (value: unknown): boolean =>
  typeof value !== "function" &&
  (typeof value !== "object" || value === null || Buffer.isBuffer(value) || Object.values(value).every(isPlain))

const millis = (input: Duration.Input) => Duration.toMillis(Duration.fromInputUnsafe(input))
