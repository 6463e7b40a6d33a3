/**
 * Tables of one day each, made ahead and dropped whole.
 *
 * The functions run as the owner of the tables, so that a role that may only read and write rows can call them. They take
 * nothing that a caller could choose but a day, a number of days and how long to keep.
 */
import { daily } from "./tables.ts"

/**
 * Makes the tables of the days up to `ahead` days from today, in UTC whatever the time zone of the caller. Attaching
 * takes a light lock; `create ... partition of` would block everything. A day that has rows in a default table is left
 * there. Answers how many days were made.
 */
const ensure = (s: string) =>
  `create function ${s}.ensure_partitions(ahead int default 7) returns int language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '500ms' as $$
declare d date; p text; child text; lo bigint; hi bigint; made int := 0;
begin
  for i in 0 .. ahead loop
    d := (now() at time zone 'UTC')::date + i;
    lo := ${s}.id_floor(d::timestamp at time zone 'UTC'); hi := ${s}.id_floor((d + 1)::timestamp at time zone 'UTC');
    continue when to_regclass('${s}.job_' || to_char(d, 'YYYYMMDD')) is not null;
    continue when ${
    daily.map(([table, key]) => `exists (select from ${s}.${table}_default where ${key} >= lo and ${key} < hi)`)
      .join("\n      or ")
  };
    -- of two nodes one goes on when the other is through
    perform pg_advisory_xact_lock(hashtextextended('${s}.ensure_partitions', 0));
    continue when to_regclass('${s}.job_' || to_char(d, 'YYYYMMDD')) is not null;
    foreach p in array array[${daily.map(([table]) => `'${table}'`).join(", ")}] loop
      child := p || '_' || to_char(d, 'YYYYMMDD');
      execute format('create table ${s}.%I (like ${s}.%I including defaults including storage including constraints)', child, p);
      execute format('alter table ${s}.%I attach partition ${s}.%I for values from (%s) to (%s)', p, child, lo, hi);
    end loop;
    made := made + 1;
  end loop;
  return made;
end $$`

/**
 * Drops one day. Rows that are still needed move to the default tables when they are few, otherwise the day stays. The
 * exclusive lock lasts for a moment; it is not waited for longer than half a second. Answers dropped, kept or absent.
 */
const drop = (s: string) =>
  `create function ${s}.drop_day(d date, keep_completed interval, keep_cancelled interval, keep_discarded interval,
  max_move int default 10000) returns text language plpgsql
  security definer set search_path = pg_catalog, pg_temp set lock_timeout = '500ms' as $$
declare suffix text := to_char(d, 'YYYYMMDD'); ids bigint[];
  lo bigint := ${s}.id_floor(d::timestamp at time zone 'UTC');
  hi bigint := ${s}.id_floor((d + 1)::timestamp at time zone 'UTC');
begin
  if to_regclass('${s}.job_' || suffix) is null then return 'absent'; end if;
  -- ids of an open transaction may still be young
  if d >= (now() at time zone 'UTC')::date - 1 then return 'kept'; end if;
  lock table ${daily.map(([table]) => `${s}.${table}`).join(", ")} in access exclusive mode;
  select array_agg(q.job_id) into ids from (
    select r.job_id from ${s}.ready r where r.job_id >= lo and r.job_id < hi
    union all select l.job_id from ${s}.later l where l.job_id >= lo and l.job_id < hi
    union all select x.job_id from ${s}.done x where x.job_id >= lo and x.job_id < hi and x.finished_at >
      now() - case x.outcome when 'c' then keep_completed when 'x' then keep_cancelled else keep_discarded end
    limit max_move + 1) q;
  if cardinality(ids) > max_move then return 'kept'; end if;
${
    daily.map(([table, key]) =>
      `  execute format('alter table ${s}.${table} detach partition ${s}.${table}_%s', suffix);
  if ids is not null then
    execute format('insert into ${s}.${table} select * from ${s}.${table}_%s where ${key} = any($1)', suffix) using ids;
  end if;
  execute format('drop table ${s}.${table}_%s', suffix);`
    ).join("\n")
  }
  return 'dropped';
end $$`

export const partitions = (s: string): ReadonlyArray<string> => [
  ensure(s),
  drop(s),
  `select ${s}.ensure_partitions(1)`
]
