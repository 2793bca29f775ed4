package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/store"
)

func TestPagesSayWhatFilesTake(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	running(t, d, "student", "student2")
	rows, err := d.Store.Servers(t.Context(), d.physics.ID)
	d.must(err)
	whose := map[string]store.Server{}
	for _, r := range rows {
		whose[r.Login] = r
	}
	due, err := d.Store.HomesDue(t.Context(), 2*time.Minute, 10)
	d.must(err)
	if len(due) != 2 || due[0].Slug != "physics" {
		t.Fatalf("to be looked at: %+v", due)
	}
	page := func(login, path string) string { return d.as(login).get(path).want(t, http.StatusOK, path).body }
	if html := page("student", "/courses/physics"); strings.Contains(html, "My files in this course") {
		t.Error("before anybody looked the page says what files take")
	}
	save := func(login string, bytes, quota int64, more bool) {
		d.must(d.Store.SaveHome(t.Context(), store.Home{MemberID: whose[login].MemberID, Bytes: bytes, Quota: quota, More: more}))
	}
	save("student", 970_000_000, 1_000_000_000, false)
	save("student2", 300_000_000, 0, true)
	if due, err = d.Store.HomesDue(t.Context(), 2*time.Minute, 10); err != nil || len(due) != 0 {
		t.Errorf("looked at just now, to be looked at: %+v, %v", due, err)
	}
	const full = "Your files take 97 % of the space you have here, 1.0 GB."
	for _, path := range []string{"/courses/physics", ps1Path, "/"} {
		html := page("student", path)
		if !strings.Contains(html, full) || !strings.Contains(html, "banner near") {
			t.Errorf("%s does not warn", path)
		}
		if path != "/" && !strings.Contains(html, "My files in this course take 970.0 MB of 1.0 GB.") {
			t.Errorf("%s does not say what files take", path)
		}
	}
	if html := page("student2", "/courses/physics"); !strings.Contains(html, "take more than 300.0 MB.") || strings.Contains(html, "space you have here") {
		t.Error("without a bound the page does not say just what files take")
	}
	found, err := d.Store.NotesIn(t.Context(), whose["student"].ID)
	d.must(err)
	if len(found) != 1 || found[0].Why != store.HomeFull || found[0].Bytes != 970_000_000 {
		t.Fatalf("in JupyterLab: %+v", found)
	}
	view := noteView(found[0], d.Now())
	again := found[0]
	again.Bytes += 1000
	if !view.Near || len(view.Text) > 140 || noteKey(found[0], view) != noteKey(again, noteView(again, d.Now())) {
		t.Errorf("in JupyterLab it is %+v, or told again for each byte", view)
	}
	servers := page("instructor", "/courses/physics/servers?sort=home")
	a, b := strings.Index(servers, "300.0 MB"), strings.Index(servers, "970.0 MB of 1.0 GB")
	if a < 0 || b < 0 || a > b {
		t.Errorf("the page of servers has them at %d and %d", a, b)
	}
	// One that ended is looked at once more, and less than 95 % is no warning.
	save("student", 940_000_000, 1_000_000_000, false)
	if html := page("student", "/courses/physics"); strings.Contains(html, "space you have here") {
		t.Error("at 94 % it warns")
	}
	d.sql(`update workspaces set state = 'stopped', updated_at = now() + interval '1 s' where id = $1`, whose["student"].ID)
	if due, err = d.Store.HomesDue(t.Context(), 2*time.Minute, 10); err != nil || len(due) != 1 || due[0].MemberID != whose["student"].MemberID {
		t.Errorf("after its end, to be looked at: %+v, %v", due, err)
	}
}

func TestThePlaceInLineSaysWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    spawner.Progress
		want string
	}{
		{spawner.Progress{Position: 3, Memory: true}, "Waiting for memory: all of it is in use at the moment. Your workspace starts by itself when some is free. 2 are before you."},
		{spawner.Progress{Position: 1, Memory: true}, "Waiting for memory: all of it is in use at the moment. Your workspace starts by itself when some is free. You are next."},
		{spawner.Progress{Position: 3}, "2 are before you."},
	} {
		if got := stepText(c.p); got != c.want {
			t.Errorf("%+v is told as %q", c.p, got)
		}
	}
}
