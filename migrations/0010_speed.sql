-- +goose Up

-- The watch over due times asks every second for what is not collected yet.
create index works_due on works (assignment_id, collected_for);
-- How much of an assignment has been returned, for the table of assignments.
create index feedbacks_returned on feedbacks (assignment_id, member_id) where returned_at is not null;
-- How much of what counts came late, without a look at the rows.
drop index submissions_counts;
create unique index submissions_counts on submissions (assignment_id, member_id) include (late_seconds) where counts;
-- How often each student of an assignment has handed in.
create index submissions_assignment on submissions (assignment_id, member_id);
-- Everybody's current marks in the order in which they are looked for, without the rows.
drop index mark_events_current;
create index mark_events_current on mark_events (assignment_id, member_id, notebook, question, id desc) include (points);
