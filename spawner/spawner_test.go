package spawner_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lectern/course"
	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
	"lectern/spawner/rowstest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	enginetest.CleanStub()
	os.Exit(code)
}

// boot is how long the simulated Jupyter takes after its container started.
const boot = 3 * time.Second

// world is a spawner in simulated time on a simulated engine.
type world struct {
	t      *testing.T
	rows   *rowstest.Rows
	engine *enginetest.Fake
	*spawner.Spawner
	stop func()

	mu       sync.Mutex
	booted   map[string]time.Time // by address
	activity spawner.Activity
	silent   bool // Jupyter answers nothing
	booting  int
	peak     int
	warnings []string
	planErr  error
}

func newWorld(t *testing.T, starts int) *world {
	w := &world{t: t, rows: rowstest.New(), engine: enginetest.NewFake(400*time.Millisecond, "lab"), booted: map[string]time.Time{}}
	w.restart(starts)
	return w
}

// restart is a Lectern that begins with whatever rows and containers there are.
func (w *world) restart(starts int) {
	w.Spawner = spawner.New(spawner.Config{
		Rows: w.rows, Engine: w.engine, Jupyter: w, Starts: starts,
		Plan: func(context.Context, spawner.Row) (spawner.Plan, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return spawner.Plan{Home: "/data/homes/c/a"}, w.planErr
		},
		Warn: func(_ context.Context, row spawner.Row, at time.Time, why spawner.Reason) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.warnings = append(w.warnings, fmt.Sprintf("%s in %v", why, at.Sub(time.Now()).Round(time.Second)))
		},
	})
	ctx, done := context.WithCancel(w.t.Context())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	w.stop = func() {
		done()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
}

// Up implements spawner.Jupyter.
func (w *world) Up(_ context.Context, t spawner.Target) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	first, seen := w.booted[t.Addr]
	if !seen {
		first = time.Now().Add(boot)
		w.booted[t.Addr] = first
		w.booting++
		w.peak = max(w.peak, w.booting)
	}
	if w.silent || time.Now().Before(first) {
		return false
	}
	w.booting--
	return true
}

// Activity implements spawner.Jupyter.
func (w *world) Activity(context.Context, spawner.Target) (spawner.Activity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent {
		return spawner.Activity{}, errors.New("no answer")
	}
	return w.activity, nil
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) open(n int) spawner.Row {
	w.t.Helper()
	row, err := w.Open(w.t.Context(), rowstest.Numbered(n, "lab"))
	if err != nil {
		w.t.Fatal(err)
	}
	return row
}

// await waits, in simulated time, for one of the states, and returns the row.
func (w *world) await(id string, limit time.Duration, states ...spawner.State) spawner.Row {
	w.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		row, err := w.rows.Workspace(w.t.Context(), id)
		if err == nil && slices.Contains(states, row.State) {
			return row
		}
		if time.Now().After(end) {
			w.t.Fatalf("after %v workspace %s is %s %q (%v), want %v", limit, id, row.State, row.Reason, err, states)
		}
	}
}

func (w *world) containers() int {
	list, err := w.engine.List(context.Background(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(list)
}

func simulated(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		f(t, w)
		w.stop()
	})
}

