/**
 * The door to the peers: packages of the private `scripts/bench/package.json`, which may be absent.
 *
 * They are imported by variable specifiers and described by the few members that the suites call, so type checking and linting of
 * the repository do not need them installed.
 */
import { existsSync, readFileSync } from "node:fs"

const manifest = new URL("./package.json", import.meta.url)

/** Pinned versions of the peers, by package name. */
export const pinned = (): Readonly<Record<string, string>> =>
  (JSON.parse(readFileSync(manifest, "utf8")) as { readonly dependencies: Record<string, string> }).dependencies

/** Those of the peers that are not installed at their pinned version. */
export const missing = (peers: ReadonlyArray<string>): ReadonlyArray<string> =>
  Object.entries(pinned()).filter(([name, version]) => {
    if (!peers.includes(name)) return false
    const installed = new URL(`./node_modules/${name}/package.json`, import.meta.url)
    if (!existsSync(installed)) return true
    return (JSON.parse(readFileSync(installed, "utf8")) as { readonly version: string }).version !== version
  }).map(([name]) => name)

const load = async (specifier: string): Promise<unknown> => await import(specifier)

/** Rows of one query. */
interface Rows {
  readonly rows: ReadonlyArray<Record<string, unknown>>
}

/** A `pg` connection. */
export interface PgConnection {
  readonly connect: () => Promise<void>
  readonly query: (text: string, values?: ReadonlyArray<unknown>) => Promise<Rows>
  readonly end: () => Promise<void>
}

/** A `pg` pool. */
interface PgPool {
  readonly on: (event: "error", listener: () => void) => void
  readonly end: () => Promise<void>
}

/** `pg`. */
interface Pg {
  readonly Client: new(options: { readonly connectionString: string }) => PgConnection
  readonly Pool: new(options: { readonly connectionString: string; readonly max: number }) => PgPool
}

/** `graphile-worker`. */
export interface Graphile {
  readonly WorkerPreset: object
  readonly Logger: new(factory: () => () => void) => object
  readonly runMigrations: (options: object) => Promise<void>
  readonly run: (options: object) => Promise<{ readonly stop: () => Promise<void> }>
  readonly makeWorkerUtils: (options: object) => Promise<{
    readonly addJob: (identifier: string, payload: unknown) => Promise<unknown>
    readonly addJobs: (
      jobs: ReadonlyArray<{ readonly identifier: string; readonly payload: unknown }>
    ) => Promise<unknown>
    readonly release: () => Promise<void>
  }>
}

/** `pg-boss`. */
interface PgBossModule {
  readonly PgBoss: new(options: object) => {
    readonly on: (event: "error", listener: (error: unknown) => void) => void
    readonly start: () => Promise<unknown>
    readonly stop: (options: object) => Promise<void>
    readonly createQueue: (name: string, options: object) => Promise<void>
    readonly send: (name: string, data: object) => Promise<string | null>
    readonly insert: (name: string, jobs: ReadonlyArray<{ readonly data: object }>) => Promise<unknown>
    readonly work: (
      name: string,
      options: object,
      handler: (jobs: ReadonlyArray<{ readonly data: unknown }>) => Promise<void>
    ) => Promise<string>
  }
}

/** `bullmq`. */
export interface BullMq {
  readonly createPostgresBackend: object
  readonly Queue: new(name: string, options: object, backend?: object) => {
    readonly on: (event: "error", listener: () => void) => void
    readonly waitUntilReady: () => Promise<unknown>
    readonly add: (name: string, data: object) => Promise<unknown>
    readonly addBulk: (jobs: ReadonlyArray<{ readonly name: string; readonly data: object }>) => Promise<unknown>
    readonly close: () => Promise<void>
  }
  readonly Worker: new(
    name: string,
    handler: (job: { readonly data: unknown }) => Promise<void>,
    options: object,
    backend?: object
  ) => {
    readonly on: (event: "error", listener: (error: unknown) => void) => void
    readonly close: () => Promise<void>
  }
}

/** `ioredis`. */
interface IoRedis {
  readonly Redis: new(options: object) => {
    readonly on: (event: "error", listener: () => void) => void
    readonly ping: () => Promise<string>
    readonly info: (section: string) => Promise<string>
    readonly llen: (key: string) => Promise<number>
    readonly disconnect: () => void
  }
}

/** `p-limit`. */
type PLimit = (concurrency: number) => <A>(task: () => Promise<A>) => Promise<A>

/** `fastq`. */
interface Fastq {
  readonly promise: <T, A>(
    worker: (task: T) => Promise<A>,
    concurrency: number
  ) => { readonly push: (task: T) => Promise<A> }
}

/** Loads `p-limit`. */
export const pLimit = async (): Promise<PLimit> => ((await load("p-limit")) as { readonly default: PLimit }).default

/** Loads `fastq`. */
export const fastq = async (): Promise<Fastq> => ((await load("fastq")) as { readonly default: Fastq }).default

/** Loads `pg`. */
export const pg = async (): Promise<Pg> => ((await load("pg")) as { readonly default: Pg }).default

/** Loads `graphile-worker`. */
export const graphile = async (): Promise<Graphile> => (await load("graphile-worker")) as Graphile

/** Loads `pg-boss`. */
export const pgBoss = async (): Promise<PgBossModule> => (await load("pg-boss")) as PgBossModule

/** Loads `bullmq`. */
export const bullMq = async (): Promise<BullMq> => (await load("bullmq")) as BullMq

/** Loads `ioredis`. */
export const redis = async (): Promise<IoRedis> => (await load("ioredis")) as IoRedis

/** Opens one connection, lends it and closes it. */
export const withConnection = async <A>(url: string, use: (connection: PgConnection) => Promise<A>): Promise<A> => {
  const { Client } = await pg()
  const connection = new Client({ connectionString: url })
  await connection.connect()
  try {
    return await use(connection)
  } finally {
    await connection.end()
  }
}
