package spawner

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Step is how far a start has come.
type Step string

const (
	StepQueued    Step = "queued"    // waits for its turn
	StepImage     Step = "image"     // the environment is looked up
	StepContainer Step = "container" // the container is made and started
	StepJupyter   Step = "jupyter"   // JupyterLab boots
	StepReady     Step = "ready"
)

// Progress is what the launch page shows.
type Progress struct {
	State    State
	Step     Step          // empty unless starting or ready
	Position int           // in the queue: 1 is next; 0 if not waiting or not known
	Wait     time.Duration // in the queue and for the start, about; 0 if not waiting or not known
	Memory   bool          // memory is what it waits for
	Elapsed  time.Duration // since Open
	Usual    time.Duration // median of recent starts of this image, without queueing; 0 if unknown
	Text     string        // one sentence for the student
	Reason   Reason        // why it failed or stopped
	Retry    bool          // opening again may help
}

// Watch sends the progress of a workspace: at once, at each change, and each
// second while it is under way. It is closed after the one that says running,
// failed or stopped, or when ctx ends. A slow reader misses steps, never the
// last one.
func (s *Spawner) Watch(ctx context.Context, id string) <-chan Progress {
	out := make(chan Progress)
	changed := make(chan struct{}, 1)
	s.mu.Lock()
	if s.watches[id] == nil {
		s.watches[id] = map[chan struct{}]bool{}
	}
	s.watches[id][changed] = true
	s.mu.Unlock()
	go func() {
		defer close(out)
		defer s.unwatch(id, changed)
		for {
			if row, err := s.rows.Workspace(ctx, id); err == nil {
				p := s.describe(row)
				select {
				case out <- p:
				case <-ctx.Done():
					return
				}
				if row.State == Running || row.State.Resting() {
					return
				}
			} else if ctx.Err() != nil || !retryable(err) {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
		}
	}()
	return out
}

func (s *Spawner) unwatch(id string, changed chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watches[id], changed)
	if len(s.watches[id]) == 0 {
		delete(s.watches, id)
	}
}

// tell wakes whoever watches a workspace.
func (s *Spawner) tell(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for changed := range s.watches[id] {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// progress notes a step of a start; a new one is a sign of life.
func (s *Spawner) progress(d *driver, step Step) {
	s.mu.Lock()
	same := d.step == step
	d.step = step
	s.mu.Unlock()
	if !same {
		d.progressAt = s.now()
		s.tell(d.id)
	}
}

func (s *Spawner) describe(row Row) Progress {
	p := Progress{State: row.State, Usual: s.usually(row.Image), Reason: row.Reason, Retry: row.Reason.Retry(), Text: row.Reason.Text()}
	switch row.State {
	case Queued:
		p.Step, p.Position = StepQueued, s.queue.position(row.ID)
		p.Wait = s.queue.wait(row.ID, s.now(), p.Usual)
		p.Text = "Waiting for a free place to start."
		if p.Position > 0 {
			p.Text = fmt.Sprintf("Number %d in line to start.", p.Position)
		}
		if p.Memory = s.queue.lacks(row.ID); p.Memory {
			p.Text = NoRoom.Text() + " " + p.Text
		}
		if row.Reason != None {
			p.Text = row.Reason.Text()
		}
	case Starting:
		p.Step, p.Text = s.stepOf(row.ID), "Starting your workspace."
		if p.Step == StepJupyter {
			p.Text = "Starting JupyterLab."
		}
	case Running:
		p.Step, p.Elapsed = StepReady, row.ReadyAt.Sub(row.QueuedAt)
		if p.Text == "" {
			p.Text = "Your workspace is ready."
		}
	case Stopping:
		p.Text = "Your workspace is being stopped."
	}
	if row.State == Queued || row.State == Starting {
		p.Elapsed = max(0, s.now().Sub(row.QueuedAt))
	}
	return p
}

// stepOf is the driver's step, or the first one if another process has it.
func (s *Spawner) stepOf(id string) Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.drivers[id]; d != nil && d.step != "" && d.step != StepQueued {
		return d.step
	}
	return StepImage
}

// learn notes how long a start took; a row that was counted counts once more
// only if its time differs.
func (s *Spawner) learn(row Row) {
	took := row.ReadyAt.Sub(row.StartedAt)
	if row.StartedAt.IsZero() || took <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	times := s.usual[row.Image]
	if slices.Contains(times, took) {
		return
	}
	times = append(times, took)
	s.usual[row.Image] = times[max(0, len(times)-20):]
}

func (s *Spawner) usually(image string) time.Duration {
	s.mu.Lock()
	times := slices.Sorted(slices.Values(s.usual[image]))
	s.mu.Unlock()
	if len(times) == 0 {
		return 0
	}
	return times[len(times)/2]
}