func TestOpen(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		row := w.open(1)
		began := time.Now()
		var steps []spawner.Step
		var last spawner.Progress
		for p := range w.Watch(t.Context(), row.ID) {
			if len(steps) == 0 || steps[len(steps)-1] != p.Step {
				steps = append(steps, p.Step)
			}
			last = p
		}
		if last.State != spawner.Running || last.Step != spawner.StepReady || last.Text == "" {
			t.Errorf("the last progress is %+v", last)
		}
		if took := time.Since(began); took > 400*time.Millisecond+boot+100*time.Millisecond {
			t.Errorf("opening took %v of simulated time; engine and boot take 3.4 s", took)
		}
		for _, want := range []spawner.Step{spawner.StepContainer, spawner.StepJupyter, spawner.StepReady} {
			if !slices.Contains(steps, want) {
				t.Errorf("steps %v lack %s", steps, want)
			}
		}
		got, err := w.Target(t.Context(), row.ID)
		if err != nil || got.Addr != "10.0.0.1:8888" || len(got.Token) < 40 {
			t.Errorf("Target = %+v, %v", got, err)
		}
		if spec := w.engine.Spec("lectern-" + row.ID); spec.Secrets["jupyter-token"] != got.Token || spec.User != "1000:100" {
			t.Errorf("started with %+v", spec)
		}
		if again := w.open(1); again.ID != row.ID || again.State != spawner.Running {
			t.Errorf("opening again = %+v, want the same one running", again)
		}
		if p := <-w.Watch(t.Context(), row.ID); p.Usual < boot || p.State != spawner.Running {
			t.Errorf("afterwards the usual time is %v, want about 3.4 s", p.Usual)
		}
		if other := w.open(2); other.ID == row.ID {
			t.Error("two members share a workspace")
		}
	})
}

func TestFiftyOpensMakeOneContainer(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		ids := make([]string, 50)
		for i := range ids {
			all.Go(func() { ids[i] = w.open(1).ID })
		}
		all.Wait()
		w.await(ids[0], 10*time.Second, spawner.Running)
		if slices.ContainsFunc(ids, func(id string) bool { return id != ids[0] }) {
			t.Errorf("ids differ: %v", ids)
		}
		if got := w.engine.Starts(); len(got) != 1 {
			t.Errorf("started %v, want one", got)
		}
	})
}

func TestRushIsServedInOrder(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		var ids []string
		for n := range 40 {
			ids = append(ids, w.open(n+1).ID)
			time.Sleep(10 * time.Millisecond)
		}
		p := <-w.Watch(t.Context(), ids[39])
		if p.Step != spawner.StepQueued || p.Position < 30 || p.Text == "" {
			t.Errorf("the last in line is told %+v", p)
		}
		for _, id := range ids {
			w.await(id, 5*time.Minute, spawner.Running)
		}
		if got := w.engine.Starts(); len(got) != 40 || !slices.IsSortedFunc(got, func(a, b string) int {
			return slices.Index(ids, a[len("lectern-"):]) - slices.Index(ids, b[len("lectern-"):])
		}) {
			// Two start side by side, so neighbours may change places.
			for i, name := range got {
				if at := slices.Index(ids, name[len("lectern-"):]); at < i-1 || at > i+1 {
					t.Errorf("start %d was number %d in line", i, at)
				}
			}
		}
		if w.peak > 2 {
			t.Errorf("%d booted at once, want at most 2", w.peak)
		}
	})
}

func TestCloseAndOpenAgain(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		first := w.open(1)
		ready := w.await(first.ID, 10*time.Second, spawner.Running)
		if err := w.Close(t.Context(), first.ID, spawner.ByStudent); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Target(t.Context(), first.ID); !errors.Is(err, spawner.ErrNotRunning) {
			t.Errorf("Target of one that stops: %v, want ErrNotRunning at once", err)
		}
		again := w.open(1) // overtakes the stop
		if again.Generation != first.Generation+1 || again.Token == ready.Token {
			t.Errorf("opened again as %+v, want a new generation and token", again)
		}
		w.await(first.ID, 20*time.Second, spawner.Running)
		if err := w.Close(t.Context(), first.ID, spawner.ByStaff); err != nil {
			t.Fatal(err)
		}
		row := w.await(first.ID, 20*time.Second, spawner.Stopped)
		if row.Reason != spawner.ByStaff || row.Addr != "" || row.Token != "" || w.containers() != 0 {
			t.Errorf("after the stop: %+v with %d containers", row, w.containers())
		}
		if err := w.Close(t.Context(), "aaaaaaaaaaaaaaaa", spawner.ByStaff); !errors.Is(err, spawner.ErrNoWorkspace) {
			t.Errorf("closing what is not there: %v", err)
		}
	})
}

