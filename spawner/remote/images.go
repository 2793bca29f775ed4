package remote

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"lectern/spawner/container"
)

type fetchRequest struct {
	Ref   string `json:"ref"`   // that a row names
	Newer bool   `json:"newer"` // ask a registry even if it is there
}

// fetchLine is one line of a fetch: how far it is, or its end. One with neither
// only says that the other side is alive.
type fetchLine struct {
	Now     *container.Fetching `json:"now,omitempty"`
	Image   *container.Image    `json:"image,omitempty"`
	Refusal *refusal            `json:"refusal,omitempty"`
}

// fetchTime bounds one fetch, on all machines together.
const fetchTime = 2 * time.Hour

// Fetch implements [container.Images] for images that a row names. A stream on
// which nothing is heard for [patience], not even a sign of life, is broken.
func (c *Client) Fetch(ctx context.Context, ref string, newer bool, see func(container.Fetching)) (container.Image, error) {
	heard, done := context.WithTimeout(ctx, fetchTime)
	defer done()
	silence := time.AfterFunc(patience, done)
	defer silence.Stop()
	broken := func(err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return down(fmt.Errorf("the fetch of %s broke off: %w", ref, err))
	}
	res, err := c.send(heard, "fetch", fetchRequest{ref, newer})
	if err != nil {
		if ctx.Err() == nil && heard.Err() != nil {
			return container.Image{}, broken(heard.Err())
		}
		return container.Image{}, err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		silence.Reset(patience)
		var line fetchLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return container.Image{}, broken(err)
		}
		switch {
		case line.Now != nil:
			see(*line.Now)
		case line.Refusal != nil:
			return container.Image{}, line.Refusal.err()
		case line.Image != nil:
			return *line.Image, nil
		}
	}
	return container.Image{}, broken(errors.Join(lines.Err(), io.ErrUnexpectedEOF))
}

// fetch downloads an image that a row names, to where workspaces and graders run,
// and tells how far it is. It ends when the caller goes.
func (s *Server) fetch(from container.Images) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, err := decode[fetchRequest](w, r)
		if err != nil {
			return err
		}
		if !imageRef.MatchString(in.Ref) {
			return fmt.Errorf("%w: an image %.100q", ErrRefused, in.Ref)
		}
		if err := s.isNamed(r.Context(), in.Ref); err != nil {
			return err
		}
		ctx, stop := context.WithTimeout(r.Context(), fetchTime)
		defer stop()
		told := make(chan fetchLine, 100)
		go func() {
			got, err := from.Fetch(ctx, in.Ref, in.Newer, func(f container.Fetching) {
				select {
				case told <- fetchLine{Now: &f}:
				default: // the next one says as much
				}
			})
			line := fetchLine{Image: &got}
			if err != nil {
				why, _ := refuse(err)
				line = fetchLine{Refusal: &why}
			}
			select {
			case told <- line:
			case <-ctx.Done():
			}
		}()
		out := http.NewResponseController(w)
		say := func(line fetchLine) bool {
			_ = out.SetWriteDeadline(time.Now().Add(patience))
			return json.NewEncoder(w).Encode(line) == nil && out.Flush() == nil
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for alive := say(fetchLine{}); alive; {
			select {
			case line := <-told:
				if alive = say(line); line.Now == nil {
					return nil
				}
			case <-tick.C:
				alive = say(fetchLine{})
			case <-s.stopping:
				return nil
			case <-ctx.Done():
				return nil
			}
		}
		return nil
	}
}
