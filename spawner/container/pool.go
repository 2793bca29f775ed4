package container

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Pool is an engine that keeps containers whose Jupyter has booted already,
// paused, and gives one of them to a start that wants just such a container: the
// home and what else lies in it are mounted into the container's own mount
// namespace then, and it takes the workspace's name. Everything else, and every
// start that none fits, is the engine's as before.
//
// A container is given once. Which it was is written down before anything of the
// student's is mounted (marks.go), under a lock that the kernel takes away from
// a process that is killed: one whose claim did not come to its end is removed,
// never given to anybody.
//
// With a Size of 0 it keeps none, but still knows those that were given before.
type Pool struct {
	*Docker
	options PoolOptions
	owner   string // what this pool's containers are labelled with
	wake    chan struct{}
	step    func(string) // told how far a claim is; for tests

	scanning sync.Mutex

	mu      sync.Mutex
	scanned bool
	off     string // see [Pool.Off]
	offAt   time.Time
	wants   []Spec            // see [Pool.Want]
	images  map[string]string // id by reference, as last seen
	shapes  map[string]*shape
	ready   []booted
	starts  int       // going on
	most    int       // of each kind that are kept now
	quietAt time.Time // when the last one ended
	shortAt time.Time // when there was last no room for what waits
	claims  map[string]claim
}

// PoolOptions is what an operator decides.
type PoolOptions struct {
	Size int // booted containers of each kind that are kept
	// More is how many are kept beyond Size, for a rush that is expected. It is
	// asked at each look; nil is none.
	More func(context.Context) int
	Dir  string // of the pool's own, below the data root
	// Spare reports whether nobody waits for a start and there is memory for more;
	// while it does not, none is booted. Room reports whether there is memory for
	// those that are kept; while it does not, they are removed. nil is always.
	Spare, Room func() bool
	Log         *slog.Logger
}

// shape is one kind of container: all of a spec that is not one workspace's, with
// the image's id for its name.
type shape struct {
	spec   Spec // without name, labels, secrets and whatever lies in the home
	home   string
	wanted bool // two different homes had it
	always bool // the caller wants it
	usedAt time.Time
	failed time.Time // the last boot, if it did
}

// due reports whether containers of it are kept, and boots whether more are booted.
func (s *shape) due() bool   { return s.always || time.Since(s.usedAt) < poolUnused }
func (s *shape) boots() bool { return s.always || s.wanted && s.due() }

// booted is a container that waits, as it was last seen.
type booted struct{ id, mark, shape, secrets string }

const (
	poolLabel = "lectern.pool"      // the pool that a container belongs to
	markLabel = "lectern.pool.mark" // its directory of marks

	// waitsLabel is of an image whose jupyter-lab can wait for its token; it
	// does so if it finds a file of waitsFile's name in its place, and says
	// waitsLine in its log.
	waitsLabel = "lectern.waits"
	waitsFile  = "waits"
	waitsLine  = "lectern: waiting"
	// seesLine is what it says once it sees something mounted in the place of
	// the home: not every runtime shows its programs what the kernel shows.
	seesLine = "lectern: sees a home"

	poolEvery   = 5 * time.Second
	poolQuiet   = 3 * time.Second // without a start before one is booted
	poolAgain   = time.Hour       // after a machine turned out not to be able to
	poolRetry   = 5 * time.Minute // after a boot that failed, and after memory was short
	poolUnused  = 7 * 24 * time.Hour
	poolKinds   = 4 // of which containers are kept
	probeWithin = 10 * time.Second
	bootWithin  = 5 * time.Minute
)

// NewPool keeps containers of d. Nothing is booted before [Pool.Run].
func NewPool(d *Docker, o PoolOptions) (*Pool, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	at, err := d.options.Data.Translate(o.Dir)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(at))
	return &Pool{Docker: d, options: o, most: o.Size, owner: hex.EncodeToString(sum[:8]), wake: make(chan struct{}, 1), step: func(string) {},
		images: map[string]string{}, shapes: map[string]*shape{}, claims: map[string]claim{}}, nil
}

// Off is why no container can be given on this machine, for the operator; empty
// if none was booted yet, or if it can. It is found out with the first one, and
// tried again after an hour.
func (p *Pool) Off() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.off
}

// Want has containers like s kept from the first, before two starts asked for
// such. What is one student's of it is not looked at. It is called before Run.
func (p *Pool) Want(s Spec) { p.wants = append(p.wants, s) }

