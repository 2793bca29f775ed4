-- +goose Up

-- One autograding of one submission. A finished run never changes.
create table runs (
    id             bigint generated always as identity primary key,
    submission_id  bigint not null references submissions,
    assignment_id  bigint not null references assignments,
    member_id      bigint not null references members,
    state          text not null default 'queued' constraint runs_state check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
    trial          boolean not null default false,   -- a dry run: compared, then applied or forgotten
    effective      boolean not null default false,   -- the run whose results are the submission's
    source_version integer not null default 0,
    image          text not null default '',
    image_digest   text not null default '',
    exact          boolean not null default false,   -- scored exactly like nbgrader
    queued_at      timestamptz not null default now(),
    started_at     timestamptz,
    finished_at    timestamptz,
    asked_by       bigint references users,          -- null: collection or an instant check asked
    error          text not null default '',         -- our own failure, for staff; never a score of 0
    log            text not null default '',         -- the tail
    flags          text[] not null default '{}',     -- for the grader: timeouts, kernel death, odd constructs
    repairs        jsonb not null default '[]',      -- what differed between the submission and what could be graded
    constraint runs_effective_done check (not effective or state = 'done' and not trial)
);
create unique index runs_effective on runs (submission_id) where effective;
create index runs_submission on runs (submission_id, id desc);
create index runs_assignment on runs (assignment_id, state);

-- What a run found for each question.
create table run_results (
    run_id       bigint not null references runs on delete cascade,
    notebook     text not null,
    question     text not null,
    position     integer not null,
    points       double precision,                   -- null: a person has to mark it
    max          double precision not null,
    no_response  boolean not null default false,
    reason       text not null default '',           -- why not full points; shows nothing of the test's text
    flags        text[] not null default '{}',
    answer_hash  text not null default '',           -- of the normalised answer, to group identical ones
    primary key (run_id, notebook, question)
);
create index run_results_question on run_results (notebook, question, answer_hash);
