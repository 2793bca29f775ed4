package spawner

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lectern/spawner/container"
)

var (
	noon   = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	policy = Policy{Patience: time.Minute, StartLimit: 5 * time.Minute, IdleAfter: time.Hour, MaxAge: 24 * time.Hour, WarnBefore: 5 * time.Minute, Grace: time.Second,
		CopyIdle: 20 * time.Minute, CopyAge: 2 * time.Hour}
)

// short is a course whose workspaces rest for half an hour, with a long warning.
func short(row *Row) { row.IdleAfter, row.WarnBefore = 30*time.Minute, 10*time.Minute }

// kernels is a course that ends idle kernels first.
func kernels(row *Row) { row.KernelsAfter = 20 * time.Minute }

// aCopy makes a row that of a throw-away copy.
func aCopy(row *Row) {
	row.SubmissionID = 7
	if row.State == Running {
		row.ExpiresAt = noon.Add(2 * time.Hour)
	}
}

// A copy never stays longer than anything may, and never for ever.
func TestACopyStaysNoLongerThanAnythingMay(t *testing.T) {
	t.Parallel()
	row := at(Starting, aCopy)
	for _, c := range []struct{ copyAge, maxAge, want time.Duration }{
		{2 * time.Hour, 24 * time.Hour, 2 * time.Hour}, {2 * time.Hour, time.Hour, time.Hour}, {2 * time.Hour, 0, 2 * time.Hour},
	} {
		p := policy
		p.CopyAge, p.MaxAge = c.copyAge, c.maxAge
		after, _ := next(row, up(func(s *Seen) { s.Answers = true }), noon, p)
		if got := after.ExpiresAt.Sub(noon); after.State != Running || got != c.want {
			t.Errorf("copies %s, others %s: %s for %s, want running for %s", c.copyAge, c.maxAge, after.State, got, c.want)
		}
	}
}

// at is a row in a state that it entered at noon.
func at(state State, mend ...func(*Row)) Row {
	row := Row{ID: "aaaaaaaaaaaaaaaa", State: state, Generation: 2, Token: "t", QueuedAt: noon}
	switch state {
	case Starting:
		row.StartedAt = noon
	case Running, Stopping:
		row.StartedAt, row.ReadyAt, row.LastActivityAt = noon, noon, noon
		row.ContainerID, row.Addr, row.ExpiresAt = "c", "10.0.0.2:8888", noon.Add(24*time.Hour)
	}
	for _, m := range mend {
		m(&row)
	}
	return row
}

func up(mend ...func(*Seen)) Seen {
	s := Seen{Known: true, Found: true, Mine: true, Phase: container.Up, ID: "c", Addr: "10.0.0.2:8888"}
	for _, m := range mend {
		m(&s)
	}
	return s
}

// away is one that was running on a machine which does not answer; lost one on
// a machine that is known to be off.
func away(s *Seen) { s.Contact = container.Unreachable }
func lost(s *Seen) { s.Contact = container.Lost }

func exited(code int, oom bool) Seen {
	return up(func(s *Seen) { s.Phase, s.ExitCode, s.OOM, s.Addr = container.Exited, code, oom, "" })
}

