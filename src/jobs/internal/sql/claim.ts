/**
 * claim: up to p_limit jobs of one queue for one living worker, in order of (priority, ord, job_id) after the cursor.
 *
 * One ordered index scan finds the rows. They are updated through an array of ctids (HOT: nothing that is claimed is
 * indexed), and their bodies are read by one array scan of the key; its bounds prune the partitions, an array does not.
 * `w` shuts the door on a worker that was declared dead; its lock makes rescue pass it by until this claim has
 * committed. The rows come in no order: the client sorts them, which costs less there. Where the queue was given a limit a
 * moment ago, jobs that were enqueued without knowing it are parked first.
 *
 * flags: 1 has a key | 2 others wait for it | 4 has a limit | 16 the key is free at the start | 32 keeps its permit
 * 64 something is paused
 */
import { byArray } from "./settings.ts"

export const claim = (s: string): ReadonlyArray<string> => [
  `create function ${s}.claim(p_queue int, p_limit int, p_worker int, p_priority smallint, p_ord bigint, p_job bigint)
returns table (priority smallint, ord bigint, job_id bigint, epoch int, attempt smallint, lost smallint,
  available_at timestamptz, started_at timestamptz, task_id int, max_attempts smallint, args jsonb, meta jsonb,
  created_at timestamptz, flags int)
language plpgsql ${byArray} as $$
#variable_conflict use_column
declare q record;
begin
select paused_at is null as open, limit_id is not null as limited, limited_by is not null as settling,
  exists (select from ${s}.awaited) as awaiting, exists (select from ${s}.holds) as holding into q
from ${s}.queue where id = p_queue;
if not found or not q.open then return; end if;
if q.settling then perform ${s}.park_strays(p_queue); end if;
return query
with w as materialized (select id from ${s}.worker where id = p_worker and expires_at > now() for key share
), u as materialized (
  update ${s}.ready r set worker_id = p_worker, epoch = r.epoch + 1, attempt = r.attempt + 1,
    -- a claim may have begun a moment before what it sees was due
    claimed_at = greatest(now(), r.available_at)
  where r.worker_id is null and r.ctid = any(array(
    select ctid from ${s}.ready
    where (select count(*) from w) = 1 and queue_id = p_queue and worker_id is null
      and (priority, ord, job_id) > (p_priority, p_ord, p_job)
    order by priority, ord, job_id limit p_limit for update skip locked))
  returning r.priority, r.ord, r.job_id, r.epoch, r.attempt, r.lost, r.available_at, r.claimed_at)
select u.*, b.task_id, b.max_attempts, b.args, b.meta, b.created_at,
  (b.ukey is not null)::int + case when b.children or q.awaiting then ${
    awaited(s)
  } else 0 end + (b.limit_id is not null or q.limited)::int * 4
    + (b.release is not null and b.release = 's')::int * 16 + b.strict::int * 32
    + q.holding::int * 64
from u join ${s}.job b on b.id = u.job_id
where b.id = any(array(select job_id from u)) and b.id >= (select min(job_id) from u) and b.id <= (select max(job_id) from u);
end $$`
]

// a scalar, as an `exists` may be answered by reading all edges
const awaited = (s: string) =>
  `coalesce((select 2 from ${s}.edge e where e.parent_id = u.job_id and not e.settled limit 1), 0)`
