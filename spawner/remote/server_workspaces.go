package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
)

// start makes the container of a row. All that is taken from the caller is which
// row, and which state of it the caller saw.
func (s *Server) start(ctx context.Context, in startRequest) (container.Running, error) {
	if !workspaceID.MatchString(in.ID) {
		return container.Running{}, fmt.Errorf("%w: %.80q is no workspace", ErrRefused, in.ID)
	}
	spec, err := s.Rows.Spec(ctx, in.ID, in.Generation)
	if err != nil {
		return container.Running{}, err
	}
	before, err := identities(s.Data, spec.Mounts)
	if err != nil {
		return container.Running{}, err
	}
	got, err := s.Workspaces.Start(ctx, spec)
	if err != nil {
		return container.Running{}, err
	}
	// The engine follows links when it mounts, and whoever asked may write below
	// the data root: what was looked at must be what is mounted.
	after, err := identities(s.Data, spec.Mounts)
	if err == nil && !before.same(after) {
		err = fmt.Errorf("%w: it was exchanged while %s started", container.ErrMount, spec.Name)
	}
	if err != nil {
		s.Log.Error("a directory changed while it was mounted; the container is removed", "workspace", in.ID, "error", err)
		ctx, done := context.WithTimeout(context.WithoutCancel(ctx), change)
		defer done()
		return container.Running{}, errors.Join(err, s.Workspaces.Remove(ctx, spec.Name))
	}
	s.Log.Info("started", "workspace", in.ID, "generation", in.Generation, "image", spec.Image, "container", got.ID)
	return got, nil
}

func (s *Server) stop(ctx context.Context, in stopRequest) (nothing, error) {
	if in.Grace < 0 || in.Grace > maxGrace {
		return nothing{}, fmt.Errorf("%w: a grace of %s", ErrRefused, in.Grace)
	}
	got, err := s.own(ctx, in.ID)
	if errors.Is(err, container.ErrNotFound) {
		return nothing{}, nil
	}
	if err != nil {
		return nothing{}, err
	}
	return nothing{}, s.Workspaces.Stop(ctx, got.Name, in.Grace)
}

func (s *Server) remove(ctx context.Context, in workspaceRequest) (nothing, error) {
	got, err := s.own(ctx, in.ID)
	if errors.Is(err, container.ErrNotFound) {
		return nothing{}, nil
	}
	if err != nil {
		return nothing{}, err
	}
	s.Log.Info("removed", "workspace", in.ID, "container", got.ID)
	return nothing{}, s.Workspaces.Remove(ctx, got.Name)
}

func (s *Server) inspect(ctx context.Context, in workspaceRequest) (container.Status, error) {
	return s.own(ctx, in.ID)
}

func (s *Server) usage(ctx context.Context, in workspaceRequest) (container.Usage, error) {
	got, err := s.own(ctx, in.ID)
	if err != nil {
		return container.Usage{}, err
	}
	return s.Workspaces.Usage(ctx, got.Name)
}

func (s *Server) logs(ctx context.Context, in logsRequest) (logsAnswer, error) {
	if in.Lines < 1 || in.Lines > 1000 {
		return logsAnswer{}, fmt.Errorf("%w: %d lines", ErrRefused, in.Lines)
	}
	got, err := s.own(ctx, in.ID)
	if err != nil {
		return logsAnswer{}, err
	}
	text, err := s.Workspaces.Logs(ctx, got.Name, in.Lines)
	return logsAnswer{text}, err
}

func (s *Server) list(ctx context.Context, _ nothing) ([]container.Status, error) {
	realm, err := s.site(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.Workspaces.List(ctx, map[string]string{spawner.LabelRealm: realm})
	for i := range list {
		list[i].Labels = ours(list[i].Labels)
	}
	return list, err
}

// imageOn answers what an image is. Any may be asked for: that an image is there
// is no secret, and a course's page asks before a row names it.
func imageOn(e container.Engine) func(context.Context, imageRequest) (container.Image, error) {
	return func(ctx context.Context, in imageRequest) (container.Image, error) {
		if !imageRef.MatchString(in.Ref) {
			return container.Image{}, fmt.Errorf("%.100q: %w", in.Ref, container.ErrImageMissing)
		}
		return e.Image(ctx, in.Ref)
	}
}

// events tells of this site's workspaces until the caller goes or the engine's
// own stream breaks.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	if _, err := decode[nothing](w, r); err != nil {
		return err
	}
	realm, err := s.site(r.Context())
	if err != nil {
		return err
	}
	ctx, done := context.WithCancel(r.Context())
	defer done()
	seen := make(chan container.Event, 1000)
	ended := make(chan error, 1)
	go func() {
		ended <- s.Workspaces.Events(ctx, map[string]string{spawner.LabelRealm: realm}, func(e container.Event) {
			e.Labels = ours(e.Labels)
			select {
			case seen <- e:
			case <-ctx.Done():
			}
		})
	}()
	out := http.NewResponseController(w)
	say := func(line eventLine) bool {
		_ = out.SetWriteDeadline(time.Now().Add(patience))
		return json.NewEncoder(w).Encode(line) == nil && out.Flush() == nil
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for alive := say(eventLine{}); alive; {
		select {
		case e := <-seen:
			alive = say(eventLine{&e})
		case <-tick.C:
			alive = say(eventLine{})
		case <-s.stopping:
			return nil
		case <-ended: // the caller is told by the stream's end
			return nil
		}
	}
	return nil
}

// free tells what the machines have left: of no container, and of nobody's.
func (s *Server) free(ctx context.Context, _ nothing) ([]container.Free, error) {
	g, ok := s.Workspaces.(container.Gauge)
	if !ok {
		return nil, nil
	}
	return g.Free(ctx)
}
