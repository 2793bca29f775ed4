package remote

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"lectern/spawner/container"
)

// Events implements [container.Engine]. A stream on which nothing is heard for
// [patience], not even a sign of life, is broken.
func (c *Client) Events(ctx context.Context, labels map[string]string, see func(container.Event)) error {
	heard, done := context.WithCancel(ctx)
	defer done()
	silence := time.AfterFunc(patience, done)
	defer silence.Stop()
	res, err := c.send(heard, "events", nothing{})
	if err != nil {
		if ctx.Err() == nil && heard.Err() != nil {
			return down(errors.New("no events and no sign of life"))
		}
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		silence.Reset(patience)
		var line eventLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return down(fmt.Errorf("events: %w", err))
		}
		if line.Event != nil && has(line.Event.Labels, labels) {
			see(*line.Event)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return down(fmt.Errorf("the events broke off: %w", errors.Join(lines.Err(), io.ErrUnexpectedEOF)))
}

// Assets hands over what the JupyterLab of an image sends to browsers, as
// container.Docker.Assets does. The image must be one that a row names.
func (c *Client) Assets(ctx context.Context, ref, known string, see func(name string, r io.Reader) error) (id string, err error) {
	ctx, done := context.WithTimeout(ctx, read)
	defer done()
	res, err := c.send(ctx, "assets", assetsRequest{ref, known})
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	for files := tar.NewReader(res.Body); ; {
		h, err := files.Next()
		if err != nil {
			return "", down(fmt.Errorf("assets of %s: %w", ref, errors.Join(err, io.ErrUnexpectedEOF)))
		}
		if h.Name != endName {
			if err := see(h.Name, files); err != nil {
				return "", err
			}
			continue
		}
		var end assetsEnd
		if err := json.NewDecoder(io.LimitReader(files, maxLine)).Decode(&end); err != nil {
			return "", down(fmt.Errorf("assets of %s: %w", ref, err))
		}
		if end.Refusal != nil {
			return "", end.Refusal.err()
		}
		return end.ID, nil
	}
}

// Graders is the part of the door that grading uses.
type Graders struct{ client *Client }

// Graders starts sealed containers on the engine that grades.
func (c *Client) Graders() Graders { return Graders{c} }

// Image says what ref is on the engine that grades.
func (g Graders) Image(ctx context.Context, ref string) (container.Image, error) {
	var got container.Image
	return got, g.client.ask(ctx, quick, "grader/image", imageRequest{ref}, &got)
}

// Seal starts a grader whose lock-down, site and greatest limits are the spawner
// process's. Asking for another runtime or another program than the driver is an
// error here: there are no words for it.
func (g Graders) Seal(ctx context.Context, s container.Sealed) (*container.Grader, error) {
	n := len(container.DriverCommand)
	if s.Runtime != "" || len(s.Command) < n || !slices.Equal(s.Command[:n], container.DriverCommand) {
		return nil, fmt.Errorf("spawner process: a grader with a program of its own: %w", ErrRefused)
	}
	want := s.Limits.Or(container.GraderLimits)
	ctx, done := context.WithTimeout(ctx, change)
	defer done()
	conn, err := g.client.dial(ctx)
	if err != nil {
		return nil, down(err)
	}
	// Closing is what ends a handshake that hangs.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	id, out, err := seal(conn, sealRequest{s.Image, warmed(s.Command[n:]), want.Memory, want.PIDs, want.Tmp, want.CPUs})
	if !stop() || err != nil {
		conn.Close()
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		return nil, cmp.Or(err, down(context.DeadlineExceeded))
	}
	return container.NewGrader(id, conn, out, func() { conn.Close() },
		func(ctx context.Context) (container.Ending, error) {
			var end container.Ending
			return end, g.client.ask(ctx, quick, "grader/ending", graderRequest{id}, &end)
		},
		func(ctx context.Context) error {
			return g.client.ask(ctx, change, "grader/remove", graderRequest{id}, nil)
		}), nil
}

// warmed are the modules that the door has a word for. To import one beforehand
// saves time and changes nothing, so the others are left out.
func warmed(modules []string) []string {
	kept := []string{}
	for _, m := range modules {
		if module.MatchString(m) && len(kept) < maxWarm {
			kept = append(kept, m)
		}
	}
	return kept
}

// seal asks for a grader and makes the connection its pipe.
func seal(conn net.Conn, in sealRequest) (id string, out io.Reader, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return "", nil, err
	}
	req, err := http.NewRequest(http.MethodPost, "http://spawner"+version+"/grader/seal", bytes.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", upgrade)
	if err := req.Write(conn); err != nil {
		return "", nil, down(err)
	}
	from := bufio.NewReader(conn)
	res, err := http.ReadResponse(from, req)
	if err != nil {
		return "", nil, down(err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		defer res.Body.Close()
		return "", nil, refusalOf(res)
	}
	id = res.Header.Get(idHeader)
	if res.Header.Get("Upgrade") != upgrade || !containerID.MatchString(id) {
		return "", nil, down(errors.New("it answers with a pipe to nowhere"))
	}
	return id, from, nil
}

// SweepGraders removes every grader of this site except those to keep. Which
// site that is, the spawner process knows.
func (g Graders) SweepGraders(ctx context.Context, _ string, keep func(id string) bool) error {
	var ids []string
	if err := g.client.ask(ctx, quick, "grader/list", nothing{}, &ids); err != nil {
		return err
	}
	var failed []error
	for _, id := range ids {
		if keep == nil || !keep(id) {
			failed = append(failed, g.client.ask(ctx, change, "grader/remove", graderRequest{id}, nil))
		}
	}
	return errors.Join(failed...)
}
