/**
 * What a shell or a supervisor learns from the end of a command.
 */
import * as Cause from "effect/Cause"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"

// the codes that commands end with
const ExitCode = {
  /** The task, or the operation, failed. */
  failed: 1,
  /** It was done for some of what was asked. */
  partial: 2,
  /** There is nothing by that name. */
  notFound: 3,
  /**
   * Something else holds what was asked for, the port here, the data directory in its own error; or what was asked for is
   * not in a state for it.
   */
  conflict: 4,
  /** The command line is wrong. */
  usage: 64,
  /** The database cannot be reached. */
  unavailable: 69,
  /** A setting is wrong. */
  config: 78
} as const

/** The code of a program that failed; interruption is for `Signals` to judge. */
export const ofCause = (cause: Cause.Cause<unknown>): number => {
  const error = Cause.squash(cause)
  if (Predicate.hasProperty(error, Runtime.errorExitCode) && typeof error[Runtime.errorExitCode] === "number") {
    return error[Runtime.errorExitCode]
  }
  return Predicate.hasProperty(error, "_tag") ? byTag[String(error._tag)] ?? ExitCode.failed : ExitCode.failed
}

const byTag: Record<string, number> = {
  ConfigInvalid: ExitCode.config,
  JobFilterInvalid: ExitCode.usage,
  JobInvalid: ExitCode.usage,
  JobNotFound: ExitCode.notFound,
  JobSettingRefused: ExitCode.conflict,
  JobSettingUsed: ExitCode.conflict,
  LimitNotFound: ExitCode.notFound,
  NoJobs: ExitCode.notFound,
  NothingDone: ExitCode.conflict,
  PartlyDone: ExitCode.partial,
  PortUnavailable: ExitCode.conflict,
  QueueNotFound: ExitCode.notFound,
  RunUnknown: ExitCode.notFound,
  RunLogUnavailable: ExitCode.unavailable,
  ScheduleStoreUnavailable: ExitCode.unavailable,
  UsageError: ExitCode.usage,
  PayloadInvalid: ExitCode.usage
}
