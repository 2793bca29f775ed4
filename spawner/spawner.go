package spawner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"lectern/course"
	"lectern/spawner/container"
)

// Spawner opens, watches and closes workspaces. Several processes may each have
// one on the same database and engine: the row is changed by compare-and-set,
// and the container's name exists once.
type Spawner struct {
	rows    Rows
	engine  container.Engine
	jupyter Jupyter
	plan    func(context.Context, Row) (Plan, error)
	warn    func(context.Context, Row, time.Time, Reason)
	room    func() bool
	trials  func(ctx context.Context, n, generation int64) (bool, error)
	policy  Policy
	realm   string
	log     *slog.Logger
	now     func() time.Time

	queue *queue
	life  context.Context // of the drivers; ends when Run does
	end   context.CancelFunc
	busy  sync.WaitGroup

	early sync.Mutex // one at a time counts what is started ahead

	gauge     container.Gauge // nil: nothing is measured
	admission Admission
	measuring sync.Mutex
	blind     bool // the last look failed; under measuring
	crowded   bool // somebody lacked memory then; likewise

	mu      sync.Mutex
	closed  bool
	drivers map[string]*driver
	touched map[string]time.Time // input seen by the proxy, not yet in the database
	noticed map[string]time.Time // when something was last killed for want of memory
	warned  map[string]time.Time // the stop that was announced
	targets map[string]target
	watches map[string]map[chan struct{}]bool
	usual   map[string][]time.Duration // last start times by image

	loads singleflight.Group
}

// Plan is what a workspace is given, worked out anew at each start from its
// row, so that no caller can ask for anything else.
type Plan struct {
	User   string            // "uid:gid"; empty is 1000:100
	Home   string            // directory of the student's own
	Mounts []container.Mount // what else is shown, such as release and feedback
	Env    map[string]string // nothing secret
	Limits container.Limits  // zero fields take the defaults

	Closed       bool // on the network without a way out
	Proxied      bool // where a proxy leads to listed hosts
	WritableRoot bool
	Runtime      string
}

// Config is what a Spawner needs. Rows, Engine and Plan are required.
type Config struct {
	Rows   Rows
	Engine container.Engine
	// Plan says what a workspace is given, and makes sure that it is there. It
	// has ten seconds, for a throw-away copy forty.
	Plan func(context.Context, Row) (Plan, error)
	// Warn, if set, is called once before a workspace is stopped at a time.
	Warn func(ctx context.Context, row Row, at time.Time, why Reason)

	// Room, if set, reports whether there is memory for a workspace that nobody
	// asked for yet. While there is none, those that were started ahead end.
	Room func() bool

	// Admission says when there is memory for one that somebody asked for, if the
	// engine is a container.Gauge.
	Admission Admission

	// Trials reports whether a test of an image is at this start now; nil if there
	// are no tests.
	Trials func(ctx context.Context, n, generation int64) (bool, error)

	Jupyter Jupyter // nil asks over HTTP
	Policy  Policy  // the zero value is DefaultPolicy
	// Realm keeps apart installations that share an engine; a label of every
	// container. Empty is "lectern".
	Realm  string
	Starts int // at once; 0 is one for each CPU
	Log    *slog.Logger
	Now    func() time.Time
}

