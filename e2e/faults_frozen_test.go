package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"lectern/spawner/container/enginetest"
)

// Postgres stands still for half a minute, as on a disk that hangs: it takes
// connections and answers none. Pages are refused at once, notebooks go on.
func TestAFrozenDatabaseStopsPagesAndNoNotebook(t *testing.T) {
	t.Parallel()
	const frozen = 30 * time.Second
	p := launch(t, "LECTERN_NOTEBOOK_IMAGE="+enginetest.StubImage(t))
	p.class(3)
	who := p.as("student1")
	lab, err := who.enter()
	must(t, err)
	at := origin(lab)
	conn, err := who.socket(t.Context(), at, "k1")
	must(t, err)
	defer conn.CloseNow()
	before := p.threads()

	thaw := p.freeze()
	defer thaw()
	began := time.Now()
	var crowd sync.WaitGroup
	var slowest time.Duration
	var mu sync.Mutex
	for n := range 100 { // everybody presses reload
		crowd.Go(func() {
			asked := time.Now()
			got, err := who.get("/courses/demo")
			mu.Lock()
			defer mu.Unlock()
			slowest = max(slowest, time.Since(asked))
			if err != nil || got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "<html") {
				t.Errorf("reload %d: %d %v, Retry-After %q; want 503 with a page that says when to try again", n, got.status, err, got.header.Get("Retry-After"))
			}
		})
		time.Sleep(20 * time.Millisecond)
	}
	crowd.Wait()
	if slowest > 10*time.Second {
		t.Errorf("a page waited %v for the frozen database", slowest)
	}
	echoes := 0
	for time.Since(began) < frozen {
		asked := time.Now()
		if got, err := who.get("/courses/demo"); err != nil || got.status != http.StatusServiceUnavailable || time.Since(asked) > time.Second {
			t.Errorf("a page after %v: %d %v in %v, want a refusal at once", time.Since(began), got.status, err, time.Since(asked))
		}
		if err := echo(t, conn, echoes); err != nil {
			t.Fatalf("the websocket after %v: %v", time.Since(began), err)
		}
		echoes++
		asked = time.Now()
		text := fmt.Sprintf(`{"type":"file","format":"text","content":"saved %d"}`, echoes)
		got, err := who.ask(http.MethodPut, at+"/api/contents/first-steps/kept.txt", "application/json", strings.NewReader(text))
		if err != nil || got.status != http.StatusOK || time.Since(asked) > 6*time.Second {
			t.Errorf("saving after %v: %d %v in %v %.200s", time.Since(began), got.status, err, time.Since(asked), got.body)
		}
		time.Sleep(500 * time.Millisecond)
	}
	if now := p.threads(); now > before+64 {
		t.Errorf("the program has %d threads, had %d", now, before)
	}
	t.Logf("%d messages and saves in %v without a database; the slowest page was refused after %v", echoes, frozen, slowest)
	thaw()
	t.Logf("healthy again after %v", p.healthy(10*time.Second))
	if got := who.mustGet("/courses/demo"); got.status != http.StatusOK {
		t.Errorf("the course afterwards: %d", got.status)
	}
	if got := who.mustGet(at + "/api/contents/first-steps/kept.txt"); !strings.Contains(got.body, fmt.Sprintf("saved %d", echoes)) {
		t.Errorf("the file holds %.300s", got.body)
	}
}

// echo runs a cell that prints and waits for it.
func echo(t *testing.T, conn *websocket.Conn, n int) error {
	t.Helper()
	id := fmt.Sprintf("echo-%d", n)
	msg := fmt.Sprintf(`{"channel":"shell","header":{"msg_id":%q,"msg_type":"execute_request"},"parent_header":{},"metadata":{},"content":{"code":"print(\"x\")"}}`, id)
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(msg)); err != nil {
		return err
	}
	_, err := answer(t.Context(), conn, id)
	return err
}

// freeze stops the private database with all its processes, and gives what lets
// them go on.
func (p *program) freeze() func() {
	p.t.Helper()
	main := p.postmaster()
	if main < 2 {
		p.t.Fatal("there is no private database")
	}
	pids := []int{main}
	must(p.t, syscall.Kill(main, syscall.SIGSTOP)) // first, so that none is born meanwhile
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", main))
	must(p.t, err)
	for _, f := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(f)
		must(p.t, err)
		must(p.t, syscall.Kill(pid, syscall.SIGSTOP))
		pids = append(pids, pid)
	}
	return sync.OnceFunc(func() {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	})
}

// threads is how many the program has.
func (p *program) threads() int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid))
	must(p.t, err)
	return len(list)
}
