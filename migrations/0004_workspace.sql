-- +goose Up

-- A browser's right to one workspace. It comes from a ticket used once, and
-- falls with the session that asked for it.
create table work_grants (
    token_hash   bytea primary key,         -- SHA-256 of the workspace's cookie
    ticket       bytea not null,            -- the ticket's number
    workspace_id text not null references workspaces on delete cascade,
    user_id      bigint not null references users on delete cascade,
    session      bigint not null references sessions (id) on delete cascade,
    role         text not null,             -- what the member was; another role is another grant
    created_at   timestamptz not null default now(),
    constraint work_grants_once unique (ticket)
);
create index work_grants_session on work_grants (session);
create index work_grants_workspace on work_grants (workspace_id);
