-- +goose Up

-- The questions that a release of the checked version will have.
alter table checks add column questions jsonb not null default '[]';
