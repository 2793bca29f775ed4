package spawner

import (
	"cmp"
	"context"
	"math"
	"time"

	"lectern/spawner/container"
)

// Admission is when memory is free for one more workspace: once the machine has
// Share of what it may use beside Reserve.
type Admission struct {
	// Wants, if set, is what the workspace of a row will be given, in bytes: the
	// row says it only once it starts.
	Wants   func(context.Context, Row) (int64, error)
	Memory  int64   // bytes a workspace may use of which neither tells; 0 is container.DefaultLimits
	Share   float64 // of that, which must be free; 0 is a half
	Reserve int64   // bytes of each machine that stay free; 0 is 512 MiB
}

const (
	// measureEvery is how often the machines are looked at while somebody waits.
	measureEvery = time.Second
	// settling is how long a workspace has not taken what it will: its student
	// opens notebooks and starts kernels.
	settling = time.Minute
	// maxAsked bounds the engine's calls of one look.
	maxAsked = 32
)

// memoryOf is what the workspace of a row may use, in bytes.
func (s *Spawner) memoryOf(row Row) int64 {
	if row.State == Queued && s.admission.Wants != nil {
		memory, err := s.admission.Wants(s.life, row)
		if err == nil && memory > 0 {
			return memory
		}
		if err != nil && s.life.Err() == nil {
			s.log.Warn("what a workspace will be given is not known", "id", row.ID, "err", err)
		}
	}
	return cmp.Or(row.Limits.Memory, s.admission.Memory, container.DefaultLimits.Memory)
}

func (s *Spawner) needOf(row Row) need {
	memory := s.memoryOf(row)
	return need{
		used:   int64(float64(memory) * cmp.Or(s.admission.Share, 0.5)),
		booked: container.Limits{Memory: memory}.Or(container.DefaultLimits).Reservation,
	}
}

// placeOf is the place in line of a row.
func (s *Spawner) placeOf(row Row) place {
	return place{id: row.ID, course: row.CourseID, at: row.QueuedAt, rank: rankOf(row), need: s.needOf(row)}
}

func rankOf(row Row) rank {
	switch {
	case row.Ahead:
		return ahead
	case row.SubmissionID != 0:
		return aside
	}
	return asked
}

// measure looks at what the machines have left, unless that was just done, and
// lets go who fits. Every driver whose workspace waits calls it each second, so
// memory that becomes free is noticed within one.
func (s *Spawner) measure() {
	if s.gauge == nil {
		return
	}
	s.measuring.Lock()
	defer s.measuring.Unlock()
	if s.now().Sub(s.queue.seenAt()) < measureEvery {
		return
	}
	r, err := s.roomNow()
	if err != nil && s.life.Err() == nil && !s.blind {
		s.log.Warn("workspaces are started without knowing what memory is free", "err", err)
	}
	s.blind = err != nil
	short := s.queue.see(r)
	if short && !s.crowded {
		first, _ := s.queue.first()
		s.log.Info("workspaces wait for memory", "needed", r.of(first), "free", r.free)
	}
	s.crowded = short
	if short {
		s.makeRoom()
	}
}

// roomNow is what is left for further workspaces.
func (s *Spawner) roomNow() (room, error) {
	r := room{at: s.now(), unknown: true}
	ctx, done := context.WithTimeout(s.life, 3*time.Second)
	defer done()
	machines, err := s.gauge.Free(ctx)
	if err != nil || len(machines) == 0 {
		return r, err
	}
	rows, err := s.rows.ActiveWorkspaces(ctx)
	if err != nil {
		return r, err
	}
	r.unknown, r.booked = false, machines[0].Booked
	for _, m := range machines {
		r.free = append(r.free, m.Memory-cmp.Or(s.admission.Reserve, 512<<20))
	}
	first, holding := s.queue.first()
	r.starts = bearable(s.queue.slots, len(holding), machines)
	if r.booked {
		return r, nil // the driver counts by itself who just started
	}
	up := 0
	for _, row := range rows {
		if row.State != Queued {
			up++
		}
	}
	r.alone = up+len(holding) == 0
	r.free[0] -= s.untouched(ctx, rows, holding, r.free[0]-first.used)
	return r, nil
}

// untouched is the memory that workspaces which have only just started will take
// and have not. What each of them uses is asked only if the answer matters:
// if more than spare would be left for them.
func (s *Spawner) untouched(ctx context.Context, rows []Row, holding map[string]need, spare int64) (owed int64) {
	var young []Row
	for _, row := range rows {
		switch n, holds := holding[row.ID]; {
		case row.State == Starting || row.State == Running && s.now().Sub(row.ReadyAt) < settling:
			young = append(young, row)
			owed += s.needOf(row).used
		case row.State == Queued && holds: // it goes this moment
			owed += n.used
		}
	}
	if owed <= spare {
		return owed
	}
	for _, row := range young[:min(len(young), maxAsked)] {
		if u, err := s.engine.Usage(ctx, ContainerName(row.ID)); err == nil {
			owed -= min(u.Memory, s.needOf(row).used)
		}
	}
	return owed
}

// bearable is how many starts the CPU bears at once. As many other programs as
// there are cores leave enough; beyond that starts give way, down to one. Each
// start keeps two programs busy, its Jupyter and the engine.
func bearable(slots, starting int, machines []container.Free) int {
	if len(machines) != 1 || machines[0].CPUs == 0 {
		return 0
	}
	cores := float64(machines[0].CPUs)
	others := max(0, machines[0].Load-2*float64(starting))
	return max(1, int(math.Round(float64(slots)*min(1, 2*cores/(cores+others)))))
}