func TestCloseWhileQueuedGivesUpThePlace(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		a, b, c, d := w.open(1), w.open(2), w.open(3), w.open(4)
		time.Sleep(100 * time.Millisecond)
		if err := w.Close(t.Context(), c.ID, spawner.ByStudent); err != nil {
			t.Fatal(err)
		}
		w.await(c.ID, 5*time.Second, spawner.Stopped)
		for _, row := range []spawner.Row{a, b, d} {
			w.await(row.ID, 20*time.Second, spawner.Running)
		}
		if slices.Contains(w.engine.Starts(), "lectern-"+c.ID) {
			t.Error("it was started all the same")
		}
	})
}

func TestStartsThatFailSayWhy(t *testing.T) {
	for reason, c := range map[spawner.Reason]struct {
		image string
		do    func(w *world)
		limit time.Duration
	}{
		spawner.NoImage:   {"missing", func(*world) {}, time.Second},
		spawner.NoFiles:   {"lab", func(w *world) { w.planErr = errors.New("home unreachable") }, time.Second},
		spawner.NoJupyter: {"lab", func(w *world) { w.engine.OnStart(func(container.Spec) error { return container.ErrNoProgram }) }, 2 * time.Second},
		spawner.NotBegun:  {"lab", func(w *world) { w.engine.OnStart(func(container.Spec) error { return errors.New("odd") }) }, 2 * time.Second},
		spawner.NoEngine:  {"lab", func(w *world) { w.engine.Down(true) }, 70 * time.Second},
		spawner.TooSlow:   {"lab", func(w *world) { w.silent = true }, 70 * time.Second},
	} {
		t.Run(string(reason), func(t *testing.T) {
			simulated(t, func(t *testing.T, w *world) {
				w.set(func() { c.do(w) })
				row, err := w.Open(t.Context(), spawner.Request{CourseID: 1, MemberID: 1, Image: c.image})
				if err != nil {
					t.Fatal(err)
				}
				var last spawner.Progress
				for p := range w.Watch(t.Context(), row.ID) {
					last = p
				}
				if last.State != spawner.Failed || last.Reason != reason || last.Text != reason.Text() || last.Retry != reason.Retry() {
					t.Errorf("the page is told %+v, want %s", last, reason)
				}
				if took := time.Since(row.QueuedAt); took > c.limit {
					t.Errorf("that took %v, want at most %v", took, c.limit)
				}
				w.engine.Down(false)
				time.Sleep(30 * time.Second)
				if n := w.containers(); n != 0 {
					t.Errorf("%d containers are left", n)
				}
				// And the mended world lets it start.
				w.set(func() { w.planErr, w.silent = nil, false })
				w.engine.OnStart(nil)
				if c.image == "lab" {
					w.await(w.open(1).ID, 10*time.Second, spawner.Running)
				}
			})
		})
	}
}

func TestSlowButBusyBootIsWaitedFor(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		w.set(func() { w.silent = true })
		row := w.open(1)
		for range 150 {
			time.Sleep(time.Second)
			w.engine.Burn(time.Second)
		}
		if got, _ := w.rows.Workspace(t.Context(), row.ID); got.State != spawner.Starting {
			t.Fatalf("after 150 s of visible work it is %s %q, want still starting", got.State, got.Reason)
		}
		w.set(func() { w.silent = false })
		w.await(row.ID, 5*time.Second, spawner.Running)
	})
}

