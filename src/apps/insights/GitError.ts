/**
 * What can go wrong while figures are read from a git repository.
 *
 * The catalogue is closed: every failure of the git modules is one of these eight, and each message says what happened,
 * to which path or command, and what to do about it. None of them carries an environment, a whole command line or a URL
 * with a secret in it.
 */
import * as Schema from "effect/Schema"

/** There is no `git` program on the search path. */
export class GitNotFound extends Schema.TaggedError<GitNotFound>()("GitNotFound", {
  /** The absolute directories that were searched. */
  searchPath: Schema.String
}) {
  override get message(): string {
    return `git was not found in ${this.searchPath}: install git, or add its directory to PATH`
  }
}

/** The path cannot be read as a git repository. */
export class NotARepository extends Schema.TaggedError<NotARepository>()("NotARepository", {
  path: Schema.String,
  /** `missing`: nothing is there. `file`: not a directory. `unreadable`: no permission. `plain`: git finds none. */
  reason: Schema.Literals(["missing", "file", "unreadable", "plain"])
}) {
  override get message(): string {
    const path = quote(this.path)
    switch (this.reason) {
      case "missing":
        return `${path} does not exist: give the path of a git repository on this machine`
      case "file":
        return `${path} is a file: give the directory of a git repository`
      case "unreadable":
        return `${path} cannot be read: give the user of this process permission to read it`
      case "plain":
        return `${path} is not inside a git repository: run "git init" or "git clone" there, or give another path`
    }
  }
}

/** The clone holds only a part of its history, so every figure would be too small. */
export class ShallowClone extends Schema.TaggedError<ShallowClone>()("ShallowClone", {
  path: Schema.String
}) {
  override get message(): string {
    return `${quote(this.path)} is a shallow clone and its figures would be wrong: run "git fetch --unshallow" in it`
  }
}

/** `HEAD` names a branch that has no commit. */
export class EmptyRepository extends Schema.TaggedError<EmptyRepository>()("EmptyRepository", {
  path: Schema.String
}) {
  override get message(): string {
    return `the current branch of ${quote(this.path)} has no commits yet: make one, or check out a branch that has some`
  }
}

/** git ended with a failure, or answered in a form that git never documents. */
export class GitFailed extends Schema.TaggedError<GitFailed>()("GitFailed", {
  /** The subcommand only, without options and values. */
  command: Schema.String,
  path: Schema.String,
  /** `null` when git could not be started or was ended by a signal. */
  exitCode: Schema.NullOr(Schema.Int),
  /** The end of what git wrote to its standard error, at most 1,000 characters. */
  stderr: Schema.String
}) {
  override get message(): string {
    const code = this.exitCode === null ? "did not finish" : `ended with exit code ${this.exitCode}`
    const said = this.stderr === "" ? "without a message" : `saying: ${this.stderr}`
    return `"git ${this.command}" in ${quote(this.path)} ${code}, ${said}. Run "git fsck" there to check the repository`
  }
}

/** git ran longer than it may; it has been killed. */
export class GitTimeout extends Schema.TaggedError<GitTimeout>()("GitTimeout", {
  /** The subcommand only, without options and values. */
  command: Schema.String,
  path: Schema.String,
  /** The limit, in milliseconds. */
  timeoutMillis: Schema.Finite
}) {
  override get message(): string {
    return `"git ${this.command}" in ${quote(this.path)} did not finish within ${this.timeoutMillis / 1000} s ` +
      "and was stopped: raise the timeout, or check that the disk answers"
  }
}

/** The text names no repository that may be read. It is not shown: it may hold a password. */
export class SourceRefused extends Schema.TaggedError<SourceRefused>()("SourceRefused", {
  /** What is wrong with it and what to write instead. */
  detail: Schema.String
}) {
  override get message(): string {
    return `the repository was not looked at, because what names it ${this.detail} (it is not shown here)`
  }
}

/** Another machine did not give its repository. What was mirrored before is still there. */
export class RemoteUnavailable extends Schema.TaggedError<RemoteUnavailable>()("RemoteUnavailable", {
  url: Schema.String,
  /** The end of what git said, at most 1,000 characters. */
  detail: Schema.String
}) {
  override get message(): string {
    const said = this.detail === "" ? "git did not say why" : this.detail
    return `${this.url} could not be fetched: ${said}. Check the URL and the network; only repositories that need no ` +
      "password are read, so clone a private one and give the path of the clone"
  }
}

/** Every failure of the git modules, as it is stored and sent. */
export const GitError = Schema.Union([
  GitNotFound,
  NotARepository,
  ShallowClone,
  EmptyRepository,
  GitFailed,
  GitTimeout,
  SourceRefused,
  RemoteUnavailable
])

/** Any failure of the git modules. */
export type GitError = typeof GitError.Type

const quote = (path: string): string => JSON.stringify(path)
