package spawner_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

const (
	mib = int64(1) << 20
	// takes is what a simulated workspace uses at first, and grown half a minute
	// later.
	takes, grown = 100 * mib, 400 * mib
)

// machine is a simulated engine on a machine whose memory its containers use.
type machine struct {
	*enginetest.Fake
	mu     sync.Mutex
	total  int64
	load   float64
	silent bool
	least  int64 // that was ever free
}

func (m *machine) used(c container.Status) int64 {
	if time.Since(c.StartedAt) < 30*time.Second {
		return takes
	}
	return grown
}

func (m *machine) Free(ctx context.Context) ([]container.Free, error) {
	list, err := m.List(ctx, nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.silent {
		return nil, errors.New("no answer")
	}
	f := container.Free{Total: m.total, Memory: m.total, CPUs: 2, Load: m.load}
	for _, c := range list {
		f.Memory -= m.used(c)
	}
	m.least = min(m.least, f.Memory)
	return []container.Free{f}, err
}

func (m *machine) Usage(ctx context.Context, name string) (container.Usage, error) {
	c, err := m.Inspect(ctx, name)
	m.mu.Lock()
	defer m.mu.Unlock()
	return container.Usage{At: time.Now(), Memory: m.used(c)}, err
}

// measured is simulated on a machine with so much memory; 512 MiB of it stay
// free, and each start wants another 512.
func measured(t *testing.T, total int64, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, rows: rowstest.New(), engine: enginetest.NewFake(400*time.Millisecond, "lab"), booted: map[string]time.Time{}}
		w.machine = &machine{Fake: w.engine, total: total, least: total}
		w.restart(2)
		f(t, w)
		w.stop()
	})
}

func (w *world) progress(id string) spawner.Progress {
	ctx, done := context.WithCancel(w.t.Context())
	defer done()
	return <-w.Watch(ctx, id)
}

