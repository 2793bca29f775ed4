package course

import (
	"path/filepath"
	"time"
)

// Layout is where everything lies below the data root. The folders of a course
// are nbgrader's own, so a course can move in and out. It only computes names;
// Root may as well be the path that the same tree has on another machine or
// outside a container. Every method answers a NotFound Problem for a name that
// may not become a path, so that no input reaches the disk as "..".
type Layout struct{ Root string }

// SnapshotForm names a snapshot's directory by its UTC time, to the microsecond
// as Postgres keeps it, without characters a file system may refuse.
const SnapshotForm = "2006-01-02T150405.000000Z"

// CoursesDir holds one directory a course, named by slug.
func (l Layout) CoursesDir() string { return filepath.Join(l.Root, "courses") }

// HomesDir holds one directory a course and in it one a member.
func (l Layout) HomesDir() string { return filepath.Join(l.Root, "homes") }

// Course is the course's own tree; no part but release and feedback is ever
// shown to a student.
func (l Layout) Course(course string) (string, error) {
	if !ValidSlug(course) {
		return "", badName("course", course)
	}
	return filepath.Join(l.CoursesDir(), course), nil
}

// Source is what the instructor uploaded, with solutions and hidden tests.
func (l Layout) Source(course, assignment string) (string, error) {
	return l.step(course, "source", assignment)
}

// Release is what students are given.
func (l Layout) Release(course, assignment string) (string, error) {
	return l.step(course, "release", assignment)
}

// ReleaseDir holds all releases of a course; mounted read-only for students.
func (l Layout) ReleaseDir(course string) (string, error) { return l.under(course, "release") }

// Submitted is a copy of the snapshot that counts, with timestamp.txt.
func (l Layout) Submitted(course, login, assignment string) (string, error) {
	return l.work(course, "submitted", login, assignment)
}

// Autograded is the submission after its tests have run.
func (l Layout) Autograded(course, login, assignment string) (string, error) {
	return l.work(course, "autograded", login, assignment)
}

// Feedback is what has been returned.
func (l Layout) Feedback(course, login, assignment string) (string, error) {
	return l.work(course, "feedback", login, assignment)
}

// FeedbackDir holds all that was returned to one student; mounted read-only for
// that student alone. It is never replaced itself, or the mount would go stale.
func (l Layout) FeedbackDir(course, login string) (string, error) {
	return l.member(course, "feedback", login)
}

// HistoryDir holds all snapshots of one student's assignment, by time.
func (l Layout) HistoryDir(course, login, assignment string) (string, error) {
	return l.work(course, "history", login, assignment)
}

// History is one snapshot: manifest.json and, in files/, the student's files.
func (l Layout) History(course, login, assignment string, at time.Time) (string, error) {
	dir, err := l.HistoryDir(course, login, assignment)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, at.UTC().Format(SnapshotForm)), nil
}

// HistoryFiles is the tree of the student's files in one snapshot.
func (l Layout) HistoryFiles(course, login, assignment string, at time.Time) (string, error) {
	dir, err := l.History(course, login, assignment, at)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "files"), nil
}

// StagedRelease is a release that was made and checked but not yet given out.
func (l Layout) StagedRelease(course, assignment string) (string, error) {
	return l.step(course, filepath.Join(".staged", "release"), assignment)
}

// StagedFeedback is feedback no student sees before it is returned.
func (l Layout) StagedFeedback(course, login, assignment string) (string, error) {
	return l.work(course, filepath.Join(".staged", "feedback"), login, assignment)
}

// StagedAutograded holds the graded trees of dry runs, one a run, which may yet
// become the work's autograded tree.
func (l Layout) StagedAutograded(course, login, assignment string) (string, error) {
	return l.work(course, filepath.Join(".staged", "autograded"), login, assignment)
}

// Staging holds unfinished copies of a course's trees, under fresh names, on
// the file system they will be renamed in.
func (l Layout) Staging(course string) (string, error) { return l.under(course, ".staging") }

// Homes holds the homes of a course's members.
func (l Layout) Homes(course string) (string, error) {
	if !ValidSlug(course) {
		return "", badName("course", course)
	}
	return filepath.Join(l.HomesDir(), course), nil
}

// HomeStaging holds unfinished working copies, on the file system of the homes
// and out of every student's sight.
func (l Layout) HomeStaging(course string) (string, error) {
	dir, err := l.Homes(course)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, ".staging"), nil
}

// Copies holds throw-away copies of submissions, each the home of a workspace
// that somebody of the staff looks at it in. What lies below each is hostile.
func (l Layout) Copies(course string) (string, error) {
	dir, err := l.Homes(course)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, ".copies"), nil
}

// Trials holds the empty homes in which images are tested. No course has its name.
func (l Layout) Trials() string { return filepath.Join(l.HomesDir(), ".tests") }

// Home is mounted as the student's home. Whatever lies below it is hostile.
func (l Layout) Home(course, login string) (string, error) {
	dir, err := l.Homes(course)
	if err != nil {
		return "", err
	}
	if !ValidLogin(login) {
		return "", badName("person", login)
	}
	return filepath.Join(dir, login), nil
}

// WorkingCopy is the student's own copy of an assignment, inside the home.
func (l Layout) WorkingCopy(course, login, assignment string) (string, error) {
	home, err := l.Home(course, login)
	if err != nil {
		return "", err
	}
	if !ValidSlug(assignment) {
		return "", badName("assignment", assignment)
	}
	return filepath.Join(home, assignment), nil
}

func (l Layout) under(course, step string) (string, error) {
	dir, err := l.Course(course)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, step), nil
}

func (l Layout) step(course, step, assignment string) (string, error) {
	dir, err := l.under(course, step)
	if err != nil {
		return "", err
	}
	if !ValidSlug(assignment) {
		return "", badName("assignment", assignment)
	}
	return filepath.Join(dir, assignment), nil
}

func (l Layout) member(course, step, login string) (string, error) {
	dir, err := l.under(course, step)
	if err != nil {
		return "", err
	}
	if !ValidLogin(login) {
		return "", badName("person", login)
	}
	return filepath.Join(dir, login), nil
}

func (l Layout) work(course, step, login, assignment string) (string, error) {
	dir, err := l.member(course, step, login)
	if err != nil {
		return "", err
	}
	if !ValidSlug(assignment) {
		return "", badName("assignment", assignment)
	}
	return filepath.Join(dir, assignment), nil
}

// badName quotes at most a few characters: the name may be anything.
func badName(what, name string) error {
	if len(name) > 80 {
		name = name[:80] + "…"
	}
	return Problemf(NotFound, "There is no %s called %q.", what, name)
}
