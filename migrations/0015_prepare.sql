-- +goose Up

-- The tests that a check made of AUTOTEST lines, by notebook and cell: grading and
-- release stand on the same ones, whatever a solution that throws dice gives next.
alter table checks add column tests jsonb not null default '{}';

-- What a check finds out by running the notebooks: one row an assignment, for the
-- version that was asked for last.
create table check_trials (
    assignment_id  bigint primary key references assignments on delete cascade,
    source_version integer not null,
    state          text not null default 'queued' constraint check_trials_state check (state in ('queued', 'running', 'done', 'failed')),
    attempts       integer not null default 0,         -- the token of who works on it: an older one has no say
    failures       integer not null default 0,         -- of ours, since it was asked for
    asked_at       timestamptz not null default now(),
    not_before     timestamptz not null default now(), -- after a failure of ours it waits
    started_at     timestamptz,
    lease_until    timestamptz,                        -- who runs it and lives has put it off
    step           text not null default '',           -- what is being done, for people
    error          text not null default '',
    log            text not null default '',
    result         jsonb not null default '{}'         -- says itself which version it is of
);

-- How the course's releases are made: the texts that stand in place of solutions.
alter table courses add column preparing jsonb not null default '{}';

-- Which of the files were made by Lectern; all others a person uploaded.
alter table feedbacks
    add column staged_made   text[] not null default '{}',
    add column returned_made text[] not null default '{}';

-- Feedback on its way to students.
create table feedback_returns (
    assignment_id bigint not null references assignments on delete cascade,
    member_id     bigint not null references members on delete cascade,
    state         text not null default 'queued' constraint feedback_returns_state check (state in ('queued', 'done', 'failed')),
    asked_by      bigint references users,
    asked_at      timestamptz not null default now(),
    error         text not null default '',
    primary key (assignment_id, member_id)
);
create index feedback_returns_queued on feedback_returns (asked_at) where state = 'queued';