func (w *world) up() (n int) {
	w.t.Helper()
	rows, err := w.rows.ActiveWorkspaces(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rows {
		if r.State == spawner.Running {
			n++
		}
	}
	return n
}

func TestStartsWaitForMemoryAndGoWhenItIsFree(t *testing.T) {
	measured(t, 2560*mib, func(t *testing.T, w *world) {
		var rows []spawner.Row
		for n := range 8 {
			rows = append(rows, w.open(n+1))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(20 * time.Second)
		// 2560 hold 512 of reserve and four that will each take 512.
		if n := w.up(); n != 4 {
			t.Fatalf("%d run while none has taken what it will; the machine has room for four", n)
		}
		last := w.progress(rows[7].ID)
		if !last.Memory || last.Position != 4 || last.Wait != 0 || !strings.HasPrefix(last.Text, "Waiting for memory: ") {
			t.Errorf("the last in line is told %+v", last)
		}
		// A minute later they use 1600 of it; 448 beside the reserve are no room.
		time.Sleep(2 * time.Minute)
		if n := w.up(); n != 4 {
			t.Errorf("%d run, want four still", n)
		}
		for n := range 4 {
			if err := w.Close(t.Context(), rows[n].ID, spawner.ByStudent); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			w.await(rows[4+n].ID, 20*time.Second, spawner.Running)
			if took := time.Since(began); took > 400*time.Millisecond+boot+1500*time.Millisecond {
				t.Errorf("number %d ran %v after memory was free", 5+n, took)
			}
			time.Sleep(90 * time.Second)
		}
		if w.machine.least < 512*mib {
			t.Errorf("at the least %d MiB were free, 512 are the reserve", w.machine.least/mib)
		}
		if got := w.engine.Starts(); len(got) != 8 {
			t.Errorf("started %v, want each once", got)
		}
	})
}

// What has settled counts by what it uses, not by what it may: 512 are wanted,
// 400 are used.
func TestMemoryIsCountedByWhatIsUsed(t *testing.T) {
	measured(t, 4096*mib, func(t *testing.T, w *world) {
		for n := range 20 {
			w.open(n + 1)
			time.Sleep(90 * time.Second)
		}
		// 512 + n·400 + 512 for the next ≤ 4096 holds for n up to 7.
		if n := w.up(); n != 8 {
			t.Errorf("%d run one after another, want 8", n)
		}
	})
	measured(t, 64<<30, func(t *testing.T, w *world) {
		for n := range 20 {
			w.open(n + 1)
		}
		time.Sleep(time.Minute)
		if n := w.up(); n != 20 {
			t.Errorf("with plenty %d run, want all 20", n)
		}
	})
}

func TestOneStartsOnAnyMachine(t *testing.T) {
	measured(t, 600*mib, func(t *testing.T, w *world) {
		first, second := w.open(1), w.open(2)
		w.await(first.ID, 10*time.Second, spawner.Running)
		time.Sleep(10 * time.Minute)
		if p := w.progress(second.ID); !p.Memory || p.Position != 1 {
			t.Errorf("the second is told %+v", p)
		}
		if err := w.Close(t.Context(), first.ID, spawner.ByStudent); err != nil {
			t.Fatal(err)
		}
		w.await(second.ID, 20*time.Second, spawner.Running)
	})
}

func TestWithoutAMeasureMemoryIsNotWaitedFor(t *testing.T) {
	measured(t, 600*mib, func(t *testing.T, w *world) {
		w.machine.silent = true
		for n := range 6 {
			w.open(n + 1)
		}
		time.Sleep(time.Minute)
		if n := w.up(); n != 6 {
			t.Errorf("%d run, want all six", n)
		}
	})
}

// A course may want more than others. Who needs less passes after a minute, not
// before, and who needs more goes when there is room.
func TestWhoNeedsLessMemoryPassesAfterAMinute(t *testing.T) {
	measured(t, 2048*mib, func(t *testing.T, w *world) {
		first := w.open(1)
		w.await(first.ID, 10*time.Second, spawner.Running)
		time.Sleep(2 * time.Minute) // 2048 - 400 - 512 are left
		w.set(func() { w.wants = map[course.MemberID]int64{2: 3072 * mib} })
		large := w.open(2)
		time.Sleep(10 * time.Millisecond)
		small := w.open(3)
		time.Sleep(50 * time.Second)
		if a, b := w.progress(large.ID), w.progress(small.ID); a.Position != 1 || !a.Memory || b.Position != 2 || !b.Memory {
			t.Errorf("within the minute they are told %+v and %+v", a, b)
		}
		w.await(small.ID, 20*time.Second, spawner.Running)
		if p := w.progress(large.ID); p.Position != 1 || !p.Memory {
			t.Errorf("the large one is told %+v", p)
		}
		for _, id := range []string{first.ID, small.ID} {
			if err := w.Close(t.Context(), id, spawner.ByStudent); err != nil {
				t.Fatal(err)
			}
		}
		w.await(large.ID, 30*time.Second, spawner.Running)
	})
}

// Courses take turns, though one asked first with all its people.
func TestCoursesTakeTurns(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		ask := func(c, n int) string {
			row, err := w.Open(t.Context(), spawner.Request{CourseID: course.ID(c), MemberID: course.MemberID(100*c + n), Image: "lab"})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
			return row.ID
		}
		var order []string
		big := func(n int) string { return ask(1, n) }
		for n := range 20 {
			order = append(order, big(n))
		}
		small := []string{ask(2, 0), ask(2, 1), ask(2, 2)}
		for i, id := range small {
			if p := w.progress(id); p.Position != 1+2*i {
				t.Errorf("number %d of the small course is number %d in line, want %d", i+1, p.Position, 1+2*i)
			}
		}
		if p := w.progress(order[19]); p.Position != 21 {
			t.Errorf("the last of the large course is number %d in line, want 21", p.Position)
		}
		for _, id := range append(slices.Clone(small), order...) {
			w.await(id, 5*time.Minute, spawner.Running)
		}
		var at []int
		for _, name := range w.engine.Starts() {
			if i := slices.Index(order, name[len("lectern-"):]); i >= 0 {
				at = append(at, i)
			}
		}
		for i, n := range at {
			if n < i-1 || n > i+1 { // two start side by side
				t.Errorf("in the large course number %d was start %d: %v", n+1, i+1, at)
			}
		}
		for _, id := range small {
			if i := slices.Index(w.engine.Starts(), "lectern-"+id); i > 8 {
				t.Errorf("one of the small course was start %d of 23", i+1)
			}
		}
	})
}

