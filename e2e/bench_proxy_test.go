package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lectern/spawner/container/enginetest"
)

// BenchmarkProxies puts the same bytes through Lectern, signed in and with every
// check, and through what else could stand there: the standard library's proxy as
// it comes and with as many idle connections as Lectern keeps, nginx,
// configurable-http-proxy, and nothing at all. Each is a process of its own before
// the same program; they take turns, so that a busy machine slows all of them,
// and the medians over the rounds are reported under the name of each.
func BenchmarkProxies(b *testing.B) {
	ways := throughAll(b)
	sizes := []struct {
		name string
		n    int
	}{{"1KiB", 1 << 10}, {"1MiB", 1 << 20}}
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			for b.Loop() {
				compare(b, ways, "req/s", func(w way) pace { return w.ask(b, size.n) })
			}
		})
	}
	b.Run("echo", func(b *testing.B) {
		for b.Loop() {
			compare(b, ways, "msg/s", func(w way) pace { return w.echo(b) })
		}
	})
	b.Run("idle", func(b *testing.B) {
		for b.Loop() {
			for _, w := range ways {
				if len(w.pids) > 0 {
					b.ReportMetric(float64(w.idle(b, idleSockets))/(1<<20), w.name+"-MB")
				}
			}
		}
	})
}

const (
	loadRounds  = 7
	loadTime    = 700 * time.Millisecond
	httpClients = 16
	echoClients = 64
	idleSockets = 3000
)

// pace is what one round found: a rate a second and how long single answers took.
type pace struct {
	rate     float64
	p50, p99 time.Duration
}

func compare(b *testing.B, ways []way, unit string, round func(way) pace) {
	all := map[string][]pace{}
	for range loadRounds {
		for _, w := range ways {
			all[w.name] = append(all[w.name], round(w))
		}
	}
	for _, w := range ways {
		rates, p50s, p99s := []float64{}, []time.Duration{}, []time.Duration{}
		for _, l := range all[w.name] {
			rates, p50s, p99s = append(rates, l.rate), append(p50s, l.p50), append(p99s, l.p99)
		}
		slices.Sort(rates)
		b.ReportMetric(rates[len(rates)/2], w.name+"-"+unit)
		b.ReportMetric(ms(median(p50s)), w.name+"-p50-ms")
		b.ReportMetric(ms(median(p99s)), w.name+"-p99-ms")
	}
}

// loadOf makes a pace of single times.
func loadOf(took []time.Duration, over time.Duration) pace {
	slices.Sort(took)
	if len(took) == 0 {
		return pace{}
	}
	return pace{float64(len(took)) / over.Seconds(), took[len(took)/2], took[len(took)*99/100]}
}

// throughAll starts Lectern with a workspace, and its rivals before the same one.
func throughAll(b *testing.B) []way {
	p := launch(b, "LECTERN_SPAWNER=process", "PATH="+stubPath(b))
	c := p.class(3)
	who := p.as("student1")
	lab, err := who.enter()
	must(b, err)
	rows, err := c.ActiveWorkspaces(b.Context())
	must(b, err)
	if len(rows) != 1 {
		b.Fatalf("%d workspaces, want one", len(rows))
	}
	cookie := ""
	for _, ck := range who.Jar.Cookies(lab) {
		cookie = ck.String()
	}
	if got := who.mustGet(origin(lab) + "/stub/bytes?n=10"); len(got.body) != 10 {
		b.Fatalf("the workspace answers %d %.300s", got.status, got.body)
	}
	base := way{host: lab.Host, origin: origin(lab), cookie: cookie, token: rows[0].Token}
	direct, lectern := base, base
	direct.name, direct.addr = "direct", rows[0].Addr
	lectern.name, lectern.addr, lectern.pids = "lectern", fmt.Sprintf("127.0.0.1:%d", p.port), []int{p.cmd.Process.Pid}
	return append([]way{lectern, direct}, rivals(b, base, rows[0].Addr)...)
}

// stubPath is a PATH on which the stub is jupyter-lab.
func stubPath(b *testing.B) string {
	b.Helper()
	return pathOf(enginetest.Stub(b))
}
