package swarmtest

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

// A class on three machines, one of which loses its network for a while and
// another of which is taken out of service.
func TestThreeMachines(t *testing.T) {
	f := newFleet(t, container.SwarmOptions{})
	var rows []spawner.Row
	on := map[int][]spawner.Row{}
	for n := range 6 {
		row := f.open(n + 1)
		f.write(row, "work.txt", fmt.Sprint("of-", n))
		rows = append(rows, row)
		on[f.on(row).n] = append(on[f.on(row).n], row)
	}
	if len(on[1]) != 2 || len(on[2]) != 2 || len(on[3]) != 2 {
		t.Fatalf("six workspaces are spread %d, %d, %d; want two on each machine", len(on[1]), len(on[2]), len(on[3]))
	}
	free, err := f.engine.Free(t.Context())
	must(t, err)
	for _, m := range free {
		if taken := m.Total - m.Memory; !m.Booked || taken != 2*32<<20 {
			t.Errorf("of %s %d MiB are taken, want what two reserve", m.Node, taken>>20)
		}
	}
	if len(free) != 3 {
		t.Errorf("%d machines are measured: %+v", len(free), free)
	}
	f.neighbours(on[2][0], on[2][1])
	f.apart(on[2][0], on[2][1].Addr)
	f.apart(on[3][0], on[2][1].Addr)
	f.apart(on[2][0], on[3][1].Addr)
	for _, m := range f.machines { // nor the engines
		f.apart(on[2][0], m.addr()+":2376")
	}
	f.noSecrets(on[3][0])
	t.Run("an image is fetched onto every machine, and starts by its id", f.images)

	t.Run("a partition is seen, and kills nothing when it heals", func(t *testing.T) {
		booted := map[string]string{}
		for _, row := range rows {
			booted[row.ID] = f.bootedAt(row)
		}
		f.machines[2].link("down")
		for _, row := range on[3] {
			took := within(t, 20*time.Second, "the partition to be seen", func() bool { return f.row(row.ID).Reason == spawner.Away })
			atMost(t, "seen", took, 15*time.Second)
			if again, err := f.Open(t.Context(), spawner.Request{CourseID: row.CourseID, MemberID: row.MemberID, Image: row.Image}); err != nil || again.State != spawner.Running || again.Generation != row.Generation {
				t.Errorf("Open while it is out of reach = %+v, %v; want the same one", again, err)
			}
		}
		for _, row := range on[2] {
			if now := f.row(row.ID); now.State != spawner.Running || now.Reason != spawner.None {
				t.Errorf("one on another machine became %s %q", now.State, now.Reason)
			}
		}
		time.Sleep(15 * time.Second) // long enough for a heartbeat of 5 s to give the machine up
		f.machines[2].link("up")
		for _, row := range on[3] {
			f.await(row.ID, spawner.Running, spawner.None)
		}
		time.Sleep(8 * time.Second) // what swarm would end, it ends when the machine is back
		for _, row := range rows {
			now := f.row(row.ID)
			if now.State != spawner.Running || now.ContainerID != row.ContainerID || f.bootedAt(now) != booted[row.ID] {
				t.Errorf("after the partition %s is %s %q in %s, want the same program running", row.ID, now.State, now.Reason, now.ContainerID)
			}
		}
	})

	t.Run("a drained machine gives its workspaces up, and they start elsewhere when asked", func(t *testing.T) {
		f.change(f.machines[1], func(spec map[string]any) { spec["Availability"] = "drain" })
		for _, row := range on[2] {
			f.await(row.ID, spawner.Failed, spawner.Crashed)
		}
		time.Sleep(3 * time.Second)
		for _, row := range on[2] {
			if w := f.writers(row); len(w) != 0 {
				t.Errorf("%s was started again on %v, and nobody asked", row.ID, w)
			}
			now := f.open(int(row.MemberID))
			if f.on(now).n == 2 {
				t.Errorf("%s was started on the drained machine", row.ID)
			}
			f.write(now, "more.txt", "x")
			f.holds(row, "work.txt", fmt.Sprint("of-", int(row.MemberID)-1))
			if w := f.writers(row); len(w) != 1 {
				t.Errorf("%s runs on %v, want one machine", row.ID, w)
			}
		}
	})
}