// Of a crowded machine's cores starts take fewer, and one always goes.
func TestStartsGiveWayOnACrowdedMachine(t *testing.T) {
	for load, most := range map[float64]int{0: 2, 3: 2, 12: 1, 500: 1} {
		measured(t, 64<<30, func(t *testing.T, w *world) {
			w.machine.load = load
			for n := range 8 {
				w.open(n + 1)
			}
			time.Sleep(2 * time.Minute)
			if n := w.up(); n != 8 || w.peak != most {
				t.Errorf("at a load of %g %d started, %d at once; want all, %d at once", load, n, w.peak, most)
			}
		})
	}
}

// A machine of a swarm that is full after all puts the start back: no error, one
// container in the end.
func TestAFullEngineKeepsThePlaceInLine(t *testing.T) {
	simulated(t, func(t *testing.T, w *world) {
		w.engine.OnStart(func(container.Spec) error { return container.ErrNoRoom })
		first := w.open(1)
		time.Sleep(10 * time.Millisecond)
		second := w.open(2)
		time.Sleep(time.Minute)
		for i, id := range []string{first.ID, second.ID} {
			row, err := w.rows.Workspace(t.Context(), id)
			if err != nil || row.State == spawner.Failed {
				t.Fatalf("%+v, %v", row, err)
			}
			if p := w.progress(id); p.State == spawner.Queued && p.Position > 0 && (!p.Memory || p.Position != i+1) {
				t.Errorf("number %d is told %+v", i+1, p)
			}
		}
		w.engine.OnStart(nil)
		w.await(first.ID, 20*time.Second, spawner.Running)
		w.await(second.ID, 20*time.Second, spawner.Running)
		if n := w.containers(); n != 2 {
			t.Errorf("%d containers", n)
		}
	})
}

// Who was started ahead makes room for who clicks.
func TestMemoryOfWhoNeverClickedIsGivenAway(t *testing.T) {
	measured(t, 1600*mib, func(t *testing.T, w *world) {
		if !w.prestart(1) {
			t.Fatal("not started ahead")
		}
		w.await(w.of(1).ID, time.Minute, spawner.Running)
		time.Sleep(time.Minute)
		first := w.open(2)
		w.await(first.ID, time.Minute, spawner.Running)
		second := w.open(3)
		w.await(second.ID, time.Minute, spawner.Running)
		if got := w.of(1); got.State != spawner.Stopped || got.Reason != spawner.Unused {
			t.Errorf("the one started ahead is %s %q", got.State, got.Reason)
		}
	})
}

// The real engine and the real machine, most of which is declared a reserve.
func TestMemoryOfTheRealMachine(t *testing.T) {
	s := openSite(t, dataDir(t), container.Limits{Memory: 64 * mib}, func(o *container.DockerOptions, c *spawner.Config) {
		d, err := container.NewDocker(*o)
		must(t, err)
		defer d.Close()
		free, err := d.Free(t.Context())
		if err != nil || len(free) != 1 {
			t.Fatalf("%+v, %v", free, err)
		}
		part := free[0].Memory / 8
		c.Admission = spawner.Admission{Memory: 2 * part, Share: 1, Reserve: free[0].Memory - 3*part}
	})
	defer s.stop()
	defer s.clear()
	image := enginetest.StubImage(t)
	first := s.run(1, image)
	second, err := s.Open(t.Context(), rowstest.Numbered(2, image))
	must(t, err)
	var told spawner.Progress
	for end := time.Now().Add(20 * time.Second); !told.Memory && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		told = <-s.Watch(t.Context(), second.ID)
	}
	time.Sleep(2 * time.Second)
	if row, err := s.rows.Workspace(t.Context(), second.ID); err != nil || row.State != spawner.Queued || !told.Memory {
		t.Errorf("beside the first there is no room, and the second is %s (%v), told %+v", cmp.Or(row.State, "nothing"), err, told)
	}
	must(t, s.Close(t.Context(), first.ID, spawner.ByStudent))
	s.await(second.ID, spawner.Running)
	if got := fmt.Sprint(len(s.containers())); got != "1" {
		t.Errorf("%s containers", got)
	}
}
