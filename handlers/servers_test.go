package handlers

import (
	"bufio"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/store"
)

// running opens the lab as the students of physics and says that it runs; it
// gives their workspaces' ids.
func running(t *testing.T, d *desk, logins ...string) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, login := range logins {
		d.as(login).post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open")
		var id string
		d.must(d.Store.Pool().QueryRow(t.Context(), `select w.id from workspaces w join members m on m.id = w.member_id join users u on u.id = m.user_id where u.login = $1`, login).Scan(&id))
		ids[login] = id
	}
	d.spawn.say(spawner.Running, spawner.None)
	d.sql(`update workspaces set state = 'running', queued_at = now() - interval '5 s', started_at = now() - interval '4 s', ready_at = now() - interval '3 s', last_activity_at = now()`)
	return ids
}

func TestServersShowWhatWorkspacesUse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ids := running(t, d, "student", "student2")
	now := time.Now()
	read := func(after, cpu, cpu2 time.Duration) {
		d.must(d.Store.SaveReadings(t.Context(), []store.Reading{
			{WorkspaceID: ids["student"], At: now.Add(after), CPU: cpu, Memory: 100 << 20, MemoryLimit: 1 << 30, Node: "node-a"},
			{WorkspaceID: ids["student2"], At: now.Add(after), CPU: cpu2, Memory: 300 << 20, MemoryLimit: 1 << 30, Node: "node-b"},
			{WorkspaceID: "aaaaaaaaaaaaaaaa", At: now}})) // one that went meanwhile
	}
	read(0, time.Second, time.Second)
	read(10*time.Second, 6*time.Second, 2*time.Second)
	for _, process := range []string{"one", "two"} {
		d.must(d.Store.SaveTabs(t.Context(), process, map[string]int{ids["student"]: 2}))
	}
	d.must(d.Store.SaveTabs(t.Context(), "two", nil)) // it has none any more; the other's stay
	rows, err := d.Store.Servers(t.Context(), d.physics.ID)
	d.must(err)
	if len(rows) != 2 {
		t.Fatalf("%d servers, want 2", len(rows))
	}
	for _, r := range rows {
		want := map[string]float64{"student": 0.5, "student2": 0.1}[r.Login]
		if r.CPU == nil || *r.CPU != want || r.Tabs != map[string]int{"student": 2}[r.Login] {
			t.Errorf("%s: %v cores in %d tabs, want %v", r.Login, r.CPU, r.Tabs, want)
		}
	}
	teacher := d.as("instructor")
	for sort, first := range map[string]string{"sort=memory": "The student ", "sort=memory&dir=down": "The student2 ", "sort=cpu&dir=down": "The student ", "sort=name&dir=down": "The student2 "} {
		html := teacher.get("/courses/physics/servers?"+sort).want(t, http.StatusOK, sort).body
		a, b := strings.Index(html, "The student "), strings.Index(html, "The student2 ")
		if a < 0 || b < 0 || (a < b) != (first == "The student ") {
			t.Errorf("%s begins with the wrong one, want %s", sort, first)
		}
		for _, want := range []string{"node-a", "50 %", "104.9 MB of 1.1 GB", "together 419.4 MB", `aria-sort=`} {
			if !strings.Contains(html, want) {
				t.Errorf("%s: the page lacks %q", sort, want)
			}
		}
	}
	all := d.as("admin").get("/admin/servers").want(t, http.StatusOK, "the site's").body
	if !strings.Contains(all, "Course of physics") || strings.Contains(teacher.get("/courses/physics/servers").body, `data-label="Course"`) {
		t.Error("only the site's page names courses")
	}
	d.spawn.machines = []spawner.Machine{{Name: "node-a", Total: 8e9, Free: 6e9, Booked: true}, {Name: "node-b", Total: 4e9, Free: -1e9, CPUs: 2, Load: 1.25}}
	d.as("admin").get("/admin/servers").has(t, "the site's", "node-b", "6.0 GB of 8.0 GB not reserved", `value="25"`, "of 4.0 GB free", `value="100"`, "1.2")
	if strings.Contains(teacher.get("/courses/physics/servers").body, "not reserved") {
		t.Error("a course's page tells of the site's machines")
	}
	d.spawn.away = errors.New("no engine")
	d.as("admin").get("/admin/servers").want(t, http.StatusOK, "without the engine").has(t, "the site's", "the container engine does not answer")
	teacher.get("/admin/servers").want(t, http.StatusNotFound, "an instructor looks at all")
	if html := d.as("instructor2").get("/courses/history/servers").body; !strings.Contains(html, "Nothing is running") {
		t.Error("another course's page is not empty")
	}
}

