/** Plans of the hot statements, as the server made them with the statistics of empty tables and a backlog in them. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import { readFile } from "node:fs/promises"
import { Database } from "ostinato/store/Database"
import { job, layer as store, member, Store, unique } from "./jobs.ts"

interface Node {
  readonly "Node Type": string
  readonly "Relation Name"?: string
  readonly "Index Name"?: string
  readonly "Actual Rows": number
  readonly "Actual Loops": number
  readonly "Rows Removed by Filter"?: number
  readonly Plans?: ReadonlyArray<Node>
}

const decode = (json: string): { readonly "Query Text": string; readonly Plan: Node } => JSON.parse(json)

const described = (kind: string, node: Node) => `${kind}: ${JSON.stringify({ ...node, Plans: undefined })}`

const nodes = (node: Node): ReadonlyArray<Node> => [node, ...(node.Plans ?? []).flatMap(nodes)]

const backlog = 20_000

/** What was planned while this ran on a connection of its own, by statement. */
const planned = Effect.fnUntraced(function*<A>(work: (sql: PgClient.PgClient) => Effect.Effect<A, unknown>) {
  const { connection } = yield* Database
  const sql = yield* Effect.provideServiceEffect(
    PgClient.makeClient(connection("control")),
    Reactivity.Reactivity,
    Reactivity.make
  )
  yield* sql`LOAD 'auto_explain'`
  const mark = "here the plans begin"
  for (
    const [setting, value] of [
      ["log_min_duration", "0"],
      ["log_nested_statements", "on"],
      ["log_analyze", "on"],
      ["log_timing", "off"],
      ["log_format", "json"]
    ]
  ) yield* sql.unsafe(`set auto_explain.${setting} = '${value}'`)
  yield* sql.unsafe(`select '${mark}'`)
  const answer = yield* work(sql)
  yield* sql`SET auto_explain.log_min_duration = -1`
  const [row] = yield* sql<
    { log: string }
  >`SELECT regexp_replace(current_setting('data_directory'), '/data$', '.log') AS log`
  const text = yield* Effect.promise(() => readFile(row!.log, "utf8"))
  const plans = Array.from(
    text.slice(text.lastIndexOf(mark)).matchAll(/plan:\n(\t\{[\s\S]*?\n\t\})/g),
    ([, json]) => decode(json!)
  )
  return { answer, plans }
})

layer(store, { excludeTestServices: true })("plans", (it) => {
  it.effect(
    "no statistics make a claim, an end or a promotion read or sort more than its batch",
    () =>
      Effect.gen(function*() {
        const { enqueue } = yield* Store
        const sql = yield* PgClient.PgClient
        for (const table of ["ready", "later", "uniq", "job_default"]) {
          yield* sql.unsafe(`alter table ostinato.${table} set (autovacuum_enabled = off)`)
        }
        yield* sql`ANALYZE`
        yield* enqueue(Array.from({ length: backlog }, () => job({ queue: "plans" })))
        yield* enqueue(
          Array.from({ length: backlog }, (_, n) => job({ queue: "plans", delayMs: 1, unique: unique(`p${n}`) }))
        )
        const worker = yield* member()
        const [queue] = yield* sql<{ id: number }>`SELECT id FROM ostinato.queue WHERE name = 'plans'`
        const { plans } = yield* Effect.scoped(planned((sql) =>
          Effect.gen(function*() {
            // more often than it takes until a plan would be kept
            for (let round = 0; round < 7; round++) {
              const jobs = yield* sql<{ job_id: bigint; ord: bigint; epoch: number; flags: number }>`
              SELECT * FROM ostinato.claim(${queue!.id}, 100, ${worker.id}, (-32768)::smallint, -1, -1)`
              assert.strictEqual(jobs.length, 100)
              const half = jobs.slice(0, 50).map((row) => String(row.job_id))
              const rest = jobs.slice(50)
              yield* sql`SELECT FROM ostinato.complete(${worker.id}, ${
                queue!.id
              }, 0::smallint, 1, ${half}::bigint[], true)`
              yield* sql`
              SELECT FROM ostinato.finish(${worker.id}, ${queue!.id}, 0::smallint, ${
                rest.map(({ ord }) => String(ord))
              }::bigint[],
                ${rest.map((row) => String(row.job_id))}::bigint[], ${rest.map(({ epoch }) => epoch)}::int[],
                ${rest.map((_, n) => "cfxrs"[n % 5]!)}::text[]::"char"[], NULL, NULL, NULL,
                ${rest.map(() => "{}")}::text[]::jsonb[], NULL, NULL, ${
                rest.map(({ flags }) => flags)
              }::smallint[], true)`
              yield* sql`SELECT FROM ostinato.promote(100)`
            }
          })
        ))
        const seen = new Map<string, number>()
        for (const { Plan, "Query Text": text } of plans) {
          const kind = /p_worker, epoch = r.epoch/.test(text)
            ? "claim"
            : /p_history/.test(text)
            ? "complete"
            : /p_outcome, p_delay_ms/.test(text)
            ? "finish"
            : /skip locked[\s\S]*parked/.test(text) || /limit p_limit for update/.test(text)
            ? "promote"
            : undefined
          if (kind === undefined) continue
          seen.set(kind, (seen.get(kind) ?? 0) + 1)
          for (const node of nodes(Plan)) {
            const name = node["Relation Name"] ?? ""
            const said = described(kind, node)
            assert.isFalse(node["Node Type"] === "Seq Scan" && /^(ready|later|job|done|uniq|failure)/.test(name), said)
            if (kind !== "promote") assert.notMatch(node["Node Type"], /Sort/, said)
            // nothing passes more rows on than the batch has, or looks at them in vain
            assert.isTrue(node["Actual Rows"] * node["Actual Loops"] <= 200, said)
            if (/^(later|job|uniq)/.test(name)) assert.isTrue((node["Rows Removed by Filter"] ?? 0) <= 200, said)
          }
        }
        assert.deepStrictEqual(Object.fromEntries(seen), { claim: 7, complete: 7, finish: 7, promote: 7 })
      }),
    30_000
  )
})