// apart: what a machine publishes for Lectern, no workspace reaches, be it on the
// same machine or on another.
func (f *fleet) apart(from spawner.Row, addr string) {
	f.t.Helper()
	code, text, err := enginetest.Call(f.t.Context(), http.MethodGet, from.Addr, from.Token, "/stub/dial?addr="+addr)
	if err != nil || code != http.StatusBadGateway {
		f.t.Errorf("a workspace at %s dials %s: %d %s %v; want it refused", from.Addr, addr, code, text, err)
	}
}

// neighbours on one machine cannot reach each other's containers, and their
// program can gain nothing.
func (f *fleet) neighbours(a, b spawner.Row) {
	f.t.Helper()
	m := f.on(b)
	type inspected struct {
		State           struct{ Pid int }
		NetworkSettings struct {
			Networks map[string]struct{ IPAddress string }
		}
		HostConfig struct {
			Privileged, ReadonlyRootfs, Init bool
			CapAdd, CapDrop                  []string
			Memory, NanoCpus, PidsLimit      int64
			RestartPolicy                    struct{ Name string }
			PortBindings                     map[string][]struct{ HostIP, HostPort string }
			Ulimits                          []struct{ Name string }
		}
	}
	var c inspected
	for _, found := range ask[[]struct{ ID string }](m, http.MethodGet, "/containers/json?filters="+url.QueryEscape(fmt.Sprintf(`{"label":["lectern.workspace=%s"]}`, b.ID)), nil) {
		c = ask[inspected](m, http.MethodGet, "/containers/"+found.ID+"/json", nil)
	}
	for _, n := range c.NetworkSettings.Networks {
		code, text, err := enginetest.Call(f.t.Context(), http.MethodGet, a.Addr, a.Token, "/stub/dial?addr="+n.IPAddress+":8888")
		if err != nil || code != http.StatusBadGateway || n.IPAddress == "" {
			f.t.Errorf("one workspace dials another at %q: %d %s %v; want it refused", n.IPAddress, code, text, err)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.State.Pid))
	must(f.t, err)
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000", "Uid:\t1000\t1000"} {
		if !strings.Contains(string(status), want) {
			f.t.Errorf("the program's status lacks %q:\n%s", want, status)
		}
	}
	// And as the machine's engine recorded it, whatever it made of the request.
	h := c.HostConfig
	if h.Privileged || !h.ReadonlyRootfs || !h.Init || len(h.CapAdd) != 0 || strings.Join(h.CapDrop, " ") != "ALL" || h.Memory != 64<<20 ||
		h.NanoCpus != 1e9 || h.PidsLimit != 64 || len(h.Ulimits) != 2 || h.RestartPolicy.Name == "always" {
		f.t.Errorf("the engine recorded %+v", h)
	}
}

// noSecrets: whoever may look at services, tasks or containers learns no token.
func (f *fleet) noSecrets(row spawner.Row) {
	f.t.Helper()
	for _, m := range f.machines {
		for _, path := range []string{"/services", "/tasks", "/secrets", "/containers/json?all=1"} {
			if m != f.machines[0] && path != "/containers/json?all=1" {
				continue // only managers know
			}
			text, err := m.call(http.MethodGet, path, nil)
			must(f.t, err)
			if strings.Contains(string(text), row.Token) {
				f.t.Errorf("%s of machine %d shows the token", path, m.n)
			}
		}
	}
	m := f.on(row)
	for _, c := range ask[[]struct{ ID string }](m, http.MethodGet, "/containers/json", nil) {
		text, err := m.call(http.MethodGet, "/containers/"+c.ID+"/json", nil)
		must(f.t, err)
		if strings.Contains(string(text), row.Token) {
			f.t.Errorf("the container shows the token")
		}
	}
}
