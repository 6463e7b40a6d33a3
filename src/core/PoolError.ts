/**
 * Why a pool does not take work, or cannot be made as it was asked to.
 *
 * What becomes of work that it has taken is told by the catalogue of `TaskError`.
 */
import * as Schema from "effect/Schema"

/**
 * The pool has no room, and its policy is not to wait.
 *
 * @category errors
 */
export class PoolFull extends Schema.TaggedError<PoolFull>()("PoolFull", {
  /** Name of the pool. */
  pool: Schema.String,
  /** How many may run at once. */
  capacity: Schema.Int,
  /** How many wait. */
  waiting: Schema.Int
}) {
  override get message() {
    return `pool ${this.pool} is full: ${this.capacity} run and ${this.waiting} wait; submit slower, or give it more room`
  }
}

/**
 * The pool has been shut down, or is about to be.
 *
 * @category errors
 */
export class PoolClosed extends Schema.TaggedError<PoolClosed>()("PoolClosed", {
  /** Name of the pool. */
  pool: Schema.String
}) {
  override get message() {
    return `pool ${this.pool} is closed: start it again, or keep the scope that holds it open`
  }
}

/**
 * An option of a pool makes no sense.
 *
 * @category errors
 */
export class PoolInvalid extends Schema.TaggedError<PoolInvalid>()("PoolInvalid", {
  /** Name of the pool. */
  pool: Schema.String,
  option: Schema.String,
  /** What is wrong with its value, and what it has to be. */
  detail: Schema.String
}) {
  override get message() {
    return `pool ${this.pool} cannot be made: ${this.option} ${this.detail}`
  }
}
