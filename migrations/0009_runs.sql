-- +goose Up

-- When work is autograded by itself, and what feedback may show of it.
alter table assignments
    add column autograde_on text not null default 'collect' constraint assignments_autograde_on check (autograde_on in ('collect', 'submit', 'manual')),
    add column reveal_tests boolean not null default false,
    add column grade_group  text not null default '';        -- a group of the course's gradebook; none counts with all

-- How the course's total is made; see course.Book. Exact scores like nbgrader.
alter table courses
    add column gradebook jsonb not null default '{}',
    add column exact     boolean not null default false;

alter table runs
    add column attempts    integer not null default 0,         -- the token of who works on it: an older one has no say
    add column not_before  timestamptz not null default now(), -- after a failure of ours it waits
    add column lease_until timestamptz,                        -- who runs it and lives has put it off
    add column fresh_image boolean not null default false;     -- take the image as it is now, not that of earlier runs

-- However often it is asked for, what waits waits once.
create unique index runs_queued on runs (submission_id, trial) where state = 'queued';
create index runs_leased on runs (lease_until) where state = 'running';
create index runs_waiting on runs (not_before) where state = 'queued';

-- Feedback pages in the making, one a student.
create table feedback_jobs (
    assignment_id bigint not null references assignments on delete cascade,
    member_id     bigint not null references members on delete cascade,
    state         text not null default 'queued' constraint feedback_jobs_state check (state in ('queued', 'done', 'failed')),
    asked_by      bigint references users,
    asked_at      timestamptz not null default now(),
    error         text not null default '',
    primary key (assignment_id, member_id)
);
