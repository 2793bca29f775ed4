package e2e_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

const notebook = "lectern/notebook:latest"

// BenchmarkOpen is the time from the click on Open to Jupyter's answer to
// /api/status, all of it over HTTP through the real program, beside two floors in
// the same run: the engine's create and start of the same image and the server's
// boot, and the same with the very container Lectern makes. The nearer one counts.
// They take turns, so that a busy machine slows all of them. The same click is
// then timed into the workspace that runs, by a second assignment of the same
// image that is opened for the first time, and into one that was started ahead.
func BenchmarkOpen(b *testing.B) {
	p := launch(b)
	c := p.class(3)
	seconds := c.more(b, 40)
	who := p.as("student1")
	engine, err := container.NewDocker(container.DockerOptions{Network: "lectern-e2e",
		Data: container.Paths{Inside: p.data, Host: p.data}, Secrets: filepath.Join(p.data, "secrets")})
	must(b, err)
	defer engine.Close()
	for b.Loop() {
		var bare, same, cold, warm, second, ahead, opens, doors, answers []time.Duration
		for range 5 {
			bare = append(bare, bareStart(b))
			same = append(same, sameStart(b, p, engine))
			began := time.Now()
			who.status(b)
			cold = append(cold, time.Since(began))
			began = time.Now()
			who.status(b)
			warm = append(warm, time.Since(began))
			began = time.Now()
			who.statusOf(b, seconds())
			second = append(second, time.Since(began))
			c.leave(b, []*client{who})

			who.prestart(b, c)
			o, d, a := who.statusOf(b, firstSteps)
			ahead = append(ahead, o+d+a)
			opens, doors, answers = append(opens, o), append(doors, d), append(answers, a)
			c.leave(b, []*client{who})
		}
		floor := min(median(bare), median(same))
		b.Logf("medians of %d: create, start and boot %v, of Lectern's own container %v; Open cold %v, running %v, second assignment %v, started ahead %v: click %v, door %v, Jupyter %v",
			len(cold), median(bare), median(same), median(cold), median(warm), median(second), median(ahead), median(opens), median(doors), median(answers))
		b.ReportMetric(ms(median(cold)), "cold-ms")
		b.ReportMetric(ms(floor), "floor-ms")
		b.ReportMetric(ms(median(warm)), "running-ms")
		b.ReportMetric(ms(median(second)), "second-ms")
		b.ReportMetric(ms(median(ahead)), "ahead-ms")
	}
}

// status opens the assignment and asks Jupyter for a sign of life.
func (c *client) status(b *testing.B) {
	b.Helper()
	lab, err := c.enter()
	must(b, err)
	if got := c.mustGet(origin(lab) + "/api/status"); got.status != http.StatusOK {
		b.Fatalf("/api/status: %d %.300s", got.status, got.body)
	}
}

// statusOf does so by an assignment whose workspace runs, and says how long each
// step took: the click's answer, the way through the door of the workspace's host,
// and Jupyter's answer.
func (c *client) statusOf(b *testing.B, assignment string) (open, door, answer time.Duration) {
	b.Helper()
	began := time.Now()
	got := c.mustPost(assignment+"/open", nil)
	open = time.Since(began)
	for range 5 {
		if got.status/100 != 3 || strings.Contains(got.location, "/lab/tree/") && !strings.Contains(got.location, "?") {
			break
		}
		to, err := got.at.Parse(got.location)
		must(b, err)
		got = c.mustGet(to.String())
	}
	door = time.Since(began) - open
	to, err := got.at.Parse(got.location)
	must(b, err)
	if got := c.mustGet(origin(to) + "/api/status"); got.status != http.StatusOK {
		b.Fatalf("/api/status: %d %.300s", got.status, got.body)
	}
	return open, door, time.Since(began) - open - door
}

// bareStart is what the engine alone takes until Jupyter answers.
func bareStart(b *testing.B) time.Duration {
	b.Helper()
	began := time.Now()
	var made struct{ ID string }
	must(b, enginetest.Docker(b.Context(), http.MethodPost, "/containers/create", map[string]any{
		"Image": notebook, "Env": []string{"JUPYTER_TOKEN=bench"},
		"Cmd": []string{"jupyter-lab", "--no-browser", "--ServerApp.ip=0.0.0.0", "--ServerApp.port=8888"},
	}, &made))
	defer func() {
		must(b, enginetest.Docker(context.Background(), http.MethodDelete, "/containers/"+made.ID+"?force=true", nil, nil))
	}()
	must(b, enginetest.Docker(b.Context(), http.MethodPost, "/containers/"+made.ID+"/start", nil, nil))
	var c struct{ NetworkSettings struct{ IPAddress string } }
	must(b, enginetest.Docker(b.Context(), http.MethodGet, "/containers/"+made.ID+"/json", nil, &c))
	return untilUp(b, began, c.NetworkSettings.IPAddress+":8888")
}

// sameStart is the same with Lectern's own container, without Lectern.
func sameStart(b *testing.B, p *program, engine container.Engine) time.Duration {
	return ownStart(b, p, engine, "bench")
}

func ownStart(b *testing.B, p *program, engine container.Engine, name string) time.Duration {
	b.Helper()
	home := filepath.Join(p.data, "homes", name)
	must(b, os.MkdirAll(home, 0o755))
	must(b, os.Chown(home, 1000, 100))
	spec := container.Workspace(container.Place{Name: "lectern-" + name, Image: notebook, Home: home, Token: "bench",
		Labels: map[string]string{"lectern.bench": "e2e"}})
	defer func() { must(b, engine.Remove(context.Background(), spec.Name)) }()
	began := time.Now()
	got, err := engine.Start(b.Context(), spec)
	must(b, err)
	return untilUp(b, began, got.Addr)
}

func untilUp(b *testing.B, began time.Time, addr string) time.Duration {
	b.Helper()
	for jupyter := spawner.NewREST(); !jupyter.Up(b.Context(), spawner.Target{Addr: addr, Token: "bench"}); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			b.Fatal("Jupyter did not come up in a minute")
		}
	}
	return time.Since(began)
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2].Round(10 * time.Microsecond)
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
