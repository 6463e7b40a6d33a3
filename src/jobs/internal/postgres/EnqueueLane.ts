/**
 * Calls of many, sent together: each caller waits for its own answer, in the order of the calls.
 *
 * At most two statements are on their way, each with at most 1,000 rows; what is called meanwhile leaves with the next. A
 * statement that fails for a reason that one of its callers may have given is sent again for each of them alone, so nobody
 * fails for another. A caller that was interrupted before its jobs left takes them back. When the lane ends, whoever waits
 * learns that nothing was sent, and whoever's jobs are on their way that they may be there.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Supervisor } from "../../../core/Supervisor.ts"

export const rowsAtMost = 1000
const inFlight = 2

export interface EnqueueLane<Row, Answer, E> {
  /** At most `rowsAtMost` rows. */
  readonly submit: (rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<Answer>, E>
}

export interface LaneOptions<Row, Answer, E> {
  readonly name: string
  readonly supervisor: typeof Supervisor.Service
  /** The rows of so many calls. Answers undefined where each is to be sent alone. */
  readonly send: (
    rows: ReadonlyArray<Row>,
    calls: number
  ) => Effect.Effect<Result.Result<ReadonlyArray<Answer>, E> | undefined>
  readonly alone: (rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<Answer>, E>
  /** For those who wait when the lane ends. */
  readonly closed: E
  /** For those whose rows are on their way then. */
  readonly cutOff: E
}

export const make: <Row, Answer, E>(
  options: LaneOptions<Row, Answer, E>
) => Effect.Effect<EnqueueLane<Row, Answer, E>, never, Scope.Scope> = Effect.fnUntraced(
  function*<Row, Answer, E>({ alone, closed, cutOff, name, send, supervisor }: LaneOptions<Row, Answer, E>) {
    const waiting = new Set<Call<Row, Answer, E>>()
    const idle: Array<(turn: Effect.Effect<void>) => void> = []
    let isOpen = true

    // whoever calls in the same moment comes along
    const ring = () => idle.shift()?.(Effect.yieldNow)
    const rung = Effect.callback<void>((resume) => {
      if (waiting.size > 0) return resume(Effect.yieldNow)
      idle.push(resume)
      return Effect.sync(() => {
        const place = idle.indexOf(resume)
        if (place !== -1) idle.splice(place, 1)
      })
    })

    const take = () => {
      const calls: Array<Call<Row, Answer, E>> = []
      let rows = 0
      for (const call of waiting) {
        if (calls.length > 0 && rows + call.rows.length > rowsAtMost) break
        rows += call.rows.length
        calls.push(call)
        waiting.delete(call)
      }
      if (waiting.size > 0) ring()
      return calls
    }
    // whoever was taken gets an answer, whatever interrupts
    const sendNext = Effect.acquireUseRelease(
      Effect.sync(take),
      (calls) => {
        if (calls.length === 0) return Effect.void
        const sent = calls.length === 1 ? calls[0]?.rows ?? [] : calls.flatMap((call) => call.rows)
        return Effect.map(send(sent, calls.length), (result) => tell(calls, result))
      },
      (calls, exit) =>
        Exit.isSuccess(exit)
          ? Effect.void
          : Effect.sync(() => calls.forEach(({ answer }) => answer(Effect.fail(cutOff))))
    )
    const tell = (
      calls: ReadonlyArray<Call<Row, Answer, E>>,
      result: Result.Result<ReadonlyArray<Answer>, E> | undefined
    ) => {
      let from = 0
      for (const { answer, rows } of calls) {
        const to = from + rows.length
        answer(
          result === undefined
            ? alone(rows)
            : result._tag === "Failure"
            ? Effect.fail(result.failure)
            : Effect.succeed(calls.length === 1 ? result.success : result.success.slice(from, to))
        )
        from = to
      }
    }
    const loop = Effect.forever(Effect.andThen(rung, sendNext))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isOpen = false
        waiting.forEach(({ answer }) => answer(Effect.fail(closed)))
      })
    )
    for (let number = 1; number <= inFlight; number++) yield* supervisor.start(`${name} ${number}`, loop)

    return {
      submit: (rows) =>
        Effect.callback((answer) => {
          if (!isOpen) return answer(Effect.fail(closed))
          const call: Call<Row, Answer, E> = { rows, answer }
          waiting.add(call)
          ring()
          return Effect.sync(() => void waiting.delete(call))
        })
    } satisfies EnqueueLane<Row, Answer, E>
  }
)

interface Call<Row, Answer, E> {
  readonly rows: ReadonlyArray<Row>
  /** What its caller goes on with. */
  readonly answer: (outcome: Effect.Effect<ReadonlyArray<Answer>, E>) => void
}
