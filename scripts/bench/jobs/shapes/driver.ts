/**
 * The program that every shape runs under: `@effect/sql-pg`, no multiplexing.
 *
 * One claiming fiber fills a bounded queue; 50 long-lived fibers take up to 32 jobs and run the handler of each; completing fibers
 * send up to one batch per statement and wait 1 ms for a short one. No fiber is forked per job. A shape with an `exchange` runs
 * one fiber for both statements instead.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import type { Driver, Payload } from "../JobSystem.ts"
import { monotonic } from "../measure/monotonic.ts"
import { shapeNamed } from "./all.ts"
import { fromStart, type Row, type Shape, type Statement } from "./Shape.ts"

const handlers = 50
const takeAtMost = 32

/** Milliseconds and calls per kind of statement. */
class Timings {
  readonly figures: Record<string, number> = {}
  add(kind: string, ms: number, rows: number): void {
    this.figures[`${kind} ms`] = (this.figures[`${kind} ms`] ?? 0) + ms
    this.figures[`${kind} rows`] = (this.figures[`${kind} rows`] ?? 0) + rows
    this.figures[`${kind} calls`] = (this.figures[`${kind} calls`] ?? 0) + 1
  }
}

const program = Effect.fnUntraced(
  function*(shape: Shape, worker: number, onJob: (job: Payload) => void, timings: Timings) {
    const sql = yield* PgClient.PgClient
    const batch = shape.batch ?? 1000
    const claimed = yield* Queue.bounded<Row>(batch)
    const ended = yield* Queue.bounded<Row>(2 * batch)
    const run = (kind: string, statement: Statement, rows?: number) =>
      Effect.suspend(() => {
        const start = monotonic()
        return Effect.map(sql.unsafe<Row>(statement.text, statement.values), (result) => {
          timings.add(kind, monotonic() - start, rows ?? result.length)
          return result
        })
      })

    const handle = (row: Row) => Effect.sync(() => onJob(shape.payload(row)))

    const claiming = Effect.gen(function*() {
      let cursor = fromStart
      while (true) {
        const rows = yield* run("claim", shape.claim(worker, cursor, batch))
        const last = rows.at(-1)
        cursor = shape.cursor !== undefined && last !== undefined && rows.length === batch
          ? shape.cursor(last)
          : fromStart
        if (last === undefined) yield* Effect.sleep("20 millis")
        else yield* Queue.offerAll(claimed, rows)
      }
    })

    const handling = Effect.gen(function*() {
      while (true) {
        const rows = yield* Queue.takeBetween(claimed, 1, takeAtMost)
        for (const row of rows) yield* Effect.exit(handle(row))
        yield* Queue.offerAll(ended, rows)
      }
    })

    const completing = Effect.gen(function*() {
      while (true) {
        let rows: Array<Row> = yield* Queue.takeBetween(ended, 1, batch)
        if (rows.length < batch) {
          yield* Effect.sleep("1 millis")
          const more = Queue.sizeUnsafe(ended)
          if (more > 0) rows = rows.concat(yield* Queue.takeBetween(ended, 1, batch - rows.length))
        }
        yield* run("finish", shape.finish(worker, rows), rows.length)
      }
    })

    const exchanging = (exchange: NonNullable<Shape["exchange"]>) =>
      Effect.gen(function*() {
        let cursor = fromStart
        while (true) {
          const size = Math.min(batch, Queue.sizeUnsafe(ended))
          const done: Array<Row> = size === 0 ? [] : yield* Queue.takeBetween(ended, 1, size)
          const answer = yield* run("exchange", exchange(worker, done, cursor, batch), done.length)
          const rows = answer.filter((row) => row["job_id"] !== null)
          const last = rows.at(-1)
          cursor = shape.cursor !== undefined && last !== undefined && rows.length === batch
            ? shape.cursor(last)
            : fromStart
          if (last !== undefined) yield* Queue.offerAll(claimed, rows)
          if (done.length === 0) yield* Effect.sleep("1 millis")
        }
      })

    const many = (fibers: number, effect: Effect.Effect<never, unknown>) =>
      Effect.all(Array.from({ length: fibers }, () => effect), { concurrency: "unbounded", discard: true })

    const statements = shape.exchange === undefined
      ? [many(shape.claimers ?? 1, claiming), many(shape.completers ?? 1, completing)]
      : [exchanging(shape.exchange)]
    yield* Effect.all([many(handlers, handling), ...statements], { concurrency: "unbounded", discard: true })
  }
)

/** Opens the driver of a child process for the shape with this name. */
export const open = async (name: string, url: string): Promise<Driver> => {
  const shape = shapeNamed(name)
  const runtime = ManagedRuntime.make(PgClient.layer({ url: Redacted.make(url), maxConnections: 8, minConnections: 4 }))
  const timings = new Timings()
  const sql = await runtime.runPromise(PgClient.PgClient)
  await runtime.runPromise(Effect.all(Array.from({ length: 4 }, () => sql`select pg_sleep(0.01)`), { concurrency: 4 }))
  let running: Fiber.Fiber<unknown, unknown> | undefined
  const insert = (jobs: ReadonlyArray<Payload>) =>
    Effect.suspend(() => {
      const statement = shape.enqueue(jobs)
      return sql.unsafe(statement.text, statement.values)
    })
  return {
    add: (job) => runtime.runPromise(insert([job])),
    bulk: async (jobs) => {
      const size = 1000
      const inserts = Effect.forEach(
        Array.from({ length: Math.ceil(jobs.length / size) }, (_, index) => index * size),
        (from) => insert(jobs.slice(from, from + size)),
        { concurrency: 2, discard: true }
      )
      await runtime.runPromise(inserts)
    },
    work: async (onJob) => {
      const register = shape.register
      const rows = register === undefined
        ? []
        : await runtime.runPromise(sql.unsafe<Row>(register.text, register.values))
      const worker = Number(rows[0]?.["id"] ?? 1)
      const fiber = runtime.runFork(program(shape, worker, onJob, timings))
      running = fiber
      return await new Promise<void>((resolve, reject) =>
        fiber.addObserver((exit) =>
          exit._tag === "Failure" && running !== undefined ? reject(new Error(String(exit.cause))) : resolve()
        )
      )
    },
    close: async () => {
      const fiber = running
      running = undefined
      if (fiber !== undefined) await runtime.runPromise(Fiber.interrupt(fiber))
      await runtime.dispose()
    },
    figures: () => timings.figures
  }
}
