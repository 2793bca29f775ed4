package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
)

// Rows is what the server looks up by itself, whatever a caller says.
type Rows interface {
	// Realm is the label of this site's containers. It never changes.
	Realm(ctx context.Context) (string, error)

	// Spec is the container of the workspace's row, made by spawner.Template in
	// the realm. A row of another generation, or one that is not about to start,
	// is [ErrStale]; without a row it is container.ErrNotFound.
	Spec(ctx context.Context, id string, generation int64) (container.Spec, error)

	// Images are the references and ids of images that rows name, with id among
	// them if a run was graded in it.
	Images(ctx context.Context, id string) ([]string, error)
}

// Local is the engine that grades and that images are read from.
type Local interface {
	container.Engine
	Seal(ctx context.Context, s container.Sealed) (*container.Grader, error)
	Assets(ctx context.Context, ref, known string, see func(name string, r io.Reader) error) (id string, err error)
}

// Config is what a Server needs.
type Config struct {
	Workspaces container.Engine // where workspaces run
	Local      Local            // may be the same
	Images     container.Images // where images of both are fetched; nil fetches none
	Rows       Rows
	Grading    container.Limits // of one grader, at most; zero fields are container.GraderLimits
	Data       string           // the data root, that mounts come from
	Log        *slog.Logger
	SweepEvery time.Duration // between looks for graders that were left; 0 is 15 s
}

// Server is the side of the door that holds the engine.
type Server struct {
	Config
	mux *http.ServeMux

	mu      sync.Mutex
	realm   string
	named   map[string]time.Time         // images that rows name, and until when that is believed
	graders map[string]*container.Grader // by container, while their pipe is open
	pipes   sync.WaitGroup

	stopping chan struct{} // closed when streams should end
}

// NewServer answers nobody yet; see [Server.Serve].
func NewServer(c Config) *Server {
	if c.SweepEvery == 0 {
		c.SweepEvery = 15 * time.Second
	}
	s := &Server{Config: c, mux: http.NewServeMux(), named: map[string]time.Time{}, graders: map[string]*container.Grader{}, stopping: make(chan struct{})}
	handle(s, "ensure", change, func(ctx context.Context, _ nothing) (nothing, error) {
		return nothing{}, s.Workspaces.Ensure(ctx)
	})
	handle(s, "image", quick, imageOn(s.Workspaces))
	handle(s, "start", change, s.start)
	handle(s, "stop", maxGrace+quick, s.stop)
	handle(s, "remove", change, s.remove)
	handle(s, "inspect", quick, s.inspect)
	handle(s, "usage", quick, s.usage)
	handle(s, "logs", quick, s.logs)
	handle(s, "list", quick, s.list)
	handle(s, "free", quick, s.free)
	s.stream("events", s.events)
	s.stream("assets", s.assets)
	if c.Images != nil {
		s.stream("fetch", s.fetch(c.Images))
	}
	handle(s, "grader/image", quick, imageOn(s.Local))
	handle(s, "grader/ending", quick, s.ending)
	handle(s, "grader/remove", change, s.removeGrader)
	handle(s, "grader/list", quick, s.listGraders)
	s.stream("grader/seal", s.seal)
	return s
}

// Serve answers until ctx ends, once. Workspaces go on; graders, whose pipes
// pass through here, end.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	srv := &http.Server{
		Handler: s.mux, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return life },
		ErrorLog:    slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-ctx.Done():
		case <-life.Done():
		}
		close(s.stopping)
		// What is being started may finish: half a start is a student's wait.
		soft, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer done()
		if srv.Shutdown(soft) != nil {
			_ = srv.Close()
		}
	}()
	s.pipes.Go(func() { s.sweep(life) })
	err := srv.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		<-stopped
		err = nil
	}
	end()
	<-stopped
	s.pipes.Wait()
	return err
}

