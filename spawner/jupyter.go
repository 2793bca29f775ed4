package spawner

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"time"
)

// Target is where a workspace is dialled and what its Jupyter wants to hear in
// "Authorization: token …".
type Target struct{ Addr, Token string }

// Activity is what Jupyter says of itself.
type Activity struct {
	Busy   bool      // a kernel runs a cell or is starting
	LastAt time.Time // last message of a kernel or terminal; zero if none lives

	Kernels int // that live
}

// Jupyter asks a workspace's server. The server is the student's: its answers
// are bounded in size and time, and decide nothing but its own fate.
type Jupyter interface {
	// Up reports whether the server answers with this token.
	Up(ctx context.Context, t Target) bool
	// Activity asks what it is doing.
	Activity(ctx context.Context, t Target) (Activity, error)
	// EndKernels ends those kernels that are idle and have said nothing since,
	// and says how many.
	EndKernels(ctx context.Context, t Target, since time.Time) (int, error)
}

// REST asks over HTTP.
type REST struct{ client *http.Client }

// NewREST never follows a redirect, which a hostile server could point at
// Lectern's own network, and keeps no connections to servers it rarely asks.
func NewREST() *REST {
	return &REST{&http.Client{
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: time.Second}).DialContext,
			ResponseHeaderTimeout: 5 * time.Second, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Up implements [Jupyter] with /api/status: it answers 200 only when all of the
// server is loaded and the token is right.
func (r *REST) Up(ctx context.Context, t Target) bool {
	ctx, done := context.WithTimeout(ctx, 5*time.Second)
	defer done()
	var status struct {
		Started time.Time `json:"started"`
	}
	return r.ask(ctx, http.MethodGet, t, "/api/status", &status) == nil && !status.Started.IsZero()
}

// Activity implements [Jupyter]. It does not use the server's own
// last_activity: that counts every request of an open page, so a forgotten tab
// would keep a workspace for ever. What a person does comes from the proxy.
func (r *REST) Activity(ctx context.Context, t Target) (Activity, error) {
	ctx, done := context.WithTimeout(ctx, 5*time.Second)
	defer done()
	var kernels, terminals []struct {
		State        string    `json:"execution_state"`
		LastActivity time.Time `json:"last_activity"`
	}
	if err := r.ask(ctx, http.MethodGet, t, "/api/kernels", &kernels); err != nil {
		return Activity{}, err
	}
	// A server may have no terminals; then there are none to count.
	_ = r.ask(ctx, http.MethodGet, t, "/api/terminals", &terminals)
	var a Activity
	a.Kernels = len(kernels)
	for _, k := range kernels {
		a.Busy = a.Busy || k.State == "busy" || k.State == "starting"
		a.LastAt = later(a.LastAt, k.LastActivity)
	}
	for _, k := range terminals {
		a.LastAt = later(a.LastAt, k.LastActivity)
	}
	return a, nil
}

// maxEnds bounds how many kernels one look ends: the list is the student's.
const maxEnds = 50

// EndKernels implements [Jupyter]. Each kernel is asked about again just before,
// so that one whose cell was started meanwhile goes on.
func (r *REST) EndKernels(ctx context.Context, t Target, since time.Time) (ended int, err error) {
	ctx, done := context.WithTimeout(ctx, 30*time.Second)
	defer done()
	type kernel struct {
		ID           string    `json:"id"`
		State        string    `json:"execution_state"`
		LastActivity time.Time `json:"last_activity"`
	}
	var kernels []kernel
	if err := r.ask(ctx, http.MethodGet, t, "/api/kernels", &kernels); err != nil {
		return 0, err
	}
	for _, k := range kernels[:min(len(kernels), maxEnds)] {
		if !kernelID.MatchString(k.ID) {
			continue
		}
		now, path := kernel{}, "/api/kernels/"+k.ID
		if err := r.ask(ctx, http.MethodGet, t, path, &now); err != nil || now.State != "idle" || now.LastActivity.After(since) {
			continue
		}
		if err := r.ask(ctx, http.MethodDelete, t, path, nil); err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

var kernelID = regexp.MustCompile(`^[0-9a-fA-F-]{36}$`)

// ask sends one request; out is filled from the answer, nil expects none.
func (r *REST) ask(ctx context.Context, method string, t Target, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+t.Addr+path+"?no_track_activity=1", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "token "+t.Token)
	resp, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("spawner: ask Jupyter: %w", err)
	}
	defer resp.Body.Close()
	if out == nil && resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("spawner: ask Jupyter %s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(out); err != nil {
		return fmt.Errorf("spawner: ask Jupyter %s: %w", path, err)
	}
	return nil
}
