package spawner_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
	"lectern/spawner/rowstest"
)

// BenchmarkOpen puts the time from Open to Jupyter's first answer beside two
// floors in the same run, asked every 5 ms: the engine's bare create and start of
// the same image plus the server's boot, as `docker run` would, and the same
// with the very container that Lectern makes, which boots on tmpfs. The nearer
// floor counts. They take turns, so that a busy machine slows all of them.
func BenchmarkOpen(b *testing.B) {
	s := openSite(b, dataDir(b), container.Limits{})
	defer s.clear()
	defer s.stop()
	const rounds = 5
	for b.Loop() {
		var engine, bare, same, cold, warm []time.Duration
		for n := range rounds {
			e, f := bareStart(b)
			engine, bare = append(engine, e), append(bare, f)
			same = append(same, s.sameStart(b))

			began := time.Now()
			row := s.reach(b, n+1)
			cold = append(cold, time.Since(began))
			began = time.Now()
			s.reach(b, n+1)
			warm = append(warm, time.Since(began))
			must(b, s.Close(b.Context(), row.ID, spawner.ByStaff))
			s.await(row.ID, spawner.Stopped)
		}
		f, c := min(median(bare), median(same)), median(cold)
		b.Logf("median of %d: bare floor %v (engine %v + boot %v), same container %v; Open cold %v = %.2f × the nearer floor; Open running %v",
			rounds, ms(median(bare)), ms(median(engine)), ms(median(bare)-median(engine)), ms(median(same)),
			ms(c), float64(c)/float64(f), median(warm).Round(100*time.Microsecond))
		b.ReportMetric(float64(c)/float64(f), "cold/floor")
		b.ReportMetric(f.Seconds()*1000, "floor-ms")
		b.ReportMetric(c.Seconds()*1000, "cold-ms")
		b.ReportMetric(median(warm).Seconds()*1000, "running-ms")
	}
}

// sameStart is the floor with Lectern's own container but without its state,
// queue and database.
func (s *site) sameStart(b *testing.B) time.Duration {
	home := filepath.Join(s.data, "homes", "bench")
	must(b, os.MkdirAll(home, 0o755))
	must(b, os.Chown(home, 1000, 100))
	spec := container.Workspace(container.Place{Name: "lectern-bench", Image: notebook, Home: home, Token: "bench",
		Labels: map[string]string{"lectern.bench": s.realm}})
	defer func() { must(b, s.engine.Remove(context.Background(), spec.Name)) }()
	began := time.Now()
	got, err := s.engine.Start(b.Context(), spec)
	must(b, err)
	return untilUp(b, began, spawner.Target{Addr: got.Addr, Token: "bench"})
}

// untilUp is the time from began until Jupyter answers.
func untilUp(b *testing.B, began time.Time, target spawner.Target) time.Duration {
	for jupyter := spawner.NewREST(); !jupyter.Up(b.Context(), target); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			b.Fatal("Jupyter did not come up in a minute")
		}
	}
	return time.Since(began)
}

// reach opens a workspace as the launch page does and calls its Jupyter.
func (s *site) reach(b *testing.B, n int) spawner.Row {
	row, err := s.Open(b.Context(), rowstest.Numbered(n, notebook))
	must(b, err)
	for p := range s.Watch(b.Context(), row.ID) {
		if p.State.Resting() {
			b.Fatalf("it did not start: %+v", p)
		}
	}
	target, err := s.Target(b.Context(), row.ID)
	must(b, err)
	if !spawner.NewREST().Up(b.Context(), target) {
		b.Fatal("Jupyter does not answer")
	}
	return row
}

// bareStart is the floor: how long the engine took, and how long until Jupyter
// answered.
func bareStart(b *testing.B) (engine, all time.Duration) {
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
	engine = time.Since(began)
	var c struct{ NetworkSettings struct{ IPAddress string } }
	must(b, enginetest.Docker(b.Context(), http.MethodGet, "/containers/"+made.ID+"/json", nil, &c))
	return engine, untilUp(b, began, spawner.Target{Addr: c.NetworkSettings.IPAddress + ":8888", Token: "bench"})
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// BenchmarkTarget is what each request of the proxy pays.
func BenchmarkTarget(b *testing.B) {
	rows := rowstest.Open(b, filepath.Join(b.TempDir(), "rows"))
	row, err := rows.AddWorkspace(b.Context(), spawner.Row{ID: "aaaaaaaaaaaaaaaa", State: spawner.Running, Addr: "10.0.0.2:8888", Token: "t"})
	must(b, err)
	s := spawner.New(spawner.Config{Rows: rows, Engine: enginetest.NewFake(0)})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Target(b.Context(), row.ID); err != nil {
				b.Error(err)
			}
			s.Touch(row.ID, time.Time{})
		}
	})
}
