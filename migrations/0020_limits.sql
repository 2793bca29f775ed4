-- +goose Up

-- What workspaces may use and reach: of a course, or of one of its assignments
-- for as long as it is open. Null is the course's, and then the site's.
create table limits (
    course_id     bigint not null references courses on delete cascade,
    assignment_id bigint,
    memory        bigint constraint limits_memory check (memory > 0),            -- bytes
    cpus          double precision constraint limits_cpus check (cpus > 0),
    pids          bigint constraint limits_pids check (pids > 0),
    network       text constraint limits_network check (network in ('open', 'listed', 'off')),
    hosts         text[] not null default '{}',                                   -- that 'listed' leaves
    constraint limits_assignment foreign key (assignment_id, course_id) references assignments (id, course_id) on delete cascade
);
create unique index limits_once on limits (course_id, coalesce(assignment_id, 0));

-- What a workspace was given at its start: of which generation, so that one that
-- is about to start is not taken for what ran before.
alter table workspaces
    add column memory     bigint not null default 0,             -- bytes; 0 is the site's
    add column cpus       double precision not null default 0,
    add column pids       bigint not null default 0,
    add column network    text not null default 'open' constraint workspaces_network check (network in ('open', 'listed', 'off')),
    add column limits_for bigint not null default 0;
-- Those that run have been given an open network.
update workspaces set limits_for = generation;
