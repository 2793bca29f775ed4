package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
)

// Client is an engine to the spawner's rules and none to anybody else's: of a
// spec it sends the row's id and generation. Every call dials anew, so a spawner
// process that ended and came back is found by the next one.
type Client struct {
	path string
	http *http.Client
}

// NewClient speaks to the spawner process that listens at path. It does not dial.
func NewClient(path string) *Client {
	c := &Client{path: path}
	c.http = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, DisableCompression: true,
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		MaxResponseHeaderBytes: 16 << 10,
	}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", c.path)
}

// send makes one request; the caller closes the answer's body. An answer that is
// no answer of ours is a spawner that is down.
func (c *Client) send(ctx context.Context, op string, in any) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://spawner"+version+"/"+op, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		return nil, down(err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	return nil, refusalOf(res)
}

// refusalOf reads why a request was refused.
func refusalOf(res *http.Response) error {
	var r refusal
	text, err := io.ReadAll(io.LimitReader(res.Body, maxLine))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil || r.Kind == "" {
		return down(fmt.Errorf("it answers %s: is it of another version?", res.Status))
	}
	return r.err()
}

// ask makes one request and reads its whole answer into out, which may be nil.
func (c *Client) ask(ctx context.Context, limit time.Duration, op string, in, out any) error {
	ctx, done := context.WithTimeout(ctx, limit)
	defer done()
	res, err := c.send(ctx, op, in)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err == nil && len(text) > maxAnswer:
		err = errors.New("an answer without end")
	case err == nil && out != nil:
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
		return down(fmt.Errorf("%s: %w", op, err))
	}
	return nil
}

// Ensure implements [container.Engine].
func (c *Client) Ensure(ctx context.Context) error {
	return c.ask(ctx, change, "ensure", nothing{}, nil)
}

// Image implements [container.Engine].
func (c *Client) Image(ctx context.Context, ref string) (container.Image, error) {
	var got container.Image
	return got, c.ask(ctx, quick, "image", imageRequest{ref}, &got)
}

// Start implements [container.Engine] for a spec that spawner.Template made.
// Only the row it was made from is named; what is started is what the spawner
// process makes of that row.
func (c *Client) Start(ctx context.Context, s container.Spec) (container.Running, error) {
	var got container.Running
	id, err := idOf(s.Name)
	if err != nil {
		return got, err
	}
	generation, err := strconv.ParseInt(s.Labels[spawner.LabelGeneration], 10, 64)
	if err != nil {
		return got, fmt.Errorf("spawner process: start %s: %w: no generation", s.Name, ErrRefused)
	}
	return got, c.ask(ctx, change, "start", startRequest{id, generation}, &got)
}

// Stop implements [container.Engine].
func (c *Client) Stop(ctx context.Context, name string, grace time.Duration) error {
	id, err := idOf(name)
	if err != nil {
		return err
	}
	grace = min(grace, maxGrace)
	return c.ask(ctx, grace+quick, "stop", stopRequest{id, grace}, nil)
}

// Remove implements [container.Engine].
func (c *Client) Remove(ctx context.Context, name string) error {
	id, err := idOf(name)
	if err != nil {
		return err
	}
	return c.ask(ctx, change, "remove", workspaceRequest{id}, nil)
}

// List implements [container.Engine]. The spawner process tells of all
// workspaces of its site; which of them are meant is decided here.
func (c *Client) List(ctx context.Context, labels map[string]string) ([]container.Status, error) {
	var all []container.Status
	if err := c.ask(ctx, quick, "list", nothing{}, &all); err != nil {
		return nil, err
	}
	list := make([]container.Status, 0, len(all))
	for _, s := range all {
		if has(s.Labels, labels) {
			list = append(list, s)
		}
	}
	return list, nil
}

// Inspect implements [container.Engine].
func (c *Client) Inspect(ctx context.Context, name string) (container.Status, error) {
	var got container.Status
	id, err := idOf(name)
	if err != nil {
		return got, err
	}
	return got, c.ask(ctx, quick, "inspect", workspaceRequest{id}, &got)
}

// Usage implements [container.Engine].
func (c *Client) Usage(ctx context.Context, name string) (container.Usage, error) {
	var got container.Usage
	id, err := idOf(name)
	if err != nil {
		return got, err
	}
	return got, c.ask(ctx, quick, "usage", workspaceRequest{id}, &got)
}

// Free implements [container.Gauge].
func (c *Client) Free(ctx context.Context) ([]container.Free, error) {
	var got []container.Free
	return got, c.ask(ctx, quick, "free", nothing{}, &got)
}

// Logs implements [container.Engine].
func (c *Client) Logs(ctx context.Context, name string, n int) (string, error) {
	var got logsAnswer
	id, err := idOf(name)
	if err != nil {
		return "", err
	}
	err = c.ask(ctx, quick, "logs", logsRequest{id, n}, &got)
	return got.Text, err
}

// idOf is the row that a container's name names. Other containers do not exist
// on this side of the door.
func idOf(name string) (string, error) {
	id, ok := spawner.WorkspaceID(name)
	if !ok || !workspaceID.MatchString(id) {
		return "", fmt.Errorf("spawner process: %q is no workspace: %w", name, container.ErrNotFound)
	}
	return id, nil
}

func has(labels, want map[string]string) bool {
	for k, v := range want {
		if labels[k] != v {
			return false
		}
	}
	return true
}
