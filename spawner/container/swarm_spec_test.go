package container

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/swarm"
)

// As for the body of a container: a change of the golden file is a change of the
// security of every workspace on a swarm.
func TestServiceOfAWorkspace(t *testing.T) {
	t.Parallel()
	s := Workspace(Place{
		Name: "lectern-abc", Image: "sha256:0123", Home: "/data/homes/c/alpha", Token: "secret",
		Labels: map[string]string{"lectern.workspace": "abc"},
		Mounts: []Mount{{From: "/data/courses/c/release", To: "/course/release"}},
	})
	secrets := []*swarm.SecretReference{{SecretID: "id1", SecretName: "lectern-x-0",
		File: &swarm.SecretReferenceFileTarget{Name: "jupyter-token", UID: "1000", GID: "100", Mode: 0o400}}}
	got, err := json.MarshalIndent(service(s, "", "node1", mountsOf(s), secrets), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const golden = "testdata/workspace-service.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the service differs from %s:\n%s", golden, got)
	}
	if bytes.Contains(got, []byte("secret\"")) {
		t.Errorf("the service holds the token:\n%s", got)
	}
}

// What a spec leaves out must come out bounded and closed, never open.
func TestServiceOfAnEmptySpec(t *testing.T) {
	t.Parallel()
	spec := service(Spec{}, "", "node1", nil, nil)
	task := spec.TaskTemplate
	if c := task.ContainerSpec; !c.ReadOnly || len(c.CapabilityAdd) != 0 || c.CapabilityDrop[0] != "ALL" || !c.Privileges.NoNewPrivileges {
		t.Errorf("an empty spec opens something: %+v", c)
	}
	if l := task.Resources.Limits; l.MemoryBytes != DefaultLimits.Memory || l.Pids != 256 || l.NanoCPUs != 1e9 {
		t.Errorf("an empty spec is unbounded: %+v", l)
	}
	if len(spec.EndpointSpec.Ports) != 0 || task.RestartPolicy.Condition != "none" || task.Placement.Constraints[0] != "node.id==node1" {
		t.Errorf("an empty spec is published, restarted or free to move: %+v", spec)
	}
}

// On an overlay nothing is published on the machine's address.
func TestServiceOnAnOverlay(t *testing.T) {
	t.Parallel()
	spec := service(Workspace(Place{}), "net", "node1", nil, nil)
	if len(spec.EndpointSpec.Ports) != 0 || len(spec.TaskTemplate.Networks) != 1 || spec.TaskTemplate.Networks[0].Target != "net" {
		t.Errorf("on an overlay: %+v", spec)
	}
}

func TestPinned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ref     string
		digests []string
		want    string
	}{
		{"lectern/notebook:latest", nil, "sha256:id"},
		{"lectern/notebook:latest", []string{"other/notebook@sha256:1", "lectern/notebook@sha256:2"}, "lectern/notebook@sha256:2"},
		{"host:5000/notebook", []string{"host:5000/notebook@sha256:3"}, "host:5000/notebook@sha256:3"},
		{"lectern/notebook:latest", []string{"lectern/notebook-old@sha256:1"}, "sha256:id"},
	} {
		if got := pinned(c.ref, image.InspectResponse{ID: "sha256:id", RepoDigests: c.digests}); got != c.want {
			t.Errorf("pinned(%s, %v) = %s, want %s", c.ref, c.digests, got, c.want)
		}
	}
}

func TestVolume(t *testing.T) {
	t.Parallel()
	v := &VolumeOptions{Driver: "local", Options: map[string]string{"type": "nfs", "o": "addr=10.0.0.5", "device": ":/srv/{path}"}}
	a, b := v.volume("homes/c/alpha", "/home/student", true), v.volume("homes/c/beta", "/home/student", true)
	if got := a.VolumeOptions.DriverConfig.Options["device"]; got != ":/srv/homes/c/alpha" {
		t.Errorf("device = %s", got)
	}
	if a.Source == b.Source || a.Source != v.volume("homes/c/alpha", "/x", false).Source || strings.Contains(a.Source, "alpha") {
		t.Errorf("names %s and %s: want one for each directory, the same each time", a.Source, b.Source)
	}
}

