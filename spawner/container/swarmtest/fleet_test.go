package swarmtest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/certs"
	"lectern/spawner/container/enginetest"
	"lectern/spawner/rowstest"
)

// fleet is a Lectern, as far as workspaces go, on a swarm of three machines: the
// first manages and runs workspaces as well. Engines are reached by TLS, with
// certificates that the program makes.
type fleet struct {
	t        *testing.T
	machines []*machine
	data     string
	engine   *container.Swarm
	rows     *rowstest.Rows
	*spawner.Spawner
}

const fleetLabel = "lectern.workspaces"

func newFleet(t *testing.T, o container.SwarmOptions) *fleet {
	t.Helper()
	f := &fleet{t: t, data: theLab.data(t, t.Name()), rows: rowstest.New()}
	dir := certificates(t, 1, 2, 3)
	var booting sync.WaitGroup
	for n := 1; n <= 3; n++ {
		own := fmt.Sprintf("%s/machine%d/", dir, n)
		f.machines = append(f.machines, theLab.plug(t, n, "-H", fmt.Sprintf("tcp://10.99.0.%d:2376", n), "--tlsverify",
			"--icc=false", "--ip", fmt.Sprintf("10.99.0.%d", n), "--no-new-privileges", "--userland-proxy=false", "--insecure-registry="+registryAddr, "--tlscacert", own+"ca.pem", "--tlscert", own+"server-cert.pem", "--tlskey", own+"server-key.pem"))
	}
	for _, m := range f.machines {
		booting.Go(m.boot)
	}
	booting.Wait()
	theLab.swarm(t, f.machines[0], f.machines[1:]...)
	firewall, err := filepath.Abs("../../../deploy/firewall")
	must(t, err)
	for _, m := range f.machines {
		f.label(m, fleetLabel, "yes")
		// The firewall of docs/swarm.md.
		must(t, m.run(firewall, "docker0"))
		for _, rule := range []string{"-i eth0 ! -s 10.99.0.254 -m conntrack --ctstate NEW -j DROP", "-i docker0 -d 10.99.0.0/24 -m conntrack --ctstate NEW -j REJECT"} {
			must(t, m.run("iptables", append([]string{"-I", "DOCKER-USER"}, strings.Fields(rule)...)...))
		}
	}
	o.Docker = container.DockerOptions{Host: "tcp://10.99.0.1:2376", Certs: dir + "/client", Data: container.Paths{Inside: f.data}}
	o.Label, o.NodePort = fleetLabel+"=yes", 2376
	f.engine = newSwarm(t, o)
	f.Spawner = spawner.New(spawner.Config{
		Rows: f.rows, Engine: f.engine, Realm: "fleet", Starts: 4, Plan: f.plan,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	ended := make(chan error)
	go func() { ended <- f.Run(t.Context()) }()
	t.Cleanup(func() { must(t, <-ended) })
	return f
}

func (f *fleet) plan(_ context.Context, row spawner.Row) (spawner.Plan, error) {
	return spawner.Plan{Home: f.home(row), Limits: container.Limits{Memory: 64 << 20, Reservation: 32 << 20, PIDs: 64, Tmp: 4 << 20}},
		os.Chown(f.home(row), 1000, 100)
}

func (f *fleet) home(row spawner.Row) string {
	dir := filepath.Join(f.data, "homes", row.ID)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.t.Error(err)
	}
	return dir
}

// open clicks for the n-th student and waits until the workspace runs.
func (f *fleet) open(n int) spawner.Row {
	f.t.Helper()
	row, err := f.Open(f.t.Context(), rowstest.Numbered(n, theLab.image))
	must(f.t, err)
	return f.await(row.ID, spawner.Running, spawner.None)
}

func (f *fleet) row(id string) spawner.Row {
	f.t.Helper()
	row, err := f.rows.Workspace(f.t.Context(), id)
	must(f.t, err)
	return row
}

func (f *fleet) await(id string, state spawner.State, why spawner.Reason) spawner.Row {
	f.t.Helper()
	var row spawner.Row
	defer func() {
		if f.t.Failed() {
			f.t.Logf("the row is %+v", row)
		}
	}()
	await(f.t, fmt.Sprintf("%s to be %s %q", id, state, why), func() bool {
		row = f.row(id)
		return row.State == state && row.Reason == why
	})
	return row
}

// on is the machine that a workspace runs on.
func (f *fleet) on(row spawner.Row) *machine {
	f.t.Helper()
	host, _, _ := net.SplitHostPort(row.Addr)
	for _, m := range f.machines {
		if m.addr() == host {
			return m
		}
	}
	f.t.Fatalf("workspace %s is at %q, on no machine", row.ID, row.Addr)
	return nil
}

// write has the program in a workspace write a file in its home.
func (f *fleet) write(row spawner.Row, name, text string) {
	f.t.Helper()
	code, out, err := enginetest.Call(f.t.Context(), http.MethodPost, row.Addr, row.Token, "/stub/write?text="+text+"&path="+container.HomeDir+"/"+name)
	if err != nil || code != http.StatusOK {
		f.t.Fatalf("write in %s: %d %s %v", row.ID, code, out, err)
	}
}

func (f *fleet) holds(row spawner.Row, name, want string) {
	f.t.Helper()
	if text, err := os.ReadFile(filepath.Join(f.home(row), name)); err != nil || string(text) != want {
		f.t.Errorf("%s of %s = %q, %v; want %q", name, row.ID, text, err, want)
	}
}

// bootedAt is when the very program in a workspace began.
func (f *fleet) bootedAt(row spawner.Row) string {
	f.t.Helper()
	code, text, err := enginetest.Call(f.t.Context(), http.MethodGet, row.Addr, row.Token, "/api/status")
	var status struct{ Started string }
	if err != nil || code != http.StatusOK || json.Unmarshal([]byte(text), &status) != nil {
		f.t.Fatalf("%s at %s answers %d %s %v", row.ID, row.Addr, code, text, err)
	}
	return status.Started
}

// node is the manager's view of a machine.
func (f *fleet) node(m *machine) node {
	f.t.Helper()
	for _, n := range ask[[]node](f.machines[0], http.MethodGet, "/nodes", nil) {
		if n.Description.Hostname == fmt.Sprintf("machine%d", m.n) {
			return n
		}
	}
	f.t.Fatalf("machine %d is not in the swarm", m.n)
	return node{}
}

// change is what an operator does with docker node update.
func (f *fleet) change(m *machine, mend func(spec map[string]any)) {
	f.t.Helper()
	n := f.node(m)
	mend(n.Spec)
	ask[any](f.machines[0], http.MethodPost, fmt.Sprintf("/nodes/%s/update?version=%d", n.ID, n.Version.Index), n.Spec)
}

func (f *fleet) label(m *machine, key, value string) {
	f.t.Helper()
	f.change(m, func(spec map[string]any) {
		labels, _ := spec["Labels"].(map[string]any)
		if labels == nil {
			labels = map[string]any{}
		}
		labels[key] = value
		spec["Labels"] = labels
	})
}

// writers are the machines where a program of the workspace runs now, asked one
// by one: of machines that are off, none.
func (f *fleet) writers(row spawner.Row) (list []int) {
	f.t.Helper()
	for _, m := range f.machines {
		if m.holder == nil {
			continue
		}
		filter := fmt.Sprintf(`{"label":["lectern.workspace=%s"]}`, row.ID)
		if got := ask[[]any](m, http.MethodGet, "/containers/json?filters="+url.QueryEscape(filter), nil); len(got) > 0 {
			list = append(list, m.n)
		}
	}
	return list
}

// certificates are made as an operator makes them.
func certificates(t *testing.T, machines ...int) string {
	t.Helper()
	dir := filepath.Join(theLab.dir, "certs-"+strings.ToLower(t.Name()))
	_, _, err := certs.Init(dir, 1)
	must(t, err)
	for _, n := range machines {
		_, err := certs.Server(dir, fmt.Sprintf("machine%d", n), []string{fmt.Sprintf("10.99.0.%d", n)}, 1)
		must(t, err)
	}
	return dir
}

// atMost fails if something took longer than was promised.
func atMost(t *testing.T, what string, took, limit time.Duration) {
	t.Helper()
	t.Logf("%s: %.1f s", what, took.Seconds())
	if took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
}
