/**
 * What names a repository: the path of a local clone, or the URL of one on another machine.
 *
 * Decided from the text alone. Whatever git could take for a command or an option (`ext::`, `-u…`, `user@host:…`), what
 * carries a password, and every protocol but https is refused; http is taken from this machine only. A `file:` URL is
 * the path that it names.
 */
import * as Result from "effect/Result"
import { fileURLToPath } from "node:url"
import { SourceRefused } from "./GitError.ts"

/** Where a repository is. */
export type RepositorySource = LocalSource | RemoteSource

/** A directory of this machine. */
export interface LocalSource {
  readonly kind: "path"
  readonly path: string
}

/** A repository of another machine. */
export interface RemoteSource {
  readonly kind: "url"
  /** Normalised: without a trailing `/` or `.git`. */
  readonly url: string
  readonly protocol: "https" | "http"
  /** With the port, when it is not that of the protocol. */
  readonly host: string
  /** All of the path but its last part: `effect-ts`, or `group/subgroup`. May be empty. */
  readonly owner: string
  readonly name: string
}

/** Reads what a person wrote. */
export const parse = (text: string): Result.Result<RepositorySource, SourceRefused> => {
  if (text === "" || text.includes("\0")) return refused("is empty or holds a character that no path has")
  if (/^[a-z][a-z0-9+.-]*::/i.test(text)) return refused("starts a program of git: give an https URL or a path")
  if (/^[^/\\:@\s]+@[^/\\:\s]+:/.test(text)) {
    return refused("is an address for ssh: give the https URL, or the path of a clone")
  }
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return Result.succeed({ kind: "path", path: text })
  if (!URL.canParse(text)) return refused("is no valid URL: give one such as https://example.org/owner/name")
  const url = new URL(text)
  if (url.username !== "" || url.password !== "") {
    return refused("is a URL with a name or password in it: take it out, or give the path of a clone")
  }
  if (url.search !== "" || url.hash !== "") return refused("is a URL with a query or fragment: take it out")
  switch (url.protocol) {
    case "file:":
      return ofFile(url)
    case "https:":
      return ofUrl(url, "https")
    case "http:":
      return loopback.test(url.hostname)
        ? ofUrl(url, "http")
        : refused("is a URL whose traffic others can change: give it with https")
    default:
      return refused(
        `is a URL of the protocol ${url.protocol.slice(0, -1)}: give it with https, or the path of a clone`
      )
  }
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

const ofFile = (url: URL): Result.Result<RepositorySource, SourceRefused> =>
  Result.mapError(
    Result.try(() => ({ kind: "path" as const, path: fileURLToPath(url) })),
    () => new SourceRefused({ detail: "is a file URL of another machine: give a path of this one" })
  )

const ofUrl = (url: URL, protocol: "https" | "http"): Result.Result<RepositorySource, SourceRefused> => {
  const parts = url.pathname.replace(/\/+$/, "").replace(/\.git$/, "").split("/").filter((part) => part !== "")
  const name = parts.at(-1)
  return name === undefined
    ? refused("is a URL without the name of a repository: give one such as https://example.org/owner/name")
    : Result.succeed({
      kind: "url",
      url: `${url.origin}/${parts.join("/")}`,
      protocol,
      host: url.host,
      owner: parts.slice(0, -1).join("/"),
      name: readable(name)
    })
}

const readable = (part: string): string => Result.getOrElse(Result.try(() => decodeURIComponent(part)), () => part)

const refused = (detail: string) => Result.fail(new SourceRefused({ detail }))
