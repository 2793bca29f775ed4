package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A session that was planted beside the visitor's own is not taken for it, in
// whichever order the two arrive.
func TestTwoSessionsAreNone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	cookie := func(login string) string {
		b := s.as(login)
		u, err := url.Parse(b.base)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range b.client.Jar.Cookies(u) {
			return c.Name + "=" + c.Value
		}
		t.Fatalf("%s has no cookie", login)
		return ""
	}
	teacher, student := cookie("instructor"), cookie("student")
	for _, c := range []struct {
		header []string
		want   int
	}{
		{[]string{teacher}, http.StatusOK},
		{[]string{"other=x; " + teacher}, http.StatusOK},
		{[]string{student + "; " + teacher}, http.StatusBadRequest},
		{[]string{teacher + ";" + student}, http.StatusBadRequest},
		{[]string{teacher, student}, http.StatusBadRequest},
	} {
		r, err := http.NewRequest(http.MethodGet, s.SiteURL.String()+"/courses/physics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Cookie"] = c.header
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("with %d cookies: %d, want %d", strings.Count(strings.Join(c.header, ";"), "lectern="), res.StatusCode, c.want)
		}
	}
}
