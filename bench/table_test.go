package main

import (
	"strings"
	"testing"
)

func TestTheTableHoldsEachFigureAgainstItsGoal(t *testing.T) {
	t.Parallel()
	f := figures{}
	read(strings.NewReader(`goos: linux
BenchmarkOpen 	       1	33425055786 ns/op	      1300 cold-ms	      1000 floor-ms	         6.710 running-ms
BenchmarkSnapshot220Homes 	 1	 100 ns/op	 3.0 s/class
BenchmarkSnapshot220Homes 	 1	 100 ns/op	 9.0 s/class
BenchmarkSnapshot220Homes 	 1	 100 ns/op	 4.0 s/class
PASS`), f)
	var out strings.Builder
	print(&out, f)
	for _, want := range []string{
		"Open, cold 1300 ms 1000 ms (create + start + boot) 1.30 ≤ 1.15 NO",
		"Open, running 6.71 ms ≤ 100 yes",
		"Snapshot of 220 homes 4.00 s ≤ 5 yes", // the median
	} {
		found := false
		for line := range strings.Lines(out.String()) {
			found = found || strings.Join(strings.Fields(line), " ") == want
		}
		if !found {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "Proxy") {
		t.Errorf("the table has a line for what was not measured:\n%s", out.String())
	}
}

func TestProxiesStandSideBySide(t *testing.T) {
	t.Parallel()
	f := figures{}
	read(strings.NewReader(`BenchmarkProxies/1KiB 1 1 ns/op 9000 lectern-req/s 10.5 lectern-p99-ms 10000 bare-req/s 9 bare-p99-ms 3000 chp-req/s 30000 direct-req/s
BenchmarkProxies/idle 1 1 ns/op 100 lectern-MB 200 bare-MB`), f)
	var out strings.Builder
	sideBySide(&out, f)
	for _, want := range []string{
		"Lectern bare Go bare, kept nginx c-h-p direct",
		"1 KiB, req/s 9000 10000 3000 30000",
		"Lectern ÷ this 0.90 3.00 0.30",
		"p99, ms 10.5 9",
		"3,000 idle websockets, MB 100 200",
	} {
		found := false
		for line := range strings.Lines(out.String()) {
			found = found || strings.Join(strings.Fields(line), " ") == want
		}
		if !found {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
	out.Reset()
	if sideBySide(&out, figures{}); out.Len() != 0 {
		t.Errorf("nothing was measured, and the table is\n%s", out.String())
	}
}
