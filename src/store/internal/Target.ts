/**
 * Which server a URL means, in words that may be logged.
 *
 * Nothing of a URL that cannot be read with certainty is shown, because any part of it might be the password.
 */
import * as Redacted from "effect/Redacted"

/** What may be said about a URL. */
export interface Target {
  /** Host, port and database. */
  readonly name: string
  /** Why the URL cannot be used, if so. */
  readonly problem: string | undefined
  /** Text with every form of the password replaced. */
  readonly hide: (text: string) => string
}

/** Reads a URL without ever failing. */
export const read = (url: Redacted.Redacted): Target => {
  const text = Redacted.value(url)
  const parsed = URL.parse(text)
  if (parsed === null) {
    return unreadable(`it is not a URL of the form ${form}; a password in it must be percent-encoded`)
  }
  if (parsed.protocol !== "postgres:" && parsed.protocol !== "postgresql:") {
    return unreadable(`it is not a URL of the form ${form}`)
  }
  const query = parsed.searchParams
  const authority = text.slice(text.indexOf("://") + 3)
  const userGiven = /^[^/?#]*@/.test(authority)
  const strayed = parsed.hash !== "" || parsed.pathname.includes("@") || (!userGiven && authority.includes("@")) ||
    [...query.keys()].some((key) => key.includes("@"))
  if (strayed) return unreadable("it has a special character outside its place: percent-encode the password in it")
  const host = query.get("host") ?? decode(parsed.hostname)
  const port = query.get("port") ?? (parsed.port || "5432")
  const database = query.get("dbname") ?? decode(parsed.pathname.slice(1))
  const secrets = [parsed.password, decode(parsed.password), query.get("password") ?? ""].filter((secret) =>
    secret !== ""
  )
  return {
    name: `${host === "" ? "localhost" : host}:${port}${database === "" ? "" : `/${database}`}`,
    problem: undefined,
    hide: (line) => secrets.reduce((shown, secret) => shown.replaceAll(secret, "***"), line)
  }
}

const form = "postgres://user:password@host:5432/database"

const unreadable = (problem: string): Target => ({ name: "the given URL", problem, hide: (text) => text })

const decode = (text: string) => {
  const exact = /%(?![0-9a-fA-F]{2})/.test(text) ? text.replaceAll("%", "%25") : text
  return new URLSearchParams(`v=${exact.replaceAll("+", "%2B").replaceAll("&", "%26")}`).get("v") ?? text
}
