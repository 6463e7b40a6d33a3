/** Slots that are given out in the order in which they were asked for. */
import * as Effect from "effect/Effect"

export class Turns {
  running = 0
  private readonly slots: number
  private readonly room: number
  private readonly queue = new Set<() => void>()

  constructor(slots: number, room: number) {
    this.slots = slots
    this.room = room
  }

  get waiting(): number {
    return this.queue.size
  }

  /** `true`: a slot is taken. `false`: there is no room to wait. Undefined: one may wait for `next`. */
  take(): boolean | undefined {
    if (this.running < this.slots && this.queue.size === 0) {
      this.running += 1
      return true
    }
    return this.queue.size < this.room ? undefined : false
  }

  /** Waits for a slot. Whoever does not wait any more has no slot and loses his place. */
  get next(): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      let isMine = false
      return Effect.onInterrupt(
        Effect.callback<boolean>((resume) => {
          const turn = () => {
            isMine = true
            resume(Effect.succeed(true))
          }
          this.queue.add(turn)
          return Effect.sync(() => {
            this.queue.delete(turn)
          })
        }),
        // given and taken away in the same instant
        () => Effect.sync(() => isMine && this.give())
      )
    })
  }

  give(): void {
    const [first] = this.queue
    if (first === undefined) {
      this.running -= 1
      return
    }
    this.queue.delete(first)
    first()
  }
}
