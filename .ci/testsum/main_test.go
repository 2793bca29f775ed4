package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWhatFailedIsNamed(t *testing.T) {
	t.Parallel()
	const pass = `{"Action":"run","Package":"p","Test":"TestGood"}
{"Action":"output","Package":"p","Test":"TestGood","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestGood"}
`
	for _, c := range []struct {
		name, events string
		want         []string
	}{
		{"everything passed", pass + `{"Action":"pass","Package":"p"}`, nil},
		{"no test at all", `{"Action":"skip","Package":"p"}`, []string{"FAIL no test ran"}},
		{"a subtest and its parent", pass + `{"Action":"output","Package":"p","Test":"TestBad/one","Output":"why\n"}
{"Action":"fail","Package":"p","Test":"TestBad/one"}
{"Action":"fail","Package":"p","Test":"TestBad"}
{"Action":"fail","Package":"p"}`, []string{"FAIL p TestBad/one", "FAIL p TestBad"}},
		{"a skipped test", pass + `{"Action":"run","Package":"p","Test":"TestLazy"}
{"Action":"skip","Package":"p","Test":"TestLazy"}
{"Action":"pass","Package":"p"}`, []string{"FAIL p TestLazy (skipped)"}},
		{"a test that never ended", pass + `{"Action":"run","Package":"p","Test":"TestSlow"}
{"Action":"fail","Package":"p"}`, []string{"FAIL p TestSlow (did not end)"}},
		{"a package that does not build", pass + `{"Action":"build-output","ImportPath":"q","Output":"undefined: x\n"}
{"Action":"build-fail","ImportPath":"q"}
{"Action":"fail","Package":"q"}`, []string{"FAIL q does not build"}},
		{"a package that fails by itself", pass + `{"Action":"output","Package":"q","Output":"exit status 3\n"}
{"Action":"fail","Package":"q"}`, []string{"FAIL q"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s := &summary{out: &out, output: map[string][]string{}}
			if err := s.read(strings.NewReader(c.events)); err != nil {
				t.Fatal(err)
			}
			if got := s.end(time.Second); !slices.Equal(got, c.want) {
				t.Errorf("failed %q, want %q; printed:\n%s", got, c.want, &out)
			}
			if strings.Contains(out.String(), "chatter") {
				t.Errorf("the output of a test that passed is printed:\n%s", &out)
			}
		})
	}
}

func TestComplaintsStandAtTheEnd(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := &summary{out: &out, output: map[string][]string{}}
	err := s.read(strings.NewReader(`{"Action":"output","Package":"p","Test":"TestBad","Output":"    bad_test.go:7: two is not three\n"}
{"Action":"output","Package":"p","Test":"TestBad","Output":"the server's log\n"}
{"Action":"fail","Package":"p","Test":"TestBad"}
{"Action":"fail","Package":"p"}`))
	if err != nil {
		t.Fatal(err)
	}
	s.end(time.Second)
	_, end, _ := strings.Cut(out.String(), "tests passed in")
	if !strings.Contains(end, "bad_test.go:7: two is not three") || strings.Contains(end, "the server's log") {
		t.Errorf("the end is:\n%s", end)
	}
}
