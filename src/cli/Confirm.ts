/**
 * Nothing that changes many jobs happens by accident: how many it concerns is counted first, a person is asked, and
 * where there is no terminal to ask on, `--yes` has to say so.
 */
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { stdin } from "node:process"
import { UsageError } from "./UsageError.ts"

/** Whether somebody sits there to be asked. */
export class Interactive extends Context.Reference<boolean>("ostinato/cli/Confirm/Interactive", {
  defaultValue: () => stdin.isTTY
}) {}

/** The flags of every command that changes many jobs. */
export const flags = {
  yes: Flag.Boolean("yes").pipe(Flag.withAlias("y"), Flag.withDescription("Do not ask"), Flag.withDefault(false)),
  dryRun: Flag.Boolean("dry-run").pipe(Flag.withDescription("Only count"), Flag.withDefault(false))
} as const

/** Whether to go on. `what` completes the question, e.g. `cancel 12 jobs`. */
export const ask = Effect.fnUntraced(function*(what: string, options: { readonly yes: boolean }) {
  if (options.yes) return true
  if (!(yield* Interactive)) {
    return yield* new UsageError({
      detail: `there is nobody to ask whether to ${what}: add --yes, or --dry-run to count`
    })
  }
  return yield* Prompt.run(Prompt.Confirm({ message: `Really ${what}?`, initial: false }))
})