func TestNext(t *testing.T) {
	t.Parallel()
	none := Seen{Known: true}
	theirs := up(func(s *Seen) { s.Mine = false })
	for _, c := range []struct {
		name    string
		row     Row
		seen    Seen
		after   time.Duration
		state   State
		reason  Reason
		actions []Action
	}{
		{"one at rest needs nothing", at(Stopped), none, 0, Stopped, None, nil},
		{"one at rest with a container loses it gently", at(Stopped), up(), 0, Stopped, None, []Action{End, Remove}},
		{"a failed one's dead container is removed", at(Failed), exited(1, false), 0, Failed, None, []Action{Remove}},
		{"at rest and the engine is silent", at(Failed), Seen{}, 0, Failed, None, nil},

		{"a queued one takes its place", at(Queued), none, 0, Queued, None, []Action{Wait}},
		{"a queued one whose turn it is", at(Queued), Seen{Known: true, Admitted: true}, 0, Starting, None, []Action{Create}},
		{"a queued one waits as long as it takes", at(Queued), Seen{Known: true, ProgressAt: noon.Add(time.Hour)}, time.Hour, Queued, None, []Action{Wait}},
		{"a queued one clears away the last generation first", at(Queued), theirs, 0, Queued, None, []Action{End, Remove}},
		{"a queued one is patient with a silent engine", at(Queued), Seen{}, 59 * time.Second, Queued, None, nil},
		{"a queued one tells of a dead engine", at(Queued), Seen{}, time.Minute, Failed, NoEngine, nil},

		{"a start that had not begun begins", at(Starting), none, 0, Starting, None, []Action{Create}},
		{"a start that was interrupted goes on", at(Starting), up(func(s *Seen) { s.Phase = container.Created }), 0, Starting, None, []Action{Create}},
		{"Jupyter boots", at(Starting), up(), 0, Starting, None, []Action{Probe}},
		{"Jupyter answers", at(Starting), up(func(s *Seen) { s.Answers = true }), 0, Running, None, nil},
		{"Jupyter answers in the last moment", at(Starting), up(func(s *Seen) { s.Answers = true }), time.Hour, Running, None, nil},
		{"no progress for too long", at(Starting), up(), time.Minute, Failed, TooSlow, []Action{End, Remove}},
		{"progress moves the deadline", at(Starting), up(func(s *Seen) { s.ProgressAt = noon.Add(50 * time.Second) }), time.Minute, Starting, None, []Action{Probe}},
		{"but not for ever", at(Starting), up(func(s *Seen) { s.ProgressAt = noon.Add(5 * time.Minute) }), 5 * time.Minute, Failed, TooSlow, []Action{End, Remove}},
		{"the image is missing", at(Starting), Seen{Known: true, Failed: NoImage}, 0, Failed, NoImage, nil},
		{"the engine failed but may come back", at(Starting), Seen{Known: true, Failed: NoEngine}, 0, Starting, None, []Action{Create}},
		{"the engine did not come back", at(Starting), Seen{Known: true, Failed: NoEngine}, time.Minute, Failed, NoEngine, nil},
		{"a silent engine is given time", at(Starting), Seen{}, 0, Starting, None, nil},
		{"a silent engine is given up", at(Starting), Seen{}, time.Minute, Failed, NoEngine, nil},
		{"a container of another generation is in the way", at(Starting), theirs, 0, Starting, None, []Action{End, Remove, Create}},
		{"no jupyter-lab in the image", at(Starting), exited(127, false), 0, Failed, NoJupyter, []Action{Remove}},
		{"no memory to boot", at(Starting), exited(137, true), 0, Failed, BootOOM, []Action{Remove}},
		{"Jupyter gave up", at(Starting), exited(1, false), 0, Failed, BootEnded, []Action{Remove}},

		{"a running one runs", at(Running), up(), 0, Running, None, nil},
		{"a silent engine proves nothing", at(Running), Seen{}, 48 * time.Hour, Running, None, nil},
		{"the container is gone", at(Running), none, 0, Failed, Gone, nil},
		{"the container is another's", at(Running), theirs, 0, Failed, Gone, []Action{End, Remove}},
		{"the container crashed", at(Running), exited(1, false), 0, Failed, Crashed, []Action{Remove}},
		{"the container ran out of memory", at(Running), exited(137, true), 0, Failed, OutOfMem, []Action{Remove}},
		{"the student shut JupyterLab down", at(Running), exited(0, false), 0, Stopped, QuitSelf, []Action{Remove}},
		{"shut down after a kernel had been killed", at(Running), exited(0, true), 0, Stopped, QuitSelf, []Action{Remove}},
		{"a kernel ran out of memory", at(Running), up(func(s *Seen) { s.KernelOOM = true }), 0, Running, KernelOOM, nil},
		{"idle, and the course has less", at(Running, short), up(func(s *Seen) { s.Asked = true }), 30 * time.Minute, Stopping, Idle, []Action{End, Remove}},
		{"nearly, and the course warns earlier", at(Running, short), up(func(s *Seen) { s.Asked = true }), 20 * time.Minute, Running, None, []Action{Warn}},
		{"the course cannot have more", at(Running, func(r *Row) { r.IdleAfter = 5 * time.Hour }), up(func(s *Seen) { s.Asked = true }), time.Hour, Stopping, Idle, []Action{End, Remove}},
		{"idle kernels first", at(Running, kernels), up(func(s *Seen) { s.Asked, s.Kernels = true, 1 }), 20 * time.Minute, Running, None, []Action{Quiet}},
		{"not before their time", at(Running, kernels), up(func(s *Seen) { s.Asked, s.Kernels = true, 1 }), 20*time.Minute - time.Second, Running, None, nil},
		{"never while one is busy", at(Running, kernels), up(func(s *Seen) { s.Asked, s.Kernels, s.Busy = true, 2, true }), 5 * time.Hour, Running, None, nil},
		{"no kernel, nothing to end", at(Running, kernels), up(func(s *Seen) { s.Asked = true }), 20 * time.Minute, Running, None, nil},
		{"Jupyter says nothing of kernels", at(Running, kernels), up(func(s *Seen) { s.Kernels = 1 }), 20 * time.Minute, Running, None, nil},
		{"kernels are kept unless the course says otherwise", at(Running), up(func(s *Seen) { s.Asked, s.Kernels = true, 1 }), 54 * time.Minute, Running, None, nil},
		{"warned, and kernels end", at(Running, kernels), up(func(s *Seen) { s.Asked, s.Kernels = true, 1 }), 56 * time.Minute, Running, None, []Action{Warn, Quiet}},
		{"then the server", at(Running, kernels), up(func(s *Seen) { s.Asked, s.Kernels = true, 1 }), time.Hour, Stopping, Idle, []Action{End, Remove}},
		{"no kernels of a copy", at(Running, aCopy, kernels), up(func(s *Seen) { s.Asked, s.Kernels = true, 1 }), 10 * time.Minute, Running, None, nil},
		{"nearly idle", at(Running), up(func(s *Seen) { s.Asked = true }), 55 * time.Minute, Running, None, []Action{Warn}},
		{"idle", at(Running), up(func(s *Seen) { s.Asked = true }), time.Hour, Stopping, Idle, []Action{End, Remove}},
		{"busy is not idle", at(Running), up(func(s *Seen) { s.Asked, s.Busy = true, true }), 10 * time.Hour, Running, None, nil},
		{"one that does not answer is not called idle", at(Running), up(), 10 * time.Hour, Running, None, nil},
		{"somebody typed", at(Running), up(func(s *Seen) { s.Asked, s.ActiveAt = true, noon.Add(50*time.Minute) }), time.Hour, Running, None, nil},
		{"old age is near", at(Running), up(func(s *Seen) { s.Busy = true }), 24*time.Hour - time.Minute, Running, None, []Action{Warn}},
		{"old age spares nobody", at(Running), up(func(s *Seen) { s.Asked, s.Busy = true, true }), 24 * time.Hour, Stopping, TooOld, []Action{End, Remove}},

		{"a copy is idle sooner", at(Running, aCopy), up(func(s *Seen) { s.Asked = true }), 20 * time.Minute, Stopping, Idle, []Action{End, Remove}},
		{"a copy that is busy is not idle", at(Running, aCopy), up(func(s *Seen) { s.Asked, s.Busy = true, true }), 50 * time.Minute, Running, None, nil},
		{"a copy is old sooner", at(Running, aCopy), up(func(s *Seen) { s.Asked, s.Busy = true, true }), 2 * time.Hour, Stopping, TooOld, []Action{End, Remove}},

		{"its machine is out of reach", at(Running), up(away), 0, Running, Away, nil},
		{"for a day", at(Running), up(away), 25 * time.Hour, Running, Away, nil},
		{"out of reach before it was seen to start again", at(Running), up(away, func(s *Seen) { s.Phase = container.Created }), 0, Running, Away, nil},
		{"its machine is back", at(Running, func(r *Row) { r.Reason = Away }), up(), 0, Running, None, nil},
		{"its machine is lost", at(Running, func(r *Row) { r.Reason = Away }), up(lost), 0, Failed, Lost, []Action{Remove}},
		{"back and dead", at(Running, func(r *Row) { r.Reason = Away }), exited(1, false), 0, Failed, Crashed, []Action{Remove}},
		{"an earlier one may still write", at(Queued), up(away, func(s *Seen) { s.Mine, s.Admitted = false, true }), time.Hour, Queued, OldAway, nil},
		{"the earlier one's machine is lost", at(Queued, func(r *Row) { r.Reason = OldAway }), up(lost, func(s *Seen) { s.Mine = false }), 0, Queued, None, []Action{Remove}},
		{"the earlier one's machine is back", at(Queued, func(r *Row) { r.Reason = OldAway }), theirs, 0, Queued, None, []Action{End, Remove}},
		{"the earlier one is gone", at(Queued, func(r *Row) { r.Reason = OldAway }), none, 0, Queued, None, []Action{Wait}},
		{"an earlier one appears while starting", at(Starting), up(away, func(s *Seen) { s.Mine = false }), 0, Starting, None, nil},
		{"and stays", at(Starting), up(away, func(s *Seen) { s.Mine = false }), time.Minute, Failed, Away, nil},
		{"its machine goes while it boots", at(Starting), up(away), 0, Starting, None, nil},
		{"and does not come back", at(Starting), up(away), time.Minute, Failed, Away, nil},
		{"its machine is lost while it boots", at(Starting), up(lost), 0, Failed, Lost, []Action{Remove}},
		{"at rest with one on a machine out of reach", at(Failed), up(away), 0, Failed, None, nil},
		{"at rest with one on a lost machine", at(Failed), up(lost), 0, Failed, None, []Action{Remove}},
		{"stopping out of reach", at(Stopping), up(away), time.Hour, Stopping, None, nil},
		{"stopping on a lost machine", at(Stopping), up(lost), 0, Stopping, None, []Action{Remove}},

		{"stopping", at(Stopping), up(), 0, Stopping, None, []Action{End, Remove}},
		{"stopping what has ended", at(Stopping), exited(0, false), 0, Stopping, None, []Action{Remove}},
		{"stopped", at(Stopping), none, 0, Stopped, None, nil},
		{"stopping under a silent engine", at(Stopping), Seen{}, time.Hour, Stopping, None, nil},
	} {
		row, actions := next(c.row, c.seen, noon.Add(c.after), policy)
		if row.State != c.state || row.Reason != c.reason || !slices.Equal(actions, c.actions) {
			t.Errorf("%s: %s %q %v, want %s %q %v", c.name, row.State, row.Reason, actions, c.state, c.reason, c.actions)
		}
	}
}

