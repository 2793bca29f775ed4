package deploy_test

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// docker is the output of one command of the engine's client, trimmed.
func (s *stack) docker(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		s.t.Errorf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// of is the container of a service.
func (s *stack) of(service string) string {
	s.t.Helper()
	return strings.TrimSpace(s.compose("ps", "-q", service))
}

// built is what a container may do, as far as it matters here.
type built struct {
	HostConfig struct {
		Binds          []string
		CapAdd         []string
		CapDrop        []string
		Privileged     bool
		ReadonlyRootfs bool
		NetworkMode    string
		PortBindings   map[string]any
		SecurityOpt    []string
		PidMode        string
		IpcMode        string
	}
	Mounts []struct {
		Source, Destination string
		RW                  bool
	}
}

func (s *stack) inspect(service string) (b built) {
	s.t.Helper()
	var all []built
	if err := json.Unmarshal([]byte(s.docker("inspect", s.of(service))), &all); err != nil || len(all) != 1 {
		s.t.Fatalf("inspect %s: %v", service, err)
	}
	return all[0]
}

func (s *stack) webHasNoEngine(t *testing.T) {
	web, spawner := s.inspect("lectern"), s.inspect("spawner")
	for _, m := range web.Mounts {
		if strings.Contains(m.Source, "docker.sock") || strings.Contains(m.Source, "containerd") || strings.HasPrefix("/var/run/docker.sock", m.Source) {
			t.Errorf("the web's container has %s at %s", m.Source, m.Destination)
		}
		if m.RW && m.Destination != "/data" {
			t.Errorf("the web's container may write to %s", m.Destination)
		}
	}
	h := web.HostConfig
	slices.Sort(h.CapAdd)
	for i := range h.CapAdd {
		h.CapAdd[i] = strings.TrimPrefix(h.CapAdd[i], "CAP_")
	}
	if h.Privileged || !h.ReadonlyRootfs || !slices.Equal(h.CapDrop, []string{"ALL"}) || !slices.Equal(h.CapAdd, []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}) ||
		!slices.Contains(h.SecurityOpt, "no-new-privileges:true") || h.PidMode != "" {
		t.Errorf("the web's container may %+v", h)
	}
	if g := spawner.HostConfig; g.NetworkMode != "none" || len(g.PortBindings) != 0 || g.Privileged || !g.ReadonlyRootfs || !slices.Equal(g.CapDrop, []string{"ALL"}) {
		t.Errorf("the spawner's container may %+v", g)
	}
	// The program itself is a user of its own, with three capabilities of those.
	status := s.compose("exec", "-T", "lectern", "cat", "/proc/1/status")
	for _, line := range []string{`Uid:\t990\t990\t990\t990`, `Gid:\t990\t990\t990\t990`, `Groups:\t *\n`, `CapEff:\t000000000000000b`, `CapPrm:\t000000000000000b`, `NoNewPrivs:\t1`} {
		if !regexp.MustCompile(`(?m)^` + line).MatchString(status) {
			t.Errorf("the web's program is not %s:\n%s", line, status)
		}
	}
	// All it could open: looked for from inside, on every file system of its own.
	sockets := strings.Fields(s.compose("exec", "-T", "lectern", "find", "/", "-path", "/proc", "-prune", "-o", "-type", "s", "-print"))
	slices.Sort(sockets)
	if want := []string{"/run/lectern/spawner.sock", "/run/postgresql/.s.PGSQL.5432"}; !slices.Equal(sockets, want) {
		t.Errorf("the web's container finds the sockets %q, want %q", sockets, want)
	}
	// It shares the host's network, and with it sockets that have no file.
	abstract := regexp.MustCompile(`(?m)@\S*(docker|containerd|shim)\S*`)
	if found := abstract.FindString(s.compose("exec", "-T", "lectern", "cat", "/proc/net/unix")); found != "" {
		t.Errorf("the web's container may open %s", found)
	}
	if secrets := s.compose("exec", "-T", "lectern", "ls", "-A", "/data/secrets"); secrets != "" {
		t.Errorf("the web's container sees secrets: %s", secrets)
	}
}

func (s *stack) sql(text string) string {
	s.t.Helper()
	return strings.TrimSpace(s.compose("exec", "-T", "postgres", "psql", "-U", "lectern", "-qAtc", text))
}

// workspaceByRow has a row and nothing else: Lectern sees it, and asks the
// spawner process for its container.
func (s *stack) workspaceByRow(t *testing.T) {
	const id = "doortest22222222"
	s.sql(`with u as (insert into users (login) values ('student') returning id),
		c as (insert into courses (slug, title, image) values ('course', 'Course', 'lectern/notebook:latest') returning id),
		m as (insert into members (course_id, user_id, role) select c.id, u.id, 'student' from c, u returning id)
		insert into workspaces (id, course_id, member_id, image, state, generation, token, queued_at)
		select '` + id + `', c.id, m.id, 'lectern/notebook:latest', 'queued', 1, 'a-token-of-no-use-elsewhere', now() from c, m`)
	state := func(want string) {
		t.Helper()
		got := ""
		for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			if got = s.sql("select state || ' ' || reason from workspaces where id = '" + id + "'"); strings.Fields(got)[0] == want {
				return
			}
		}
		t.Fatalf("the workspace is %s, want %s", got, want)
	}
	state("running")
	if owner := s.compose("exec", "-T", "lectern", "stat", "-c", "%u:%g %a", "/data/homes/course/student"); strings.TrimSpace(owner) != "1000:100 700" {
		t.Errorf("the home is %s, want the student's", owner)
	}
	container := s.docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", "lectern-"+id)
	s.compose("restart", "spawner")
	if now := s.docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", "lectern-"+id); now != container {
		t.Errorf("after the spawner's restart the workspace is %s, was %s", now, container)
	}
	s.sql("update workspaces set state = 'stopping', reason = 'by-staff' where id = '" + id + "'")
	state("stopped")
	if left := s.docker("ps", "-aq", "--filter", "name=lectern-"+id); left != "" {
		t.Errorf("the container %s is left", left)
	}
}
