import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { TaskPool } from "ostinato"

const upTo = (most: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: most }))

const Submit = Schema.Struct({
  tag: Schema.Literal("submit"),
  priority: Schema.Literals(["high", "normal", "low"]),
  lasts: upTo(30),
  ends: Schema.Literals(["well", "badly", "broken", "stuck"]),
  timeout: Schema.Literals([5, 10, 1000])
})

const Command = Schema.Union([
  Submit,
  Submit,
  Submit,
  Schema.Struct({ tag: Schema.Literal("cancel"), which: upTo(30) }),
  Schema.Struct({ tag: Schema.Literal("resize"), size: upTo(3) }),
  Schema.Struct({ tag: Schema.Literal("advance"), by: upTo(20) })
])

const Setting = Schema.Struct({
  capacity: upTo(3),
  line: upTo(5),
  onFull: Schema.Literals(["reject", "dropOldest", "backpressure", "callerRuns"]),
  ageing: Schema.Literals([0, 10, 1000]),
  drain: upTo(40)
})

interface Kept {
  readonly rank: number
  readonly submittedAt: number
  readonly isInTime: boolean
  readonly handle: TaskPool.Handle<void, string> | undefined
  /** It found no free slot. */
  waited: boolean
  begun: number
}

const ranks = { high: 0, normal: 1, low: 2 } as const

const grace = 7

const check = Effect.fnUntraced(function*(
  setting: typeof Setting.Type,
  commands: ReadonlyArray<typeof Command.Type>
) {
  const maxWaiting = setting.line === 0 ? "none" : setting.line
  const pool = yield* TaskPool.make({
    name: "model",
    capacity: setting.capacity + 1,
    maxWaiting,
    onFull: setting.onFull,
    ageing: setting.ageing,
    grace,
    drain: 0
  })
  const kept: Array<Kept> = []
  let size = setting.capacity + 1
  let allowed = size
  let alive = 0
  const violations: Array<string> = []

  const consistent = Effect.gen(function*() {
    const now = yield* pool.figures
    assert.strictEqual(now.running + now.free, now.capacity)
    // what ran when it shrank may end, and nothing begins beyond the new size
    assert.isAtMost(now.running, allowed)
    allowed = Math.max(size, now.running)
    assert.strictEqual(now.capacity, allowed)
    assert.isAtMost(now.waiting, setting.line)
    const { completed, dropped, failed, interrupted, outside, rejected, running, submitted, waiting } = now
    assert.strictEqual(submitted, completed + failed + interrupted + dropped + rejected + waiting + running + outside)
    assert.isAtMost(alive, running + outside + now.abandoned, "what runs has a slot, or was let go")
  })

  const body = (self: Kept, { ends, lasts }: typeof Submit.Type) =>
    Effect.gen(function*() {
      self.begun += 1
      alive += 1
      if (self.waited) yield* isFirst(self)
      const slept = Effect.sleep(lasts)
      yield* ends === "stuck" ? Effect.uninterruptible(slept) : slept
      if (ends === "badly") return yield* Effect.fail("badly")
      if (ends === "broken") return yield* Effect.die("broken")
    }).pipe(Effect.ensuring(Effect.sync(() => alive -= 1)))

  /** Nobody who still waits was before it: by priority, by age, and by order within one priority. */
  const isFirst = Effect.fnUntraced(function*(self: Kept) {
    for (const other of kept) {
      if (other === self || other.handle === undefined || (yield* other.handle.status) !== "waiting") continue
      const [mine, theirs] = [self, other].map(({ rank, submittedAt }) => submittedAt + rank * setting.ageing)
      if (mine! > theirs!) violations.push("it began before one whose turn it was")
      if (self.rank === other.rank && kept.indexOf(self) > kept.indexOf(other)) violations.push("it overtook")
    }
  })

  for (const command of commands) {
    if (command.tag === "submit") {
      const self = {
        rank: ranks[command.priority],
        submittedAt: yield* Clock.currentTimeMillis,
        isInTime: command.lasts <= command.timeout,
        waited: false,
        begun: 0
      }
      const entry: Kept & { handle: Kept["handle"] } = { ...self, handle: undefined }
      kept.push(entry)
      const submitting = yield* Effect.forkScoped(
        pool.submit(body(entry, command), { priority: command.priority, timeout: command.timeout }),
        { startImmediately: true }
      )
      const exit = submitting.pollUnsafe()
      if (exit !== undefined && Exit.isSuccess(exit)) {
        entry.handle = exit.value
        entry.waited = (yield* exit.value.status) === "waiting"
      }
    } else if (command.tag === "cancel") {
      const handle = kept[command.which]?.handle
      if (handle !== undefined) yield* Effect.forkScoped(handle.cancel, { startImmediately: true })
    } else if (command.tag === "resize") {
      size = command.size + 1
      yield* pool.resize(size)
    } else yield* TestClock.adjust(command.by)
    yield* consistent
  }

  const closing = yield* Effect.forkScoped(pool.shutdown({ drain: setting.drain }), { startImmediately: true })
  yield* TestClock.adjust(setting.drain)
  yield* TestClock.adjust(grace)
  assert.isDefined(closing.pollUnsafe(), "it ends within drain and grace")
  yield* consistent
  assert.deepInclude(yield* pool.figures, { running: 0, waiting: 0, blocked: 0, outside: 0 })
  for (const { begun, handle, isInTime } of kept) {
    assert.isAtMost(begun, 1)
    if (handle === undefined) continue
    const status = yield* handle.status
    assert.include(["completed", "failed", "interrupted"], status)
    const exit = yield* Effect.exit(handle.await)
    assert.strictEqual(Exit.isSuccess(exit), status === "completed")
    if (!isInTime) assert.isFalse(Exit.isSuccess(exit), "it met its limit")
    assert.isFalse(Exit.hasInterrupts(exit), "who waits is never interrupted")
    if (begun === 0) assert.strictEqual(status, "interrupted")
  }
  assert.deepStrictEqual(violations, [])
  const begun = kept.filter((one) => one.begun === 1).length
  const { completed, failed, interrupted } = yield* pool.figures
  assert.isAtLeast(begun, completed + failed)
  assert.isAtMost(begun, completed + failed + interrupted)
  // what was let go ends some day
  yield* TestClock.adjust(100)
  assert.strictEqual(alive, 0)
})

describe("any series of submissions, cancels, resizes and time", () => {
  it.effect.prop(
    "S2.6 S2.9 G16 never more than its slots, figures that add up, each begun at most once and in its turn, each ended",
    { setting: Setting, commands: Schema.Array(Command).check(Schema.isMinLength(20), Schema.isMaxLength(40)) },
    ({ commands, setting }) =>
      Effect.map(Effect.exit(Effect.scoped(check(setting, commands))), (exit) => {
        if (Exit.isFailure(exit)) assert.fail(Cause.pretty(exit.cause))
        return true
      }).pipe(Effect.provide(Logger.layer([]))),
    { arbitrary: { runs: 200, seed: 7 }, timeout: 60_000 }
  )
})
