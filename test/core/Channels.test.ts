import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Broadcast, LatestValue, Mailbox, Oneshot } from "ostinato"

const started = { startImmediately: true }

describe("S3.39 Mailbox", () => {
  it.effect("bound: the offer beyond it waits until there is room", () =>
    Effect.gen(function*() {
      const mailbox = yield* Mailbox.make<number>({ name: "m", capacity: 2 })
      yield* mailbox.offer(1)
      yield* mailbox.offer(2)
      const third = yield* Effect.forkChild(mailbox.offer(3), started)
      assert.isUndefined(third.pollUnsafe())
      assert.strictEqual(yield* mailbox.take, 1)
      yield* Fiber.join(third)
      assert.deepStrictEqual([yield* mailbox.take, yield* mailbox.take, yield* mailbox.size], [2, 3, 0])
    }))

  it.effect("bound: the offer beyond it fails with name and capacity", () =>
    Effect.gen(function*() {
      const mailbox = yield* Mailbox.make<number>({ name: "m", capacity: 1, onFull: "fail" })
      yield* mailbox.offer(1)
      assert.deepStrictEqual(
        yield* Effect.flip(mailbox.offer(2)),
        new Mailbox.MailboxFull({ mailbox: "m", capacity: 1 })
      )
    }))

  it.effect("bound: a hundred thousand offers keep the newest, hold no more, and count the rest", () =>
    Effect.gen(function*() {
      const mailbox = yield* Mailbox.make<number>({ name: "m", capacity: 3, onFull: "dropOldest" })
      for (let n = 1; n <= 100_000; n++) yield* mailbox.offer(n)
      assert.deepStrictEqual([yield* mailbox.size, yield* mailbox.dropped], [3, 99_997])
      assert.strictEqual(yield* mailbox.take, 99_998)
    }))

  it.effect("close: what is in the line is taken, then takes and offers fail typed, those that wait too", () =>
    Effect.gen(function*() {
      const closed = new Mailbox.MailboxClosed({ mailbox: "m" })
      const mailbox = yield* Mailbox.make<number>({ name: "m", capacity: 1 })
      yield* mailbox.offer(1)
      yield* mailbox.close
      assert.strictEqual(yield* mailbox.take, 1)
      assert.deepStrictEqual(yield* Effect.flip(mailbox.take), closed)
      assert.deepStrictEqual(yield* Effect.flip(mailbox.offer(2)), closed)
      const other = yield* Mailbox.make<number>({ name: "m", capacity: 1 })
      const waiting = yield* Effect.forkChild(Effect.flip(other.take), started)
      yield* other.close
      assert.deepStrictEqual(yield* Fiber.join(waiting), closed)
    }))
})

describe("S3.39 Broadcast", () => {
  it.effect("lag: a slow listener loses its oldest and is told how many, and the quick one loses nothing", () =>
    Effect.gen(function*() {
      const broadcast = yield* Broadcast.make<number>({ name: "b", capacity: 2 })
      const slow = yield* broadcast.subscribe
      const quick = yield* broadcast.subscribe
      for (let n = 1; n <= 5; n++) {
        assert.strictEqual(yield* broadcast.publish(n), 2)
        assert.deepStrictEqual(yield* quick, { message: n, lost: 0 })
      }
      assert.deepStrictEqual([yield* slow, yield* slow], [{ message: 4, lost: 3 }, { message: 5, lost: 0 }])
    }).pipe(Effect.scoped))

  it.effect("dead peer: a message without a listener fails typed in time, and is heard by one that comes in time", () =>
    Effect.gen(function*() {
      const broadcast = yield* Broadcast.make<string>({ name: "b" })
      assert.strictEqual(yield* broadcast.publish("nobody"), 0)
      const unheard = yield* Effect.forkChild(Effect.flip(broadcast.publishHeard("lost", "1 second")))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        yield* Fiber.join(unheard),
        new Broadcast.Unheard({ broadcast: "b", withinMs: 1000 })
      )
      const heard = yield* Effect.forkChild(broadcast.publishHeard("hello", "1 second"), started)
      const take = yield* broadcast.subscribe
      assert.strictEqual(yield* Fiber.join(heard), 1)
      assert.deepStrictEqual(yield* take, { message: "hello", lost: 0 })
    }).pipe(Effect.scoped))

  it.effect("close: those who listen get what is left and then the typed end; a listener that leaves is forgotten", () =>
    Effect.gen(function*() {
      const closed = new Broadcast.BroadcastClosed({ broadcast: "b" })
      const broadcast = yield* Broadcast.make<number>({ name: "b" })
      const scope = yield* Scope.make()
      yield* Effect.asVoid(Scope.provide(broadcast.subscribe, scope))
      const take = yield* broadcast.subscribe
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* broadcast.publish(1), 1)
      yield* broadcast.close
      assert.deepStrictEqual(yield* take, { message: 1, lost: 0 })
      assert.deepStrictEqual(yield* Effect.flip(take), closed)
      assert.deepStrictEqual(yield* Effect.flip(broadcast.publish(2)), closed)
      assert.deepStrictEqual(yield* Effect.flip(yield* broadcast.subscribe), closed)
    }).pipe(Effect.scoped))
})