// New makes a spawner that works until Run ends.
func New(c Config) *Spawner {
	if c.Jupyter == nil {
		c.Jupyter = NewREST()
	}
	if c.Policy == (Policy{}) {
		c.Policy = DefaultPolicy
	}
	if c.Realm == "" {
		c.Realm = "lectern"
	}
	if c.Starts <= 0 {
		c.Starts = runtime.NumCPU()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Warn == nil {
		c.Warn = func(context.Context, Row, time.Time, Reason) {}
	}
	if c.Room == nil {
		c.Room = func() bool { return true }
	}
	s := &Spawner{
		rows: c.Rows, engine: c.Engine, jupyter: c.Jupyter, plan: c.Plan, warn: c.Warn, room: c.Room, trials: c.Trials,
		policy: c.Policy, realm: c.Realm, log: c.Log, now: c.Now,
		drivers: map[string]*driver{}, touched: map[string]time.Time{}, noticed: map[string]time.Time{},
		warned: map[string]time.Time{}, targets: map[string]target{},
		watches: map[string]map[chan struct{}]bool{}, usual: map[string][]time.Duration{},
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.queue = newQueue(c.Starts, c.Now, s.kick)
	if s.gauge, _ = c.Engine.(container.Gauge); s.gauge != nil {
		s.admission, s.queue.gated = c.Admission, true
	}
	return s
}

// Request names the workspace somebody wants. Who may ask is the caller's to
// decide, before.
type Request struct {
	CourseID course.ID
	MemberID course.MemberID
	Image    string
	// SubmissionID asks for a throw-away copy of these files; 0 for the member's
	// own workspace.
	SubmissionID course.SubmissionID
}

// Open makes sure that the workspace runs or is about to, and returns its row
// at once; follow it with [Spawner.Watch]. Asking again while it starts or runs
// changes nothing, so all assignments of one image share one workspace.
func (s *Spawner) Open(ctx context.Context, r Request) (Row, error) {
	row, err := s.rows.AddWorkspace(ctx, Row{ID: newID(), CourseID: r.CourseID, MemberID: r.MemberID,
		SubmissionID: r.SubmissionID, Image: r.Image, State: Stopped})
	if err != nil {
		return Row{}, fmt.Errorf("spawner: open for member %d: %w", r.MemberID, err)
	}
	for range 5 {
		if row.State == Queued || row.State == Starting || row.State == Running {
			if row, err = s.claim(ctx, row); err == nil {
				s.kick(row.ID)
				return row, nil
			}
			if !errors.Is(err, ErrStale) {
				return Row{}, fmt.Errorf("spawner: open %s: %w", row.ID, err)
			}
			if row, err = s.rows.Workspace(ctx, row.ID); err != nil {
				return Row{}, fmt.Errorf("spawner: open for member %d: %w", r.MemberID, err)
			}
			continue
		}
		// A stop in progress is overtaken: the start that follows first clears
		// away what is left of the earlier generation.
		wanted := row.rest(Queued, None)
		wanted.Generation, wanted.Token = row.Generation+1, newToken()
		wanted.QueuedAt, wanted.StartedAt, wanted.ReadyAt = s.now(), time.Time{}, time.Time{}
		switch err := s.save(ctx, row, wanted); {
		case err == nil:
			s.queue.join(s.placeOf(wanted))
			s.kick(row.ID)
			return wanted, nil
		case !errors.Is(err, ErrStale):
			return Row{}, fmt.Errorf("spawner: open %s: %w", row.ID, err)
		}
		if row, err = s.rows.Workspace(ctx, row.ID); err != nil {
			return Row{}, fmt.Errorf("spawner: open for member %d: %w", r.MemberID, err)
		}
	}
	return Row{}, fmt.Errorf("spawner: open %s: %w", row.ID, ErrStale)
}

// Close stops a workspace for one of the reasons ByStudent, ByStaff, Discarded or NetworkClosed. It
// returns when that is decided; the container ends soon after. One at rest
// stays as it is.
func (s *Spawner) Close(ctx context.Context, id string, why Reason) error {
	for range 5 {
		row, err := s.rows.Workspace(ctx, id)
		if err != nil {
			return fmt.Errorf("spawner: close: %w", err)
		}
		if row.State.Resting() || row.State == Stopping {
			s.kick(id)
			return nil
		}
		stopping := row
		stopping.State, stopping.Reason = Stopping, why
		if err = s.save(ctx, row, stopping); err == nil {
			s.queue.leave(id)
			s.kick(id)
			return nil
		}
		if !errors.Is(err, ErrStale) {
			return fmt.Errorf("spawner: close %s: %w", id, err)
		}
	}
	return fmt.Errorf("spawner: close %s: %w", id, ErrStale)
}

// Touch notes that somebody did something in a workspace: typed, clicked, saved.
// It is cheap; the database hears of it once a minute.
func (s *Spawner) Touch(id string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched[id] = later(s.touched[id], at)
}

// Usage is what a workspace's container consumes now, for the staff's list.
func (s *Spawner) Usage(ctx context.Context, id string) (container.Usage, error) {
	return s.engine.Usage(ctx, ContainerName(id))
}

type target struct {
	Target
	until   time.Time // believed without asking
	foundAt time.Time // in the database
}

const (
	// targetAge is how long a Target is believed when another process changed it.
	targetAge = 2 * time.Second
	// targetGrace is how long it is believed while the database does not answer:
	// notebooks are being saved. The database is then asked again every few seconds.
	targetGrace = time.Minute
	targetAgain = 5 * time.Second
)

// Target is where to dial a running workspace, or ErrNotRunning. It is cheap
// enough for every request of the proxy: a stop by this process shows at once,
// one by another within two seconds or after [Spawner.Forget]. That one does
// not run is never remembered, since it may run the next moment.
func (s *Spawner) Target(ctx context.Context, id string) (Target, error) {
	s.mu.Lock()
	t, ok := s.targets[id]
	s.mu.Unlock()
	if ok && s.now().Before(t.until) {
		return t.Target, nil
	}
	for {
		row, err, shared := s.loads.Do(id, func() (any, error) {
			// The first who asks must not take the others along when it leaves.
			ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer done()
			return s.use(ctx, id)
		})
		if err != nil {
			if t, ok := s.known(id); ok && !errors.Is(err, ErrNoWorkspace) {
				return t, nil
			}
			return Target{}, fmt.Errorf("spawner: target: %w", err)
		}
		if t, ok := s.remember(row.(Row)); ok {
			return t, nil
		}
		// An answer that somebody else asked for may be older than what the
		// caller knows.
		if !shared {
			return Target{}, ErrNotRunning
		}
	}
}

// known is a target that the database had not long ago, for while it does not
// answer.
func (s *Spawner) known(id string) (Target, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.targets[id]
	if now := s.now(); !ok || now.Sub(t.foundAt) > targetGrace {
		return Target{}, false
	} else if now.After(t.until) {
		t.until = now.Add(targetAgain)
		s.targets[id] = t
	}
	return t.Target, true
}

// Forget has a workspace's row asked for again, for whoever hears from the
// database that another process changed it.
func (s *Spawner) Forget(id string) {
	s.mu.Lock()
	if t, ok := s.targets[id]; ok {
		t.until = time.Time{}
		s.targets[id] = t
	}
	s.mu.Unlock()
	s.tell(id)
}

func (s *Spawner) remember(row Row) (Target, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if row.State != Running || row.Addr == "" || row.Ahead {
		delete(s.targets, row.ID)
		return Target{}, false
	}
	t := Target{row.Addr, row.Token}
	s.targets[row.ID] = target{t, s.now().Add(targetAge), s.now()}
	return t, true
}

// save changes the row in the database and then everywhere it is remembered.
func (s *Spawner) save(ctx context.Context, old, row Row) error {
	err := s.rows.SaveWorkspace(ctx, old, row)
	if err != nil {
		s.Forget(old.ID)
		return err
	}
	if old.State != row.State {
		s.log.Info("workspace", "id", row.ID, "from", old.State, "to", row.State, "reason", row.Reason, "generation", row.Generation)
	}
	s.remember(row)
	if row.State == Running && old.State == Starting {
		s.learn(row)
	}
	if row.State.Resting() || row.State == Queued {
		s.mu.Lock()
		maps.DeleteFunc(s.touched, func(id string, _ time.Time) bool { return id == row.ID })
		delete(s.noticed, row.ID)
		delete(s.warned, row.ID)
		s.mu.Unlock()
	}
	s.tell(row.ID)
	return nil
}