// Every state with everything that can be seen, at several times: whatever the
// table above forgot, these hold.
func TestNextAlways(t *testing.T) {
	t.Parallel()
	n := 0
	every(func(row Row, seen Seen, now time.Time) {
		n++
		after, actions := next(row, seen, now, policy)
		bad := func(what string) {
			t.Errorf("%s: %+v\nsaw %+v at %v\nbecame %+v %v", what, row, seen, now.Sub(noon), after, actions)
		}
		create, remove, end := slices.Index(actions, Create), slices.Index(actions, Remove), slices.Index(actions, End)
		switch {
		case after.ID != row.ID || after.Generation != row.Generation || after.MemberID != row.MemberID:
			bad("it became another workspace")
		case !seen.Known && len(actions) > 0:
			bad("something is done blindly")
		case seen.Found && seen.Contact == container.Unreachable && len(actions) > 0:
			bad("something is done where a writer may be out of reach")
		case row.State == Queued && after.State == Starting && seen.Found && !seen.Mine && seen.Contact == container.Unreachable:
			bad("it starts beside a writer that may be out of reach")
		case row.State == Running && after.State != Running && seen.Found && seen.Mine && seen.Contact == container.Unreachable:
			bad("it is given up only because its machine is silent")
		case create >= 0 && seen.Found && !seen.Mine && (remove < 0 || remove > create):
			bad("a second container is made beside another")
		case create >= 0 && after.State != Starting:
			bad("a container is made for one that does not start")
		case after.State == Starting && row.State == Queued && !seen.Admitted:
			bad("it jumped the queue")
		case remove >= 0 && seen.Phase == container.Up && seen.Contact != container.Lost && end < 0:
			bad("a running program is killed without being asked to end")
		case remove >= 0 && row.State == Running && after.State == Running:
			bad("a running workspace loses its container")
		case after.State == Running && seen.Known && seen.Contact != container.Unreachable && !(seen.Found && seen.Mine && seen.Phase == container.Up):
			bad("it is called running without a container")
		case after.State == Running && row.State == Starting && !seen.Answers:
			bad("it is called running before Jupyter answered")
		case after.State.Resting() && (after.Addr != "" || after.Token != "" && !row.State.Resting() || after.ContainerID != ""):
			bad("it rests with something left")
		case after.State.Resting() && seen.Known && seen.Found && seen.Contact != container.Unreachable && remove < 0:
			bad("it rests and leaves its container")
		case after.State == Failed && row.State != Failed && (after.Reason.Text() == "" || after.Reason == None):
			bad("it failed without a word")
		case seen.Busy && seen.Asked && after.Reason == Idle && row.Reason != Idle:
			bad("a busy one is called idle")
		case after.LastActivityAt.Before(row.LastActivityAt):
			bad("activity went back")
		}
		// Every start comes to an end.
		if row.State == Starting && now.Sub(row.StartedAt) >= policy.StartLimit && after.State == Starting &&
			!(seen.Known && seen.Found && !seen.Mine) {
			bad("a start goes on for ever")
		}
	})
	if n < 10000 {
		t.Errorf("only %d cases", n)
	}
}

