package handlers

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/store"
)

// fakeSpawner keeps rows in the database, and workspaces nowhere: they are in
// the state that the test says.
type fakeSpawner struct {
	store *store.Store

	mu     sync.Mutex
	state  spawner.State
	reason spawner.Reason
	closed []string
	opened int

	prestarted []spawner.Request
	machines   []spawner.Machine
	away       error // the machines do not answer
}

func (f *fakeSpawner) say(state spawner.State, why spawner.Reason) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state, f.reason = state, why
	_, _ = f.store.Pool().Exec(context.Background(), `update workspaces set state = $1, reason = $2, started_at = now(), last_activity_at = now()`, string(state), string(why))
}

func (f *fakeSpawner) Open(ctx context.Context, r spawner.Request) (spawner.Row, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	w, err := f.store.AddWorkspace(ctx, store.Workspace{ID: strings.ToLower(rand.Text()[:16]), CourseID: r.CourseID, MemberID: r.MemberID, SubmissionID: r.SubmissionID, Image: r.Image,
		State: string(f.state), QueuedAt: time.Now()})
	return spawner.Row{ID: w.ID, CourseID: w.CourseID, MemberID: w.MemberID, SubmissionID: w.SubmissionID, Image: w.Image, State: f.state}, err
}

func (f *fakeSpawner) Watch(ctx context.Context, _ string) <-chan spawner.Progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[spawner.State][]spawner.Progress{
		spawner.Starting: {{State: spawner.Queued, Step: spawner.StepQueued, Position: 3, Elapsed: time.Second, Wait: 95 * time.Second}, {State: spawner.Starting, Step: spawner.StepJupyter, Usual: 4 * time.Second},
			{State: spawner.Running, Step: spawner.StepReady}},
		spawner.Running: {{State: spawner.Running, Step: spawner.StepReady, Reason: f.reason, Text: f.reason.Text()}},
		spawner.Failed:  {{State: spawner.Failed, Reason: f.reason, Text: f.reason.Text(), Retry: true}},
		spawner.Stopped: {{State: spawner.Stopped, Reason: f.reason, Text: f.reason.Text(), Retry: true}},
	}[f.state]
	out := make(chan spawner.Progress)
	go func() {
		defer close(out)
		for _, p := range all {
			select {
			case out <- p:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (f *fakeSpawner) Target(context.Context, string) (spawner.Target, error) {
	return spawner.Target{}, spawner.ErrNotRunning
}

func (f *fakeSpawner) Close(_ context.Context, id string, _ spawner.Reason) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = append(f.closed, id)
	_, err := f.store.Pool().Exec(context.Background(), `update workspaces set state = 'stopped' where id = $1 and submission_id is not null`, id)
	return err
}

func (f *fakeSpawner) Prestart(_ context.Context, r spawner.Request) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prestarted = append(f.prestarted, r)
	return true, nil
}

func (f *fakeSpawner) Touch(string, time.Time) {}

func (f *fakeSpawner) Machines(context.Context) ([]spawner.Machine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.machines, f.away
}

func TestOpeningLaysTheFilesOutOnceAndLeadsIn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	student := d.as("student")
	to := student.post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open").location()
	u, err := url.Parse(to)
	d.must(err)
	if !strings.HasSuffix(u.Host, strings.TrimPrefix(d.Work.Pattern(), "http://*")) || u.Path != enterPath || u.Query().Get("next") != "/lab/tree/ps1/b.ipynb" {
		t.Errorf("open leads to %s; want the workspace's host and the first notebook", to)
	}
	d.write("student", "ps1", "b.ipynb", "mine")
	student.post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open again")
	if n := d.count(`select count(*) from works`); n != 1 {
		t.Errorf("%d works, want 1", n)
	}
	if n := d.count(`select count(*) from activity where verb = 'opened for the first time'`); n != 1 {
		t.Errorf("%d first openings, want 1", n)
	}
	d.as("admin").post(ps1Path+"/open", nil).want(t, http.StatusForbidden, "an admin who is no member opens")
	d.as("instructor").post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "the instructor opens as anybody does")
}