// Whatever is not known to have ended keeps a second writer away.
func TestWhatMayRun(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := &Swarm{machines: newMachines(gossipPort, time.Minute)}
	w.machines.now = func() time.Time { return now }
	w.machines.since = now.Add(-time.Hour)
	hear := func(id string, ago time.Duration) {
		w.machines.known[id] = &machine{addr: "10.0.0.1", heardAt: now.Add(-ago)}
	}
	hear("fine", time.Second)
	hear("silent", 10*time.Second)
	hear("off", 2*time.Minute)
	hear("early", 30*time.Second)
	hear("alive", time.Second)
	hear("left", 2*time.Minute)
	marked := func(id string) swarm.Node {
		return swarm.Node{ID: id, Spec: swarm.NodeSpec{Annotations: swarm.Annotations{Labels: map[string]string{OffLabel: "yes"}}}}
	}
	v := view{nodes: map[string]swarm.Node{"fine": {ID: "fine"}, "silent": {ID: "silent"}, "off": marked("off"), "early": marked("early"), "alive": marked("alive")}}
	for _, c := range []struct {
		node    string
		state   swarm.TaskState
		desired swarm.TaskState
		may     bool
		contact Contact
	}{
		{"fine", swarm.TaskStateRunning, swarm.TaskStateRunning, true, Reached},
		{"fine", swarm.TaskStateRunning, swarm.TaskStateShutdown, true, Reached},
		{"fine", swarm.TaskStateFailed, swarm.TaskStateRunning, false, Reached},
		{"fine", swarm.TaskStatePreparing, swarm.TaskStateShutdown, true, Reached},
		{"", swarm.TaskStatePending, swarm.TaskStateRunning, true, Reached},
		{"", swarm.TaskStatePending, swarm.TaskStateShutdown, false, Reached},
		{"silent", swarm.TaskStateRunning, swarm.TaskStateShutdown, true, Unreachable},
		{"silent", swarm.TaskStateOrphaned, swarm.TaskStateShutdown, true, Unreachable},
		{"off", swarm.TaskStateRunning, swarm.TaskStateShutdown, false, Lost},
		{"early", swarm.TaskStateRunning, swarm.TaskStateShutdown, true, Unreachable}, // the lease has not run out
		{"alive", swarm.TaskStateRunning, swarm.TaskStateRunning, true, Reached},      // it answers, whatever the operator says
		{"left", swarm.TaskStateOrphaned, swarm.TaskStateRemove, false, Lost},
	} {
		task := swarm.Task{NodeID: c.node, Status: swarm.TaskStatus{State: c.state}, DesiredState: c.desired}
		if may, contact := w.mayRun(v, task), w.contact(v, task); may != c.may || contact != c.contact {
			t.Errorf("%s on %q, wanted %s: may run %v, contact %q; want %v, %q", c.state, c.node, c.desired, may, contact, c.may, c.contact)
		}
	}
}

// A machine that was removed from the swarm takes its tasks with it, and swarm
// makes new ones that can start nowhere: none of that ends a program.
func TestARemovedMachineIsNotAStoppedProgram(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := &Swarm{machines: newMachines(gossipPort, time.Minute)}
	w.machines.now = func() time.Time { return now }
	w.machines.since = now.Add(-time.Hour)
	w.machines.known["gone"] = &machine{addr: "10.0.0.1", heardAt: now.Add(-30 * time.Second)}
	spec := service(Spec{Name: "x", Labels: map[string]string{"a": "b"}}, "", "gone", nil, nil)
	v := view{nodes: map[string]swarm.Node{}, services: map[string]swarm.Service{"x": {ID: "s", Spec: spec}}, tasks: map[string][]swarm.Task{}}
	for _, tasks := range [][]swarm.Task{nil, {{ServiceID: "s", Spec: spec.TaskTemplate, Status: swarm.TaskStatus{State: swarm.TaskStatePending}, DesiredState: swarm.TaskStateRunning}}} {
		v.tasks["x"] = tasks
		w.machines.known["gone"].heardAt = now.Add(-30 * time.Second)
		if s, ok := w.status(v, "x"); !ok || s.Contact != Unreachable || s.Phase != Up || s.Labels["a"] != "b" {
			t.Errorf("within the lease, %d tasks: %+v, %v; want it unreachable", len(tasks), s, ok)
		}
		w.machines.known["gone"].heardAt = now.Add(-2 * time.Minute)
		if s, ok := w.status(v, "x"); !ok || s.Contact != Lost {
			t.Errorf("after the lease, %d tasks: %+v, %v; want it lost", len(tasks), s, ok)
		}
	}
}

