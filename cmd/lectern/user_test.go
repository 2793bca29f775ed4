package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"lectern/course"
	"lectern/store"
	"lectern/store/storetest"
)

func TestTheFirstAccountIsMadeFromTheCommandLine(t *testing.T) {
	t.Parallel()
	url := storetest.URL(t)
	add := func(c addUserCmd) (string, error) {
		var out bytes.Buffer
		e := &env{ctx: t.Context(), stdout: &out, stderr: io.Discard, getenv: func(k string) string {
			return map[string]string{"LECTERN_DATABASE_URL": url, "LECTERN_SITE_URL": "https://lectern.example.edu", "LECTERN_DATA": t.TempDir()}[k]
		}}
		err := c.Run(e)
		return strings.TrimSpace(out.String()), err
	}
	first, err := add(addUserCmd{Login: "operator", Name: "The Operator", Admin: true})
	if err != nil || !strings.HasPrefix(first, "https://lectern.example.edu/invite/") {
		t.Fatalf("got %q, %v", first, err)
	}
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	u, err := s.UserByLogin(t.Context(), "operator")
	if err != nil || !u.SiteAdmin || u.Name != "The Operator" {
		t.Fatalf("account %+v, %v", u, err)
	}
	second, err := add(addUserCmd{Login: "operator"})
	if err != nil || second == first {
		t.Errorf("a lost link is not replaced: %q, %v", second, err)
	}
	if err := s.SetPassword(t.Context(), u.ID, "$argon2id$x", 0); err != nil {
		t.Fatal(err)
	}
	if out, err := add(addUserCmd{Login: "operator"}); err != nil || !strings.Contains(out, "can sign in already") {
		t.Errorf("for somebody who can sign in: %q, %v", out, err)
	}
	if _, err := add(addUserCmd{Login: "../x"}); !course.IsKind(err, course.Invalid) {
		t.Errorf("a login that is none: %v", err)
	}
}
