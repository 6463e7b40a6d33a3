/**
 * One of many: a name that at most one process holds at a time, for a term, by the database's clock.
 *
 *   free --acquire--> held (epoch + 1) --renew--> held
 *   held --release | term over--> free
 *
 * **Guarantees.** No two claims of a name are valid at the same time, and each has an epoch above all before it; epochs
 * never go back. What a process holds is free again at the latest one term after its last renewal, however it ended.
 * `withLease` interrupts its work before that (with 8 s to spare of the 30 s of `LeaseTiming`, in proportion for other
 * terms) when renewals fail, and at once when the lease is lost.
 *
 * **Not promised.** A process that was paused may run on for a moment without knowing that its term is over. What must
 * never happen twice therefore happens in a transaction with `fence`, which fails when the lease is lost and keeps
 * everybody else from taking it until that transaction ends.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { randomUUID } from "node:crypto"
import * as LeaseTiming from "../core/LeaseTiming.ts"
import { ControlSql } from "./ControlSql.ts"
import { Database } from "./Database.ts"
import { DatabaseSchema } from "./DatabaseSchema.ts"
import * as LeaseTable from "./internal/LeaseTable.ts"
import type { Line } from "./Migration.ts"
import * as SqlFault from "./SqlFault.ts"
import type { Tx } from "./Tx.ts"

/**
 * The lease is not ours any more: another process has taken it, or it could not be renewed in time.
 *
 * @category errors
 */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", {
  lease: Schema.String,
  epoch: Schema.BigInt,
  detail: Schema.String
}) {
  override get message() {
    return `the lease ${this.lease} (epoch ${this.epoch}) is lost: ${this.detail}`
  }
}

/**
 * The leases could not be read or written.
 *
 * @category errors
 */
export class LeaseUnavailable extends Schema.TaggedError<LeaseUnavailable>()("LeaseUnavailable", {
  operation: Schema.String,
  lease: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `cannot ${this.operation} the lease ${this.lease}: ${this.detail}`
  }
}

/**
 * One claim of a lease. Its epoch is above that of every claim of the name before it.
 *
 * @category models
 */
export interface Claim extends LeaseTable.Claim {
  readonly term: Duration.Duration
}

/**
 * @category models
 */
export interface LeaseOptions {
  /** How long the claim is valid without a renewal. Defaults to `30 seconds`. */
  readonly term?: Duration.Input | undefined
}

/**
 * The table behind the leases.
 *
 * @category migrations
 */
export const migrations: Line = LeaseTable.migrations

/**
 * @category services
 */
export class Lease extends Context.Service<Lease, {
  /** Takes the lease if it is free. */
  readonly acquire: (
    name: string,
    options?: LeaseOptions
  ) => Effect.Effect<Option.Option<Claim>, LeaseUnavailable>
  /** Begins a new term of a claim. */
  readonly renew: (claim: Claim) => Effect.Effect<void, LeaseLost | LeaseUnavailable>
  /** Makes the lease free, if it is still ours. */
  readonly release: (claim: Claim) => Effect.Effect<void, LeaseUnavailable>
  /**
   * Runs work while this process holds the lease: renewed six times a term, released at the end. `None` where another
   * process holds it: the work was not started.
   */
  readonly withLease: <A, E, R>(
    name: string,
    work: (claim: Claim) => Effect.Effect<A, E, R>,
    options?: LeaseOptions
  ) => Effect.Effect<Option.Option<A>, E | LeaseLost | LeaseUnavailable, R>
  /**
   * Makes the transaction around it depend on the lease: it fails when the lease is lost, and until the transaction ends
   * nobody can take it. Keep such a transaction short.
   */
  readonly fence: (claim: Claim) => Effect.Effect<void, LeaseLost | SqlError, SqlClient.SqlClient | Tx>
}>()("ostinato/store/Lease") {
  /** Each call is a layer of its own, so two instances in one program have a holder each. */
  static readonly layer = (): Layer.Layer<Lease, never, ControlSql | Database> => Layer.effect(Lease, make)
}

const make = Effect.gen(function*() {
  const control = yield* ControlSql
  const { node } = yield* Database
  const schema = yield* DatabaseSchema
  const rows = LeaseTable.statements(control, control(schema))
  // two instances of one process are two holders
  const holder = `${node}/${randomUUID()}`

  const acquire = (name: string, options?: LeaseOptions) => {
    const term = Duration.fromInputUnsafe(options?.term ?? LeaseTiming.duration)
    return attempt("acquire", name, rows.acquire(name, holder, term)).pipe(
      Effect.map((epoch) => epoch === undefined ? Option.none() : Option.some<Claim>({ name, holder, epoch, term }))
    )
  }
  const renew = (claim: Claim) =>
    Effect.flatMap(
      attempt("renew", claim.name, rows.renew(claim, claim.term)),
      (renewed) => renewed ? Effect.void : lost(claim, "another process has taken it")
    )
  const release = (claim: Claim) => Effect.asVoid(attempt("release", claim.name, rows.release(claim)))

  // fails when the lease is lost, or when it is about to be because no renewal succeeds
  const keep = Effect.fnUntraced(function*(claim: Claim, since: bigint) {
    const part = (share: number) => Duration.millis(Duration.toMillis(claim.term) * share)
    const limit = Duration.toNanosUnsafe(part(giveUpAfter))
    let validSince = since
    return yield* Effect.forever(Effect.gen(function*() {
      yield* Effect.sleep(part(renewEvery))
      const began = yield* Clock.monotonicTimeNanos
      const left = validSince + limit - began
      yield* renew(claim).pipe(
        Effect.retry({
          while: (error) => error._tag === "LeaseUnavailable",
          schedule: Schedule.spaced(part(retryEvery))
        }),
        Effect.timeoutOrElse({
          duration: Duration.nanos(left > 0n ? left : 0n),
          orElse: () => lost(claim, "it could not be renewed in time")
        })
      )
      validSince = began
    }))
  }, Effect.withTracerEnabled(false))

  return Lease.of({
    acquire,
    renew,
    release,
    withLease: (name, work, options) =>
      Effect.flatMap(Clock.monotonicTimeNanos, (since) =>
        Effect.acquireUseRelease(
          acquire(name, options),
          Option.match({
            onNone: () => Effect.succeedNone,
            onSome: (claim) => Effect.asSome(Effect.raceFirst(work(claim), keep(claim, since)))
          }),
          // a lease that cannot be given back runs out by itself
          Option.match({ onNone: () => Effect.void, onSome: (claim) => Effect.ignore(release(claim)) })
        )),
    fence: (claim) =>
      Effect.flatMap(SqlClient.SqlClient, (sql) =>
        Effect.flatMap(
          LeaseTable.statements(sql, sql(schema)).lock(claim),
          (held) => held ? Effect.void : lost(claim, "its term is over, or another process has taken it")
        ))
  })
})

// shares of a term; together with 5 s that an unanswered statement may take longer they leave 8 s of 30 s to stop in
const renewEvery = 1 / 6
const retryEvery = 1 / 30
const giveUpAfter = 22 / 30

const lost = ({ epoch, name }: Claim, detail: string) => Effect.fail(new LeaseLost({ lease: name, epoch, detail }))

const attempt = <A>(operation: string, name: string, statement: Effect.Effect<A, SqlError>) =>
  Effect.mapError(
    statement,
    (error) => new LeaseUnavailable({ operation, lease: name, detail: SqlFault.explain(error, "Lease.migrations") })
  )
