package handlers

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// prepared gives physics an assignment that was checked and not released.
func (d *desk) prepared(slug, text string) {
	d.t.Helper()
	d.sql(`insert into assignments (course_id, slug, title, source_version, checked_version) values ($1, $2, 'Not out yet', 1, 1)`, d.physics.ID, slug)
	dir, err := d.layout.StagedRelease("physics", slug)
	d.must(err)
	d.must(os.MkdirAll(dir, 0o755))
	d.must(os.WriteFile(filepath.Join(dir, "n.ipynb"), []byte(text), 0o644))
}

func (d *desk) read(login, slug, name string) string {
	d.t.Helper()
	dir, err := d.layout.WorkingCopy("physics", login, slug)
	d.must(err)
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestTheStaffOpenAnAssignmentAndLeaveNoTrace(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.prepared("next", "first")
	for who, slug := range map[string]string{"grader": "ps1", "instructor": "next"} {
		base := "/courses/physics/assignments/" + slug
		if text := d.as(who).get(base+"/try").want(t, http.StatusOK, "the page").body; !strings.Contains(text, "Open as a student would") || strings.Contains(text, "Start over") {
			t.Errorf("%s: the page offers something else: %s", who, text)
		}
		to := d.as(who).post(base+"/open", nil).want(t, http.StatusSeeOther, who+" opens "+slug).location()
		u, err := url.Parse(to)
		d.must(err)
		if want := map[string]string{"ps1": "/lab/tree/ps1/b.ipynb", "next": "/lab/tree/next/n.ipynb"}[slug]; u.Query().Get("next") != want {
			t.Errorf("%s opens %s at %s, want %s", who, slug, u.Query().Get("next"), want)
		}
		if text := d.as(who).get(base + "/try").body; !strings.Contains(text, "Start over") {
			t.Errorf("%s cannot start over", who)
		}
		d.as(who).get(base+"/submit").want(t, http.StatusForbidden, who+" would submit")
		d.as(who).post(base+"/submit", submitForm()).want(t, http.StatusForbidden, who+" submits")
	}
	for what, q := range map[string]string{"works": `select count(*) from works`, "submissions": `select count(*) from submissions`, "papers": `select count(*) from papers`,
		"tallies": `select count(*) from tallies`, "own workspaces": `select 2 - count(*) from workspaces where submission_id is null`} {
		if n := d.count(q); n != 0 {
			t.Errorf("%s: %d too many", what, n)
		}
	}
	opened, err := d.Store.OpenedWork(t.Context(), d.ps1.ID)
	d.must(err)
	due, err := d.Store.DueWork(t.Context(), d.ps1.DueAt.AddDate(1, 0, 0), 10)
	d.must(err)
	if len(opened)+len(due) != 0 {
		t.Errorf("%v would be collected now, %v when due", opened, due)
	}
	if text := d.as("instructor").get(ps1Path + "/submissions").body; strings.Contains(text, ">grader<") {
		t.Error("the grader stands among those who hand in")
	}
}

func TestWhoTriesAnAssignmentStartsOverWhenItChanged(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.prepared("next", "first")
	base := "/courses/physics/assignments/next"
	instructor := d.as("instructor")
	instructor.post(base+"/open", nil).want(t, http.StatusSeeOther, "open")
	dir, err := d.layout.StagedRelease("physics", "next")
	d.must(err)
	d.must(os.WriteFile(filepath.Join(dir, "n.ipynb"), []byte("second"), 0o644))
	instructor.post(base+"/open", nil).want(t, http.StatusSeeOther, "open again")
	if got := d.read("instructor", "next", "n.ipynb"); got != "first" {
		t.Errorf("opening again changed the folder: %q", got)
	}
	if to := instructor.post(base+"/start-over", nil).want(t, http.StatusSeeOther, "start over").location(); to != base+"/try" {
		t.Errorf("starting over leads to %s", to)
	}
	if got := d.read("instructor", "next", "n.ipynb"); got != "second" {
		t.Errorf("after starting over the folder holds %q", got)
	}
	// Now it is out: what students have counts, not what is prepared.
	d.sql(`update assignments set released_at = $1, release_version = 1 where slug = 'next'`, d.now)
	release, err := d.layout.Release("physics", "next")
	d.must(err)
	d.must(os.MkdirAll(release, 0o755))
	d.must(os.WriteFile(filepath.Join(release, "n.ipynb"), []byte("released"), 0o644))
	d.as("grader").post(base+"/open", nil).want(t, http.StatusSeeOther, "the grader opens")
	if got := d.read("grader", "next", "n.ipynb"); got != "released" {
		t.Errorf("the grader has %q", got)
	}
	if n := d.count(`select count(*) from works`); n != 0 {
		t.Errorf("%d works, want none", n)
	}
}

func TestNobodyElseTriesAnAssignment(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.prepared("next", "first")
	d.sql(`insert into assignments (course_id, slug, title) values ($1, 'empty', 'Empty')`, d.physics.ID)
	base := "/courses/physics/assignments/next"
	d.as("student").get(base+"/try").want(t, http.StatusNotFound, "a student looks")
	d.as("student").post(base+"/open", nil).want(t, http.StatusNotFound, "a student opens")
	d.as("student").get(ps1Path+"/try").want(t, http.StatusForbidden, "a student looks at one that is out")
	d.as("instructor2").post(base+"/open", nil).want(t, http.StatusNotFound, "somebody of another course")
	d.as("admin").get(base+"/try").want(t, http.StatusForbidden, "a site admin looks")
	d.as("admin").post(base+"/open", nil).want(t, http.StatusForbidden, "a site admin opens")
	instructor := d.as("instructor")
	instructor.post("/courses/physics/assignments/empty/open", nil).want(t, http.StatusConflict, "nothing is prepared")
	if text := instructor.get("/courses/physics/assignments/empty/try").body; !strings.Contains(text, "Nothing to open yet") {
		t.Error("the page does not say that there is nothing to open")
	}
	if d.spawn.opened != 0 {
		t.Errorf("%d workspaces were opened", d.spawn.opened)
	}
	if text := d.as("admin").get(base + "/source").body; strings.Contains(text, ">Try it<") {
		t.Error("a site admin who is no member is offered to try it")
	}
}
