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
	ended    int // kernels
	planErr  error
	machine  *machine                  // that its workspaces take memory of, if it is measured
	wants    map[course.MemberID]int64 // memory of those who are not as others
}

func newWorld(t *testing.T, starts int) *world {
	w := &world{t: t, rows: rowstest.New(), engine: enginetest.NewFake(400*time.Millisecond, "lab"), booted: map[string]time.Time{}}
	w.restart(starts)
	return w
}

// restart is a Lectern that begins with whatever rows and containers there are.
func (w *world) restart(starts int) {
	c := spawner.Config{
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
	}
	if w.machine != nil {
		c.Engine = w.machine
		c.Admission.Wants = func(_ context.Context, row spawner.Row) (int64, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.wants[row.MemberID], nil
		}
	}
	w.Spawner = spawner.New(c)
	ctx, done := context.WithCancel(w.t.Context())
	ended := make(chan error)
	run := w.Run // of this one: a test may put another in its place
	go func() { ended <- run(ctx) }()
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

// EndKernels implements spawner.Jupyter.
func (w *world) EndKernels(context.Context, spawner.Target, time.Time) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.activity.Kernels
	w.activity.Kernels = 0
	w.ended += n
	return n, nil
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

func TestRowsInMemory(t *testing.T) {
	t.Parallel()
	n := 0
	rowstest.Run(t, rowstest.New(), func() spawner.Request {
		n++
		return spawner.Request{CourseID: 1, MemberID: course.MemberID(n), Image: "lab"}
	})
}
