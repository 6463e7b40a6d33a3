/**
 * The last question before a run begins: may it?
 *
 * A trigger that promises one run (the tick of a schedule) claims it, has it dispatched, and lets it begin only while the
 * claim still holds. The question comes when the log has the run and everything is ready: between its answer and the
 * first step of the handler nothing is waited for. So a process that is killed before it leaves a run that never began,
 * and somebody else may run instead.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * Asked by a dispatch that `asks`, once a run. `false`: the run does not begin and is recorded as skipped. Defaults to
 * `true` always.
 *
 * @category references
 */
export const RunGate: Context.Reference<Effect.Effect<boolean>> = Context.Reference("ostinato/core/RunGate", {
  defaultValue: () => Effect.succeed(true)
})

const askers = new WeakSet<object>()

/**
 * Says of a dispatch that it asks the gate before anything of the run happens. All of ours do.
 *
 * @category combinators
 */
export const asking = <Dispatch extends object>(dispatch: Dispatch): Dispatch => {
  askers.add(dispatch)
  return dispatch
}

/**
 * Whether a dispatch asks the gate. One that does not is to be called only when the run may begin.
 *
 * @category guards
 */
export const asks = (dispatch: object): boolean => askers.has(dispatch)
