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

// CollectArgs asks for one member's live work to be collected. Inserting the
// same twice is one job.
type CollectArgs struct {
	AssignmentID course.AssignmentID `json:"assignment_id" river:"unique"`
	MemberID     course.MemberID     `json:"member_id" river:"unique"`
	DueUnix      int64               `json:"due_unix,omitempty" river:"unique"` // the due time it is for, in seconds; 0: a person asked
	Batch        int64               `json:"batch,omitempty" river:"unique"`    // when a person asked, in microseconds; 0: the due time came
	Actor        course.UserID       `json:"actor,omitempty"`                   // who asked
}

// Kind names the job in the queue.
func (CollectArgs) Kind() string { return "collect" }

// InsertOpts keeps trying for a day: a full disk or a database that restarts
// must not cost anybody their work.
func (CollectArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1500, UniqueOpts: river.UniqueOpts{ByArgs: true}}
}

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

// EnqueueCollects puts many collections into the queue in one statement.
func (s *Store) EnqueueCollects(ctx context.Context, args []CollectArgs) error {
	params := make([]river.InsertManyParams, len(args))
	for i, a := range args {
		params[i].Args = a
	}
	var err error
	switch {
	case len(args) == 0:
	case s.tx != nil:
		_, err = s.jobs.client.InsertManyTx(ctx, s.tx, params)
	default:
		_, err = s.jobs.client.InsertMany(ctx, params)
	}
	if err != nil {
		return fmt.Errorf("store: enqueue collections: %w", err)
	}
	return nil
}
