package spawner_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/rowstest"
)

func (w *world) prestart(n int) bool {
	w.t.Helper()
	did, err := w.Prestart(w.t.Context(), rowstest.Numbered(n, "lab"))
	if err != nil {
		w.t.Fatal(err)
	}
	return did
}

// of is the row of the n-th member, which is there.
func (w *world) of(n int) spawner.Row {
	w.t.Helper()
	r := rowstest.Numbered(n, "lab")
	row, err := w.rows.AddWorkspace(w.t.Context(), spawner.Row{ID: "zzzzzzzzzzzzzzzz", CourseID: r.CourseID, MemberID: r.MemberID, Image: r.Image, State: spawner.Stopped})
	if err != nil {
		w.t.Fatal(err)
	}
	return row
}

func TestStartedAheadTheClickFindsItRunning(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		if !w.prestart(1) || w.prestart(1) {
			t.Fatal("asked twice, it was not started once")
		}
		row := w.await(w.of(1).ID, time.Minute, spawner.Running)
		if !row.Ahead || w.containers() != 1 || w.prestart(1) {
			t.Fatalf("%+v, %d containers", row, w.containers())
		}
		if did, err := w.Prestart(t.Context(), rowstest.Numbered(1, "other")); did || err != nil {
			t.Errorf("a second one of the same member, of another image: %v, %v", did, err)
		}
		time.Sleep(9 * time.Minute)
		began := time.Now()
		if got := w.open(1); got.ID != row.ID || got.State != spawner.Running || got.Generation != row.Generation || got.Ahead || time.Since(began) != 0 {
			t.Errorf("opening it = %+v after %v", got, time.Since(began))
		}
		// An hour of rest begins at the click.
		time.Sleep(59 * time.Minute)
		if got := w.of(1); got.State != spawner.Running {
			t.Errorf("opened, and stopped again: %+v", got)
		}
		if got := w.await(row.ID, 2*time.Minute, spawner.Stopped); got.Reason != spawner.Idle {
			t.Errorf("it ended for %q", got.Reason)
		}
	})
}

func TestOpenedByWhateverWayItIsInUse(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		w.prestart(1)
		row := w.await(w.of(1).ID, time.Minute, spawner.Running)
		if got, err := w.Target(t.Context(), row.ID); err != nil || got.Addr == "" {
			t.Fatalf("Target = %+v, %v", got, err)
		}
		time.Sleep(20 * time.Minute)
		if got := w.of(1); got.State != spawner.Running || got.Ahead {
			t.Errorf("reached by the proxy and 20 minutes later it is %+v", got)
		}
	})
}

func TestUnusedItEndsAndStaysSo(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		w.prestart(1)
		row := w.await(w.of(1).ID, time.Minute, spawner.Running)
		time.Sleep(9*time.Minute + 30*time.Second)
		if got := w.of(1); got.State != spawner.Running {
			t.Fatalf("before its time it is %s", got.State)
		}
		if got := w.await(row.ID, 2*time.Minute, spawner.Stopped); got.Reason != spawner.Unused || got.Ahead || w.containers() != 0 {
			t.Errorf("unused it is %+v, with %d containers", got, w.containers())
		}
		if len(w.warnings) > 0 {
			t.Errorf("nobody was there to be warned: %v", w.warnings)
		}
		if w.prestart(1) {
			t.Error("a page left open starts it again at once")
		}
		time.Sleep(10 * time.Minute)
		if !w.prestart(1) {
			t.Error("later it is not started ahead any more")
		}
	})
}

func TestWhoStoppedItFindsItStopped(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		row := w.open(1)
		w.await(row.ID, time.Minute, spawner.Running)
		if err := w.Close(t.Context(), row.ID, spawner.ByStudent); err != nil {
			t.Fatal(err)
		}
		if w.prestart(1) {
			t.Error("started ahead while it is being stopped")
		}
		w.await(row.ID, time.Minute, spawner.Stopped)
		if w.prestart(1) {
			t.Error("started ahead right after its student stopped it")
		}
	})
}