// A page that is open hears of a change, and while it is, readings are due often.
func TestServersFollowByThemselves(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	running(t, d, "student")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.SiteURL.String()+"/courses/physics/servers/events?sort=name", nil)
	d.must(err)
	res, err := d.as("instructor").client.Do(req)
	d.must(err)
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() || lines.Text() != "event: fragment" {
		t.Fatalf("the stream begins with %q", lines.Text())
	}
	ago, ok, err := d.Store.Taken(t.Context(), ServersWatched)
	if err != nil || !ok || ago > time.Minute {
		t.Errorf("watched %v ago, %v %v; want just now", ago, ok, err)
	}
	d.sql(`update workspaces set state = 'stopping'`)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Stopping") {
			return
		}
	}
	t.Error("the stream ended without the change")
}

func TestStoppingAsksFirst(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ids := running(t, d, "student", "student2")
	teacher := d.as("instructor")
	html := teacher.get("/courses/physics/servers/stop?workspace="+ids["student"]).want(t, http.StatusOK, "ask").body
	for _, want := range []string{"Stop the workspace of The student?", "Everything that was saved", "not saved", "Somebody is at work"} {
		if !strings.Contains(html, want) {
			t.Errorf("the question lacks %q", want)
		}
	}
	teacher.get("/courses/physics/servers/stop?idle=on").want(t, http.StatusSeeOther, "none is idle")
	d.sql(`update workspaces set last_activity_at = $1`, d.now.Add(-time.Hour))
	if html = teacher.get("/courses/physics/servers/stop?idle=on").want(t, http.StatusOK, "ask for all").body; !strings.Contains(html, "Stop 2 idle workspaces?") {
		t.Error("the question does not say how many")
	}
	if len(d.spawn.closed) != 0 {
		t.Errorf("asking stopped %v", d.spawn.closed)
	}
	d.as("admin").post("/admin/servers/stop", url.Values{"idle": {"on"}}).want(t, http.StatusSeeOther, "the site's all")
	slices.Sort(d.spawn.closed)
	if len(d.spawn.closed) != 2 {
		t.Errorf("closed %v, want both", d.spawn.closed)
	}
}

func TestAnnouncementsReachTheCourseUntilTheyEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher, student, stranger := d.as("instructor"), d.as("student"), d.as("student3")
	teacher.post("/courses/physics/servers/announce", url.Values{"text": {"Save now: <b>restart</b> at six"}, "lasts": {"60"}}).want(t, http.StatusSeeOther, "announce")
	const shown = "Save now: &lt;b&gt;restart&lt;/b&gt; at six"
	if !strings.Contains(student.get("/").body, shown) || !strings.Contains(student.get("/notes").body, shown) {
		t.Error("the student does not see it")
	}
	if strings.Contains(stranger.get("/").body, shown) {
		t.Error("somebody outside of the course sees it")
	}
	var id string
	d.must(d.Store.Pool().QueryRow(t.Context(), `select id::text from announcements`).Scan(&id))
	d.as("instructor2").post("/courses/history/servers/withdraw", url.Values{"announcement": {id}}).want(t, http.StatusNotFound, "a stranger withdraws")
	d.as("admin").post("/admin/servers/withdraw", url.Values{"announcement": {id}}).want(t, http.StatusNotFound, "as the site's")
	student.post("/courses/physics/servers/announce", url.Values{"text": {"x"}, "lasts": {"60"}}).want(t, http.StatusForbidden, "a student announces")
	teacher.post("/courses/physics/servers/announce", url.Values{"text": {" "}, "lasts": {"60"}}).want(t, http.StatusUnprocessableEntity, "nothing")
	teacher.post("/courses/physics/servers/announce", url.Values{"text": {"x"}, "lasts": {"1e9"}}).want(t, http.StatusUnprocessableEntity, "for ever")
	teacher.post("/courses/physics/servers/withdraw", url.Values{"announcement": {id}}).want(t, http.StatusSeeOther, "withdraw")
	if strings.Contains(student.get("/").body, shown) {
		t.Error("it is shown after it was withdrawn")
	}
	d.as("admin").post("/admin/servers/announce", url.Values{"text": {"To all"}, "lasts": {"15"}}).want(t, http.StatusSeeOther, "the site")
	if !strings.Contains(stranger.get("/").body, "To all") {
		t.Error("the site's does not reach everybody")
	}
	d.sql(`update announcements set ends_at = now()`)
	if strings.Contains(stranger.get("/").body, "To all") {
		t.Error("it is shown after its end")
	}
}

