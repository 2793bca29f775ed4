-- +goose Up

-- How long workspaces of a course may stay. Null is the site's time, which is
-- also the most; kernels are left alone unless a time is set.
alter table courses
    add column idle_after interval constraint courses_idle_after check (idle_after > '0'),
    add column max_age interval constraint courses_max_age check (max_age > '0'),
    add column warn_before interval constraint courses_warn_before check (warn_before > '0'),
    add column kernels_after interval constraint courses_kernels_after check (kernels_after > '0');

-- A stop that people were told of; null while none is near.
alter table workspaces
    add column stops_at timestamptz,
    add column stops_why text not null default '';

-- Who may do next what one process of several does: the first to come.
create table turns (
    name     text primary key,
    taken_at timestamptz not null
);

-- The last reading of what a running workspace uses.
create table workspace_usage (
    workspace_id text primary key references workspaces on delete cascade,
    at           timestamptz not null,
    cpu_time     bigint not null,           -- nanoseconds since the start
    cpu          double precision,          -- cores, between this and the last reading; null after the first
    memory       bigint not null,           -- bytes
    memory_limit bigint not null,           -- 0: none
    node         text not null default ''
);

-- Tabs that look at a workspace by way of one process of Lectern.
create table workspace_tabs (
    workspace_id text not null,
    process      text not null,
    tabs         int not null,
    at           timestamptz not null,
    primary key (workspace_id, process)
);

create table announcements (
    id           bigint generated always as identity primary key,
    course_id    bigint references courses, -- null: the whole site
    text         text not null constraint announcements_text check (text <> '' and length(text) <= 500),
    made_by      bigint not null references users,
    made_at      timestamptz not null default now(),
    ends_at      timestamptz not null,
    withdrawn_at timestamptz
);
create index announcements_ends on announcements (ends_at) where withdrawn_at is null;

-- How many people had a workspace, and did something in it, by minute; course 0
-- is the whole site. Minutes in which nobody had one have no row.
create table running_minutes (
    course_id bigint not null,
    at        timestamptz not null,
    people    int not null,
    active    int not null,                 -- of them, in the five minutes before
    primary key (course_id, at)
);
-- The most of each hour, so that a term is read quickly.
create table running_hours (
    course_id bigint not null,
    at        timestamptz not null,
    people    int not null,
    active    int not null,
    primary key (course_id, at)
);

-- Every start that came to its end.
create table workspace_starts (
    workspace_id text not null references workspaces on delete cascade,
    generation   bigint not null,
    course_id    bigint not null references courses,
    queued_at    timestamptz not null,
    started_at   timestamptz not null,
    ready_at     timestamptz not null,
    primary key (workspace_id, generation)
);
create index workspace_starts_ready on workspace_starts (ready_at);
-- How many starts of a day took how long: bucket b holds those of 1.05^b to
-- 1.05^(b+1) ms from the click to Jupyter's answer. The day is the course's own;
-- of course 0, the whole site, it is UTC's.
create table start_days (
    course_id bigint not null,
    day       date not null,
    bucket    smallint not null,
    starts    int not null,
    primary key (course_id, day, bucket)
);

-- A log of a term has a row for each sign-in and kernel.
create index activity_verb on activity (course_id, verb, id desc);
create index activity_who on activity (course_id, actor, id desc);
