//go:build chaos

package swarmtest

import (
	"net/http"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/rowstest"
)

// The power of a machine fails. Nothing takes the place of what ran on it until
// an operator says that it is off and the lease has run out.
func TestChaosAMachineDies(t *testing.T) {
	const lease = 20 * time.Second
	f := newFleet(t, container.SwarmOptions{Lease: lease})
	rows := f.openOn(3, 2)
	kept, reopened := rows[0], rows[1]
	f.write(kept, "work.txt", "kept")
	f.machines[2].off()
	died := time.Now()
	for _, row := range rows {
		within(t, 20*time.Second, "the loss to be seen", func() bool { return f.row(row.ID).Reason == spawner.Away })
	}
	atMost(t, "seen", time.Since(died), 15*time.Second)

	// One student is impatient: stops it and opens it again.
	must(t, f.Close(t.Context(), reopened.ID, spawner.ByStudent))
	_, err := f.Open(t.Context(), rowstest.Numbered(int(reopened.MemberID), theLab.image))
	must(t, err)
	f.await(reopened.ID, spawner.Queued, spawner.OldAway)

	// Long after the lease it is still not known that the machine is off.
	time.Sleep(lease + 5*time.Second)
	for _, row := range rows {
		if w := f.writers(row); len(w) != 0 {
			t.Fatalf("%s runs on %v beside a machine that is only silent", row.ID, w)
		}
	}
	if now := f.row(kept.ID); now.State != spawner.Running || now.Reason != spawner.Away {
		t.Errorf("it became %s %q without anybody's word", now.State, now.Reason)
	}

	f.label(f.machines[2], container.OffLabel, "yes")
	f.await(kept.ID, spawner.Failed, spawner.Lost)
	now := f.await(reopened.ID, spawner.Running, spawner.None)
	if f.on(now).n == 3 || now.Generation != reopened.Generation+1 {
		t.Errorf("the reopened one runs as %+v", now)
	}
	now = f.open(int(kept.MemberID))
	f.write(now, "more.txt", "more")
	f.holds(kept, "work.txt", "kept")
	for _, row := range rows {
		if w := f.writers(row); len(w) != 1 {
			t.Errorf("%s runs on %v, want one machine", row.ID, w)
		}
	}
}

// An operator's word does not count before the lease has run out; and if it was
// wrong, the swarm ends the older of the two as soon as it can.
func TestChaosTheOperatorWasWrong(t *testing.T) {
	const lease = 25 * time.Second
	f := newFleet(t, container.SwarmOptions{Lease: lease})
	row := f.openOn(3, 1)[0]
	f.machines[2].link("down")
	cut := time.Now()
	f.label(f.machines[2], container.OffLabel, "yes")
	within(t, time.Minute, "the machine to be called lost", func() bool { return f.row(row.ID).State == spawner.Failed })
	// The lease runs from when the machine last answered, which is asked every 3 s.
	if took := time.Since(cut); took < lease-4*time.Second {
		t.Errorf("called lost after %v, before its lease of %v had run out", took, lease)
	}
	now := f.open(int(row.MemberID))
	if f.on(now).n == 3 {
		t.Error("started on the machine that is called off")
	}
	f.machines[2].link("up")
	within(t, time.Minute, "the older one's end", func() bool { return len(f.writers(row)) == 1 })
	if again := f.row(row.ID); again.State != spawner.Running || again.ContainerID != now.ContainerID {
		t.Errorf("the younger one became %+v", again)
	}
}

// Removing a machine from the swarm is an operator's word too, and swarm then
// forgets all that ran there. The lease still has to run out.
func TestChaosAMachineIsRemoved(t *testing.T) {
	const lease = 25 * time.Second
	f := newFleet(t, container.SwarmOptions{Lease: lease})
	row := f.openOn(3, 1)[0]
	f.write(row, "work.txt", "kept")
	id := f.node(f.machines[2]).ID
	f.machines[2].link("down")
	cut := time.Now()
	ask[any](f.machines[0], http.MethodDelete, "/nodes/"+id+"?force=true", nil)
	within(t, time.Minute, "the workspace to be called lost", func() bool {
		now := f.row(row.ID)
		if now.State == spawner.Running && now.Generation == row.Generation {
			return false
		}
		if now.State != spawner.Failed || now.Reason != spawner.Lost {
			t.Fatalf("it became %s %q", now.State, now.Reason)
		}
		return true
	})
	if took := time.Since(cut); took < lease-4*time.Second {
		t.Errorf("called lost after %v, before its lease of %v had run out", took, lease)
	}
	now := f.open(int(row.MemberID))
	if f.on(now).n == 3 {
		t.Error("started on the machine that was removed")
	}
	f.holds(row, "work.txt", "kept")
}

