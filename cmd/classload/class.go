package main

import (
	"context"
	"fmt"
	"html"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// class is all its students.
type class struct {
	plan
	rec   *recorder
	began time.Time
	took  time.Duration

	mu       sync.Mutex
	receipts map[string]receipt
}

// maxStart bounds all that is not work: the queue for a workspace above all.
const maxStart = 10 * time.Minute

// run lets the class work until everybody has handed in, or ctx ends.
func (c *class) run(ctx context.Context) {
	c.began, c.receipts = time.Now(), map[string]receipt{}
	// Whatever hangs, it ends: a start may take as long as a queue does.
	ctx, done := context.WithTimeout(ctx, c.arrive+c.work+maxStart)
	defer done()
	var all sync.WaitGroup
	for n := 1; n <= c.students; n++ {
		s := &student{class: c, login: fmt.Sprintf(c.logins, n), messy: c.messyOne(n), web: newBrowser(c.plan),
			rand: rand.New(rand.NewPCG(c.seed, uint64(n)))}
		all.Go(func() {
			defer s.web.close()
			if pause(ctx, c.arrive*time.Duration(n-1)/time.Duration(c.students)) == nil {
				s.day(ctx)
			}
		})
	}
	all.Wait()
	c.took = time.Since(c.began)
}

func (c *class) report() report {
	r := report{Site: c.site.String(), Students: c.students, Seconds: c.took.Seconds(), Submitted: len(c.receipts),
		Receipts: sorted(c.receipts), Failures: []failReport{}}
	for n := 1; n <= c.students; n++ {
		if c.messyOne(n) {
			r.Messy++
		}
	}
	c.rec.fill(&r)
	return r
}

// pause waits, or gives ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// enrol puts the students on the roster as an instructor of the demo does:
// paste, look at the difference, apply it.
func (c *class) enrol(ctx context.Context) error {
	b := newBrowser(c.plan)
	defer b.close()
	if _, err := b.post(ctx, "/sign-in/demo", url.Values{"login": {c.plan.enrol}}); err != nil {
		return err
	}
	text := "login,name\n"
	for n := 1; n <= c.students; n++ {
		text += fmt.Sprintf(c.logins+",Student %d\n", n, n)
	}
	roster := "/courses/" + c.course + "/roster"
	kind, body := upload("pasted", text)
	got, err := b.want(ctx, 2, http.MethodPost, roster+"/import", kind, body)
	if err != nil {
		return err
	}
	digest := field(got.text, "digest")
	if digest == "" {
		return nil // all of them are there already
	}
	kind, body = upload("pasted", text, "digest", digest)
	_, err = b.want(ctx, 3, http.MethodPost, roster+"/apply", kind, body)
	return err
}

// upload is a form that could hold files, of names and values in turn.
func upload(fields ...string) (kind, body string) {
	var b strings.Builder
	form := multipart.NewWriter(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		_ = form.WriteField(fields[i], fields[i+1]) // a Builder takes everything
	}
	_ = form.Close()
	return form.FormDataContentType(), b.String()
}

// field is the value of a form's hidden field, empty without one.
func field(page, name string) string {
	m := regexp.MustCompile(`name="` + regexp.QuoteMeta(name) + `" value="([^"]*)"`).FindStringSubmatch(page)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}
