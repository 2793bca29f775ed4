package handlers

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"lectern/course"
)

var testBounds = Bounds{Site: course.Limits{Memory: 1 << 30, CPUs: 1, PIDs: 256}, Most: course.Limits{Memory: 4 << 30, CPUs: 2, PIDs: 1000}, Enforced: true, Closes: true, Lists: true}

func TestLimitsOfWorkspacesAreChosen(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Bounds = testBounds
	const whole, own = "/courses/physics/settings/limits", ps1Path + "/limits"
	teacher := d.as("instructor")
	teacher.post(whole, url.Values{"memory": {"1.5"}, "cpus": {"0,5"}, "network": {"listed"}, "hosts": {"Data.Example.org\n\n *.example.edu \ndata.example.org"}}).want(t, http.StatusSeeOther, "save")
	l, err := d.Store.LimitsOf(t.Context(), d.physics.ID, 0)
	d.must(err)
	if l.Memory != 3<<29 || l.CPUs != .5 || l.PIDs != 0 || l.Network != course.NetworkListed || !slices.Equal(l.Hosts, []string{"data.example.org", "*.example.edu"}) {
		t.Errorf("saved %+v", l)
	}
	html := teacher.get(whole).want(t, http.StatusOK, "the form").body
	for _, want := range []string{`value="1.5"`, `placeholder="256"`, "*.example.edu</textarea>", `value="listed" checked`} {
		if !strings.Contains(html, want) {
			t.Errorf("the form has no %s", want)
		}
	}
	if html = teacher.get(own).want(t, http.StatusOK, "the assignment's").body; !strings.Contains(html, `placeholder="1.5"`) || !strings.Contains(html, "Now only listed hosts.") {
		t.Error("the assignment's form does not say what holds otherwise")
	}
	for page, link := range map[string]string{"/courses/physics/settings": whole, ps1Path + "/settings": own} {
		if !strings.Contains(teacher.get(page).body, `href="`+link+`"`) {
			t.Errorf("no link from %s", page)
		}
	}
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"more memory than the site allows":  {url.Values{"memory": {"4.01"}}, "The site allows at most 4 GiB."},
		"more processors":                   {url.Values{"cpus": {"3"}}, "The site allows at most 2 cores."},
		"more processes":                    {url.Values{"pids": {"1001"}}, "The site allows at most 1000 processes."},
		"too little memory for Jupyter":     {url.Values{"memory": {"0.1"}}, "Give 0.25 GiB at least."},
		"too few processes":                 {url.Values{"pids": {"5"}}, "Give 64 processes at least."},
		"half a process":                    {url.Values{"pids": {"100.5"}}, "whole number"},
		"no number":                         {url.Values{"memory": {"much"}}, "Give a number."},
		"not a number":                      {url.Values{"cpus": {"NaN"}}, "Give a number."},
		"without end":                       {url.Values{"memory": {"1e999"}}, "Give a number."},
		"a list of nothing":                 {url.Values{"network": {"listed"}}, "Name a host at least"},
		"an address":                        {url.Values{"hosts": {"169.254.169.254"}}, "is no name such as"},
		"a network that there is not":       {url.Values{"network": {"half"}}, "cannot keep workspaces to that"},
		"a list longer than anybody checks": {url.Values{"hosts": {manyHosts()}}, "at most 100 hosts"},
	} {
		if html := teacher.post(own, c.form).want(t, http.StatusUnprocessableEntity, name).body; !strings.Contains(html, c.want) {
			t.Errorf("%s: no word of %q", name, c.want)
		}
	}
	if l, err = d.Store.LimitsOf(t.Context(), d.physics.ID, d.ps1.ID); err != nil || l.Memory != 0 || l.Network != "" {
		t.Errorf("what was refused is saved: %+v, %v", l, err)
	}
	d.as("student").get(whole).want(t, http.StatusForbidden, "a student")
	d.as("grader").get(own).want(t, http.StatusForbidden, "a grader")
	if html := teacher.get("/courses/physics/activity").body; !strings.Contains(html, "changed limits of workspaces") || !strings.Contains(html, "GiB of memory 1.5, cores 0.5") {
		t.Error("the log says nothing of it")
	}
}

