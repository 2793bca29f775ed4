-- +goose Up

-- The last mark that the member was shown. Marks given later wait for the next
-- return, so that nobody sees a mark before somebody decided so.
alter table feedbacks add column marks_upto bigint not null default 0;
update feedbacks f set marks_upto = coalesce((select max(e.id) from mark_events e
    where e.assignment_id = f.assignment_id and e.member_id = f.member_id), 0)
where f.returned_at is not null;
