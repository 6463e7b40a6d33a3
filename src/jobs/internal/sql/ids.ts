/**
 * Ids of 8 bytes that sort by the time at which they were given: milliseconds since 1970, then 20 bits of which the
 * highest is 0. Ids that callers make have it set, so the two never meet.
 *
 * A number of the sequence stands for eight ids, for a draw costs as much as a row of an index. The sequence has no cache:
 * a connection that held cached numbers while 2^16 others were drawn could repeat an id within one millisecond.
 */

/** Ids of one instant: an eighth of a round of the sequence. */
const atOnce = 65_536

export const ids = (s: string): ReadonlyArray<string> => [
  `create sequence ${s}.job_seq as bigint`,
  `create function ${s}.new_id() returns bigint language sql volatile as
$$ select (floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 20) | ((nextval('${s}.job_seq') & 65535) << 3) $$`,
  `create function ${s}.id_floor(t timestamptz) returns bigint language sql immutable parallel safe as
$$ select floor(extract(epoch from t) * 1000)::bigint << 20 $$`,
  // ascending ids, so many of one instant that the sequence has not come round when they are given: of the numbers that are
  // drawn the first is `low`, and those after a round of the sequence are of the next millisecond
  `create function ${s}.new_ids(n int) returns bigint[] language plpgsql
set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  own bigint[] := '{}'; last bigint := 0; instant bigint; low bigint;
begin
  loop
    instant := greatest(${s}.id_floor(clock_timestamp()), last & ~1048575::bigint);
    low := nextval('${s}.job_seq') & 65535;
    if instant + (low << 3) <= last then instant := instant + 1048576; end if;
    own := own || array(
      select instant + ((place + (place & 65536)) << 3) + generate_series(0, 7) from (
        select ((nextval('${s}.job_seq') - low) & 65535) + low as place
        from generate_series(1, (least(n - cardinality(own), ${atOnce}) + 7) / 8)) t
      limit least(n - cardinality(own), ${atOnce}));
    exit when cardinality(own) >= n;
    last := own[cardinality(own)];
  end loop;
  return own;
end $$`
]
