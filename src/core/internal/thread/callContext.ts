/** What code knows besides its payload. Made for every call, so what few ask for is made when they ask. */

/** The call that runs. */
export interface Current {
  readonly id: number
  readonly slot: number
  controller: AbortController | undefined
  isAsked: boolean
  /** What of the result moves. */
  buffers: Array<ArrayBuffer> | undefined
}

/** What all calls of a thread share. */
export interface Surroundings {
  readonly slots: Int32Array | null
  readonly config: unknown
  readonly threadId: number
}

/** Whether the call is to stop: by a message, or by its slot, which is seen without the event loop. */
export const isStopped = (current: Current, slots: Int32Array | null): boolean =>
  current.isAsked || (slots !== null && Atomics.load(slots, current.slot) !== -current.id)

export class CallContext {
  readonly config: unknown
  readonly threadId: number
  readonly #current: Current
  readonly #slots: Int32Array | null

  constructor(current: Current, { config, slots, threadId }: Surroundings) {
    this.config = config
    this.threadId = threadId
    this.#current = current
    this.#slots = slots
  }

  get signal(): AbortSignal {
    const current = this.#current
    current.controller ??= new AbortController()
    if (isStopped(current, this.#slots)) current.controller.abort()
    return current.controller.signal
  }

  // both are often taken out of the context
  get isStopped(): () => boolean {
    return () => isStopped(this.#current, this.#slots)
  }

  get transfer(): (...buffers: ReadonlyArray<ArrayBuffer>) => void {
    return (...buffers) => {
      this.#current.buffers = [...this.#current.buffers ?? [], ...buffers]
    }
  }
}