describe("S3.39 Broadcast, closed", () => {
  it.effect("close: who wants to be heard learns at once that nobody can listen any more", () =>
    Effect.gen(function*() {
      const broadcast = yield* Broadcast.make<number>({ name: "b" })
      const scope = yield* Scope.make()
      yield* Effect.asVoid(Scope.provide(broadcast.subscribe, scope))
      yield* broadcast.close
      yield* Scope.close(scope, Exit.void)
      const told = yield* Effect.forkChild(Effect.flip(broadcast.publishHeard(1, "1 hour")), started)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(told.pollUnsafe(), Exit.succeed(new Broadcast.BroadcastClosed({ broadcast: "b" })))
    }))
})

describe("S3.39 LatestValue", () => {
  it.effect("lag: a slow reader gets the newest, with its version", () =>
    Effect.gen(function*() {
      const latest = yield* LatestValue.make("speed", 0)
      const waiting = yield* Effect.forkChild(latest.after(0), started)
      for (let n = 1; n <= 5; n++) yield* latest.set(n)
      assert.deepStrictEqual(yield* Fiber.join(waiting), { value: 1, version: 1 })
      assert.deepStrictEqual(yield* latest.after(2), { value: 5, version: 5 })
    }))

  it.effect("close: a wait for a change ends typed, and the last value can be read", () =>
    Effect.gen(function*() {
      const closed = new LatestValue.LatestValueClosed({ name: "speed" })
      const latest = yield* LatestValue.make("speed", 7)
      const waiting = yield* Effect.forkChild(Effect.flip(latest.after(0)), started)
      yield* latest.close
      assert.deepStrictEqual(yield* Fiber.join(waiting), closed)
      assert.deepStrictEqual(yield* Effect.flip(latest.set(8)), closed)
      assert.deepStrictEqual(yield* latest.get, { value: 7, version: 0 })
    }))
})

describe("S3.39 Oneshot", () => {
  it.effect("the first answer counts", () =>
    Effect.gen(function*() {
      const oneshot = yield* Oneshot.make<number>("question")
      assert.isTrue(yield* oneshot.succeed(1))
      assert.isFalse(yield* oneshot.succeed(2))
      assert.strictEqual(yield* oneshot.await, 1)
    }).pipe(Effect.scoped))

  it.effect("dead peer: whoever waits is told that the sender is gone, or that no answer came in time", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const oneshot = yield* Scope.provide(Oneshot.make<number>("question"), scope)
      const slow = yield* Effect.forkChild(Effect.flip(oneshot.awaitWithin("1 second")))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(slow), new Oneshot.NoAnswer({ oneshot: "question", withinMs: 1000 }))
      const waiting = yield* Effect.forkChild(Effect.flip(oneshot.await), started)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* Fiber.join(waiting), new Oneshot.SenderGone({ oneshot: "question" }))
    }))
})