// The machine with the most memory that nobody reserved; those promised a moment
// ago count.
func TestPlaceSpreadsByFreeMemory(t *testing.T) {
	t.Parallel()
	w := &Swarm{machines: newMachines(gossipPort, time.Minute), promised: map[string]promise{}, options: SwarmOptions{Label: "lectern.workspaces=yes"}}
	v := view{nodes: map[string]swarm.Node{}, tasks: map[string][]swarm.Task{}, others: map[string]int64{"a": 1 << 30}}
	add := func(id string, memory int64, mend func(*swarm.Node)) {
		n := swarm.Node{ID: id, Status: swarm.NodeStatus{State: swarm.NodeStateReady},
			Description: swarm.NodeDescription{Resources: swarm.Resources{MemoryBytes: memory}},
			Spec: swarm.NodeSpec{Availability: swarm.NodeAvailabilityActive,
				Annotations: swarm.Annotations{Labels: map[string]string{"lectern.workspaces": "yes"}}}}
		w.machines.known[id] = &machine{heardAt: time.Now()}
		if mend != nil {
			mend(&n)
		}
		v.nodes[id] = n
	}
	add("a", 4<<30, nil)
	add("b", 2<<30, nil)
	add("drained", 64<<30, func(n *swarm.Node) { n.Spec.Availability = swarm.NodeAvailabilityDrain })
	add("down", 64<<30, func(n *swarm.Node) { n.Status.State = swarm.NodeStateDown })
	add("unlabelled", 64<<30, func(n *swarm.Node) { n.Spec.Labels = nil })
	add("otherwise", 64<<30, func(n *swarm.Node) { n.Spec.Labels["lectern.workspaces"] = "no" })
	add("off", 64<<30, func(n *swarm.Node) { n.Spec.Labels[OffLabel] = "yes" })
	add("open", 64<<30, nil)
	w.open = map[string]bool{"open": true}
	add("silent", 64<<30, func(n *swarm.Node) { w.machines.known["silent"].heardAt = time.Now().Add(-time.Minute) })

	var got []string
	for i := range 6 {
		node, err := w.place(v, Spec{Name: string(rune('k' + i)), Limits: Limits{Memory: 1 << 30, Reservation: 1 << 30}})
		if err != nil {
			node = "none"
		}
		got = append(got, node)
	}
	if _, err := w.place(view{}, Spec{Name: "z"}); !errors.Is(err, ErrEngineDown) {
		t.Errorf("without any machine: %v, want ErrEngineDown", err)
	}
	if _, err := w.place(v, Spec{Name: "z", Limits: Limits{Memory: 1 << 30, Reservation: 1 << 30}}); !errors.Is(err, ErrNoRoom) {
		t.Errorf("without memory: %v, want ErrNoRoom", err)
	}
	// a has 3 GiB left beside what is not Lectern's, b has 2.
	if want := "a b a b a none"; strings.Join(got, " ") != want {
		t.Errorf("places = %v, want %s", got, want)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	at := time.Now()
	made := Status{Name: "x", Phase: Created}
	up, dead := Status{Name: "x", ID: "1", Phase: Up}, Status{Name: "x", ID: "1", Phase: Exited, ExitCode: 7}
	cut := up
	cut.Contact = Unreachable
	next := Status{Name: "x", ID: "2", Phase: Up}
	none := map[string]Status{}
	one := func(s Status) map[string]Status { return map[string]Status{"x": s} }
	for name, c := range map[string]struct {
		before, now map[string]Status
		want        []Kind
	}{
		"the first look":      {nil, one(up), nil},
		"made":                {none, one(made), nil},
		"its task appears":    {one(made), one(up), []Kind{Started}},
		"started":             {none, one(up), []Kind{Started}},
		"goes on":             {one(up), one(up), nil},
		"died":                {one(up), one(dead), []Kind{Died}},
		"lived between looks": {none, one(dead), []Kind{Started, Died}},
		"removed dead":        {one(dead), none, []Kind{Removed}},
		"removed alive":       {one(up), none, []Kind{Died, Removed}},
		"out of reach":        {one(up), one(cut), []Kind{Sighted}},
		"back":                {one(cut), one(up), []Kind{Sighted}},
		"replaced":            {one(up), one(next), []Kind{Died, Removed, Started}},
	} {
		var got []Kind
		for _, e := range changes(c.before, c.now, at) {
			got = append(got, e.Kind)
			if e.Kind == Died && c.now["x"].Phase == Exited && e.ExitCode != 7 {
				t.Errorf("%s: death with code %d", name, e.ExitCode)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
	}
}
