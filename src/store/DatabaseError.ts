/**
 * Why the database cannot be used at start, each with what to do. No message carries a password.
 *
 * The exit code is 69 where the server is away and the same may succeed later, and 78 where a setting has to change.
 */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/**
 * The server did not answer, or refused us.
 *
 * @category errors
 */
export class DatabaseUnavailable extends Schema.TaggedError<DatabaseUnavailable>()("DatabaseUnavailable", {
  /** Host, port and database, never a password. */
  target: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `cannot reach Postgres at ${this.target}: ${this.detail}. ` +
      "Check DATABASE_URL, or unset it to use the embedded server"
  }
  override get [Runtime.errorExitCode]() {
    return 69
  }
}

/**
 * The server is older than Postgres 15.
 *
 * @category errors
 */
export class DatabaseTooOld extends Schema.TaggedError<DatabaseTooOld>()("DatabaseTooOld", {
  target: Schema.String,
  version: Schema.String
}) {
  override get message() {
    return `Postgres ${this.version} at ${this.target} is too old: use Postgres 15 or later, ` +
      "or unset DATABASE_URL to use the embedded server"
  }
  override get [Runtime.errorExitCode]() {
    return 78
  }
}

/**
 * The connection cannot be trusted: the server's certificate is not signed by the authority that was given, is for
 * another host, or has expired; or the authority cannot be read; or the server does without TLS. Nothing was sent to it.
 *
 * @category errors
 */
export class DatabaseNotTrusted extends Schema.TaggedError<DatabaseNotTrusted>()("DatabaseNotTrusted", {
  target: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `will not speak to Postgres at ${this.target}: ${this.detail}. ` +
      "Check the host name and sslrootcert of DATABASE_URL, and the certificate of the server"
  }
  override get [Runtime.errorExitCode]() {
    return 78
  }
}
