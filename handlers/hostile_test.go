package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"lectern/course/notebook/render"
	"lectern/grading"
)

// hostileValues are what no form of ours sends: Postgres takes neither of the
// first two as text, and the last are longer or larger than anything that counts.
var hostileValues = []string{"a\x00b", "\xff\xfe", strings.Repeat("9", 30), "-1", strings.Repeat("é", 3000), "../../../etc/passwd", "\u202e\u0000x"}

// hostileKeys are the names that any form or address of the site has.
var hostileKeys = strings.Fields(`again all answer archive assignment attempt batch before code collecting comment current digest dir drop due_at error event extension
	file grader id idle image invite issuer key link login name new_points next notebook opens_at page password pasted path points q reason regrade_days role section slug sort state
	subject ticket title until verb when who workspace zone`)

// Nothing that a visitor can send makes a page fail: it is refused or found
// wanting, in words.
func TestNoValueBreaksAPage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Preparer, d.Render = &grading.Preparer{Exchange: d.Exchange, Store: d.Store}, render.New()
	d.handIn("student")
	people := map[access]*browser{anyone: d.anonymous(), signedIn: d.as("instructor"), instructor: d.as("instructor"), staff: d.as("instructor"), member: d.as("student2"), siteAdmin: d.as("admin")}
	people[member].post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open")
	asked := 0
	ask := func(rt route, path string, form url.Values) {
		t.Helper()
		if rt.method == get && len(form) > 0 {
			path += "?" + form.Encode()
		}
		asked++
		if people[rt.who] == nil {
			t.Fatalf("nobody asks for %s as %s: add somebody to people", rt.pattern, rt.who)
		}
		a := people[rt.who].do(rt.method, path, form, nil)
		if a.status >= 500 && a.status != http.StatusServiceUnavailable {
			t.Errorf("%s %s with %.80q: %d", rt.method, path[:min(len(path), 120)], form.Encode(), a.status)
		}
	}
	for _, rt := range d.routes() {
		if strings.HasPrefix(rt.pattern, "/sign-out") || strings.Contains(rt.pattern, "/sessions/") || strings.HasSuffix(rt.pattern, "/events") {
			continue
		}
		for i, v := range hostileValues {
			for _, p := range parameter.FindAllString(rt.pattern, -1) {
				ask(rt, fill(t, rt.pattern, "{assignment}", "ps1", p, url.PathEscape(v)), nil)
			}
			path := fill(t, rt.pattern, "{assignment}", "ps1")
			all := url.Values{}
			for _, k := range hostileKeys {
				all.Set(k, v)
				if i == 0 || i == 2 && rt.method == get { // one by one: the first refused hides the others
					ask(rt, path, url.Values{k: {v}})
				}
			}
			ask(rt, path, all)
		}
	}
	t.Logf("%d requests", asked)
}
