package e2e_test

import (
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lectern/spawner/container/enginetest"
)

// The way to a workspace is interrupted while its machine lives: packets come to
// nothing, and nothing is refused. Whoever asks is told within five seconds, be it
// over a new connection or one that was there; others notice nothing; and
// when the way is back everything goes on.
func TestAnInterruptedWayIsToldWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	p := launch(t, "LECTERN_NOTEBOOK_IMAGE="+enginetest.StubImage(t), "LECTERN_WORKSPACE_MEMORY=64MiB", "LECTERN_PRESTART=0")
	c := p.class(2)
	var both []at
	for _, login := range []string{"student1", "student2"} {
		s := at{client: p.as(login)}
		lab, err := s.enter()
		must(t, err)
		s.origin = origin(lab)
		both = append(both, s)
	}
	cut, other := both[0], both[1]
	rows, started := c.running(2), startedAt(t, both)
	id, _, _ := strings.Cut(strings.TrimPrefix(cut.origin, "http://"), ".")
	row, err := c.Workspace(t.Context(), id)
	must(t, err)
	host, _, err := net.SplitHostPort(row.Addr)
	must(t, err)
	conn, err := cut.socket(t.Context(), cut.origin, "k1")
	must(t, err)
	defer conn.CloseNow()
	must(t, echo(t, conn, 0))

	// What comes from the workspace is dropped; the engine and the machine are well.
	rule := func(verb string) error {
		return exec.Command("iptables", "-w", verb, "INPUT", "-s", host, "-j", "DROP").Run()
	}
	must(t, rule("-I"))
	defer func() { _ = rule("-D") }()
	for _, kind := range []string{"over a connection that was there", "over a new one"} {
		began := time.Now()
		got, err := cut.get(cut.origin + "/lab/tree/first-steps/1-squares.ipynb")
		took := time.Since(began)
		t.Logf("%s: %d after %v", kind, got.status, took.Round(time.Millisecond))
		if err != nil || got.status != http.StatusGatewayTimeout || took > 5*time.Second {
			t.Errorf("%s: %d, %v after %v; want 504 within five seconds", kind, got.status, err, took)
		}
		if !strings.Contains(got.body, "Your workspace is out of reach") || !strings.Contains(got.body, "Try again") || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: the page does not say what to do: %.1500s", kind, got.body)
		}
		if kept := other.mustGet(other.origin + "/api/status"); kept.status != http.StatusOK {
			t.Errorf("of another: %d", kept.status)
		}
	}
	must(t, rule("-D"))
	began := time.Now()
	for got := cut.mustGet(cut.origin + "/api/status"); got.status != http.StatusOK; got = cut.mustGet(cut.origin + "/api/status") {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("10 s after the way was back: %d %.300s", got.status, got.body)
		}
	}
	if err := echo(t, conn, 1); err != nil {
		t.Errorf("the socket that was open all the while: %v", err)
	}
	if got := startedAt(t, both); got[0] != started[0] || got[1] != started[1] {
		t.Errorf("the servers began at %v, had at %v", got, started)
	}
	if got := c.running(2); got[0] != rows[0] || got[1] != rows[1] {
		t.Errorf("workspaces are %v, were %v", got, rows)
	}
}