func TestDeathIsNoticed(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    func(w *world, name string)
		limit time.Duration
		state spawner.State
		why   spawner.Reason
	}{
		{"crash", func(w *world, n string) { w.engine.Exit(n, 1, false, false) }, time.Second, spawner.Failed, spawner.Crashed},
		{"crash without an event", func(w *world, n string) { w.engine.Exit(n, 1, false, true) }, 16 * time.Second, spawner.Failed, spawner.Crashed},
		{"memory", func(w *world, n string) { w.engine.Exit(n, 137, true, false) }, time.Second, spawner.Failed, spawner.OutOfMem},
		{"removed", func(w *world, n string) { w.engine.Vanish(n, false) }, time.Second, spawner.Failed, spawner.Gone},
		{"removed without an event", func(w *world, n string) { w.engine.Vanish(n, true) }, 16 * time.Second, spawner.Failed, spawner.Gone},
		{"quit", func(w *world, n string) { w.engine.Exit(n, 0, false, false) }, time.Second, spawner.Stopped, spawner.QuitSelf},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulated(t, func(t *testing.T, w *world) {
				id := w.open(1).ID
				w.await(id, 10*time.Second, spawner.Running)
				c.do(w, "lectern-"+id)
				row := w.await(id, c.limit, c.state)
				if row.Reason != c.why {
					t.Errorf("reason %s, want %s", row.Reason, c.why)
				}
				if _, err := w.Target(t.Context(), id); !errors.Is(err, spawner.ErrNotRunning) {
					t.Errorf("Target = %v, want ErrNotRunning", err)
				}
				time.Sleep(time.Second)
				if w.containers() != 0 {
					t.Error("a dead container is left")
				}
				w.await(w.open(1).ID, 10*time.Second, spawner.Running)
			})
		})
	}
}

func TestKernelOutOfMemoryIsTold(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		id := w.open(1).ID
		w.await(id, 10*time.Second, spawner.Running)
		w.engine.KillKernel("lectern-" + id)
		time.Sleep(time.Second)
		if row := w.await(id, 0, spawner.Running); row.Reason != spawner.KernelOOM {
			t.Errorf("the row says %q, want %q", row.Reason, spawner.KernelOOM)
		}
	})
}

func TestIdle(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		id := w.open(1).ID
		w.await(id, 10*time.Second, spawner.Running)
		// A cell runs for three hours.
		w.set(func() { w.activity.Busy = true })
		time.Sleep(3 * time.Hour)
		w.await(id, 0, spawner.Running)
		w.set(func() { w.activity = spawner.Activity{LastAt: time.Now()} })
		// Then somebody only reads and types, which the proxy sees.
		for range 10 {
			time.Sleep(20 * time.Minute)
			w.Touch(id, time.Now())
		}
		w.await(id, 0, spawner.Running)
		w.set(func() {
			if len(w.warnings) != 0 {
				t.Errorf("warned while somebody was there: %v", w.warnings)
			}
		})
		typed := time.Now()
		time.Sleep(58 * time.Minute)
		w.await(id, 0, spawner.Running)
		w.set(func() {
			if len(w.warnings) != 1 {
				t.Errorf("warnings %v, want one", w.warnings)
			}
			// The server of a student may claim what it likes.
			w.activity.LastAt = time.Now().Add(1000 * time.Hour)
		})
		row := w.await(id, 5*time.Minute, spawner.Stopped)
		if since := time.Since(typed); row.Reason != spawner.Idle || since < time.Hour || since > time.Hour+time.Minute {
			t.Errorf("stopped as %s, %v after the last input; want idle after an hour", row.Reason, since)
		}
	})
}

func TestOldAge(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		w.set(func() { w.activity.Busy = true })
		id := w.open(1).ID
		began := w.await(id, 10*time.Second, spawner.Running).ReadyAt
		row := w.await(id, 25*time.Hour, spawner.Stopped)
		if age := time.Since(began); row.Reason != spawner.TooOld || age < 24*time.Hour || age > 24*time.Hour+time.Minute {
			t.Errorf("stopped as %s after %v, want old after 24 h", row.Reason, age)
		}
		if len(w.warnings) != 1 {
			t.Errorf("warnings %v, want one", w.warnings)
		}
	})
}