func TestTheLaunchPageFollowsTheStart(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	student := d.as("student")
	d.spawn.say(spawner.Starting, spawner.None)
	page := student.post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open").location()
	html := student.get(page).want(t, http.StatusOK, "the launch page").body
	for _, want := range []string{`data-launch="/courses/physics/workspaces/`, "2 are before you. Ready in about 2 minutes.", "Starting JupyterLab", `<noscript><meta http-equiv="refresh"`} {
		if !strings.Contains(strings.Join(strings.Fields(html), " "), want) && !strings.Contains(html, want) {
			t.Errorf("the launch page lacks %q", want)
		}
	}
	u, _ := url.Parse(page)
	u.Path += "/events"
	stream := student.get(u.String()).want(t, http.StatusOK, "the events")
	for _, want := range []string{`"step":"queued"`, `"position":3`, `"step":"jupyter"`, `"usual_ms":4000`, `"wait_ms":95000`, "event: ready\ndata: {\"url\":\"" + "/courses/physics/workspaces/"} {
		if !strings.Contains(stream.body, want) {
			t.Errorf("the events lack %q: %s", want, stream.body)
		}
	}
	d.spawn.say(spawner.Failed, spawner.TooSlow)
	html = student.get(page).want(t, http.StatusOK, "the failed launch page").body
	for _, want := range []string{spawner.TooSlow.Text(), "Try again", ps1Path + "/my-files"} {
		if !strings.Contains(html, want) {
			t.Errorf("the failed launch page lacks %q", want)
		}
	}
	if stream := student.get(u.String()).body; !strings.Contains(stream, "event: failed") {
		t.Errorf("the events of a failure: %s", stream)
	}
	d.spawn.say(spawner.Stopped, spawner.Idle)
	if html = student.get(page).want(t, http.StatusOK, "a workspace at rest").body; !strings.Contains(html, "Start it") || !strings.Contains(html, spawner.Idle.Text()) {
		t.Error("the page of a workspace at rest offers no start or does not say why it rests")
	}
	d.spawn.say(spawner.Running, spawner.Away)
	html = student.get(page).want(t, http.StatusOK, "a workspace out of reach").body
	for _, want := range []string{"out of reach", spawner.Away.Text(), "Try again"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page of a workspace out of reach lacks %q", want)
		}
	}
	if html = d.as("instructor").get("/courses/physics/servers").want(t, http.StatusOK, "servers").body; !strings.Contains(html, "Out of reach") {
		t.Error("the page of servers does not say which is out of reach")
	}
	d.spawn.say(spawner.Running, spawner.None)
	if to := student.get(page).want(t, http.StatusSeeOther, "ready").location(); !strings.Contains(to, enterPath) {
		t.Errorf("ready leads to %s", to)
	}
	for name, who := range map[string]*browser{"another student": d.as("student2"), "the instructor": d.as("instructor"), "another course": d.as("student3")} {
		who.get(page).want(t, http.StatusNotFound, name)
		who.get(u.String()).want(t, http.StatusNotFound, name+", events")
		who.post(page, nil).want(t, http.StatusNotFound, name+" starts")
		who.post(strings.SplitN(page, "?", 2)[0]+"/stop", nil).want(t, http.StatusNotFound, name+" stops")
	}
	student.post(strings.SplitN(page, "?", 2)[0]+"/stop", nil).want(t, http.StatusSeeOther, "stop")
	if len(d.spawn.closed) != 1 {
		t.Errorf("closed %v, want one", d.spawn.closed)
	}
}

func TestInstructorsStopWorkspacesOfTheirCourse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.as("student").post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open")
	d.as("student2").post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open")
	d.spawn.say(spawner.Running, spawner.None)
	teacher := d.as("instructor")
	html := teacher.get("/courses/physics/servers").want(t, http.StatusOK, "servers").body
	if !strings.Contains(html, "The student2") || !strings.Contains(html, "Running") || strings.Contains(html, "Stop all idle") {
		t.Errorf("the page of servers: %s", html)
	}
	d.as("student").get("/courses/physics/servers").want(t, http.StatusForbidden, "a student looks")
	d.as("grader").get("/courses/physics/servers").want(t, http.StatusForbidden, "a grader looks")
	d.as("instructor2").get("/courses/physics/servers").want(t, http.StatusNotFound, "a stranger looks")
	var id string
	d.must(d.Store.Pool().QueryRow(t.Context(), `select w.id from workspaces w join members m on m.id = w.member_id join users u on u.id = m.user_id where u.login = 'student'`).Scan(&id))
	d.as("instructor2").post("/courses/history/servers/stop", url.Values{"workspace": {id}}).want(t, http.StatusSeeOther, "a stranger names it")
	if len(d.spawn.closed) != 0 {
		t.Fatal("an instructor of another course stopped a workspace")
	}
	d.sql(`update workspaces set last_activity_at = $1 where id = $2`, d.now.Add(-time.Hour), id)
	teacher.post("/courses/physics/servers/stop", url.Values{"idle": {"on"}}).want(t, http.StatusSeeOther, "stop all idle")
	if len(d.spawn.closed) != 1 || d.spawn.closed[0] != id {
		t.Errorf("stop all idle closed %v, want the one that rested an hour", d.spawn.closed)
	}
	teacher.post("/courses/physics/servers/stop", url.Values{"workspace": {id}}).want(t, http.StatusSeeOther, "stop one")
	if len(d.spawn.closed) != 2 {
		t.Errorf("closed %v", d.spawn.closed)
	}
}
