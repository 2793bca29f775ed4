package spawner

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"lectern/spawner/container"
)

// trialPrefix begins the id of what is no workspace, but a test of an image.
const trialPrefix = "test-"

// TrialID is the id that a test of an image has in place of a workspace's.
func TrialID(n int64) string { return trialPrefix + strconv.FormatInt(n, 10) }

// TrialOf is the number in such an id; false for a workspace's.
func TrialOf(id string) (n int64, ok bool) {
	digits, ok := strings.CutPrefix(id, trialPrefix)
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, ok && err == nil
}

// Fault is what is wrong with an image that was tried, in a sentence.
type Fault string

func (f Fault) Error() string { return string(f) }

const (
	trialBoot   = 3 * time.Minute // for Jupyter to answer
	trialKernel = 90 * time.Second
	trialLines  = 200 // of the program's log
)

// TryImage starts the container of row, which is a test's, waits for Jupyter and
// has a kernel work something out. In the end nothing of it is left. log is what
// the program wrote; what is wrong with the image is a [Fault].
func (s *Spawner) TryImage(ctx context.Context, row Row, plan Plan, say func(string)) (log string, err error) {
	if _, ok := TrialOf(row.ID); !ok {
		return "", fmt.Errorf("spawner: %s is no test", row.ID)
	}
	name := ContainerName(row.ID)
	// What a Lectern that was killed left would have the name.
	if err := s.engine.Remove(ctx, name); err != nil {
		return "", err
	}
	defer func() {
		end, done := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer done()
		if text, err := s.engine.Logs(end, name, trialLines); err == nil {
			log = text
		}
		if err := s.engine.Remove(end, name); err != nil {
			s.log.Warn("the container of a test is left for the reconciler", "id", row.ID, "err", err)
		}
	}()
	say("Making the container")
	got, err := s.engine.Start(ctx, Template(s.realm, row, plan))
	if errors.Is(err, container.ErrNoProgram) {
		return "", noLab
	}
	if err != nil {
		return "", fmt.Errorf("spawner: test %s: %w", row.ID, err)
	}
	t := Target{got.Addr, row.Token}
	say("Starting JupyterLab")
	if err := s.awaitTrial(ctx, name, t); err != nil {
		return "", err
	}
	say("Having a kernel work out 1 + 1")
	ctx, done := context.WithTimeout(ctx, trialKernel)
	defer done()
	answer, err := evaluate(ctx, t, "1+1")
	switch {
	case err != nil:
		return "", Fault("JupyterLab starts, but its kernel does not work: " + err.Error())
	case !strings.Contains(answer, "2"):
		return "", Fault(fmt.Sprintf("JupyterLab starts, but to its kernel 1 + 1 is %.100q.", answer))
	}
	return "", nil
}

const noLab = Fault("The image has no jupyter-lab on its PATH.")

// awaitTrial waits until Jupyter answers, or cannot any more.
func (s *Spawner) awaitTrial(ctx context.Context, name string, t Target) error {
	ctx, done := context.WithTimeout(ctx, trialBoot)
	defer done()
	for look := time.Now().Add(lookEvery); ; {
		if s.jupyter.Up(ctx, t) {
			return nil
		}
		if time.Now().After(look) {
			look = time.Now().Add(lookEvery)
			switch c, err := s.engine.Inspect(ctx, name); {
			case err != nil || c.Phase != container.Exited:
			case c.OOM:
				return Fault("There was not enough memory for JupyterLab to start.")
			case c.ExitCode == 127:
				return noLab
			default:
				return Fault(fmt.Sprintf("JupyterLab ended while it was starting, with code %d.", c.ExitCode))
			}
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return Fault(fmt.Sprintf("JupyterLab did not answer within %v.", trialBoot))
			}
			return ctx.Err()
		case <-time.After(probeEvery):
		}
	}
}

// sweepTrial removes what is left of a test that nobody works on.
func (s *Spawner) sweepTrial(ctx context.Context, c container.Status) {
	n, _ := TrialOf(c.Labels[LabelWorkspace])
	generation, err := strconv.ParseInt(c.Labels[LabelGeneration], 10, 64)
	live := false
	if err == nil && s.trials != nil {
		live, err = s.trials(ctx, n, generation)
	}
	if err != nil || live {
		return
	}
	s.log.Info("the container of a test is removed", "name", c.Name, "err", s.engine.Remove(ctx, c.Name))
}