// learn notes what kind of container s is, and that one is started. What only a
// single home ever had is not kept: it might hold something of that student.
func (p *Pool) learn(s Spec, imageID string) (key string) {
	kind, home := split(s, imageID)
	key = kind.key()
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.shapes[key]
	if at == nil {
		at = &shape{spec: kind, home: home}
		p.shapes[key] = at
	}
	at.wanted = at.wanted || at.home != home
	at.usedAt = time.Now()
	if len(p.shapes) > 16*poolKinds {
		maps.DeleteFunc(p.shapes, func(k string, s *shape) bool { return k != key && !s.always && !s.wanted })
	}
	return key
}

// settle looks what images are now that the caller wants containers of.
func (p *Pool) settle(ctx context.Context) error {
	var faults error
	always := map[string]Spec{}
	for _, s := range p.wants {
		image, err := p.Image(ctx, s.Image)
		if err != nil && !errors.Is(err, ErrImageMissing) {
			faults = errors.Join(faults, err)
		}
		if err == nil {
			kind, _ := split(s, image.ID)
			always[kind.key()] = kind
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, s := range p.shapes {
		_, s.always = always[key]
	}
	for key, kind := range always {
		if p.shapes[key] == nil {
			p.shapes[key] = &shape{spec: kind}
		}
		p.shapes[key].always = true
	}
	return faults
}

// kinds are the shapes that containers are kept of, those the caller wants and
// then the last used first.
func (p *Pool) kinds() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	keys := slices.DeleteFunc(slices.Collect(maps.Keys(p.shapes)), func(k string) bool { return !p.shapes[k].due() })
	slices.SortFunc(keys, func(a, b string) int {
		x, y := p.shapes[a], p.shapes[b]
		if x.always != y.always {
			return map[bool]int{true: -1, false: 1}[x.always]
		}
		return y.usedAt.Compare(x.usedAt)
	})
	return keys[:min(len(keys), poolKinds)]
}

// split is what of s every workspace of its kind has, and the directory that is
// its home.
func split(s Spec, imageID string) (kind Spec, home string) {
	kind = s
	kind.Image, kind.Name, kind.Labels, kind.Mounts = imageID, "", nil, nil
	kind.Secrets = map[string]string{}
	for name := range s.Secrets {
		kind.Secrets[name] = ""
	}
	for _, m := range s.Mounts {
		if inHome(m) {
			home += m.From + "\n"
		} else {
			kind.Mounts = append(kind.Mounts, m)
		}
	}
	kind.Limits = s.Limits.Or(DefaultLimits)
	return kind, home
}

// inHome reports whether a mount is the student's home or lies in it.
func inHome(m Mount) bool { return m.To == HomeDir || strings.HasPrefix(m.To, HomeDir+"/") }

// key is the same for specs that ask for the same, whatever fields they have.
func (s Spec) key() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // it has only strings, numbers and maps of them
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// started counts a start that goes on: none is booted meanwhile.
func (p *Pool) started() (ended func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starts++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.starts--
		p.quietAt = time.Now()
	}
}

// quiet reports whether a boot would take nobody's time.
func (p *Pool) quiet() bool {
	p.mu.Lock()
	still := p.starts == 0 && time.Since(p.quietAt) >= poolQuiet && time.Since(p.shortAt) >= poolRetry
	p.mu.Unlock()
	return still && yes(p.options.Spare) && yes(p.options.Room)
}

func yes(f func() bool) bool { return f == nil || f() }

// take is a container that waits and is of this kind; ok is false if there is none.
func (p *Pool) take(key string) (c booted, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.ready, func(c booted) bool { return c.shape == key })
	if i < 0 || p.options.Size <= 0 {
		return booted{}, false
	}
	c = p.ready[i]
	p.ready = slices.Delete(p.ready, i, i+1)
	return c, true
}

// Image implements [Engine], and notes what it is for the start that follows.
func (p *Pool) Image(ctx context.Context, ref string) (Image, error) {
	got, err := p.Docker.Image(ctx, ref)
	if err != nil {
		return got, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.images) > 1000 {
		clear(p.images)
	}
	p.images[ref] = got.ID
	return got, nil
}

// imageID is what a reference was when it was last looked at, which is just
// before a start.
func (p *Pool) imageID(ctx context.Context, ref string) (string, error) {
	p.mu.Lock()
	id := p.images[ref]
	p.mu.Unlock()
	if id != "" {
		return id, nil
	}
	got, err := p.Image(ctx, ref)
	return got.ID, err
}
