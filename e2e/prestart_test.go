package e2e_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"lectern/store"
)

// A student looks at an assignment in a real browser, and their container comes
// up; the click finds it. Nobody else's does, a page read without scripts starts
// nothing, and what is not opened ends.
func TestTheWorkspaceIsReadyBeforeTheClick(t *testing.T) {
	p := launch(t)
	c := p.class(3)
	p.as("student2").mustGet(firstSteps)
	looking := visitor(t, chromium(t), p.url(), "student1")
	looking.signIn()
	looking.goTo(firstSteps)
	row := c.ahead(t, "student1")
	up := p.containers()
	if len(up) != 1 {
		t.Fatalf("%d containers for one who looks and one who read without scripts", len(up))
	}
	other := p.as("student3")
	if got := other.mustGet("/courses/demo/workspaces/" + row.ID); got.status != http.StatusNotFound {
		t.Errorf("another student's launch page of it: %d", got.status)
	}
	if got := p.as("instructor").mustGet("/courses/demo/servers"); !strings.Contains(got.body, "Started ahead") {
		t.Error("the page of servers does not say that it was started ahead")
	}
	looking.goTo(firstSteps) // looking again changes nothing
	began := time.Now()
	looking.click(`//button[contains(., "Open assignment")]`)
	looking.wait("JupyterLab's host", `location.host.includes(".work.") && location.pathname.startsWith("/lab")`)
	t.Logf("click to JupyterLab's page: %v", time.Since(began))
	looking.see(".jp-Notebook .jp-CodeCell .cm-content")
	now, err := c.Workspace(t.Context(), row.ID)
	must(t, err)
	if now.Ahead || now.Generation != row.Generation || now.ContainerID != row.ContainerID || !slices.Equal(p.containers(), up) {
		t.Errorf("opened it is %+v in %v, was %+v in %v", now, p.containers(), row, up)
	}

	// Twice at once, and never opened.
	for range 2 {
		if got := other.mustPost(firstSteps+"/prestart", nil); got.status != http.StatusNoContent {
			t.Fatalf("prestart: %d", got.status)
		}
	}
	unused := c.ahead(t, "student3")
	if n := len(p.containers()); n != 2 {
		t.Errorf("%d containers, want 2", n)
	}
	_, err = c.Pool().Exec(t.Context(), `update workspaces set ready_at = ready_at - interval '11 minutes' where state = 'running'`)
	must(t, err)
	await(t, "the unused one to end", func() bool {
		w, err := c.Workspace(context.Background(), unused.ID)
		return err == nil && w.State == "stopped" && w.Reason == "unused"
	})
	await(t, "its container to go", func() bool { return slices.Equal(p.containers(), up) })
	if got := other.mustPost(firstSteps+"/prestart", nil); got.status != http.StatusNoContent || len(p.containers()) != 1 {
		t.Error("a page that is looked at again starts again what ended unused a moment ago")
	}
	n, err := c.Prestarts(t.Context(), c.course.ID, time.Now())
	if want := (store.Prestarts{Started: 2, Used: 1, Unused: 1}); err != nil || n != want {
		t.Errorf("counted %+v, %v; want %+v", n, err, want)
	}
	looking.calm()
}

func TestASiteWithoutPrestartStartsNothingAhead(t *testing.T) {
	p := launch(t, "LECTERN_PRESTART=0")
	c := p.class(3)
	who := p.as("student1")
	if got := who.mustGet(firstSteps); strings.Contains(got.body, "data-prestart") {
		t.Error("the page asks for its workspace")
	}
	who.mustPost(firstSteps+"/prestart", nil)
	if all, err := c.ActiveWorkspaces(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%+v is up, %v", all, err)
	}
}

// ahead waits until the student's workspace, which nobody opened, runs.
func (c *class) ahead(t testing.TB, login string) (row store.Workspace) {
	t.Helper()
	await(t, "the workspace of "+login+" to be made ready", func() bool {
		all, err := c.ActiveWorkspaces(context.Background())
		must(t, err)
		for _, w := range all {
			if w.MemberID == c.members[login].ID && w.State == "running" && w.Ahead {
				row = w
				return true
			}
		}
		return false
	})
	return row
}
