/**
 * Ids of 8 bytes that sort by the time at which they were given: milliseconds since 1970, then 20 bits of which the
 * highest is 0. Ids that callers make have it set, so the two never meet.
 *
 * A number of the sequence stands for eight ids, for a draw costs as much as a row of an index. The sequence has no cache:
 * a connection that held cached numbers while 2^16 others were drawn could repeat an id within one millisecond.
 */
export const ids = (s: string): ReadonlyArray<string> => [
  `create sequence ${s}.job_seq as bigint`,
  `create function ${s}.new_id() returns bigint language sql volatile as
$$ select (floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 20) | ((nextval('${s}.job_seq') & 65535) << 3) $$`,
  `create function ${s}.id_floor(t timestamptz) returns bigint language sql immutable parallel safe as
$$ select floor(extract(epoch from t) * 1000)::bigint << 20 $$`,
  // ids of one instant, ascending: of the numbers that are drawn the first is `low`, and those after a round of the sequence
  // are of the next millisecond
  `create function ${s}.new_ids(n int) returns bigint[] language plpgsql
set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  instant bigint := ${s}.id_floor(clock_timestamp());
  low bigint := nextval('${s}.job_seq') & 65535;
begin
  return array(
    select instant + ((place + (place & 65536)) << 3) + generate_series(0, 7) from (
      select ((nextval('${s}.job_seq') - low) & 65535) + low as place from generate_series(1, (n + 7) / 8)) t
    limit n);
end $$`
]
