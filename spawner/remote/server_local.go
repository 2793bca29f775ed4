package remote

import (
	"archive/tar"
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

// assets packs what an image's JupyterLab sends to browsers. An error on the way
// is told in the last entry.
func (s *Server) assets(w http.ResponseWriter, r *http.Request) error {
	in, err := decode[assetsRequest](w, r)
	if err != nil {
		return err
	}
	if err := s.isNamed(r.Context(), in.Ref); err != nil {
		return err
	}
	ctx, done := context.WithTimeout(r.Context(), read)
	defer done()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(read))
	w.Header().Set("Content-Type", "application/x-tar")
	out := tar.NewWriter(w)
	var end assetsEnd
	end.ID, err = s.Local.Assets(ctx, in.Ref, in.Known, func(name string, r io.Reader) error {
		body, err := io.ReadAll(r) // its length comes first, and only a tar reader knows it
		if err != nil {
			return err
		}
		return entry(out, name, body)
	})
	if err != nil {
		told, _ := refuse(err)
		end.Refusal = &told
	}
	text, err := json.Marshal(end)
	if err == nil {
		err = entry(out, endName, text)
	}
	if err != nil { // whoever asked is gone, or sees an archive without its end
		s.Log.Debug("assets not sent", "image", in.Ref, "error", err)
		return nil
	}
	_ = out.Close()
	return nil
}

func entry(out *tar.Writer, name string, body []byte) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body))}); err != nil {
		return err
	}
	_, err := out.Write(body)
	return err
}

// seal starts a grader and becomes its pipe. The image and the modules to warm
// it with are all that a caller says; when the caller hangs up it is removed.
func (s *Server) seal(w http.ResponseWriter, r *http.Request) error {
	in, err := decode[sealRequest](w, r)
	if err != nil {
		return err
	}
	if r.Header.Get("Upgrade") != upgrade {
		return fmt.Errorf("%w: a grader without a pipe", ErrRefused)
	}
	if !imageID.MatchString(in.Image) || min(in.Memory, in.PIDs, in.Tmp) <= 0 || in.CPUs <= 0 || len(in.Warm) > maxWarm || slices.ContainsFunc(in.Warm, func(m string) bool { return !module.MatchString(m) }) {
		return fmt.Errorf("%w: a grader from %.100q", ErrRefused, in.Image)
	}
	realm, err := s.site(r.Context())
	if err != nil {
		return err
	}
	if err := s.isNamed(r.Context(), in.Image); err != nil {
		return err
	}
	g, err := s.Local.Seal(r.Context(), container.Sealed{Image: in.Image, For: realm,
		Command: slices.Concat(container.DriverCommand, in.Warm), Limits: s.within(in)})
	if err != nil {
		return err
	}
	s.pipes.Add(1)
	defer s.pipes.Done()
	s.mu.Lock()
	s.graders[g.ID] = g
	s.mu.Unlock()
	defer s.drop(g)
	conn, from, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Time{})
	if _, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n%s: %s\r\n\r\n", upgrade, idHeader, g.ID); err != nil {
		return nil
	}
	gone := make(chan struct{})
	defer close(gone)
	go func() {
		select {
		case <-s.stopping:
			conn.Close()
		case <-gone:
		}
	}()
	join(conn, from, g)
	return nil
}

// within are the limits of a grader: what was asked for, and at most the
// operator's.
func (s *Server) within(in sealRequest) container.Limits {
	most := s.Grading.Or(container.GraderLimits)
	return container.Limits{Memory: min(in.Memory, most.Memory), PIDs: min(in.PIDs, most.PIDs),
		Tmp: min(in.Tmp, most.Tmp), CPUs: min(in.CPUs, most.CPUs)}
}

// join passes bytes both ways until the caller hangs up.
func join(conn net.Conn, from io.Reader, g *container.Grader) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if _, err := io.Copy(g.Stdin, from); err != nil {
			_, _ = io.Copy(io.Discard, from) // the program ended; the caller has not
		}
	}()
	go func() {
		_, _ = io.Copy(conn, g.Stdout)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	<-gone
}

// drop removes a grader whose pipe ended.
func (s *Server) drop(g *container.Grader) {
	ctx, done := context.WithTimeout(context.Background(), change)
	defer done()
	if err := g.Remove(ctx); err != nil {
		s.Log.Warn("a grader could not be removed; a sweep will", "container", g.ID, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.graders, g.ID)
}

// grader is the running pipe of a container, or nil with the container's state
// if it is one of this site's graders without one.
func (s *Server) grader(ctx context.Context, id string) (*container.Grader, container.Status, error) {
	if !containerID.MatchString(id) {
		return nil, container.Status{}, fmt.Errorf("%w: %.80q is no container", ErrRefused, id)
	}
	s.mu.Lock()
	g := s.graders[id]
	s.mu.Unlock()
	if g != nil {
		return g, container.Status{}, nil
	}
	realm, err := s.site(ctx)
	if err != nil {
		return nil, container.Status{}, err
	}
	got, err := s.Local.Inspect(ctx, id)
	if err == nil && got.Labels[container.GraderLabel] != realm {
		err = fmt.Errorf("%s is no grader of this site: %w", id[:12], container.ErrNotFound)
	}
	return nil, got, err
}

func (s *Server) ending(ctx context.Context, in graderRequest) (container.Ending, error) {
	g, now, err := s.grader(ctx, in.ID)
	if err != nil || g == nil {
		return container.Ending{Running: now.Phase == container.Up, ExitCode: now.ExitCode, OOM: now.OOM}, err
	}
	return g.Ending(ctx)
}

func (s *Server) removeGrader(ctx context.Context, in graderRequest) (nothing, error) {
	g, now, err := s.grader(ctx, in.ID)
	switch {
	case errors.Is(err, container.ErrNotFound):
		return nothing{}, nil
	case err != nil:
		return nothing{}, err
	case g != nil:
		return nothing{}, g.Remove(ctx)
	}
	return nothing{}, s.Local.Remove(ctx, now.ID)
}

// sweep removes graders that do not run and were left: by a predecessor that was
// killed, or when the engine did not answer. One that ended is left if it has no
// pipe here at two looks, for whoever holds it otherwise has removed it by then;
// one that never began, at so many that its start has been given up.
func (s *Server) sweep(ctx context.Context) {
	looks := map[string]int{}
	for tick := time.NewTicker(s.SweepEvery); ; {
		now := map[string]int{}
		for id, phase := range s.leftGraders(ctx) {
			now[id] = looks[id] + 1
			if now[id] > 6 || now[id] > 1 && phase == container.Exited {
				s.Log.Info("a grader that was left is removed", "container", id, "error", s.Local.Remove(ctx, id))
			}
		}
		looks = now
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// leftGraders are those that do not run and have no pipe; none if that is not known.
func (s *Server) leftGraders(ctx context.Context) map[string]container.Phase {
	realm, err := s.site(ctx)
	if err != nil {
		return nil
	}
	list, _ := s.Local.List(ctx, map[string]string{container.GraderLabel: realm})
	left := map[string]container.Phase{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range list {
		if c.Phase != container.Up && s.graders[c.ID] == nil {
			left[c.ID] = c.Phase
		}
	}
	return left
}

func (s *Server) listGraders(ctx context.Context, _ nothing) ([]string, error) {
	realm, err := s.site(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.Local.List(ctx, map[string]string{container.GraderLabel: realm})
	ids := make([]string, 0, len(list))
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	return ids, err
}
