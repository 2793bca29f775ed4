package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"lectern/course"
)

// CollectArgs asks for one member's live work to be collected for a due time.
// Inserting it twice is one job.
type CollectArgs struct {
	AssignmentID course.AssignmentID `json:"assignment_id" river:"unique"`
	MemberID     course.MemberID     `json:"member_id" river:"unique"`
	DueUnix      int64               `json:"due_unix" river:"unique"` // the due time it is collected for, seconds
}

// Kind names the job in the queue.
func (CollectArgs) Kind() string { return "collect" }

// ReleaseArgs asks for a scheduled assignment to be released.
type ReleaseArgs struct {
	AssignmentID course.AssignmentID `json:"assignment_id" river:"unique"`
}

// Kind names the job in the queue.
func (ReleaseArgs) Kind() string { return "release" }

// inserter puts jobs into the queue; it runs none.
type inserter struct{ client *river.Client[pgx.Tx] }

func newInserter(pool *pgxpool.Pool) (*inserter, error) {
	c, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	if err != nil {
		return nil, fmt.Errorf("store: jobs: %w", err)
	}
	return &inserter{client: c}, nil
}

// Enqueue puts jobs into the queue, in the transaction of InTx if there is one.
func (s *Store) Enqueue(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) error {
	var err error
	if s.tx != nil {
		_, err = s.jobs.client.InsertTx(ctx, s.tx, args, opts)
	} else {
		_, err = s.jobs.client.Insert(ctx, args, opts)
	}
	if err != nil {
		return fmt.Errorf("store: enqueue %s: %w", args.Kind(), err)
	}
	return nil
}
