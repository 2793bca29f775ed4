package spawner_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/rowstest"
)

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
		{"memory, by event alone", func(w *world, n string) {
			w.engine.KillKernel(n)
			time.Sleep(100 * time.Millisecond)
			w.engine.Exit(n, 137, false, false)
		}, time.Second, spawner.Failed, spawner.OutOfMem},
		{"crash long after a kernel was killed", func(w *world, n string) {
			w.engine.KillKernel(n)
			time.Sleep(time.Minute)
			w.engine.Exit(n, 137, false, false)
		}, time.Second, spawner.Failed, spawner.Crashed},
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

// A course is deleted while its workspaces start and run.
func TestRowsThatGo(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		running := w.open(1)
		w.await(running.ID, 10*time.Second, spawner.Running)
		a, b, c := w.open(2), w.open(3), w.open(4)
		w.await(a.ID, 2*time.Second, spawner.Starting)
		w.await(b.ID, 2*time.Second, spawner.Starting)
		for _, row := range []spawner.Row{running, a, b} {
			w.rows.Drop(row.ID)
		}
		w.await(c.ID, 10*time.Second, spawner.Running)
		time.Sleep(20 * time.Second)
		if n := w.containers(); n != 1 {
			t.Errorf("%d containers, want the one that has a row", n)
		}
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