// handle adds an operation with an answer of one piece.
func handle[In, Out any](s *Server, op string, limit time.Duration, do func(context.Context, In) (Out, error)) {
	s.mux.HandleFunc("POST "+version+"/"+op, func(w http.ResponseWriter, r *http.Request) {
		in, err := decode[In](w, r)
		if err != nil {
			s.fail(w, op, err)
			return
		}
		ctx, done := context.WithTimeout(r.Context(), limit)
		defer done()
		out, err := do(ctx, in)
		if err != nil {
			s.fail(w, op, err)
			return
		}
		reply(w, http.StatusOK, out)
	})
}

// stream adds an operation that writes its own answer; an error that it returns
// comes before any of it.
func (s *Server) stream(op string, do func(http.ResponseWriter, *http.Request) error) {
	s.mux.HandleFunc("POST "+version+"/"+op, func(w http.ResponseWriter, r *http.Request) {
		if err := do(w, r); err != nil {
			s.fail(w, op, err)
		}
	})
}

// decode reads the one JSON value that a request is. A word too many is refused,
// so that nobody takes for understood what is not.
func decode[In any](w http.ResponseWriter, r *http.Request) (in In, err error) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return in, fmt.Errorf("%w: %v", ErrRefused, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return in, fmt.Errorf("%w: more than one value", ErrRefused)
	}
	return in, nil
}

func (s *Server) fail(w http.ResponseWriter, op string, err error) {
	r, status := refuse(err)
	if errors.Is(err, ErrRefused) {
		s.Log.Warn("request refused", "operation", op, "error", err)
	}
	reply(w, status, r)
}

func reply(w http.ResponseWriter, status int, v any) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(quick))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who does not listen has gone
}

// site is the realm, asked of the database until it is known.
func (s *Server) site(ctx context.Context) (string, error) {
	s.mu.Lock()
	realm := s.realm
	s.mu.Unlock()
	if realm != "" {
		return realm, nil
	}
	realm, err := s.Rows.Realm(ctx)
	if err == nil && realm == "" {
		err = errors.New("the site has not been set up yet")
	}
	if err != nil {
		return "", errors.Join(container.ErrEngineDown, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.realm = realm
	return realm, nil
}

// ours are the labels that may cross the door.
func ours(labels map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range labels {
		if strings.HasPrefix(k, "lectern.") {
			out[k] = v
		}
	}
	return out
}

// own is the workspace's container, if there is one and it is this site's.
func (s *Server) own(ctx context.Context, id string) (container.Status, error) {
	if !workspaceID.MatchString(id) {
		return container.Status{}, fmt.Errorf("%w: %.80q is no workspace", ErrRefused, id)
	}
	realm, err := s.site(ctx)
	if err != nil {
		return container.Status{}, err
	}
	got, err := s.Workspaces.Inspect(ctx, spawner.ContainerName(id))
	if err != nil {
		return container.Status{}, err
	}
	if got.Labels[spawner.LabelRealm] != realm || got.Labels[spawner.LabelWorkspace] != id {
		return container.Status{}, fmt.Errorf("%s is somebody else's: %w", got.Name, container.ErrNotFound)
	}
	got.Labels = ours(got.Labels)
	return got, nil
}

// isNamed makes sure that some row names the image, by reference or by id.
func (s *Server) isNamed(ctx context.Context, image string) error {
	now := time.Now()
	s.mu.Lock()
	known := now.Before(s.named[image])
	s.mu.Unlock()
	if known {
		return nil
	}
	names, err := s.Rows.Images(ctx, image)
	if err != nil {
		return errors.Join(container.ErrEngineDown, err)
	}
	found := slices.Contains(names, image)
	for _, name := range names {
		if found || !imageID.MatchString(image) {
			break
		}
		got, err := s.Local.Image(ctx, name)
		if errors.Is(err, container.ErrEngineDown) {
			return err
		}
		found = err == nil && got.ID == image
	}
	if !found {
		return fmt.Errorf("%w: no row names the image %.100q", ErrRefused, image)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.named) > 1000 {
		clear(s.named)
	}
	s.named[image] = now.Add(time.Minute)
	return nil
}