// every calls f with all combinations.
func every(f func(Row, Seen, time.Time)) {
	yes := []bool{false, true}
	for _, state := range []State{Stopped, Queued, Starting, Running, Stopping, Failed} {
		for _, known := range yes {
			for _, found := range yes {
				for _, mine := range yes {
					for _, phase := range []container.Phase{container.Created, container.Up, container.Exited} {
						for _, bits := range all(6) {
							for i, failed := range []Reason{None, NoImage, NoEngine, None, NoImage, NoEngine, None} {
								contact := []container.Contact{container.Reached, container.Unreachable, container.Lost}[i/3]
								for _, after := range []time.Duration{0, time.Minute, 5 * time.Minute, time.Hour, 25 * time.Hour} {
									seen := Seen{Known: known, Failed: failed, Admitted: bits[0]}
									if known && found {
										seen.Found, seen.Mine, seen.Phase = true, mine, phase
										seen.Contact = contact
										seen.Answers, seen.OOM, seen.KernelOOM, seen.Asked, seen.Busy = bits[1], bits[2], bits[3], bits[4], bits[5]
										if phase == container.Exited && bits[0] {
											seen.ExitCode = 1
										}
									}
									f(at(state), seen, noon.Add(after))
								}
							}
						}
					}
				}
			}
		}
	}
}