func manyHosts() string {
	var b strings.Builder
	for i := range 101 {
		b.WriteString("h" + strings.Repeat("x", i%50) + string(rune('a'+i/50)) + ".example.org\n")
	}
	return b.String()
}

// What would stop somebody's work is asked first, and says how much.
func TestClosingANetworkAsksFirst(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Bounds = testBounds
	ids := running(t, d, "student", "student2")
	d.sql(`update workspaces set limits_for = generation`)
	teacher := d.as("instructor")
	closing := url.Values{"network": {"off"}}
	if html := teacher.post(ps1Path+"/limits", closing).want(t, http.StatusUnprocessableEntity, "unasked").body; !strings.Contains(html, "This stops 2 workspaces") || !strings.Contains(html, `value="off" checked`) {
		t.Errorf("it does not ask:\n%s", html)
	}
	if got, err := d.Store.TooOpen(t.Context(), d.Now()); err != nil || len(got) != 0 {
		t.Errorf("unasked, %v would be stopped (%v)", got, err)
	}
	closing.Set("stop", "yes")
	teacher.post(ps1Path+"/limits", closing).want(t, http.StatusSeeOther, "confirmed")
	got, err := d.Store.TooOpen(t.Context(), d.Now())
	d.must(err)
	slices.Sort(got)
	if want := slices.Sorted(slices.Values([]string{ids["student"], ids["student2"]})); !slices.Equal(got, want) {
		t.Errorf("to be stopped: %v, want %v", got, want)
	}
	teacher.post(ps1Path+"/limits", url.Values{"memory": {"2"}, "network": {"off"}}).want(t, http.StatusSeeOther, "what closes nothing more is not asked")
}

// A student reads what the workspace reaches, before something does not work.
func TestAStudentIsToldOfTheNetwork(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Bounds = testBounds
	teacher, student := d.as("instructor"), d.as("student")
	told := func(want string) {
		t.Helper()
		html := student.get(ps1Path).want(t, http.StatusOK, "the assignment").body
		if said := strings.Contains(html, "At the moment your workspace"); said != (want != "") || !strings.Contains(html, want) {
			t.Errorf("no word of %q:\n%.3000s", want, html)
		}
	}
	told("")
	teacher.post(ps1Path+"/limits", url.Values{"network": {"listed"}, "hosts": {"data.example.org\nfiles.example.edu:8443"}}).want(t, http.StatusSeeOther, "a list")
	told("reaches only these hosts on the internet: data.example.org, files.example.edu:8443.")
	teacher.post(ps1Path+"/limits", url.Values{"network": {"off"}}).want(t, http.StatusSeeOther, "closed")
	told("has no network")
}

// A site that cannot keep to something does not offer it, and does not take it.
func TestLimitsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const page = "/courses/physics/settings/limits"
	teacher := d.as("instructor")
	d.Bounds = testBounds
	d.Bounds.Closes, d.Bounds.Lists = false, false
	if html := teacher.get(page).body; strings.Contains(html, `name="network"`) || strings.Contains(html, `name="hosts"`) || !strings.Contains(html, "cannot be closed") {
		t.Error("a swarm offers a network that it cannot close")
	}
	teacher.post(page, url.Values{"network": {"off"}}).want(t, http.StatusUnprocessableEntity, "on a swarm")
	d.Bounds = Bounds{}
	if html := teacher.get(page).body; strings.Contains(html, `name="memory"`) || !strings.Contains(html, "plain processes") {
		t.Error("plain processes offer limits")
	}
	teacher.post(page, url.Values{"memory": {"1"}}).want(t, http.StatusConflict, "of plain processes")
}