func TestWhoIsStillHereKeepsTheWorkspace(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ids := running(t, d, "student", "student2")
	student, id := d.as("student"), ids["student"]
	rest := time.Now().Add(-55 * time.Minute)
	d.sql(`update workspaces set last_activity_at = $1`, rest)
	if strings.Contains(student.get("/").body, "still here") {
		t.Error("a warning without a stop")
	}
	d.must(d.Store.WarnWorkspace(t.Context(), id, time.Now().Add(5*time.Minute), string(spawner.Idle)))
	html := student.get("/").body
	for _, want := range []string{"It will be stopped at", "still here", id} {
		if !strings.Contains(html, want) {
			t.Errorf("the warning lacks %q", want)
		}
	}
	if strings.Contains(d.as("student2").get("/").body, "will be stopped") {
		t.Error("another student is warned")
	}
	d.as("student2").post("/notes/here", url.Values{"workspace": {id}}).want(t, http.StatusNotFound, "another student says it")
	if to := student.post("/notes/here", url.Values{"workspace": {id}, "next": {"/courses/physics"}}).want(t, http.StatusSeeOther, "here").location(); to != "/courses/physics" {
		t.Errorf("back to %s", to)
	}
	if strings.Contains(student.get("/").body, "still here") {
		t.Error("warned after the answer")
	}
	row, err := d.Store.Workspace(t.Context(), id)
	d.must(err)
	if time.Since(row.LastActivityAt) > time.Minute {
		t.Errorf("last activity %v, want now", row.LastActivityAt)
	}
	d.must(d.Store.WarnWorkspace(t.Context(), id, time.Now().Add(5*time.Minute), string(spawner.TooOld)))
	if html = student.get("/").body; !strings.Contains(html, "longest time") || strings.Contains(html, "still here") {
		t.Error("one that is too old cannot be kept, and its student must know")
	}
}

func TestACourseChoosesHowLongWorkspacesStay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.IdleAfter, d.MaxAge, d.WarnBefore = time.Hour, 24*time.Hour, 5*time.Minute
	const page = "/courses/physics/settings/times"
	teacher := d.as("instructor")
	teacher.post(page, url.Values{"idle": {"30"}, "kernels": {"20"}, "warn": {"10"}, "age": {"600"}}).want(t, http.StatusSeeOther, "save")
	ids := running(t, d, "student")
	row, err := d.Store.Workspace(t.Context(), ids["student"])
	d.must(err)
	if row.IdleAfter != 30*time.Minute || row.KernelsAfter != 20*time.Minute || row.WarnBefore != 10*time.Minute || row.MaxAge != 10*time.Hour {
		t.Errorf("the row has %v %v %v %v", row.IdleAfter, row.KernelsAfter, row.WarnBefore, row.MaxAge)
	}
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"more than the site":     {url.Values{"idle": {"61"}}, "The site allows at most"},
		"older than the site":    {url.Values{"age": {"1441"}}, "The site allows at most"},
		"no number":              {url.Values{"idle": {"soon"}}, "whole number"},
		"too soon":               {url.Values{"idle": {"1"}}, "5 min"},
		"kernels after the rest": {url.Values{"idle": {"30"}, "kernels": {"30"}}, "Kernels end before"},
		"warned from the start":  {url.Values{"idle": {"10"}, "warn": {"10"}}, "The warning comes after"},
		"endless":                {url.Values{"kernels": {"99999999999999999"}}, "whole number"},
	} {
		if html := teacher.post(page, c.form).want(t, http.StatusUnprocessableEntity, name).body; !strings.Contains(html, c.want) {
			t.Errorf("%s: no word of %q", name, c.want)
		}
	}
	teacher.post(page, url.Values{}).want(t, http.StatusSeeOther, "empty again")
	if row, err = d.Store.Workspace(t.Context(), ids["student"]); err != nil || row.IdleAfter != 0 || row.KernelsAfter != 0 {
		t.Errorf("emptied: %v %v, %v", row.IdleAfter, row.KernelsAfter, err)
	}
	d.as("student").get(page).want(t, http.StatusForbidden, "a student")
}
