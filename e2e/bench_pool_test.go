package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"lectern/spawner/container/enginetest"
)

// BenchmarkOpenPool is BenchmarkOpen's cold click where booted containers wait,
// in turns with the bare floor; and the same click of four at once.
func BenchmarkOpenPool(b *testing.B) {
	const crowd = 4
	p := launch(b, "LECTERN_POOL=4")
	c := p.class(crowd)
	var all []*client
	for n := range crowd {
		all = append(all, p.as(fmt.Sprintf("student%d", n+1)))
	}
	for b.Loop() {
		var bare, pool, together []time.Duration
		for range 7 {
			bare = append(bare, bareStart(b))
			p.poolFilled(b, crowd)
			began := time.Now()
			all[0].status(b)
			pool = append(pool, time.Since(began))
			if n := p.pooled(b, "running"); n != 1 {
				b.Fatalf("%d workspaces are in containers that waited, want this one", n)
			}
			c.leave(b, all[:1])
		}
		for range 3 {
			p.poolFilled(b, crowd)
			took := make(chan time.Duration, crowd)
			for _, who := range all {
				go func() {
					began := time.Now()
					who.status(b)
					took <- time.Since(began)
				}()
			}
			for range all {
				together = append(together, <-took)
			}
			c.leave(b, all)
		}
		b.Logf("medians of %d: create, start and boot %v, Open from the pool %v, four at once %v", len(pool), median(bare), median(pool), median(together))
		b.Logf("each: %v", pool)
		b.ReportMetric(ms(median(bare)), "floor-ms")
		b.ReportMetric(ms(median(pool)), "pool-ms")
		b.ReportMetric(ms(median(together)), "four-ms")
	}
}

// poolFilled waits until so many containers wait.
func (p *program) poolFilled(b *testing.B, n int) {
	b.Helper()
	await(b, "containers that wait", func() bool { return p.pooled(b, "paused") == n })
	time.Sleep(time.Second) // and the pool knows
}

// pooled counts the containers that the program's pool made and that are in this
// state.
func (p *program) pooled(b *testing.B, state string) (n int) {
	b.Helper()
	var list []struct{ Mounts []struct{ Source string } }
	must(b, enginetest.Docker(b.Context(), http.MethodGet, "/containers/json?filters="+
		url.QueryEscape(fmt.Sprintf(`{"label":["lectern.pool"],"status":[%q]}`, state)), nil, &list))
	for _, c := range list {
		if len(c.Mounts) > 0 && strings.HasPrefix(c.Mounts[0].Source, p.data+"/") {
			n++
		}
	}
	return n
}