// While the only manager is away nothing can start, and nothing that runs ends.
func TestChaosTheManagerRestarts(t *testing.T) {
	f := newFleet(t, container.SwarmOptions{})
	f.label(f.machines[0], fleetLabel, "no") // managers should have no workspaces
	var rows []spawner.Row
	booted := map[string]string{}
	for n := range 4 {
		row := f.open(n + 1)
		if f.on(row).n == 1 {
			t.Errorf("%s runs on a machine without the label", row.ID)
		}
		booted[row.ID] = f.bootedAt(row)
		rows = append(rows, row)
	}
	f.machines[0].halt()
	waits, err := f.Open(t.Context(), rowstest.Numbered(9, theLab.image))
	must(t, err)
	for range 20 {
		for _, row := range rows {
			if f.bootedAt(row) != booted[row.ID] {
				t.Fatalf("%s is another program", row.ID)
			}
			if now := f.row(row.ID); now.State != spawner.Running || now.Reason != spawner.None {
				t.Fatalf("%s became %s %q while the manager was away", row.ID, now.State, now.Reason)
			}
		}
		time.Sleep(time.Second)
	}
	f.machines[0].boot()
	f.await(waits.ID, spawner.Running, spawner.None)
	time.Sleep(20 * time.Second) // a reconcile, and whatever a new leader sets right
	for _, row := range rows {
		now := f.row(row.ID)
		if now.State != spawner.Running || now.ContainerID != row.ContainerID || f.bootedAt(now) != booted[row.ID] {
			t.Errorf("after the restart %s is %+v", row.ID, now)
		}
	}
	must(t, f.Close(t.Context(), rows[0].ID, spawner.ByStudent))
	f.await(rows[0].ID, spawner.Stopped, spawner.ByStudent)
}

// With the heartbeat that swarms have by default, a partition of half a minute
// makes swarm end what runs beyond it. Even then nothing is ever doubled.
func TestChaosALongPartition(t *testing.T) {
	f := newFleet(t, container.SwarmOptions{Heartbeat: time.Second})
	row := f.openOn(3, 1)[0]
	f.write(row, "work.txt", "kept")
	f.machines[2].link("down")
	within(t, 40*time.Second, "swarm to give the machine up", func() bool { return f.node(f.machines[2]).Status.State == "down" })
	for range 15 {
		if w := f.writers(row); len(w) > 1 || len(w) == 1 && w[0] != 3 {
			t.Fatalf("it runs on %v", w)
		}
		time.Sleep(time.Second)
	}
	if now := f.row(row.ID); now.State != spawner.Running || now.Reason != spawner.Away {
		t.Errorf("during the partition it is %s %q", now.State, now.Reason)
	}
	f.machines[2].link("up")
	within(t, time.Minute, "the end that swarm brings", func() bool { return f.row(row.ID).State.Resting() })
	t.Logf("it ended as %q", f.row(row.ID).Reason)
	now := f.open(int(row.MemberID))
	f.holds(row, "work.txt", "kept")
	if w := f.writers(row); len(w) != 1 || now.Generation != row.Generation+1 {
		t.Errorf("it runs on %v as generation %d", w, now.Generation)
	}
}

// An engine on a machine crashes: with swarm mode all its containers end, and
// that is told at once.
func TestChaosAnEngineRestarts(t *testing.T) {
	f := newFleet(t, container.SwarmOptions{})
	row := f.openOn(2, 1)[0]
	f.machines[1].halt()
	f.await(row.ID, spawner.Running, spawner.Away)
	f.machines[1].boot()
	within(t, time.Minute, "its end to be known", func() bool { return f.row(row.ID).State.Resting() })
	t.Logf("it ended as %q", f.row(row.ID).Reason)
	f.open(int(row.MemberID))
	if w := f.writers(row); len(w) != 1 {
		t.Errorf("it runs on %v, want one machine", w)
	}
}

// openOn opens workspaces, also on other machines, until so many run on one.
func (f *fleet) openOn(machine, count int) (rows []spawner.Row) {
	f.t.Helper()
	for n := 1; len(rows) < count; n++ {
		if n > 12 {
			f.t.Fatalf("of twelve workspaces %d run on machine %d", len(rows), machine)
		}
		row := f.open(n)
		if f.on(row).n == machine {
			rows = append(rows, row)
		}
	}
	return rows
}
