package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"lectern/course"
	"lectern/spawner/container"
)

// crowd is how many open at once.
const crowd = 20

// BenchmarkOpenCrowd is twenty students who press Open in the same moment, each
// until Jupyter answers: with nothing running, and with all workspaces started
// ahead. Beside it twenty bare starts of Lectern's own container by the
// engine alone, one for each core at a time, counted from when the first began.
func BenchmarkOpenCrowd(b *testing.B) {
	p := launch(b, fmt.Sprintf("LECTERN_PRESTART=%d", crowd))
	c := p.class(crowd)
	engine, err := container.NewDocker(container.DockerOptions{Network: "lectern-e2e",
		Data: container.Paths{Inside: p.data, Host: p.data}, Secrets: filepath.Join(p.data, "secrets")})
	must(b, err)
	defer engine.Close()
	var who []*client
	for n := range crowd {
		who = append(who, p.as(fmt.Sprintf("student%d", n+1)))
		who[n].Timeout = 10 * time.Minute // for the last of twenty, on whatever machine
	}
	for b.Loop() {
		slots := make(chan bool, runtime.NumCPU())
		floor := together(func(n int) {
			slots <- true
			ownStart(b, p, engine, fmt.Sprintf("crowd%d", n))
			<-slots
		})
		cold := together(func(n int) { who[n].status(b) })
		c.leave(b, who)

		c.forgetEnds(b)
		for _, w := range who {
			w.ask204(b)
		}
		for _, w := range who {
			c.ahead(b, w.login) // one after another, so 30 s are enough for each
		}
		ahead := together(func(n int) { who[n].status(b) })
		c.leave(b, who)
		b.Logf("%d at once: alone p50 %v, last %v; cold p50 %v, p95 %v, last %v; started ahead p50 %v, p95 %v, last %v", crowd,
			median(floor), slices.Max(floor), median(cold), part(cold, 95), slices.Max(cold), median(ahead), part(ahead, 95), slices.Max(ahead))
		b.ReportMetric(ms(median(floor)), "floor-ms")
		b.ReportMetric(ms(median(cold)), "cold-ms")
		b.ReportMetric(ms(part(cold, 95)), "cold-p95-ms")
		b.ReportMetric(ms(median(ahead)), "ahead-ms")
		b.ReportMetric(ms(part(ahead, 95)), "ahead-p95-ms")
	}
}

// together has the crowd do something in the same moment, and gives how long
// each took.
func together(do func(n int)) []time.Duration {
	took := make([]time.Duration, crowd)
	var all sync.WaitGroup
	began := time.Now()
	for n := range crowd {
		all.Go(func() {
			do(n)
			took[n] = time.Since(began)
		})
	}
	all.Wait()
	return took
}

// part is the time within which so many percent were done.
func part(d []time.Duration, percent int) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[min(len(d)-1, len(d)*percent/100)]
}

// ask204 asks for the workspace as the page's script does.
func (c *client) ask204(b *testing.B) {
	b.Helper()
	if got := c.mustPost(firstSteps+"/prestart", nil); got.status != http.StatusNoContent {
		b.Fatalf("prestart: %d %.300s", got.status, got.body)
	}
}

// prestart has the workspace made ready and waits until it is.
func (c *client) prestart(b *testing.B, cl *class) {
	b.Helper()
	cl.forgetEnds(b)
	c.ask204(b)
	cl.ahead(b, c.login)
}

// forgetEnds makes what ended have ended long ago, so that it may be started ahead.
func (c *class) forgetEnds(b *testing.B) {
	b.Helper()
	_, err := c.Pool().Exec(b.Context(), `update workspaces set updated_at = updated_at - interval '1 hour' where state = 'stopped'`)
	must(b, err)
}

// more gives the course further assignments with the files of the first, each
// handed out once.
func (c *class) more(b *testing.B, n int) (next func() string) {
	b.Helper()
	from, err := c.files.Layout.Release("demo", "first-steps")
	must(b, err)
	for i := range n {
		a := course.Assignment{CourseID: c.course.ID, Slug: fmt.Sprintf("more-%d", i), Title: "One more"}
		must(b, c.AddAssignment(b.Context(), &a))
		_, err := c.Pool().Exec(b.Context(), `update assignments set released_at = now(), release_version = 1 where id = $1`, a.ID)
		must(b, err)
		to, err := c.files.Layout.Release("demo", a.Slug)
		must(b, err)
		must(b, os.CopyFS(to, os.DirFS(from)))
	}
	i := -1
	return func() string {
		i++
		return fmt.Sprintf("/courses/demo/assignments/more-%d", i)
	}
}

// leave has everybody stop their workspace and waits until all have ended.
func (c *class) leave(b *testing.B, who []*client) {
	b.Helper()
	all, err := c.ActiveWorkspaces(b.Context())
	must(b, err)
	for _, w := range all {
		for _, one := range who {
			if c.members[one.login].ID == w.MemberID {
				one.mustPost("/courses/demo/workspaces/"+w.ID+"/stop", nil)
			}
		}
	}
	for _, w := range all {
		await(b, "a workspace to stop", func() bool {
			now, err := c.Workspace(b.Context(), w.ID)
			return err == nil && now.State == "stopped"
		})
	}
}
