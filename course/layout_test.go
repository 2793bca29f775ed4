package course_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lectern/course"
)

var at = time.Date(2026, 11, 23, 18, 50, 12, 123456000, time.UTC)

// paths calls every method of Layout that takes a name.
func paths(l course.Layout, c, login, a string) map[string]func() (string, error) {
	return map[string]func() (string, error){
		"Course":         func() (string, error) { return l.Course(c) },
		"Source":         func() (string, error) { return l.Source(c, a) },
		"Release":        func() (string, error) { return l.Release(c, a) },
		"ReleaseDir":     func() (string, error) { return l.ReleaseDir(c) },
		"Submitted":      func() (string, error) { return l.Submitted(c, login, a) },
		"Autograded":     func() (string, error) { return l.Autograded(c, login, a) },
		"Feedback":       func() (string, error) { return l.Feedback(c, login, a) },
		"FeedbackDir":    func() (string, error) { return l.FeedbackDir(c, login) },
		"HistoryDir":     func() (string, error) { return l.HistoryDir(c, login, a) },
		"History":        func() (string, error) { return l.History(c, login, a, at) },
		"HistoryFiles":   func() (string, error) { return l.HistoryFiles(c, login, a, at) },
		"StagedRelease":  func() (string, error) { return l.StagedRelease(c, a) },
		"StagedFeedback": func() (string, error) { return l.StagedFeedback(c, login, a) },
		"Staging":        func() (string, error) { return l.Staging(c) },
		"Homes":          func() (string, error) { return l.Homes(c) },
		"HomeStaging":    func() (string, error) { return l.HomeStaging(c) },
		"Home":           func() (string, error) { return l.Home(c, login) },
		"WorkingCopy":    func() (string, error) { return l.WorkingCopy(c, login, a) },
	}
}

func TestEveryPathLiesWhereThePlanSays(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"Course":         "courses/c1",
		"Source":         "courses/c1/source/ps1",
		"Release":        "courses/c1/release/ps1",
		"ReleaseDir":     "courses/c1/release",
		"Submitted":      "courses/c1/submitted/ada.l/ps1",
		"Autograded":     "courses/c1/autograded/ada.l/ps1",
		"Feedback":       "courses/c1/feedback/ada.l/ps1",
		"FeedbackDir":    "courses/c1/feedback/ada.l",
		"HistoryDir":     "courses/c1/history/ada.l/ps1",
		"History":        "courses/c1/history/ada.l/ps1/2026-11-23T185012.123456Z",
		"HistoryFiles":   "courses/c1/history/ada.l/ps1/2026-11-23T185012.123456Z/files",
		"StagedRelease":  "courses/c1/.staged/release/ps1",
		"StagedFeedback": "courses/c1/.staged/feedback/ada.l/ps1",
		"Staging":        "courses/c1/.staging",
		"Homes":          "homes/c1",
		"HomeStaging":    "homes/c1/.staging",
		"Home":           "homes/c1/ada.l",
		"WorkingCopy":    "homes/c1/ada.l/ps1",
	}
	all := paths(course.Layout{Root: "/data"}, "c1", "ada.l", "ps1")
	if len(all) != len(want) {
		t.Fatalf("got %d methods, want %d", len(all), len(want))
	}
	for name, path := range all {
		got, err := path()
		if err != nil || got != filepath.Join("/data", want[name]) {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want[name])
		}
	}
}

func TestNoBadNameBecomesAPath(t *testing.T) {
	t.Parallel()
	bad := []string{"", ".", "..", "../x", "/etc", "a/b", "a\x00b", "a b", "A", "ä", ".staging", "-a", "a\n",
		"a\u202eb", "a+b", "a*", `a\b`, strings.Repeat("a", 64), strings.Repeat("a", 300)}
	for _, name := range bad {
		for method, path := range paths(course.Layout{Root: "/data"}, name, name, name) {
			if got, err := path(); got != "" || !course.IsKind(err, course.NotFound) {
				t.Errorf("%s(%q) = %q, %v; want a not-found problem", method, name, got, err)
			}
		}
		if got, err := (course.Layout{Root: "/data"}).WorkingCopy("c1", "ada", name); got != "" || err == nil {
			t.Errorf("WorkingCopy(c1, ada, %q) = %q, %v; want an error", name, got, err)
		}
		if got, err := (course.Layout{Root: "/data"}).Home("c1", name); got != "" || err == nil {
			t.Errorf("Home(c1, %q) = %q, %v; want an error", name, got, err)
		}
	}
	for _, name := range []string{"release", "feedback"} {
		if got, err := (course.Layout{Root: "/data"}).WorkingCopy("c1", "ada", name); err == nil {
			t.Errorf("WorkingCopy(c1, ada, %q) = %q; want an error: it is a mount point", name, got)
		}
	}
}

func FuzzLayoutStaysBelowItsRoot(f *testing.F) {
	f.Add("c1", "ada", "ps1")
	f.Add("..", "../..", "/etc/passwd")
	f.Fuzz(func(t *testing.T, c, login, a string) {
		for method, path := range paths(course.Layout{Root: "/data"}, c, login, a) {
			got, err := path()
			if err == nil && !strings.HasPrefix(got, "/data/courses/") && !strings.HasPrefix(got, "/data/homes/") {
				t.Errorf("%s(%q, %q, %q) = %q", method, c, login, a, got)
			}
		}
	})
}
