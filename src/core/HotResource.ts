/**
 * A resource that is exchanged while it is in use: a database connection, a configuration, a whole tree of services.
 *
 *   serving key A --switchTo B--> building B --built--> serving B; A retired --last user gone | drain over--> A closed
 *                                     |
 *                                     +--failed--> still serving A
 *
 * The new Layer is built whole before anything changes: where that fails, the old one goes on serving. From the exchange
 * on, every new user gets the new one, while those who are at work keep the old one to their end; no user ever sees a
 * mixture. The old Layer closes after its last user. Exchanges happen one after the other.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

/**
 * The resource was exchanged, and its old version closed before this work had ended.
 *
 * @category errors
 */
export class ResourceRetired extends Schema.TaggedError<ResourceRetired>()("ResourceRetired", {
  /** Name of the resource. */
  resource: Schema.String,
  /** The key of the version that was closed. */
  key: Schema.String
}) {
  override get message() {
    return `${this.resource} was exchanged while this work used "${this.key}", and it was not done in time: start it again`
  }
}

/**
 * One version of a resource: which, and how many use it now.
 *
 * @category models
 */
export interface Version<out Key> {
  readonly key: Key
  /** Counts the exchanges: `1` is the first. */
  readonly generation: number
  readonly users: number
}

/**
 * A resource of which one version serves at a time.
 *
 * @category models
 */
export interface HotResource<Key, I, out E> {
  readonly name: string
  /** Runs work with the version that serves now. It keeps that version to its end. */
  readonly use: <A, E2, R>(work: Effect.Effect<A, E2, R>) => Effect.Effect<A, E2 | ResourceRetired, Exclude<R, I>>
  /** Exchanges the resource. Answers when the new version serves; the old one may still have users. */
  readonly switchTo: (key: Key) => Effect.Effect<Version<Key>, E>
  readonly current: Effect.Effect<Version<Key>>
  /** Old versions that still have users. */
  readonly retired: Effect.Effect<ReadonlyArray<Version<Key>>>
  /** Waits until no old version is open. */
  readonly settled: Effect.Effect<void>
}

/**
 * Builds the first version and serves it until the scope closes.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Context, Effect, Layer } from "effect"
 * import { HotResource } from "ostinato"
 *
 * class Library extends Context.Service<Library, { readonly id: string }>()("docs/Library") {}
 *
 * const program = Effect.gen(function*() {
 *   const library = yield* HotResource.make({
 *     name: "library",
 *     initial: "books",
 *     build: (id: string) => Layer.succeed(Library, { id })
 *   })
 *   yield* library.switchTo("films")
 *   return yield* library.use(Effect.map(Library, ({ id }) => id))
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "films"
 * ```
 */
export const make = <Key, I, E, R, E2 = never>(options: {
  /** For logs and errors. */
  readonly name: string
  /** The first key. Keys stand in logs and errors: keep secrets out of them. */
  readonly initial: Key
  /** The Layer of a version. It is built anew for each, also where it is shared elsewhere. */
  readonly build: (key: Key) => Layer.Layer<I, E, R>
  /** Steps that may fail, with a warning, before a version serves: filling caches, say. Defaults to none. */
  readonly preload?: Effect.Effect<unknown, E2, NoInfer<I>> | undefined
  /** How long work on an old version may go on; then it fails with `ResourceRetired`. Defaults to no limit. */
  readonly drain?: Duration.Input | undefined
}): Effect.Effect<HotResource<Key, I, E>, E, R | Scope.Scope> =>
  Effect.gen(function*() {
    const services = yield* Effect.context<R>()
    const lifetime = yield* Effect.scope
    const drain = options.drain === undefined ? Duration.infinity : Duration.fromInputUnsafe(options.drain)
    const retired = new Set<Generation<Key, I>>()
    const exchange = yield* Semaphore.make(1)
    const quiet = yield* Latch.make(true)

    // only the building can be interrupted, as `restore` allows: what was built is in somebody's hand
    const open = (key: Key, generation: number, restore: Restore) =>
      Effect.gen(function*() {
        const scope = yield* Scope.fork(lifetime)
        const context = yield* restore(
          Layer.buildWithScope(Layer.fresh(options.build(key)), scope).pipe(
            Effect.provideContext(services),
            Effect.tap((context) => preloaded(key, context))
          )
        ).pipe(Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))))
        const unused = yield* Latch.make(true)
        const cut = yield* Deferred.make<never, ResourceRetired>()
        return { key, generation, scope, context, unused, cut, users: 0 }
      })

    const preloaded = (key: Key, context: Context.Context<I>) =>
      options.preload === undefined ? Effect.void : Effect.catchCause(
        Effect.provideContext(Effect.asVoid(options.preload), context),
        (cause) => Effect.logWarning(`${options.name}: "${String(key)}" serves although preloading it failed`, cause)
      )

    let serving: Generation<Key, I> = yield* Effect.uninterruptibleMask((restore) => open(options.initial, 1, restore))

    const close = (generation: Generation<Key, I>) =>
      Effect.gen(function*() {
        if (!Duration.isFinite(drain)) yield* generation.unused.await
        else if ((yield* Effect.timeoutOption(generation.unused.await, drain))._tag === "None") {
          yield* Deferred.fail(
            generation.cut,
            new ResourceRetired({ resource: options.name, key: String(generation.key) })
          )
          yield* generation.unused.await
        }
        yield* Scope.close(generation.scope, Exit.void)
      }).pipe(
        Effect.catchCause((cause) =>
          Effect.logError(`${options.name}: the end of "${String(generation.key)}" failed`, cause)
        ),
        Effect.ensuring(Effect.sync(() => {
          retired.delete(generation)
          if (retired.size === 0) quiet.openUnsafe()
        }))
      )

    // a number and its latch change in one step: between two, another fiber may find them apart
    const borrow = Effect.sync(() => {
      const generation = serving
      generation.users += 1
      generation.unused.closeUnsafe()
      return generation
    })
    const giveBack = (generation: Generation<Key, I>) =>
      Effect.sync(() => {
        generation.users -= 1
        if (generation.users === 0) generation.unused.openUnsafe()
      })

    return {
      name: options.name,
      use: (work) =>
        Effect.acquireUseRelease(
          borrow,
          ({ context, cut }) => Effect.raceFirst(Effect.provideContext(work, context), Deferred.await(cut)),
          giveBack
        ),
      switchTo: (key) =>
        exchange.withPermits(1)(Effect.uninterruptibleMask((restore) =>
          Effect.gen(function*() {
            const next = yield* open(key, serving.generation + 1, restore)
            const old = serving
            serving = next
            retired.add(old)
            quiet.closeUnsafe()
            yield* Effect.forkIn(close(old), lifetime)
            yield* Effect.logInfo(`${options.name}: "${String(key)}" serves in place of "${String(old.key)}"`)
            return version(next)
          })
        )),
      current: Effect.sync(() => version(serving)),
      retired: Effect.sync(() => Array.from(retired, version)),
      settled: quiet.await
    }
  })

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

interface Generation<Key, I> {
  readonly key: Key
  readonly generation: number
  readonly scope: Scope.Closeable
  readonly context: Context.Context<I>
  /** Open while nobody uses it. */
  readonly unused: Latch.Latch
  /** Fails when those who still use it have to stop. */
  readonly cut: Deferred.Deferred<never, ResourceRetired>
  users: number
}

const version = <Key, I>({ generation, key, users }: Generation<Key, I>): Version<Key> => ({
  key,
  generation,
  users
})
