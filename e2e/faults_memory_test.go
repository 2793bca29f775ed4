package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"lectern/spawner/container/enginetest"
)

// A student's program takes all the memory that the workspace may use. Its student
// is told why it ended and has a button; nobody else notices; pressed twice, the
// button starts one.
func TestWhoTakesAllTheMemoryIsToldAndAlone(t *testing.T) {
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
	hungry, other := both[0], both[1]
	c.running(2)
	started := startedAt(t, both[1:])
	if got, err := hungry.post(hungry.origin+"/stub/eat", nil); err == nil && got.status < 500 {
		t.Fatalf("everything was eaten: %d %.300s", got.status, got.body)
	}
	began := time.Now()
	id, _, _ := strings.Cut(strings.TrimPrefix(hungry.origin, "http://"), ".")
	page := "/courses/demo/workspaces/" + id
	for {
		got := hungry.mustGet(page)
		if strings.Contains(got.body, "used more memory than it may and was ended") && strings.Contains(got.body, `method="post"`) {
			break
		}
		if time.Since(began) > 15*time.Second {
			t.Fatalf("15 s later the page does not say why it ended: %.2000s", got.body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("told after %v", time.Since(began).Round(time.Millisecond))
	if got := hungry.mustGet(hungry.origin + "/lab"); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "Start it again") {
		t.Errorf("the open tab shows %d %.1000s", got.status, got.body)
	}
	if got := startedAt(t, both[1:]); got[0] != started[0] {
		t.Errorf("the other's server began at %v, had at %v", got, started)
	}
	again := make(chan error, 1)
	go func() { _, err := hungry.post(firstSteps+"/open", nil); again <- err }()
	_, err := hungry.enter()
	must(t, err)
	must(t, <-again)
	if rows, boxes := c.running(2), p.containers(); len(rows) != 2 || len(boxes) != 2 {
		t.Errorf("two students have %v and containers %v", rows, boxes)
	}
	if got := other.mustGet(other.origin + "/api/status"); got.status != http.StatusOK {
		t.Errorf("of the other: %d", got.status)
	}
}
