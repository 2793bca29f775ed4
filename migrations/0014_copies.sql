-- +goose Up

-- A workspace may hold a throw-away copy of a submission, for the one member of
-- the staff who looks at it. Of a member's own there is still one for each image.
alter table workspaces add column submission_id bigint references submissions on delete cascade;
alter table workspaces drop constraint workspaces_once;
create unique index workspaces_once on workspaces (member_id, image) where submission_id is null;
create unique index workspaces_copy on workspaces (member_id, submission_id, image) where submission_id is not null;
create index workspaces_submission on workspaces (submission_id) where submission_id is not null;