func TestRestartOfLectern(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		running := w.open(1)
		before := w.await(running.ID, 10*time.Second, spawner.Running)
		starting, queued := w.open(2), w.open(3)
		third := w.open(4)
		w.await(starting.ID, 2*time.Second, spawner.Starting)
		w.stop()
		// While nobody looks: one dies, a container of nobody's appears.
		w.engine.Put(container.Status{ID: "orphan", Name: "lectern-zzzzzzzzzzzzzzzz", Phase: container.Up,
			Labels: map[string]string{"lectern.realm": "lectern", "lectern.workspace": "zzzzzzzzzzzzzzzz", "lectern.generation": "1"}})
		w.engine.Put(container.Status{ID: "foreign", Name: "lectern-yyyyyyyyyyyyyyyy", Phase: container.Up,
			Labels: map[string]string{"lectern.realm": "another", "lectern.workspace": "yyyyyyyyyyyyyyyy", "lectern.generation": "1"}})
		time.Sleep(time.Minute)
		w.restart(2)
		for _, row := range []spawner.Row{starting, queued, third} {
			w.await(row.ID, 20*time.Second, spawner.Running)
		}
		after := w.await(running.ID, 0, spawner.Running)
		if after != before {
			t.Errorf("the running one changed:\n%+v\n%+v", before, after)
		}
		if got := w.engine.Starts(); len(got) != 4 {
			t.Errorf("starts %v, want each once", got)
		}
		if _, err := w.engine.Inspect(t.Context(), "lectern-zzzzzzzzzzzzzzzz"); !errors.Is(err, container.ErrNotFound) {
			t.Errorf("the orphan is still there: %v", err)
		}
		if _, err := w.engine.Inspect(t.Context(), "lectern-yyyyyyyyyyyyyyyy"); err != nil {
			t.Errorf("another installation's container was touched: %v", err)
		}
		w.stop()
	})
}

func TestSilentEngineLosesNothing(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		id := w.open(1).ID
		w.await(id, 10*time.Second, spawner.Running)
		w.engine.Down(true)
		time.Sleep(10 * time.Minute)
		if _, err := w.Target(t.Context(), id); err != nil {
			t.Errorf("Target while the engine is down: %v; the proxy should go on", err)
		}
		w.engine.Vanish("lectern-"+id, true)
		w.engine.Down(false)
		if row := w.await(id, 16*time.Second, spawner.Failed); row.Reason != spawner.Gone {
			t.Errorf("reason %s, want gone", row.Reason)
		}
	})
}

func TestSilentDatabaseLosesNothing(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		id := w.open(1).ID
		time.Sleep(time.Second)
		w.rows.Fail(func(string) error { return errors.New("connection refused") })
		time.Sleep(2 * time.Minute)
		if got := w.engine.Starts(); len(got) != 1 || w.containers() != 1 {
			t.Errorf("starts %v, %d containers; want the one", got, w.containers())
		}
		if _, err := w.Open(t.Context(), rowstest.Numbered(2, "lab")); err == nil {
			t.Error("Open succeeded without a database")
		}
		w.rows.Fail(nil)
		w.await(id, 20*time.Second, spawner.Running)
	})
}

// Two Lecterns on one database and one engine.
func TestTwoLecterns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		stopFirst := w.stop
		first := w.Spawner
		w.restart(2)
		second := w.Spawner
		for n := range 6 {
			w.Spawner = []*spawner.Spawner{first, second}[n%2]
			row := w.open(n/2 + 1)
			other := []*spawner.Spawner{second, first}[n%2]
			for p := range other.Watch(t.Context(), row.ID) {
				if p.State == spawner.Failed {
					t.Errorf("failed: %+v", p)
				}
			}
			if _, err := other.Target(t.Context(), row.ID); err != nil {
				t.Errorf("the other one's Target: %v", err)
			}
		}
		time.Sleep(time.Minute)
		if got := w.engine.Starts(); len(got) != 3 {
			t.Errorf("starts %v, want three", got)
		}
		stopFirst()
		w.stop()
	})
}

func TestRowsInMemory(t *testing.T) {
	t.Parallel()
	n := 0
	rowstest.Run(t, rowstest.New(), func() spawner.Request {
		n++
		return spawner.Request{CourseID: 1, MemberID: course.MemberID(n), Image: "lab"}
	})
}
