/**
 * Where durable jobs are kept: the contract between queues, workers and a driver.
 *
 * A driver promises, whatever crashes and whenever:
 * - what `enqueue` acknowledged is there until it ends and its retention is over; in the caller's transaction it is there
 *   when that commits, and only then;
 * - of two claims one gets a job; a job is claimed in the order of (priority, ord, id), due jobs only;
 * - `epoch` counts claims and rescues and never goes back: what an older attempt writes is refused (fenced);
 * - a worker whose lease ran out claims nothing, and its jobs are taken back by whoever calls `rescue`;
 * - a job is discarded by the third of its workers that died, if that one ran nothing else (`isolate`), and by the tenth
 *   whatever it ran; not by workers that were stopped or cut off, as far as that can be told, or came back before;
 * - a unique key has at most one holder, and the loser of an uncommitted holder waits for its end;
 * - no more jobs of a limit key run than it has permits, and no more start in any window than its rate allows;
 * - the store's clock is the only clock.
 *
 * It does nothing by itself but keep the leases of its members: the loops of `maintenance/` call `promote`, `rescue` and
 * `sweep`, on every node, in any order, as often as they like. Drivers: `stores/Memory`, `stores/Postgres`; both pass
 * `jobStoreSuite`.
 */
import * as Context from "effect/Context"
import type { Maintaining } from "./JobMaintaining.ts"
import type { Producing } from "./JobProducing.ts"
import type { Steering } from "./JobSteering.ts"
import type { Working } from "./JobWorking.ts"

export type * from "./JobMaintaining.ts"
export type * from "./JobProducing.ts"
export type * from "./JobSteering.ts"
export type * from "./JobWorking.ts"

/**
 * @category services
 */
export class JobStore
  extends Context.Service<JobStore, Producing & Working & Maintaining & Steering>()("ostinato/jobs/JobStore")
{}