// On two slots: what is started ahead goes one at a time, whoever clicks goes at
// once, and what had not begun yet lets everybody pass.
func TestItNeverStandsBeforeWhoClicks(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		for n := 1; n <= 4; n++ {
			if !w.prestart(n) {
				t.Fatalf("the %d. was not taken", n)
			}
		}
		time.Sleep(100 * time.Millisecond)
		if a, b := w.of(1), w.of(2); a.State != spawner.Starting || b.State != spawner.Queued {
			t.Fatalf("two of them are %s and %s, want one start at a time", a.State, b.State)
		}
		began := time.Now()
		first, second, third := w.open(11), w.open(12), w.open(13)
		if w.prestart(14) {
			t.Error("started ahead while somebody is in line")
		}
		time.Sleep(100 * time.Millisecond)
		for _, id := range []string{first.ID, second.ID} {
			if row, _ := w.rows.Workspace(t.Context(), id); row.State != spawner.Starting {
				t.Errorf("who clicked is %s", row.State)
			}
		}
		if p := <-w.Watch(t.Context(), third.ID); p.Position != 1 {
			t.Errorf("the third who clicked is number %d in line", p.Position)
		}
		// One that waits and is clicked goes by its click: after the third, and
		// before what nobody clicked.
		clicked := w.open(4)
		w.await(third.ID, time.Minute, spawner.Running)
		if took := time.Since(began); took > 2*(400*time.Millisecond+boot)+200*time.Millisecond {
			t.Errorf("the third on two slots took %v", took)
		}
		at := w.await(clicked.ID, time.Minute, spawner.Running).StartedAt
		for _, n := range []int{2, 3} {
			if row := w.await(w.of(n).ID, time.Minute, spawner.Running); !row.StartedAt.After(at) {
				t.Errorf("the %d., which nobody clicked, began at %v, before one that was clicked, %v", n, row.StartedAt, at)
			}
		}
	})
}

func TestNoMoreAheadThanAllowed(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		for n := range 30 {
			all.Go(func() { _, _ = w.Prestart(context.Background(), rowstest.Numbered(n+1, "lab")) })
		}
		all.Wait()
		time.Sleep(2 * time.Minute)
		if n := w.containers(); n != spawner.DefaultPolicy.Ahead {
			t.Errorf("%d are up, want %d", n, spawner.DefaultPolicy.Ahead)
		}
		// A rush clears away none that was opened, and memory that runs short all others.
		mine := w.open(1)
		w.engine.OnStart(func(container.Spec) error { return container.ErrNoRoom })
		late := w.open(50)
		for w.containers() > 1 {
			time.Sleep(100 * time.Millisecond)
		}
		w.engine.OnStart(nil)
		w.await(late.ID, time.Minute, spawner.Running)
		if n := w.containers(); n != 2 {
			t.Errorf("%d containers, want the one that was opened and the one that had no room", n)
		}
		if row, _ := w.rows.Workspace(t.Context(), mine.ID); row.State != spawner.Running {
			t.Errorf("the one that was opened is %s", row.State)
		}
	})
}

// However the claim falls between the steps of a start or of the end, whoever
// clicked has a workspace that stays.
func TestAClickIsNeverLost(t *testing.T) {
	for _, after := range []time.Duration{0, 100 * time.Millisecond, 400 * time.Millisecond, 3399 * time.Millisecond, 3400 * time.Millisecond, 3425 * time.Millisecond,
		10*time.Minute + 3*time.Second, 10*time.Minute + 10*time.Second, 10*time.Minute + 15*time.Second, 10*time.Minute + 16*time.Second} {
		simulated(t, func(t *testing.T, w *world) {
			w.prestart(1)
			time.Sleep(after)
			clicked := time.Now()
			row := w.open(1)
			if got := w.await(row.ID, time.Minute, spawner.Running); after < 3*time.Second && !got.QueuedAt.Equal(clicked) {
				t.Errorf("clicked %v after the start, its student waits since %v", after, got.QueuedAt.Sub(clicked))
			}
			time.Sleep(30 * time.Minute)
			if got := w.of(1); got.State != spawner.Running || got.Ahead || w.containers() != 1 {
				t.Errorf("clicked %v after the start: half an hour later %+v, %d containers", after, got, w.containers())
			}
		})
	}
}

// Lectern may end and begin again meanwhile.
func TestItIsStillAheadAfterARestart(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		w.prestart(1)
		w.prestart(2)
		time.Sleep(time.Second)
		w.stop()
		w.restart(2)
		for n := 1; n <= 2; n++ {
			if row := w.await(w.of(n).ID, time.Minute, spawner.Running); !row.Ahead {
				t.Errorf("after a restart %+v", row)
			}
		}
		w.await(w.of(2).ID, 11*time.Minute, spawner.Stopped)
	})
}
