package store

import (
	"context"
	"time"

	"lectern/course"
)

// Copy is a workspace that holds a throw-away copy of a submission, with what
// names it to the member of the staff who looks at it.
type Copy struct {
	Workspace
	CourseSlug string
	Assignment string // its slug
	Title      string // the assignment's
	Login      string // whose work it is
	Name       string
	Number     *int // of the paper, while names are hidden; nil before there is one
	Snapshot   string
	TakenAt    time.Time
}

var copies = `
	select ` + workspaceColumns + `, c.slug as course_slug, a.slug as assignment, a.title, u.login, u.name, p.number, s.snapshot, s.taken_at
	from workspaces w
	join submissions s on s.id = w.submission_id
	join assignments a on a.id = s.assignment_id
	join courses c on c.id = a.course_id
	join members m on m.id = s.member_id
	join users u on u.id = m.user_id
	left join papers p on p.assignment_id = a.id and p.member_id = m.id`

// Copy is the throw-away copy of this id; NotFound for any other workspace.
func (s *Store) Copy(ctx context.Context, id string) (Copy, error) {
	return one[Copy](ctx, s.db, "workspace", copies+` where w.id = $1`, id)
}

// CopiesUp lists a member's throw-away copies that are neither stopped nor
// failed, the oldest first.
func (s *Store) CopiesUp(ctx context.Context, m course.MemberID) ([]Copy, error) {
	return many[Copy](ctx, s.db, "copies", copies+`
		where w.member_id = $1 and w.state not in ('stopped', 'failed') order by w.queued_at, w.id`, m)
}

// copyOf is the copy that stands where w would.
func (s *Store) copyOf(ctx context.Context, w Workspace) (Workspace, error) {
	return one[Workspace](ctx, s.db, "workspace", `
		select `+workspaceColumns+` from workspaces w
		where w.member_id = $1 and w.submission_id = $2 and w.image = $3`, w.MemberID, w.SubmissionID, w.Image)
}

// GradedImage is the id of the image that the submission was graded in, ""
// before it was.
func (s *Store) GradedImage(ctx context.Context, id course.SubmissionID) (string, error) {
	type row struct{ ImageDigest string }
	rows, err := many[row](ctx, s.db, "graded image", `select image_digest from runs where submission_id = $1 and effective`, id)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0].ImageDigest, nil
}

// LiveCopies says at which start each throw-away copy is that is neither
// stopped nor failed, by its workspace.
func (s *Store) LiveCopies(ctx context.Context) (map[string]int64, error) {
	type row struct {
		ID         string
		Generation int64
	}
	rows, err := many[row](ctx, s.db, "copies", `
		select id, generation from workspaces where submission_id is not null and state not in ('stopped', 'failed')`)
	live := make(map[string]int64, len(rows))
	for _, r := range rows {
		live[r.ID] = r.Generation
	}
	return live, err
}

// DropCopies forgets throw-away copies that have rested since before a time.
func (s *Store) DropCopies(ctx context.Context, before time.Time) error {
	_, err := exec(ctx, s.db, "drop copies", `
		delete from workspaces where submission_id is not null and state in ('stopped', 'failed') and updated_at < $1`, before)
	return err
}
