package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

// shown is a receipt that a student has seen.
type shown struct {
	login, url, page string
	answer           string // what the student had written when it was asked for
}

func TestReceiptsHoldWhenPostgresIsKilledDuringSubmits(t *testing.T) {
	t.Parallel()
	const students = 6
	p := launch(t)
	c := p.class(students)
	var mu sync.Mutex
	var receipts []shown
	var asked, refused atomic.Int64
	stop := make(chan struct{})
	var storm sync.WaitGroup
	for n := 1; n <= students; n++ {
		who := p.as(fmt.Sprintf("student%d", n))
		c.fetch(who.login)
		storm.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-stop:
					return
				default:
				}
				answer := fmt.Sprintf("answer %d of %s", round, who.login)
				c.write(who.login, "answer.txt", answer)
				asked.Add(1)
				got, tries, err := who.submit(uuid.New(), 30*time.Second)
				refused.Add(int64(tries - 1))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				receipts = append(receipts, shown{who.login, got.at.Path, got.body, answer})
				mu.Unlock()
			}
		})
	}
	seen := func() int { mu.Lock(); defer mu.Unlock(); return len(receipts) }
	for what, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped at once": syscall.SIGQUIT} {
		before := seen()
		await(t, "the storm to be in full swing", func() bool { return seen() >= before+2*students })
		pid := p.postmaster()
		must(t, syscall.Kill(pid, signal))
		await(t, "the server to be another", func() bool { return p.postmaster() != pid }) // it may answer a last time
		t.Logf("Postgres %s with %d receipts shown: healthy again after %v", what, seen(), p.healthy(10*time.Second).Round(time.Millisecond))
	}
	before := seen()
	await(t, "the storm to go on", func() bool { return seen() >= before+2*students })
	close(stop)
	storm.Wait()

	if got := c.check(); int64(got) != asked.Load() || len(receipts) != got {
		t.Errorf("%d forms were sent until their receipt was shown, %d receipts were, %d submissions are recorded; want all the same", asked.Load(), len(receipts), got)
	}
	if refused.Load() == 0 {
		t.Error("no request met the database's end; the storm was none")
	}
	t.Logf("%d submissions, %d requests refused meanwhile", len(receipts), refused.Load())
	for _, r := range receipts {
		found := false
		for _, sub := range c.of(r.login) {
			if strings.HasSuffix(r.url, fmt.Sprintf("/%d", sub.ID)) {
				found = strings.Contains(r.page, sub.Digest)
			}
		}
		if !found {
			t.Errorf("receipt %s shown to %s is not recorded, or with another digest", r.url, r.login)
		}
	}
	// What the receipt gives back is what was handed in.
	for _, r := range receipts[len(receipts)-students:] {
		zip := p.as(r.login).mustGet(r.url + "/files.zip")
		if got := unzip(t, []byte(zip.body))["first-steps/answer.txt"]; got != r.answer {
			t.Errorf("%s holds %q, the student had written %q", r.url, got, r.answer)
		}
	}
}

// submit sends one form until its receipt is shown, as a patient person would
// press the button again, and counts the tries.
func (c *client) submit(key uuid.UUID, patience time.Duration) (reply, int, error) {
	to, last := "", ""
	for began, tries := time.Now(), 1; ; tries++ {
		var got reply
		var err error
		if to == "" {
			if got, err = c.post(firstSteps+"/submit", url.Values{"key": {key.String()}}); err == nil && got.status == http.StatusSeeOther {
				if !strings.Contains(got.location, "/receipts/") {
					return got, tries, fmt.Errorf("submit of %s leads to %s", c.login, got.location)
				}
				to = got.location
			}
		}
		if to != "" {
			if got, err = c.get(to); err == nil && got.status == http.StatusOK {
				return got, tries, nil
			}
		}
		last = fmt.Sprintf("%d %.200s %v", got.status, got.body, err)
		if err == nil && (got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "<html")) {
			return got, tries, fmt.Errorf("%s of %s while the database was away: %d, want 503 with a page and Retry-After: %.2000s", got.at.Path, c.login, got.status, got.body)
		}
		if time.Since(began) > patience {
			return got, tries, fmt.Errorf("no receipt for %s in %v and %d tries; at last: %s", c.login, patience, tries, last)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestFiftyTimesTheSameSubmitIsOneSubmission(t *testing.T) {
	t.Parallel()
	p := launch(t)
	c := p.class(3)
	who := p.as("student1")
	c.fetch(who.login)
	key := url.Values{"key": {uuid.NewString()}}
	var mu sync.Mutex
	places := map[string]int{}
	var all sync.WaitGroup
	begin := make(chan struct{})
	for range 50 {
		all.Go(func() {
			<-begin
			got, err := who.post(firstSteps+"/submit", key)
			if err != nil || got.status != http.StatusSeeOther {
				t.Errorf("submit: %d %v", got.status, err)
			}
			mu.Lock()
			places[got.location]++
			mu.Unlock()
		})
	}
	close(begin)
	all.Wait()
	if len(places) != 1 || c.check() != 1 {
		t.Errorf("50 times the same form leads to %v and %d submissions; want one of each", places, len(c.of(who.login)))
	}
}
