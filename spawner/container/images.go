package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Images looks up and fetches what containers are made from, on every machine
// that may run one.
type Images interface {
	// Image says what ref is, or [ErrImageMissing]. Nothing is fetched.
	Image(ctx context.Context, ref string) (Image, error)

	// Fetch sees to it that every machine that can be asked has what ref is, and
	// says what that is. With newer a registry is asked even if ref is there. see
	// hears how far it is, from one goroutine at a time. It gives up when nothing
	// arrives for a while: [ErrStalled].
	Fetch(ctx context.Context, ref string, newer bool, see func(Fetching)) (Image, error)
}

// Fetching is how far a fetch is.
type Fetching struct {
	Machine     string // "" where there is only one
	Text        string // what is being done
	Done, Total int64  // bytes; Total is 0 until it is known
}

// What a registry can say, for errors.Is.
var (
	ErrNoSuchImage = errors.New("the registry has no such image, or wants a sign-in for it")
	ErrRegistry    = errors.New("the registry does not answer as it should")
	ErrStalled     = errors.New("the download stood still")
)

const (
	fetchTime     = time.Hour       // for one machine
	fetchPatience = 2 * time.Minute // without any news of a download
	fetchNews     = 250 * time.Millisecond
)

// imageOf is what an engine says of an image.
func imageOf(ref string, got image.InspectResponse) Image {
	out := Image{Ref: ref, ID: got.ID, Size: got.Size, RepoDigest: digestOf(ref, got.RepoDigests)}
	if at, err := time.Parse(time.RFC3339Nano, got.Created); err == nil && at.Year() > 1980 { // some builders give none
		out.BuiltAt = at.UTC()
	}
	return out
}

// digestOf is the digest that belongs to ref's name; any for one known by its id.
func digestOf(ref string, digests []string) string {
	name := familiar(nameOf(ref))
	for _, d := range digests {
		if strings.HasPrefix(ref, "sha256:") || familiar(nameOf(d)) == name {
			return d
		}
	}
	return ""
}

// nameOf is a reference without tag and digest.
func nameOf(ref string) string {
	name, _, _ := strings.Cut(ref, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	return name
}

// familiar is a name as engines write it: those of the default registry are cut.
func familiar(name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "library/")
}

// Fetch implements [Images].
func (d *Docker) Fetch(ctx context.Context, ref string, newer bool, see func(Fetching)) (Image, error) {
	got, err := d.Image(ctx, ref)
	switch {
	case err == nil && !newer, err != nil && !errors.Is(err, ErrImageMissing):
		return got, err
	case strings.HasPrefix(ref, "sha256:"): // no registry knows those
		return got, err
	}
	if err := d.pull(ctx, ref, see); err != nil {
		return Image{}, err
	}
	return d.Image(ctx, ref)
}

// pull downloads ref, whatever the engine has.
func (d *Docker) pull(ctx context.Context, ref string, see func(Fetching)) error {
	api, err := d.api(ctx)
	if err != nil {
		return err
	}
	whole, done := bounded(ctx, fetchTime)
	defer done()
	patience := d.options.FetchPatience
	if patience == 0 {
		patience = fetchPatience
	}
	heard, stop := context.WithCancelCause(whole)
	defer stop(nil)
	silence := time.AfterFunc(patience, func() { stop(ErrStalled) })
	defer silence.Stop()
	failed := func(err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case heard.Err() != nil:
			return fmt.Errorf("container: fetch %s: nothing for %v, or no end in %v: %w", ref, patience, fetchTime, ErrStalled)
		}
		return fmt.Errorf("container: fetch %s: %w", ref, refusalOf(err))
	}
	stream, err := api.ImagePull(heard, ref, image.PullOptions{})
	if err != nil {
		return failed(err)
	}
	defer stream.Close()
	p := progress{layers: map[string]*layer{}}
	for lines := json.NewDecoder(stream); ; {
		var line pullLine
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			see(p.now())
			return nil
		} else if err != nil {
			return failed(err)
		}
		silence.Reset(patience)
		if line.Error != "" {
			return failed(errors.New(line.Error))
		}
		if now, news := p.take(line); news {
			see(now)
		}
	}
}

// now is where a download stands.
func (p *progress) now() (f Fetching) {
	ready := 0
	for _, one := range p.layers {
		f.Done, f.Total = f.Done+one.done, f.Total+one.total
		if one.unpacked {
			ready++
		}
	}
	f.Text = fmt.Sprintf("Downloading: %d of %d layers are there", ready, len(p.layers))
	if p.unpacking {
		f.Text = fmt.Sprintf("Unpacking: %d of %d layers are there", ready, len(p.layers))
	}
	return f
}

// refusalOf gives what a registry said, through the engine, its kind.
func refusalOf(err error) error {
	text := strings.ToLower(err.Error())
	if client.IsErrConnectionFailed(err) {
		return errors.Join(ErrEngineDown, err)
	}
	kind := ErrRegistry
	for _, word := range []string{"manifest unknown", "not found", "does not exist", "denied", "unauthorized", "name unknown", "invalid reference"} {
		if strings.Contains(text, word) {
			kind = ErrNoSuchImage
		}
	}
	if errdefs.IsNotFound(err) {
		kind = ErrNoSuchImage
	}
	return errors.Join(kind, err)
}

// pullLine is one line of what the engine says of a download.
type pullLine struct {
	ID       string `json:"id"` // of a layer
	Status   string `json:"status"`
	Error    string `json:"error"`
	Progress struct {
		Current int64 `json:"current"`
		Total   int64 `json:"total"`
	} `json:"progressDetail"`
}

type layer struct {
	done, total int64
	unpacked    bool
}

// progress adds up the layers of a download.
type progress struct {
	layers    map[string]*layer
	unpacking bool
	toldAt    time.Time
}

// take notes a line, and says where things stand unless that was said just now.
func (p *progress) take(l pullLine) (now Fetching, news bool) {
	if l.ID == "" {
		return now, false
	}
	switch l.Status {
	case "Pulling fs layer", "Waiting", "Downloading", "Verifying Checksum", "Download complete", "Extracting", "Pull complete", "Already exists":
	default:
		return now, false // names and tags
	}
	at := p.layers[l.ID]
	if at == nil {
		at = &layer{}
		p.layers[l.ID] = at
	}
	switch l.Status {
	case "Downloading":
		at.done, at.total = l.Progress.Current, max(l.Progress.Total, at.total)
	case "Verifying Checksum", "Download complete", "Extracting":
		at.done = at.total
	case "Pull complete", "Already exists":
		at.done, at.unpacked = at.total, true
	}
	if time.Since(p.toldAt) < fetchNews {
		return now, false
	}
	p.toldAt, p.unpacking = time.Now(), l.Status == "Extracting"
	return p.now(), true
}
