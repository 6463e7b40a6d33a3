/**
 * A database of the run's server, copied from a template that is made once, at the first use.
 *
 * Its log figures are those of the server: one measurement runs at a time.
 */
import type { Server } from "../../../postgres.ts"
import { pg, type PgConnection, withConnection } from "../../peers.ts"
import { treeCpuSeconds } from "../../proc.ts"
import type { OpenPlace, Place } from "./Place.ts"

/** What a system needs of its database. */
export interface PostgresNeeds {
  /** Names the database. */
  readonly name: string
  /** Creates schema and queue in an empty database. */
  readonly prepare: (connection: PgConnection, url: string) => Promise<void>
  /** A query that answers one row with a boolean column `left`: is a job still stored as not ended? */
  readonly left: string
}

/** A Postgres place, which lends a connection besides. */
export interface PostgresPlace extends Place {
  readonly connection: PgConnection
}

const makers = new WeakMap<Server, Set<string>>()

const makeTemplate = async (server: Server, template: string, { prepare }: PostgresNeeds): Promise<void> => {
  const made = makers.get(server) ?? new Set()
  makers.set(server, made)
  if (made.has(template)) return
  await withConnection(server.url("postgres"), async (connection) => {
    await connection.query(`drop database if exists ${template} with (force)`)
    await connection.query(`create database ${template}`)
  })
  await withConnection(server.url(template), (connection) => prepare(connection, server.url(template)))
  made.add(template)
}

/** A fresh copy of the system's database. */
export const openDatabase = async (
  server: Server,
  needs: PostgresNeeds,
  label = "bench"
): Promise<PostgresPlace> => {
  const base = needs.name.replaceAll(/[^a-z0-9]+/gi, "_").toLowerCase()
  const template = `${base}_template`
  const database = `${base}_${label}`
  await makeTemplate(server, template, needs)
  await withConnection(server.url("postgres"), async (connection) => {
    await connection.query(`drop database if exists ${database} with (force)`)
    await connection.query(`create database ${database} template ${template}`)
  })
  const url = server.url(database)
  const { Client } = await pg()
  const connection = new Client({ connectionString: url })
  await connection.connect()
  return {
    url,
    connection,
    cpuSeconds: () => treeCpuSeconds(server.pid()),
    logBytes: async () => {
      const { rows } = await connection.query("select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text as at")
      return Number(rows[0]?.["at"])
    },
    settle: async (what) => {
      await connection.query(what === "all" ? "vacuum analyze" : "analyze")
      if (what === "all") await connection.query("checkpoint")
    },
    isLeft: async () => {
      const { rows } = await connection.query(needs.left)
      return rows[0]?.["left"] !== false
    },
    close: () => connection.end()
  }
}

/** The place of a system that keeps its jobs in Postgres. */
export const inPostgres = (needs: PostgresNeeds): OpenPlace => (server, label) => openDatabase(server, needs, label)