func all(n int) (list [][]bool) {
	for i := range 1 << n {
		bits := make([]bool, n)
		for b := range bits {
			bits[b] = i>>b&1 == 1
		}
		list = append(list, bits)
	}
	return list
}

func TestEveryReasonHasASentence(t *testing.T) {
	t.Parallel()
	for _, r := range []Reason{NoImage, NoJupyter, NoFiles, NoEngine, TooSlow, BootEnded, BootOOM, NotBegun, Crashed, Gone, OutOfMem,
		QuitSelf, KernelOOM, NoRoom, OldAway, Lost, Away, ByStudent, ByStaff, Idle, TooOld} {
		if text := r.Text(); len(text) < 20 || text[len(text)-1] != '.' {
			t.Errorf("%s says %q", r, text)
		}
	}
	for err, want := range map[error]Reason{
		container.ErrImageMissing: NoImage, container.ErrNoProgram: NoJupyter, container.ErrMount: NoFiles,
		container.ErrEngineDown: NoEngine, container.ErrConflict: NotBegun,
	} {
		if got := failure(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("failure(%v) = %s, want %s", err, got, want)
		}
	}
	if NoJupyter.Retry() || !NoImage.Retry() || !NoEngine.Retry() || !OutOfMem.Retry() {
		t.Error("retrying is offered where it cannot help, or not where it can")
	}
}
