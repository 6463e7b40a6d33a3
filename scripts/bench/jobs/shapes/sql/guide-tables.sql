-- The tables that a job touches between enqueue and finish, as the guide has them, in the database's default schema.
create sequence job_seq as bigint;
create function new_id() returns bigint language sql volatile as
$$ select (floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 20) | (nextval('job_seq') & 1048575) $$;
create function id_floor(t timestamptz) returns bigint language sql immutable parallel safe as
$$ select floor(extract(epoch from t) * 1000)::bigint << 20 $$;
create table queue (
  id int generated always as identity primary key, name text not null unique,
  paused_at timestamptz, fair boolean not null default false,
  config jsonb not null default '{}', updated_at timestamptz not null default now());
create table task (id int generated always as identity primary key, name text not null unique);
create table job (
  id bigint not null, created_at timestamptz not null default now(), ord bigint not null,
  queue_id int not null, task_id int not null, limit_id int,
  priority smallint not null, max_attempts smallint not null, children boolean not null default false,
  limit_key text, ukey bytea, args jsonb not null, meta jsonb,
  primary key (id)
) partition by range (id);
create table ready (
  ord bigint not null, job_id bigint not null, since timestamptz not null default now(),
  queue_id int not null, worker_id int, epoch int not null default 0,
  priority smallint not null, attempt smallint not null default 0, lost smallint not null default 0,
  primary key (queue_id, priority, ord, job_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);
create table later (
  run_at timestamptz not null, job_id bigint not null unique, ord bigint not null,
  queue_id int not null, epoch int not null, limit_id int, waits int not null default 0,
  priority smallint not null, attempt smallint not null, lost smallint not null, state "char" not null, limit_key text
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
create index later_due    on later (run_at) where state in ('s', 'r');
create index later_parked on later (limit_id, limit_key, priority, ord, job_id) where state = 'p';
create table done (
  job_id bigint not null primary key, finished_at timestamptz not null default now(), available_at timestamptz, claimed_at timestamptz,
  worker_id int, epoch int not null, attempt smallint not null, outcome "char" not null, output jsonb
) partition by range (job_id);
create table failure (
  job_id bigint not null, at timestamptz not null default now(), epoch int not null, attempt smallint not null, cause jsonb not null,
  primary key (job_id, epoch)
) partition by range (job_id);
create index on done using brin (finished_at);
create table job_default partition of job default;
create table done_default partition of done default;
create table failure_default partition of failure default;
create table uniq (
  key bytea primary key, job_id bigint not null unique, until timestamptz not null default 'infinity', release "char" not null default 'd');
create table worker (
  id int generated always as identity primary key, node text not null, started_at timestamptz not null default now(),
  expires_at timestamptz not null, backend_pid int, backend_start timestamptz, info jsonb not null default '{}') with (fillfactor = 50);
create function batch(int[], int[], smallint[], smallint[], timestamptz[], bigint[], jsonb[], jsonb[], bytea[], timestamptz[],
  "char"[], bigint[], int[], text[], int[], boolean[])
returns table (n bigint, id bigint, queue_id int, task_id int, priority smallint, max_attempts smallint, run_at timestamptz,
  args jsonb, meta jsonb, ukey bytea, until timestamptz, release "char", ord bigint, limit_id int, limit_key text, waits int, children boolean)
language sql volatile rows 1000 as $$
  select s.n, s.id, s.a, s.b, coalesce(s.c, 0::smallint), coalesce(s.d, 20::smallint),
    coalesce(s.e, now() + s.f * interval '1 millisecond', now()), s.g, s.h, s.i, coalesce(s.j, 'infinity'), coalesce(s.k, 'd'::"char"),
    coalesce(s.l, s.id), s.m, case when s.m is not null then coalesce(s.o, '') end, coalesce(s.p, 0), coalesce(s.q, false)
  from (select t.*, new_id() as id
        from unnest($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16) with ordinality as t(a,b,c,d,e,f,g,h,i,j,k,l,m,o,p,q,n)) s $$;
create function ensure_partitions(ahead int default 7) returns int language plpgsql set lock_timeout = '500ms' as $$
declare d date; p text; child text; lo bigint; hi bigint; used boolean; made int := 0; col text;
begin
  for i in 0 .. ahead loop
    d := (now() at time zone 'UTC')::date + i;
    lo := id_floor(d::timestamp at time zone 'UTC'); hi := id_floor((d + 1)::timestamp at time zone 'UTC');
    continue when to_regclass('job_' || to_char(d, 'YYYYMMDD')) is not null;
    select exists (select from job_default where id >= lo and id < hi)
        or exists (select from done_default where job_id >= lo and job_id < hi)
        or exists (select from failure_default where job_id >= lo and job_id < hi) into used;
    continue when used;
    foreach p in array array['job', 'done', 'failure'] loop
      child := p || '_' || to_char(d, 'YYYYMMDD');
      execute format('create table %I (like %I including defaults including storage including constraints)', child, p);
      execute format('alter table %I attach partition %I for values from (%s) to (%s)', p, child, lo, hi);
    end loop;
    made := made + 1;
  end loop;
  return made;
end $$;
select ensure_partitions();
insert into queue(name) values ('bench');
insert into task(name) values ('bench');
